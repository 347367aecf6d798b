"""The store on disk: whole files or none, misses instead of trouble."""

import hashlib
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdk_lambda_package.store import CACHE_DIR_VARIABLE, FORMAT, Store, remembered, replacing

KEY = "ab" * 32


def test_a_record_is_read_back(store):
    store.write(b"content\nof two lines", "records", KEY)
    assert store.read("records", KEY) == b"content\nof two lines"
    assert store.read("records", "cd" * 32) is None


@pytest.mark.parametrize(
    "alter", [lambda c: c[:-1], lambda c: c + b"x", lambda c: b"", lambda c: b"0" + c[1:], lambda c: c[64:]]
)
def test_an_altered_record_is_a_miss(store, alter):
    store.write(b"content", "records", KEY)
    path = store.find("records", KEY)
    path.write_bytes(alter(path.read_bytes()))
    assert store.read("records", KEY) is None


def fill_folder(path):
    path.mkdir(parents=True)
    (path / "x").write_bytes(b"x")


def make_link(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "elsewhere").write_bytes(hashlib.sha256(b"other").hexdigest().encode() + b"\nother")
    path.symlink_to("elsewhere")


def make_pipe(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def make_unreadable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    path.chmod(0)


@pytest.mark.parametrize("place", [fill_folder, make_link, make_pipe, make_unreadable])
def test_an_entry_that_is_no_file_of_ours_is_a_miss_and_replaced(store, place):
    place(store.root / FORMAT / "records" / KEY)
    place(store.root / FORMAT / "wheels" / KEY / "demo.whl")
    assert store.read("records", KEY) is None
    assert store.find_wheel(KEY, "demo.whl") is None
    store.write(b"content", "records", KEY)
    assert store.read("records", KEY) == b"content"
    assert store.add(lambda stream: stream.write(b"x"), "wheels", KEY, "demo.whl").read_bytes() == b"x"


@pytest.mark.parametrize("parts", [("tmp",), ("wheels",), ("wheels", KEY), ("records",)])
@pytest.mark.parametrize("content", [None, b"x"])
def test_a_file_or_a_pipe_in_the_place_of_a_folder_is_replaced(store, parts, content):
    path = (store.root / FORMAT).joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    store.write(b"content", "records", KEY)
    assert store.read("records", KEY) == b"content"
    store.add(lambda stream: stream.write(b"x"), "wheels", KEY, "demo.whl")
    assert store.find("wheels", KEY, "demo.whl").read_bytes() == b"x"
    with store.workspace() as workspace:
        assert workspace.is_dir()
    assert not store.read_only


def test_a_file_that_fails_while_it_is_written_leaves_nothing(store):
    def fail(stream):
        stream.write(b"half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.add(fail, "segments", KEY)
    assert store.find("segments", KEY) is None
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_replacing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.needs("file modes")
def test_the_umask_decides_who_reads_the_store(store):
    store.write(b"x", "records", KEY)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(store.find("records", KEY).stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("place", ["file", "below a file", "proc"])
def test_a_place_that_cant_be_written_is_overlaid_for_the_process(tmp_path, place):
    (tmp_path / "file").write_bytes(b"x")
    root = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "deep", "proc": Path("/proc/cache")}[place]
    store = Store(root)
    assert store.read_only
    store.write(b"content", "records", KEY)
    assert store.read("records", KEY) == b"content"
    assert Store(root).read("records", KEY) is None
    assert store.sizes() == {}
    store.clear()
    assert (tmp_path / "file").read_bytes() == b"x"


def test_clearing_removes_what_is_ours_and_nothing_else(store):
    store.write(b"x", "records", KEY)
    (store.root / "mine.txt").write_bytes(b"x")
    store.clear()
    assert [path.name for path in store.root.iterdir()] == ["mine.txt"]
    store.write(b"y", "records", KEY)
    assert store.read("records", KEY) == b"y"


def test_sizes_are_by_kind(store):
    store.write(b"x", "records", KEY)
    store.add(lambda stream: stream.write(b"abc"), "wheels", KEY, "demo.whl")
    assert store.sizes() == {"records": (1, 66), "wheels": (1, 3)}


def test_a_workspace_is_on_the_stores_file_system_and_goes_away(store):
    with store.workspace() as workspace:
        assert workspace.stat().st_dev == store.root.stat().st_dev
        (workspace / "x").write_bytes(b"x")
    assert not workspace.exists()


def test_the_directory_is_chosen_by_argument_then_variable_then_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Store.open(tmp_path / "argument").root == tmp_path / "argument"
    assert Store.open().root == tmp_path / "variable"
    monkeypatch.delenv(CACHE_DIR_VARIABLE)
    if sys.platform == "linux":
        assert Store.open().root == tmp_path / "xdg" / "cdk-lambda-package"


def test_a_relative_directory_stays_where_it_was_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store.open("cache")
    monkeypatch.chdir("/")
    store.write(b"x", "records", KEY)
    assert (tmp_path / "cache" / FORMAT / "records" / KEY).is_file()


def test_many_writers_of_one_file_all_succeed(store, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom cdk_lambda_package.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for _ in range(30):\n"
        "    store.add(lambda stream: stream.write(b'x' * 100_000), 'segments', 'k')\n"
        "    assert store.find('segments', 'k').stat().st_size == 100_000\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(store.root)]) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert [path.name for path in (store.root / FORMAT / "segments").iterdir()] == ["k"]


def test_without_a_home_directory_nothing_is_kept(monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv(CACHE_DIR_VARIABLE, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", fail)
    store = Store.open()
    store.write(b"x", "kind", "key")
    assert store.read_only
    assert store.read("kind", "key") == b"x"


def test_clearing_leaves_alone_what_another_process_is_writing(store):
    store.write(b"content", "records", KEY)
    with store.workspace() as workspace:
        (workspace / "half").write_bytes(b"x")
        store.clear()
        assert (workspace / "half").read_bytes() == b"x"
    assert store.find("records", KEY) is None
    store.clear()
    assert list(store.root.iterdir()) == []


@remembered("answers", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    text: str
    numbers: tuple[int, ...] = ()
    when: datetime | None = None


@remembered("answers", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class LaterAnswer:
    text: str


def test_a_value_is_recalled_with_its_types(store):
    answer = Answer(text="yes", numbers=(1, 2), when=datetime(2026, 1, 1, tzinfo=UTC))
    store.remember(answer, KEY)
    assert store.recall(Answer, KEY) == answer
    assert store.recall(Answer, "cd" * 32) is None


def test_a_value_of_another_version_is_a_miss(store):
    store.remember(Answer(text="yes"), KEY)
    assert store.recall(LaterAnswer, KEY) is None


def test_a_value_that_does_not_fit_its_type_is_a_miss(store):
    store.remember(Answer(text="yes"), KEY)
    path = next(path for path in (store.root / FORMAT / "answers").iterdir())
    content = b'{"text":7}'
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    assert store.recall(Answer, KEY) is None


@remembered("listings", version=1)
@dataclass(frozen=True)
class Listing:
    names: tuple[str, ...]


def test_a_name_that_isnt_unicode_is_not_kept(tmp_path):
    store = Store(tmp_path)
    store.remember(Listing(("a\udcff",)), "key")
    assert store.recall(Listing, "key") is None
