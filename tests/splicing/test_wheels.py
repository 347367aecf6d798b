"""Wheel → segment: what is taken, what is mended and what is refused."""

import bz2
import csv
import dataclasses
import errno
import io
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib

import pytest
from assembly import splice_wheel, zip_wheel
from entries import names_in, run_clean, unpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_zip import (
    BZIP2,
    DEFLATE64,
    DESCRIPTOR_FLAG,
    ENCRYPTED_FLAG,
    LZMA,
    STORED,
    UTF8_FLAG,
    RawMember,
    build_zip,
    deflate,
    dist_info,
    member,
    raw_wheel,
)

from cdk_lambda_package.errors import WheelError
from cdk_lambda_package.splicing.segment_format import LARGEST_COMPRESSED
from cdk_lambda_package.splicing.wheels import splice

MODULE = member("demo.py", "ANSWER = 42\n")
ABOUT = ["demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/RECORD", "demo-1.0.dist-info/WHEEL"]


def refusal(directory, members, store, **metadata):
    """The text of the error that a wheel of these members comes to; the wheel must be named in it."""
    wheel = raw_wheel(directory, members, **metadata)
    with pytest.raises(WheelError) as caught:
        splice_wheel(wheel, store)
    assert wheel.name in str(caught.value)
    assert store.sizes().get("segments", (0, 0)) == (0, 0), "nothing of a refused wheel is kept"
    return str(caught.value)


def contents(archive):
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


# What is taken


def test_a_plain_wheel_comes_out_as_it_is(tmp_path, store):
    wheel = raw_wheel(tmp_path, [MODULE, member("demo_data/x.bin", bytes(range(256)) * 40)])
    archive = zip_wheel(wheel, store)
    assert contents(archive) == contents(wheel)


def test_the_compressed_stream_is_copied_not_made_anew(tmp_path, store):
    content = b"the same line again\n" * 500
    fast = deflate(content, 1)
    assert fast != deflate(content, 9)
    archive = zip_wheel(raw_wheel(tmp_path, [member("demo.py", content, stream=fast)]), store)
    assert fast in archive.read_bytes()


def test_headers_are_the_plainest_there_are(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member("demo.py", "x = 1\n", version=45, extra=b"UT\x05\x00\x01abcd", mode=0o100640)])
    with zipfile.ZipFile(zip_wheel(wheel, store)) as opened:
        for info in opened.infolist():
            assert (info.create_version, info.extract_version, info.create_system) == (20, 20, 3)
            assert (info.flag_bits, info.extra, info.comment) == (0, b"", b"")
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert not info.is_dir()


@pytest.mark.parametrize(
    ("method", "stream"),
    [
        pytest.param(STORED, None, id="stored"),
        pytest.param(BZIP2, bz2.compress(b"x = 1\n" * 100), id="bzip2"),
        pytest.param(
            LZMA,
            b"\x09\x04\x05\x00\x5d\x00\x00\x80\x00"
            + lzma.compress(
                b"x = 1\n" * 100,
                format=lzma.FORMAT_RAW,
                filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 23, "lc": 3, "lp": 0, "pb": 2}],
            ),
            id="lzma",
        ),
    ],
)
def test_other_methods_are_normalised(tmp_path, store, method, stream):
    content = b"x = 1\n" * 100
    flags = 2 if method == LZMA else 0
    archive = zip_wheel(
        raw_wheel(tmp_path, [member("demo.py", content, method=method, stream=stream, flags=flags)]), store
    )
    with zipfile.ZipFile(archive) as opened:
        assert opened.read("demo.py") == content
        assert opened.getinfo("demo.py").compress_type == zipfile.ZIP_DEFLATED


def test_a_data_descriptor_is_dissolved_into_the_header(tmp_path, store):
    archive = zip_wheel(raw_wheel(tmp_path, [member("demo.py", "x = 1\n" * 9, flags=DESCRIPTOR_FLAG), MODULE2]), store)
    with zipfile.ZipFile(archive) as opened:
        assert opened.getinfo("demo.py").flag_bits == 0
        assert opened.read("demo.py") == b"x = 1\n" * 9


MODULE2 = member("second.py", "y = 2\n")


