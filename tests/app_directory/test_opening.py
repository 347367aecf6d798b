"""Only files that were listed are read, whatever is put in their places meanwhile."""

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, package_request, write_files
from offline import RUNTIME

from cdk_lambda_package import package
from cdk_lambda_package.app_directory import (
    FoundFile,
    OpenFolder,
    Selection,
    SymlinkFollowMode,
    open_listed,
    read_app,
    read_facts,
    settled,
)
from cdk_lambda_package.app_directory.listing import list_files
from cdk_lambda_package.errors import ChangedFileError, ContentError, PackageError
from cdk_lambda_package.store import Store

SECRET = b"SECRET = 'outside'\n"
PUBLIC = b"public = 'inside' \n"


@pytest.fixture
def entry(tmp_path):
    write_files(tmp_path / "outside" / "sub", {"data.py": SECRET})
    return write_files(tmp_path / "svc", {"app.py": HANDLER, "chalicelib/sub/data.py": PUBLIC})


@pytest.fixture
def listed(entry) -> FoundFile:
    return find(entry, "chalicelib/sub/data.py")


def find(entry: Path, path: str, mode: SymlinkFollowMode = SymlinkFollowMode.BLOCK_EXTERNAL) -> FoundFile:
    (found,) = (
        file for file in list_files(entry, starts=None, wanted=lambda _: True, mode=mode).files if file.path == path
    )
    return found


def content(file: FoundFile) -> bytes:
    with open_listed(file.root, file.source, file.stat) as stream:
        return stream.read()


def link_to_outside(entry: Path) -> None:
    (entry / "chalicelib/sub/data.py").unlink()
    (entry / "chalicelib/sub/data.py").symlink_to(entry.parent / "outside/sub/data.py")


def folder_that_is_a_link(entry: Path) -> None:
    (entry / "chalicelib/sub").rename(entry.parent / "old")
    (entry / "chalicelib/sub").symlink_to(entry.parent / "outside/sub")


def link_to_itself_elsewhere(entry: Path) -> None:
    (entry / "chalicelib/sub").rename(entry.parent / "old")
    (entry / "chalicelib/sub").symlink_to(entry.parent / "old")


def folder_from_outside(entry: Path) -> None:
    (entry / "chalicelib/sub").rename(entry.parent / "old")
    (entry.parent / "outside/sub").rename(entry / "chalicelib/sub")


def other_file(entry: Path) -> None:
    (entry.parent / "outside/sub/data.py").replace(entry / "chalicelib/sub/data.py")


def hard_link(entry: Path) -> None:
    (entry / "chalicelib/sub/data.py").unlink()
    (entry / "chalicelib/sub/data.py").hardlink_to(entry.parent / "outside/sub/data.py")


def named_pipe(entry: Path) -> None:
    (entry / "chalicelib/sub/data.py").unlink()
    os.mkfifo(entry / "chalicelib/sub/data.py")


def folder(entry: Path) -> None:
    (entry / "chalicelib/sub/data.py").unlink()
    (entry / "chalicelib/sub/data.py").mkdir()


def nothing(entry: Path) -> None:
    (entry / "chalicelib/sub/data.py").unlink()


def no_folder(entry: Path) -> None:
    (entry / "chalicelib").rename(entry.parent / "old")


def file_for_folder(entry: Path) -> None:
    no_folder(entry)
    (entry / "chalicelib").write_text("")


def longer_content(entry: Path) -> None:
    with (entry / "chalicelib/sub/data.py").open("ab") as stream:
        stream.write(b"#")


def same_size_later(entry: Path) -> None:
    path = entry / "chalicelib/sub/data.py"
    path.write_bytes(SECRET)
    os.utime(path, ns=(1, 1))


CHANGES = [
    *(link_to_outside, folder_that_is_a_link, link_to_itself_elsewhere, folder_from_outside, other_file, hard_link),
    *(named_pipe, folder, nothing, no_folder, file_for_folder, longer_content, same_size_later),
]


@pytest.mark.needs("named pipes")
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_isnt_the_listed_one_isnt_read(entry, listed, change):
    assert content(listed) == PUBLIC
    change(entry)
    with pytest.raises(
        ChangedFileError, match=r"data\.py' changes while it is packaged\. Package again when no process"
    ):
        content(listed)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="paths are opened whole")
@pytest.mark.parametrize("change", [link_to_outside, folder_that_is_a_link, link_to_itself_elsewhere, named_pipe])
def test_no_part_of_a_path_is_followed_even_if_only_the_content_is_compared(entry, listed, change):
    change(entry)
    with pytest.raises(ChangedFileError):
        open_listed(listed.root, listed.source)


def test_an_entry_directory_that_is_reached_by_a_link_is_read(entry, tmp_path):
    (tmp_path / "link").symlink_to("svc")
    assert content(find(tmp_path / "link", "chalicelib/sub/data.py")) == PUBLIC


@pytest.mark.parametrize("mode", [SymlinkFollowMode.BLOCK_EXTERNAL, SymlinkFollowMode.ALWAYS])
def test_the_target_of_a_link_that_is_followed_is_held_to_the_same_rule(entry, tmp_path, mode):
    inside = mode is SymlinkFollowMode.BLOCK_EXTERNAL
    target = entry / "shared" if inside else tmp_path / "shared"
    write_files(target / "deep", {"data.py": PUBLIC})
    (entry / "chalicelib/link").symlink_to(target)
    listed = find(entry, "chalicelib/link/deep/data.py", mode)
    assert content(listed) == PUBLIC
    (target / "deep").rename(tmp_path / "moved")
    (target / "deep").symlink_to(tmp_path / "moved")
    with pytest.raises(ChangedFileError):
        content(listed)


