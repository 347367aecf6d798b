"""Stand-alone script: compile sources that come by stdin, and answer by stdout.

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
    """Read a message with sources, and write one with the content of their .pyc files; null for what can't be compiled."""
    size = int(sys.stdin.buffer.readline().split()[1], 16)
    order = json.loads(sys.stdin.buffer.read(size))
    if (order["build"], order["magic"]) != (sys.version, importlib.util.MAGIC_NUMBER.hex()):
        # Another interpreter than the one that was asked before, at the same path.
        sys.exit(3)
    compiled = [_compile(job) for job in order["modules"]]
    answer = json.dumps(compiled).encode()
    sys.stdout.buffer.write(b"message %08x\n" % len(answer) + answer)
    sys.stdout.buffer.flush()


def _compile(job: dict[str, Any]) -> str | None:
    source = base64.b64decode(job["source"])
    try:
        code = marshal.dumps(compile(source, job["place"], "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    flags = (_CHECKED if job["checked"] else _UNCHECKED).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source)
    return base64.b64encode(head + code).decode()


if __name__ == "__main__":
    main()
