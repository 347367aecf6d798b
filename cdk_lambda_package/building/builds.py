"""Build sources into wheels for the target, each once: by the user's pip, in a process and a directory of their own.

A build is in the store under its inputs: the source's digest, the Python that builds, whether a compiler was allowed, and the
build constraints.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from cdk_lambda_package.building.places import Command, Container, Host, NoPipError
from cdk_lambda_package.building.sources import Source, copy_project, name_source
from cdk_lambda_package.building.wheels import Verdict, judge, normalise, read_metadata
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.processes import Finished, Runner
from cdk_lambda_package.requirements import ResolutionRequest, read_build_variables
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.urls import hide_credentials, host_of

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
            sha256=_sha256(normal),
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
        return path if _sha256(path) == sha256 else None
    except OSError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
