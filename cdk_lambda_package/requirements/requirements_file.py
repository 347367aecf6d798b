"""Requirements files, read without pip: their text as pip decodes it, their lines, and what these ask for."""

from __future__ import annotations

import codecs
import locale
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.errors import LockError

# The longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")


def decode_requirements(content: bytes) -> str:
    """Return a requirements file's text: by its byte order mark or coding comment, else UTF-8 or the locale's encoding.

    https://pip.pypa.io/en/stable/reference/requirements-file-format/#encoding. Raises `UnicodeDecodeError`, and
    `LookupError` for an encoding that there isn't.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (match := _CODING.search(line)):
            return content.decode(match[1].decode("ascii"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(locale.getpreferredencoding(False))


def join_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield the lines that say something, without comments, those that end in ``\`` with what follows, and their numbers.

    A comment is never continued: what is behind it counts.
    """
    start, parts = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        start = start if parts else number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        # pip sees a comment behind a continued line, too.
        whole = _COMMENT.sub("", "".join([*parts, f" {line}" if comment else line])).strip()
        parts.clear()
        if whole:
            yield start, whole


def has_requirements(path: Path) -> bool:
    """Tell whether a requirements file asks for anything; not for an absent one, or one of comments and options."""
    try:
        lines = join_lines(decode_requirements(path.read_bytes()))
    except FileNotFoundError:
        return False
    except (UnicodeError, LookupError):
        # pip reports the fault.
        return True
    # Only -c, index and selection options say nothing that is to be packaged; others may stand behind them.
    return any(not line.startswith("-") or _ASKING.search(line) for _, line in lines)


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

    A sha256 is hex alone; any other hash has its algorithm in front, as it is written. `settings` are other options
    behind it.
    """

    text: str
    path: Path
    line: int
    hashes: tuple[str, ...] = ()
    settings: str = ""


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
        text = decode_requirements(path.read_bytes())
    except (OSError, UnicodeError, LookupError) as error:
        raise LockError(f"The requirements file {path} can't be read: {error}") from error
    for number, line in join_lines(text):
        expanded = _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line)
        hashes = tuple(re.sub(r"^sha256:(?=[0-9a-f]{64}$)", "", one) for one in _HASH.findall(expanded))
        match = None if expanded.startswith("-") else _OPTIONS.search(expanded)
        text, behind = (expanded[: match.start()], match[0]) if match else (expanded, "")
        settings = _HASH.sub("", behind).strip()
        yield from (RequirementLine(one, path, number, hashes, settings) for one in _split_options(text.strip()))


def _split_options(text: str) -> list[str]:
    """Return the options of a line of its own one by one: `--no-index --find-links here` is two.

    Beside what names a project or a file pip looks at no other option.
    """
    if not text.startswith("-"):
        return [text]
    options = [_spell_out(option) for option in re.split(r"\s+(?=--?[a-z])", text)]
    alone = (one for name in _ALONE for one in options if name.match(one))
    return [first] if (first := next(alone, None)) else options


def _spell_out(option: str) -> str:
    """Return an option as it is documented: pip takes the first letters of its name, and quotes around its value."""
    match = _OPTION.fullmatch(option)
    if match is None:
        return option
    name = next((long for short, long in _SHORTENED if match[1].startswith(short)), match[1])
    return f"{name} {match[3] or match[4] or ''}".strip()


_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# Options of a single requirement come behind it: --hash, --config-settings, --global-option.
_OPTIONS = re.compile(r"\s--[a-z].*$")
_PLACE = re.compile(
    r"(-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--pre|--no-binary|--only-binary|--trusted-host"
    r"|-c|--constraint)(?:[ =]+(.*))?"
)
_HASH = re.compile(r"--hash[= ](\S+)")
_INCLUDE = re.compile(r"(?:-r|--requirement) (.+)")
# -r and -e, however pip lets them be written.
_ASKING = re.compile(r"(?:^|\s)(?:-[er]|--ed|--requirem)")
_OPTION = re.compile(r"""(-\w|--[\w-]+)[ =]*(?:(["'])(.*)\2|(.*))""")
_ALONE = tuple(re.compile(rf"({names}) ") for names in ("-e|--editable", "-r|--requirement", "-c|--constraint"))
_SHORTENED = (("--ed", "--editable"), ("--requirem", "--requirement"))


def _included(line: str) -> str | None:
    match = _INCLUDE.fullmatch(line)
    return match[1].strip() if match else None
