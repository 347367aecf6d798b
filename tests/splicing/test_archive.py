"""Segments → .zip: what any selection of members comes to, and where the format ends."""

import dataclasses
import random
import zipfile
from pathlib import Path

import pytest
from assembly import splice_wheel, whole, zip_segments
from entries import sha256
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from raw_zip import DEFLATED, STORED, member, raw_wheel
from readers import assert_reads_alike

from cdk_lambda_package.app_directory import AppFile, Origin
from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.splicing import Splice, files_segment, find_wheel_segment, write_tree, write_zip
from cdk_lambda_package.store import Store


def files_of(archive):
    with zipfile.ZipFile(archive) as opened:
        return {info.filename: (opened.read(info), info.external_attr >> 16) for info in opened.infolist()}


def files_below(directory):
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """Two segments whose members have all sizes and modes."""
    folder = tmp_path_factory.mktemp("segments")
    store, chance = Store(folder / "cache"), random.Random(7)
    made = []
    for name in ("one", "two"):
        members = [
            member(
                f"{name}/{index}.bin",
                chance.randbytes(chance.choice([0, 1, 100, 5000])) + b"z" * chance.choice([0, 4000]),
                method=chance.choice([STORED, DEFLATED]),
                mode=chance.choice([0o100644, 0o100755]),
            )
            for index in range(9)
        ]
        made.append(splice_wheel(raw_wheel(folder, members, name=name), store))
    return made


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_selection_of_members_is_a_sound_archive(segments, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("selection")
    splices, expected = [], {}
    for segment in segments:
        count = len(segment.members)
        kept = data.draw(st.lists(st.integers(0, count - 1), unique=True).map(sorted))
        splices.append(Splice(segment=segment, kept=tuple(kept)))
        every = files_of(zip_segments([whole(segment)], folder / "whole.zip"))
        expected |= {segment.members[index].path: every[segment.members[index].path] for index in kept}
    assume(expected)  # Info-ZIP warns of an archive without a file
    assert files_of(zip_segments(splices, folder / "some.zip")) == expected
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    write_tree(splices, unpacked)
    assert files_below(unpacked) == expected


def test_a_package_without_a_file_is_an_archive_too(tmp_path):
    archive = tmp_path / "empty.zip"
    with archive.open("wb") as stream:
        write_zip([], stream)
    with zipfile.ZipFile(archive) as opened:
        assert opened.infolist() == []


def own_files(folder: Path, count: int) -> list[AppFile]:
    source = folder / "empty"
    source.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    return [
        AppFile(path=f"d/{index}", source=str(source), size=0, executable=False, digest=empty, origin=Origin.APP)
        for index in range(count)
    ]


@pytest.mark.thorough
def test_65534_entries_are_packaged(tmp_path, store):
    segment = files_segment(own_files(tmp_path, 65_534), store)
    archive = tmp_path / "most.zip"
    with archive.open("wb") as stream:
        write_zip([whole(segment)], stream)
    assert_reads_alike(archive)
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.infolist()) == 65_534


def test_65535_entries_are_refused_before_anything_is_written(tmp_path, store):
    segment = files_segment(own_files(tmp_path, 65_535), store)
    archive = tmp_path / "more.zip"
    with archive.open("wb") as stream, pytest.raises(OutputError, match="65,535 files .* up to 65,534 files"):
        write_zip([whole(segment)], stream)
    assert archive.stat().st_size == 0


def test_more_than_4_gib_are_refused_before_anything_is_written(tmp_path, segments):
    segment = segments[0]
    # Only said to be so large.
    huge = dataclasses.replace(segment, starts=(*segment.starts[:-1], 0xFFFFFFFF - 2000))
    archive = tmp_path / "huge.zip"
    with archive.open("wb") as stream, pytest.raises(OutputError, match="4 GiB"):
        write_zip([whole(segment), whole(huge), whole(segment)], stream)
    assert archive.stat().st_size == 0


def test_a_segment_that_lost_its_end_is_an_error_not_a_short_archive(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member("big.bin", random.Random(1).randbytes(100_000), method=STORED)])
    segment = splice_wheel(wheel, store)
    segment.file.write_bytes(segment.file.read_bytes()[:50_000])
    with (tmp_path / "x.zip").open("wb") as stream, pytest.raises(OutputError, match="ended early"):
        write_zip([whole(segment)], stream)


def test_the_store_forgets_a_segment_that_lost_its_end(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member("big.bin", b"x" * 9)])
    segment = splice_wheel(wheel, store)
    key = sha256(wheel)
    assert find_wheel_segment(key, store) is not None
    segment.file.write_bytes(segment.file.read_bytes()[:-1])
    assert find_wheel_segment(key, store) is None
    assert splice_wheel(wheel, store).members == segment.members
