"""uv.lock, read by `uv export`: its files, who needs what, the requirements that it was written for, and uv's indexes."""

from __future__ import annotations

import importlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypedDict
from urllib.parse import quote

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.locks.own_project import is_package, project_name
from cdk_lambda_package.requirements import TOOL, Direct, configuration_folders, parse_marker, parse_requirement
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.toml_files import Project, ProjectOnly, parse_toml, read_settings, read_toml, shaped
from cdk_lambda_package.urls import is_allowed, names_file
from cdk_lambda_package.variables import OutsideName, ReadBy

if TYPE_CHECKING:
    from packaging.pylock import Pylock
    from packaging.requirements import Requirement

    from cdk_lambda_package.building import Built

_Table = Mapping[str, Any]


def _of_uv(name: str, meaning: str) -> OutsideName:
    return OutsideName(
        name, read_by=ReadBy.TOOLS, meaning=f"With a `uv.lock`, {meaning}.", default="uv's configuration files"
    )


_DEFAULT_INDEXES = (
    _of_uv("UV_DEFAULT_INDEX", "the URL of the index that is asked in place of PyPI"),
    _of_uv("UV_INDEX_URL", "an older name of `UV_DEFAULT_INDEX`, which comes first"),
)
_INDEXES = (
    _of_uv("UV_INDEX", "further indexes, separated by spaces, each a URL or `NAME=URL`"),
    _of_uv("UV_EXTRA_INDEX_URL", "the URLs of further indexes, separated by spaces"),
)
_LINKS = _of_uv("UV_FIND_LINKS", "places with wheels, separated by commas")
_CREDENTIALS = _of_uv(
    "UV_INDEX_", "the credentials of a named index: `UV_INDEX_NAME_USERNAME` and `UV_INDEX_NAME_PASSWORD`"
)
_NO_FILES = _of_uv("UV_NO_CONFIG", "any value turns the configuration files of uv off")
_FILE = _of_uv("UV_CONFIG_FILE", "the only configuration file of uv that is read")


class _Row(TypedDict, total=False):
    """A dependency, an edge between packages."""

    name: Required[str]
    extras: list[str]
    specifier: str
    marker: str


class _Source(TypedDict, total=False):
    """Where a local project is, and the index or the folder that others are from."""

    editable: str
    virtual: str
    directory: str
    registry: str


class _File(TypedDict, total=False):
    """A file of a package, with the path of one in a folder."""

    path: str


_Metadata = TypedDict("_Metadata", {"requires-dist": list[_Row], "requires-dev": dict[str, list[_Row]]}, total=False)
_Package = TypedDict(
    "_Package",
    {
        "name": Required[str],
        "source": _Source,
        "dependencies": list[_Row],
        "optional-dependencies": dict[str, list[_Row]],
        "wheels": list[_File],
        "sdist": _File,
        "metadata": _Metadata,
    },
    total=False,
)
_Manifest = TypedDict("_Manifest", {"overrides": list[_Row], "dependency-metadata": list[_Row]}, total=False)


class UvLock(TypedDict, total=False):
    """uv.lock, as far as it is used."""

    package: list[_Package]
    manifest: _Manifest


_Requirements = TypedDict(
    "_Requirements", {"project": Project, "dependency-groups": dict[str, list[str | dict[str, Any]]]}, total=False
)
"""The part of pyproject.toml that a lock is compared with."""


class _Index(TypedDict, total=False):
    """An index of uv's."""

    name: str
    url: Required[str]
    default: bool
    explicit: bool


_Places = TypedDict(
    "_Places",
    {"index": list[_Index], "index-url": str, "extra-index-url": list[str], "find-links": list[str]},
    total=False,
)
_Settings = TypedDict(
    "_Settings",
    {"index": list[_Index], "index-url": str, "extra-index-url": list[str], "find-links": list[str], "pip": _Places},
    total=False,
)
"""The content of uv.toml, which is that of `tool.uv` in pyproject.toml."""


class _UvTool(TypedDict, total=False):
    """The tools in pyproject.toml."""

    uv: _Settings


class _Configured(TypedDict, total=False):
    """pyproject.toml with uv's settings."""

    tool: _UvTool


# A requirement by its name, extras and specifier; what else it says isn't compared.
_Identity = tuple[str, frozenset[str], SpecifierSet]


