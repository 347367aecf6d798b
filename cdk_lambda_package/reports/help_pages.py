"""The page of each kind of finding: the files of docs/reference/checks, which come with the library."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

FOLDERS = (_PACKAGE / "checks" / "pages", _PACKAGE.parent / "docs" / "reference" / "checks")
"""Where the pages are: in an installed library, and in a checkout of its repository."""


def read_page(finding_id: str) -> str | None:
    """Return the page of a kind of finding, in Markdown; None where there is none."""
    for folder in FOLDERS:
        path = folder / f"{finding_id}.md"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None
