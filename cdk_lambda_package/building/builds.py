"""Build sources into wheels for the target, each once: by the user's pip, in a process and a directory of their own.

A build is in the store under its inputs: the source's digest, the Python that builds, whether a compiler was allowed, and the
build constraints. Its wheel has the same bytes for the same content, and is judged by its content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from cdk_lambda_package.archives import ArchiveError, open_archive
from cdk_lambda_package.binaries import MAGIC_SIZE, BinaryFacts, examine_file, must_be_examined
from cdk_lambda_package.building.cures import BuildPlace, find_cures, suggest_interpreter
from cdk_lambda_package.building.places import Command, Container, Host, NoPipError, describe_failure
from cdk_lambda_package.building.sources import Source, copy_project, name_source
from cdk_lambda_package.errors import Finding, Severity, WheelError
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.loading import Loader, broken_binaries
from cdk_lambda_package.processes import Runner, with_temporary
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import (
    ResolutionRequest,
    constraint_digest,
    decode_requirements,
    find_history,
    read_build_variables,
)
from cdk_lambda_package.splicing import (
    Member,
    SegmentFacts,
    SegmentWriter,
    Splice,
    read_segment,
    record_file,
    write_bytes,
    write_content,
    write_zip,
)
from cdk_lambda_package.store import WHEELS, Store, remembered
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, hide_credentials

# What goes to the root, wherever a wheel has it (https://packaging.python.org/specifications/binary-distribution-format/).
_DATA = re.compile(r"\A[^/]+\.data/(?:purelib|platlib|data)/")

_PURE = "py3-none-any"


@remembered("builds", version=5)
@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltWheel:
    """A wheel in the store that was built here.

    `source` is the digest of the source, `metadata` the text of METADATA. `hosts` are those that the build requested
    anything from, None if they weren't recorded. Everything that the build installed was uploaded before
    `uploaded_prior_to` (ISO 8601, "" for no limit). `findings` are about one use of it, so they aren't stored.
    """

    name: str
    version: str
    filename: str
    sha256: str
    source: str
    metadata: str
    hosts: tuple[str, ...] | None = None
    uploaded_prior_to: str = ""
    findings: tuple[Finding, ...] = ()


Built = tuple[Source, BuiltWheel]
"""A source, and the wheel that was built of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that a built wheel depends on; `place` is the platform and Python that builds, or the image."""

    kind: str
    digest: str
    subdirectory: str
    place: str
    compiler: bool
    constraint: str
    variables: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a built wheel can be taken: `fault` says why not; `native` tells that a compiler had a hand in it.

    `cures` are what to do about the fault, as far as that is known.
    """

    fault: str | None
    native: bool
    cures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedBuild:
    """Why there is no wheel of a source, and what cures it, the most likely first, as far as that is known."""

    reason: str
    cures: tuple[str, ...] = ()


def describe_build(source: Source, wheel: BuiltWheel) -> dict[str, Any]:
    """Return what a lock in the store says of a wheel that was built here."""
    return {
        "filename": wheel.filename,
        "sha256": wheel.sha256,
        "source": source.digest,
        "url": name_source(source),
        "hosts": list(wheel.hosts or ()),
    }


