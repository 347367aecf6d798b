"""What the formats of lock files have in common, and how the tools that own them are run.

A format is a module in this folder with a subclass of `LockFormat` that is named `Format`, and one line in `LOCK_FORMATS`.
"""

from __future__ import annotations

import importlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import ToolError
from cdk_lambda_package.locks.own_project import adds_modules, project_name
from cdk_lambda_package.processes import Finished, run_process, with_temporary
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import (
    LOCK_FORMATS,
    Direct,
    LockFile,
    ResolutionRequest,
    parse_pylock,
    read_project,
    read_requirements,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.toml_files import PyProject, decode_toml, read_settings
from cdk_lambda_package.urls import hide_credentials, without_credentials

if TYPE_CHECKING:
    from packaging.pylock import Pylock

    from cdk_lambda_package.building import Built

T = TypeVar("T")

# Of the user's own settings for a tool, only those of its files, and of how it is started, apply.
_KEPT = {"UV_CACHE_DIR", "POETRY_CACHE_DIR", "POETRY_CONFIG_DIR", "POETRY_DATA_DIR", "POETRY_HOME"}


class LockFormat(ABC):
    """A lock file of one format, read for a request. A subclass overrides what its format has otherwise.

    Attributes:
        command: The command that renews a lock; "" for this library's own.
        no_project: What to do so that the tool doesn't install the project itself.
        project: The name of the file with the requirements that the lock was written for.
    """

    command: ClassVar[str] = ""
    no_project: ClassVar[str] = ""
    project: ClassVar[str] = "pyproject.toml"

    def __init__(self, lock: LockFile, request: ResolutionRequest, progress: Progress = QUIET) -> None:
        """Take the lock that applies to the request, and what is told when reading it takes long."""
        self.lock, self.request, self.progress = lock, request, progress

    @staticmethod
    def of(lock: LockFile, request: ResolutionRequest, progress: Progress = QUIET) -> LockFormat:
        """Return the lock in its format."""
        return _class_of(LOCK_FORMATS[lock.format])(lock, request, progress)

    @abstractmethod
    def read(self, store: Store) -> tuple[Pylock, tuple[Built, ...]]:
        """Return the lock as PEP 751 has it, and the sources that had to be built to know that.

        Raises `LockError` for a lock that is invalid or out of date, and `ToolError` if its tool is missing or fails.
        """

    @property
    def requirements_file(self) -> Path | None:
        """The requirements file that this library's own lock was written from; None if that isn't known."""
        return None

    def direct(self) -> tuple[Direct, ...]:
        """Return the requirements that the lock must satisfy: those of the files beside it that its tool doesn't compare."""
        return tuple(self.requirements_of(self.lock.folder / "requirements.txt"))

    def own_names(self) -> frozenset[str]:
        """Return the normalised names that the project requires itself, groups included, and its own if it is installed."""
        content = read_settings(self.project_file, PyProject)
        poetry, project = content.get("tool", {}).get("poetry", {}), content.get("project", {})
        groups, poetry_groups = self.request.groups, poetry.get("group", {})
        tables = [poetry.get("dependencies", {})]
        tables += [poetry_groups[key].get("dependencies", {}) for key in groups if key in poetry_groups]
        lines = [*project.get("dependencies", ())]
        lines += [line for rows in project.get("optional-dependencies", {}).values() for line in rows]
        included = (line for key in groups for line in content.get("dependency-groups", {}).get(key, ()))
        lines += [line for line in included if isinstance(line, str)]
        names = [name for table in tables for name in table]
        names += [Direct(text=line, place="").name or "" for line in lines]
        names += [project_name(self.own_project)] if self.own_project else []
        return frozenset(map(canonicalize_name, names)) - {"", "python"}

    def installs_project(self) -> bool:
        """Tell whether the lock's tool would install the project itself besides what it requires, and doesn't write so into the lock."""
        return False

    @cached_property
    def own_project(self) -> Path | None:
        """The entry directory, if it is a project that the lock's tool installs, with modules that the app's own code lacks."""
        entry = self.request.entry
        if self.project_file.parent != entry or not self.project_file.is_file() or not self.installs_project():
            return None
        return entry if adds_modules(entry, self.request.own_modules) else None

    def project_files(self) -> tuple[Path, ...]:
        """Return the files with the requirements that the lock was written for, as far as they exist."""
        path = self.lock.folder / self.project
        return (path,) if path.is_file() else ()

    def local_files(self) -> tuple[Path, ...]:
        """Return the packages' files that the lock's tool reads beside the lock, as far as they exist."""
        return ()

    def selection(self, pylock: Pylock) -> tuple[frozenset[str], frozenset[str]]:  # noqa: ARG002 - for formats that need it
        """Return the dependency groups and extras to select; none if reading the lock selected them already."""
        return frozenset(), frozenset()

    def changes(self) -> list[str]:
        """Return in words how the project's requirements differ from those that the lock was written for."""
        return []

    def overridden(self) -> frozenset[str]:
        """Return the names for which the project itself says what is required, or what they require."""
        return frozenset()

    def index_variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return pip's variables for the private indexes of the lock's tool, credentials included."""
        urls = [*self.index_urls(environ)]
        # A hash identifies each file, so a further index can't change what is packaged.
        further = dict.fromkeys([*environ.get("PIP_EXTRA_INDEX_URL", "").split(), *urls])
        return {"PIP_EXTRA_INDEX_URL": " ".join(further)} if urls else {}

    def index_urls(self, environ: Mapping[str, str]) -> Iterable[str]:  # noqa: ARG002 - for formats that need it
        """Return the URLs, with credentials, of the indexes that the lock's tool would ask."""
        return ()

    def credentials(self, environ: Mapping[str, str]) -> Iterable[str]:  # noqa: ARG002 - for formats that need it
        """Return the URLs, with credentials, of indexes that the lock's tool asks for what is pinned to them alone."""
        return ()

    def settings(self, shape: type[T]) -> T:
        """Return what the project file beside the lock has of a shape; nothing of an invalid one."""
        return read_settings(self.lock.folder / self.project, shape)

    @property
    def project_file(self) -> Path:
        """The project file that the entry directory belongs to: the nearest one, up to the lock's folder."""
        entry, last = self.request.entry, self.lock.folder
        for folder in (entry, *(entry.parents if entry != last else ())):
            if folder == last or (folder / self.project).is_file():
                return folder / self.project
        return last / self.project

    def requirements_of(self, path: Path) -> Iterator[Direct]:
        """Yield the requirements in a requirements file or pyproject.toml; none for a missing one."""
        if path.suffix == ".toml":
            place = os.path.relpath(path, self.lock.folder)
            yield from (Direct(text=without_credentials(text), place=place) for text in read_project(path))
        elif os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name that is too long
            yield from read_requirements(path, self.lock.folder)

    def renewal(self, ours: str, created_by: str | None = None) -> str:
        """Return the command that renews the lock; `ours` is this library's own, `created_by` the tool that wrote it."""
        if not self.command and created_by not in (None, "cdk-lambda-package"):
            return f"`{ours}`, or with {created_by}, which wrote it"
        return f"`{self.command or ours}`"

    def parse(self, content: dict[str, Any]) -> Pylock:
        """Return a lock as PEP 751 has it, without credentials. Raises `LockError`."""
        # Credentials stay in the user's file: see `full_urls`.
        return parse_pylock(without_credentials(content), self.lock.path)

    def exported(self, store: Store) -> str:
        """Return what the lock's tool exports of a copy of the lock and of its project, without credentials.

        Raises `ToolError` if the tool is missing or fails, and `LockError` if it says that the lock is out of date.
        """
        lock = self.lock
        with store.workspace() as workspace:
            # Below its own path, so that files above the lock have the same names as for the original.
            root = workspace / "root"
            copy = root.joinpath(*lock.folder.parts[1:])
            for path in (lock.path, *self.project_files()):
                relative = os.path.relpath(path, lock.folder)
                if not relative.startswith(".."):
                    (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                    _lend(path, copy / relative)
            for path in self.local_files():
                place = Path(os.path.normpath(root.joinpath(*path.parts[1:])))
                if place.is_relative_to(root) and not os.path.lexists(place):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    _link(path, place)
            text: str = without_credentials(self.export(copy))
            # Local files are named by their real paths.
            anchor = lock.folder.anchor
            return text.replace(f"{root.as_uri()}/", Path(anchor).as_uri()).replace(f"{root}{os.sep}", anchor)

    def export(self, copy: Path) -> str:
        """Return what the lock's tool exports in a copy of the lock's folder; for formats that need their tool."""
        raise NotImplementedError

    @cached_property
    def raw(self) -> bytes:
        """The lock file's content. `OSError` reaches the caller."""
        return self.lock.path.read_bytes()

    @cached_property
    def content(self) -> dict[str, Any]:
        """The lock file's own TOML. Raises `LockError`."""
        return decode_toml(self.raw, dict[str, Any], self.lock.path)

    def run(self, argv: list[str], copy: Path, **variables: str) -> Finished:
        """Run the lock's tool without the user's settings: an export depends on the lock alone."""
        prefix = f"{Path(argv[0]).stem.upper()}_"
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith((prefix, "VIRTUAL_ENV"))
        }
        with self.progress.step(f"running {Path(argv[0]).stem} to read {self.lock.path.name}"):
            return run_process(argv, copy, with_temporary(kept | variables, copy))

    def checked(self, finished: Finished, argv: list[str]) -> Finished:
        """Return how the tool ended. Raises `ToolError` if it failed."""
        if finished.status:
            output = hide_credentials(finished.output, os.environ).strip() or "it says nothing"
            command = f"{Path(argv[0]).name} {' '.join(argv[1:3])}"
            raise ToolError(
                f"{self.lock.path} couldn't be read by `{command}`, exit status {finished.status}: {output}"
            )
        return finished

    def find_tool(self, name: str, install: str) -> str:
        """Return the path of a tool on PATH. Raises `ToolError` that says how to install it."""
        if path := shutil.which(name):
            return path
        raise ToolError(
            f"{self.lock.path} is read by {name}, which isn't installed; install it, for example with `{install}`, or "
            f"{self._other_file()}."
        )

    def _other_file(self) -> str:
        """Return the advice for a lock that can't be read: a requirements file beside it is never taken silently."""
        if not self.lock.named and (self.request.entry / "requirements.txt").is_file():
            return (
                f"package requirements.txt in place of it with packaging=Packaging(requirements='requirements.txt'). "
                f"{self.lock.path.name} applies, since a lock comes before the requirements.txt beside it"
            )
        return "name a requirements file or another lock with packaging=Packaging(requirements=…)"


@cache
def _class_of(module: str) -> type[LockFormat]:
    found: type[LockFormat] = importlib.import_module(f"{__package__}.{module}").Format
    return found


def _lend(path: Path, copy: Path) -> None:
    """Give a lock's tool a copy of a file; of one with passwords only a link, since a copy outlives a process that is killed."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if without_credentials(text) != text:
        _link(path, copy)
    else:
        shutil.copyfile(path, copy)


def _link(path: Path, place: Path) -> None:
    try:
        place.symlink_to(path)
    except OSError:
        # Windows makes links only with the right to.
        shutil.copyfile(path, place)


def with_indexes(request: ResolutionRequest) -> ResolutionRequest:
    """Return the request with the private indexes of its lock's tool among pip's variables, and with their credentials."""
    if request.lock is None:
        return request
    given, lock = dict(request.pip_environment), LockFormat.of(request.lock, request)
    environ = {**os.environ, **given}
    variables = {**given, **lock.index_variables(environ)}
    return replace(request, pip_environment=tuple(variables.items()), credentials=tuple(lock.credentials(environ)))
