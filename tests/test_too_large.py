"""What is above Lambda's limit isn't downloaded; the error says who requires it, and what to leave out."""

import base64
import hashlib
import json
import os
import re
import zlib
from collections import Counter

import pytest
from index_server import serve_index
from raw_zip import build_zip, member
from wheel_factory import sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import FindingsError
from cdk_lambda_package.requirements import find_chains, find_requirers
from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, WHEELS
from cdk_lambda_package.target import LARGEST_PACKAGE

LARGE, HALF = 322_000_000, 160_000_000
NCCL, BOOST, TOOL = (f"{name}-1.0-py3-none-any.whl" for name in ("nvidia_nccl", "boost", "tool"))


@pytest.fixture
def index(project):
    """An index with a distribution that needs one which needs a large one."""
    project.build("nvidia-nccl")
    project.build("boost", requires_dist=["nvidia-nccl"])
    project.build("model", requires_dist=["boost"])
    project.build("tool")
    (project.entry / "app.py").write_text("def handler(event, context):\n    return 1\n")
    with serve_index(project.wheels) as server:
        project.write(f"--index-url {server.url()}\nmodel\ntool", local=False)
        yield server


def wheels_asked_for(index):
    """How often each wheel itself was asked for."""
    asked = (path.rpartition("/")[2] for path in index.requests)
    return Counter(name for name in asked if name.endswith(".whl"))


def refusal(project, store, **options):
    """The only finding that kept a package from being made."""
    with pytest.raises(FindingsError) as caught:
        project.package(store, **options)
    (finding,) = caught.value.findings
    assert finding.id == "package-too-large"
    assert "acknowledge=['package-too-large'])" in str(caught.value)
    return finding.message


def paths(made):
    return {file["path"] for file in made.manifest["files"]}


def test_what_an_index_says_of_sizes_is_compared_before_anything_is_downloaded(project, store, index):
    index.metadata, index.sizes = True, {NCCL: LARGE}
    told = refusal(project, store)
    assert f"Lambda takes {LARGEST_PACKAGE:,}: nothing more is downloaded" in told
    assert "Largest are nvidia-nccl==1.0 (322,000,000, required by model → boost), " in told
    assert "packaging=Packaging(exclude_distributions=['nvidia-nccl']) leaves out 322,000,000 bytes" in told
    assert "zipped, which" not in told
    assert wheels_asked_for(index) == {}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_wheel_that_pip_would_download_for_its_metadata_is_refused_before(project, store, index, ranges):
    wheel = project.build("nvidia-nccl", files={"nvidia_nccl.bin": os.urandom(1_000_000)})
    index.sizes, index.ranges = {NCCL: LARGE}, ranges
    told = refusal(project, store)
    assert "Largest are nvidia-nccl==1.0 (322,000,000, required by model → boost), " in told
    assert "exclude_distributions=['nvidia-nccl']" in told
    assert index.sent[wheel.name] < 100_000
    assert ranges or index.sent[wheel.name] == 0


def test_where_no_index_says_sizes_the_header_does_before_the_body(project, store, index):
    index.padded = {NCCL: LARGE}
    told = refusal(project, store)
    assert "Largest are nvidia-nccl==1.0 (322,000,000, required by model → boost), " in told
    assert index.sent[NCCL] < LARGE // 20


def test_the_header_is_read_for_a_wheel_that_only_its_metadata_was_fetched_of(project, store, index):
    index.metadata, index.padded = True, {NCCL: LARGE}
    told = refusal(project, store)
    assert "nvidia-nccl==1.0 (322,000,000, required by model → boost)" in told
    assert index.sent[NCCL] < LARGE // 20


@pytest.mark.parametrize("says_sizes", [True, False])
def test_wheels_are_too_large_together(project, store, index, says_sizes):
    index.metadata = True
    index.sizes = {NCCL: HALF, TOOL: HALF} if says_sizes else None
    index.padded = {} if says_sizes else {NCCL: LARGEST_PACKAGE, TOOL: HALF}
    told = refusal(project, store)
    assert "tool==1.0 (160,000,000)" in told or not says_sizes
    assert "exclude_distributions=['nvidia-nccl']" in told
    assert wheels_asked_for(index) == {} or not says_sizes


