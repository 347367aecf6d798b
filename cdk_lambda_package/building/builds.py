"""Build sources into wheels for the target, each once: by the user's pip, in a process and a directory of their own.

A build is in the store under its inputs: the source's digest, the Python that builds, whether a compiler was allowed, and the
build constraints. A wheel is written again in a normal form, and judged by its content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
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

from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cdk_lambda_package.binaries import MAGIC_SIZE, examine_file, must_be_examined
from cdk_lambda_package.building.places import Command, Container, Host, NoPipError
from cdk_lambda_package.errors import Finding, RequirementsError, Severity
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.loading import Loader, broken_binaries
from cdk_lambda_package.processes import Finished, Runner
from cdk_lambda_package.requirements import (
    InputKind,
    LocalInput,
    ResolutionRequest,
    digest_project,
    project_files,
    read_build_variables,
    relative_place,
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
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import hide_credentials, host_of, local_path, sha256_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A source as pip found it.

    `key` is its URL without credentials, `kind` is `archive`, `directory` or `vcs`, and `path` where it is now.
    `subdirectory` is where in it the project lies. `digest` is the sha256 of an archive, else that of the tree.
    `dynamic` tells that its dependencies may depend on the Python that builds it; `commit` is that of a checkout. `name` is normalised, and made up
    where only the build knows it.
    """

    key: str
    kind: str
    path: Path
    subdirectory: str
    filename: str
    name: str
    version: str
    requirement: str
    comes_from: str | None
    dynamic: bool
    commit: str
    digest: str

    @property
    def title(self) -> str:
        """How errors call it."""
        if self.kind == "archive":
            return self.filename
        return self.requirement if self.kind == "vcs" else f"the local project {self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedSource:
    """A source that can't be another one: `url` is that of an archive, a directory or a commit.

    `sha256` is an archive's, else "". With a `version`, an index has it under its name, too. `name` is "" where only
    the build knows it.
    """

    url: str = ""
    name: str = ""
    version: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        """How errors call it."""
        return f"{self.name} {self.version}".strip() or self.url

    def line(self, *, by_url: bool) -> str:
        """Return the line of a requirements file that asks for it."""
        what = f"{self.name} @ {self.url}" if self.name else self.url
        if self.version and not (by_url and self.url):
            what = f"{self.name}=={self.version}"
        return f"{what} --hash=sha256:{self.sha256}" if self.sha256 else what


def read_source(row: Mapping[str, Any], store: Store) -> Source:
    """Read what `inside_pip/sources.py` wrote about a source, and digest its content.

    Raises `RequirementsError` for a project that can't be read.
    """
    path = Path(row["path"])
    if row["kind"] == "archive":
        digest = _digest_file(path)
    else:
        # A checkout is a copy that isn't used again.
        digest = digest_project(path, store if row["kind"] == "directory" else None)
    return Source(**{**row, "path": path, "digest": digest})


def source_inputs(source: Source, entry: Path) -> Iterator[LocalInput]:
    """Yield what a source is as an input of a resolution, unless it is from the network."""
    place = source.key.partition("#")[0]
    if source.kind == "directory":
        yield LocalInput(kind=InputKind.PROJECT, place=relative_place(source.path, entry), digest=source.digest)
    elif source.kind == "archive" and place.startswith("file:"):
        yield LocalInput(kind=InputKind.FILE, place=relative_place(local_path(place), entry), digest=source.digest)


def copy_project(project: Path, target: Path, *, keep_history: bool = False) -> None:
    """Copy a project to where a build may write to it; `keep_history` is for versions that git tells."""
    for file in project_files(project):
        copy = target / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, copy)
        copy.chmod(0o755 if file.stat.st_mode & 0o111 else 0o644)
    if keep_history and (project / ".git").is_dir():
        shutil.copytree(project / ".git", target / ".git", symlinks=True)


