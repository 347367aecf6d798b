"""What an ELF file asks of its loader, read as the loader reads it: by the program headers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from cdk_lambda_package.binaries.facts import BinaryFacts, Defect, Format, Kind

ELF_MAGIC = b"\x7fELF"

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


def read_elf(stream: IO[bytes]) -> BinaryFacts | None:
    """Return the facts of an ELF file, or None for a stream that only begins like one."""
    # Imported here: most packages have no binary that isn't known already.
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        return _read(ELFFile(stream))
    except (ELFError, *_BROKEN):
        return None


def _read(elf: Any) -> BinaryFacts:
    image = _Image(elf)
    machine = str(elf["e_machine"])
    return BinaryFacts(
        format=Format.ELF,
        machines=(_MACHINES.get(machine, machine.removeprefix("EM_")),),
        bits=int(elf.elfclass),
        kind=_tell_kind(image),
        libraries=image.texts("DT_NEEDED"),
        versions=_find_newest(image.versions()),
        rpath=_split(image.texts("DT_RPATH")),
        runpath=_split(image.texts("DT_RUNPATH")),
        soname=next(iter(image.texts("DT_SONAME")), None),
        interpreter=image.interpreter(),
        modules=tuple(sorted({name.decode() for name in re.findall(rb"\0PyInit_(\w+)(?=\0)", image.strings)})),
        python2=b"\0Py_InitModule" in image.strings,
        defect=Defect.DAMAGED if image.is_cut_off() else None,
    )


def _tell_kind(image: _Image) -> Kind:
    if image.elf["e_type"] in ("ET_REL", "ET_CORE"):
        return Kind.OBJECT
    # libc.so.6 has an interpreter too, and can be run; a program has no name for others to need it by.
    runs = image.interpreter() is not None and not image.texts("DT_SONAME")
    is_pie = bool(image.number("DT_FLAGS_1") & _PIE)
    return Kind.PROGRAM if image.elf["e_type"] == "ET_EXEC" or is_pie or runs else Kind.LIBRARY


def _split(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":"))


def _find_newest(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
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

    def __init__(self, elf: Any) -> None:
        self.elf = elf
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
        from elftools.common.utils import struct_parse

        return struct_parse(getattr(self.elf.structs, name), self.elf.stream, offset)
