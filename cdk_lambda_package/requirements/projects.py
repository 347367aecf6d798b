"""Local projects that a pyproject.toml names as its dependencies: by uv's and poetry's tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
            yield name, ((project if name in map(_canonical, own) else root) / place["path"]).resolve()
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
                yield _canonical(name), place


def _find_workspace(project: Path) -> tuple[Path, Mapping[str, Any]]:
    for folder in (project, *project.parents):
        table = _read_pyproject(folder).get("tool", {}).get("uv", {})
        if "workspace" in table:
            return folder, table
    return project, {}


def _find_in_workspace(name: str, root: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for pattern in ("", *table.get("workspace", {}).get("members", ())):
        for folder in sorted(root.glob(pattern)) if pattern else [root]:
            if _canonical(str(_read_pyproject(folder).get("project", {}).get("name", ""))) == name:
                yield name, folder.resolve()


def _read_pyproject(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