def describe_origin(source: Source, entry: Path, *, direct: bool, listed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field of a lock's package (PEP 751) that says where its source is; `direct` if not from an index.

    Of what is from one, `listed` may have the `upload_time`.
    """
    subdirectory = source.subdirectory or None
    if source.kind == "directory":
        return {"directory": PackageDirectory(path=relative_place(source.path, entry), subdirectory=subdirectory)}
    if source.kind == "vcs":
        kind, url, revision = _read_checkout(source)
        vcs = PackageVcs(
            type=kind,
            url=url,
            requested_revision=revision or None,
            commit_id=source.commit,
            subdirectory=subdirectory,
        )
        return {"vcs": vcs}
    url, hashes = source.key.partition("#")[0], {"sha256": source.digest}
    if direct:
        return {"archive": PackageArchive(url=url, hashes=hashes, subdirectory=subdirectory)}
    time = read_upload_time(listed)
    return {"sdist": PackageSdist(name=source.filename, url=url, hashes=hashes, upload_time=time)}


def name_source(source: Source) -> str:
    """Return the URL of a source, without credentials; of a checkout, at the very commit that was built."""
    if source.kind != "vcs":
        return source.key
    subdirectory = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    kind, url, _ = _read_checkout(source)
    return f"{kind}+{url}@{source.commit}{subdirectory}"


def _read_checkout(source: Source) -> tuple[str, str, str]:
    """Return what a checkout was made with, from where, and the branch, tag or commit that was asked for, or ""."""
    kind, _, place = source.key.partition("#")[0].partition("+")
    url, _, revision = place.rpartition("@") if re.search(r"@[^/]+$", place) else (place, "", "")
    return kind, url, revision


def read_upload_time(row: Mapping[str, Any]) -> datetime | None:
    """Return when a file of an index was uploaded, as far as that is known."""
    try:
        return datetime.fromisoformat(row.get("upload_time") or "")
    except ValueError:
        return None


def _digest_file(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise RequirementsError(f"{os.fspath(path)} can't be read: {error.strerror}.") from error


WHEELS = "wheels"
"""The kind of the store's files that are wheels."""


@remembered("builds", version=4)
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
    """What a built wheel depends on; `place` is the platform and Python that builds, or the image."""

    kind: str
    digest: str
    subdirectory: str
    place: str
    compiler: bool
    constraint: str
    variables: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedBuild:
    """Why nothing that the target loads came of a source: the tag or binary, or the build's last lines."""

    source: Source
    reason: str


def describe_build(source: Source, wheel: BuiltWheel) -> dict[str, Any]:
    """Return what a lock in the store says of a wheel that was built here."""
    return {
        "filename": wheel.filename,
        "sha256": wheel.sha256,
        "source": source.digest,
        "url": name_source(source),
        "hosts": list(wheel.hosts or ()),
    }


_LAST_LINES = 12
_OF_EVERY_FAILURE = (
    "note:",
    "hint:",
    "[notice]",
    "[end of output]",
    "ERROR: Failed",
    "Failed to build",
    "╰─>",
    "See above",
)


class Builder:
    """Builds for one request; `options` are the files with the index and network options for what builds need."""

    def __init__(self, request: ResolutionRequest, store: Store, options: tuple[Path, Path], runner: Runner) -> None:
        self._request, self._store, self._runner = request, store, runner
        self._index_options = options[0].read_text(encoding="utf-8") if options[0].exists() else ""
        self._network: dict[str, str] = json.loads(options[1].read_bytes()) if options[1].exists() else {}
        self._host = Host(python=interpreter_for(request.target, runner))
        limit = request.uploaded_prior_to
        # pip's own setting may be stricter; then that is what it said.
        self._limit = self._network.get("PIP_UPLOADED_PRIOR_TO", limit.instant.isoformat()) if limit else ""

    def build(self, source: Source) -> BuiltWheel | FailedBuild:
        """Return the wheel of a source: from the store, or built by what gives one that fits, else why there is none."""
        built, verdict = self._find_or_build(source, self._host, compiler=True)
        reason = verdict.fault
        if built is None and verdict.native:
            built, _ = self._find_or_build(source, self._host, compiler=False)
        if built is None and self._request.build_image is not None:
            place = Container(image=self._request.build_image, target=self._request.target)
            built, verdict = self._find_or_build(source, place, compiler=True)
            reason = f"{reason}; in a container of {place.image} it {verdict.fault}"
        return built or FailedBuild(source=source, reason=str(reason))

    def _find_or_build(
        self, source: Source, place: Host | Container, *, compiler: bool
    ) -> tuple[BuiltWheel | None, Verdict]:
        """Return the wheel if it fits. One that doesn't is kept all the same: it needn't be built again to know."""
        key = key_of(self._recipe(source, place, compiler=compiler))
        built = self._recall(key) or self._build(source, place, compiler=compiler)
        if isinstance(built, str):
            return None, Verdict(fault=built, native=False)
        self._store.remember(built, key)
        wheel = self._store.find(WHEELS, built.sha256, built.filename)
        if wheel is None:
            return None, Verdict(fault="is gone from the store", native=False)
        verdict = judge(wheel, self._request.target, self._request.libraries)
        if verdict.fault is not None:
            return None, verdict
        findings = tuple(self._findings(source, built, place, compiler=compiler))
        return dataclasses.replace(built, findings=findings), verdict

    def _recall(self, key: str) -> BuiltWheel | None:
        """Return an earlier build, unless its wheel is gone, or it could contain what isn't allowed now."""
        built = self._store.recall(BuiltWheel, key)
        if built is None or read_wheel(self._store, built.sha256, built.filename) is None:
            return None
        if self._request.only_index is not None and built.hosts is None:
            return None
        limits = [datetime.fromisoformat(time) for time in (built.uploaded_prior_to, self._limit) if time]
        return built if not self._limit or (built.uploaded_prior_to and limits[0] <= limits[1]) else None

    def _recipe(self, source: Source, place: Host | Container, *, compiler: bool) -> Recipe:
        constraint = self._request.build_constraint
        return Recipe(
            kind=source.kind,
            digest=source.digest,
            subdirectory=source.subdirectory,
            place=place.identity,
            compiler=compiler,
            constraint=constraint.read_text(encoding="utf-8") if constraint else "",
            variables=tuple(read_build_variables(self._request.pip_environment)),
        )

    def _build(self, source: Source, place: Host | Container, *, compiler: bool) -> BuiltWheel | str:
        """Build in a new directory, and return the wheel that is in the store then, or why there is none."""
        with self._store.workspace() as workspace:
            command = self._prepare(source, workspace, compiler=compiler)
            argv = [place.identity]
            try:
                argv, environment = place.start(command, self._runner)
                finished = self._runner(argv, workspace, environment)
            except NoPipError as error:
                return f"can't be built: {error}"
            except OSError as error:
                return f"can't be built: {argv[0]!r} can't be started ({error.strerror})"
            wheels = sorted(command.output.glob("*.whl"))
            if finished.status != 0 or len(wheels) != 1:
                logged = logged_failure(command.log) if command.log else ""
                said = hide_credentials(f"{finished.output}\n{logged}", environment, self._index_options)
                return _describe_failure(finished, said)
            hosts = logged_hosts(command.log) if command.log else None
            return self._keep(wheels[0], workspace, source, hosts)

    def _prepare(self, source: Source, workspace: Path, *, compiler: bool) -> Command:
        output, place = workspace / "out", workspace / "source"
        output.mkdir()
        if source.kind == "archive":
            # Under a plain name pip takes it for no release, and keeps no wheel of it in a cache of its own.
            place = workspace / f"source{_suffix(source.filename)}"
            shutil.copyfile(source.path, place)
        else:
            copy_project(source.path, place, keep_history=source.kind == "vcs")
        fragment = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        constraint = self._request.build_constraint
        if constraint is not None:
            shutil.copyfile(constraint, workspace / "constraint.txt")
        return Command(
            workspace=workspace,
            output=output,
            source=place,
            fragment=fragment,
            options=self._index_options,
            constraint=workspace / "constraint.txt" if constraint else None,
            variables={**os.environ, **dict(self._request.pip_environment), **self._network},
            compiler=compiler,
            uploaded_prior_to=self._limit,
            log=None if self._request.only_index is None else workspace / "pip.log",
        )

    def _keep(self, wheel: Path, workspace: Path, source: Source, hosts: tuple[str, ...] | None) -> BuiltWheel:
        name, version = parse_wheel_filename(wheel.name)[:2]
        normal = workspace / f"normal-{wheel.name}"
        normalise(wheel, normal, workspace=workspace)
        built = BuiltWheel(
            name=canonicalize_name(name),
            version=str(version),
            filename=wheel.name,
            sha256=sha256_of(normal),
            source=source.digest,
            metadata=read_metadata(normal),
            hosts=hosts,
            uploaded_prior_to=self._limit,
        )
        normal.replace(self._store.place(WHEELS, built.sha256, wheel.name))
        return built

    def _findings(self, source: Source, built: BuiltWheel, place: Host | Container, *, compiler: bool) -> list[Finding]:
        what, target = f"{built.name} {built.version}", self._request.target
        findings = []
        if not compiler:
            message = (
                f"{what} has no wheel for {target}, and what a compiler makes of {source.title} here doesn't run there. "
                "It was built without one, as its authors allow, and may be slower."
            )
            findings.append(
                Finding(id="built-without-compiler", severity=Severity.WARNING, message=message, subject=built.name)
            )
        if source.dynamic and place.version != target.runtime.version:
            python = "{}.{}".format(*place.version)
            message = (
                f"{what} says what it needs only when it is built, and it was built by Python {python}, not by "
                f"{target.runtime.name}: its dependencies may be others there. Put {target.runtime.name} on PATH."
            )
            findings.append(
                Finding(id="built-by-other-python", severity=Severity.WARNING, message=message, subject=built.name)
            )
        return findings


def read_wheel(store: Store, sha256: str, filename: str) -> Path | None:
    """Return the store's file of a built wheel if it still is what was built; it has no other source."""
    path = store.find(WHEELS, sha256, filename)
    if path is None:
        return None
    try:
        return path if sha256_of(path) == sha256 else None
    except OSError:
        return None


def _suffix(filename: str) -> str:
    return next((end for end in (".tar.gz", ".tar.bz2", ".tar.xz") if filename.endswith(end)), Path(filename).suffix)


def _describe_failure(finished: Finished, output: str) -> str:
    """Return the build's last lines, without what pip says about every failure."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if not line.lstrip().startswith(_OF_EVERY_FAILURE)]
    said = "\n      ".join(told[-_LAST_LINES:])
    return f"failed to build with status {finished.status}:\n      {said}"


# How pips say it: of a connection, of a file that their cache may have, and of a checkout.
_REQUESTS = re.compile(r'(https?://\S+) "[A-Z]+ /|Looking up "(https?://[^"]+)" in the cache|Cloning (\S+://\S+)')
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\S+ ?", re.MULTILINE)
# Behind the output of a command that failed, pip's own lines about it.
_ABOUT = ("ERROR: ", "[bold ")


def logged_hosts(log: Path) -> tuple[str, ...]:
    """Return the hosts that a build asked for what it needs, with ports that aren't usual; sorted."""
    found = (host_of(match[1] or match[2] or match[3]) for match in _REQUESTS.finditer(_read_log(log)))
    return tuple(
        sorted({f"{host}:{port}" if port not in (None, 80, 443) else host for host, port in filter(None, found)})
    )


def logged_failure(log: Path) -> str:
    """Return what the command said that failed, if one did."""
    before, failed, _ = _TIME.sub("", _read_log(log)).partition(": finished with status 'error'")
    lines = before.rpartition("Running command ")[2].splitlines()[1:-1] if failed else []
    return "\n".join(line for line in lines if not line.strip().startswith(_ABOUT))


def _read_log(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""


# What goes to the root, wherever a wheel has it (https://packaging.python.org/specifications/binary-distribution-format/).
_DATA = re.compile(r"\A[^/]+\.data/(?:purelib|platlib|data)/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a built wheel can be taken: `fault` says why not; `native` tells that a compiler had a hand in it."""

    fault: str | None
    native: bool


def judge(wheel: Path, target: Target, libraries: Iterable[str] = ()) -> Verdict:
    """Judge by the tags and, whatever they say, by each binary: a build knows only the machine that it runs on.

    `libraries` are the paths of what else is in the package, and may be needed.
    """
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename as error:
        return Verdict(fault=f"isn't named as wheels are ({error})", native=False)
    native = any(tag.platform != "any" for tag in tags)
    if not target.accepts_wheel(wheel.name):
        names = ", ".join(sorted(map(str, tags)))
        return Verdict(fault=f"came out as {wheel.name}, whose tag {names} {target} doesn't load", native=native)
    loader = _read_binaries(wheel, target, libraries)
    faults = [
        f"{binary.path} {fault.text}"
        for binary in broken_binaries(loader)
        for fault in binary.faults
        if fault.is_certain
    ]
    return Verdict(
        fault=f"came out as {wheel.name}, but {'; '.join(faults)}" if faults else None,
        native=native or bool(loader.binaries),
    )


def _read_binaries(wheel: Path, target: Target, libraries: Iterable[str]) -> Loader:
    """Return a loader for the binaries of a wheel, in a package that has nothing else but these libraries."""
    paths = set(libraries)
    binaries = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            path = _DATA.sub("", info.filename)
            paths.add(path)
            with archive.open(info) as stream:
                first = stream.read(MAGIC_SIZE)
                # In memory: it is read back and forth, and a member is inflated anew for each step back.
                examined = must_be_examined(path, first)
                facts = examine_file(path, io.BytesIO(first + stream.read())) if examined else None
            if facts is not None:
                binaries[path] = facts
    return Loader(target, paths, binaries)


def read_metadata(wheel: Path) -> str:
    """Return METADATA of a wheel that pip built."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(_find_metadata(archive)).decode("utf-8", "replace")


def normalise(wheel: Path, target: Path, *, workspace: Path) -> None:
    """Write the wheel's members in order of their names, without times, by the compressor that is everywhere the same.

    What was built of the same content then has the same sha256, whenever and in whose directory it was: URLs in METADATA
    that lead into the `workspace`, as poetry writes them for path dependencies, lead into `file:///build` instead.
    """
    segment = target.with_suffix(".segment")
    with zipfile.ZipFile(wheel) as archive, segment.open("wb") as stream:
        writer = SegmentWriter(stream)
        changed = _move_urls(archive, workspace)
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.filename in changed:
                write_bytes(writer, info.filename, changed[info.filename])
            elif not info.is_dir():
                _write(archive, info, writer)
        writer.finish(SegmentFacts())
    with target.open("wb") as stream:
        write_zip([Splice.whole(read_segment(segment, verify=False))], stream)
    segment.unlink()


def _find_metadata(archive: zipfile.ZipFile) -> str:
    return next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)


def _move_urls(archive: zipfile.ZipFile, workspace: Path) -> dict[str, bytes]:
    """Return the members that are others where the workspace has no name: METADATA, and RECORD with its digest."""
    name = _find_metadata(archive)
    record = name.removesuffix("METADATA") + "RECORD"
    old = new = archive.read(name)
    for place in {workspace, workspace.resolve()}:
        new = new.replace(place.as_uri().encode(), b"file:///build")
    if new == old:
        return {}
    return {name: new, record: archive.read(record).replace(_record_row(name, old), _record_row(name, new))}


def _record_row(path: str, content: bytes) -> bytes:
    return record_file([Member(path, False, len(content), hashlib.sha256(content).hexdigest())], "").splitlines()[0]


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, writer: SegmentWriter) -> None:
    executable = bool(info.external_attr >> 16 & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    write_content(writer, info.filename, lambda: archive.open(info), size=info.file_size, executable=executable)
