"""Modules of the entry directory that aren't packaged."""

import os

from entries import write_files

from cdk_lambda_package.app_directory import Selection, read_app, read_facts

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


def unpackaged(root, **selection):
    return read_app(root, Selection(**selection), read_facts).unpackaged


def test_modules_and_folders_beside_the_app_are_listed(tmp_path):
    root = write_files(tmp_path, FILES)
    assert unpackaged(root) == ("helpers.py", "shared/")
    assert unpackaged(root, include=("helpers.py", "shared/**")) == ()
    assert unpackaged(root, include=("README.md",)) == ("helpers.py", "shared/")


def test_modules_of_a_packaged_folder_that_are_left_out_are_listed(tmp_path):
    root = write_files(tmp_path, {**FILES, "shared/cache.py": ""})
    assert "chalicelib/seeds.py" in unpackaged(root, exclude=("seeds.*",))
    assert unpackaged(root, include=("shared/db.py",)) == ("helpers.py", "shared/cache.py")


def test_the_modules_of_a_project_are_listed_by_their_own_names(tmp_path):
    sources = {"src/orders/__init__.py": "", "src/orders/db.py": "", "src/money.py": "", "src/x.egg-info/x.py": ""}
    root = write_files(tmp_path, {**FILES, **sources})
    listed = ("helpers.py", "shared/", "src/", "src/money.py", "src/orders/")
    assert unpackaged(root) == unpackaged(root, include=("README.md",)) == listed
    # One of its modules is selected, so what is left out is listed file by file, as of any folder.
    assert unpackaged(root, include=("src/money.py",))[2:] == (
        "src/orders/__init__.py",
        "src/orders/db.py",
        "src/x.egg-info/x.py",
    )


def test_the_entry_directory_is_listed_once(tmp_path, monkeypatch):
    root, listed, scan = write_files(tmp_path, FILES), [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(str(folder)) or scan(folder))
    unpackaged(root, include=("shared/",), exclude=("seeds.*",))
    assert sorted(set(listed)) == sorted(listed)


def test_modules_of_the_project_that_the_entry_directory_is_below_are_listed(tmp_path):
    files = {"src/orders/__init__.py": "", "src/single.py": "", "functions/a/app.py": "", "functions/a/helper.py": ""}
    write_files(tmp_path, files)
    entry = tmp_path / "functions" / "a"
    assert unpackaged(entry) == ("helper.py",)
    write_files(tmp_path, {"pyproject.toml": "[project]\nname = 'orders'\n"})
    assert unpackaged(entry) == ("helper.py",)
    write_files(tmp_path, {"pyproject.toml": "[project]\nname = 'orders'\n[build-system]\nrequires = []\n"})
    assert unpackaged(entry) == ("helper.py", "../../src/orders/", "../../src/single.py")
