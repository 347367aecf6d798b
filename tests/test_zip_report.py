"""Rows of a .zip file archive, whoever made it."""

import pytest
from assembly import zip_wheel
from raw_zip import ENCRYPTED_FLAG, build_zip, member, raw_wheel

from cdk_lambda_package.commands.ls import Row, format_rows, read_rows
from cdk_lambda_package.errors import PackageError


def test_owners_are_told_from_the_records(tmp_path, store):
    wheel = raw_wheel(tmp_path, [member('demo/a,"b".py', "x"), member("demo-1.0.data/scripts/run", "#!python\n")])
    rows = {row.path: row for row in read_rows(zip_wheel(wheel, store))}
    assert {row.owner for row in rows.values()} == {"demo==1.0"}
    assert rows["bin/run"] == Row("bin/run", 24, "0755", "demo==1.0")


def test_what_no_record_lists_has_no_owner(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(build_zip([member("app.py", "x"), member("d/", mode=0o40755)]))
    assert read_rows(path) == [Row("app.py", 1, "0644", "")]


@pytest.mark.parametrize(
    "record",
    [
        member("d-1.dist-info/RECORD", "x", crc=1),
        member("d-1.dist-info/RECORD", "x", stream=b"\x07\x07"),
        member("d-1.dist-info/RECORD", "x", flags=ENCRYPTED_FLAG),
        member("d-1.dist-info/RECORD", "x", method=99),
        member("d-1.dist-info/RECORD", "x", version=99),
    ],
    ids=["crc", "stream", "encrypted", "method", "version"],
)
def test_an_archive_that_cant_be_read_is_an_error_that_names_it(tmp_path, record):
    path = tmp_path / "x.zip"
    path.write_bytes(build_zip([record]))
    with pytest.raises(PackageError, match=r"x\.zip' can't be listed"):
        read_rows(path)


def test_lines_have_sizes_modes_owners_and_a_sum():
    rows = [Row("app.py", 1234, "0644", "app"), Row("x.so", 1, "0755", "demo==1.0")]
    assert list(format_rows(rows)) == [
        "       1,234  0644  app        app.py",
        "           1  0755  demo==1.0  x.so",
        "       1,235  2 files",
    ]
    assert list(format_rows([])) == ["           0  0 files"]


@pytest.mark.parametrize(
    "record",
    [
        member("d-1.dist-info/RECORD", "x", method=14, stream=b"\x09\x04\x05\x00\x5d\x00\x00\x80\x00" + b"\xff" * 20),
        member("d-1.dist-info/RECORD", '"' + "x" * 140_000 + '"\n'),
    ],
    ids=["lzma", "a field beyond csv's limit"],
)
def test_a_record_that_cant_be_read_is_an_error_too(tmp_path, record):
    path = tmp_path / "x.zip"
    path.write_bytes(build_zip([record]))
    with pytest.raises(PackageError, match=r"x\.zip' can't be listed"):
        read_rows(path)
