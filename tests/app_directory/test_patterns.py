"""Patterns over paths, as a .gitignore file has them."""

import re
from pathlib import Path

import pytest
from entries import package_request

from cdk_lambda_package.app_directory import Patterns, check_patterns, escape
from cdk_lambda_package.errors import OptionError

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
