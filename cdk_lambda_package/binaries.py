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
    """The file format of a binary, by the operating system that loads it."""

    ELF = "Linux"
    MACH_O = "macOS"
    PE = "Windows"
    UNKNOWN = "unknown"
    """None of these, in a file with the name of a binary."""


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
    MISALIGNED = "misaligned"
    """A binary for Linux whose load commands the loader refuses, as `strip` leaves libraries that auditwheel has changed."""
    LFS_POINTER = "pointer of Git LFS"
    OTHER = "not a binary"


@dataclass(frozen=True, kw_only=True, slots=True)
class BinaryFacts:
    """Facts of a binary, from its content alone.

    All but the kind is for ELF files, and empty if they are linked statically. `machine` is the one that it runs on, by its
    name in wheel tags, `bits` the width of its addresses. `libraries` are the shared
    libraries that the loader looks for by these names (DT_NEEDED), in the directories of `rpath` or `runpath`;
    `versions` has the newest symbol version that it needs of each family, such as `{"GLIBC": (2, 34)}`. `modules` are
    those that Python 3 can import from it (`PyInit_<name>`); `python2` tells that it is an extension module for
    Python 2. `fills` are other modules of its top-level package that it may put names into. With a `defect` it can't be
    loaded anywhere.

    Example:
        `BinaryFacts(format=Format.ELF, kind=BinaryKind.LIBRARY, machine="x86_64", libraries=("libc.so.6",))`
    """

    format: Format
    kind: BinaryKind
    machine: str = ""
    bits: int = 64
    libraries: tuple[str, ...] = ()
    versions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str | None = None
    interpreter: str | None = None
    modules: tuple[str, ...] = ()
    python2: bool = False
    fills: tuple[str, ...] = ()
    defect: Defect | None = None

    def runs_on(self, machine: str) -> bool:
        """Tell whether a Linux of this machine, by its name in wheels, can load it; Lambda's are all of 64 bits."""
        return self.format is Format.ELF and not self.defect and (self.machine, self.bits) == (machine, 64)

    @property
    def description(self) -> str:
        """A description, such as "a Linux arm64 library"; which machine of another system it is for doesn't matter."""
        if self.format is not Format.ELF:
            return f"a {self.format} binary"
        bits = f"{self.bits}-bit " if self.bits != 64 else ""
        return f"a {bits}{self.format} {_WORDS.get(self.machine, self.machine)} {self.kind}"


def is_of_musl(library: str) -> bool:
    """Tell whether a library, or the loader of a program, is that of musl, as Alpine Linux has it.

    Example:
        True for `libc.musl-x86_64.so.1` and `/lib/ld-musl-aarch64.so.1`.
    """
    return library.rpartition("/")[2].startswith(("libc.musl-", "ld-musl-"))


# Lambda calls wheels' aarch64 arm64.
_WORDS = {"aarch64": "arm64", "i686": "x86"}


_ELF_MAGIC = b"\x7fELF"
MAGIC_SIZE = 4

_LIBRARY = re.compile(r".+\.so(\.\d+)*")
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Linker scripts have the names of libraries (https://sourceware.org/binutils/docs/ld/Implicit-Linker-Scripts.html).
_LINKER_SCRIPT = re.compile(rb"\b(GROUP|INPUT|OUTPUT_FORMAT|SECTIONS)\s*\(")
_BEGINNING = 1024

_Reader = Callable[[str, IO[bytes]], BinaryFacts | None]


def must_be_examined(path: str, first: bytes) -> bool:
    r"""Tell whether a file that begins with these bytes, at least four, may be a binary or has the name of one.

    Example:
        `must_be_examined("bin/tool", b"\x7fELF\x02")` is True.
    """
    return _reader_of(first) is not None or is_named_as_library(path)


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
    first = stream.read(_BEGINNING)
    reader = _reader_of(first)
    stream.seek(0)
    facts = reader(path, stream) if reader else None
    if facts is not None or not is_named_as_library(path):
        return facts
    defect = _defect_of(first)
    return BinaryFacts(format=Format.UNKNOWN, kind=BinaryKind.LIBRARY, defect=defect) if defect else None


def _defect_of(first: bytes) -> Defect | None:
    """Return what a file is instead of a library, by its beginning; None for linker scripts and readable binaries."""
    if first.startswith(_LFS_POINTER):
        return Defect.LFS_POINTER
    if first.startswith(_ELF_MAGIC):
        return Defect.DAMAGED
    if _reader_of(first) is not None or _LINKER_SCRIPT.search(first):
        return None
    return Defect.OTHER


def _reader_of(first: bytes) -> _Reader | None:
    magic = first[:MAGIC_SIZE]
    if magic == _ELF_MAGIC:
        return _read_elf
    if magic in (*_MACH_O_MAGICS, *_UNIVERSAL_MAGICS):
        return _read_mach_o
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
_MOST_ENTRIES, _MOST_BYTES, _LONGEST_NAME = 4096, 1 << 26, 1 << 16

# Functions of the C API that set names in a module (https://docs.python.org/3/c-api/module.html).
_SETTERS = re.compile(rb"\0(?:PyModule_(?:Add|GetDict)|PyObject_(?:SetAttr|GenericSetAttr)|PyDict_SetItem|PyRun_)")
# Pieces of a file that is searched overlap, so that no name is cut in two.
_PIECE, _OVERLAP = 1 << 20, 1 << 8

# What pyelftools lets through for files that only begin like ELF.
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, AssertionError, OverflowError, MemoryError)


