"""The content of locks of uv, poetry and pipenv, exported by these tools.

Each tool runs frozen, on a copy of the lock and of the project file that it belongs to, so that the source tree is never
written to; it isn't asked for credentials, and what it writes is rid of any.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import LockError, ToolError
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.requirements import LockFile, LockKind
from cdk_lambda_package.urls import hide_credentials, without_credentials

_INSTALL = {
    "uv": "python -m pip install 'cdk-lambda-package[uv]'",
    "poetry": "pipx install poetry && pipx inject poetry poetry-plugin-export",
    "pipenv": "pipx install pipenv",
}
# Of the user's own settings for a tool, only where its files are, and how it is started, may count.
_KEPT = {"UV_CACHE_DIR", "POETRY_CACHE_DIR", "POETRY_CONFIG_DIR", "POETRY_DATA_DIR", "POETRY_HOME"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """The selection from a lock, for the app in `entry`."""

    lock: LockFile
    entry: Path
    groups: tuple[str, ...]
    extras: tuple[str, ...]


def export_lock(
    lock: LockFile, entry: Path, groups: Iterable[str], extras: Iterable[str], run: Runner = run_process
) -> str:
    """Return what a foreign lock holds: uv's as PEP 751, poetry's and pipenv's as requirements with hashes.

    Raises `ToolError` where the tool is missing or fails, and `LockError` where it says that the lock is out of date.
    """
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        # Below its own path, so that what lies above the lock is named as if it were there too.
        root = Path(directory, "root")
        copy = root.joinpath(*lock.folder.parts[1:])
        _copy_project(lock, copy)
        wanted = _Wanted(lock=lock, entry=entry, groups=tuple(groups), extras=tuple(extras))
        text = _EXPORTS[lock.kind](wanted, copy, run)
        cleaned: str = without_credentials(text)
        # Local files are named by their real paths.
        anchor = lock.folder.anchor
        return cleaned.replace(f"{root.as_uri()}/", Path(anchor).as_uri()).replace(f"{root}{os.sep}", anchor)


def project_files(lock: LockFile) -> tuple[Path, ...]:
    """Return the files that say what the lock is the lock of, as far as they exist."""
    names = {LockKind.PIPENV: ["Pipfile"]}.get(lock.kind, ["pyproject.toml"])
    if lock.kind is LockKind.UV:
        names += [f"{folder}/pyproject.toml" for folder in local_folders(read_toml(lock.path)) if folder != "."]
    return tuple(path for name in names if (path := lock.folder / name).is_file())


def local_folders(uv_lock: Mapping[str, Any]) -> list[str]:
    """Return the folders of a uv.lock's local projects, the workspace's members among them."""
    sources = (package.get("source", {}) for package in uv_lock.get("package", ()))
    return sorted(
        {source[kind] for source in sources for kind in ("editable", "virtual", "directory") if kind in source}
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises `LockError` naming it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LockError(f"{path} can't be read: {error}") from error


def name_project(lock: LockFile, entry: Path) -> Path:
    """Return the pyproject.toml that the entry directory belongs to: the nearest, up to the lock's folder."""
    for folder in (entry, *entry.parents):
        if (folder / "pyproject.toml").is_file() or folder == lock.folder:
            return folder / "pyproject.toml"
    return lock.folder / "pyproject.toml"


def _copy_project(lock: LockFile, copy: Path) -> None:
    for path in (lock.path, *project_files(lock)):
        relative = os.path.relpath(path, lock.folder)
        if relative.startswith(".."):
            continue
        (copy / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / relative)


def _export_uv(wanted: _Wanted, copy: Path, run: Runner) -> str:
    lock, groups, extras = wanted.lock, wanted.groups, wanted.extras
    project = name_project(lock, wanted.entry)
    argv = [find_uv(), "export", "--frozen", "--quiet", "--no-header", "--format=pylock.toml", "--no-default-groups"]
    argv += ["--no-emit-project", "--no-editable", "--offline", "--no-python-downloads"]
    if project.parent != lock.folder:
        argv += [f"--package={read_toml(project).get('project', {}).get('name')}"]
    # In this directory, because paths in a lock begin there.
    output = copy / "pylock.toml"
    argv += (
        [f"--group={name}" for name in groups] + [f"--extra={name}" for name in extras] + [f"--output-file={output}"]
    )
    _check(run(argv, copy, _environment("UV_")), lock, argv)
    return output.read_text(encoding="utf-8")


