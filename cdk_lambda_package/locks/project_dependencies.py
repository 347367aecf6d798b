"""The dependencies of a pyproject.toml, as far as they can be locked without the tool that the project is managed with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.requirements.projects import sourced_names
from cdk_lambda_package.requirements.requirements_file import read_project


def read_dependencies(path: Path) -> tuple[str, ...]:
    """Return the dependencies that a pyproject.toml states, none for an absent one.

    Raises `LockError` for a file that can't be read, and for dependencies of which it says to uv or poetry alone where
    they are from: an index may have another distribution under such a name.
    """
    dependencies, sourced = read_project(path), sourced_names(path.parent)
    names = [name for name in _names(dependencies) if canonicalize_name(name) in sourced]
    if names:
        raise LockError(
            f"{path} says where {', '.join(names)} comes from in a way that only the project's own tool reads "
            "(tool.uv.sources, tool.poetry.dependencies), and an index may have another package of that name. Write the "
            "lock with that tool, `uv lock` or `poetry lock`: it is packaged as it is. Or write a requirements.txt, in "
            "which a local project is a path such as ../shared."
        )
    return dependencies


def _names(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            # The resolver says what is wrong with it.
            continue
        if requirement.url is None:
            yield requirement.name
