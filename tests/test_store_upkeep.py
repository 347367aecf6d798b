"""The store's size, by what was used least recently; and damage, found in every kind of file."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest
from offline import RUNTIME, build, run_cli
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.splicing import wheel_segments
from cdk_lambda_package.store import FORMAT, Store
from cdk_lambda_package.store_upkeep import DEFAULT_SIZE, parse_age, parse_size, prune, size_limit, tidy

DAY = 24 * 3600
KEYS = [character * 64 for character in "abcd"]


def age(path, days):
    os.utime(path, (time.time() - days * DAY,) * 2)


@pytest.fixture
def filled(store):
    """A store whose four segments, of 1000 bytes each, were written four, three, two and one day ago."""
    for days, key in zip((4, 3, 2, 1), KEYS, strict=True):
        age(store.add(lambda stream: stream.write(bytes(1000)), "segments", key), days)
    return Store(store.root)


@pytest.fixture
def unused(filled, store):
    """The same store, used by no other object."""
    with store.removing("looks", own=False):
        return filled


def kept(store):
    return sorted(path.name[0] for path in (store.root / FORMAT / "segments").iterdir())


def test_what_was_least_recently_used_is_pruned_first(unused):
    done = prune(unused, max_size=2500)
    assert kept(unused) == ["c", "d"]
    assert (done.files, done.removed, done.left) == (2, 2000, 2000)


def test_what_wasnt_used_for_long_enough_is_pruned(unused):
    assert prune(unused, older_than=timedelta(days=2.5)).files == 2
    assert kept(unused) == ["c", "d"]


def test_a_read_of_a_record_is_a_use_of_all_that_has_its_key(unused):
    unused.write(b"facts", "verified", f"{KEYS[0]}-2")
    record = unused.find("verified", f"{KEYS[0]}-2")
    age(record, 4)
    unused = Store(unused.root)
    assert unused.read("verified", f"{KEYS[0]}-2") == b"facts"
    prune(unused, max_size=2500)
    assert kept(unused) == ["a", "d"]
    assert unused.read("verified", f"{KEYS[0]}-2") == b"facts"


def test_what_another_process_uses_isnt_pruned(unused):
    other = Store(unused.root)
    assert other.find("segments", KEYS[0])
    prune(unused, max_size=0)
    assert kept(unused) == ["a"]


def test_a_use_is_written_down_once_a_day(store):
    store.write(b"x", "records", KEYS[0])
    path = store.find("records", KEYS[0])
    age(path, 0.5)
    before = path.stat().st_mtime
    store.read("records", KEYS[0])
    assert path.stat().st_mtime == before
    age(path, 1.5)
    store.read("records", KEYS[0])
    assert path.stat().st_mtime > time.time() - 60


def test_a_segment_that_was_used_lately_keeps_being_trusted(store, tmp_path):
    """Its time of change is part of what says that it is unaltered, so a use mustn't touch it."""
    wheel = build_wheel(tmp_path, "demo")
    wheel_segments({sha256(wheel): wheel}, store)
    [path] = (store.root / FORMAT / "segments").iterdir()
    before = path.stat()
    wheel_segments({sha256(wheel): wheel}, Store(store.root))
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_a_store_is_tidied_once_a_day_and_only_after_something_was_written(unused):
    marker = unused.root / FORMAT / "pruned"
    tidy(unused, 2500)
    assert not marker.exists()
    unused.write(b"x", "records", "k")
    tidy(unused, 2500)
    assert marker.exists()
    assert kept(unused) == ["a", "b", "c", "d"], "not on the first day"
    age(marker, 2)
    tidy(unused, 2500)
    assert kept(unused) == ["c", "d"]
    age(unused.add(lambda stream: stream.write(bytes(1000)), "segments", KEYS[0]), 9)
    tidy(Store(unused.root), 0)
    assert kept(unused) == ["a", "c", "d"]


def test_a_build_that_writes_prunes_the_store_of_yesterday(offline_entry, offline_cache, offline_digest, tmp_path):
    cache = Path(shutil.copytree(offline_cache, tmp_path / "cache"))
    old = cache / FORMAT / "segments" / ("e" * 64)
    old.write_bytes(bytes(1000))
    age(old, 9)
    for marker in (cache / FORMAT / "pruned", old):
        marker.touch()
        age(marker, 9)
    limit = {"CDK_LAMBDA_PACKAGE_CACHE_SIZE": "1 kB"}
    build(offline_entry, tmp_path / "x.zip", cache, environment=limit)
    assert not old.exists()