class Format(LockFormat):
    """A lock of a project or a workspace, exported for the project of the entry directory."""

    command = "uv lock"
    no_project = "set `package = false` in [tool.uv] of its pyproject.toml, and run `uv lock`"

    def read(self, store: Store) -> tuple[Pylock, tuple[Built, ...]]:
        """Return the lock that `uv export` writes, with the edges between its packages; nothing is built."""
        return self.parse(
            with_edges(
                parse_toml(self.exported(store), dict[str, Any], f"What uv exports of {self.lock.path}"),
                self.uv_lock,
                self.own_names(),
                self.request.target,
            )
        ), ()

    def export(self, copy: Path) -> str:
        """Return the pylock.toml that `uv export` writes."""
        project = self.project_file
        # In this directory, because paths in a lock begin there.
        output = copy / "pylock.toml"
        argv = [self._uv(), "export", "--frozen", "--quiet", "--no-header", "--format=pylock.toml"]
        argv += ["--no-default-groups"]
        argv += ["--no-editable", "--offline", "--no-python-downloads", f"--output-file={output}"]
        argv += [] if self.own_project else ["--no-emit-project"]
        if project.parent != self.lock.folder:
            argv += [f"--package={read_toml(project, ProjectOnly).get('project', {}).get('name')}"]
        argv += [f"--group={name}" for name in self.request.groups] + [
            f"--extra={name}" for name in self.request.extras
        ]
        self.checked(self.run(argv, copy), argv)
        return output.read_text(encoding="utf-8")

    def direct(self) -> tuple[Direct, ...]:
        """Return the requirements of requirements.txt and of pyproject.toml."""
        return (*super().direct(), *self.requirements_of(self.project_file))

    def installs_project(self) -> bool:
        """Tell whether the lock has the project as one that is installed: `virtual` ones have no build system."""
        package = self._own_package
        return package is not None and "virtual" not in package.get("source", {"virtual": ""})

    @property
    def _own_package(self) -> _Package | None:
        name = canonicalize_name(project_name(self.project_file.parent))
        return next((one for one in self.uv_lock.get("package", ()) if one["name"] == name), None)

    def project_files(self) -> tuple[Path, ...]:
        """Return the pyproject.toml files of the project and of the local projects in the lock."""
        sources = [package.get("source", {}) for package in self.uv_lock.get("package", ())]
        # No path has a NUL.
        own = (str(place) for source in sources for kind, place in source.items() if kind != "registry")
        folders = sorted({folder for folder in own if "\0" not in folder} - {"."})
        names = (self.project, *(f"{folder}/{self.project}" for folder in folders))
        return tuple(path for name in names if names_file(path := self.lock.folder / name))

    def local_files(self) -> tuple[Path, ...]:
        """Return the files in folders of `find-links`, which uv reads for their hashes: a lock has none of them."""
        found = []
        for package in self.uv_lock.get("package", ()):
            folder = package.get("source", {}).get("registry", "")
            rows = (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ()))
            names = [row["path"] for row in rows if "path" in row and "\0" not in row["path"] + folder]
            found += [self.lock.folder / folder / name for name in names]
        paths = (Path(os.path.normpath(path)) for path in found)
        return tuple(path for path in paths if names_file(path))

    @cached_property
    def uv_lock(self) -> UvLock:
        """The lock, with the types that are used of it. Raises `LockError`."""
        return shaped(self.content, UvLock, self.lock.path)

    def changes(self) -> list[str]:
        """Return how the requirements of pyproject.toml, as far as they matter for the target, differ from the lock's.

        What only the project's build knows isn't compared.
        """
        pyproject, target = read_toml(self.project_file, _Requirements), self.request.target
        project = pyproject.get("project", {})
        name = canonicalize_name(project.get("name", ""))
        package = self._own_package
        if package is None:
            return [f"pyproject.toml is of the project {name!r}, which it doesn't have"]
        metadata, dynamic = package.get("metadata", {}), project.get("dynamic", ())
        rows = metadata.get("requires-dist", ())
        pairs: list[tuple[Iterable[str], set[_Identity]]] = []
        if "dependencies" not in dynamic:
            pairs.append((project.get("dependencies", ()), _select(rows, target)))
        if "optional-dependencies" not in dynamic:
            optional = _normalise(project.get("optional-dependencies", {}))
            of_extras = [row for row in rows if not _applies(row, target)]
            extras = [*map(canonicalize_name, self.request.extras)]
            pairs += [(optional.get(extra, ()), _select(of_extras, target, extra)) for extra in extras]
        now, then = _normalise(pyproject.get("dependency-groups", {})), _normalise(metadata.get("requires-dev", {}))
        groups = [*map(canonicalize_name, self.request.groups)]
        pairs += [(_flatten(now, group), _select(then.get(group, ()), target)) for group in groups]
        problems = [problem for lines, before in pairs for problem in _compare(lines, before, target)]
        # Another member that requires it makes a package of a project without a build system.
        if "virtual" in package.get("source", {}) and is_package(self.project_file.parent):
            problems.append("pyproject.toml says that the project is a package, which it wasn't")
        return problems

    def overridden(self) -> frozenset[str]:
        """Return the names in uv's overrides and dependency metadata."""
        manifest = self.uv_lock.get("manifest", {})
        rows = (*manifest.get("overrides", ()), *manifest.get("dependency-metadata", ()))
        return frozenset(canonicalize_name(row["name"]) for row in rows)

    def index_variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the indexes that uv would ask: those of the lock's folder, which is the root of a workspace."""
        return uv_variables(self.lock.folder, environ, self.request.only_index)

    def credentials(self, environ: Mapping[str, str]) -> list[str]:
        """Return the explicit indexes, which uv asks for nothing but the packages that a project pins to them."""
        tables = _read_tables(uv_files(self.lock.folder, environ))
        explicit = [_named_url(row) for table in tables for row in table.get("index", ()) if row.get("explicit")]
        return [url for url in _complete(explicit, environ) if "@" in url]

    def _uv(self) -> str:
        try:
            return str(importlib.import_module("uv").find_uv_bin())
        except (ImportError, AttributeError, FileNotFoundError):
            # A folder named uv is a module too, and has no such function.
            return self.find_tool("uv", "python -m pip install 'cdk-lambda-package[uv]'")


