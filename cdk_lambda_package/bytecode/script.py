"""Stand-alone script: compile sources that come by stdin, and answer by stdout: that it begins, and each module as soon as it is done.

It runs in the target's Python, from 3.9 on, where this library can't be imported. A process compiles one batch, in the order that it
is given: what a process did before can change the bytes of what it compiles (https://github.com/python/cpython/issues/129724).
"""

from __future__ import annotations

import sys

if not sys.flags.isolated:
    # The script's folder: nothing in it hides a module of the standard library.
    del sys.path[0]

import base64
import importlib.util
import json
import marshal
from typing import Any

# https://peps.python.org/pep-0552/#specification
_UNCHECKED, _CHECKED = 0b01, 0b11


def main() -> None:
    """Read a message with sources. Write an empty one, and one with the content of each .pyc file; empty for what can't be compiled."""
    size = int(sys.stdin.buffer.readline().split()[1], 16)
    order = json.loads(sys.stdin.buffer.read(size))
    if (order["build"], order["magic"]) != (sys.version, importlib.util.MAGIC_NUMBER.hex()):
        # Another interpreter than the one that was asked before, at the same path.
        sys.exit(3)
    _answer(b"")
    for job in order["modules"]:
        # Each by itself: if the interpreter crashes, the answers tell which module it is at.
        _answer(_compile(job))


def _answer(content: bytes) -> None:
    sys.stdout.buffer.write(b"message %08x\n" % len(content) + content)
    sys.stdout.buffer.flush()


def _compile(job: dict[str, Any]) -> bytes:
    source = base64.b64decode(job["source"])
    try:
        code = marshal.dumps(compile(source, job["place"], "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return b""
    flags = (_CHECKED if job["checked"] else _UNCHECKED).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source)
    return head + code


if __name__ == "__main__":
    main()
