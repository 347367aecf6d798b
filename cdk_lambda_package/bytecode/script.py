"""Stand-alone script: compile sources that come by stdin, and answer by stdout: that it begins, and each module as soon as it is done.

It runs in the target's Python, from 3.9 on, where this library can't be imported. A process compiles one batch, in the order that it
is given: what a process did before can change the bytes of what it compiles (https://github.com/python/cpython/issues/129724).
"""

from __future__ import annotations

import sys

if not sys.flags.isolated:
    # The script's folder: nothing in it hides a module of the standard library.
    del sys.path[0]

# Each of these is part of every interpreter. importlib.util, json and base64 would take two thirds of the time of a small batch.
import _frozen_importlib_external
import _imp
import marshal

_MAGIC = _frozen_importlib_external.MAGIC_NUMBER
# https://peps.python.org/pep-0552/#specification
_UNCHECKED, _CHECKED = 0b01, 0b11


def main() -> None:
    """Read a message with sources. Write an empty one, and one with the content of each .pyc file; empty for what can't be compiled."""
    size = int(sys.stdin.buffer.readline().split()[1], 16)
    build, magic, modules = marshal.loads(sys.stdin.buffer.read(size))  # noqa: S302 - from the process that started this one
    if (build, magic) != (sys.version, _MAGIC.hex()):
        # Another interpreter than the one that was asked before, at the same path.
        sys.exit(3)
    _answer(b"")
    for module in modules:
        # Each by itself: if the interpreter crashes, the answers tell which module it is at.
        _answer(_compile(*module))


def _answer(content: bytes) -> None:
    sys.stdout.buffer.write(b"message %08x\n" % len(content) + content)
    sys.stdout.buffer.flush()


def _compile(place: str, checked: bool, source: bytes) -> bytes:
    try:
        code = marshal.dumps(compile(source, place, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return b""
    flags = (_CHECKED if checked else _UNCHECKED).to_bytes(4, "little")
    # As importlib.util.source_hash.
    source_hash = _imp.source_hash(int.from_bytes(_MAGIC, "little"), source)
    return _MAGIC + flags + source_hash + code


if __name__ == "__main__":
    main()