class Builder:
    """Builds for one request, with the `settings` that pip resolved with: its variables for indexes and the network."""

    def __init__(
        self,
        request: ResolutionRequest,
        store: Store,
        settings: Mapping[str, str],
        runner: Runner,
        progress: Progress = QUIET,
    ) -> None:
        self.request, self._store, self._runner, self._progress = request, store, runner, progress
        self._variables = {**os.environ, **dict(request.pip_environment), **settings}
        self._host = Host(python=interpreter_for(request.target, runner), runner=runner)
        self._constraint = constraint_digest(request, self._variables)
        limit = request.uploaded_prior_to
        # pip's own setting may be stricter; then that is what it said.
        self._limit = settings.get("PIP_UPLOADED_PRIOR_TO", limit.instant.isoformat()) if limit else ""

    def build(self, source: Source) -> BuiltWheel | FailedBuild:
        """Return the wheel of a source: from the store, or built by what gives one that fits, else why there is none."""
        built, verdict = self._find_or_build(source, self._host, compiler=True)
        reason, cures = verdict.fault, verdict.cures
        if built is None and verdict.native:
            built, _ = self._find_or_build(source, self._host, compiler=False)
        if built is None and self.request.build_image is not None:
            place = Container(image=self.request.build_image, target=self.request.target)
            built, verdict = self._find_or_build(source, place, compiler=True)
            reason = f"{reason}; in a container of {place.image} it {verdict.fault}"
            cures = tuple(dict.fromkeys((*cures, *verdict.cures)))
        return built or FailedBuild(reason=str(reason), cures=cures)

    def _find_or_build(
        self, source: Source, place: Host | Container, *, compiler: bool
    ) -> tuple[BuiltWheel | None, Verdict]:
        """Return the wheel if it fits. One that doesn't is kept all the same: it needn't be built again to know."""
        recipe = Recipe(
            kind=source.kind,
            digest=source.digest,
            subdirectory=source.subdirectory,
            place=place.identity,
            compiler=compiler,
            constraint=self._constraint,
            variables=tuple(read_build_variables(self.request.pip_environment)),
        )
        key = key_of(recipe)
        built = self._recall(key) or self._build_once(key, source, place, compiler=compiler)
        if isinstance(built, FailedBuild):
            return None, Verdict(fault=built.reason, native=False, cures=built.cures)
        wheel = self._store.find(WHEELS, built.sha256, built.filename)
        if wheel is None:
            return None, Verdict(fault="is gone from the store", native=False)
        verdict = judge(wheel, self.request.target, self.request.libraries)
        if verdict.fault is not None:
            return None, dataclasses.replace(verdict, cures=suggest_interpreter(built.filename, self._describe(place)))
        findings = tuple(self._findings(source, built, place, compiler=compiler))
        return dataclasses.replace(built, findings=findings), verdict

    def _build_once(
        self, key: str, source: Source, place: Host | Container, *, compiler: bool
    ) -> BuiltWheel | FailedBuild:
        """Build, unless another process does: then wait for it, and return its wheel."""
        building = self._progress.step(f"building {source.label} from source")
        with building as step, self._store.lock("builds", key, doing=f"builds {source.title}", notice=step.note):
            step.note("")
            built = self._recall(key) or self._build(source, place, compiler=compiler)
            if isinstance(built, BuiltWheel):
                self._store.remember(built, key)
        return built

    def _recall(self, key: str) -> BuiltWheel | None:
        """Return an earlier build, unless its wheel is gone, or it could contain what isn't allowed now."""
        built = self._store.recall(BuiltWheel, key)
        if built is None or self._store.find_wheel(built.sha256, built.filename) is None:
            return None
        if self.request.only_index is not None and built.hosts is None:
            return None
        kept, limit = built.uploaded_prior_to, self._limit
        is_allowed = not limit or (kept and datetime.fromisoformat(kept) <= datetime.fromisoformat(limit))
        return built if is_allowed else None

    def _build(self, source: Source, place: Host | Container, *, compiler: bool) -> BuiltWheel | FailedBuild:
        """Build in a new directory, and return the wheel that is in the store then, or why there is none."""
        with self._store.workspace() as workspace:
            command = self._prepare(source, workspace, compiler=compiler)
            program = place.identity
            try:
                start = place.start(command)
                program, environment = start.argv[0], with_temporary(start.environment, workspace / "tmp")
                finished = self._runner(start.argv, workspace, environment, ending=start.ending)
            except NoPipError as error:
                return FailedBuild(reason=f"can't be built: {error}")
            except OSError as error:
                return FailedBuild(reason=f"can't be built: {program!r} can't be started ({error.strerror})")
            wheels = sorted(command.output.glob("*.whl"))
            if finished.status != 0 or len(wheels) != 1:
                reason = describe_failure(finished.status, hide_credentials(finished.output, environment))
                cures = find_cures(finished.output, self._describe(place), version=source.version)
                return FailedBuild(reason=reason, cures=cures)
            return self._keep(wheels[0], workspace, source, command.asked_hosts())

    def _describe(self, place: Host | Container) -> BuildPlace:
        target, path = self.request.target, self.request.build_constraint
        return BuildPlace(
            target=target,
            python=place.version,
            native=place.builds_for(target),
            on_host=place is self._host,
            constraint=decode_requirements(path.read_bytes()) if path is not None else "",
            constraint_file=path.name if path is not None else "",
        )

    def _prepare(self, source: Source, workspace: Path, *, compiler: bool) -> Command:
        output, place = workspace / "out", workspace / "source"
        for folder in (output, workspace / "tmp"):
            folder.mkdir()
        if source.kind == "archive":
            # Under a plain name pip takes it for no release, and keeps no wheel of it in a cache of its own.
            place = workspace / f"source{''.join(Path(source.filename).suffixes[-2:])}"
            shutil.copyfile(source.path, place)
        else:
            history = find_history(source.path) if source.kind == "directory" else None
            root, place = place, place / (history.subfolder if history else "")
            copy_project(source.path, place, without=source.without, keep_history=source.kind == "vcs")
            if history:
                history.copy(root, self._runner)
        return Command(
            workspace=workspace,
            output=output,
            source=place,
            fragment=f"#subdirectory={source.subdirectory}" if source.subdirectory else "",
            constraint=self.request.build_constraint,
            variables=self._variables,
            compiler=compiler,
            uploaded_prior_to=self._limit,
            hosts=None if self.request.only_index is None else workspace / "hosts.txt",
        )

    def _keep(self, wheel: Path, workspace: Path, source: Source, hosts: tuple[str, ...] | None) -> BuiltWheel:
        name, version = parse_wheel_filename(wheel.name)[:2]
        normal = workspace / f"normal-{wheel.name}"
        metadata, filename = normalise(wheel, normal, workspace=workspace)
        built = BuiltWheel(
            name=canonicalize_name(name),
            version=str(version),
            filename=filename,
            sha256=file_sha256(normal),
            source=source.digest,
            metadata=metadata.decode("utf-8", "replace"),
            hosts=hosts,
            uploaded_prior_to=self._limit,
        )
        self._store.adopt(normal, WHEELS, built.sha256, filename)
        return built

    def _findings(
        self, source: Source, built: BuiltWheel, place: Host | Container, *, compiler: bool
    ) -> Iterator[Finding]:
        what, target = f"{built.name} {built.version}", self.request.target
        if not compiler:
            message = (
                f"{what} has no wheel for {target}, and what a compiler makes of {source.title} here doesn't run there. "
                "It was built without one, as its authors allow, and may be slower."
            )
            yield _warning("built-without-compiler", message, built)
        if source.dynamic and place.version != target.runtime.version:
            message = (
                f"{what} says what it needs only when it is built, and it was built by Python "
                f"{'{}.{}'.format(*place.version)}, not by {target.runtime.name}: its dependencies may be others there. "
                f"Put {target.runtime.name} on PATH."
            )
            yield _warning("built-by-other-python", message, built)


