"""Reading binaries: the machine, the libraries and the symbol versions that each needs.

Binaries are recognised by their content: a name without a suffix, or with a wrong one, says nothing. A file that has the name
of a library and isn't one is reported too: it would be loaded, and can't be. ELF files are read as the loader reads them, by
the program headers.
"""

from __future__ import annotations

import enum
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any


class Format(enum.StrEnum):
    """The file format of a binary; each operating system loads one of them."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"
    UNKNOWN = "unknown"
    """None of these, in a file with the name of a binary."""

    @property
    def system(self) -> str:
        """The name of the operating system that loads it."""
        return {"ELF": "Linux", "Mach-O": "macOS", "PE": "Windows", "unknown": "unknown"}[self.value]


class BinaryKind(enum.StrEnum):
    """What a binary is for."""

    LIBRARY = "library"
    """Loaded into a process: extension modules too."""
    PROGRAM = "program"
    OBJECT = "object file"
    """For a linker; it is never loaded."""


class Defect(enum.StrEnum):
    """Why a file that has the name of a binary, or begins like one, can't be loaded anywhere."""

    DAMAGED = "damaged"
    """Begins like a binary for Linux, and is cut off or invalid."""
    EMPTY = "empty"
    LFS_POINTER = "pointer of Git LFS"
    TEXT = "text"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class BinaryFacts:
    """Facts of a binary, from its content alone.

    `machines` are those that it runs on, by their names in wheel tags (several in a universal binary of macOS), `bits` the
    width of its addresses. The rest is for ELF files, and empty if they are linked statically. `libraries` are the shared
    libraries that the loader looks for by these names (DT_NEEDED), in the directories of `rpath` or `runpath`;
    `versions` has the newest symbol version that it needs of each family, such as `{"GLIBC": (2, 34)}`. `modules` are
    those that Python 3 can import from it (`PyInit_<name>`); `python2` tells that it is an extension module for
    Python 2. With a `defect` it can't be loaded anywhere.

    Example:
        `BinaryFacts(format=Format.ELF, bits=64, kind=BinaryKind.LIBRARY, machines=("x86_64",), libraries=("libc.so.6",))`
    """

    format: Format
    bits: int
    kind: BinaryKind
    machines: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    versions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str | None = None
    interpreter: str | None = None
    modules: tuple[str, ...] = ()
    python2: bool = False
    defect: Defect | None = None

    def runs_on(self, machine: str) -> bool:
        """Tell whether a Linux of this machine, by its name in wheels, can load it; Lambda's are all of 64 bits."""
        return self.format is Format.ELF and not self.defect and machine in self.machines and self.bits == 64

    @property
    def description(self) -> str:
        """A description, such as "a macOS arm64 library"."""
        machines = " and ".join(_WORDS.get(machine, machine) for machine in self.machines)
        bits = f"{self.bits}-bit " if self.bits != 64 else ""
        return f"a {bits}{self.format.system} {machines} {self.kind}"


_PYTHON_LIBRARY = re.compile(r"libpython(\d)(?:\.(\d+)\w*)?\.so(?:\.1\.0)?")


def python_of_library(library: str) -> tuple[int, int] | None:
    """Return the version of Python that a shared library is, by its file name; None for any other library.

    Example:
        `python_of_library("libpython3.12.so.1.0")` is `(3, 12)`.
    """
    match = _PYTHON_LIBRARY.fullmatch(library)
    return (int(match[1]), int(match[2])) if match and match[2] else None


def is_of_musl(library: str) -> bool:
    """Tell whether a library, or the loader of a program, is that of musl, as Alpine Linux has it.

    Example:
        True for `libc.musl-x86_64.so.1` and `/lib/ld-musl-aarch64.so.1`.
    """
    return library.rpartition("/")[2].startswith(("libc.musl-", "ld-musl-"))


# Lambda, macOS and Windows call wheels' aarch64 arm64.
_WORDS = {"aarch64": "arm64", "i686": "x86"}


_ELF_MAGIC = b"\x7fELF"
MAGIC_SIZE = 4

_LIBRARY = re.compile(r".+\.so(\.\d+)*")
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Linker scripts have the names of libraries (https://sourceware.org/binutils/docs/ld/Implicit-Linker-Scripts.html).
_LINKER_SCRIPT = re.compile(rb"\b(GROUP|INPUT|OUTPUT_FORMAT|SECTIONS)\s*\(")
_BEGINNING = 1024
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))

_Reader = Callable[[IO[bytes]], BinaryFacts | None]


