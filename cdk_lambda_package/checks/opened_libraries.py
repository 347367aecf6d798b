"""Are the shared libraries there that code opens by their names?

A library that nothing has is a warning where the code that opens it runs while the handler's module is imported, or in the
app's own code. It is never an error: a program may come to the library in ways that no source shows.

Code comes to a library in two ways. The loader is given the name of its file, and searches the package and its layers (LD_LIBRARY_PATH).
`find_library` is given a name without `lib` and `.so`, and asks `ldconfig`, `gcc` and `ld`: of these only `ld` searches LD_LIBRARY_PATH
(https://github.com/python/cpython/blob/3.13/Lib/ctypes/util.py), and Lambda's runtime has no linker. So it finds the system's libraries alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import OpenedLibrary
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import LibraryPresence

# Names that Linux never looks for, and libraries of Windows.
_FOREIGN = re.compile(
    r"(?i).*\.(dll|dylib|framework)\b.*|.*/.*\.framework|msvcrt|kernel32|user32|ole32|shell32|advapi32"
)
# What follows `lib` and the name: find_library looks for a library of any version.
_VERSIONS = ("", *(f".{number}" for number in range(21)), ".1.0", ".1.1", ".1.0.2", ".2.0")
# A version at the end of a name: libpango-1.0.so.0, libcairo-2 (https://docs.python.org/3/library/ctypes.html#finding-shared-libraries).
_SUFFIX = re.compile(r"\.so(\.[\w.]*)?$")
_MOST_SHOWN = 6


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each module that opens libraries which neither the package, its layers nor the runtime has."""
    if not all(layer.known for layer in contents.layers):
        return  # any of them may have the library
    opened = contents.reach.opened
    known = _Libraries(contents) if opened else None
    for path, libraries in opened:
        missing = [one for one in libraries if known and not known.has_one_of(one.names)]
        hidden = {one: file for one in missing if known and (file := known.file_of(one.names))}
        if nowhere := [one for one in missing if one not in hidden]:
            yield _describe(path, nowhere, contents)
        for library, file in hidden.items():
            yield _describe_hidden(path, library, file, contents)


class _Libraries:
    """The shared libraries of a package, its layers and the runtime."""

    def __init__(self, contents: PackageContents) -> None:
        files = [*contents.entries, *(path for layer in contents.layers for path in layer.files)]
        sonames = (facts.soname for facts in contents.binaries.values() if facts.soname)
        self._names = {name for path in files if ".so" in (name := path.rpartition("/")[2])}.union(sonames)
        self._runtime = contents.target.runtime

    def has_one_of(self, names: tuple[str, ...]) -> bool:
        """Return whether one of these names is that of a library that is there; also if none of them is for Linux."""
        ours = [name for name in names if not _FOREIGN.fullmatch(name)]
        return not ours or any(self._has(name.rpartition("/")[2]) for name in ours)

    def file_of(self, names: tuple[str, ...]) -> str | None:
        """Return the file of the package or a layer that has one of these names, whether code that looks for it comes there or not."""
        return next((file for name in names if (file := self._file_of(name.rpartition("/")[2]))), None)

    def _file_of(self, name: str) -> str | None:
        stem = _SUFFIX.sub("", name)
        return next((one for one in sorted(self._names) if one.startswith((stem, f"lib{stem}"))), None)

    def _has(self, name: str) -> bool:
        if _SUFFIX.search(name) and self._file_of(name):
            return True
        stem = _SUFFIX.sub("", name)
        beginnings = (stem, f"lib{stem}")
        files = [name] if _SUFFIX.search(name) else []
        if not files or name.endswith(".so"):
            files += [f"{beginning}.so{version}" for beginning in beginnings for version in _VERSIONS]
        return any(self._runtime.library_presence(file) is not LibraryPresence.ABSENT for file in files)


def _describe(path: str, missing: list[OpenedLibrary], contents: PackageContents) -> Finding:
    owner, place = contents.owner(path) or "a layer", contents.place(path)
    whose = "" if owner in OWN else f" of {owner}"
    names = list(dict.fromkeys(map(_file_name, missing)))
    system = contents.target.runtime.system.name
    places = f"neither the package, its layers nor {system}" if contents.layers else f"neither the package nor {system}"
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    what = names[0] if len(names) == 1 else f"{len(names)} libraries ({', '.join(names[:_MOST_SHOWN])}{more})"
    links = contents.graph.chain_to(path)
    chain = " → ".join(f"{contents.place(link.path)}:{link.line}" for link in links)
    reach = f" The chain of imports is {chain} → {place}." if links and not contents.is_app(path) else ""
    message = (
        f"{place}{whose} opens {what}, which {places} has.{reach} Put what it needs, built for {contents.target}, into "
        "vendor/lib/ or into lib/ of a layer. A tried import (smoke) proves nothing about this on a machine that has the "
        "library."
    )
    return Finding(
        id="library-opened-not-found",
        severity=Severity.WARNING,
        message=message,
        path=place,
        line=missing[0].line,
        subject=names[0] if len(names) == 1 else owner.partition("==")[0] if owner not in OWN else None,
    )


def _describe_hidden(path: str, library: OpenedLibrary, file: str, contents: PackageContents) -> Finding:
    """Describe a library that is there, and that `find_library` doesn't find."""
    owner, place, name = contents.owner(path) or "a layer", contents.place(path), library.names[0]
    whose = "" if owner in OWN else f" of {owner}"
    message = (
        f"{place}{whose} looks for {name} with find_library, which searches neither the package nor layers on Lambda, where {file} is: it asks "
        f"ldconfig, gcc and ld. Open it by the name of its file, for example ctypes.CDLL({file!r}), which the loader searches."
    )
    return Finding(
        id="library-opened-not-found",
        severity=Severity.WARNING,
        message=message,
        path=place,
        line=library.line,
        subject=name,
    )


def _file_name(library: OpenedLibrary) -> str:
    """Return the name of a library to show: that of its file on Linux, if the code has it."""
    return next((name for name in library.names if _SUFFIX.search(name)), library.names[0])