def _warning(name: str, message: str, built: BuiltWheel) -> Finding:
    return Finding(id=name, severity=Severity.WARNING, message=message, subject=built.name)


def judge(wheel: Path, target: Target, libraries: Iterable[str] = ()) -> Verdict:
    """Judge by the tags and, whatever they say, by each binary: a build knows only the machine that it runs on.

    `libraries` are the paths of what else is in the package, and may be needed.
    """
    tags = parse_wheel_filename(wheel.name)[3]
    native = any(tag.platform != "any" for tag in tags)
    if not target.accepts_wheel(wheel.name):
        names = ", ".join(sorted(map(str, tags)))
        return Verdict(fault=f"came out as {wheel.name}, whose tag {names} {target} doesn't load", native=native)
    loader = _read_binaries(wheel, target, libraries)
    faults = "; ".join(
        f"{binary.path} {fault.text}"
        for binary in broken_binaries(loader)
        for fault in binary.faults
        if fault.is_certain
    )
    return Verdict(
        fault=f"came out as {wheel.name}, but {faults}" if faults else None, native=native or bool(loader.binaries)
    )


def _read_binaries(wheel: Path, target: Target, libraries: Iterable[str]) -> Loader:
    """Return a loader for the binaries of a wheel, in a package that has nothing else but these libraries."""
    with _open_built(wheel) as archive:
        paths, binaries = _examine_members(archive)
    return Loader(target, {*libraries, *paths}, binaries)