def test_local_extra_fields_are_left_out(tmp_path, store):
    extra = struct.pack("<HH", 0x5455, 5) + b"\x01abcd"
    archive = zip_wheel(raw_wheel(tmp_path, [member("demo.py", "x = 1\n", local_extra=extra)]), store)
    assert extra not in archive.read_bytes()


def test_a_wheel_behind_other_bytes_is_read_where_it_begins(tmp_path, store):
    archive = zip_wheel(raw_wheel(tmp_path, [MODULE], before=b"#!/bin/sh\nexit 1\n"), store)
    assert contents(archive)["demo.py"] == MODULE.content


@pytest.mark.parametrize("flags", [UTF8_FLAG, 0], ids=["flagged", "unflagged"])
def test_names_beyond_ascii_come_out_flagged_utf8(tmp_path, store, flags):
    archive = zip_wheel(raw_wheel(tmp_path, [member("demo/größe_日本.txt", "x", flags=flags)]), store)
    with zipfile.ZipFile(archive) as opened:
        assert opened.getinfo("demo/größe_日本.txt").flag_bits == UTF8_FLAG


def test_an_unflagged_name_that_is_no_utf8_is_read_by_the_formats_code_page(tmp_path, store):
    one = RawMember(name="demo/größe.txt".encode("cp437"), content=b"x")
    assert "demo/größe.txt" in names_in(zip_wheel(raw_wheel(tmp_path, [one]), store))


def test_a_flagged_name_that_is_no_utf8_is_refused(tmp_path, store):
    assert "readable" in refusal(tmp_path, [RawMember(name=b"demo/\xff.txt", flags=UTF8_FLAG)], store)


def test_folders_have_no_entry_of_their_own(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member("demo/", mode=0o40755, method=STORED), member("demo/__init__.py", "")])
    assert names_in(zip_wheel(wheel, store)) == sorted([*ABOUT, "demo/__init__.py"])


@pytest.mark.parametrize("method", [STORED, 8], ids=["stored", "deflated"])
def test_an_empty_file_stays_an_empty_file(tmp_path, store, method):
    assert contents(zip_wheel(raw_wheel(tmp_path, [member("e.py", b"", method=method)]), store))["e.py"] == b""


def test_an_empty_file_that_is_deflated_to_nothing_at_all_is_an_empty_file(tmp_path, store):
    assert contents(zip_wheel(raw_wheel(tmp_path, [member("e.py", b"", stream=b"")]), store))["e.py"] == b""


