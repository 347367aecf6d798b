"""What can be said about a requirements file without pip."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.errors import LockError


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


def read_project(path: Path) -> tuple[str, ...]:
    """Return the dependencies that a pyproject.toml states (PEP 621), none for an absent one.

    Raises `LockError` for a file that can't be read.
    """
    if not path.is_file():
        return ()
    import tomllib

    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError) as error:
        raise LockError(f"{path} can't be read: {error}") from error
    return tuple(project.get("dependencies", ()))


class RequirementLine(NamedTuple):
    """A requirement of a requirements file, without its options, where it stands, and the hashes that it allows.

    A sha256 is hex alone; any other hash has its algorithm in front, as it is written.
    """

    text: str
    path: Path
    line: int
    hashes: tuple[str, ...] = ()


def read_requirements(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[RequirementLine, ...]:
    """Return the requirements of a file and of those that it includes; constraints and options aren't among them.

    For comparing with a lock: what pip alone can judge, such as the sense of a line, isn't looked at. Raises
    `LockError` for a file that can't be read.
    """
    return tuple(line for line in read_lines(path, environ) if not line.text.startswith("-"))


def read_index_options(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the lines that say where packages are and which are allowed, with paths that hold anywhere.

    Raises `LockError` for a file that can't be read.
    """
    options = ((line, _PLACE.fullmatch(line.text)) for line in read_lines(path, environ))
    return tuple(
        _make_absolute(match[1], (match[2] or "").strip(), line.path.parent) for line, match in options if match
    )


def _make_absolute(option: str, value: str, folder: Path) -> str:
    if option in ("-c", "--constraint", "-f", "--find-links") and "://" not in value and (folder / value).exists():
        value = str((folder / value).absolute())
    return f"{option} {value}".strip()


def read_lines(path: Path, environ: Mapping[str, str] = os.environ) -> list[RequirementLine]:
    """Return all lines of a requirements file and of those that it includes, options too, one by one.

    Raises `LockError` for a file that can't be read.
    """
    found: dict[Path, list[RequirementLine]] = {}
    pending = [path]
    while pending:
        path = pending.pop()
        if path not in found:
            found[path] = list(_read_lines(path, environ))
            pending += [
                path.parent / name for line in found[path] if (name := _included(line.text)) and "://" not in name
            ]
    return [line for lines in found.values() for line in lines]


def _read_lines(path: Path, environ: Mapping[str, str]) -> Iterator[RequirementLine]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"{path} can't be read, so it can't be told whether the lock is up to date: {error}") from error
    number, parts = 1, list[str]()
    for at, line in enumerate([*text.splitlines(), ""], start=1):
        number = number if parts else at
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            parts.append(line[:-1])
            continue
        whole = _COMMENT.sub("", "".join([*parts, line])).strip()
        parts.clear()
        if whole:
            expanded = _VARIABLE.sub(lambda match: environ.get(match[1], match[0]), whole)
            hashes = tuple(re.sub(r"^sha256:(?=[0-9a-f]{64}$)", "", one) for one in _HASH.findall(expanded))
            text = expanded if expanded.startswith("-") else _OPTIONS.sub("", expanded).strip()
            yield from (RequirementLine(one, path, number, hashes) for one in _split_options(text))


def _split_options(text: str) -> list[str]:
    """Return the options of a line of its own one by one: `--no-index --find-links here` is two."""
    return re.split(r"\s+(?=--?[a-z])", text) if text.startswith("-") else [text]


_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# Options of a single requirement come behind it: --hash, --config-settings, --global-option.
_OPTIONS = re.compile(r"\s--[a-z].*$")
_PLACE = re.compile(
    r"(-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--pre|--trusted-host|-c|--constraint)(?:[ =]+(.*))?"
)
_HASH = re.compile(r"--hash[= ](\S+)")
_INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s+|=)?(.+)")


def _included(line: str) -> str | None:
    match = _INCLUDE.fullmatch(line)
    return match[1].strip() if match else None
