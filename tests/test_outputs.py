"""Outputs are replaced whole or refused, and one rule holds for all of them."""

import errno
import os
import shutil
import socket
import stat
import sys
from pathlib import Path

import pytest
from entries import HANDLER, names_in, write_files
from offline import RUNTIME, run_cli

from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.outputs import Output, check_outputs, replace_files, replacing_file, replacing_folder

OPTIONS = ("-o", "--manifest", "--sbom", "lock")


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER})


@pytest.fixture
def write(entry, tmp_path):
    """Runs the command that writes an output to a path; returns the finished process. No package is left in its way."""

    def write(option: str, path: Path, *further: str, before: tuple[str, ...] = ()):
        if option == "lock":
            write_files(entry, {"requirements.txt": ""})
            argv = ["lock", entry, "--runtime", RUNTIME, "-o", path]
        else:
            package = [] if option == "-o" else ["-o", tmp_path / "beside.zip"]
            argv = ["build", entry, "--runtime", RUNTIME, *package, option, path]
        return run_cli(*argv, *further, cache=tmp_path / "cache", before=before)

    return write


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        # Its address can't be as long as a path of a test.
        here = Path.cwd()
        os.chdir(path.parent)
        opened.bind(path.name)
        os.chdir(here)


def link_to_pipe(path: Path) -> None:
    os.mkfifo(path.parent / "pipe-elsewhere")
    path.symlink_to("pipe-elsewhere")


def open_file(path: Path) -> None:
    # As /dev/stdout is one. It can't be replaced by any mistake: /proc takes no files.
    path.symlink_to("/proc/self/fd/1")


def endless_link(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.needs("named pipes")
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (pipe, "is a named pipe"),
        (unix_socket, "is a socket"),
        (link_to_pipe, "is a named pipe"),
        (open_file, "is the name of an open file"),
        (endless_link, "Too many levels of symbolic links; correct the symbolic links"),
    ],
)
def test_what_is_no_file_is_refused_before_anything_is_made(write, tmp_path, option, make, said):
    path = tmp_path / "pylock.toml"
    make(path)
    before = path.lstat()
    done = write(option, path)
    after = path.lstat()
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert str(path) in done.stderr
    assert (after.st_ino, after.st_mode, after.st_ctime_ns) == (before.st_ino, before.st_mode, before.st_ctime_ns)
    assert not (tmp_path / "beside.zip").exists(), "it was seen early"
    assert not list((tmp_path / "cache").rglob("stats")), "nothing was read for it"


@pytest.mark.parametrize("option", OPTIONS[1:])
def test_a_directory_is_no_file(write, tmp_path, option):
    (tmp_path / "pylock.toml").mkdir()
    done = write(option, tmp_path / "pylock.toml")
    assert done.returncode == 1
    assert "is a directory, not a file that could be replaced" in done.stderr


@pytest.mark.needs("file modes")
@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_is_replaced_whole_and_keeps_its_mode(write, tmp_path, option):
    path = write_files(tmp_path, {"pylock.toml": '[tool]\nname = "old"\n'}) / "pylock.toml"
    path.chmod(0o640)
    with path.open("rb") as opened:
        done = write(option, path, *(["--upgrade"] if option == "lock" else []))
        assert done.returncode == 0, done.stderr
        assert opened.read() == b'[tool]\nname = "old"\n', "who had it open still has the old one"
    assert b"old" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    left = {"pylock.toml", "cache", "svc", *(["beside.zip"] if option in ("--manifest", "--sbom") else [])}
    assert {one.name for one in tmp_path.iterdir()} == left, "nothing is left beside it"


@pytest.mark.parametrize("option", OPTIONS)
def test_a_link_stays_a_link_and_missing_folders_are_made(write, tmp_path, option):
    path = tmp_path / "pylock.toml"
    path.symlink_to("a/b/real.file")
    done = write(option, path)
    assert done.returncode == 0, done.stderr
    assert path.is_symlink()
    assert (tmp_path / "a" / "b" / "real.file").stat().st_size
    done = write(option, path)
    assert done.returncode == 0, done.stderr
    assert path.is_symlink()


