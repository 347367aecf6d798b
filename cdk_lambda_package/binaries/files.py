"""Binaries among files, known by their content: a name without a suffix, or with a wrong one, says nothing.

What has the name of a library and isn't one is told too: it would be loaded, and can't be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import IO

from cdk_lambda_package.binaries.elf import ELF_MAGIC, read_elf
from cdk_lambda_package.binaries.facts import BinaryFacts, Defect, Format, Kind
from cdk_lambda_package.binaries.foreign import (
    MACH_O_MAGICS,
    PE_MAGIC,
    UNIVERSAL_MAGICS,
    read_mach_o,
    read_pe,
    read_universal,
)

MAGIC_SIZE = 4

_LIBRARY = re.compile(r".+\.so(\.\d+)*")
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# What linkers are given under the name of a library (https://sourceware.org/binutils/docs/ld/Implicit-Linker-Scripts.html).
_LINKER_SCRIPT = re.compile(rb"\b(GROUP|INPUT|OUTPUT_FORMAT|SECTIONS)\s*\(")
_TELLING = 1024
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))

_Reader = Callable[[IO[bytes]], BinaryFacts | None]


def is_binary(first: bytes) -> bool:
    """Tell whether a file that begins with these bytes, at least four, may be a binary."""
    return _find_reader(first) is not None


def read_binary(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a binary of any system, or None for what isn't one; the stream must be able to seek."""
    reader = _find_reader(stream.read(MAGIC_SIZE))
    if reader is None:
        return None
    stream.seek(0)
    return reader(stream)


def is_named_as_library(path: str) -> bool:
    """Tell whether Linux would load a file of this name into a process."""
    return _LIBRARY.fullmatch(path.rpartition("/")[2]) is not None


def examine_file(path: str, stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a file that is a binary or has the name of one; None for what is neither.

    The stream must be able to seek.
    """
    facts = read_binary(stream)
    if facts is not None or not is_named_as_library(path):
        return facts
    stream.seek(0)
    defect = _find_defect(stream.read(_TELLING))
    return None if defect is None else BinaryFacts(format=Format.UNKNOWN, bits=64, kind=Kind.LIBRARY, defect=defect)


def _find_defect(first: bytes) -> Defect | None:
    """Return what a file is in place of a library, by its beginning; None for what is meant to be so."""
    if first.startswith(_LFS_POINTER):
        return Defect.LFS_POINTER
    if first.startswith(ELF_MAGIC):
        return Defect.DAMAGED
    if _find_reader(first) is not None or _LINKER_SCRIPT.search(first):
        return None
    if not first:
        return Defect.EMPTY
    return Defect.UNKNOWN if first != first.translate(None, _CONTROL) else Defect.TEXT


def _find_reader(first: bytes) -> _Reader | None:
    magic = first[:MAGIC_SIZE]
    if magic == ELF_MAGIC:
        return read_elf
    if magic in MACH_O_MAGICS:
        return read_mach_o
    if magic in UNIVERSAL_MAGICS:
        return read_universal
    return read_pe if magic.startswith(PE_MAGIC) else None
