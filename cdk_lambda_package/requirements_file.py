"""What can be said about a requirements file without pip."""

from __future__ import annotations

import re
from pathlib import Path


def has_requirements(path: Path) -> bool:
    """Tell whether a requirements file asks for anything; not for an absent one, or one of comments and options."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    if b"\0" in content or content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    text = content.decode("utf-8-sig", "replace")
    lines = (line.strip() for line in re.sub(r"\\\r?\n", "", text).splitlines())
    return any(map(_is_requirement, lines))


def _is_requirement(line: str) -> bool:
    if not line or line.startswith("#"):
        return False
    # Only -c, index and selection options say nothing that is to be packaged.
    return line.startswith(("-r", "--requirement", "-e", "--editable")) or not line.startswith("-")
