"""Says whether a module that isn't found may be there all the same, by what another module adds to what Python finds."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable

from cdk_lambda_package.import_analysis.facts import ChangeKind, PathChange
from cdk_lambda_package.import_analysis.finder import ModuleFinder

# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
_TASK_ROOT = "/var/task"


class Provision:
    """What the module at a path may provide by its `changes`.

    `owns` tells the files of its distribution, and `serves` those that a finder of it may find, such as the app's.

    Example:
        `Provision("app.py", [PathChange(ChangeKind.FOLDER, "lib")], finder, owns, owns).file_of("tiny")` is "lib/tiny.py".
    """

    def __init__(
        self,
        path: str,
        changes: Iterable[PathChange],
        finder: ModuleFinder,
        owns: Callable[[str], bool],
        serves: Callable[[str], bool],
    ) -> None:
        self._path, self._changes, self._finder = path, tuple(changes), finder
        self._owns, self._serves = owns, serves

    def file_of(self, module: str) -> str | None:
        """Return a file of the package that would be this module, or in it."""
        for kind, name in self._changes:
            found: str | None = None
            if kind is ChangeKind.FOLDER:
                found = self._file_in(self._folder(name), module)
            elif kind is not ChangeKind.MODULE:
                # What a distribution computes is about its own files.
                counts = self._owns if kind is ChangeKind.COMPUTED else self._serves
                found = self._finder.find_elsewhere(module, counts)
            if found is not None:
                return found
        return None

    def _file_in(self, folder: str | None, module: str) -> str | None:
        """Return a file in a folder that is on the path of Python, or on that of the package which adds it."""
        if folder is None:
            return None
        top = module.partition(".")[0]
        below = module.removeprefix(f"{self._name}.").partition(".")[0]
        return next(filter(None, (self._finder.find_in(folder, name) for name in dict.fromkeys((top, below)))), None)

    def may_make(self, module: str) -> bool:
        """Return whether a module may be there without a file of the package."""
        return any(self._may_make(change, module) for change in self._changes)

    def names(self, module: str) -> bool:
        """Return whether the source names a module, or one around it, that it puts into `sys.modules`."""
        return any(kind is ChangeKind.MODULE and self._matches(name, module) for kind, name in self._changes)

    def _may_make(self, change: PathChange, module: str) -> bool:
        match change.kind:
            case ChangeKind.MODULE:
                return self._matches(change.name, module)
            case ChangeKind.FOLDER:
                return self._folder(change.name) is None
        return True

    @property
    def _name(self) -> str:
        return self._path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def _folder(self, name: str) -> str | None:
        """Return a folder in the package, with a slash at the end unless it is the package itself; None for one outside."""
        folder = posixpath.normpath(posixpath.join(_TASK_ROOT, posixpath.dirname(self._path), name))
        if folder == _TASK_ROOT:
            return ""
        return f"{folder.removeprefix(f'{_TASK_ROOT}/')}/" if folder.startswith(f"{_TASK_ROOT}/") else None

    def _matches(self, name: str, module: str) -> bool:
        full = f"{self._name}{name}" if name.startswith(".") else name
        if full.endswith("*"):
            beginning = full[:-1]
            return module.startswith(beginning) or beginning.startswith(f"{module}.")
        return f"{module}.".startswith(f"{full}.") or full.startswith(f"{module}.")