def with_edges(exported: dict[str, Any], uv_lock: UvLock, direct: Iterable[str], target: Target) -> dict[str, Any]:
    """Return the exported lock with who needs what, as uv.lock has it, and with what the project itself requires."""
    needs: dict[str, set[str]] = defaultdict(set)
    for package in uv_lock.get("package", ()):
        for rows in (package.get("dependencies", ()), *package.get("optional-dependencies", {}).values()):
            needs[package["name"]].update(row["name"] for row in rows if _applies(row, target))
    exported_rows = shaped(exported, _Exported, "What uv exports").get("packages", ())
    packages = [
        {**row, "dependencies": [{"name": name} for name in sorted(needs[str(row.get("name"))])]}
        for row in exported_rows
    ]
    rows = [{"name": name} for name in sorted(set(direct))]
    return {**exported, "packages": packages, "tool": {TOOL: {"requirements": rows}}}


class _Exported(TypedDict, total=False):
    """The lock that uv exports."""

    packages: list[dict[str, Any]]


def _normalise(table: _Table) -> _Table:
    return {canonicalize_name(key): value for key, value in table.items()}


def _select(rows: Iterable[_Row], target: Target, extra: str = "") -> set[_Identity]:
    return {
        (row["name"], frozenset(row.get("extras", ())), _specifier_of(row))
        for row in rows
        if _applies(row, target, extra)
    }


def _specifier_of(row: _Row) -> SpecifierSet:
    return parse_requirement(f"{row['name']}{row.get('specifier', '')}", "uv.lock").specifier


def _applies(row: _Row, target: Target, extra: str = "") -> bool:
    """Tell whether a row is wanted: those of extras have a marker on `extra`."""
    return "marker" not in row or target.accepts_marker(parse_marker(row["marker"], "uv.lock"), extra=extra)


def _flatten(groups: _Table, name: str) -> Iterator[str]:
    """Yield the requirements of a group and of those that it includes (PEP 735), each group once."""
    pending, seen = [name], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in groups.get(name, ()):
            if isinstance(line, str):
                yield line
            elif isinstance(line.get("include-group"), str):
                pending.append(canonicalize_name(line["include-group"]))


