"""Are .zip file archives the package that an entry directory gives, and its layer? Which files differ, are missing or are extra?

Files are compared by their content and mode; order, dates and compression don't matter to Lambda. Bytecode may have other bytes if
another release of the interpreter compiled it. So it is compiled again by the interpreter that the archive's manifest names. Where that
one is missing, its magic number and the hash of its source are compared.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from cdk_lambda_package.archives import ArchiveError, reading_archive
from cdk_lambda_package.bytecode import CompiledModule, identity_of
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.inspection import compile_again
from cdk_lambda_package.interpreters import Compiler, find_compiler, find_named
from cdk_lambda_package.options import PackageRequest, with_defaults
from cdk_lambda_package.paths import is_cache
from cdk_lambda_package.pipeline import DeploymentPackage, package
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.splicing import ContentDigest
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import HEAD_SIZE, BytecodeHead, PythonVersion, Target, magic_number, source_hash

_CACHE = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<name>[^/]+)\.cpython-\d+\.pyc")
_CHUNK = 1 << 20


class Difference(NamedTuple):
    """A file that isn't the same: `kind` is "differs", "missing" or "extra", and `reason` says how it differs, "" of the others."""

    path: str
    kind: str
    reason: str = ""


class Part(Enum):
    """An archive of a package: that of the function, or with `dependencies="layer"` that of the layer."""

    FUNCTION = "function"
    LAYER = "layer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What the comparison of an archive found; `files` are those that it should have.

    `by_source` are the .pyc files that were compared by magic number and source hash alone, and `why_by_source` says why.
    """

    content_digest: ContentDigest
    files: int
    differences: tuple[Difference, ...]
    by_source: tuple[str, ...]
    why_by_source: str


def read_compiler(manifest: Path) -> Compiler | None:
    """Return the interpreter that a manifest names, None if its package has no bytecode. Raises `PackageError`.

    Example:
        `read_compiler(Path("orders.json")).version` is "3.13.5".
    """
    try:
        told = json.loads(manifest.read_bytes())
        if "content_digest" not in told:
            raise ValueError("it has no content_digest")
        if "bytecode" not in told:
            return None
        interpreter = told["bytecode"]["interpreter"]
        named = Compiler(
            version=str(interpreter["version"]),
            build=str(interpreter["build"]),
            magic=str(told["bytecode"]["magic_number"]),
        )
    except OSError as error:
        raise PackageError(f"The manifest {str(manifest)!r} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise PackageError(
            f"{str(manifest)!r} isn't a manifest: {error}. Give the file that `build --manifest` wrote with the archive."
        ) from error
    if not re.fullmatch(r"\d+\.\d+\.\d+", named.version):
        raise PackageError(f"{str(manifest)!r} isn't a manifest: its interpreter has the version {named.version!r}.")
    return named


def verify(
    request: PackageRequest,
    archives: Mapping[Part, Path],
    named: Compiler | None,
    store: Store,
    progress: Progress = QUIET,
) -> tuple[DeploymentPackage, dict[Part, Verification]]:
    """Compare archives with those of the package of a request; return the package, and what was found for each.

    `named` is the interpreter that compiled the archives' bytecode, None if it is unknown. Raises the kinds of `PackageError`, such as
    for a layer that the package doesn't have.

    Example:
        `verify(request, {Part.FUNCTION: Path("deployed.zip")}, None, Store.open())[1][Part.FUNCTION].differences`
    """
    request = with_defaults(request)
    version = Target.parse(request.runtime, request.architecture).runtime.version
    if request.packaging.value("bytecode") == "require" and find_compiler(version, store) is None:
        # There is nothing to compile for, and the archive's bytecode can be compared without.
        request = replace(request, packaging=replace(request.packaging, bytecode="auto"))
    with ExitStack() as stack:
        opened: dict[Part, zipfile.ZipFile] = {}
        for part, archive in archives.items():
            with _reading(archive):
                # Before the package is made for nothing.
                opened[part] = stack.enter_context(zipfile.ZipFile(archive))
        made = package(request, store=store, progress=progress)
        if Part.LAYER in archives and made.layer is None:
            reason = (
                "dependencies isn't 'layer'"
                if made.request.packaging.value("dependencies") != "layer"
                else "it has neither requirements nor vendor/, or no file of its own"
            )
            raise PackageError(
                f"{str(archives[Part.LAYER])!r} can't be compared: the package has no layer, since {reason}."
            )
        compiled = _CompiledAgain(made, named, store, progress)
        with progress.step("comparing files"):
            return made, {
                part: _Comparison(part, made, archive, version, compiled).result() for part, archive in opened.items()
            }


@contextmanager
def _reading(archive: Path | str | None) -> Iterator[None]:
    """Turn errors of reading an archive into a `PackageError`."""
    try:
        with reading_archive():
            yield
    except OSError as error:
        raise PackageError(f"The archive {str(archive)!r} can't be read: {error.strerror or error}.") from error
    except ArchiveError as error:
        raise PackageError(f"{str(archive)!r} isn't a .zip file archive that can be read: {error}.") from error


@dataclass
class _CompiledAgain:
    """The bytecode of a package by the interpreter that is `named`, the one that compiled the archives; it is asked once for both."""

    made: DeploymentPackage
    named: Compiler | None
    store: Store
    progress: Progress

    @cached_property
    def program(self) -> str | None:
        """Where the interpreter is on this machine."""
        return find_named(self.named, self.store) if self.named is not None else None

    @cached_property
    def digests(self) -> Mapping[Part, Mapping[str, str]]:
        """The sha256 of each .pyc file, by its path in its archive."""
        assert self.named is not None and self.program is not None
        found = compile_again(self.made.request, self.named, self.program, self.store, self.progress)
        return dict(zip(Part, found, strict=True))


@dataclass
class _Comparison:
    part: Part
    made: DeploymentPackage
    archive: zipfile.ZipFile
    version: PythonVersion
    again: _CompiledAgain
    by_source: list[str] = field(default_factory=list)

    def result(self) -> Verification:
        differences = tuple(sorted(self._differences()))
        return Verification(
            content_digest=self.content["content_digest"],
            files=len(self.expected),
            differences=differences,
            by_source=tuple(sorted(self.by_source)),
            why_by_source=self._why_by_source() if self.by_source else "",
        )

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        return self.made.content

    @property
    def content(self) -> Mapping[str, Any]:
        """What the manifest says of the archive."""
        content: Mapping[str, Any] = self.manifest["layer"] if self.part is Part.LAYER else self.manifest
        return content

    @cached_property
    def expected(self) -> Mapping[str, Mapping[str, Any]]:
        return {row["path"]: row for row in self.content["files"]}

    @cached_property
    def found(self) -> Mapping[str, zipfile.ZipInfo]:
        return {info.filename: info for info in self.archive.infolist() if not info.is_dir()}

    @property
    def lacks_bytecode(self) -> bool:
        """The package should have bytecode, and nothing here compiles it: which modules should be compiled isn't known either."""
        return self.made.request.packaging.value("bytecode") != "off" and "bytecode" not in self.manifest

    def _differences(self) -> Iterator[Difference]:
        repeated = Counter(info.filename for info in self.archive.infolist())
        for path, row in self.expected.items():
            if path not in self.found:
                yield Difference(path, "missing")
            elif repeated[path] > 1:
                yield Difference(path, "differs", f"it is there {repeated[path]} times")
            elif reason := self._reason(path, row):
                yield Difference(path, "differs", reason)
        for path in self.found.keys() - self.expected.keys():
            if self.lacks_bytecode and is_cache(path) and self._is_of_source(path):
                self.by_source.append(path)
            else:
                yield Difference(path, "extra")

    def _reason(self, path: str, row: Mapping[str, Any]) -> str:
        """Return why a file isn't the expected one, "" if it is."""
        info = self.found[path]
        executable = bool(info.external_attr >> 16 & 0o100)
        if executable != (row["mode"] == "0755"):
            return f"its mode is {'0755' if executable else '0644'}, and {row['mode']} is expected"
        if info.file_size == row["size"] and self._digest(path) == row["sha256"]:
            return ""
        if "identity" in row:
            return self._bytecode_reason(path, row)
        sizes = f"{info.file_size:,} bytes, and {row['size']:,} are expected"
        return f"it has {sizes}" if info.file_size != row["size"] else "its content is another one"

    def _bytecode_reason(self, path: str, row: Mapping[str, Any]) -> str:
        told = self.manifest["bytecode"]
        here = Compiler(**told["interpreter"], magic=told["magic_number"])
        named = self.again.named
        if named == here:
            return "its interpreter compiles other bytecode"
        if named is not None and self.again.program is not None:
            is_same = self._digest(path) == self.again.digests[self.part].get(path)
            return "" if is_same else f"Python {named.version}, which the manifest names, compiles other bytecode"
        if not self._is_of_source(path, here, row["identity"]):
            return "it isn't bytecode of its source for this runtime"
        self.by_source.append(path)
        return ""

    def _is_of_source(self, path: str, compiler: Compiler | None = None, identity: str = "") -> bool:
        """Return whether a .pyc file has the magic number and the hash of its source, which is the expected one.

        With a compiler, also whether it has the identity, which says how Python looks at its source.
        """
        match = _CACHE.fullmatch(path)
        source = f"{match['folder']}{match['name']}.py" if match else ""
        row = self.expected.get(source)
        if row is None or source not in self.found or self._digest(source) != row["sha256"]:
            return False
        with _reading(self.archive.filename), self.archive.open(path) as stream:
            head = BytecodeHead.parse(stream.read(HEAD_SIZE))
        if head is None or not head.by_hash or head.magic != magic_number(self.version):
            return False
        if (
            compiler is not None
            and identity_of(CompiledModule(source, row["sha256"], head.checked), compiler) != identity
        ):
            return False
        with _reading(self.archive.filename):
            return head.source_hash == source_hash(self.archive.read(source), self.version)

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        with _reading(self.archive.filename), self.archive.open(path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _why_by_source(self) -> str:
        if (named := self.again.named) is not None:
            why = f"this machine hasn't Python {named.version} ({named.build}), which the manifest names"
        elif self.lacks_bytecode:
            why = "this machine has no interpreter of python{}.{}".format(*self.version)
        else:
            return "the interpreter that compiled the archive is unknown; name its manifest with --manifest"
        return f"{why}, so which modules should be compiled wasn't compared either" if self.lacks_bytecode else why
