"""What was read of a file is remembered for as long as the file is the same."""

import os

import pytest

from cdk_lambda_package.app_directory import FoundFile, StatCache, read_facts

LATER = 10**10
"""Nanoseconds after which a file's times are past doubt."""


class Reader:
    """Reads as `read_facts` does, and counts."""

    def __init__(self):
        self.count = 0

    def __call__(self, found):
        self.count += 1
        return read_facts(found)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "svc" / "app.py"
    path.parent.mkdir()
    path.write_bytes(b"import chalice\n")
    return path


def run(store, file, reader, now_after=LATER):
    now = file.stat().st_ctime_ns + now_after
    cache = StatCache(store, file.parent, now_ns=lambda: now)
    facts = cache.reader(reader)(FoundFile.of(file))
    cache.save()
    return facts


def test_an_untouched_file_is_read_once(store, file):
    reader = Reader()
    first, second = run(store, file, reader), run(store, file, reader)
    assert first == second == read_facts(FoundFile.of(file))
    assert reader.count == 1


def test_a_file_that_was_only_just_touched_is_read_again(store, file):
    reader = Reader()
    run(store, file, reader, now_after=10**6)
    run(store, file, reader)
    assert reader.count == 2


def test_a_change_that_keeps_size_and_modification_time_is_seen(store, file):
    reader = Reader()
    before = file.stat()
    run(store, file, reader)
    file.write_bytes(b"import CHALICE\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    facts = run(store, file, reader)
    assert facts == read_facts(FoundFile.of(file))
    assert reader.count == 2


def test_another_file_in_its_place_is_seen(store, file):
    reader = Reader()
    run(store, file, reader)
    other = file.with_name("other")
    other.write_bytes(b"import CHALICE\n")
    other.replace(file)
    assert run(store, file, reader) == read_facts(FoundFile.of(file))


def test_a_file_from_the_future_is_read_each_time(store, file):
    os.utime(file, (2**32, 2**32))
    reader = Reader()
    run(store, file, reader)
    run(store, file, reader)
    assert reader.count == 2


def test_a_broken_record_is_a_miss(store, file):
    reader = Reader()
    run(store, file, reader)
    for path in (store.root / "v1" / "stats").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    run(store, file, reader)
    assert reader.count == 2
