"""Folders of the entry directory are recognised as a whole, and every change of one is seen; files are compressed in batches."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from entries import HANDLER, snapshot, write_files
from entry_changes import CHANGES, FILES, edit, link_to_a_file, new_file, rename
from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.app_directory import (
    FolderCache,
    FolderMemory,
    Selection,
    SymlinkFollowMode,
    read_app,
    read_facts,
)
from cdk_lambda_package.app_directory.folders import FileFacts, FileRow, FileSet, FolderFiles, _divide_rows
from cdk_lambda_package.errors import ContentError

LATER = 10**10
"""Nanoseconds after which a file's times are past doubt."""


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", FILES)


class Reader:
    """Reads entry directories with a memory, as builds one after the other do; `read` are the files that were opened the last time."""

    def __init__(self, store, entry, **selection):
        self.store, self.entry, self.selection = store, entry, Selection(**selection)
        self.read = []

    def __call__(self, now=LATER):
        self.read = []
        cache = FolderCache(self.store, self.entry, self.selection.view, now_ns=lambda: now_of(self.entry, now))

        def reader(file):
            self.read.append(os.path.relpath(file.source, self.entry))
            return read_facts(file)

        app = read_app(self.entry, self.selection, reader, cache.memory)
        cache.save()
        return app


def now_of(entry: Path, after: int) -> int:
    """Return a time so long after the last change below a folder."""
    return max(path.lstat().st_ctime_ns for path in (entry, *entry.rglob("*"))) + after


def facts(app):
    """All that an app says of its files, and the keys that are made of it."""
    wheels = tuple(file.path for file in app.vendored_wheels)
    return app.files, app.own.digest, app.vendored.digest, app.unpackaged, app.imports_chalice, wheels, app.findings


def assert_is_as_read_anew(app, reader):
    fresh = read_app(reader.entry, reader.selection, read_facts)
    assert facts(app) == facts(fresh)
    assert app.tops == fresh.tops
    assert app.vendored_distributions == fresh.vendored_distributions


def test_nothing_is_read_or_looked_at_one_by_one_if_nothing_changed(store, entry):
    reader = Reader(store, entry, python=(3, 13))
    first = reader()
    assert sorted(reader.read) == sorted(FILES)
    again = reader()
    assert reader.read == []
    assert facts(again) == facts(first)
    assert all(
        folder.parts == known.parts
        for folder, known in zip(first.vendored.folders, again.vendored.folders, strict=True)
    )


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_is_seen_as_if_all_were_read_anew(store, entry, change):
    reader = Reader(store, entry, python=(3, 13))
    reader()
    change(entry)
    for _ in range(2):
        assert_is_as_read_anew(reader(), reader)
    assert_is_as_read_anew(reader(), reader)
    assert reader.read == []


@pytest.mark.parametrize("change", [edit, new_file, rename], ids=lambda change: change.__name__)
def test_only_what_changed_is_read(store, entry, change):
    reader = Reader(store, entry)
    reader()
    change(entry)
    reader()
    assert len(reader.read) == 1


def test_a_file_that_was_only_just_touched_is_read_again_and_its_neighbours_are_not(store, entry):
    reader = Reader(store, entry)
    reader()
    edit(entry)
    reader(now=10**6)
    assert reader.read == ["vendor/pkg/one.py"]
    reader()
    assert reader.read == ["vendor/pkg/one.py"]
    reader()
    assert reader.read == []


def test_a_changed_file_among_links_is_seen_and_its_neighbours_arent_read(store, entry):
    link_to_a_file(entry)
    reader = Reader(store, entry)
    reader()
    edit(entry)
    app = reader()
    assert reader.read == ["vendor/pkg/one.py"]
    assert_is_as_read_anew(app, reader)
    # The link leads to another file with the same name in the package.
    (entry / "vendor/pkg/link.py").unlink()
    (entry / "vendor/pkg/link.py").symlink_to("two.py")
    assert_is_as_read_anew(reader(), reader)


