"""The entry directory itself: the places in it, and which of its modules has the handler."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from pathlib import Path, PurePath

from cdk_lambda_package.app_directory.member_names import NEVER_FOLDERS, find_fault
from cdk_lambda_package.errors import EntryError

APP_FOLDER = "chalicelib"
VENDOR_FOLDER = "vendor"
REQUIREMENTS_FILE = "requirements.txt"


def find_index(entry: Path, index: str | os.PathLike[str] | None) -> str:
    """Return the handler's module: the one given, else app.py, else index.py if only that is there.

    `pkg.py` is the package `pkg/__init__.py` where only that is there: Lambda has one name for both, `pkg`.
    """
    names = ("app.py", "index.py") if index is None else (name := normalise_index(index), _name_package(name))
    with contextlib.suppress(OSError):  # said by `check_entry`
        return next((name for name in names if (entry / name).is_file()), names[0])
    return names[0]


def normalise_index(index: str | os.PathLike[str]) -> str:
    """Return an index as its module is named in a package: both `./api/main.py` and a `Path` are `api/main.py`."""
    text = index if isinstance(index, str) else PurePath(index).as_posix()
    # An empty one stays empty, which is refused.
    return posixpath.normpath(text) if text else text


def _name_package(index: str) -> str:
    return f"{index.removesuffix('.py')}/__init__.py"


def check_index(index: str) -> None:
    """Raise `EntryError` for a path that can't be that of the handler's module, whatever there is."""
    fault = _find_index_fault(index)
    if fault:
        raise EntryError(f"index {index!r} can't be the handler's module: {fault}. Give a path below the entry directory, "
                         "with forward slashes, such as 'app.py' or 'api/main.py'.")  # fmt: skip


def _find_index_fault(index: str) -> str | None:
    folders = index.split("/")[:-1]
    if not NEVER_FOLDERS.isdisjoint(folders) or folders[:1] == [VENDOR_FOLDER]:
        return "it is in a folder that isn't for the app's own code"
    if fault := find_fault(index):
        return fault
    if not index.endswith(".py"):
        return "it doesn't end in .py"
    return _find_name_fault(index.removesuffix(".py"))


def _find_name_fault(module: str) -> str | None:
    """Say why Lambda can't import a module by its path, which it takes the dots of for slashes."""
    # importlib.import_module: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
    dotted = next((part for part in module.split("/") if "." in part), None)
    if dotted is not None:
        return f"{dotted!r} has a dot, and `import` takes {dotted.replace('.', '/')!r} for what it names"
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html#lambda-CreateFunction-request-Handler
    return "it has a space, and Lambda takes no handler with one" if re.search(r"\s", module) else None


def check_directory(entry: Path, index: str) -> None:
    """Raise `EntryError` unless the entry is a directory; `index` is what should be in it."""
    try:
        exists = entry.exists()
    except OSError as error:
        raise EntryError(f"entry {str(entry)!r} can't be looked at: {error.strerror}; it should be a readable directory "
                         f"with {index} in it.") from error  # fmt: skip
    if not exists:
        raise EntryError(f"entry {str(entry)!r} doesn't exist; it should be a directory with {index} in it.")
    if not entry.is_dir():
        raise EntryError(f"entry {str(entry)!r} is a file; it should be the directory that holds {index}.")


def check_entry(entry: Path, index: str) -> None:
    """Raise `EntryError` unless the entry is a directory with the handler's module in it."""
    check_directory(entry, index)
    check_index(index)
    path = entry / index
    if path.is_file():
        return
    if os.path.lexists(path):
        what = "is a folder" if path.is_dir() else "is a link that leads nowhere" if path.is_symlink() else "is no file"
        raise EntryError(f"{str(path)!r} {what}, and the handler's module should be there. Put the module in its place, or "
                         "name it with index=.")  # fmt: skip
    others = ", ".join(sorted(one.name for one in entry.glob("*.py") if one.is_file())) or "no module at all"
    raise EntryError(f"{str(path)!r} doesn't exist; the entry directory has {others}. "
                     "Create it, or name the handler's module with index=.")  # fmt: skip
