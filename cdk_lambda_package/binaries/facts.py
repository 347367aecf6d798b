"""What a binary needs of the machine and the system that load it, as values."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


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
