"""Local files that a file: URL names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit


def file_sha256(url: str) -> str:
    """Return the sha256 of the file that a file: URL stands for."""
    with local_path(url).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def local_path(url: str) -> Path:
    """Return the path that a file: URL stands for."""
    path = urlsplit(url).path
    if os.name != "nt":
        return Path(unquote(path))
    # Imported here, and only there: it brings the whole of http along.
    from urllib.request import url2pathname

    return Path(url2pathname(path))
