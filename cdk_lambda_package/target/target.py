"""The Lambda target: what a runtime and an architecture accept. Nothing in here asks the host."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag
from packaging.utils import parse_wheel_filename

from cdk_lambda_package.errors import TargetError, shorten
from cdk_lambda_package.target.runtimes import RUNTIMES, Runtime

if TYPE_CHECKING:
    from packaging.markers import Marker


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


# The oldest glibc with a perennial manylinux tag, and the older aliases (PEP 513, 571, 599, 600).
_OLDEST_GLIBC_MINOR = {Architecture.X86_64: 5, Architecture.ARM64: 17}
_LEGACY_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_PACKAGE = 262_144_000
"""Bytes that the files of a function and its layers may have together, unzipped."""
LARGEST_UPLOAD = 52_428_800
"""Bytes of the largest .zip file archive that Lambda takes without S3."""

LIBRARY_FOLDERS = ("/var/task", "/var/task/lib", "/opt/lib")
"""The folders of LD_LIBRARY_PATH that a package or a layer can fill, below the root; the system's own come first.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""
_ON_LIBRARY_PATH = re.compile(r"(lib/)?[^/]+\.so(\.\d+)*")

UNKNOWABLE_VARIABLES = ("platform_release", "platform_version")
"""The variables of environment markers (PEP 508) whose value on Lambda can't be known at synthesis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A runtime and an architecture: the machine that a deployment package is for.

    Attributes:
        runtime: A row of the table of Lambda's runtimes, with Python's version and the operating system.
        architecture: `x86_64` or `arm64`.
        assumed: True if the runtime is newer than the table, and is assumed to be like the newest row.

    Example:
        `Target.parse("python3.13", "arm64").accepts_wheel("demo-1.0-py3-none-any.whl")` is True.
    """

    runtime: Runtime
    architecture: Architecture
    assumed: bool = False

    @classmethod
    def parse(cls, runtime: str, architecture: str = "x86_64") -> Target:
        """Return the target of Lambda's names for a runtime and an architecture; `TargetError` lists what is accepted."""
        return _parse(runtime, architecture)

    def __str__(self) -> str:
        return f"{self.runtime.name} {self.architecture.value}"

    @property
    def module_suffixes(self) -> tuple[str, ...]:
        """The suffixes of modules' files, in the order in which Python searches them.

        These are `EXTENSION_SUFFIXES`, `SOURCE_SUFFIXES` and `BYTECODE_SUFFIXES` of `importlib.machinery` (PEP 3149, PEP 384).
        """
        major, minor = self.runtime.version
        return (f".cpython-{major}{minor}-{self.architecture.machine}-linux-gnu.so", ".abi3.so", ".so", ".py", ".pyc")

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
        return not _tag_set(self.runtime, self.architecture).isdisjoint(parse_wheel_filename(filename)[3])

    def accepts_tag(self, tag: str) -> bool:
        """Tell whether the target loads wheels tagged so; compressed tag sets count as any of theirs."""
        return not _tag_set(self.runtime, self.architecture).isdisjoint(parse_tag(tag))

    def accepts_python(self, requires_python: str | None) -> bool:
        """Tell whether a Requires-Python admits the runtime's Python.

        One that isn't a specifier, as `>=3.5.*` of releases before 2021, admits every Python, as in pip, whose warning becomes a
        finding.

        Example:
            `Target.parse("python3.13").accepts_python(">=3.9")`
        """
        # Imported here: an unchanged set of wheels has been judged.
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            specifiers = SpecifierSet(requires_python or "")
        except (InvalidSpecifier, ValueError):
            return True
        return specifiers.contains(self.runtime.full_version, prereleases=True)

    def accepts_marker(self, marker: Marker | None, *, extra: str = "") -> bool:
        """Evaluate an environment marker as the target does.

        Raises `TargetError` for a marker that can't be evaluated, and for one with a variable that can't be known: `packaging`
        would answer for the host.
        """
        if marker is None:
            return True
        for variable in UNKNOWABLE_VARIABLES:
            if re.search(rf"\b{variable}\b", re.sub(r"'[^']*'|\"[^\"]*\"", "", str(marker))):
                raise TargetError(
                    f"The marker '{marker}' asks for {variable}, which can't be known for {self} before it runs there. "
                    f"Accepted are {', '.join(sorted(self.environment))}; remove {variable} from the marker."
                )
        try:
            return marker.evaluate({**self.environment, "extra": extra})
        except (LookupError, ValueError, RecursionError) as error:
            # Variables that aren't known, versions that aren't any, comparisons that aren't defined.
            reason = shorten(str(error)).rstrip(".") or "it is nested too deeply"
            raise TargetError(
                f"The marker '{shorten(str(marker))}' can't be evaluated for {self}: {reason}. Correct or remove it."
            ) from error


def is_on_library_path(path: str) -> bool:
    """Tell whether a file of the package is a shared library, by its name, in a folder that the loader searches.

    Example:
        True for `lib/libpq.so.5`, False for `vendor/libpq.so.5` and `lib/readme.txt`.
    """
    return _ON_LIBRARY_PATH.fullmatch(path) is not None


def manylinux_glibc(platform: str, machine: str) -> tuple[int, int] | None:
    """Return the glibc that a wheel's platform tag asks for on a machine; None if it isn't a manylinux tag of that machine.

    Example:
        `manylinux_glibc("manylinux2014_x86_64", "x86_64")` is `(2, 17)`.
    """
    name = platform.removesuffix(f"_{machine}")
    if match := re.fullmatch(r"manylinux_(\d+)_(\d+)", name):
        return int(match[1]), int(match[2])
    return next(((2, minor) for minor, alias in _LEGACY_ALIASES.items() if alias == name), None)


@cache
def _parse(runtime: str, architecture: str) -> Target:
    row, assumed = _parse_runtime(runtime)
    if architecture not in tuple(Architecture):
        hint = " (Lambda's name for aarch64 is arm64)" if architecture == "aarch64" else ""
        raise TargetError(f"architecture {architecture!r} is not one of Lambda's; accepted are x86_64 and arm64{hint}.")
    return Target(runtime=row, architecture=Architecture(architecture), assumed=assumed)


def _parse_runtime(name: str) -> tuple[Runtime, bool]:
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


@cache
def _tags(runtime: Runtime, architecture: Architecture) -> tuple[Tag, ...]:
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