def test_it_says_so_if_the_wheels_that_would_be_left_may_be_too_large_unzipped(project, store, index):
    """xgboost's wheel of 254 MB unzips to 410 MB."""
    index.metadata, index.sizes = True, {NCCL: HALF, TOOL: HALF}
    told = refusal(project, store)
    assert "leaves out 160,000,000 bytes" in told
    assert re.search(
        r"The other wheels have 160,00\d,\d{3} bytes zipped, which may be too much unzipped\. Require a smaller", told
    )


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("name", ["nvidia-nccl", "boost"])
def test_what_is_left_out_isnt_refused(project, store, index, name, metadata):
    index.metadata, index.sizes = metadata, {NCCL: LARGE}
    made = project.package(store, exclude_distributions=[name])
    assert "model.py" in paths(made)
    assert "nvidia_nccl.py" not in paths(made)
    assert NCCL not in wheels_asked_for(index) or not metadata


@pytest.mark.parametrize("name", ["nvidia-nccl", "boost"])
def test_of_what_is_left_out_no_more_than_the_metadata_is_downloaded(project, store, index, name):
    wheel = project.build("nvidia-nccl", files={"nvidia_nccl.bin": os.urandom(1_000_000)})
    index.ranges, index.sizes = True, {}
    made = project.package(store, exclude_distributions=[name])
    assert "nvidia_nccl.bin" not in paths(made)
    assert 0 < index.sent[wheel.name] < 100_000
    # What pip chooses is the same.
    assert main(["lock", str(project.entry), "--runtime", "python3.13"]) == 0
    assert "nvidia_nccl-1.0" in (project.entry / "pylock.toml").read_text()


