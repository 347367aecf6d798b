"""The index that pip and uv ask when nothing names another, as pip knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultIndex:
    """The `url` of its pages in the simple repository API (PEP 503), its `host`, and the `file_host` of its files."""

    url: str
    host: str
    file_host: str


def find_default_index() -> DefaultIndex:
    """Return the index that pip asks by default; uv asks the same."""
    # Imported here: only who limits or names indexes needs it.
    from pip._internal.models.index import PyPI

    return DefaultIndex(url=PyPI.simple_url, host=PyPI.netloc, file_host=PyPI.file_storage_domain)
