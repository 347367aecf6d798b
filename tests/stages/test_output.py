"""Where a package is written: whole or not at all, and never over what is somebody's own."""

import os
from pathlib import Path

import pytest
from entries import HANDLER, names_in, package_request, snapshot, unpack, write_files
from readers import assert_reads_alike

from cdk_lambda_package import package
from cdk_lambda_package.errors import OutputError

FILES = {
    "app.py": HANDLER,
    "chalicelib/run.sh": "#!/bin/sh\n",
    "chalicelib/größe.txt": "ü",
    "chalicelib/empty": "",
    "chalicelib/large.bin": os.urandom(1000) * 400,
    "vendor/pkg/__init__.py": "",
}


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", FILES)


@pytest.fixture
def make(entry, store):
    """Packages the entry to a path."""

    def make(path: Path, *, unpacked: bool = False) -> Path:
        made = package(
            package_request(entry=entry, runtime="python3.13"), lambda _: path, store=store, unpacked=unpacked
        )
        assert made.path == path
        return path

    return make


def files_below(directory):
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.needs("file modes")
def test_the_directory_is_the_zip_unpacked(make, tmp_path):
    archive = make(tmp_path / "x.zip")
    assert_reads_alike(archive)
    found = files_below(make(tmp_path / "x", unpacked=True))
    expected = files_below(unpack(archive, tmp_path / "unpacked"))
    assert {name: content for name, (content, _) in found.items()} == {
        name: content for name, (content, _) in expected.items()
    }
    assert {name for name, (_, mode) in found.items() if mode == 0o755} == {"chalicelib/run.sh"}
    assert {mode for _, mode in found.values()} == {0o644, 0o755}


def test_folders_above_the_output_are_made(make, tmp_path):
    assert make(tmp_path / "a" / "b" / "x.zip").is_file()
    assert make(tmp_path / "c" / "d" / "x", unpacked=True).is_dir()


def test_the_next_build_replaces_a_directory_that_nobody_touched(make, entry, tmp_path):
    out = make(tmp_path / "x", unpacked=True)
    (entry / "chalicelib" / "empty").unlink()
    write_files(entry, {"app.py": "def handler(event, context):\n    return 2\n", "chalicelib/new.txt": "x"})
    make(out, unpacked=True)
    assert "return 2" in (out / "app.py").read_text()
    assert (out / "chalicelib" / "new.txt").is_file()
    assert not (out / "chalicelib" / "empty").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own-cache", "svc", "x"], "nothing is left beside it"


def test_an_untouched_directory_isnt_written_again(make, tmp_path):
    out = make(tmp_path / "x", unpacked=True)
    before = snapshot(out)
    make(out, unpacked=True)
    assert snapshot(out) == before


@pytest.mark.parametrize("change", ["added", "edited", "hidden"])
def test_a_directory_with_the_users_files_isnt_replaced(make, entry, tmp_path, change):
    out = make(tmp_path / "x", unpacked=True)
    name = {"added": "chalicelib/notes.txt", "edited": "app.py", "hidden": ".env"}[change]
    write_files(out, {name: "mine"})
    write_files(entry, {"app.py": "x = 1\n"})
    with pytest.raises(
        OutputError, match=f"files that weren't written by an earlier run, or were changed since: {name}"
    ):
        make(out, unpacked=True)
    assert (out / name).read_text() == "mine"


def test_a_directory_that_was_there_before_is_the_users(make, tmp_path):
    out = write_files(tmp_path / "x", {"a": "1", "b": "2", "c": "3", "d": "4"})
    with pytest.raises(OutputError, match=r"changed since: a, b, c and 1 more\. They would be lost"):
        make(out, unpacked=True)
    assert len(list(out.iterdir())) == 4


def test_an_empty_directory_is_filled(make, tmp_path):
    (tmp_path / "x").mkdir()
    assert (make(tmp_path / "x", unpacked=True) / "app.py").is_file()


def test_what_python_caches_in_the_directory_is_nobodys_loss(make, entry, tmp_path):
    # A debugger or a local emulator has imported from it.
    out = make(tmp_path / "x", unpacked=True)
    write_files(out, {"__pycache__/app.cpython-313.pyc": b"x", "pkg/__pycache__/__init__.cpython-313.pyc": b"x"})
    write_files(entry, {"app.py": "x = 1\n"})
    make(out, unpacked=True)
    assert (out / "app.py").read_text() == "x = 1\n"
    assert not (out / "__pycache__").exists()


def test_an_existing_zip_is_replaced_at_once(make, entry, tmp_path):
    path = write_files(tmp_path, {"x.zip": "anything"}) / "x.zip"
    with path.open("rb") as opened:
        make(path)
        assert opened.read() == b"anything", "who had it open still has the old one, whole"
    assert "app.py" in names_in(path)


def test_a_zip_that_was_touched_is_written_again(make, tmp_path):
    path = make(tmp_path / "x.zip")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    assert make(path).read_bytes() == content


def test_a_directory_given_as_a_zip_is_an_error(make, tmp_path):
    (tmp_path / "x.zip").mkdir()
    with pytest.raises(OutputError, match=r"x\.zip' is a directory, not a file that could be replaced"):
        make(tmp_path / "x.zip")


def test_a_file_given_as_a_directory_is_an_error(make, tmp_path):
    write_files(tmp_path, {"x": "mine"})
    with pytest.raises(OutputError, match="x' is a file; give a directory's name"):
        make(tmp_path / "x", unpacked=True)
    assert (tmp_path / "x").read_text() == "mine"


def test_a_path_below_a_file_is_an_error(make, tmp_path):
    write_files(tmp_path, {"x": "mine"})
    with pytest.raises(OutputError, match="can't be written"):
        make(tmp_path / "x" / "y.zip")


@pytest.mark.needs("named pipes")
def test_a_device_isnt_replaced_by_a_file(make, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="pipe' is a named pipe, not a file"):
        make(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_form_isnt_taken_for_the_other(make, tmp_path):
    path = make(tmp_path / "x.zip")
    path.unlink()
    assert (make(path, unpacked=True) / "app.py").is_file()


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(make, tmp_path, unpacked):
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    make(tmp_path / "link", unpacked=unpacked)
    assert (tmp_path / "link").is_symlink()
    if not unpacked:
        assert "app.py" in names_in(target)
    else:
        assert (target / "app.py").read_text() == HANDLER
    make(tmp_path / "link", unpacked=unpacked)
    assert (tmp_path / "link").is_symlink()