def _examine_members(archive: zipfile.ZipFile) -> tuple[set[str], dict[str, BinaryFacts]]:
    """Return the paths of a wheel's members in a package, and the facts of those that are binaries."""
    paths, binaries = set(), {}
    for info in archive.infolist():
        path = _DATA.sub("", info.filename)
        paths.add(path)
        with archive.open(info) as stream:
            first = stream.read(MAGIC_SIZE)
            if must_be_examined(path, first):
                # In memory: it is read back and forth, and a member is inflated anew for each step back.
                facts = examine_file(path, io.BytesIO(first + stream.read()))
                if facts is not None:
                    binaries[path] = facts
    return paths, binaries


@contextlib.contextmanager
def _open_built(wheel: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_archive(wheel) as archive:
            yield archive
    except ArchiveError as error:
        raise WheelError(
            f"{wheel.name}, which its build back end made, isn't a valid wheel: {error}. Use another release, or report it to "
            "its authors."
        ) from error


def normalise(wheel: Path, target: Path, *, workspace: Path) -> tuple[bytes, str]:
    """Write the wheel's members in order of their names, without times, by the compressor that is everywhere the same.

    What was built of the same content then has the same sha256, whenever and in whose directory it was: URLs in METADATA
    that lead into the `workspace`, as poetry writes them for path dependencies, lead into `file:///build` instead. A wheel
    without a binary gets the tag of a pure one. Returns that METADATA, and the file name that the wheel has now.
    """
    segment = target.with_suffix(".segment")
    with _open_built(wheel) as archive, segment.open("wb") as stream:
        names = archive.namelist()
        # The build's pip has read it.
        name = next(name for name in names if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
        folder, metadata = name.removesuffix("METADATA"), archive.read(name)
        for place in {workspace, workspace.resolve()}:
            metadata = metadata.replace(place.as_uri().encode(), b"file:///build")
        new, filename = {name: metadata}, wheel.name
        if {f"{folder}WHEEL", f"{folder}RECORD"} <= {*names} and _has_needless_tag(wheel.name, archive):
            filename = f"{wheel.name.rsplit('-', 3)[0]}-{_PURE}.whl"
            new[f"{folder}WHEEL"] = _retagged(archive.read(f"{folder}WHEEL"))
        changed = _with_record(archive, f"{folder}RECORD", new)
        writer = SegmentWriter(stream)
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.filename in changed:
                write_bytes(writer, info.filename, changed[info.filename])
            elif not info.is_dir():
                _write(archive, info, writer)
        writer.finish(SegmentFacts())
    with target.open("wb") as stream:
        write_zip([Splice.whole(read_segment(segment, verify=False))], stream)
    segment.unlink()
    return metadata, filename


def _has_needless_tag(filename: str, archive: zipfile.ZipFile) -> bool:
    """Return whether a tag names a platform, or an ABI, and no binary in the wheel needs it.

    setuptools tags a wheel by the extensions that a project declares, also if they are optional and weren't built. The
    authors of a wheel that isn't built here know why they tagged it, so only built ones are judged.
    """
    tags = parse_wheel_filename(filename)[3]
    return any((tag.abi, tag.platform) != ("none", "any") for tag in tags) and not _examine_members(archive)[1]


def _retagged(about: bytes) -> bytes:
    """Return the file WHEEL with the tag of a pure wheel alone."""
    kept = [line for line in about.splitlines() if line.strip() and not line.lower().startswith(b"tag:")]
    return b"\n".join([*kept, f"Tag: {_PURE}".encode(), b""])


def _with_record(archive: zipfile.ZipFile, record: str, new: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those of the `new` contents that differ from the archive's, and the RECORD that has them."""
    changed = {name: content for name, content in new.items() if content != archive.read(name)}
    if not changed:
        return {}
    rows = archive.read(record)
    for name, content in changed.items():
        rows = rows.replace(_record_row(name, archive.read(name)), _record_row(name, content))
    return {**changed, record: rows}


def _record_row(path: str, content: bytes) -> bytes:
    return record_file([Member(path, False, len(content), hashlib.sha256(content).hexdigest())], "").splitlines()[0]


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, writer: SegmentWriter) -> None:
    executable = bool(info.external_attr >> 16 & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    with archive.open(info) as content:
        write_content(writer, info.filename, content, size=info.file_size, executable=executable)
