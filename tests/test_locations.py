"""Files in messages are named as the user names them."""

from pathlib import Path

import pytest
from entries import write_files
from offline import run_cli

from cdk_lambda_package.locations import find_own_file, name_places, show_path


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """An entry directory below the working directory, with something in vendor/."""
    monkeypatch.chdir(tmp_path)
    return write_files(Path("db"), {"app.py": "import nowhere\n", "my module.py": "", "vendor/six.py": ""})


def test_a_place_in_the_entry_directory_is_named_from_the_working_directory(entry):
    assert name_places("app.py:6: 'x' is missing", entry) == "db/app.py:6: 'x' is missing"
    assert name_places("my module.py:1: odd", entry) == "db/my module.py:1: odd"
    assert name_places("six.py:2: odd", entry) == "db/vendor/six.py:2: odd"


def test_a_module_of_the_entry_directory_s_own_project_is_named_in_its_source_folder(entry):
    write_files(entry, {"src/my_db/__init__.py": "", "src/single.py": ""})
    assert name_places("my_db/__init__.py:1: 'x' is missing", entry) == "db/src/my_db/__init__.py:1: 'x' is missing"
    assert find_own_file(entry, "single.py") == entry / "src/single.py"


def test_each_of_several_problems_is_named(entry):
    text = "2 problems:\n  - app.py:6: one\n  - six.py:2: two\nDetails: `command`."
    assert (
        name_places(text, entry)
        == "2 problems:\n  - db/app.py:6: one\n  - db/vendor/six.py:2: two\nDetails: `command`."
    )


def test_what_is_no_place_in_it_stays(entry):
    for text in ("requests/api.py:6: odd", "the package has app.py:6: odd", "https://example.com:8080: refused"):
        assert name_places(text, entry) == text
    assert name_places(f"{'a' * 5000}:1: odd", entry).startswith("aaa")


def test_an_own_file_is_found_in_the_entry_directory_first(entry):
    write_files(entry, {"six.py": ""})
    assert find_own_file(entry, "six.py") == entry / "six.py"
    assert find_own_file(entry, "requests/api.py") is None


def test_a_path_is_shown_by_its_shortest_name(tmp_path, monkeypatch):
    inside = tmp_path / "repo" / "infrastructure"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert show_path(inside / "db" / "app.py") == "db/app.py"
    assert show_path(tmp_path / "repo" / "db" / "app.py") == "../db/app.py"
    assert show_path(Path("/srv/app.py")) == "/srv/app.py"


def test_the_command_line_names_files_from_where_it_is_run(entry, monkeypatch, tmp_path):
    options = ("--runtime", "python3.13", "-o", Path.cwd() / "package.zip")
    above = run_cli("build", "db", *options, cache=tmp_path / "cache")
    assert "error: db/app.py:1: 'nowhere' is imported" in above.stderr
    monkeypatch.chdir(entry)
    inside = run_cli("build", ".", *options, cache=tmp_path / "cache")
    assert "error: app.py:1: 'nowhere' is imported" in inside.stderr