def is_binary(first: bytes) -> bool:
    r"""Tell whether a file that begins with these bytes, at least four, may be a binary.

    Example:
        `is_binary(b"\x7fELF\x02")` is True.
    """
    return _reader_of(first) is not None


def read_binary(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a binary of any system, None for any other file; the stream must be seekable."""
    reader = _reader_of(stream.read(MAGIC_SIZE))
    if reader is None:
        return None
    stream.seek(0)
    return reader(stream)


def is_named_as_library(path: str) -> bool:
    """Tell whether Linux would load a file of this name into a process.

    Example:
        True for `lib/libpq.so.5` and `pkg/_x.abi3.so`.
    """
    return _LIBRARY.fullmatch(path.rpartition("/")[2]) is not None


def examine_file(path: str, stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a file that is a binary or has the name of one, None for any other.

    The stream must be seekable.

    Example:
        ```python
        with path.open("rb") as stream:
            facts = examine_file("pkg/_x.so", stream)
        ```
    """
    facts = read_binary(stream)
    if facts is not None or not is_named_as_library(path):
        return facts
    stream.seek(0)
    defect = _defect_of(stream.read(_BEGINNING))
    return (
        None if defect is None else BinaryFacts(format=Format.UNKNOWN, bits=64, kind=BinaryKind.LIBRARY, defect=defect)
    )


def _defect_of(first: bytes) -> Defect | None:
    """Return what a file is instead of a library, by its beginning; None for linker scripts and readable binaries."""
    if first.startswith(_LFS_POINTER):
        return Defect.LFS_POINTER
    if first.startswith(_ELF_MAGIC):
        return Defect.DAMAGED
    if _reader_of(first) is not None or _LINKER_SCRIPT.search(first):
        return None
    if not first:
        return Defect.EMPTY
    return Defect.UNKNOWN if first != first.translate(None, _CONTROL) else Defect.TEXT


def _reader_of(first: bytes) -> _Reader | None:
    magic = first[:MAGIC_SIZE]
    if magic == _ELF_MAGIC:
        return _read_elf
    if magic in _MACH_O_MAGICS:
        return _read_mach_o
    if magic in _UNIVERSAL_MAGICS:
        return _read_universal
    return _read_pe if magic.startswith(_PE_MAGIC) else None


_MACHINES = {
    "EM_X86_64": "x86_64",
    "EM_AARCH64": "aarch64",
    "EM_386": "i686",
    "EM_ARM": "armv7l",
    "EM_PPC64": "ppc64le",
    "EM_S390": "s390x",
    "EM_RISCV": "riscv64",
    "EM_LOONGARCH": "loongarch64",
}

# Markers that a newer linker leaves, and the first glibc that has them.
_ABI_MARKERS = {"GLIBC_ABI_DT_RELR": (2, 36), "GLIBC_ABI_GNU2_TLS": (2, 42), "GLIBC_ABI_GNU_TLS": (2, 42)}
_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC|ZLIB)_(\d+(?:\.\d+)+)")
_WEAK = 0x2  # VER_FLG_WEAK: the loader goes on without it
_PIE = 0x08000000  # DF_1_PIE
# Far above what linkers write; a broken file may say anything.
_MOST_ENTRIES, _MOST_BYTES = 4096, 1 << 26

# What pyelftools lets through for files that only begin like ELF.
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, AssertionError, OverflowError, MemoryError)


