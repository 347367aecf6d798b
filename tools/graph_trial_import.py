"""Stand-alone script: import a module from an unpacked package as Lambda does, and write which files of it were executed.

It runs in the target's Python, from 3.9 on, where nothing of this project can be imported. It is started with `-I -S`, so that
nothing but the package and the standard library provides modules.

Files are noted when Python executes them, not from `sys.modules` at the end: a module may remove or replace itself there, and
one that is loaded lazily is there without having run.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from types import CodeType
from typing import Any

# Events of audit hooks that use the network (https://docs.python.org/3/library/audit_events.html).
_NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"})
_SHOWN_FRAMES = 6


def main(package: str, beside: str, module: str, result: str) -> None:
    """Import a module of the unpacked package, and write the outcome as JSON; `beside` has what the runtime brings."""
    import site

    # `import site` does this in every Python that isn't started with -S.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path[:] = [package, *sys.path, beside]
    sys.argv[:] = [""]
    os.chdir(package)
    loaded: dict[str, list[Any]] = {}
    extensions: list[str] = []
    libraries: list[str] = []
    sys.addaudithook(_hook(package + os.sep, loaded, extensions, libraries))
    outcome: dict[str, Any] = {"status": "imported"}
    try:
        importlib.import_module(module)
    except BaseException as error:
        outcome = _describe(error, package)
    outcome.update(loaded=loaded, extensions=extensions, libraries=libraries)
    Path(result).write_text(json.dumps(outcome), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the module started don't keep the process alive.
    os._exit(0)


def _hook(folder: str, loaded: dict[str, list[Any]], extensions: list[str], libraries: list[str]) -> Any:
    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            code = arguments[0]
            # Python's own import machinery executes a module's code by `exec`.
            if isinstance(code, CodeType) and code.co_name == "<module>" and code.co_filename.startswith(folder):
                loaded.setdefault(code.co_filename[len(folder) :], _importer(folder))
        elif event == "import":
            # With a file name, it is an extension module.
            if isinstance(arguments[1], str) and arguments[1].startswith(folder):
                extensions.append(arguments[1][len(folder) :])
        elif event == "ctypes.dlopen":
            libraries.append(str(arguments[0]))
        elif event in _NETWORK_EVENTS and not _is_local(arguments):
            raise OSError("there is no network while the module is imported")

    return note


def _is_local(arguments: tuple[Any, ...]) -> bool:
    # Local sockets are addressed by a path.
    return isinstance(arguments[-1], (str, bytes)) and len(arguments) > 1 and not isinstance(arguments[0], str)


def _importer(folder: str) -> list[Any]:
    """Return the file and line of the package whose code runs at the moment; none for the first."""
    frame: Any = sys._getframe(2)  # noqa: SLF001 - inspect would import much more
    while frame is not None and not frame.f_code.co_filename.startswith(folder):
        frame = frame.f_back
    return [frame.f_code.co_filename[len(folder) :], frame.f_lineno] if frame is not None else []


def _describe(error: BaseException, package: str) -> dict[str, Any]:
    seen = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    frames = [
        f"{os.path.relpath(frame.filename, package)}:{frame.lineno}: {frame.line}"
        for frame in seen[-_SHOWN_FRAMES:]
        if frame.filename not in (__file__, importlib.__file__)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(f"{os.path.relpath(error.filename, package)}:{error.lineno}: {(error.text or '').strip()}")
    text = " ".join(str(error).replace(package + os.sep, "").split())
    return {"status": "failed", "error": type(error).__name__, "message": text, "frames": frames}


if __name__ == "__main__":
    main(*sys.argv[1:])
