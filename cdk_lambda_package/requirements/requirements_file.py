"""Requirements files, read without pip: their text as pip decodes it, their lines, and what these ask for."""

from __future__ import annotations

import codecs
import locale
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError, RequirementsError, shorten
from cdk_lambda_package.requirements.parsing import parse_requirement
from cdk_lambda_package.urls import local_path, names_file, without_credentials

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# The longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
# The space before it is stripped from what remains: to match it too would look at each space of a run again and again.
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")


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
    if not names_file(path):
        return ()
    # Imported here: an unchanged package reads no project.
    from cdk_lambda_package.toml_files import ProjectOnly, read_toml

    return tuple(read_toml(path, ProjectOnly).get("project", {}).get("dependencies", ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Direct:
    """A requirement of the app's own, without options and credentials, and the file that states it."""

    text: str
    place: str

    @property
    def requirement(self) -> Requirement | None:
        """The parsed requirement, or None for a form that names no distribution, such as a path."""
        try:
            return parse_requirement(self.text, self.place)
        except LockError:
            return None

    @property
    def name(self) -> str | None:
        """The normalised name, as far as there is one."""
        return canonicalize_name(self.requirement.name) if self.requirement else None


def read_requirements(path: Path, folder: Path) -> list[Direct]:
    """Return the requirements of a file and of those that it includes; constraints and options aren't among them.

    For comparing with a lock in `folder`: what pip alone can judge, such as the sense of a line, isn't looked at. Raises
    `LockError` for a file that can't be read.
    """
    found: dict[Path, list[Direct]] = {}
    pending = [path]
    while pending:
        path = pending.pop()
        if path not in found:
            try:
                text = decode_requirements(path.read_bytes())
            except (OSError, ValueError, LookupError) as error:
                raise LockError(f"The requirements file {path} can't be read: {shorten(str(error))}") from error
            lines = [(number, _VARIABLE.sub(_expand, line)) for number, line in join_lines(text)]
            place = path.name if path.parent == folder else os.path.relpath(path, folder)
            found[path] = [
                Direct(text=without_credentials(_OPTIONS.sub("", line)), place=f"{place}:{number}")
                for number, line in lines
                if not line.startswith("-")
            ]
            included = (match for _, line in lines if line.startswith("-") and (match := _INCLUDE.search(line)))
            names = (match[2] or match[3] for match in included)
            pending += [path.parent / name for name in names if "://" not in name]
    return [direct for requirements in found.values() for direct in requirements]


def check_included(path: Path) -> None:
    """Raise `RequirementsError` for what would hold pip up: it reads requirements files whatever they are, and each as often as named.

    `path` and all that `-r` and `-c` lead to are looked at; what can't be read, and files in circles, are left to pip's own errors.

    Example:
        `check_included(entry / "requirements.txt")`
    """
    pending: list[tuple[Path, tuple[Path, ...]]] = [(path, ())]
    read: dict[Path, list[Path]] = {}
    inclusions = 0
    while pending:
        path, above = pending.pop()
        inclusions += 1
        if inclusions > _MOST_INCLUSIONS or len(above) > _DEEPEST_INCLUSION:
            raise RequirementsError(
                f"{above[0]} includes more than {_MOST_INCLUSIONS} files by -r and -c, or more than {_DEEPEST_INCLUSION} "
                f"one in another, such as {path}; include each file once."
            )
        if path not in read:
            read[path] = _included_of(path)
        pending += [(child, (*above, path)) for child in read[path] if child not in above and child != path]


def _included_of(path: Path) -> list[Path]:
    """Return the files that a file includes, in the form that pip opens; raises as `check_included` does."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise RequirementsError(f"The requirements file {path} is a device, pipe or socket; give a regular file.")
        if found.st_size > _LARGEST:
            raise RequirementsError(
                f"The requirements file {path} has {found.st_size} bytes, more than {_LARGEST}; split it."
            )
        text = decode_requirements(path.read_bytes())
    except (OSError, ValueError, LookupError):
        return []
    _check_lines(text, path)
    matches = (_READ.search(_VARIABLE.sub(_expand, line)) for _, line in join_lines(text) if "-" in line)
    names = [match[2] or match[3] for match in matches if match]
    near = [Path(os.path.normpath(path.parent / name)) for name in names if "://" not in name]
    return [*near, *(local_path(name) for name in names if name.startswith("file:"))]


def _check_lines(text: str, path: Path) -> None:
    # As pip joins them; a run in lines that are continued is said of a line near the first.
    joined = text.replace("\\\n", "")
    if run := _LONG_RUN.search(joined):
        above = joined.count("\n", 0, run.start())
        raise RequirementsError(f"{path}:{above + 1}: more than {_LONGEST_RUN} spaces in a row; remove some.")
    for number, line in join_lines(text):
        if len(_OPTIONS.sub("", line)) > _LONGEST_LINE:
            raise RequirementsError(f"{path}:{number}: the line has more than {_LONGEST_LINE} characters; shorten it.")


def _expand(match: re.Match[str]) -> str:
    return os.environ.get(match[1]) or match[0]


_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# Options of a single requirement come behind it: --hash, --config-settings, --global-option.
_OPTIONS = re.compile(r"(?<!\s)\s++--[a-z].*$")
# pip takes the first letters of an option's name, and quotes around its value.
_INCLUDE = re.compile(r"""(?:^|\s)(?:-r|--requirem\w*)[ =]*(?:(["'])(.+?)\1|(\S+))""")
# The same for what pip reads besides: constraints.
_READ = re.compile(r"""(?:^|\s)(?:-[rc]|--requirem\w*|--constr\w*)[ =]*(?:(["'])(.+?)\1|(\S+))""")
# pip looks at each part of a run of spaces again, and compares each specifier with all others.
_LONGEST_RUN, _LONGEST_LINE, _LARGEST = 200, 10_000, 10_000_000
_LONG_RUN = re.compile(rf"[^\S\n\r]{{{_LONGEST_RUN + 1}}}")
# pip calls itself for each file in another.
_MOST_INCLUSIONS, _DEEPEST_INCLUSION = 1_000, 100
# -r and -e, however pip lets them be written.
_ASKING = re.compile(r"(?:^|\s)(?:-[er]|--ed|--requirem)")
