"""The English of the pages, as far as patterns can judge it: `make lint` runs it.

python tools/english.py              reads every page
python tools/english.py FILE…        reads these

Each hit is shown with its place, the sentence, the rule and a fix; the exit status is then 1. The words in `AVOIDED` are avoided in
messages and comments of the library too, for which tests/test_messages.py looks.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

MOST_WORDS = 35
"""Longer sentences are refused. Most should have 25 words at most."""

AVOIDED = re.compile(
    r"\b(nobody|somebody|whoever|whomever|in vain|be had|mend(?:s|ed)?|thereby|whence|unsaid)\b", re.IGNORECASE
)
"""Words that readers had to decode."""

_PLAIN = {
    "nobody": "name the actor, or write in the passive",
    "somebody": "name the actor",
    "whoever": "name the actor",
    "whomever": "name the actor",
    "in vain": "write `without a result`",
    "be had": "write `is available`",
    "mend": "write `correct` or `fix`",
    "mends": "write `corrects` or `fixes`",
    "mended": "write `corrected` or `fixed`",
    "thereby": "write `so`, or begin a sentence with the subject",
    "whence": "write `from which`",
    "unsaid": "write `unreported`",
}


class Sentence(NamedTuple):
    """A sentence of a page, without markup, and the line on which it begins. Inline code is the word `code`."""

    line: int
    text: str


class Rule(NamedTuple):
    """A pattern that no sentence may have: what it is, a function that finds it, and the fix for what is found."""

    name: str
    find: Callable[[str], str | None]
    fix: Callable[[str], str]


class Hit(NamedTuple):
    """A sentence against a rule."""

    path: Path
    sentence: Sentence
    rule: str
    found: str
    fix: str

    def __str__(self) -> str:
        place = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        text = " ".join(self.sentence.text.split())
        return f"{place}:{self.sentence.line}: {self.rule}: {self.found!r}; {self.fix}\n    {text}"


def _pattern(name: str, pattern: str, fix: str) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE)

    def find(text: str) -> str | None:
        found = compiled.search(text)
        return found[0] if found else None

    return Rule(name, find, lambda _: fix)


_HEADLESS = re.compile(r"(?:^|[:;]\s+)((?:What|Who|Whatever|Whoever|Whichever)\b[^:;]*)")


def _find_headless(text: str) -> str | None:
    """Return the first words of a clause that has no subject before its verb; a question may begin so."""
    found = None if text.endswith("?") else _HEADLESS.search(text)
    return " ".join(found[1].split()[:4]) if found else None


def _find_avoided(text: str) -> str | None:
    found = AVOIDED.search(text)
    return " ".join(found[0].lower().split()) if found else None


def _find_long(text: str) -> str | None:
    words = len(re.findall(r"\S*\w\S*", text))
    return f"{words} words" if words > MOST_WORDS else None


RULES: Sequence[Rule] = (
    Rule("headless clause", _find_headless, lambda _: "begin with the subject"),
    Rule("avoided word", _find_avoided, _PLAIN.__getitem__),
    _pattern("avoided word", r"\b(?:nothing|none|all|one|not|no \w+) but for\b", "write `except for`"),
    _pattern(
        "avoided word",
        r"\b(?:is|are|was|were|be) (?:first |only |never )?met (?:in|on|by|when|while|at)\b",
        "write `found`",
    ),
    _pattern("avoided word", r"\bbehind (?:it|them|each|another|the (?:last|first|other)s?)\b", "write `after`"),
    _pattern("avoided word", r"\b(?:an?|the|this|each|every|no|its|one) bundles?\b(?! of CDK)", "write `package`"),
    _pattern("avoided word", r"\bartifacts?\b", "write `file`, `package` or `archive`"),
    _pattern("avoided word", r"\bfingerprints?\b", "write `digest`"),
    _pattern("avoided word", r"\b(?:an?|the|this|each) (?:\w+ )?(?:lib|libs)\b", "write `library`"),
    Rule("long sentence", _find_long, lambda _: f"divide it: {MOST_WORDS} words at most, and 25 in most sentences"),
)


def pages() -> list[Path]:
    """Return the pages that users and contributors read.

    Example:
        `[hit for page in pages() for hit in hits(page)]`
    """
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
    return sorted(found)


def hits(path: Path) -> Iterator[Hit]:
    r"""Yield the sentences of a page that are against a rule.

    Example:
        `print(*hits(ROOT / "README.md"), sep="\\n")`
    """
    for sentence in sentences(path.read_text(encoding="utf-8")):
        for rule in RULES:
            found = rule.find(" ".join(sentence.text.split()))
            if found is not None:
                yield Hit(path, sentence, rule.name, found, rule.fix(found))


# A line that begins with the first is a paragraph of its own, or none at all.
_HEADING, _ROW, _ITEM = re.compile(r"\s*#{1,6} "), re.compile(r"\s*\|"), re.compile(r"(\s*(?:[-*+]|\d+\.)\s+)")
_BLOCK = re.compile(r"^( *)```.*?^\1```\s*?$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_ENDS = re.compile(r"\S.*?(?:[.!?][)\"”]*(?=\s|\Z)|\Z)", re.DOTALL)


def sentences(text: str) -> Iterator[Sentence]:
    r"""Yield the sentences of a page in Markdown, and the cells of its tables; not its headings and blocks of code.

    Example:
        `list(sentences("One.\\nTwo.")) == [Sentence(1, "One."), Sentence(2, "Two.")]`
    """
    for line, paragraph in _paragraphs(_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)):
        plain = _without_markup(paragraph)
        for found in _ENDS.finditer(plain):
            yield Sentence(line + plain.count("\n", 0, found.start()), found[0].strip())


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield each paragraph, item of a list and cell of a table, with the number of its first line."""
    first, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        item, is_row = _ITEM.match(line), _ROW.match(line)
        if lines and (item or is_row or not line.strip() or _HEADING.match(line)):
            yield first, "\n".join(lines)
            lines = []
        if is_row:
            yield from ((number, cell) for cell in re.split(r"(?<!\\)\|", _hidden_code(line)) if re.search(r"\w", cell))
        elif line.strip() and not _HEADING.match(line):
            first = first if lines else number
            lines.append(line[item.end() :] if item else line.strip())


def _hidden_code(text: str) -> str:
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", lambda code: "code" + "\n" * code[0].count("\n"), text, flags=re.DOTALL)


def _without_markup(text: str) -> str:
    """Return a paragraph as it is read, with its line breaks."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)\s]*\)", r"\1", _hidden_code(text))
    return re.sub(r"\*\*|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", "", text)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the hits of pages; the status is 1 if there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    found = [hit for path in parser.parse_args(argv).files or pages() for hit in hits(path.absolute())]
    for hit in found:
        print(hit)
    if found:
        print(
            f"{len(found)} {'sentences of the pages aren' if len(found) > 1 else 'sentence of the pages isn'}'t plain English."
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
