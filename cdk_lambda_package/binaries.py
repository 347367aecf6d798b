"""Binaries among files, known by their content: a name without a suffix, or with a wrong one, says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from cdk_lambda_package.binary_facts import BinaryFacts
from cdk_lambda_package.elf import ELF_MAGIC, read_elf
from cdk_lambda_package.foreign_binaries import (
    MACH_O_MAGICS,
    PE_MAGIC,
    UNIVERSAL_MAGICS,
    read_mach_o,
    read_pe,
    read_universal,
)

MAGIC_SIZE = 4

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


def _find_reader(first: bytes) -> _Reader | None:
    magic = first[:MAGIC_SIZE]
    if magic == ELF_MAGIC:
        return read_elf
    if magic in MACH_O_MAGICS:
        return read_mach_o
    if magic in UNIVERSAL_MAGICS:
        return read_universal
    return read_pe if magic.startswith(PE_MAGIC) else None