@pytest.mark.parametrize(
    ("mode", "shown"), [(0o100600, 0o644), (0o100755, 0o755), (0o100444, 0o644), (0o100711, 0o755), (0, 0o644)]
)
def test_modes_are_0644_or_with_any_x_bit_0755(tmp_path, store, mode, shown):
    archive = zip_wheel(raw_wheel(tmp_path, [member("demo.py", "x", mode=mode)]), store)
    with zipfile.ZipFile(archive) as opened:
        assert opened.getinfo("demo.py").external_attr >> 16 == 0o100000 | shown


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 600), fill=st.sampled_from([b"\0", b"ab", b"abcdefghij" * 30]), blocks=st.integers(0, 9))
def test_any_length_around_the_inflaters_buffer_is_whole(tmp_path, store, length, fill, blocks):
    # The inflater hands out a mebibyte at most at a time, and may hold back the rest of a match.
    size = (blocks << 20) + length
    content = (fill * (size // len(fill) + 1))[:size]
    wheel = raw_wheel(tmp_path, [member("demo.bin", content)])
    segment = splice_wheel(wheel, store)
    assert next(one.size for one in segment.members if one.path == "demo.bin") == size


def test_the_formats_64_bit_fields_are_dissolved_where_they_arent_needed(tmp_path, store):
    wheel = raw_wheel(tmp_path, [])
    with zipfile.ZipFile(wheel, "a") as opened, opened.open("demo.py", "w", force_zip64=True) as stream:
        stream.write(b"x = 1\n" * 50)
    assert contents(zip_wheel(wheel, store))["demo.py"] == b"x = 1\n" * 50


def test_an_archives_comment_is_left_out(tmp_path, store):
    wheel = raw_wheel(tmp_path, [MODULE])
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.comment = b"a comment"
    assert b"comment" not in zip_wheel(wheel, store).read_bytes()


def test_an_archive_that_seems_to_end_twice_is_refused(tmp_path, store):
    # Readers look for the end record from either side.
    wheel = raw_wheel(tmp_path, [MODULE])
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.comment = b"PK\x05\x06 a comment that looks like an end"
    with pytest.raises(WheelError, match=r"demo-1\.0-py3-none-any\.whl is not a readable"):
        splice_wheel(wheel, store)


# Where things go


def test_purelib_platlib_and_data_are_the_root_scripts_are_in_bin_and_headers_stay_out(tmp_path, store):
    data = {
        "purelib/one.py": b"1",
        "platlib/two.py": b"2",
        "data/etc/demo.conf": b"3",
        "data/bin/notes": b"#!python\n",
        "scripts/run": b"#!python\nprint(1)\n",
        "scripts/old": b"#!pythonw -E\r\nprint(1)\n",
        "scripts/shell": b"#!/bin/sh\n",
        "headers/demo.h": b"int x;",
    }
    wheel = raw_wheel(tmp_path, [member(f"demo-1.0.data/{name}", content) for name, content in data.items()])
    archive = zip_wheel(wheel, store)
    found = contents(archive)
    assert sorted(found) == sorted(
        [*ABOUT, "one.py", "two.py", "etc/demo.conf", "bin/notes", "bin/run", "bin/old", "bin/shell"]
    )
    assert found["bin/run"] == b"#!/var/lang/bin/python3\nprint(1)\n"
    assert found["bin/old"] == b"#!/var/lang/bin/python3 -E\r\nprint(1)\n"
    assert found["bin/shell"] == b"#!/bin/sh\n"
    assert found["bin/notes"] == b"#!python\n", "data is no script, wherever it lies"
    with zipfile.ZipFile(archive) as opened:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in opened.infolist()}
    assert {modes[f"bin/{name}"] for name in ("run", "old", "shell")} == {0o755}
    assert modes["bin/notes"] == 0o644


def test_an_unknown_place_for_data_is_refused(tmp_path, store):
    text = refusal(tmp_path, [member("demo-1.0.data/cellar/x", "x")], store)
    assert "'demo-1.0.data/cellar/x'" in text
    assert "purelib, platlib, data, scripts and headers" in text


@pytest.mark.parametrize(
    ("name", "fault"),
    [("demo-1.0.data/purelib/C:evil.py", "it is absolute"), ("demo-1.0.data/purelib", "it is empty")],
)
def test_a_name_is_judged_again_where_it_goes(tmp_path, store, name, fault):
    assert fault in refusal(tmp_path, [member(name, "x")], store)


@pytest.mark.parametrize("folder", ["Demo-1.0.data", "demo-1.0.0.data"])
def test_a_data_folder_of_another_spelling_is_expanded_as_pip_does(tmp_path, store, folder):
    members = [member(f"{folder}/purelib/one.py", "1"), member(f"{folder}/scripts/run", "#!python\n")]
    wheel = raw_wheel(tmp_path, members)
    expected = installed_by_pip(wheel, tmp_path / "pip")
    found = contents(zip_wheel(wheel, store))
    assert {"one.py", "bin/run"} <= expected.keys()
    assert sorted(found) == sorted([*ABOUT, "one.py", "bin/run"])
    assert found["bin/run"] == b"#!/var/lang/bin/python3\n"


@pytest.mark.parametrize("spelling", ["Demo-1.0.0", "demo-1.0-1"])
def test_a_dist_info_folder_of_another_spelling_is_taken_as_pip_does(tmp_path, store, spelling):
    about = [
        dataclasses.replace(one, name=one.name.replace(b"demo-1.0.dist-info", f"{spelling}.dist-info".encode()))
        for one in dist_info([MODULE])
    ]
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(build_zip([MODULE, *about]))
    assert "demo.py" in installed_by_pip(wheel, tmp_path / "pip")
    assert f"{spelling}.dist-info/METADATA" in contents(zip_wheel(wheel, store))


def installed_by_pip(wheel, folder):
    """What the real pip makes of a wheel, by path."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*argv, f"--target={folder}", str(wheel)], check=True, timeout=60)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_files_for_one_place_are_refused(tmp_path, store):
    text = refusal(tmp_path, [member("x.py", "1"), member("demo-1.0.data/purelib/x.py", "2")], store)
    assert "two files for 'x.py'" in text


def test_leftovers_of_a_build_stay_out(tmp_path, store):
    names = ["demo.py", "demo.pyc", "__pycache__/demo.cpython-313.pyc", "pkg/.git/HEAD", "pkg/.DS_Store", "alone.pyc"]
    wheel = raw_wheel(tmp_path, [member(name, name) for name in names])
    assert names_in(zip_wheel(wheel, store)) == sorted([*ABOUT, "demo.py", "alone.pyc"])


def test_a_pyc_beside_its_source_in_data_stays_out_too(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member(f"demo-1.0.data/purelib/demo.{kind}", kind) for kind in ("py", "pyc")])
    assert names_in(zip_wheel(wheel, store)) == sorted([*ABOUT, "demo.py"])


def test_record_is_verbatim_where_nothing_moved(tmp_path, store):
    wheel = raw_wheel(tmp_path, [MODULE])
    record = "demo-1.0.dist-info/RECORD"
    assert contents(zip_wheel(wheel, store))[record] == contents(wheel)[record]


def test_record_is_written_anew_where_something_moved(tmp_path, store):
    moved = [member('demo-1.0.data/purelib/a,"b".py', "x"), member("demo-1.0.data/scripts/run", "#!python\n"), MODULE]
    found = contents(zip_wheel(raw_wheel(tmp_path, moved), store))
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(found["demo-1.0.dist-info/RECORD"].decode()))}
    assert rows.keys() == found.keys()
    assert rows["demo-1.0.dist-info/RECORD"] == ["", ""]
    assert rows['a,"b".py'] == ["sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE", "1"]  # of "x"
    assert int(rows["bin/run"][1]) == len(found["bin/run"])


@pytest.mark.parametrize("moved", [False, True], ids=["verbatim", "rewritten"])
def test_importlib_metadata_is_right_in_the_package(tmp_path, store, moved):
    entry_points = "[console_scripts]\nrun = demo:main\n[plugins]\none = demo:ONE\n"
    members = [MODULE, *([member("demo-1.0.data/scripts/run", "#!python\n")] if moved else [])]
    archive = zip_wheel(raw_wheel(tmp_path, members, entry_points=entry_points, requires_dist=["six"]), store)
    told = run_clean(
        unpack(archive, tmp_path / "package"),
        """
        from importlib.metadata import entry_points, files, requires, version
        import demo
        print(version("demo"), requires("demo"), demo.ANSWER)
        print([point.value for group in ("console_scripts", "plugins") for point in entry_points(group=group)])
        print(sorted(str(file) for file in files("demo")))
        assert all(file.locate().is_file() for file in files("demo"))
        assert all(len(file.read_binary()) == file.size for file in files("demo") if file.size is not None)
        """,
    )
    names = sorted([*ABOUT, "demo-1.0.dist-info/entry_points.txt", "demo.py", *(["bin/run"] if moved else [])])
    assert told.splitlines() == ["1.0 ['six'] 42", "['demo:main', 'demo:ONE']", repr(names)]


# What is refused


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../evil.py", "leaves the package's root"),
        ("demo/../../evil.py", "leaves the package's root"),
        ("demo/..", "leaves the package's root"),
        ("/etc/evil", "absolute"),
        ("C:/evil.py", "absolute"),
        ("c:evil.py", "absolute"),
        ("demo\\evil.py", "backslash"),
        ("..\\evil.py", "backslash"),
        ("demo.py\0.txt", "control character"),
        ("demo\n.py", "control character"),
        ("demo//evil.py", "empty or '.' part"),
        ("./evil.py", "empty or '.' part"),
        ("", "empty"),
        ("../", "leaves the package's root"),
    ],
)
def test_a_name_that_could_leave_the_root_is_refused(tmp_path, store, name, fault):
    text = refusal(tmp_path, [member(name, "x")], store)
    assert fault in text
    assert repr(name) in text


@pytest.mark.parametrize("kind", [0o120777, 0o10644, 0o60644, 0o20644], ids=["link", "fifo", "block", "character"])
def test_what_is_no_file_is_refused(tmp_path, store, kind):
    text = refusal(tmp_path, [member("demo.py", "/etc/passwd", mode=kind)], store)
    assert "'demo.py'" in text
    assert "symbolic link or device" in text


def test_an_encrypted_member_is_refused(tmp_path, store):
    assert "'demo.py'" in (text := refusal(tmp_path, [member("demo.py", "x", flags=ENCRYPTED_FLAG)], store))
    assert "encrypted" in text


@pytest.mark.parametrize("method", [DEFLATE64, 93, 95, 98, 1, 77])
def test_other_compression_is_refused_by_its_number(tmp_path, store, method):
    assert f"compression method {method} is" in refusal(tmp_path, [member("demo.py", "x", method=method)], store)


def test_a_member_beyond_the_format_is_refused_before_it_is_inflated(tmp_path, store):
    assert "up to 4 GiB" in refusal(tmp_path, [member("demo.py", "x", size=0xFFFFFFFF)], store)


def test_duplicates_are_refused(tmp_path, store):
    text = refusal(tmp_path, [MODULE, MODULE], store)
    assert "'demo.py'" in text
    assert "twice" in text


@pytest.mark.parametrize("file", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_without_its_metadata_is_refused(tmp_path, store, file):
    assert f"has no demo-1.0.dist-info/{file}" in refusal(tmp_path, [MODULE], store, leave_out=[file])


def test_a_wheel_without_dist_info_is_refused(tmp_path, store):
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(build_zip([MODULE]))
    with pytest.raises(WheelError, match=r"demo-1.0-py3-none-any.whl should have one folder demo-\*.dist-info; it has"):
        splice_wheel(wheel, store)


def test_a_wheel_with_two_dist_infos_of_its_own_is_refused(tmp_path, store):
    text = refusal(tmp_path, [MODULE, *dist_info([], version="2.0")], store)
    assert "it has demo-1.0.dist-info, demo-2.0.dist-info" in text


def test_wheel_version_2_is_refused(tmp_path, store):
    assert "wheel version 2.0" in refusal(tmp_path, [MODULE], store, wheel_version="2.0")


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ({"stream": deflate(b"x = 1\n" * 50)[:-3]}, "declared"),
        ({"stream": b"\x07" + deflate(b"x = 1\n" * 50)}, "corrupt"),
        ({"stream": deflate(b"x = 1\n" * 50) + b"more"}, "it isn't the 300 bytes with CRC 8da72722 that are declared"),
        ({"size": 299}, "longer than the 299 bytes"),
        ({"size": 301}, "it isn't the 301 bytes"),
        ({"size": 0, "crc": 0}, "longer than the 0 bytes"),
        ({"crc": 0xDEADBEEF}, "CRC deadbeef that are declared"),
        ({"compressed": 3}, "declared"),
        ({"local_name": b"other.p"}, "another name"),
        ({"local_name": b"longer-name.py"}, "another name"),
        ({"offset": 0x7FFFFFFF}, "isn't where the directory says"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_deflated_member_that_lies_is_refused(tmp_path, store, lie, fault):
    text = refusal(tmp_path, [MODULE, member("evil.py", b"x = 1\n" * 50, **lie)], store)
    assert "corrupt at 'evil.py'" in text
    assert fault in text


def test_a_local_header_in_the_middle_of_another_member_is_refused(tmp_path, store):
    assert "isn't where the directory says" in refusal(tmp_path, [MODULE, member("evil.py", "x", offset=7)], store)


@pytest.mark.parametrize(
    "lie", [{"size": 299}, {"size": 301}, {"size": 0, "crc": 0}, {"compressed": 299}], ids="-".join
)
def test_a_stored_member_whose_sizes_differ_is_refused(tmp_path, store, lie):
    text = refusal(tmp_path, [MODULE, member("evil.py", b"x = 1\n" * 50, method=STORED, **lie)], store)
    assert "a member 'evil.py' that can't be packaged: it is stored, but declared as" in text


@pytest.mark.parametrize(
    "lie", [{"size": 301}, {"crc": 0xDEADBEEF}, {"local_name": b"other.p"}, {"compressed": 9}], ids="-".join
)
@pytest.mark.parametrize("method", [STORED, BZIP2], ids=["stored", "bzip2"])
def test_another_member_that_lies_is_refused(tmp_path, store, method, lie):
    content = b"x = 1\n" * 50
    stream = bz2.compress(content) if method == BZIP2 else content
    text = refusal(tmp_path, [MODULE, member("evil.py", content, method=method, stream=stream, **lie)], store)
    assert "'evil.py'" in text


@pytest.mark.parametrize("lie", [-5_000, 5_000])
def test_a_large_member_of_another_size_than_is_declared_is_refused(tmp_path, store, lie):
    content = bytes(LARGEST_COMPRESSED + 10_000)
    lying = member("zeros.bin", content, method=BZIP2, stream=bz2.compress(content), size=len(content) + lie)
    assert "'zeros.bin'" in refusal(tmp_path, [MODULE, lying], store)


@pytest.mark.parametrize("method", [STORED, 8], ids=["stored", "deflated"])
def test_a_full_disk_is_no_corrupt_wheel(tmp_path, method):
    class FullDisk(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    content = b"x = 1\n" * 50
    stream = content if method == STORED else deflate(content)
    wheel = raw_wheel(tmp_path, [member("demo.py", content, method=method, stream=stream)])
    with pytest.raises(OSError, match="No space left"):
        splice(wheel, FullDisk())


def test_a_stream_that_has_no_end_is_refused(tmp_path, store):
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = compressor.compress(b"x = 1\n" * 50) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert "it isn't the 300 bytes" in refusal(tmp_path, [member("demo.py", b"x = 1\n" * 50, stream=stream)], store)


def test_members_that_lie_in_one_another_are_refused(tmp_path, store):
    # A quine of the format: the second file's header is stored inside the first's stream, as in compressed bombs.
    inner = build_zip([member("inner.py", "x = 1\n")])[: 30 + len("inner.py") + len(deflate(b"x = 1\n"))]
    outer = member("outer.py", inner, method=STORED)
    nested = member("inner.py", "x = 1\n", offset=30 + len("outer.py"))
    text = refusal(tmp_path, [outer, nested], store)
    assert "overlap" in text


def test_two_names_for_one_stream_are_refused(tmp_path, store):
    assert "evil.py" in refusal(tmp_path, [MODULE, member("evil.py", MODULE.content, offset=0)], store)


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(tmp_path, store, content):
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    with pytest.raises(WheelError, match=r"demo-1\.0-py3-none-any\.whl"):
        splice_wheel(wheel, store)


def test_an_archive_from_the_formats_future_is_refused(tmp_path, store):
    assert "readable" in refusal(tmp_path, [member("demo.py", "x", version=99)], store)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wheel_with_any_byte_changed_is_refused_or_says_the_same(tmp_path, data):
    wheel = raw_wheel(tmp_path, [MODULE, member("demo/stored.txt", "text\n" * 9, method=STORED)])
    whole = contents(wheel)
    altered = bytearray(wheel.read_bytes())
    at = data.draw(st.integers(0, len(altered) - 1))
    altered[at] ^= data.draw(st.integers(1, 255))
    wheel.write_bytes(altered)
    stream = io.BytesIO()
    try:
        splice(wheel, stream)
    except WheelError:
        return
    written = stream.getvalue()
    for name, content in whole.items():
        # Names aren't covered by any check sum, nor are RECORD's lines verified; contents are.
        assert content in written or deflate(content) in written, name


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 900))
def test_a_wheel_cut_anywhere_is_refused(tmp_path, cut):
    wheel = raw_wheel(tmp_path, [MODULE])
    content = wheel.read_bytes()
    wheel.write_bytes(content[: min(cut, len(content) - 1)])
    with pytest.raises(WheelError):
        splice(wheel, io.BytesIO())


def test_a_corrupt_lzma_stream_is_an_error_that_names_the_member(tmp_path, store):
    stream = b"\x09\x04\x05\x00\x5d\x00\x00\x80\x00" + b"\xff" * 20
    text = refusal(tmp_path, [member("demo.txt", b"x" * 100, method=14, stream=stream)], store)
    assert "corrupt at 'demo.txt'" in text


def test_bytes_missing_in_front_are_an_error(tmp_path, store):
    wheel = raw_wheel(tmp_path, [MODULE])
    # Directory and end record as they were: the offsets now point before the file's beginning.
    wheel.write_bytes(wheel.read_bytes()[8:])
    with pytest.raises(WheelError, match="corrupt at"):
        zip_wheel(wheel, store)