def test_a_link_that_leads_elsewhere_after_it_was_resolved_isnt_followed_again(entry, tmp_path):
    write_files(entry / "shared", {"data.py": PUBLIC})
    (entry / "chalicelib/link").symlink_to(entry / "shared")
    listed = find(entry, "chalicelib/link/data.py")
    (entry / "chalicelib/link").unlink()
    (entry / "chalicelib/link").symlink_to(tmp_path / "outside/sub")
    assert content(listed) == PUBLIC, "the file that was listed, by its real path"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files can't be counted")
def test_no_folder_stays_open(entry, tmp_path):
    write_files(entry / "chalicelib", {f"{index}/{index}/x.py": "" for index in range(20)})
    files = list_files(entry, starts=None, wanted=lambda _: True, mode=SymlinkFollowMode.NEVER).files
    before = open_files()
    with OpenFolder() as opened:
        for file in files:
            opened.open(file.root, file.source, file.stat).close()
            with contextlib.suppress(ChangedFileError):
                opened.open(file.root, f"{file.source}/gone/x.py")
        assert open_files() <= before + 1
    assert open_files() == before


def test_a_file_that_changed_once_is_listed_again(entry):
    changes = iter([link_to_outside])

    def read(file):
        for change in changes:
            change(entry)
        return read_facts(file)

    with pytest.raises(ContentError, match="a symbolic link to .*outside the entry directory"):
        settled(lambda: read_app(entry, Selection(), read))


def test_a_file_that_settles_is_packaged_as_it_is_then(entry):
    rounds = []

    def read(file):
        if file.path.endswith("data.py"):
            rounds.append(file)
            if len(rounds) < 3:
                longer_content(entry)
        return read_facts(file)

    app = settled(lambda: read_app(entry, Selection(), read))
    assert len(rounds) == 3
    assert {file.path: file.size for file in app.files}["chalicelib/sub/data.py"] == len(PUBLIC) + 2


def test_a_file_that_never_settles_is_an_error_that_names_it(entry):
    rounds = []

    def read(file):
        if file.path.endswith("data.py"):
            rounds.append(file)
            longer_content(entry)
        return read_facts(file)

    with pytest.raises(ContentError, match=r"'.*svc/chalicelib/sub/data\.py' changes while it is packaged"):
        settled(lambda: read_app(entry, Selection(), read))
    assert len(rounds) == 3


SWAP = """
    import os, random, sys, time
    # Each rename is whole: at any moment there is the one or the other. The swap ends with the pipe of its parent.
    place, other, kind = sys.argv[1:]
    os.set_blocking(0, False)

    def rest():
        time.sleep(random.uniform(0, 0.002))

    while True:
        if kind == "file":
            os.link(place, other + ".kept")
            os.symlink(other, other + ".link")
            os.replace(other + ".link", place)
            rest()
            os.replace(other + ".kept", place)
        else:
            os.rename(place, other + ".kept")
            os.symlink(other, place)
            rest()
            os.unlink(place)
            os.rename(other + ".kept", place)
        rest()
        try:
            if os.read(0, 1) == b"":
                break
        except BlockingIOError:
            pass
"""


@contextlib.contextmanager
def swapping(place: Path, other: Path, kind: str):
    """Swap a file or folder for a link to another, over and over, in a process of its own."""
    argv = [sys.executable, "-c", textwrap.dedent(SWAP), place, other, kind]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as swapper:
        try:
            yield
        finally:
            swapper.stdin.close()
            assert swapper.wait(30) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="an open folder can't be renamed")
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "before_packaging"])
def test_no_content_from_outside_gets_in_while_links_are_swapped(entry, tmp_path, kind, prepared):
    write_files(entry / "chalicelib", {f"{index}.txt": str(index) for index in range(100)})
    further = {"before_packaging": [["true"]]} if prepared else {}
    request = package_request(entry=entry, runtime=RUNTIME, **further)
    path = "chalicelib/sub/data.py" if kind == "file" else "chalicelib/sub"
    other = tmp_path / "outside/sub/data.py" if kind == "file" else tmp_path / "outside/sub"
    made, told = [], []
    with swapping(entry / path, other, kind):
        for index in range(5 if prepared else 15):
            store = Store(tmp_path / "stores" / str(index))
            try:
                made.append(package(request, lambda digest: tmp_path / f"{digest}.zip", store=store).path)
            except PackageError as error:
                told.append(str(error))
    leaked = []
    for archive in made:
        with zipfile.ZipFile(archive) as opened:
            leaked += [name for name in opened.namelist() if opened.read(name) == SECRET]
    assert not leaked
    # Which link it was when it was listed, or that it never settled.
    kinds = ("outside the entry directory", "leads nowhere", "changes while it is packaged")
    assert [text for text in told if not any(kind in text for kind in kinds)] == []


@pytest.mark.needs("named pipes")
def test_a_pipe_in_place_of_a_file_doesnt_hold_the_build_up(entry, store):
    def read(file):
        if file.path.endswith("data.py") and not (entry / "chalicelib/sub/data.py").is_fifo():
            named_pipe(entry)
        return read_facts(file)

    errors = []

    def attempt():
        try:
            settled(lambda: read_app(entry, Selection(), read))
        except ContentError as error:
            errors.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "is neither a file nor a folder" in errors[0]
