"""File names of extension modules: which module, and which Python on which system looks for it. Pure.

A tag stands between the module's name and the suffix: `_x.cpython-313-x86_64-linux-gnu.so` (PEP 3149), `_x.abi3.so`
(PEP 384), `_x.cp313-win_amd64.pyd`; a name without one is anybody's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cdk_lambda_package.target import Target

_SUFFIXES = (".so", ".pyd")
_CPYTHON = re.compile(r"cpython-(\d)(\d+)([a-z]*)(?:-(.+))?|cp(\d)(\d+)([a-z]*)-(win.*)")
_OTHER = re.compile(r"(pypy|graalpy|pyston)[-_]?(\d)?(\d*).*")
_FLAGS = {"t": "free-threaded ", "d": "debug "}


class ExtensionName(NamedTuple):
    """`module` is the path without the suffix, as in `pkg/_x`; `tag` is "" where the name has none."""

    module: str
    tag: str
    suffix: str

    @property
    def dotted(self) -> str:
        """The module's name for `import`."""
        return self.module.replace("/", ".")

    def is_sought_by(self, target: Target) -> bool:
        """Tell whether the target's Python looks for a file of this name when the module is imported."""
        return self.suffix == ".so" and self.tag in ("", "abi3", _own_tag(target))

    @property
    def origin(self) -> str:
        """Say what looks for this name."""
        if self.suffix == ".pyd" and not self.tag:
            return "Python on Windows"
        match = _CPYTHON.fullmatch(self.tag)
        if match is None:
            return _name_other(self.tag)
        major, minor, flags, platform = match.group(1, 2, 3, 4) if match[1] else match.group(5, 6, 7, 8)
        kind = "".join(_FLAGS.get(flag, "") for flag in flags)
        return f"{kind}Python {major}.{minor}{_name_platform(platform or '')}"


def read_extension_name(path: str) -> ExtensionName | None:
    """Return what the name of a file says, or None where no Python would import it under that name."""
    folder, slash, name = path.rpartition("/")
    stem, dot, rest = name.partition(".")
    suffix = next((suffix for suffix in _SUFFIXES if f"{dot}{rest}".endswith(suffix)), None)
    parts = [*folder.split("/"), stem] if folder else [stem]
    if suffix is None or not all(part.isidentifier() for part in parts):
        return None
    tag = f"{dot}{rest}".removesuffix(suffix).removeprefix(".")
    known = tag in ("", "abi3") or _CPYTHON.fullmatch(tag) or _OTHER.fullmatch(tag)
    return ExtensionName(f"{folder}{slash}{stem}", tag, suffix) if known else None


def list_suffixes(target: Target) -> tuple[str, ...]:
    """Return the suffixes that the target's Python looks for, in this order (`importlib.machinery`)."""
    return (f".{_own_tag(target)}.so", ".abi3.so", ".so")


def _own_tag(target: Target) -> str:
    return "cpython-{}{}-{}-linux-gnu".format(*target.runtime.version, target.architecture.machine)


def _name_platform(platform: str) -> str:
    if "musl" in platform:
        return " on Alpine Linux (musl)"
    if platform.startswith("win"):
        return " on Windows"
    if platform.startswith("darwin"):
        return " on macOS"
    machine = platform.partition("-linux")[0].replace("aarch64", "arm64")
    return f" on {machine}" if machine else ""


def _name_other(tag: str) -> str:
    match = _OTHER.fullmatch(tag)
    if match is None:
        return "another Python"
    name = {"pypy": "PyPy", "graalpy": "GraalPy", "pyston": "Pyston"}[match[1]]
    return f"{name} {match[2]}.{match[3]}" if match[2] and match[3] else name
