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
# https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources
_PLACES = frozenset({"path", "file", "git", "url", "source", "index", "workspace"})


def project_members(projects: Iterable[Path]) -> dict[str, Path]:
    """Return the projects that others name as theirs, by normalised name, followed as far as they lead.

    https://docs.astral.sh/uv/concepts/projects/workspaces/: a dependency whose source is a path or the workspace is
    never that of an index. The same holds for poetry's path dependencies.
    """
    members: dict[str, Path] = {}
    pending = list(projects)
    while pending:
        for name, folder, place in _list_places(pending.pop()):
            if isinstance(place.get("path"), str):
                paths = [(folder / place["path"]).resolve()]
            else:
                paths = _find_in_workspace(name, folder) if place.get("workspace") else []
            for path in paths:
                if name not in members and (path / "pyproject.toml").is_file():
                    members[name] = path
                    pending.append(path)
    return members


def _list_places(project: Path) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    """Yield the normalised names of which a project says to uv or poetry where they are from, with what it says.

    Relative paths in it begin in the folder.
    """
    root, own = _workspace_root(project), _read_tool(project, "uv").get("sources", {})
    names = {canonicalize_name(name) for name in own}
    # Those of the workspace's root count for all its members.
    shared = _read_tool(root, "uv").get("sources", {})
    inherited = {name: places for name, places in shared.items() if canonicalize_name(name) not in names}
    poetry = _read_tool(project, "poetry").get("dependencies", {})
    for folder, table in ((root, inherited), (project, own), (project, poetry)):
        for name, places in table.items():
            for place in places if isinstance(places, list) else [places]:
                if isinstance(place, dict) and not _PLACES.isdisjoint(place):
                    yield canonicalize_name(name), folder, place


def _workspace_root(project: Path) -> Path:
    return next((one for one in (project, *project.parents) if "workspace" in _read_tool(one, "uv")), project)


def _find_in_workspace(name: str, member: Path) -> list[Path]:
    root = _workspace_root(member)
    patterns = _read_tool(root, "uv").get("workspace", {}).get("members", ())
    folders = [root, *(folder for pattern in patterns for folder in sorted(root.glob(pattern)))]
    named = ((folder, str(_read_pyproject(folder).get("project", {}).get("name", ""))) for folder in folders)
    return [folder.resolve() for folder, title in named if canonicalize_name(title) == name]


def _read_tool(folder: Path, tool: str) -> dict[str, Any]:
    table: dict[str, Any] = _read_pyproject(folder).get("tool", {}).get(tool, {})
    return table


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
    dependencies, sourced = read_project(path), {name for name, _, _ in _list_places(path.parent)}
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