def test_another_selection_sees_its_own_files_of_the_same_folders(store, entry):
    for options in (
        {},
        {"exclude": ("*.md", "two.py")},
        {"include": ("**",)},
        {"exclude": ("deep/",)},
        {"include": ("lib/",)},
    ):
        reader = Reader(store, entry, **options)
        assert_is_as_read_anew(reader(), reader)
        assert_is_as_read_anew(reader(), reader)
        assert reader.read == []


def test_a_folder_that_another_function_has_its_module_in_is_known_to_that_function_alone(store, entry):
    write_files(entry, {"api/main.py": HANDLER, "api/other.py": "", "api/notes.md": ""})
    readers = [
        Reader(store, entry, index=index, include=include)
        for index in ("app.py", "api/main.py")
        for include in ((), ("*.md",))
    ]
    for _ in range(2):
        for reader in readers:
            assert_is_as_read_anew(reader(), reader)
    # Neither forgets what the other needs, or writes it again.
    records = snapshot(store.root / "v1" / "folders")
    for reader in readers[::2]:
        reader()
        assert reader.read == []
    assert snapshot(store.root / "v1" / "folders") == records


def test_modules_that_arent_wanted_in_a_known_folder_are_still_listed(store, entry):
    reader = Reader(store, entry, exclude=("db.py", "vendor/pkg/two.py"))
    assert "chalicelib/db.py" in reader().unpackaged
    assert "chalicelib/db.py" in reader().unpackaged
    assert reader.read == []


def test_a_fault_is_told_again_as_long_as_it_is_there(store, entry):
    reader = Reader(store, entry)
    reader()
    (entry / "vendor/pkg/gone.py").symlink_to("nowhere.py")
    for _ in range(2):
        with pytest.raises(ContentError, match=r"gone\.py' is a symbolic link that leads nowhere"):
            reader()
    (entry / "vendor/pkg/gone.py").unlink()
    assert_is_as_read_anew(reader(), reader)


def test_links_that_are_left_out_are_told_again(store, entry):
    link_to_a_file(entry)
    reader = Reader(store, entry, follow_symlinks=SymlinkFollowMode.NEVER)
    assert [finding.id for finding in reader().findings] == ["symlink-left-out"]
    assert [finding.id for finding in reader().findings] == ["symlink-left-out"]


@pytest.mark.needs("file names that are no Unicode")
def test_a_folder_with_a_name_that_is_no_unicode_is_read_if_that_is_excluded(store, entry):
    (entry / "vendor/pkg" / os.fsdecode(b"\xff.txt")).write_text("x")
    reader = Reader(store, entry, exclude=("*.txt",))
    assert_is_as_read_anew(reader(), reader)
    edit(entry)
    assert_is_as_read_anew(reader(), reader)
    assert reader.read == ["vendor/pkg/one.py"]


@pytest.mark.needs("backslashes and quotes in file names")
def test_no_two_lists_of_names_are_the_same_text(store, entry):
    write_files(entry, {"chalicelib/x/a": "", "chalicelib/x/b": ""})
    reader = Reader(store, entry, exclude=("chalicelib/x/b", "chalicelib/x/a*b"))
    reader()
    (entry / "chalicelib/x/b").unlink()
    (entry / "chalicelib/x/a\nb").write_text("")
    assert_is_as_read_anew(reader(), reader)


def test_a_broken_record_is_a_miss(store, entry):
    reader = Reader(store, entry)
    reader()
    for path in (store.root / "v1" / "folders").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    reader()
    assert sorted(reader.read) == sorted(FILES)


