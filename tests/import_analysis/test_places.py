"""Tests of the places of words, by which statements without an effect are skipped."""

from __future__ import annotations

from cdk_lambda_package.import_analysis.places import WordPlaces
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.source import parse


def _statements_with(code: bytes, *words: bytes) -> list[bool]:
    places = WordPlaces(code, words)
    return [places.within(node) for node in parse(code).named_children]


def test_a_word_is_in_the_statement_where_it_begins() -> None:
    assert _statements_with(b"\n\na = 1\nb = path\nc = 2\n", b"path") == [False, True, False]


def test_places_are_counted_in_bytes() -> None:
    assert _statements_with("é = 'ééé'\nb = path\n".encode(), b"path") == [False, True]


def test_a_word_may_be_added_later() -> None:
    code = b"load('a')\nother\n"
    places = WordPlaces(code, ())
    places.add(b"load")
    assert [places.within(node) for node in parse(code).named_children] == [True, False]


def test_a_word_that_is_added_again_costs_nothing() -> None:
    places = WordPlaces(b"load load", ())
    for _ in range(3):
        places.add(b"load")
    assert len(places._places) == 2


def test_a_function_may_give_a_name_to_a_module_that_it_imports() -> None:
    source = b"def patch():\n    import orders\n    x = 1\n    orders.find = None\n"
    assert read_module(source, (3, 13)).given == ("orders.find",)


def test_a_skipped_statement_of_a_class_may_still_end_a_try() -> None:
    source = b"class A:\n    try:\n        x = f()\n        import a\n    except ValueError:\n        pass\n"
    assert not read_module(source, (3, 13)).imports[0].certain


def test_a_flag_of_a_function_guards_an_import_after_it() -> None:
    source = (
        b"def f():\n    try:\n        there = True\n    except Exception:\n        there = False\n"
        b"    if there:\n        import a\n"
    )
    assert read_module(source, (3, 13)).imports[0].guarded
