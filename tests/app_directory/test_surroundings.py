"""Modules of the entry directory that aren't packaged."""

from entries import write_files

from cdk_lambda_package.app_directory import Selection, read_app, read_facts, unpackaged_modules

FILES = {
    "app.py": "",
    "helpers.py": "",
    "chalicelib/utils.py": "",
    "chalicelib/seeds.py": "",
    "chalicelib/data/seeds.json": "",
    "shared/db.py": "",
    "vendor/lib.py": "",
    "notes-1/x.py": "",
    "README.md": "",
    ".venv/pyvenv.cfg": "",
    "__pycache__/x.pyc": "",
}


def unpackaged(root, *, deep=False, **selection):
    return unpackaged_modules(read_app(root, Selection(**selection), read_facts), deep=deep)


def test_modules_and_folders_beside_the_app_are_listed(tmp_path):
    root = write_files(tmp_path, FILES)
    assert unpackaged(root) == ("helpers.py", "shared/")
    assert unpackaged(root, include=("helpers.py", "shared/**")) == ()


def test_what_is_excluded_is_listed_where_it_may_be(tmp_path):
    root = write_files(tmp_path, FILES)
    assert "chalicelib/seeds.py" in unpackaged(root, deep=True, exclude=("seeds.*",))
    assert unpackaged(root, deep=True) == ("helpers.py", "shared/")
