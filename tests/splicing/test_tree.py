"""Merging: precedence, conflicts and digests."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from assembly import merge_segments, splice_wheel, zip_segments
from hypothesis import given
from hypothesis import strategies as st
from raw_zip import member, raw_wheel

from cdk_lambda_package.errors import Severity
from cdk_lambda_package.paths import import_units
from cdk_lambda_package.splicing import (
    APP,
    VENDOR,
    Entry,
    Member,
    Provider,
    Segment,
    SegmentFacts,
    Series,
    Splice,
    digest_tree,
    merge,
    records_segment,
)


def segment_of(files, **facts):
    """Members in order of their paths, from contents by path; an `x` in front of a content makes it executable."""
    members = tuple(
        Member(path, text.startswith("x"), len(text), hashlib.sha256(text.encode()).hexdigest())
        for path, text in sorted(files.items())
    )
    nowhere = {"file": Path("nowhere"), "starts": (), "directory": b"", "directory_starts": ()}
    return Segment(members=members, facts=SegmentFacts(**facts), **nowhere)


def own(owner, **files):
    return Provider(owner=owner, files=Series(segment_of(files["files"])))


def distribution(name, files, version="1.0", wants=None):
    dist_info = f"{name}-{version}.dist-info"
    every = {**files, f"{dist_info}/METADATA": name, f"{dist_info}/RECORD": "rows"}
    return Provider(
        owner=f"{name}=={version}",
        files=Series(segment_of(every, dist_info=dist_info, units=tuple(sorted(import_units(every))))),
        wants=wants,
    )


def owners(tree):
    return {entry.path: entry.owner for entry in tree.entries}


def about(name, version="1.0"):
    return [f"{name}-{version}.dist-info/METADATA", f"{name}-{version}.dist-info/RECORD"]


CFFI = {"cffi/__init__.py": "1", "cffi/api.py": "2", "_cffi_backend.cpython-313-x86_64-linux-gnu.so": "3"}
PSYCOPG2 = {"psycopg2/__init__.py": "1", "psycopg2_binary.libs/libpq.so.5": "2"}


@pytest.mark.parametrize(
    ("vendored", "files"),
    [
        ("cffi/__init__.py", CFFI),
        ("_cffi_backend.so", CFFI),
        ("psycopg2/__init__.py", PSYCOPG2),
        ("psycopg2/_psycopg.so", PSYCOPG2),
        ("psycopg2_binary.libs/other.so", PSYCOPG2),
        ("six.py", {"six.py": "1"}),
        ("six/__init__.py", {"six.py": "1"}),
        ("google/a/__init__.py", {"google/a/__init__.py": "1", "google/a/blob.py": "2"}),
        ("google/a/extra.py", {"google/a/__init__.py": "1", "google/a/blob.py": "2"}),
    ],
)
def test_a_name_in_vendor_replaces_the_whole_distribution(vendored, files):
    tree = merge([own(APP, files={"app.py": "a"}), own(VENDOR, files={vendored: "v"}), distribution("demo", files)])
    assert owners(tree) == {"app.py": APP, vendored: VENDOR}
    (decision,) = tree.decisions
    assert (decision.decision, decision.subject) == ("distribution-replaced-by-vendor", "demo==1.0")
    assert vendored.split("/")[0].split(".so")[0].split(".py")[0] in decision.reason


def test_namespace_packages_merge_with_vendor_and_with_one_another():
    tree = merge(
        [
            own(VENDOR, files={"google/mine/__init__.py": "v"}),
            distribution("google_a", {"google/a/__init__.py": "1"}),
            distribution("google_b", {"google/b/__init__.py": "2"}),
        ]
    )
    assert [path for path in owners(tree) if path.startswith("google/")] == [
        "google/a/__init__.py",
        "google/b/__init__.py",
        "google/mine/__init__.py",
    ]
    assert tree.decisions == tree.findings == ()


def test_what_only_the_apps_code_shares_with_a_distribution_is_the_apps_with_a_warning():
    tree = merge([own(APP, files={"app.py": "mine"}), distribution("bad", {"app.py": "theirs", "bad.py": "b"})])
    assert owners(tree)["app.py"] == APP
    assert owners(tree)["bad.py"] == "bad==1.0"
    (finding,) = tree.findings
    assert (finding.id, finding.severity, finding.path) == ("own-file-wins", Severity.WARNING, "app.py")
    assert "bad==1.0" in finding.message


@pytest.mark.parametrize(
    ("path", "finding_id", "severity"),
    [
        ("tests/__init__.py", "path-conflict", Severity.ERROR),
        ("shared.so", "path-conflict", Severity.ERROR),
        ("LICENSE", "path-conflict-data", Severity.WARNING),
        ("tests/data.json", "path-conflict-data", Severity.WARNING),
    ],
)
def test_two_distributions_with_one_path_and_other_bytes(path, finding_id, severity):
    tree = merge([distribution("one", {path: "1"}), distribution("two", {path: "2"})])
    (finding,) = tree.findings
    assert (finding.id, finding.severity, finding.path) == (finding_id, severity, path)
    assert "one==1.0" in finding.message
    assert "two==1.0" in finding.message
    assert owners(tree)[path] == "one==1.0"
    assert ("file-left-out", f"two==1.0: {path}") in [decision[:2] for decision in tree.decisions]


def test_two_distributions_with_one_path_and_the_same_bytes_are_fine():
    tree = merge([distribution("one", {"LICENSE": "l"}), distribution("two", {"LICENSE": "l"})])
    assert tree.findings == tree.decisions == tree.records == ()
    assert owners(tree)["LICENSE"] == "one==1.0"
    assert len(tree.entries) == len({entry.path for entry in tree.entries})


def test_names_that_differ_by_case_only_are_warned_of():
    tree = merge([distribution("one", {"Data.txt": "1"}), distribution("two", {"data.txt": "2"})])
    (finding,) = tree.findings
    assert (finding.id, finding.severity) == ("case-clash", Severity.WARNING)
    assert "Data.txt" in finding.message
    assert "data.txt" in finding.message
    assert {"Data.txt", "data.txt"} < owners(tree).keys()


def test_a_file_where_others_need_a_folder_is_an_error():
    tree = merge([distribution("one", {"thing": "1"}), distribution("two", {"thing/deep/x.txt": "2"})])
    (finding,) = tree.findings
    assert (finding.id, finding.severity, finding.path) == ("file-and-folder", Severity.ERROR, "thing")


def test_a_distribution_that_lost_a_file_gets_a_record_of_what_is_left():
    tree = merge([distribution("one", {"LICENSE": "1"}), distribution("two", {"LICENSE": "2", "two.py": "t"})])
    (record,) = tree.records
    assert record.path == "two-1.0.dist-info/RECORD"
    listed = [line.split(",")[0] for line in record.content.decode().splitlines()]
    assert listed == ["two-1.0.dist-info/METADATA", "two.py", "two-1.0.dist-info/RECORD"]
    entry = next(entry for entry in tree.entries if entry.path == record.path)
    assert (entry.size, entry.digest) == (len(record.content), hashlib.sha256(record.content).hexdigest())


def test_a_record_that_isnt_wanted_isnt_brought_back():
    tree = merge([distribution("one", {"one.py": "1"}, wants=lambda path: not path.endswith("RECORD"))])
    assert list(owners(tree)) == ["one-1.0.dist-info/METADATA", "one.py"]
    assert tree.records == ()


def test_parts_and_records_together_are_the_entries(tmp_path, store):
    one = splice_wheel(raw_wheel(tmp_path, [member("LICENSE", "1"), member("one.py", "1")], name="one"), store)
    two = splice_wheel(raw_wheel(tmp_path, [member("LICENSE", "2"), member("two.py", "2")], name="two"), store)
    tree = merge_segments(one_1=one, two_1=two)
    splices = [Splice(segment=segment, kept=kept) for segment, kept in zip((one, two), tree.kept.values(), strict=True)]
    records = records_segment(tree.records, store)
    splices.append(Splice.whole(records))
    taken = sorted(splice.segment.members[index] for splice in splices for index in splice.kept)
    assert taken == [Member(entry.path, entry.executable, entry.size, entry.digest) for entry in tree.entries]
    zip_segments(splices, tmp_path / "package.zip")


# Properties

PATHS = st.lists(st.sampled_from(["a", "B", "b", "c.py", "d"]), min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.sampled_from(["1", "2", "x3"]), max_size=5)


@given(app=FILES, vendor=FILES, one=FILES, two=FILES)
def test_each_path_is_there_once_in_order_and_the_earlier_source_has_it(app, vendor, one, two):
    sources = [own(APP, files=app), own(VENDOR, files=vendor), distribution("one", one), distribution("two", two)]
    tree = merge(sources)
    paths = [entry.path for entry in tree.entries]
    assert paths == sorted(set(paths))
    assert all(owners(tree)[path] == APP for path in app)
    assert all(owners(tree)[path] == VENDOR for path in vendor.keys() - app.keys())
    by_owner = {source.owner: source.files.members for source in sources}
    kept = [by_owner[owner][index].path for owner, indices in tree.kept.items() for index in indices]
    kept += [record.path for record in tree.records]
    assert sorted(kept) == paths, "what is written is what is said"


ENTRIES = st.lists(
    st.builds(
        Entry,
        path=st.text(min_size=1, max_size=4),
        executable=st.booleans(),
        size=st.just(1),
        digest=st.sampled_from(["ab" * 32, "cd" * 32]),
        owner=st.sampled_from(["app", "one==1"]),
        identity=st.just(""),
    ),
    max_size=3,
)


@given(one=ENTRIES, two=ENTRIES)
def test_two_trees_have_the_same_digest_if_path_mode_and_content_are_the_same(one, two):
    seen = [[(entry.path, entry.executable, entry.digest) for entry in entries] for entries in (one, two)]
    assert (digest_tree(one) == digest_tree(two)) == (seen[0] == seen[1])


def test_the_result_doesnt_depend_on_the_hash_seed():
    code = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parents[1])!r}]\n"
        "from splicing.test_tree import *\n"
        "files = {f'{name}{index}.txt': name for index in range(20) for name in ('a', 'A', 'b')}\n"
        "tree = merge([own(VENDOR, files={'x/__init__.py': '', 'y.py': ''}),"
        " distribution('one', {**files, 'x/__init__.py': '', 'y.py': ''}),"
        " distribution('two', {name: 'two' for name in files}), distribution('three', files)])\n"
        "print(tree)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(told) == 1
