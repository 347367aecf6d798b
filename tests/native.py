"""Binaries without a compiler: just what is asked of a loader, laid down byte by byte; and a compiler, where one is."""

import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

X86_64, AARCH64, I386, S390X, CUDA = 62, 183, 3, 22, 190
RELOCATABLE, EXECUTABLE, SHARED = 1, 2, 3
MACOS_X86_64, MACOS_ARM64 = 0x01000007, 0x0100000C
DYLIB, BUNDLE, MACOS_PROGRAM = 6, 8, 2
WINDOWS_X86_64, WINDOWS_X86, WINDOWS_ARM64 = 0x8664, 0x14C, 0xAA64


_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3


def elf(
    *,
    machine: int = X86_64,
    bits: int = 64,
    kind: int = SHARED,
    glibc: Sequence[str] = (),
    versions: Mapping[str, Sequence[str]] | None = None,
    weak: Sequence[str] = (),
    needed: Sequence[str] = (),
    rpath: str = "",
    runpath: str = "",
    soname: str = "",
    interpreter: str = "",
    symbols: Sequence[str] = (),
    address: int = 0,
) -> bytes:
    """An ELF file with program headers and without sections, as `strip` and packers leave it.

    `versions` are symbol versions by library, `glibc` those of libc.so.6; `weak` are versions that may be missing. With an `address`
    that is no page's, the loader refuses the file, as an old `strip` leaves libraries that auditwheel has changed.
    """
    wide = bits == 64
    needs = {**({"libc.so.6": glibc} if glibc else {}), **(versions or {})}
    strings = _Strings()
    for symbol in symbols:
        strings.add(symbol)
    entries = [(_NEEDED, strings.add(name)) for name in needed]
    entries += [
        (tag, strings.add(text)) for tag, text in ((_SONAME, soname), (_RPATH, rpath), (_RUNPATH, runpath)) if text
    ]
    table = _version_needs(needs, weak, strings)
    header_size, program_size = (64, 56) if wide else (52, 32)
    count = 3 if interpreter else 2
    start = header_size + count * program_size
    places = {"strings": start, "versions": start + len(strings.content)}
    places["interpreter"] = places["versions"] + len(table)
    places["dynamic"] = places["interpreter"] + len(interpreter) + 1
    entries += [(_STRTAB, address + places["strings"]), (_STRSZ, len(strings.content))]
    entries += [(_VERNEED, address + places["versions"]), (_VERNEEDNUM, len(needs))] if needs else []
    row = struct.Struct("<qQ" if wide else "<iI")
    dynamic = b"".join(row.pack(*entry) for entry in (*entries, (0, 0)))
    size = places["dynamic"] + len(dynamic)
    programs = [(_LOAD, 0, size), (_DYNAMIC, places["dynamic"], len(dynamic))]
    programs += [(_INTERP, places["interpreter"], len(interpreter) + 1)] if interpreter else []
    head = b"\x7fELF" + bytes([2 if wide else 1, 1, 1, 0]) + bytes(8)
    form = struct.Struct("<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH")
    head += form.pack(kind, machine, 1, 0, header_size, 0, 0, header_size, program_size, count, 0, 0, 0)
    table_of_programs = b"".join(_program(wide, address, *program) for program in programs)
    return head + table_of_programs + strings.content + table + interpreter.encode() + b"\0" + dynamic


def mach_o(cpu: int = MACOS_ARM64, kind: int = BUNDLE) -> bytes:
    """The head of a file for macOS, with 64-bit addresses."""
    return struct.pack("<8I", 0xFEEDFACF, cpu, 0, kind, 0, 0, 0, 0)


def universal(*cpus: int) -> bytes:
    """A file for several machines of macOS."""
    slices = [mach_o(cpu) for cpu in cpus]
    start = 8 + 20 * len(cpus)
    rows = [struct.pack(">5I", cpu, 0, start + 32 * number, 32, 0) for number, cpu in enumerate(cpus)]
    return struct.pack(">2I", 0xCAFEBABE, len(cpus)) + b"".join(rows) + b"".join(slices)


def pe(machine: int = WINDOWS_X86_64, *, dll: bool = True, managed: bool = False) -> bytes:
    """The head of a file for Windows; a managed one is .NET's, which runs on any system that has .NET."""
    optional = struct.pack("<H", 0x20B) + bytes(110)
    directories = bytearray(128)
    if managed:
        struct.pack_into("<2I", directories, 8 * 14, 0x2008, 72)
    coff = struct.pack("<4s2H3I2H", b"PE\0\0", machine, 0, 0, 0, 0, 240, 0x2000 if dll else 0x2)
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + coff + optional + bytes(directories)


def compile_library(directory: Path, source: str, *options: str, name: str, compiler: str = "gcc") -> Path:
    """Return a shared object that the host's compiler makes of a source; what it links to needn't exist elsewhere."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / ("x.cc" if compiler == "g++" else "x.c")
    file.write_text(source)
    argv = [compiler, "-shared", "-fPIC", "-o", str(directory / name), str(file), *options]
    subprocess.run(argv, check=True, capture_output=True)
    return directory / name


class _Strings:
    """A string table, filled on the way."""

    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        start = len(self.content)
        self.content += text.encode() + b"\0"
        return start


def _version_needs(needs: Mapping[str, Sequence[str]], weak: Sequence[str], strings: _Strings) -> bytes:
    parts, number = [], 2
    for position, (library, versions) in enumerate(needs.items()):
        rows = []
        for index, version in enumerate(versions):
            behind = 16 if index < len(versions) - 1 else 0
            rows.append(struct.pack("<IHHII", 0, 2 if version in weak else 0, number, strings.add(version), behind))
            number += 1
        behind = 16 * (1 + len(rows)) if position < len(needs) - 1 else 0
        parts.append(struct.pack("<HHIII", 1, len(rows), strings.add(library), 16, behind) + b"".join(rows))
    return b"".join(parts)


def _program(wide: bool, address: int, kind: int, offset: int, size: int) -> bytes:
    place, alignment = address + offset, 4096 if address and kind == _LOAD else 8
    if wide:
        return struct.pack("<IIQQQQQQ", kind, 4, offset, place, place, size, size, alignment)
    return struct.pack("<8I", kind, offset, place, place, size, size, 4, alignment)