def _export_poetry(wanted: _Wanted, copy: Path, run: Runner) -> str:
    lock, groups, extras = wanted.lock, wanted.groups, wanted.extras
    output = copy / "exported.txt"
    argv = [_find_tool("poetry", lock), "export", "--no-interaction", "--no-ansi", "--format=requirements.txt"]
    argv += [f"--with={name}" for name in groups] + [f"--extras={name}" for name in extras] + [f"--output={output}"]
    finished = run(argv, copy, {**_environment("POETRY_"), "POETRY_VIRTUALENVS_CREATE": "false"})
    if finished.status and "command export does not exist" in finished.output:
        raise ToolError(f"{lock.path} is read by poetry's export plugin, which isn't installed: run `poetry self add "
                        "poetry-plugin-export`, or `pipx inject poetry poetry-plugin-export`.")  # fmt: skip
    if finished.status and "changed significantly" in finished.output:
        raise LockError(f"{lock.path} is out of date against pyproject.toml; run `poetry lock`.")
    _check(finished, lock, argv)
    return output.read_text(encoding="utf-8") if output.exists() else ""


def _export_pipenv(wanted: _Wanted, copy: Path, run: Runner) -> str:
    lock, groups, extras = wanted.lock, wanted.groups, wanted.extras
    if extras:
        raise LockError(f"{lock.path} knows no extras, so extras {', '.join(extras)} aren't available; name its "
                        "package categories with packaging=Packaging(groups=[…]).")  # fmt: skip
    _check_categories(lock, groups)
    pipenv, environment = (
        _find_tool("pipenv", lock),
        {**_environment("PIPENV_"), "PIPENV_DONT_LOAD_ENV": "1", "PIPENV_VERBOSITY": "-1"},
    )
    if run([pipenv, "verify"], copy, environment).status:
        raise LockError(f"{lock.path} is out of date against Pipfile; run `pipenv lock`.")
    # pipenv lets only several categories be named together; `packages` is the one that is there by default.
    argv = [pipenv, "requirements", "--hash", "--categories", " ".join(["packages", *groups])]
    return _check(run(argv, copy, environment), lock, argv).output


def _check_categories(lock: LockFile, groups: tuple[str, ...]) -> None:
    known = read_toml(lock.folder / "Pipfile")
    missing = [name for name in groups if name not in known]
    if missing:
        names = sorted(name for name, value in known.items() if isinstance(value, dict) and name != "requires")
        raise LockError(f"groups {', '.join(missing)}: {lock.folder / 'Pipfile'} has only {', '.join(names)}.")


_EXPORTS: Mapping[LockKind, Callable[[_Wanted, Path, Runner], str]] = {
    LockKind.UV: _export_uv,
    LockKind.POETRY: _export_poetry,
    LockKind.PIPENV: _export_pipenv,
}


def find_uv() -> str:
    """Return the path of uv: that of the environment's `uv` package, else the one on PATH.

    Raises `ToolError` saying how to install it.
    """
    spec = importlib.util.find_spec("uv")
    # A folder named uv is found too, but has no loader.
    if spec is not None and spec.loader is not None and spec.origin is not None:
        return str(importlib.import_module("uv").find_uv_bin())
    return _which("uv", "uv isn't installed")


def _find_tool(name: str, lock: LockFile) -> str:
    return _which(name, f"{lock.path} is read by {name}, which isn't installed")


def _which(name: str, problem: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"{problem}; install it, for example with `{_INSTALL[name]}`, or name a requirements file or "
                        "another lock with packaging=Packaging(requirements=…).")  # fmt: skip
    return path


def _environment(prefix: str) -> dict[str, str]:
    """Return the environment without a tool's settings: a lock's export depends on the lock."""

    def kept() -> Iterator[tuple[str, str]]:
        for name, value in os.environ.items():
            if name in _KEPT or not name.startswith((prefix, "VIRTUAL_ENV")):
                yield name, value

    return dict(kept())


def _check(finished: Finished, lock: LockFile, argv: list[str]) -> Finished:
    if finished.status:
        said = hide_credentials(finished.output, os.environ).strip()
        raise ToolError(f"{lock.path} couldn't be read by `{Path(argv[0]).name} {' '.join(argv[1:3])}`, exit status "
                        f"{finished.status}: {said or 'it says nothing'}")  # fmt: skip
    return finished
