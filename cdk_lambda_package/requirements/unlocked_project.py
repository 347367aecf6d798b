"""A project whose dependencies nothing packages: pyproject.toml or Pipfile names them, and no lock has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.requirements.resolution import ResolutionRequest

# A project that requires this is a CDK app, not a function beside it.
_CDK = "aws-cdk-lib"
_MOST_NAMES = 5

_PROJECTS = (
    # https://packaging.python.org/en/latest/specifications/pyproject-toml/
    ("pyproject.toml", ("project", "dependencies"), None),
    # https://python-poetry.org/docs/pyproject/#dependencies
    ("pyproject.toml", ("tool", "poetry", "dependencies"), "poetry lock"),
    # https://pipenv.pypa.io/en/latest/pipfile.html
    ("Pipfile", ("packages",), "pipenv lock"),
)
"""Files, the list of requirements or table of names in each, and the command that locks it; None for this library's own."""


def find_unlocked_project(asked: ResolutionRequest) -> tuple[Finding, ...]:
    """Return what is to be said of a project in an entry directory that has neither a lock nor requirements.txt.

    One that requires nothing but what is provided, such as one that only sets up tools, needs no lock.
    """
    for file, keys, command in _PROJECTS:
        path = asked.entry / file
        if path.is_file() and (names := _select(_read(path, keys), asked.provided)):
            return (_tell(file, names, command or asked.lock_command()),)
    return ()


def _read(path: Path, keys: Iterable[str]) -> Iterable[Any]:
    # Imported here: a package with requirements needs none of it. It may be the file of a tool only, which reports its faults.
    from cdk_lambda_package.toml_files import read_settings

    found: Any = read_settings(path, dict[str, Any])
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, list | Mapping) else ()


def _select(lines: Iterable[Any], provided: Iterable[str]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    matches = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", str(line)) for line in lines)
    found = dict.fromkeys(canonicalize_name(match[1]) for match in matches if match)
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
