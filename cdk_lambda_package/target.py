"""The Lambda target: what a runtime and an architecture accept.

Everything here is a pure function of the two names; nothing asks the host.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cdk_lambda_package.errors import TargetError

# `packaging` is imported where it is used: an unchanged package asks no tag and no marker, and the import would take
# longer than all that is done for it.
if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.tags import Tag


class Architecture(enum.StrEnum):
    """The instruction set, by Lambda's name for it.

    https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
    """

    X86_64 = "x86_64"
    ARM64 = "arm64"

    @property
    def machine(self) -> str:
        """The name that wheels and `platform_machine` use: Lambda's arm64 is aarch64 there."""
        return {"x86_64": "x86_64", "arm64": "aarch64"}[self.value]


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """An operating system under Lambda runtimes, with the version of its C library."""

    name: str
    glibc: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """One row of the table of Lambda's Python runtimes.

    `full_version` is the patch release in the runtime's base image. AWS moves it upward without notice; markers on
    `python_full_version` get the oldest that was seen, so that a back-port needed there is never left out.
    """

    version: tuple[int, int]
    full_version: str
    system: System

    @property
    def name(self) -> str:
        """Lambda's identifier, such as `python3.13`."""
        return f"python{self.version[0]}.{self.version[1]}"


_AL2 = System(name="Amazon Linux 2", glibc=(2, 26))
_AL2023 = System(name="Amazon Linux 2023", glibc=(2, 34))

# A new runtime is one more line. Sources: the operating system of each runtime stands in the table of
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html; glibc is `ldd --version` and the patch release
# `python3 -VV` in the image public.ecr.aws/lambda/python:<version>.
RUNTIMES: tuple[Runtime, ...] = (
    Runtime(version=(3, 9), full_version="3.9.19", system=_AL2),
    Runtime(version=(3, 10), full_version="3.10.14", system=_AL2),
    Runtime(version=(3, 11), full_version="3.11.9", system=_AL2),
    Runtime(version=(3, 12), full_version="3.12.3", system=_AL2023),
    Runtime(version=(3, 13), full_version="3.13.0", system=_AL2023),
    Runtime(version=(3, 14), full_version="3.14.0", system=_AL2023),
)

# The oldest glibc with a perennial manylinux tag, and the older aliases (PEP 513, 571, 599, 600).
_OLDEST_GLIBC_MINOR = {Architecture.X86_64: 5, Architecture.ARM64: 17}
_LEGACY_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# Bytes that a function's files may take unzipped, with those of its layers.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_PACKAGE = 262_144_000

# PEP 508 variables whose value on Lambda nobody can know at synthesis.
UNKNOWABLE_VARIABLES = ("platform_release", "platform_version")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A runtime and an architecture: the machine that a deployment package is for."""

    runtime: Runtime
    architecture: Architecture
    assumed: bool = False
    """True where the runtime is newer than the table and was taken to be like its newest row."""

    @classmethod
    def parse(cls, runtime: str, architecture: str = "x86_64") -> Target:
        """Return the target that Lambda's names stand for.

        Raises `TargetError` listing what is accepted.
        """
        row, assumed = _find_runtime(runtime)
        return cls(runtime=row, architecture=_find_architecture(architecture), assumed=assumed)

    def __str__(self) -> str:
        return f"{self.runtime.name} {self.architecture.value}"

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Every wheel tag that the target loads, the preferred first (PEP 425, PEP 600)."""
        return _tags(self.runtime, self.architecture)

    @property
    def environment(self) -> dict[str, str]:
        """The marker environment (PEP 508), without the variables that are unknowable."""
        version = self.runtime.full_version
        return {
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": "posix",
            "platform_machine": self.architecture.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": version,
            "python_version": "{}.{}".format(*self.runtime.version),
            "sys_platform": "linux",
        }

    def accepts_wheel(self, filename: str) -> bool:
        """Tell whether the target loads a wheel of this file name."""
        from packaging.utils import parse_wheel_filename

        return not _tag_set(self.runtime, self.architecture).isdisjoint(parse_wheel_filename(filename)[3])

    def accepts_tag(self, tag: str) -> bool:
        """Tell whether the target loads wheels tagged so; compressed tag sets count as any of theirs."""
        from packaging.tags import parse_tag

        return not _tag_set(self.runtime, self.architecture).isdisjoint(parse_tag(tag))

    def accepts_python(self, requires_python: str | None) -> bool:
        """Tell whether a Requires-Python admits the runtime's Python."""
        from packaging.specifiers import SpecifierSet

        return requires_python is None or SpecifierSet(requires_python).contains(
            self.runtime.full_version, prereleases=True
        )

    def accepts_marker(self, marker: Marker | None, *, extra: str = "") -> bool:
        """Evaluate an environment marker as the target would.

        Raises `TargetError` for a marker that asks for what nobody can know: `packaging` would answer for the host.
        """
        if marker is None:
            return True
        for variable in UNKNOWABLE_VARIABLES:
            if re.search(rf"\b{variable}\b", re.sub(r"'[^']*'|\"[^\"]*\"", "", str(marker))):
                raise TargetError(
                    f"The marker '{marker}' asks for {variable}, which can't be known for {self} before it runs there. "
                    f"Accepted are {', '.join(sorted(self.environment))}; remove {variable} from the marker."
                )
        return marker.evaluate({**self.environment, "extra": extra})


def _find_runtime(name: str) -> tuple[Runtime, bool]:
    for row in RUNTIMES:
        if row.name == name:
            return row, False
    newest = RUNTIMES[-1]
    match = re.fullmatch(r"python3\.(\d{1,3})", name)
    if match and int(match[1]) > newest.version[1]:
        version = (3, int(match[1]))
        full_version = f"3.{version[1]}.0"
        return Runtime(version=version, full_version=full_version, system=newest.system), True
    raise TargetError(
        f"runtime {name!r} is not a Python runtime of Lambda that can be packaged for; "
        f"accepted are {', '.join(row.name for row in RUNTIMES)}."
    )


def _find_architecture(name: str) -> Architecture:
    try:
        return Architecture(name)
    except ValueError:
        hint = " (Lambda's name for aarch64 is arm64)" if name == "aarch64" else ""
        raise TargetError(
            f"architecture {name!r} is not one of Lambda's; accepted are x86_64 and arm64{hint}."
        ) from None


@cache
def _tags(runtime: Runtime, architecture: Architecture) -> tuple[Tag, ...]:
    from packaging.tags import compatible_tags, cpython_tags

    platforms = list(_platforms(runtime, architecture))
    interpreter = "cp{}{}".format(*runtime.version)
    return (
        *cpython_tags(runtime.version, [interpreter], platforms),
        *compatible_tags(runtime.version, interpreter, platforms),
    )


@cache
def _tag_set(runtime: Runtime, architecture: Architecture) -> frozenset[Tag]:
    return frozenset(_tags(runtime, architecture))


def _platforms(runtime: Runtime, architecture: Architecture) -> Iterator[str]:
    """Yield the platform tags, newest glibc first, each legacy alias behind the tag it stands for."""
    machine = architecture.machine
    for minor in range(runtime.system.glibc[1], _OLDEST_GLIBC_MINOR[architecture] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY_ALIASES:
            yield f"{_LEGACY_ALIASES[minor]}_{machine}"
    # Fits by its name but promises nothing about glibc: such a wheel's binaries are looked at.
    yield f"linux_{machine}"
