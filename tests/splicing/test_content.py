"""Members made from content: the same bytes everywhere."""

import hashlib
import io
import zlib

from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.splicing import SegmentWriter, write_bytes

DIGEST = "4b425359e891cbe11d7836ba209498eab8a73ced5738af2e3252a6a7975cbeb4"


def compressed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    write_bytes(SegmentWriter(buffer), "x", content)
    return buffer.getvalue()[31:]


def test_the_compressors_output_is_the_one_that_every_host_has():
    # If this changes, so must KEY_FORMAT: packages would have other bytes under the same key.
    content = b"".join(b"%d: the quick brown fox\n" % (index * index) for index in range(5000))
    assert hashlib.sha256(compressed(content)).hexdigest() == DIGEST


@given(st.binary(max_size=3000))
def test_a_member_is_never_larger_than_its_content_and_holds_it(content):
    data = compressed(content)
    assert len(data) <= len(content)
    assert (data if len(data) == len(content) else zlib.decompress(data, -15)) == content
