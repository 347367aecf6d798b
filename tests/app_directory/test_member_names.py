"""Names that can be unpacked below a root, and names that can't."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.app_directory import is_leftover, name_fault

PARTS = st.sampled_from(["a", "..", ".", "", "C:", "b.py", "\\", "\0", "ü", "nul\n", " ", "...", "-x"])


@given(st.lists(PARTS, min_size=1, max_size=5).map("/".join))
def test_a_name_without_a_fault_stays_below_the_root_on_every_system(name):
    if name_fault(name) is None:
        assert not PurePosixPath(name).is_absolute()
        assert not PureWindowsPath(name).is_absolute()
        assert PureWindowsPath(name).drive == ""
        assert ".." not in PureWindowsPath(name).parts
        assert name.rstrip("/") == str(PurePosixPath(name))


@pytest.mark.parametrize("name", ["a", "a/b.py", "größe", "a b/c'd\"e", "..a", "a..", ".env", "...", "日本/x"])
def test_an_odd_but_harmless_name_is_fine(name):
    assert name_fault(name) is None


def test_a_name_that_is_no_unicode_is_a_fault():
    assert name_fault("a\udcff") == "it isn't Unicode"


def test_a_name_beyond_the_formats_length_is_a_fault():
    assert name_fault("a" * 0xFFFF) is None
    assert name_fault("ü" * 0x8000) == "it is longer than the format allows"


@pytest.mark.parametrize(
    ("path", "others", "leftover"),
    [
        ("a/__pycache__/x.pyc", [], True),
        ("a.pyc", ["a.py"], True),
        ("a.pyc", [], False),
        ("a/.git/HEAD", [], True),
        (".DS_Store", [], True),
        ("a/.DS_Store", [], True),
        (".gitignore", [], False),
        ("env/x.py", [], False),
        ("git/x.py", [], False),
    ],
)
def test_leftovers_are_what_nobody_imports(path, others, leftover):
    assert is_leftover(path, {path, *others}) is leftover