def _compare(lines: Iterable[str], then: set[_Identity], target: Target) -> Iterator[str]:
    requirements = (parse_requirement(line, "pyproject.toml") for line in lines)
    now = {_identify(one) for one in requirements if target.accepts_marker(one.marker)}
    before, today = ({one[0] for one in identities} for identities in (then, now))
    for name in sorted({one[0] for one in now ^ then}):
        if name not in today:
            yield f"pyproject.toml no longer asks for {name}"
        else:
            how = " in another way than" if name in before else ", which it didn't"
            yield f"pyproject.toml asks for {name}{how} when it was written"


def _identify(one: Requirement) -> _Identity:
    specifier = SpecifierSet() if one.url else one.specifier
    return canonicalize_name(one.name), frozenset(map(canonicalize_name, one.extras)), specifier


def uv_variables(folder: Path, environ: Mapping[str, str], hosts: Iterable[str] | None = None) -> dict[str, str]:
    """Return the variables that tell pip of the indexes that uv would ask for a project in a folder, credentials included.

    https://docs.astral.sh/uv/concepts/configuration-files/ and https://docs.astral.sh/uv/concepts/indexes/. What pip
    itself is told of in `environ` stays besides. With `hosts`, what is on others is left out.
    """
    default = [environ.get(name) for name in _DEFAULT_INDEXES]
    further = [word for name in _INDEXES for word in _words(environ, name)]
    links = environ.get(_LINKS, "").split(",")
    for table in _read_tables(uv_files(folder, environ)):
        for row in table.get("index", ()):
            if row.get("default"):
                default.append(_named_url(row))
            elif not row.get("explicit"):
                # Explicit ones are for what a project pins to them.
                further.append(_named_url(row))
        default.append(table.get("index-url"))
        further += table.get("extra-index-url", ())
        links += table.get("find-links", ())
    names = [("PIP_EXTRA_INDEX_URL", further), ("PIP_FIND_LINKS", links)]

    def complete(urls: Iterable[str]) -> list[str]:
        return [url for url in _complete(urls, environ) if hosts is None or is_allowed(url, hosts)]

    found = {name: " ".join(dict.fromkeys([*_words(environ, name), *complete(urls)])) for name, urls in names}
    found["PIP_INDEX_URL"] = "".join(complete([url for url in default if url][:1]))
    return {name: value for name, value in found.items() if value}


def _named_url(row: _Index) -> str:
    return f"{row['name']}={row['url']}" if "name" in row else row["url"]


def uv_files(folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the configuration files that uv reads for a project or workspace in a folder, the strongest first."""
    if environ.get(_NO_FILES):
        return []
    if named := environ.get(_FILE):
        return [Path(named)]
    user, shared = configuration_folders(environ)
    own = [*_project_files(folder)][:1]
    return own + [path for place in (user, *shared, Path("/etc")) if (path := place / "uv" / "uv.toml").is_file()]


def _project_files(folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents):
        if (place / "uv.toml").is_file():
            yield place / "uv.toml"
        elif "uv" in read_settings(place / "pyproject.toml", _Configured).get("tool", {}):
            yield place / "pyproject.toml"


def _read_tables(paths: Iterable[Path]) -> Iterator[_Places]:
    for path in paths:
        if path.name == "pyproject.toml":
            table = read_settings(path, _Configured).get("tool", {}).get("uv", _Settings())
        else:
            table = read_settings(path, _Settings)
        yield _Places(**{key: value for key, value in table.items() if key != "pip"})  # type: ignore[typeddict-item]
        yield table.get("pip", _Places())


def _words(environ: Mapping[str, str], name: str) -> list[str]:
    return environ.get(name, "").split()


def _complete(places: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the URLs of `name=URL`, with the credentials that variables have for the name."""
    for place in filter(None, places):
        match = re.match(r"([\w.-]+)=(.+)", place)
        name, url = (re.sub(r"\W", "_", match[1]).upper(), match[2]) if match else ("", place)
        user, password = (environ.get(f"{_CREDENTIALS}{name}_{what}", "") for what in ("USERNAME", "PASSWORD"))
        if (user or password) and "@" not in url.partition("://")[2].partition("/")[0]:
            url = url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)
        yield url
