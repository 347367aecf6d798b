"""What macOS and Windows load, told from the first bytes: for which machine, and whether it is a program."""

from __future__ import annotations

import struct
from typing import IO

from cdk_lambda_package.binaries.facts import BinaryFacts, Format, Kind

MACH_O_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
UNIVERSAL_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
PE_MAGIC = b"MZ"

# mach/machine.h; the two high bits tell 64-bit addresses, and 64-bit registers with 32-bit ones.
_CPU_TYPES = {7: "i686", 0x01000007: "x86_64", 12: "armv7l", 0x0100000C: "aarch64", 18: "ppc", 0x01000012: "ppc64"}
_WIDE = 0x01000000
# mach-o/loader.h: MH_OBJECT, MH_EXECUTE; all other types are for the loader.
_MACH_O_KINDS = {1: Kind.OBJECT, 2: Kind.PROGRAM}
# A class file of Java has the same first bytes as a universal binary, and then its version, never below 45.
_MOST_SLICES = 40

# https://learn.microsoft.com/windows/win32/debug/pe-format
_PE_MACHINES = {0x8664: "x86_64", 0x14C: "i686", 0xAA64: "aarch64", 0x1C0: "armv7l", 0x1C4: "armv7l"}
_PE_WIDE = 0x20B
_DLL = 0x2000
_CLR_HEADER = 14


def read_mach_o(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a Mach-O file, or None for a stream that only begins like one."""
    head = stream.read(16)
    try:
        order = "<" if head[:1] in (b"\xcf", b"\xce") else ">"
        cpu, _, kind = struct.unpack(f"{order}3I", head[4:16])
    except struct.error:
        return None
    return _make_mach_o((cpu,), _MACH_O_KINDS.get(kind, Kind.LIBRARY))


def read_universal(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a universal file: several Mach-O files, each for a machine, behind a list of them."""
    magic, count = struct.unpack(">4sI", stream.read(8).ljust(8, b"\xff"))
    size = 32 if magic == UNIVERSAL_MAGICS[1] else 20
    if not 0 < count < _MOST_SLICES:
        return None
    table = stream.read(size * count)
    if len(table) < size * count:
        return None
    cpus = tuple(struct.unpack_from(">I", table, size * number)[0] for number in range(count))
    offset = struct.unpack_from(">Q" if size == 32 else ">I", table, 8)[0]
    stream.seek(offset)
    first = read_mach_o(stream)
    return _make_mach_o(cpus, first.kind if first else Kind.LIBRARY)


def _make_mach_o(cpus: tuple[int, ...], kind: Kind) -> BinaryFacts:
    bits = 64 if all(cpu & _WIDE for cpu in cpus) else 32
    machines = tuple(_CPU_TYPES.get(cpu, f"CPU type {cpu}") for cpu in cpus)
    return BinaryFacts(format=Format.MACH_O, machines=machines, bits=bits, kind=kind)


def read_pe(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a PE file, or None for what only begins like one, and for what .NET runs everywhere."""
    try:
        stream.seek(0x3C)
        stream.seek(struct.unpack("<I", stream.read(4))[0])
        signature, machine, characteristics = struct.unpack("<4sH16xH", stream.read(24))
        if signature != b"PE\0\0" or _is_managed(stream.read(240)):
            return None
    except struct.error:
        return None
    kind = Kind.LIBRARY if characteristics & _DLL else Kind.PROGRAM
    name = _PE_MACHINES.get(machine, f"machine {machine:#x}")
    bits = 32 if name in ("i686", "armv7l") else 64
    return BinaryFacts(format=Format.PE, machines=(name,), bits=bits, kind=kind)


def _is_managed(optional_header: bytes) -> bool:
    """Tell whether the optional header has a directory entry for .NET."""
    if len(optional_header) < 240:
        return False
    wide = struct.unpack_from("<H", optional_header)[0] == _PE_WIDE
    return any(struct.unpack_from("<2I", optional_header, (112 if wide else 96) + 8 * _CLR_HEADER))
