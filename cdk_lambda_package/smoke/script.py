"""Stand-alone script: import a function's module as Lambda does, and write the outcome to a file.

It runs in the target's Python, from 3.9 on, where this library can't be imported. It is started with `-I -S`, so that neither
variables nor the site-packages of the user or the interpreter provide modules that Lambda doesn't have.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Events of audit hooks that use the network (https://docs.python.org/3/library/audit_events.html).
_NETWORK_EVENTS = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
)
_SHOWN_FRAMES = 3


class NetworkRefusedError(OSError):
    """Raised in a module that uses the network while it is imported."""


def main(job_path: str) -> None:
    """Import the job's module, look up its handler, and write the outcome to the job's result."""
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    # This stays if the process ends before the import does.
    Path(job["result"]).write_text(json.dumps({"status": "started"}), encoding="utf-8")
    refused: list[str] = []
    _leave_network()
    _set_up(job)
    sys.addaudithook(_make_hook(refused))
    unset: list[tuple[str, str]] = []
    absent: dict[str, None] = {}
    _watch_variables(job["folders"], unset, absent)
    outcome = _attempt(job)
    outcome["refused"], outcome["unset"], outcome["absent"] = refused, unset, list(absent)
    Path(job["result"]).write_text(json.dumps(outcome), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the module started must not keep the process alive: Lambda freezes them too.
    os._exit(0)


def _leave_network() -> None:
    """Enter a new network namespace, if the system allows it: then native code has no network either."""
    unshare: Callable[[int], None] | None = getattr(os, "unshare", None)  # since Python 3.12
    if unshare is not None:
        with contextlib.suppress(OSError):
            # Without a user namespace only root may; in one, root might lose access to files of other users.
            unshare(os.CLONE_NEWNET | (os.CLONE_NEWUSER if os.getuid() else 0))  # type: ignore[attr-defined, unused-ignore]


def _set_up(job: dict[str, Any]) -> None:
    import site

    # `import site` does this in every Python that isn't started with -S.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path[:] = [job["task"], *job["layers"], *sys.path, *job["runtime"]]
    sys.argv[:] = [""]
    sys.dont_write_bytecode = True
    os.chdir(job["task"])


def _make_hook(refused: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _NETWORK_EVENTS:
            return
        address = arguments[0] if event in ("socket.getaddrinfo", "socket.gethostbyname") else arguments[-1]
        # Local sockets are addressed by a path.
        if isinstance(address, (str, bytes)) and event.startswith(("socket.connect", "socket.send")):
            return
        name = str(address[0] if isinstance(address, tuple) and address else address)
        refused.append(name)
        raise NetworkRefusedError(f"there is no network while the module is imported, and it asked for {name}")

    return refuse


def _path_in(folders: list[str], filename: str) -> str | None:
    """Return the path that a file has in the package, None for any other file: what the package has may be in several folders."""
    for folder in folders:
        if filename.startswith(folder + os.sep):
            return os.path.relpath(filename, folder)
    return None


def _watch_variables(folders: list[str], unset: list[tuple[str, str]], absent: dict[str, None]) -> None:
    """Note which variables the package's modules ask for without a default, and don't get: with the path of the module.

    `absent` gets all that aren't set and that any module asks for.
    """
    kind: Any = type(os.environ)
    get, get_item = kind.get, kind.__getitem__

    def look_up(self: Any, key: Any) -> Any:
        # All ways to ask come here.
        try:
            return get_item(self, key)
        except KeyError:
            absent[str(key)] = None
            raise

    def watch(self: Any, key: Any, default: Any = None) -> Any:
        if default is None and key not in self:
            frame: Any = sys._getframe(1)  # noqa: SLF001 - inspect would import much more
            frame = frame.f_back if frame.f_code.co_filename in ("<frozen os>", os.__file__) else frame
            path = _path_in(folders, frame.f_code.co_filename) if frame is not None else None
            if path is not None:
                unset.append((str(key), path))
        return get(self, key, default)

    kind.get, kind.__getitem__ = watch, look_up


def _attempt(job: dict[str, Any]) -> dict[str, Any]:
    try:
        return _import(job["module"], job["handler"])
    except BaseException as error:
        return _describe(error, job["folders"])


def _import(module_name: str, handler: str | None) -> dict[str, Any]:
    # Not by importlib.import_module, which `-X importtime` doesn't see.
    __import__(module_name)
    module = sys.modules[module_name]
    if handler is None:
        return {"status": "imported"}
    if not hasattr(module, handler):
        return {"status": "no-handler", "names": sorted(_functions(module))}
    return {"status": "imported" if callable(getattr(module, handler)) else "not-callable"}


def _functions(module: Any) -> list[str]:
    """Return the names of what a module defines and Lambda could call, without classes."""
    found = [(name, one) for name, one in vars(module).items() if callable(one) and not isinstance(one, type)]
    return [name for name, one in found if getattr(one, "__module__", None) == module.__name__ and name[:1] != "_"]


def _describe(error: BaseException, folders: list[str]) -> dict[str, Any]:
    seen = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_import_machinery(frame.filename)]
    frames = [(frame.filename, frame.lineno) for frame in seen]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    return {
        "status": "failed",
        "message": _text_of(error),
        "causes": [_text_of(one) for one in _chain(error)[1:]],
        "frames": [[path, line] for name, line in frames if (path := _path_in(folders, name)) is not None],
        "missing": [one.name for one in _chain(error) if isinstance(one, ModuleNotFoundError) and one.name],
        "variable": _missing_variable(error),
        "traceback": "".join(traceback.format_list(seen[-_SHOWN_FRAMES:])),
        "standard_library": str(Path(os.__file__).parent),
    }


def _is_import_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename in (__file__, importlib.__file__)


def _text_of(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an exception and its causes."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _missing_variable(error: BaseException) -> str | None:
    """Return the environment variable that isn't set, if that is why the import failed."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, KeyError) and frames and frames[-1].filename in ("<frozen os>", os.__file__):
        return str(error.args[0])
    return None


if __name__ == "__main__":
    main(sys.argv[1])
