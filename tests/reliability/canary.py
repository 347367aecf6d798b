"""The token of the index, which builds use and must not leave anywhere: where it is looked for."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOKEN = "c4nary-0f-the-index"
_NEEDLES = (TOKEN.encode(), base64.b64encode(f"user:{TOKEN}".encode()).rstrip(b"="))

_PROCESSES = Path("/proc")
# So often a process's command line is read.
_LOOKS = 40


def find_token(*roots: Path) -> list[str]:
    """Return the files below the roots that have the token: in their content, their name, or a member of a .zip."""
    return [
        name for root in roots for name, content in _contents(root) if any(needle in content for needle in _NEEDLES)
    ]


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            yield f"{path} (name)", os.fsencode(path)
            if path.is_symlink():
                yield str(path), os.fsencode(path.readlink())
            elif path.is_file():
                content = path.read_bytes()
                yield str(path), content
                yield from _members(path, content)


def _members(path: Path, content: bytes) -> Iterator[tuple[str, bytes]]:
    # Altered archives are among them, of which nothing can be read.
    unreadable = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, zlib.error)
    with contextlib.suppress(*unreadable), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield f"{path}/{name}", archive.read(name)


@contextlib.contextmanager
def watching_command_lines() -> Iterator[set[str]]:
    """Collect the command lines of this host's processes that have the token, until the block ends.

    They are read every few milliseconds, so a process that ends sooner may be missed; empty on hosts without /proc.
    """
    found: set[str] = set()
    ended = threading.Event()
    # A process gets its command line when it starts another program, soon after it began.
    looks: Counter[str] = Counter()

    def watch() -> None:
        while not ended.wait(0.005):
            pids = {path.name for path in _PROCESSES.glob("[0-9]*")}
            for pid in pids - {pid for pid, times in looks.items() if times >= _LOOKS}:
                looks[pid] += 1
                with contextlib.suppress(OSError):
                    line = (_PROCESSES / pid / "cmdline").read_bytes()
                    if any(needle in line for needle in _NEEDLES):
                        found.add(line.replace(b"\0", b" ").decode(errors="replace"))

    if not _PROCESSES.is_dir():
        yield found
        return
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()
