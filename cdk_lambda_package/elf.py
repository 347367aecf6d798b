"""What an ELF file asks of the machine that loads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

ELF_MAGIC = b"\x7fELF"

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfFacts:
    """`machine` as wheels and markers call it, `bits` of its addresses, `glibc` the newest version that it needs.

    `libraries` are the shared libraries that the loader will look for by these names (DT_NEEDED).
    """

    machine: str
    bits: int
    glibc: tuple[int, int] | None
    libraries: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON has them; tuples become lists."""
        return asdict(self)


def read_elf(stream: IO[bytes]) -> ElfFacts | None:
    """Return the facts of an ELF file, or None for a stream that only begins like one."""
    # Imported here: only wheels that promise nothing about their binaries are looked into.
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(stream)
        machine = str(elf["e_machine"])
        return ElfFacts(
            machine=_MACHINES.get(machine, machine),
            bits=int(elf.elfclass),
            glibc=max(_needed_glibc(elf), default=None),
            libraries=tuple(_needed_libraries(elf)),
        )
    except ELFError:
        return None


def _needed_libraries(elf: Any) -> Iterator[str]:
    from elftools.elf.dynamic import DynamicSection

    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            yield from (str(getattr(tag, "needed", "")) for tag in section.iter_tags("DT_NEEDED"))


def _needed_glibc(elf: Any) -> Iterator[tuple[int, int]]:
    """Yield the GLIBC_x.y symbol versions that the dynamic linker will look for."""
    from elftools.elf.gnuversions import GNUVerNeedSection

    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, needed in section.iter_versions():
                for auxiliary in needed:
                    match = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", str(auxiliary.name))
                    if match:
                        yield int(match[1]), int(match[2])
