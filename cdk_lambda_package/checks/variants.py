"""Binaries that stand for the same thing on different systems: one of them is enough. Pure."""

from __future__ import annotations

import re

# What tells variants apart: systems, machines, C libraries, Pythons, suffixes.
_SYSTEMS = (
    "linux(?:32|64|gnu|musl)?|manylinux\\d*(?:_\\d+_\\d+)?|musllinux(?:_\\d+_\\d+)?|gnu|glibc|musl|alpine|unknown"
    "|darwin\\d*|mac(?:os)?x?(?:32|64)?|osx(?:32|64)?|apple|windows|win(?:32|64)?|mingw(?:32|64)?|msvc|pc|freebsd"
)
_MACHINES = (
    "x86[-_]64|x86|x64|amd64|intel|i[3-6]86|ia32|aarch64|arm64(?:e|ec)?|armv\\d+[a-z]*|armhf|arm|universal2?"
    "|ppc64(?:le)?|s390x|riscv64|32|64|32bit|64bit"
)
_PYTHONS = "cpython[-_]\\d+[a-z]*|cp\\d+[a-z]*|pypy\\d+[-_]pp\\d+|abi3|py\\d+"
_SUFFIXES = "so|dylib|dll|pyd|exe"
_VARIANT = re.compile(
    rf"[-_.]?(?<![A-Za-z0-9])(?:{_SYSTEMS}|{_MACHINES}|{_PYTHONS}|{_SUFFIXES})(?![A-Za-z0-9])", re.IGNORECASE
)
_PLATFORM = re.compile(rf"(?<![A-Za-z0-9])(?:{_SYSTEMS}|{_MACHINES})(?![A-Za-z0-9])", re.IGNORECASE)


def names_platform(path: str) -> bool:
    """Tell whether a path says for which system or machine the file is, as in `linux-x86_64/libfoo.so`."""
    return _PLATFORM.search(path) is not None


def variant_key(path: str) -> str:
    """Return what variants of a file have in common, such as `pkg/bin/*/tool` of `pkg/bin/darwin/tool`."""
    return "/".join(_VARIANT.sub("", part).removeprefix("lib") or "*" for part in path.split("/"))