@pytest.mark.parametrize("kind", ["spelling", "link", "hard link", "link to nothing"])
@pytest.mark.parametrize("options", [("-o", "--manifest"), ("--manifest", "--sbom")])
def test_two_outputs_that_are_one_file_are_refused(entry, tmp_path, kind, options):
    one, other = tmp_path / "one", tmp_path / "other"
    if kind == "spelling":
        other = Path(f"{tmp_path}/svc/../one")
    elif kind == "hard link":
        one.write_text("mine")
        other.hardlink_to(one)
    else:
        other.symlink_to(one)
        if kind == "link":
            one.write_text("mine")
    package = [] if options[0] == "-o" else ["-o", tmp_path / "beside.zip"]
    argv = ["build", entry, "--runtime", RUNTIME, *package, options[0], one, options[1], other]
    done = run_cli(*argv, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "are the same file; give each a file of its own" in done.stderr
    assert not one.exists() or one.read_text() == "mine"
    assert not (tmp_path / "beside.zip").exists()


def test_an_output_in_the_directory_of_another_is_refused(entry, tmp_path):
    argv = ["build", entry, "--runtime", RUNTIME, "-o", f"{tmp_path}/x/", "--manifest", tmp_path / "x" / "m.json"]
    done = run_cli(*argv, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "is below --output" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("option", OPTIONS[:3])
def test_no_output_replaces_what_is_packaged(write, entry, option):
    done = write(option, entry / "app.py")
    assert done.returncode == 1
    assert "is among the files that are packaged" in done.stderr
    assert (entry / "app.py").read_text() == HANDLER


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit")
@pytest.mark.parametrize("option", ["-o", "--manifest"])
def test_a_file_that_gets_no_room_leaves_the_old_one(write, entry, tmp_path, option):
    # The records of the store stay below the limit. The zip and the manifest don't.
    write_files(entry, {f"chalicelib/{index}.txt": str(index) for index in range(500)})
    done = write(option, tmp_path / "old", "--cache-dir", tmp_path / "full", before=())
    assert done.returncode == 0, done.stderr
    size, content = (tmp_path / "old").stat().st_size, (tmp_path / "old").read_bytes()
    write_files(entry, {"chalicelib/499.txt": "other"})
    limit = ("prlimit", f"--fsize={size // 2}")
    done = write(option, tmp_path / "old", "--cache-dir", tmp_path / "full", before=limit)
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert (tmp_path / "old").read_bytes() == content
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")], "nothing unfinished is left"


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    path = write_files(tmp_path, {"old.json": "old"}) / "old.json"
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        told = r"can't be written: File too large; raise the limit"
        with pytest.raises(OutputError, match=told), replacing_file(path) as stream:
            stream.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["old.json"]


def test_an_unfinished_file_bears_the_name_of_its_output(tmp_path):
    with replacing_file(tmp_path / "orders.zip"):
        (unfinished,) = tmp_path.iterdir()
    assert unfinished.name.startswith(".orders.zip.cdk-lambda-package-")
    assert [one.name for one in tmp_path.iterdir()] == ["orders.zip"]


@pytest.mark.needs("file modes")
def test_a_private_file_is_never_readable_for_others(tmp_path):
    path = write_files(tmp_path, {"x.json": "old"}) / "x.json"
    path.chmod(0o600)
    with replacing_file(path):
        assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}


def test_a_path_that_becomes_a_directory_meanwhile_isnt_replaced(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(OutputError, match="is a directory"), replacing_file(path):
        path.mkdir()
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.needs("file modes")
def test_several_files_are_replaced_all_or_none(tmp_path):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    one.write_text("old")
    replace_files({one: b"new", two: b"new"})
    assert (one.read_text(), two.read_text()) == ("new", "new")
    # The last one can't be replaced, and the others are put back.
    three.mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        replace_files({one: b"newer", tmp_path / "four": b"newer", three: b"newer"})
    assert (one.read_text(), sorted(path.name for path in tmp_path.iterdir())) == ("new", ["one", "three", "two"])


def test_files_that_were_replaced_get_their_old_content_back(tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    replace, calls = Path.replace, []

    def fail_at_the_second(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_the_second)
    with pytest.raises(OutputError):
        replace_files({two: b"new", one: b"new"})
    assert (one.read_text(), two.exists()) == ("old", False)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_link_that_leads_nowhere_stays_if_files_cant_be_replaced(tmp_path, monkeypatch):
    link, there = tmp_path / "link", tmp_path / "there"
    link.symlink_to("target")
    there.write_bytes(b"old")
    replaced = Path.replace

    def replace(path, target):
        if Path(target) == there:
            raise OSError(28, "No space left on device")
        return replaced(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    # The one that is entered last is replaced first.
    with pytest.raises(OutputError):
        replace_files({there: b"new", link: b"new"})
    assert link.is_symlink()
    assert not (tmp_path / "target").exists()
    assert there.read_bytes() == b"old"


def test_a_directory_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = write_files(tmp_path / "out", {"old": "1"})
    path.chmod(0o750)
    with replacing_folder(path) as folder:
        write_files(folder, {"new": "2"})
        assert (path / "old").is_file()
    assert [one.name for one in path.iterdir()] == ["new"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    with pytest.raises(KeyError), replacing_folder(path) as folder:
        raise KeyError
    assert [one.name for one in path.iterdir()] == ["new"]
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_the_working_directory_isnt_replaced(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path in (Path(), tmp_path, tmp_path / "here"):
        with pytest.raises(OutputError, match="is the working directory, or above it"):
            Output(path=path, folder=True).check()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden here")
def test_a_place_where_nothing_can_be_written_is_seen_early(tmp_path):
    (tmp_path / "x").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="can't be written: Permission denied"):
        check_outputs([Output(path=tmp_path / "x" / "y" / "z.json")])


def test_a_build_writes_all_of_its_outputs(entry, tmp_path):
    argv = ["build", entry, "--runtime", RUNTIME, "-o", tmp_path / "a" / "x.zip"]
    argv += ["--manifest", tmp_path / "b" / "m.json", "--sbom", tmp_path / "c" / "s.json"]
    done = run_cli(*argv, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "a" / "x.zip") == ["app.py"]
    assert (tmp_path / "b" / "m.json").is_file()
    assert (tmp_path / "c" / "s.json").is_file()
