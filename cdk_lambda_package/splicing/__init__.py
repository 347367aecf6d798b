"""Wheels and the user's files as segments in the store, merged into a tree, and concatenated to a .zip file archive."""

from cdk_lambda_package.splicing.archive import (
    Splice,
    read_member,
    read_metadata,
    write_tree,
    write_zip,
    zip_size,
)
from cdk_lambda_package.splicing.segment_format import (
    COMPRESSOR,
    Member,
    Segment,
    SegmentError,
    SegmentFacts,
    SegmentWriter,
    read_license,
    read_segment,
    record_file,
    write_bytes,
    write_content,
)
from cdk_lambda_package.splicing.segment_store import (
    METADATA,
    below,
    files_segment,
    find_files_segment,
    find_wheel_segment,
    large_members,
    made_segment,
    records_segment,
    wheel_segments,
)
from cdk_lambda_package.splicing.tree import (
    AFTER_PACKAGING,
    APP,
    OWN,
    VENDOR,
    ContentDigest,
    Decision,
    Entry,
    Layout,
    Omission,
    Provider,
    RecordFile,
    Saved,
    Tree,
    digest_tree,
    merge,
)
