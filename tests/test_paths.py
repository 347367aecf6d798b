"""Paths: patterns as a .gitignore file has them, names that can be unpacked below a root, and importable units."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from entries import package_request
from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.paths import (
    Patterns,
    check_patterns,
    escape,
    import_units,
    is_importable,
    is_leftover,
    name_fault,
)

ENTRY = Path("/srv/shop/orders")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.json", "chalicelib/a.json", True),
        ("chalicelib/a.json", "chalicelib/a.json", True),
        ("./chalicelib/a.json", "chalicelib/a.json", True),
        ("./data", "data/x", True),
        ("./data", "deep/data/x", False),
        ("data", "deep/data/x", True),
        ("/data", "deep/data/x", False),
        ("./**", "any/where", True),
    ],
)
def test_a_pattern_matches_as_in_a_gitignore_file_and_dot_slash_is_the_directory_itself(pattern, path, matches):
    assert Patterns([pattern]).match(path) is matches


def test_a_dot_slash_behind_an_exclamation_mark_takes_out_the_same():
    patterns = Patterns(["data/*", "!./data/keep"])
    assert (patterns.match("data/x"), patterns.match("data/keep")) == (True, False)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("../common/x.py", "nothing outside of it is packaged"),
        ("a/../b", "nothing outside of it is packaged"),
        ("./../b", "nothing outside of it is packaged"),
        ("!../b", "nothing outside of it is packaged"),
        (".", "Write '**' for all files"),
        ("./", "Write '**' for all files"),
        ("a/./b", "no path has such a part"),
        ("/srv/shop/orders/data/**", "it is absolute"),
        ("/srv/shop/orders", "it is absolute"),
        ("~/data", "it is absolute"),
        ("C:\\shop\\data", "it is absolute"),
        ("*.{md,txt}", "{md,txt} isn't one of several there. Write a pattern for each"),
    ],
)
@pytest.mark.parametrize("name", ["include", "exclude", "exclude_from_requirements"])
def test_a_pattern_that_cant_match_is_refused_with_the_reason(name, pattern, why):
    with pytest.raises(OptionError, match=re.escape(why)) as refused:
        package_request(entry=ENTRY, runtime="python3.13", **{name: ["*.md", pattern]})
    assert f"{name} has {pattern!r}" in str(refused.value)


@pytest.mark.parametrize(
    "pattern", ["/data", "/srv", "/srv/shop/orders-old", "a..b", "...", "{{ name }}/**", "x{1}", r"\{a,b}", "#x"]
)
def test_a_pattern_that_may_match_is_accepted(pattern):
    check_patterns("exclude", [pattern], ENTRY)


@pytest.mark.parametrize("path", ["a*b", "a b", "!a", "#a", "{a,b}", "[a]", "a\\b"])
def test_an_escaped_path_is_matched_alone_and_accepted(path):
    pattern = f"/{escape(path)}"
    check_patterns("exclude", [pattern], ENTRY)
    assert Patterns([pattern]).match(path)
    assert not Patterns([pattern]).match("ab")


PARTS = st.sampled_from(["a", "..", ".", "", "C:", "b.py", "\\", "\0", "ü", "nul\n", " ", "...", "-x"])


@given(st.lists(PARTS, min_size=1, max_size=5).map("/".join))
def test_a_name_without_a_fault_stays_below_the_root_on_every_system(name):
    if name_fault(name) is None:
        assert not PurePosixPath(name).is_absolute()
        assert not PureWindowsPath(name).is_absolute()
        assert PureWindowsPath(name).drive == ""
        assert ".." not in PureWindowsPath(name).parts
        assert name.rstrip("/") == str(PurePosixPath(name))


@pytest.mark.parametrize("name", ["a", "a/b.py", "größe", "a b/c'd\"e", "..a", "a..", ".env", "...", "日本/x"])
def test_an_odd_but_harmless_name_is_fine(name):
    assert name_fault(name) is None


def test_a_name_that_is_no_unicode_is_a_fault():
    assert name_fault("a\udcff") == "it isn't Unicode"


def test_a_name_beyond_the_formats_length_is_a_fault():
    assert name_fault(f"{'ab/' * 1361}") is None
    assert name_fault(f"{'ab/' * 1361}a") == "it is longer than the 4,083 bytes that Linux can unpack"
    assert name_fault(f"a/{'ü' * 127}.") is None
    assert name_fault(f"a/{'ü' * 128}.") == "a part of it is longer than 255 bytes, and Linux can't unpack that"


@pytest.mark.parametrize(
    ("path", "others", "leftover"),
    [
        ("a/__pycache__/x.pyc", [], True),
        ("a.pyc", ["a.py"], True),
        ("a.pyc", [], False),
        ("a/.git/HEAD", [], True),
        (".DS_Store", [], True),
        ("a/.DS_Store", [], True),
        (".gitignore", [], False),
        ("env/x.py", [], False),
        ("git/x.py", [], False),
    ],
)
def test_leftovers_are_what_nobody_imports(path, others, leftover):
    assert is_leftover(path, {path, *others}) is leftover


@pytest.mark.parametrize(
    ("paths", "units"),
    [
        (["six.py"], {"six"}),
        (
            ["cffi/__init__.py", "cffi/api.py", "_cffi_backend.cpython-313-x86_64-linux-gnu.so"],
            {"_cffi_backend", "cffi"},
        ),
        (["psycopg2/__init__.py", "psycopg2_binary.libs/libpq-1.so.5"], {"psycopg2", "psycopg2_binary.libs"}),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/blob/x.py"], {"google/cloud/storage"}),
        (["google/cloud/x.py", "google/y.cpython-313.so"], {"google/cloud/x", "google/y"}),
        (["google/__init__.py", "google/x.py"], {"google"}),
        (["native/__init__.abi3.so"], {"native"}),
        (["psycopg2/_psycopg.so"], {"psycopg2/_psycopg"}),
        (["a-1.0.dist-info/x.py", "bin/run.py", "share/data.txt"], set()),
        (["only.pyc", "pkg/__init__.pyc"], {"only", "pkg"}),
        ([], set()),
    ],
)
def test_units_are_the_outermost_regular_packages_and_the_modules_outside_them(paths, units):
    assert import_units(paths) == units


@pytest.mark.parametrize(("path", "importable"), [("a.py", True), ("a.so", True), ("a.pyc", True), ("a.pyi", False), ("a.txt", False)])  # fmt: skip
def test_what_an_import_runs(path, importable):
    assert is_importable(path) is importable
