"""A project whose dependencies nothing packages: pyproject.toml or Pipfile names them, and no lock has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.target import Target

# A project that requires this is a CDK app, not a function beside it.
_CDK = "aws-cdk-lib"
_MOST_NAMES = 5


def find_unlocked_project(entry: Path, target: Target, provided: Iterable[str]) -> tuple[Finding, ...]:
    """Return what is to be said of a project in an entry directory that has neither a lock nor requirements.txt.

    One that requires nothing but what is provided, such as one that only sets up tools, needs no lock.
    """
    for file, list_names, command in _PROJECTS:
        path = entry / file
        names = _select(list_names(_read(path)), provided) if path.is_file() else ()
        if names:
            return (_tell(file, names, command or lock_command(entry, (target,))),)
    return ()


def _read(path: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # It may be the file of a tool only, which reports its faults.
        return {}


def _select(names: Iterable[str], provided: Iterable[str]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    found = dict.fromkeys(map(canonicalize_name, names))
    left_out = {"python", *map(canonicalize_name, provided)}
    return () if _CDK in found else tuple(name for name in found if name not in left_out)


def _tell(file: str, names: tuple[str, ...], command: str) -> Finding:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    message = (
        f"{file} requires {', '.join(names[:_MOST_NAMES])}{more}, and there is neither a lock nor a requirements.txt, so "
        f"nothing of that is packaged. Write a lock with `{command}`, or put what the function needs into a "
        "requirements.txt, an empty one if it needs nothing."
    )
    return Finding(id="project-not-locked", severity=Severity.WARNING, message=message, path=file)


def _list_project(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a project requires (https://packaging.python.org/en/latest/specifications/pyproject-toml/)."""
    lines = _find_table(content, "project").get("dependencies")
    for line in lines if isinstance(lines, list) else ():
        if match := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", str(line)):
            yield match[1]


def _list_poetry(content: Mapping[str, Any]) -> Iterator[str]:
    # https://python-poetry.org/docs/pyproject/#dependencies
    yield from _find_table(content, "tool", "poetry", "dependencies")


def _list_pipenv(content: Mapping[str, Any]) -> Iterator[str]:
    # https://pipenv.pypa.io/en/latest/pipfile.html
    yield from _find_table(content, "packages")


def _find_table(content: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = content
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


_PROJECTS: tuple[tuple[str, Callable[[Mapping[str, Any]], Iterable[str]], str | None], ...] = (
    ("pyproject.toml", _list_project, None),
    ("pyproject.toml", _list_poetry, "poetry lock"),
    ("Pipfile", _list_pipenv, "pipenv lock"),
)
"""Files, what lists the names that they require, and the command that locks these; None for this library's own."""
