"""A segment's file: nothing but what was written is read back."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdk_lambda_package.binaries import BinaryFacts
from cdk_lambda_package.splicing import SegmentFacts, SegmentWriter, read_segment, write_bytes
from cdk_lambda_package.splicing.segment_format import SegmentError

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)

NO_FACTS = SegmentFacts()
FACTS = st.builds(
    SegmentFacts,
    dist_info=st.none() | NAMES,
    units=st.lists(NAMES).map(tuple),
    license=st.dictionaries(NAMES, NAMES),
    binaries=st.dictionaries(NAMES, st.builds(BinaryFacts, modules=st.lists(NAMES).map(tuple))),
)


def segment_of(files, facts=NO_FACTS):
    buffer = io.BytesIO()
    writer = SegmentWriter(buffer)
    for name, content in files.items():
        write_bytes(writer, name, content, executable=len(content) % 2 == 1)
    writer.finish(facts)
    return buffer.getvalue(), tuple(writer.members)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.binary(max_size=300), max_size=8), facts=FACTS)
def test_what_was_written_is_read_back(tmp_path, files, facts):
    content, members = segment_of(files, facts)
    path = tmp_path / "segment"
    path.write_bytes(content)
    segment = read_segment(path, verify=True)
    assert segment.members == members
    assert segment.facts == facts
    assert segment.starts[0] == 0
    assert len(segment.starts) == len(segment.directory_starts) == len(members) + 1
    assert segment.directory_starts[-1] == len(segment.directory)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found_by_verifying(tmp_path, data):
    content, _ = segment_of({"a.py": b"x = 1\n" * 20, "ü/b": b"\0" * 50}, SegmentFacts(dist_info="demo-1.0.dist-info"))
    altered = bytearray(content)
    altered[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "segment"
    path.write_bytes(altered)
    with pytest.raises(SegmentError):
        read_segment(path, verify=True)


@pytest.mark.parametrize("keep", [0, 1, 87, 88, 89, 150, -1])
def test_a_segment_cut_short_is_found_without_verifying(tmp_path, keep):
    content, _ = segment_of({"a.py": b"x = 1\n" * 20})
    path = tmp_path / "segment"
    path.write_bytes(content[:keep])
    with pytest.raises(SegmentError):
        read_segment(path, verify=False)


def test_a_segment_with_more_behind_it_is_found_without_verifying(tmp_path):
    content, _ = segment_of({"a.py": b"x = 1\n" * 20})
    path = tmp_path / "segment"
    path.write_bytes(content + content[-88:])
    with pytest.raises(SegmentError):
        read_segment(path, verify=False)
