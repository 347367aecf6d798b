"""Local projects that a pyproject.toml names as its dependencies: by uv's and poetry's tables."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.requirements import read_project

# https://python-poetry.org/docs/dependency-specification/
_POETRY_PLACES = frozenset({"path", "file", "git", "url", "source"})


def project_members(projects: Iterable[Path]) -> dict[str, Path]:
    """Return the projects that others name as theirs, by normalised name, followed as far as they lead.

    https://docs.astral.sh/uv/concepts/projects/workspaces/: a dependency whose source is a path or the workspace is
    never that of an index. The same holds for poetry's path dependencies.
    """
    members: dict[str, Path] = {}
    pending = list(projects)
    while pending:
        project = pending.pop()
        for name, path in _read_members(project):
            if name not in members and (path / "pyproject.toml").is_file():
                members[name] = path
                pending.append(path)
    return members


def sourced_names(project: Path) -> frozenset[str]:
    """Return the normalised names of which a project's pyproject.toml says itself, to uv or poetry, where they are from."""
    tool = _read_pyproject(project).get("tool", {})
    _, workspace = _find_workspace(project)
    sources = {**workspace.get("sources", {}), **tool.get("uv", {}).get("sources", {})}
    names = [name for name, _ in _list_places(sources)]
    places = _list_places(tool.get("poetry", {}).get("dependencies", {}))
    return frozenset([*names, *(name for name, place in places if not place.keys().isdisjoint(_POETRY_PLACES))])


def _read_members(project: Path) -> Iterator[tuple[str, Path]]:
    tool = _read_pyproject(project).get("tool", {})
    own, (root, workspace) = tool.get("uv", {}).get("sources", {}), _find_workspace(project)
    # Those of the workspace's root count for all its members.
    for name, place in _list_places({**workspace.get("sources", {}), **own}):
        if isinstance(place.get("path"), str):
            yield name, ((project if name in map(canonicalize_name, own) else root) / place["path"]).resolve()
        elif place.get("workspace"):
            yield from _find_in_workspace(name, root, workspace)
    for name, place in _list_places(tool.get("poetry", {}).get("dependencies", {})):
        if isinstance(place.get("path"), str):
            yield name, (project / place["path"]).resolve()


def _list_places(table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the normalised names of a table of dependencies, with each place that one says it is from."""
    for name, places in table.items():
        for place in places if isinstance(places, list) else [places]:
            if isinstance(place, dict):
                yield canonicalize_name(name), place


def _find_workspace(project: Path) -> tuple[Path, Mapping[str, Any]]:
    for folder in (project, *project.parents):
        table = _read_pyproject(folder).get("tool", {}).get("uv", {})
        if "workspace" in table:
            return folder, table
    return project, {}


def _find_in_workspace(name: str, root: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for pattern in ("", *table.get("workspace", {}).get("members", ())):
        for folder in sorted(root.glob(pattern)) if pattern else [root]:
            if canonicalize_name(str(_read_pyproject(folder).get("project", {}).get("name", ""))) == name:
                yield name, folder.resolve()


def _read_pyproject(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


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