def test_what_changes_while_folders_are_listed_in_two_threads_is_what_one_of_them_saw(store, entry):
    write_files(entry, {f"vendor/many/{number}/m{index}.py": "" for number in range(10) for index in range(10)})
    readers = [Reader(store, entry) for _ in range(2)]
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for content in ("one = 1\n", "one = 22\n"):
                (entry / "vendor/pkg/one.py").write_text(content)

    def read_often(reader):
        seen = set()
        for _ in range(20):
            # The file may change between the listing and the reading.
            with contextlib.suppress(ContentError):
                seen.update(file.size for file in reader(now=0).files if file.path == "pkg/one.py")
        return seen

    with ThreadPoolExecutor() as pool:
        changing = pool.submit(change)
        found = set().union(*pool.map(read_often, readers))
        stop.set()
        changing.result()
    # Of a file that is being written, nothing may have been there.
    assert found <= {0, 8, 9}
    assert_is_as_read_anew(readers[0](), readers[0])


# Batches

ROWS = st.lists(
    st.tuples(st.text("abcdefgh", min_size=1, max_size=6), st.sampled_from([10, 5_000, 200_000, 20_000_000])),
    unique_by=lambda row: row[0],
    max_size=400,
)


def folder_of(rows, prefix="vendor/pkg/"):
    made = [FileRow(name, size, FileFacts("ab" * 32, False, False)) for name, size in sorted(rows)]
    return FolderFiles(prefix=prefix, place="/x", root="/x", parts=_divide_rows(prefix, made))


@given(ROWS)
def test_batches_have_each_file_once_in_order(rows):
    folders = (folder_of(rows), folder_of(rows, "vendor/pkg/deep/"))
    files = FileSet(folders)
    paths = [file.path for batch in files.batches for file in batch.files]
    assert paths == [path for folder in folders for path in folder.paths]
    assert paths == [f"pkg/{deep}{name}" for deep in ("", "deep/") for name, _ in sorted(rows)]
    assert len({batch.digest for batch in files.batches}) == len(files.batches)


@given(ROWS, st.text("abcdefgh", min_size=7, max_size=7))
def test_one_more_file_changes_few_batches(rows, name):
    before, after = (FileSet((folder_of(some),)) for some in (rows, [*rows, (name, 10)]))
    changed = {batch.digest for batch in after.batches} - {batch.digest for batch in before.batches}
    # Its own, and those after it until a name begins one in both.
    assert len(changed) <= 1 + len(after.batches) // 2 + 2


def test_many_files_are_several_batches_and_a_few_are_one():
    few, many = ([(f"m{number:04}.py", 5_000) for number in range(count)] for count in (60, 4_000))
    assert len(FileSet((folder_of(few),)).batches) == 1
    batches = FileSet((folder_of(many),)).batches
    assert 15 <= len(batches) <= 63
    assert max(len(list(batch.files)) for batch in batches) <= 256


def test_an_edit_changes_one_batch():
    rows = [(f"m{number:04}.py", 5_000) for number in range(2_000)]
    edited = [(name, size + (name == "m1000.py") * 20_000) for name, size in rows]
    before, after = (FileSet((folder_of(some),)) for some in (rows, edited))
    assert len({batch.digest for batch in before.batches} - {batch.digest for batch in after.batches}) <= 2


@pytest.mark.parametrize("field", ["name", "digest", "executable"])
def test_a_batch_is_another_one_with_another_name_content_or_mode(field):
    def digest_of(**change):
        row = {"name": "a.py", "digest": "ab" * 32, "executable": False} | change
        made = FileRow(row["name"], 10, FileFacts(row["digest"], row["executable"], False))
        return FileSet((FolderFiles(prefix="", place="/x", root="/x", parts=_divide_rows("", [made])),)).digest

    assert digest_of() == digest_of()
    assert digest_of() != digest_of(**{field: {"name": "b.py", "digest": "cd" * 32, "executable": True}[field]})


def test_a_memory_of_nothing_knows_no_folder(entry):
    memory = FolderMemory()
    read_app(entry, Selection(), read_facts, memory)
    assert sorted(memory.current) == ["", "chalicelib/", "vendor/", "vendor/pkg/", "vendor/pkg/deep/"]
    assert memory.has_changed
