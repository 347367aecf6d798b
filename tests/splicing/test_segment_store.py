"""Segments in the store: made once, trusted while untouched."""

import os
import tracemalloc

import pytest
from assembly import splice_wheel
from entries import sha256
from raw_zip import member, raw_wheel

from cdk_lambda_package.app_directory import AppFile, Origin
from cdk_lambda_package.errors import EntryError
from cdk_lambda_package.splicing import Splice, below, files_segment, find_wheel_segment
from cdk_lambda_package.splicing.segment_format import CHUNK, LARGEST_COMPRESSED


def own_file(source, *, size=None, digest=None):
    return AppFile(
        path="x.bin",
        source=str(source),
        size=source.stat().st_size if size is None else size,
        executable=False,
        digest=digest or sha256(source),
        origin=Origin.APP,
    )


@pytest.mark.parametrize("at", ["members", "middle", "footer"])
def test_an_altered_segment_is_forgotten_whatever_its_times_say(tmp_path, store, at):
    wheel = raw_wheel(tmp_path, [member("demo.py", "x = 1\n" * 90)])
    segment = splice_wheel(wheel, store)
    found = segment.file.stat()
    content = bytearray(segment.file.read_bytes())
    place = {"members": 60, "middle": len(content) // 2, "footer": len(content) - 40}[at]
    content[place] ^= 0xFF
    with segment.file.open("r+b") as stream:
        stream.write(content)
    os.utime(segment.file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert find_wheel_segment(sha256(wheel), store) is None
    assert not segment.file.exists()


def test_a_copied_store_is_verified_and_used(tmp_path, store):
    import shutil

    from cdk_lambda_package.store import Store

    wheel = raw_wheel(tmp_path, [member("demo.py", "x = 1\n")])
    segment = splice_wheel(wheel, store)
    shutil.copytree(store.root, tmp_path / "copy")
    found = find_wheel_segment(sha256(wheel), Store(tmp_path / "copy"))
    assert found is not None
    assert found.members == segment.members


def test_a_segment_is_made_once(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member("demo.py", "x = 1\n")])
    segment = splice_wheel(wheel, store)
    found = segment.file.stat()
    assert splice_wheel(wheel, store).file.stat() == found


@pytest.mark.parametrize("size", [10, LARGEST_COMPRESSED + 1], ids=["small", "large"])
def test_an_own_file_that_changed_meanwhile_is_an_error(tmp_path, store, size):
    source = tmp_path / "x.bin"
    source.write_bytes(b"a" * size)
    file = own_file(source)
    source.write_bytes(b"b" * size)
    with pytest.raises(EntryError, match=r"x\.bin' changes while it is packaged"):
        files_segment([file], store)


def test_an_own_file_that_is_gone_is_an_error(tmp_path, store):
    source = tmp_path / "x.bin"
    source.write_bytes(b"a")
    file = own_file(source)
    source.unlink()
    with pytest.raises(EntryError, match=r"x\.bin' changes while it is packaged"):
        files_segment([file], store)


def test_a_large_own_file_goes_in_as_it_is(tmp_path, store):
    source = tmp_path / "x.bin"
    source.write_bytes(b"a" * (LARGEST_COMPRESSED + 1))
    segment = files_segment([own_file(source)], store)
    assert segment.starts[-1] > LARGEST_COMPRESSED


def test_the_same_files_from_another_place_are_the_same_segment(tmp_path, store):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bin").write_bytes(b"same")
    one, two = (files_segment([own_file(tmp_path / name / "x.bin")], store) for name in ("one", "two"))
    assert one.file == two.file


def test_moving_a_large_stored_file_into_a_folder_takes_little_memory(tmp_path, store):
    source = tmp_path / "x.bin"
    source.write_bytes(os.urandom(LARGEST_COMPRESSED + 1))
    segment = files_segment([own_file(source)], store)
    tracemalloc.start()
    moved = below(Splice.whole(segment), "python", store)
    assert tracemalloc.get_traced_memory()[1] < 4 * CHUNK
    tracemalloc.stop()
    [member] = moved.segment.members
    assert (member.path, member.digest) == ("python/x.bin", sha256(source))
