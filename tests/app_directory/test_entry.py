"""The handler's module, as it is named and found."""

from pathlib import Path

import pytest
from entries import write_files

from cdk_lambda_package.app_directory import choose_index, normalise_index


@pytest.mark.parametrize(
    "index", ["api/main.py", "./api/main.py", "api//main.py", Path("api/main.py"), Path("./api/main.py")]
)
def test_an_index_may_be_written_as_paths_are(index):
    assert normalise_index(index) == "api/main.py"


def test_a_path_that_leads_out_still_does():
    assert normalise_index("./../app.py") == "../app.py"


@pytest.mark.parametrize(
    ("files", "index", "found"),
    [
        (["app.py", "index.py"], None, "app.py"),
        (["index.py"], None, "index.py"),
        ([], None, "app.py"),
        (["pkg/__init__.py"], "pkg.py", "pkg/__init__.py"),
        (["pkg/__init__.py", "pkg.py"], "pkg.py", "pkg.py"),
        (["a/b/__init__.py"], "./a/b.py", "a/b/__init__.py"),
        (["pkg/other.py"], "pkg.py", "pkg.py"),
        (["pkg/__init__.py"], "pkg/__init__.py", "pkg/__init__.py"),
    ],
)
def test_a_module_may_be_a_package(tmp_path, files, index, found):
    assert choose_index(write_files(tmp_path, dict.fromkeys(files, "")), index) == found
