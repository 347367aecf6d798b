"""The English of the pages: which sentences the rules refuse, and which they let pass."""

from pathlib import Path

import pytest
from english import MOST_WORDS, Sentence, hits, main, pages, sentences
from offline import ROOT


def found(tmp_path: Path, text: str) -> list[tuple[int, str, str]]:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return [(hit.sentence.line, hit.rule, hit.found) for hit in hits(page)]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("What isn't given is `None`.", "What isn't given is"),
        ("The rule is simple: what is set overrides. Who asks, is told.", "Who asks, is told."),
        ("One thing counts: Whatever the table says applies.", "Whatever the table says"),
        ("Nobody knows the version.", "nobody"),
        ("The tool asks somebody.", "somebody"),
        ("It is for whoever asks.", "whoever"),
        ("No wheel can be had from the index.", "be had"),
        ("The build waits in\nvain.", "in vain"),
        ("A new lock mends it.", "mends"),
        ("It thereby loses the file.", "thereby"),
        ("The place whence it came is known.", "whence"),
        ("The rest stays unsaid.", "unsaid"),
        ("Nothing but for the wheels is packaged.", "Nothing but for"),
        ("Links are met while the folder is read.", "are met while"),
        ("The summary comes behind it.", "behind it"),
        ("The bundle has two files.", "The bundle"),
        ("Each build writes an artifact.", "artifact"),
        ("The fingerprint of the file changes.", "fingerprint"),
        ("It loads the lib at start.", "the lib"),
        (f"{'word ' * MOST_WORDS}end.", f"{MOST_WORDS + 1} words"),
    ],
)
def test_a_sentence_against_a_rule_is_found(tmp_path, sentence, words):
    assert [what for _, _, what in found(tmp_path, sentence)] == [words]


@pytest.mark.parametrize(
    "sentence",
    [
        "What does the check report?",
        "This page says what is packaged, and who wins a path.",
        "# What goes into a package",
        "The aim is met.",
        "A Chalice app behind API Gateway answers.",
        "The CDK CLI bundles all stacks, and this run doesn't bundle one.",
        "The file is in `lib/`, and `artifact` is a name.",
        "The library reads `whoever` and [the page](what-is.md).",
        "```\nNobody reads a block of code. What is here is ignored.\n```",
        "<!-- Nobody reads a comment. -->",
        f"{'word ' * (MOST_WORDS - 1)}end.",
        "A `long command with many words that count as one` ends.",
    ],
)
def test_other_sentences_are_let_pass(tmp_path, sentence):
    assert found(tmp_path, sentence) == []


def test_a_hit_has_the_line_on_which_the_sentence_begins(tmp_path):
    text = "# Title\n\nOne sentence\nends. The other\nasks nobody.\n\n```\ncode\n```\n\n- An item.\n- Somebody asks.\n\n| a | nobody |\n|---|---|\n"
    assert [(line, what) for line, _, what in found(tmp_path, text)] == [
        (4, "nobody"),
        (12, "somebody"),
        (14, "nobody"),
    ]


def test_sentences_are_without_markup():
    text = "See [the page](a.md#b) of **bold** words, *others* and\n`two words`.\n1. A step (in brackets.) Then `a.b`\n"
    assert list(sentences(text)) == [
        Sentence(1, "See the page of bold words, others and\ncode."),
        Sentence(3, "A step (in brackets.)"),
        Sentence(3, "Then code"),
    ]


def test_the_command_prints_place_sentence_rule_and_fix(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("One.\nIt waits in vain.\n", encoding="utf-8")
    assert main([str(page)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{page}:2: avoided word: 'in vain'; write `without a result`",
        "    It waits in vain.",
        "1 sentence of the pages isn't plain English.",
    ]
    page.write_text("One.\n", encoding="utf-8")
    assert main([str(page)]) == 0
    assert capsys.readouterr().out == ""


def test_every_page_is_read():
    names = {path.relative_to(ROOT).as_posix() for path in pages()}
    assert {"README.md", "CHANGELOG.md", "docs/index.md", "docs/reference/checks/import-not-found.md"} <= names
    assert "examples/chalice_api/README.md" in names


def test_the_pages_are_plain():
    assert [str(hit) for page in pages() for hit in hits(page)] == []
