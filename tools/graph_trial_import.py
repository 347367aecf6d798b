"""Stand-alone script: import a module from an unpacked package as Lambda does, and write which files of it were executed.

It runs in the target's Python, from 3.9 on, started with `-I -S`, so that nothing but the package and the standard library
provides modules. It imports nothing that Python hasn't imported at the start: a package may replace modules of the standard
library, and one that is loaded already isn't replaced. For the same reason the outcome is a literal and not JSON.

Files are noted when Python executes them, not from `sys.modules` at the end: a module may remove or replace itself there, and
one that is loaded lazily is there without having run.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

# Events of audit hooks that use the network (https://docs.python.org/3/library/audit_events.html).
_NETWORK_EVENTS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect")
_CODE = type(compile("", "", "exec"))


def main(package: str, beside: str, module: str, result: str) -> None:
    """Import a module of the unpacked package, and write the outcome; `beside` has what the runtime brings."""
    import site

    # `import site` does this in every Python that isn't started with -S.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path[:] = [package, *sys.path, beside]
    sys.argv[:] = [""]
    os.chdir(package)
    folder = package + os.sep
    loaded: dict[str, list[Any]] = {}
    extensions: list[str] = []
    libraries: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            code = arguments[0]
            # Python's own import machinery executes a module's code by `exec`.
            if isinstance(code, _CODE) and code.co_name == "<module>" and code.co_filename.startswith(folder):
                loaded.setdefault(code.co_filename[len(folder) :], _importer(folder))
        elif event == "import":
            # With a file name, it is an extension module.
            if isinstance(arguments[1], str) and arguments[1].startswith(folder):
                extensions.append(arguments[1][len(folder) :])
        elif event == "ctypes.dlopen":
            libraries.append(str(arguments[0]))
        elif event in _NETWORK_EVENTS and not (event == "socket.connect" and isinstance(arguments[1], (str, bytes))):
            # Local sockets have a path as address.
            raise OSError("there is no network while the module is imported")

    sys.addaudithook(hook)
    outcome: dict[str, Any] = {"status": "imported"}
    try:
        __import__(module)
    except BaseException as error:  # noqa: BLE001 - whatever a module raises is what is asked for
        outcome = _describe(error, folder)
    outcome.update(loaded=dict(loaded), extensions=extensions, libraries=libraries)
    with open(result, "w", encoding="utf-8", errors="backslashreplace") as stream:  # noqa: PTH123
        stream.write(repr(outcome))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the module started don't keep the process alive.
    os._exit(0)


def _importer(folder: str) -> list[Any]:
    """Return the file and line of the package whose code runs at the moment; none for the first."""
    frame: Any = sys._getframe(2)  # noqa: SLF001 - inspect would import much more
    while frame is not None and not frame.f_code.co_filename.startswith(folder):
        frame = frame.f_back
    return [frame.f_code.co_filename[len(folder) :], frame.f_lineno] if frame is not None else []


def _describe(error: BaseException, folder: str) -> dict[str, Any]:
    frames: list[list[Any]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<frozen") and name != __file__:
            frames.append([name.replace(folder, ""), trace.tb_lineno])
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        frames.append([str(error.filename).replace(folder, ""), error.lineno])
    text = " ".join(str(error).replace(folder, "").split())
    return {"status": "failed", "error": type(error).__name__, "message": text, "frames": frames}


if __name__ == "__main__":
    main(*sys.argv[1:])
