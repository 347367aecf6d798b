"""What a binary asks of the machine and the system that load it, as values. Pure."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Format(enum.StrEnum):
    """How a binary is laid out: each operating system loads one of them."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"
    UNKNOWN = "unknown"
    """None of these, under the name of a binary."""

    @property
    def system(self) -> str:
        """The operating system that people mean by it."""
        return {"ELF": "Linux", "Mach-O": "macOS", "PE": "Windows", "unknown": "unknown"}[self.value]


class Kind(enum.StrEnum):
    """What a binary is for."""

    LIBRARY = "library"
    """Loaded into a process: extension modules too."""
    PROGRAM = "program"
    OBJECT = "object file"
    """For a linker; nobody loads it."""


class Defect(enum.StrEnum):
    """Why nobody can load a file that has the name of a binary, or begins like one."""

    DAMAGED = "damaged"
    """Begins like a binary for Linux, and is cut off or otherwise not as one is."""
    EMPTY = "empty"
    LFS_POINTER = "pointer of Git LFS"
    TEXT = "text"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class BinaryFacts:
    """What is known of a binary from its content alone.

    `machines` are those that it runs on, as wheels call them (several in a universal one of macOS), `bits` the width of
    its addresses. The rest is of ELF files only, and empty for what is linked statically: `libraries` are the shared
    libraries that the loader will look for by these names (DT_NEEDED), in the directories of `rpath` or `runpath`;
    `versions` has the newest symbol version that it needs of each family, such as `{"GLIBC": (2, 34)}`. `modules` are
    those that Python 3 can import from it (`PyInit_<name>`); `python2` tells that it is an extension module for
    Python 2. With a `defect` it can't be loaded anywhere.
    """

    format: Format
    bits: int
    kind: Kind
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
        """What it is, in words, such as "a macOS arm64 library"."""
        machines = " and ".join(_WORDS.get(machine, machine) for machine in self.machines)
        bits = f"{self.bits}-bit " if self.bits != 64 else ""
        return f"a {bits}{self.format.system} {machines} {self.kind}"

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON has them, without what is empty."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> BinaryFacts:
        """Return what `as_json` wrote."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
        }
        versions = {family: tuple(version) for family, version in row.get("versions", {}).items()}
        known |= {"format": Format(row["format"]), "kind": Kind(row["kind"]), "versions": versions}
        if "defect" in row:
            known["defect"] = Defect(row["defect"])
        return cls(**known)


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
