"""The project that an entry directory is: whether its tool would install it, and whether that adds anything to the app's own code.

What a build would find is predicted from pyproject.toml and the names of folders, so that a project without modules, as apps often
have it for the sake of its dependencies, needs no build. What can't be predicted is built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypedDict

from cdk_lambda_package.app_directory import VENDOR_FOLDER, list_modules
from cdk_lambda_package.toml_files import read_settings

_BuildSystem = TypedDict("_BuildSystem", {"build-backend": str, "backend-path": list[str]}, total=False)
_Poetry = TypedDict("_Poetry", {"name": str, "package-mode": bool, "packages": list[dict[str, Any]]}, total=False)
_Uv = TypedDict("_Uv", {"package": bool, "build-backend": dict[str, Any]}, total=False)


class _Tools(TypedDict, total=False):
    poetry: _Poetry
    uv: _Uv
    hatch: dict[str, Any]
    flit: dict[str, Any]
    pdm: dict[str, Any]
    setuptools: dict[str, Any]


class _Named(TypedDict, total=False):
    name: str


_Content = TypedDict("_Content", {"build-system": _BuildSystem, "project": _Named, "tool": _Tools}, total=False)

# Where each build back end is told which modules it packages. Where it isn't, it goes by the names of folders:
# https://setuptools.pypa.io/en/latest/userguide/package_discovery.html, https://backend.pdm-project.org/build_config/,
# https://hatch.pypa.io/latest/plugins/builder/wheel/, https://docs.astral.sh/uv/concepts/build-backend/,
# https://python-poetry.org/docs/pyproject/#packages, https://flit.pypa.io/en/stable/pyproject_toml.html
_SETTINGS = {
    "setuptools": ("setuptools", None),
    "pdm": ("pdm", "build"),
    "hatchling": ("hatch", "build"),
    "uv_build": ("uv", "build-backend"),
    "poetry": ("poetry", "packages"),
    "flit_core": ("flit", "module"),
}
_DISCOVERING = ("setuptools", "pdm")
# What setuptools doesn't take for a package, as its setuptools.discovery has it; pdm has most of these in no wheel either.
_NO_PACKAGES = {
    *("benchmark", "benchmarks", "bin", "build", "changelog", "ci", "dist", "doc", "docs", "documentation", "env", "example"),
    *("examples", "exercise", "exercises", "fabfile", "manpages", "news", "python", "requirements"),
    *("scripts", "site_scons", "tasks", "test", "tests", "tools", "unit_test", "unit_tests", "util", "utils", "venv"),
}  # fmt: skip


def is_package(folder: Path) -> bool:
    """Tell whether a project is installed, and not only what it requires: it has a build system, and doesn't say otherwise.

    https://docs.astral.sh/uv/concepts/projects/config/#project-packaging and
    https://python-poetry.org/docs/basic-usage/#operating-modes.
    """
    content = _read(folder)
    tools = content.get("tool", {})
    if not tools.get("poetry", {}).get("package-mode", True):
        return False
    return tools.get("uv", {}).get("package", "build-system" in content)


def project_name(folder: Path) -> str:
    """Return the name of a project as its pyproject.toml has it, "" if there is none."""
    content = _read(folder)
    return content.get("project", {}).get("name") or content.get("tool", {}).get("poetry", {}).get("name", "")


def adds_modules(folder: Path, own: Collection[str]) -> bool:
    """Tell whether installing a project may give modules that the app's own code, with these at its top level, doesn't have."""
    names = _predict(folder, _read(folder))
    # What vendor/ has is packaged as it is.
    return names is None or not names <= {*own, VENDOR_FOLDER}


def require_project(folder: Path, own: Collection[str]) -> tuple[str, ...]:
    """Return the requirement that installs a project, none if it isn't a package or `adds_modules` is False.

    Example:
        `require_project(Path("/repo/orders"), ["app"])` is `("orders @ file:///repo/orders",)`.
    """
    name = project_name(folder)
    wanted = name and is_package(folder) and adds_modules(folder, own)
    return (f"{name} @ {folder.as_uri()}",) if wanted else ()


def _read(folder: Path) -> _Content:
    return read_settings(folder / "pyproject.toml", _Content)


def _predict(folder: Path, content: _Content) -> frozenset[str] | None:
    """Return the modules and packages that a project's wheel has at the top level; None if only its build knows them."""
    system = content.get("build-system", {})
    backend = system.get("build-backend", "setuptools").partition(".")[0]
    if backend not in _SETTINGS or "backend-path" in system:
        return None
    table, key = _SETTINGS[backend]
    settings: Any = content.get("tool", {}).get(table)
    if backend == "poetry" and settings and settings.get("packages"):
        return _read_packages(settings["packages"])
    if settings and (key is None or settings.get(key)):
        return None
    if backend in _DISCOVERING:
        legacy = any((folder / name).is_file() for name in ("setup.py", "setup.cfg"))
        return None if legacy and backend == "setuptools" else frozenset(_discover(folder, backend))
    module = project_name(folder).lower().replace("-", "_").replace(".", "_")
    if not module.isidentifier():
        return frozenset()
    places = [folder / "src", *([folder] if backend != "uv_build" else [])]
    found = any((place / module).is_dir() or (place / f"{module}.py").is_file() for place in places)
    if not found and backend == "hatchling" and any(folder.glob(f"*/{module}/__init__.py")):
        # In a namespace, which has another name.
        return None
    return frozenset([module] if found else [])


def _read_packages(rows: list[dict[str, Any]]) -> frozenset[str] | None:
    """Return the names of poetry's `packages`, None if they can't be told from patterns."""
    paths = [str(row.get("to") or row.get("include", "*")) for row in rows]
    if any("*" in path for path in paths):
        return None
    return frozenset(path.strip("./").partition("/")[0].removesuffix(".py") for path in paths)


def _discover(folder: Path, backend: str) -> Iterator[str]:
    """Yield what is found by a back end that looks for packages; setuptools refuses several beside each other."""
    if (folder / "src").is_dir():
        yield from (name.removesuffix("/").removesuffix(".py") for name in list_modules(folder / "src"))
        return
    folders = {name.removesuffix("/") for name in list_modules(folder) if name.endswith("/")} - _NO_PACKAGES
    packages = [name for name in folders if backend != "pdm" or (folder / name / "__init__.py").is_file()]
    yield from packages if backend == "pdm" or len(packages) == 1 else ()