def _read_elf(path: str, stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of an ELF file, None for a stream that only begins like one."""
    # Imported here: most packages have no binary that must be read.
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    try:
        return _elf_facts(path, ELFFile(stream), struct_parse)
    except (ELFError, *_BROKEN):
        return None


def _elf_facts(path: str, elf: Any, parse: Callable[..., Any]) -> BinaryFacts:
    image = _Image(elf, parse)
    machine = str(elf["e_machine"])
    return BinaryFacts(
        format=Format.ELF,
        machine=_MACHINES.get(machine, machine.removeprefix("EM_")),
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
        fills=_filled_modules(path, image),
        defect=_load_defect_of(image),
    )


def _load_defect_of(image: _Image) -> Defect | None:
    if image.is_cut_off():
        return Defect.DAMAGED
    return Defect.MISALIGNED if image.is_misaligned() else None


def _kind_of(image: _Image) -> BinaryKind:
    if image.elf["e_type"] in ("ET_REL", "ET_CORE"):
        return BinaryKind.OBJECT
    # libc.so.6 has an interpreter too, and can be run; a program has no name for others to need it by.
    runs = image.interpreter() is not None and not image.texts("DT_SONAME")
    is_pie = bool(image.number("DT_FLAGS_1") & _PIE)
    return BinaryKind.PROGRAM if image.elf["e_type"] == "ET_EXEC" or is_pie or runs else BinaryKind.LIBRARY


def _filled_modules(path: str, image: _Image) -> tuple[str, ...]:
    """Return the modules of the same top-level package that an extension module names, if it sets names in objects.

    psycopg2._psycopg puts its 266 exceptions into the module that it imports as "psycopg2.errors", and pandas' extension
    modules put theirs into "pandas".
    """
    if not image.strings or _SETTERS.search(image.strings) is None or b"\0PyInit_" not in image.strings:
        return ()
    top = path.partition("/")[0].encode()
    # Not the module itself, nor its classes and functions.
    own = path.partition(".")[0].replace("/", ".").encode()
    pattern = re.compile(rb"(?<![\w.])(?!%s\b)(%s(?:\.(?!__)\w+)*)\0" % (re.escape(own), re.escape(top)))
    found = {name.decode() for piece in image.pieces() if top in piece for name in pattern.findall(piece)}
    return tuple(sorted(found))


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
    """A file as the loader maps it, by its program headers."""

    def __init__(self, elf: Any, parse: Callable[..., Any]) -> None:
        self.elf = elf
        self._struct_parse = parse
        # Not pyelftools' segments: to make one, all sections are read.
        count = min(elf.num_segments(), _MOST_ENTRIES)
        places = (elf["e_phoff"] + number * elf["e_phentsize"] for number in range(count))
        self._headers = [self._parse("Elf_Phdr", place) for place in places]
        self._rows = tuple(self._read_rows())
        self._numbers = dict(self._rows)
        # The names of the dynamic symbols and of what else is named, between zeros.
        table = self._locate("DT_STRTAB")
        self.strings = self._read(table, self.number("DT_STRSZ")) if table is not None else b""

    def is_cut_off(self) -> bool:
        """Tell whether the file ends before what the loader maps of it does."""
        size = self.elf.stream.seek(0, os.SEEK_END)
        return any(
            header["p_type"] == "PT_LOAD" and header["p_offset"] + header["p_filesz"] > size for header in self._headers
        )

    def is_misaligned(self) -> bool:
        """Tell whether glibc refuses to map the file: "ELF load command address/offset not properly aligned"."""
        return any(
            header["p_type"] == "PT_LOAD" and (header["p_vaddr"] - header["p_offset"]) & (max(header["p_align"], 1) - 1)
            for header in self._headers
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
            return
        left = _MOST_ENTRIES
        while left > 0:
            library = self._parse("Elf_Verneed", offset)
            count = min(library["vn_cnt"], left)
            yield from self._read_library_versions(offset + library["vn_aux"], count)
            if not library["vn_next"]:
                return
            left -= count + 1
            offset += library["vn_next"]

    def _read_library_versions(self, offset: int, count: int) -> Iterator[str]:
        for _ in range(count):
            version = self._parse("Elf_Vernaux", offset)
            if not version["vna_flags"] & _WEAK:
                yield self._name(version["vna_name"])
            offset += version["vna_next"]

    def _read_rows(self) -> Iterator[tuple[str, int]]:
        """Yield the dynamic entries: tag and value."""
        width = self.elf.structs.Elf_Dyn.sizeof()
        for header in self._headers:
            if header["p_type"] != "PT_DYNAMIC":
                continue
            start, size = header["p_offset"], min(header["p_filesz"], _MOST_ENTRIES * width)
            for offset in range(start, start + size, width):
                row = self._parse("Elf_Dyn", offset)
                if row["d_tag"] == "DT_NULL":
                    break
                yield str(row["d_tag"]), int(row["d_val"])

    def _name(self, start: int) -> str:
        return self.strings[start : self.strings.index(b"\0", start, start + _LONGEST_NAME)].decode()

    def _locate(self, tag: str) -> int | None:
        """Return where in the file a table is that a dynamic entry has the address of."""
        address = self._numbers.get(tag)
        for header in self._headers:
            if header["p_type"] == "PT_LOAD" and address is not None:
                inside = address - header["p_vaddr"]
                if 0 <= inside < header["p_filesz"]:
                    return int(header["p_offset"] + inside)
        return None

    def pieces(self) -> Iterator[bytes]:
        """Yield the content of the file, in pieces that overlap."""
        start, piece = 0, b""
        while start == 0 or len(piece) == _PIECE:
            self.elf.stream.seek(start)
            piece = self.elf.stream.read(_PIECE)
            yield piece
            start += _PIECE - _OVERLAP

    def _read(self, offset: int, size: int) -> bytes:
        self.elf.stream.seek(offset)
        content: bytes = self.elf.stream.read(min(size, _MOST_BYTES))
        return content

    def _parse(self, name: str, offset: int) -> Any:
        return self._struct_parse(getattr(self.elf.structs, name), self.elf.stream, offset)


# mach-o/loader.h, fat.h.
_MACH_O_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
_UNIVERSAL_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
# A class file of Java has the same first bytes as a universal binary, and then its version, never below 45.
_MOST_SLICES = 40

# https://learn.microsoft.com/windows/win32/debug/pe-format
_PE_MAGIC = b"MZ"
_PE_WIDE = 0x20B
_DLL = 0x2000
_CLR_HEADER = 14


def _read_mach_o(_path: str, stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a Mach-O file, or of a universal one, which has several; None if it only begins like one."""
    head = stream.read(16)
    universal = 0 < int.from_bytes(head[4:8], "big") < _MOST_SLICES
    if len(head) < 16 or not (head[:MAGIC_SIZE] in _MACH_O_MAGICS or universal):
        return None
    return BinaryFacts(format=Format.MACH_O, kind=BinaryKind.LIBRARY)


def _read_pe(_path: str, stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of a PE file; None for what only begins like one, and for what .NET runs everywhere."""
    try:
        stream.seek(0x3C)
        stream.seek(struct.unpack("<I", stream.read(4))[0])
        signature, characteristics = struct.unpack("<4s18xH", stream.read(24))
    except struct.error:
        return None
    if signature != b"PE\0\0" or _is_managed(stream.read(240)):
        return None
    return BinaryFacts(format=Format.PE, kind=BinaryKind.LIBRARY if characteristics & _DLL else BinaryKind.PROGRAM)


def _is_managed(optional_header: bytes) -> bool:
    """Tell whether the optional header has a directory entry for .NET."""
    if len(optional_header) < 240:
        return False
    wide = struct.unpack_from("<H", optional_header)[0] == _PE_WIDE
    return any(struct.unpack_from("<2I", optional_header, (112 if wide else 96) + 8 * _CLR_HEADER))
