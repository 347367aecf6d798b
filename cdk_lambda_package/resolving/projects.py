"""Local projects that a pyproject.toml names as its dependencies: by uv's and poetry's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.requirements import parse_requirement, read_project
from cdk_lambda_package.toml_files import PyProject, UvSources, read_settings
from cdk_lambda_package.urls import names_file

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
            # No path has a NUL.
            if isinstance(place.get("path"), str) and "\0" not in place["path"]:
                paths = [(folder / place["path"]).resolve()]
            else:
                paths = _find_in_workspace(name, folder) if place.get("workspace") else []
            for path in paths:
                if name not in members and names_file(path / "pyproject.toml"):
                    members[name] = path
                    pending.append(path)
    return members


def _list_places(project: Path) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    """Yield the normalised names of which a project says to uv or poetry where they are from, with what it says.

    Relative paths in it begin in the folder.
    """
    root, own = _workspace_root(project), _read_uv(project).get("sources", {})
    names = {canonicalize_name(name) for name in own}
    # Those of the workspace's root count for all its members.
    shared = _read_uv(root).get("sources", {})
    inherited = {name: places for name, places in shared.items() if canonicalize_name(name) not in names}
    poetry = _read_pyproject(project).get("tool", {}).get("poetry", {}).get("dependencies", {})
    for folder, table in ((root, inherited), (project, own), (project, poetry)):
        for name, places in table.items():
            for place in places if isinstance(places, list) else [places]:
                if isinstance(place, dict) and not _PLACES.isdisjoint(place):
                    yield canonicalize_name(name), folder, place


def _workspace_root(project: Path) -> Path:
    return next((one for one in (project, *project.parents) if "workspace" in _read_uv(one)), project)


def _find_in_workspace(name: str, member: Path) -> list[Path]:
    root = _workspace_root(member)
    patterns = _read_uv(root).get("workspace", {}).get("members", ())
    folders = [root, *(folder for pattern in patterns for folder in _find_folders(root, pattern))]
    named = ((folder, _read_pyproject(folder).get("project", {}).get("name", "")) for folder in folders)
    return [folder.resolve() for folder, title in named if canonicalize_name(title) == name]


def _find_folders(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))
    except (NotImplementedError, ValueError, OSError):
        # An absolute path, none, or no pattern at all: uv says so.
        return []


def _read_uv(folder: Path) -> UvSources:
    return _read_pyproject(folder).get("tool", {}).get("uv", {})


def _read_pyproject(folder: Path) -> PyProject:
    return read_settings(folder / "pyproject.toml", PyProject)


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
            requirement = parse_requirement(line, "pyproject.toml")
        except LockError:
            # The resolver says what is wrong with it.
            continue
        if requirement.url is None:
            yield requirement.name
