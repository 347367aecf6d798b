"""The format of bytecode: the magic number of each Python, the hash by which it recognises a source, and the caches that it uses.

A cache is a .pyc file in a `__pycache__` folder (https://peps.python.org/pep-3147/). Python loads it in the place of the source if it is of
its own version, and current. In a deployment, only a hash can tell that: a .zip and a checkout lose modification times.

https://peps.python.org/pep-0552/#specification
"""

from __future__ import annotations

import _imp
import re
import struct
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from cdk_lambda_package.target.standard_library import PythonVersion

# The magic numbers of final releases
# (https://github.com/python/cpython/blob/main/Include/internal/pycore_magic_number.h). Previews have others.
_MAGIC = {(3, 9): 3425, (3, 10): 3439, (3, 11): 3495, (3, 12): 3531, (3, 13): 3571, (3, 14): 3627}
# From this version on, a source is hashed by SipHash-1-3, before by SipHash-2-4.
_FASTER_HASH = (3, 11)
_TAIL = b"\r\n"

_CACHE = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<name>[^/]+?)\.cpython-(?P<version>\d+)(?:\.opt-[12])?\.pyc")
_OTHER_PYTHON = "it is of another Python"
_NO_SOURCE = "its source isn't there"
_BY_TIME = "it is valid for one modification time of its source only, which no deployment keeps"
_STALE = "its source is another one by now"

_BY_HASH, _CHECKED = 0b01, 0b10

HEAD_SIZE = 16
"""Bytes of a .pyc file before its code."""


def magic_number(version: PythonVersion) -> int | None:
    """Return the magic number of the bytecode of a Python's final releases; None for an unknown version.

    Example:
        `magic_number((3, 13))` is 3571.
    """
    return _MAGIC.get(version)


class BytecodeHead(NamedTuple):
    """The beginning of a .pyc file: its magic number, and how Python tells whether the code is that of the source.

    `by_hash` compares hashes of the source, `checked` at each load; otherwise the source's modification time counts.
    """

    magic: int
    by_hash: bool
    checked: bool
    source_hash: bytes

    @classmethod
    def parse(cls, content: bytes) -> BytecodeHead | None:
        """Return the head of a .pyc file's content; None if there is no such head."""
        if len(content) < HEAD_SIZE or content[2:4] != _TAIL:
            return None
        magic, flags = struct.unpack_from("<HxxI", content)
        if flags & ~(_BY_HASH | _CHECKED):
            return None
        return cls(magic, bool(flags & _BY_HASH), bool(flags & _CHECKED), content[8:HEAD_SIZE])


def source_hash(source: bytes, version: PythonVersion) -> bytes | None:
    """Return the hash of a source in the .pyc files of a Python; None for an unknown version.

    Example:
        `source_hash(b"x = 1", (3, 13)) == BytecodeHead.parse(content).source_hash`
    """
    magic = magic_number(version)
    if magic is None:
        return None
    key = int.from_bytes(magic.to_bytes(2, "little") + _TAIL, "little")
    return _imp.source_hash(key, source) if version >= _FASTER_HASH else _siphash24(key, source)


def unused_caches(
    heads: Mapping[str, bytes], sources: Collection[str], read: Callable[[str], bytes], version: PythonVersion
) -> dict[str, str]:
    """Return the caches that a Python wouldn't use, or must not, by their paths, each with the reason.

    `heads` are the first bytes of caches; `read` returns the content of one of the `sources`, which are paths.

    Example:
        `unused_caches({"__pycache__/a.cpython-312.pyc": head}, {"a.py"}, read, (3, 13))`
    """
    faults = ((path, _fault(path, head, sources, read, version)) for path, head in heads.items())
    return {path: fault for path, fault in faults if fault is not None}


def _fault(
    path: str, content: bytes, sources: Collection[str], read: Callable[[str], bytes], version: PythonVersion
) -> str | None:
    found, head, magic = _CACHE.fullmatch(path), BytecodeHead.parse(content), magic_number(version)
    if (
        found is None
        or head is None
        or found["version"] != "{}{}".format(*version)
        or head.magic != (magic or head.magic)
    ):
        return _OTHER_PYTHON
    source = f"{found['folder']}{found['name']}.py"
    if source not in sources:
        return _NO_SOURCE
    if not head.by_hash:
        return _BY_TIME
    # Python would run it without a look at the source. A checked one is compiled again, at a cost only.
    expected = None if head.checked else source_hash(read(source), version)
    return _STALE if expected not in (None, head.source_hash) else None


def _siphash24(key: int, content: bytes) -> bytes:
    """Return SipHash-2-4 of content, for a key of 64 bits; the other 64 are 0. https://www.aumasson.jp/siphash/siphash.pdf."""
    mask = 0xFFFFFFFFFFFFFFFF
    a, b, c, d = 0x736F6D6570736575 ^ key, 0x646F72616E646F6D, 0x6C7967656E657261 ^ key, 0x7465646279746573
    whole = len(content) // 8 * 8
    last = int.from_bytes(content[whole:], "little") | (len(content) & 0xFF) << 56
    words = (*struct.unpack_from(f"<{whole // 8}Q", content), last)
    for number in range(len(words) + 1):
        word = words[number] if number < len(words) else 0
        d ^= word
        if number == len(words):
            c ^= 0xFF
        for _ in range(2 if number < len(words) else 4):
            a = (a + b) & mask
            b = ((b << 13 | b >> 51) & mask) ^ a
            a = (a << 32 | a >> 32) & mask
            c = (c + d) & mask
            d = ((d << 16 | d >> 48) & mask) ^ c
            a = (a + d) & mask
            d = ((d << 21 | d >> 43) & mask) ^ a
            c = (c + b) & mask
            b = ((b << 17 | b >> 47) & mask) ^ c
            c = (c << 32 | c >> 32) & mask
        a ^= word
    return (a ^ b ^ c ^ d).to_bytes(8, "little")
