"""Local files that a file: URL names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit


def file_sha256(url: str) -> str:
    """Return the sha256 of the file that a file: URL stands for."""
    with local_path(url).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def local_path(url: str) -> Path:
    """Return the path that a file: URL stands for."""
    # Imported here: it brings the whole of http along.
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(url).path))