@pytest.mark.parametrize(
    "options",
    [
        {"exclude_from_requirements": ["*.pyi"]},
        {"after_packaging": [["rm", "nvidia_nccl.py"]]},
        {"acknowledge": ["package-too-large"]},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("metadata", [True, False])
def test_what_may_fit_in_the_end_is_decided_then(project, store, index, metadata, options):
    index.metadata, index.sizes = metadata, {NCCL: LARGE}
    assert "model.py" in paths(project.package(store, **options))
    assert wheels_asked_for(index)[NCCL] == 1


@pytest.mark.parametrize("pinned", [True, False])
def test_wheels_count_together_while_pip_resolves(project, store, index, pinned):
    """In hash-checking mode pip downloads each wheel to resolve, and without metadata apart, too."""
    index.sizes = {NCCL: HALF, BOOST: HALF}
    lines = [f"{wheel.name.split('-')[0]}==1.0 --hash=sha256:{sha256(wheel)}" for wheel in project.wheels.iterdir()]
    if pinned:
        project.write("\n".join([f"--index-url {index.url()}", *lines]), local=False)
    told = refusal(project, store)
    assert "boost==1.0 (160,000,000" in told
    assert "nvidia-nccl==1.0 (160,000,000" in told
    assert not {NCCL, BOOST} <= index.sent.keys()


def test_releases_that_pip_looked_at_in_vain_dont_count(project, store, index):
    project.build("boost", "2.0", requires_dist=["other-nccl", "tool>=2"])
    project.build("other-nccl")
    index.ranges = True
    index.sizes = {"other_nccl-1.0-py3-none-any.whl": LARGE, NCCL: HALF, "boost-2.0-py3-none-any.whl": HALF}
    assert {"boost.py", "nvidia_nccl.py"} <= paths(project.package(store))
    assert wheels_asked_for(index)["boost-2.0-py3-none-any.whl"] == 1


@pytest.mark.parametrize("line", ["nvidia-nccl @ {url}", "{url}"])
def test_a_wheel_that_is_required_by_its_url_is_held_to_the_header(project, store, index, line):
    index.padded = {NCCL: LARGE}
    project.write(line.format(url=f"http://{index.host}/files/{NCCL}"), local=False)
    assert "Largest is nvidia-nccl==1.0 (322,000,000)." in refusal(project, store)
    assert index.sent[NCCL] < LARGE // 20


def test_a_lock_says_sizes_and_whose_they_are(project, store, index, capsys):
    index.metadata, index.sizes = True, {NCCL: LARGE}
    # Locking downloads nothing, and what is left out later is in the lock, too.
    assert main(["lock", str(project.entry), "--runtime", "python3.13"]) == 0, capsys.readouterr().err
    assert "size = 322000000" in (project.entry / "pylock.toml").read_text()
    index.requests.clear()
    (project.entry / "requirements.txt").unlink()
    told = refusal(project, store)
    assert "nvidia-nccl==1.0 (322,000,000, required by model → boost)" in told
    assert index.requests == []


def test_a_lock_without_sizes_is_held_to_the_headers(project, store, index, capsys):
    assert main(["lock", str(project.entry), "--runtime", "python3.13"]) == 0, capsys.readouterr().err
    assert "size = " not in (project.entry / "pylock.toml").read_text()
    index.requests.clear()
    index.padded = {NCCL: LARGE}
    told = refusal(project, store)
    assert "nvidia-nccl==1.0 (322,000,000, required by model → boost)" in told
    assert index.sent[NCCL] < LARGE // 20


def test_what_the_store_has_isnt_refused_for_a_download(project, store, index):
    index.metadata, index.sizes = True, {NCCL: LARGE}
    for wheel in project.wheels.iterdir():
        store.add(lambda stream, wheel=wheel: stream.write(wheel.read_bytes()), WHEELS, sha256(wheel), wheel.name)
    assert "nvidia_nccl.py" in paths(project.package(store))
    assert wheels_asked_for(index) == {}


@pytest.mark.parametrize("size", [0, -1, 2.5, "322000000", None, True, 10**400])
def test_a_size_that_is_none_is_ignored(project, store, index, size):
    index.metadata, index.sizes = True, {NCCL: size}
    assert "nvidia_nccl.py" in paths(project.package(store))


def test_a_report_has_it_as_a_finding(project, store, index, capsys, monkeypatch):
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(store.root))
    index.metadata, index.sizes = True, {NCCL: LARGE}
    assert main(["check", str(project.entry), "--runtime", "python3.13", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [finding["id"] for finding in report["findings"]] == ["package-too-large"]
    assert not report["complete"]


def build_large(project, name="nvidia-nccl", path="nvidia/nccl/lib/libnccl.so.2"):
    """Build a wheel with a file above the limit, of zeros, so that the wheel itself is small."""
    compressor, crc, digest = zlib.compressobj(9, wbits=-15), 0, hashlib.sha256()
    size, piece = LARGEST_PACKAGE + 1, bytes(1 << 20)
    stream = bytearray()
    for begin in range(0, size, len(piece)):
        content = piece[: size - begin]
        stream += compressor.compress(content)
        crc = zlib.crc32(content, crc)
        digest.update(content)
    stream += compressor.flush()
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    stem = f"{name.replace('-', '_')}-1.0"
    members = [
        member(path, stream=bytes(stream), crc=crc, size=size),
        member(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"),
        member(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        member(f"{stem}.dist-info/RECORD", f"{path},sha256={encoded},{size}\n"),
    ]
    (project.wheels / f"{stem}-py3-none-any.whl").write_bytes(build_zip(members))


PATTERN = "/nvidia/nccl/lib/libnccl.so.2"


def test_a_file_above_the_limit_is_refused_once_it_is_seen(project, store, index):
    build_large(project)
    index.metadata, index.sizes = True, {}
    told = refusal(project, store)
    assert told.startswith(
        "nvidia/nccl/lib/libnccl.so.2 of nvidia-nccl==1.0 has 262,144,001 bytes unzipped, and Lambda takes 262,144,000 for "
        "all files. nvidia-nccl==1.0 is required by model → boost. "
    )
    assert f"exclude_from_requirements=['{PATTERN}']" in told
    assert "exclude_distributions=['nvidia-nccl']" in told
    # A pattern that leaves it in.
    assert refusal(project, store, exclude_from_requirements=["*.pyi"]) == told


def test_a_file_above_the_limit_that_is_left_out_isnt_refused(project, store, index):
    build_large(project)
    made = project.package(store, exclude_from_requirements=[PATTERN])
    assert {path for path in paths(made) if path.startswith("nvidia")} == {
        f"nvidia_nccl-1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")
    }
    # By now the segment is there: the usual check compares what is left.
    told = refusal(project, store)
    assert "nvidia-nccl==1.0 (262,144" in told
    assert "required by model → boost)" in told
    assert "nvidia/nccl/lib/libnccl.so.2" in paths(project.package(store, acknowledge=["package-too-large"]))


def test_chains_are_the_shortest_and_end_in_cycles():
    def wheel(name, *required_by, requested=False):
        filename = f"{name}-1.0-py3-none-any.whl"
        return LockedWheel(
            name=name,
            version="1.0",
            filename=filename,
            url="",
            sha256=name,
            requested=requested,
            required_by=required_by,
        )

    wheels = [
        wheel("app", requested=True),
        wheel("b", "app", "d"),
        wheel("c", "b"),
        wheel("d", "c", "app"),
        wheel("e", "c", "d"),
        wheel("f", "g"),
        wheel("g", "f"),
    ]
    assert find_chains(find_requirers(wheels)) == {
        "app": (),
        "b": ("app",),
        "d": ("app",),
        "c": ("app", "b"),
        "e": ("app", "d"),
    }
