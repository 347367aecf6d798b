"""Archives that others made."""

import errno

import pytest
from raw_zip import ENCRYPTED_FLAG, build_zip, member

from cdk_lambda_package.archives import ArchiveError, open_archive, reading_archive


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x05\x06",
        build_zip([member("a", "x")])[:-10] + b"\xff\xff\xff\x7f" + b"\0" * 6,
        build_zip([member("a", "x", size=0xFFFFFFFF, extra=b"\x01\0\x02\0\0\0")]),
        build_zip([member("a", "x", flags=ENCRYPTED_FLAG)]),
        build_zip([member("a", "x", method=99)]),
        build_zip([member("a", "x", crc=1)]),
        build_zip([member("a", "x", stream=b"\xff\xff")]),
    ],
)
def test_invalid_bytes_are_one_kind_of_error(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError) as caught, open_archive(tmp_path / "a.zip") as archive:
        archive.read("a")
    assert 0 < len(str(caught.value)) < 300


def test_what_a_disk_says_passes():
    with pytest.raises(OSError, match="full"), reading_archive():
        raise OSError(errno.ENOSPC, "full")