def test_a_size_in_the_environment_that_is_none_is_an_error_at_once(
    offline_entry, offline_cache, offline_digest, tmp_path
):
    done = run_cli(
        *("build", offline_entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip"),
        cache=offline_cache,
        environment={"CDK_LAMBDA_PACKAGE_CACHE_SIZE": "much"},
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: $CDK_LAMBDA_PACKAGE_CACHE_SIZE 'much' is no size: give a number of B, kB, MB, GB or TB, such as '2GB'.\n"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("12", 12), ("2GB", 2 * 10**9), ("1.5 MB", 1_500_000), ("3 KiB", 3072), ("1tb", 10**12)],
)
def test_sizes(text, size):
    assert parse_size(text, "--max-size") == size
    assert size_limit({"CDK_LAMBDA_PACKAGE_CACHE_SIZE": text}) == size


def test_without_the_variable_the_size_is_bounded_too():
    assert size_limit({}) == size_limit({"CDK_LAMBDA_PACKAGE_CACHE_SIZE": ""}) == DEFAULT_SIZE


@pytest.mark.parametrize("text", ["", "-1", "2 GBs", "GB", "1e3"])
def test_what_is_no_size(text):
    with pytest.raises(OptionError, match="is no size"):
        parse_size(text, "--max-size")


@pytest.mark.parametrize(("text", "period"), [("12h", 0.5), ("30d", 30), ("8 w", 56), ("0d", 0)])
def test_ages(text, period):
    assert parse_age(text, "--older-than") == timedelta(days=period)


@pytest.mark.parametrize("text", ["", "30", "d", "30 days", "-1d", f"{'9' * 30}w"])
def test_what_is_no_age(text):
    with pytest.raises(OptionError, match=r"is (no|too long an) age"):
        parse_age(text, "--older-than")


def files_of(cache, kind):
    return sorted(path for path in (cache / FORMAT / kind).rglob("*") if path.is_file())


def run_cache(cache, *arguments):
    return run_cli("cache", *arguments, cache=cache)


def test_the_command_verifies_prunes_and_clears(offline_cache, offline_digest, tmp_path):
    cache = Path(shutil.copytree(offline_cache, tmp_path / "cache"))
    done = run_cache(cache, "verify")
    assert (done.returncode, done.stdout) == (0, f"{cache}: nothing is damaged\n")
    damaged = []
    for kind in sorted({path.name for path in (cache / FORMAT).iterdir() if path.is_dir()} - {"tmp"}):
        path = files_of(cache, kind)[0]
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        damaged.append(path)
    assert {"wheels", "segments", "resolutions", "package-contents"} <= {
        path.relative_to(cache / FORMAT).parts[0] for path in damaged
    }
    done = run_cache(cache, "verify")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        *(f"{path.relative_to(cache / FORMAT)} is damaged" for path in damaged),
        f"{cache}: {len(damaged)} damaged",
    ]
    assert not [path for path in damaged if path.exists()]
    assert run_cache(cache, "verify").returncode == 0
    size = sum(path.stat().st_size for path in (cache / FORMAT).rglob("*") if path.is_file())
    done = run_cache(cache, "prune", "--older-than", "1d", "--max-size", "0")
    assert done.stdout.endswith(f"with {size:,} bytes removed, 0 bytes left in {cache}\n")
    assert [path.name for path in files_of(cache, "")] == ["pruned"], "when it was pruned last"
    assert run_cache(cache, "clear").returncode == 0
    assert list(cache.iterdir()) == []


def test_what_isnt_a_regular_file_is_damage(store):
    for kind in ("records", "segments", "wheels"):
        (store.root / FORMAT / kind).mkdir(parents=True)
        os.mkfifo(store.root / FORMAT / kind / "pipe")
        (store.root / FORMAT / kind / "folder" / "x").mkdir(parents=True)
    done = run_cache(store.root, "verify")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 7
    assert run_cache(store.root, "verify").returncode == 0


@pytest.mark.parametrize("arguments", [("prune", "--max-size", "2 cats"), ("clear", "--older-than", "1d")])
def test_wrong_arguments_of_the_command_are_errors(tmp_path, arguments):
    done = run_cache(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --")