def _read_elf(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of an ELF file, None for a stream that only begins like one."""
    # Imported here: most packages have no binary that must be read.
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    try:
        return _elf_facts(ELFFile(stream), struct_parse)
    except (ELFError, *_BROKEN):
        return None


def _elf_facts(elf: Any, parse: Callable[..., Any]) -> BinaryFacts:
    image = _Image(elf, parse)
    machine = str(elf["e_machine"])
    return BinaryFacts(
        format=Format.ELF,
        machines=(_MACHINES.get(machine, machine.removeprefix("EM_")),),
        bits=int(elf.elfclass),
        kind=_kind_of(image),
        libraries=image.texts("DT_NEEDED"),
        versions=_newest_versions(image.versions()),
        rpath=_split(image.texts("DT_RPATH")),
        runpath=_split(image.texts("DT_RUNPATH")),
        soname=next(iter(image.texts("DT_SONAME")), None),
        interpreter=image.interpreter(),
        modules=tuple(sorted({name.decode() for name in re.findall(rb"\0PyInit_(\w+)(?=\0)", image.strings)})),
        python2=b"\0Py_InitModule" in image.strings,
        defect=Defect.DAMAGED if image.is_cut_off() else None,
    )


def _kind_of(image: _Image) -> BinaryKind:
    if image.elf["e_type"] in ("ET_REL", "ET_CORE"):
        return BinaryKind.OBJECT
    # libc.so.6 has an interpreter too, and can be run; a program has no name for others to need it by.
    runs = image.interpreter() is not None and not image.texts("DT_SONAME")
    is_pie = bool(image.number("DT_FLAGS_1") & _PIE)
    return BinaryKind.PROGRAM if image.elf["e_type"] == "ET_EXEC" or is_pie or runs else BinaryKind.LIBRARY


def _split(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":"))


def _newest_versions(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    newest: dict[str, tuple[int, ...]] = {}
    for name in names:
        match = _VERSION.fullmatch(name)
        family = match[1] if match else "GLIBC"
        version = tuple(map(int, match[2].split("."))) if match else _ABI_MARKERS.get(name)
        if version is not None:
            newest[family] = max(version, newest.get(family, ()))
    return newest


class _Image:
    """A file as the loader maps it. Sections count only in one without program headers, which nothing loads."""

    def __init__(self, elf: Any, parse: Callable[..., Any]) -> None:
        self.elf = elf
        self._struct_parse = parse
        # Not pyelftools' segments: to make one, all sections are read.
        self._headers = [self._parse("Elf_Phdr", elf["e_phoff"] + number * elf["e_phentsize"])
                         for number in range(elf.num_segments())]  # fmt: skip
        self._sections = () if self._headers else tuple(elf.iter_sections())
        self._rows = tuple(self._read_rows())
        self._numbers = dict(self._rows)
        self.strings = self._read_strings()

    def is_cut_off(self) -> bool:
        """Tell whether the file ends before what the loader maps of it does."""
        size = self.elf.stream.seek(0, os.SEEK_END)
        return any(
            header["p_type"] == "PT_LOAD" and header["p_offset"] + header["p_filesz"] > size for header in self._headers
        )

    def texts(self, tag: str) -> tuple[str, ...]:
        """Return what the dynamic entries of this tag name, in order."""
        return tuple(self._name(value) for name, value in self._rows if name == tag)

    def number(self, tag: str) -> int:
        """Return the value of a dynamic entry, 0 where there is none."""
        return self._numbers.get(tag, 0)

    def interpreter(self) -> str | None:
        """Return the loader that a program asks the system for."""
        for header in self._headers:
            if header["p_type"] == "PT_INTERP":
                return self._read(header["p_offset"], header["p_filesz"]).rstrip(b"\0").decode()
        return None

    def versions(self) -> Iterator[str]:
        """Yield the names of the symbol versions that the loader insists on."""
        offset = self._locate("DT_VERNEED")
        if offset is None:
            yield from self._read_version_sections()
            return
        for _ in range(_MOST_ENTRIES):
            library = self._parse("Elf_Verneed", offset)
            yield from self._read_library_versions(offset + library["vn_aux"], library["vn_cnt"])
            if not library["vn_next"]:
                return
            offset += library["vn_next"]

    def _read_library_versions(self, offset: int, count: int) -> Iterator[str]:
        for _ in range(min(count, _MOST_ENTRIES)):
            version = self._parse("Elf_Vernaux", offset)
            if not version["vna_flags"] & _WEAK:
                yield self._name(version["vna_name"])
            offset += version["vna_next"]

    def _read_version_sections(self) -> Iterator[str]:
        for section in self._sections:
            if section["sh_type"] == "SHT_GNU_verneed":
                for _, needed in section.iter_versions():
                    yield from (str(version.name) for version in needed)

    def _read_rows(self) -> Iterator[tuple[str, int]]:
        """Yield the dynamic entries: tag and value."""
        places = [(header["p_offset"], header["p_filesz"]) for header in self._headers
                  if header["p_type"] == "PT_DYNAMIC"]  # fmt: skip
        places += [(section["sh_offset"], section["sh_size"]) for section in self._sections
                   if section["sh_type"] == "SHT_DYNAMIC"]  # fmt: skip
        width = self.elf.structs.Elf_Dyn.sizeof()
        for start, size in places:
            for offset in range(start, start + min(size, _MOST_ENTRIES * width), width):
                row = self._parse("Elf_Dyn", offset)
                if row["d_tag"] == "DT_NULL":
                    break
                yield str(row["d_tag"]), int(row["d_val"])

    def _read_strings(self) -> bytes:
        """Return the names of the dynamic symbols and of what else is named, between zeros."""
        offset = self._locate("DT_STRTAB")
        if offset is not None:
            return self._read(offset, self.number("DT_STRSZ"))
        tables = (section for section in self._sections if section.name == ".dynstr")
        return next((bytes(section.data()) for section in tables), b"")

    def _name(self, start: int) -> str:
        return self.strings[start : self.strings.index(b"\0", start)].decode()

    def _locate(self, tag: str) -> int | None:
        """Return where in the file a table is that a dynamic entry has the address of."""
        address = self._numbers.get(tag)
        for header in self._headers:
            if header["p_type"] == "PT_LOAD" and address is not None:
                inside = address - header["p_vaddr"]
                if 0 <= inside < header["p_filesz"]:
                    return int(header["p_offset"] + inside)
        return None

    def _read(self, offset: int, size: int) -> bytes:
        self.elf.stream.seek(offset)
        content: bytes = self.elf.stream.read(min(size, _MOST_BYTES))
        return content

    def _parse(self, name: str, offset: int) -> Any:
        return self._struct_parse(getattr(self.elf.structs, name), self.elf.stream, offset)


_MACH_O_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
_UNIVERSAL_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_PE_MAGIC = b"MZ"

# mach/machine.h; the two high bits tell 64-bit addresses, and 64-bit registers with 32-bit ones.
_CPU_TYPES = {7: "i686", 0x01000007: "x86_64", 12: "armv7l", 0x0100000C: "aarch64", 18: "ppc", 0x01000012: "ppc64"}
_WIDE = 0x01000000
# mach-o/loader.h: MH_OBJECT, MH_EXECUTE; all other types are for the loader.
_MACH_O_KINDS = {1: BinaryKind.OBJECT, 2: BinaryKind.PROGRAM}
# A class file of Java has the same first bytes as a universal binary, and then its version, never below 45.
_MOST_SLICES = 40

# https://learn.microsoft.com/windows/win32/debug/pe-format
_PE_MACHINES = {0x8664: "x86_64", 0x14C: "i686", 0xAA64: "aarch64", 0x1C0: "armv7l", 0x1C4: "armv7l"}
_PE_WIDE = 0x20B
_DLL = 0x2000
_CLR_HEADER = 14


def _read_mach_o(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a Mach-O file, or None for a stream that only begins like one."""
    head = stream.read(16)
    try:
        order = "<" if head[:1] in (b"\xcf", b"\xce") else ">"
        cpu, _, kind = struct.unpack(f"{order}3I", head[4:16])
    except struct.error:
        return None
    return _make_mach_o((cpu,), _MACH_O_KINDS.get(kind, BinaryKind.LIBRARY))


def _read_universal(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a universal file: several Mach-O files, each for a machine, behind a list of them."""
    magic, count = struct.unpack(">4sI", stream.read(8).ljust(8, b"\xff"))
    size = 32 if magic == _UNIVERSAL_MAGICS[1] else 20
    if not 0 < count < _MOST_SLICES:
        return None
    table = stream.read(size * count)
    if len(table) < size * count:
        return None
    cpus = tuple(struct.unpack_from(">I", table, size * number)[0] for number in range(count))
    offset = struct.unpack_from(">Q" if size == 32 else ">I", table, 8)[0]
    stream.seek(offset)
    first = _read_mach_o(stream)
    return _make_mach_o(cpus, first.kind if first else BinaryKind.LIBRARY)


def _make_mach_o(cpus: tuple[int, ...], kind: BinaryKind) -> BinaryFacts:
    bits = 64 if all(cpu & _WIDE for cpu in cpus) else 32
    machines = tuple(_CPU_TYPES.get(cpu, f"CPU type {cpu}") for cpu in cpus)
    return BinaryFacts(format=Format.MACH_O, machines=machines, bits=bits, kind=kind)


def _read_pe(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a PE file, or None for what only begins like one, and for what .NET runs everywhere."""
    try:
        stream.seek(0x3C)
        stream.seek(struct.unpack("<I", stream.read(4))[0])
        signature, machine, characteristics = struct.unpack("<4sH16xH", stream.read(24))
        if signature != b"PE\0\0" or _is_managed(stream.read(240)):
            return None
    except struct.error:
        return None
    kind = BinaryKind.LIBRARY if characteristics & _DLL else BinaryKind.PROGRAM
    name = _PE_MACHINES.get(machine, f"machine {machine:#x}")
    bits = 32 if name in ("i686", "armv7l") else 64
    return BinaryFacts(format=Format.PE, machines=(name,), bits=bits, kind=kind)


def _is_managed(optional_header: bytes) -> bool:
    """Tell whether the optional header has a directory entry for .NET."""
    if len(optional_header) < 240:
        return False
    wide = struct.unpack_from("<H", optional_header)[0] == _PE_WIDE
    return any(struct.unpack_from("<2I", optional_header, (112 if wide else 96) + 8 * _CLR_HEADER))
