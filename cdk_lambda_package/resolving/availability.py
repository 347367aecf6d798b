"""Why no file of an index, and no build of a source, gives a wheel that the target loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from cdk_lambda_package.building import DOCKER_VARIABLE, FailedBuild
from cdk_lambda_package.errors import (
    BuildError,
    NoWheelError,
    RequirementsError,
    UnknownPackageError,
    UnknownVersionError,
)
from cdk_lambda_package.requirements.resolution import ResolutionRequest, place_of
from cdk_lambda_package.target import Target, manylinux_glibc

WHEELS_ELSEWHERE = {"psycopg2": "psycopg2-binary"}
"""Distributions that publish their wheels under another name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """A file that an index lists, and whether pip takes it for a candidate on the target, else why not."""

    filename: str
    version: Version
    tags: frozenset[Tag]
    requires_python: str | None
    yanked: bool
    accepted: bool
    detail: str

    @property
    def is_wheel(self) -> bool:
        """False for an sdist."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with the requirements, and the kind of error that it is."""

    kind: type[RequirementsError]
    message: str


def read_index_files(name: str, rows: Iterable[Mapping[str, Any]]) -> tuple[IndexFile, ...]:
    """Read what `inside_pip/record.py` wrote about the files of a distribution; others and unreadable names are left out."""
    return tuple(file for row in rows if (file := _read_file(name, row)) is not None)


def explain(requirement: Requirement, files: Sequence[IndexFile], target: Target) -> Problem | None:
    """Say why nothing satisfies a requirement, or None where something does.

    `files` are all that the indexes list for its distribution.
    """
    if not files:
        message = (
            f"no index knows {requirement.name!r}. Check the spelling, or name the index that has it with "
            "--index-url or --extra-index-url"
        )
        return Problem(kind=UnknownPackageError, message=message)
    matching = [file for file in files if requirement.specifier.contains(file.version, prereleases=True)]
    accepted = [file for file in matching if file.accepted]
    if not matching:
        return _unknown_version(requirement, files)
    if not accepted:
        return _no_file(requirement, matching, files, target)
    if not requirement.specifier.prereleases and all(file.version.is_prerelease for file in accepted):
        return _only_prereleases(requirement, accepted, files)
    if all(file.yanked for file in accepted) and not _is_pin(requirement):
        message = f"every release that satisfies {_show(requirement)} was yanked; require another version"
        return Problem(kind=UnknownVersionError, message=message)
    return None


def _read_file(name: str, row: Mapping[str, Any]) -> IndexFile | None:
    filename = row["filename"]
    tags: frozenset[Tag] = frozenset()
    try:
        if filename.endswith(".whl"):
            found, version, _, tags = parse_wheel_filename(filename)
        else:
            found, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    if found != name:
        return None
    return IndexFile(
        filename=filename,
        version=version,
        tags=tags,
        requires_python=row["requires_python"],
        yanked=row["yanked"],
        accepted=row["accepted"],
        detail=row["detail"],
    )


def _unknown_version(requirement: Requirement, files: Sequence[IndexFile]) -> Problem:
    usable = sorted({file.version for file in files if file.accepted} or {file.version for file in files})
    message = f"no release satisfies {_show(requirement)}; there are {_list_versions(usable, requirement)}"
    return Problem(kind=UnknownVersionError, message=message)


def _only_prereleases(
    requirement: Requirement, accepted: list[IndexFile], files: Sequence[IndexFile]
) -> Problem | None:
    finals = [file for file in files if file.accepted and not file.version.is_prerelease]
    if not finals:
        # Without any final release, pre-releases are taken as they are (PEP 440).
        return None
    newest = max(file.version for file in accepted)
    message = (
        f"only pre-releases satisfy {_show(requirement)}; require one by name, such as "
        f"{requirement.name}=={newest}, or add --pre to the requirements file"
    )
    return Problem(kind=UnknownVersionError, message=message)


def _no_file(
    requirement: Requirement, matching: list[IndexFile], files: Sequence[IndexFile], target: Target
) -> Problem:
    """Say why releases that satisfy the requirement have no file for the target."""
    wheels = [file for file in matching if file.is_wheel]
    fitting = [file for file in wheels if not file.tags.isdisjoint(target.tags)]
    # Of sdists, where none are let in, pip doesn't look at the time.
    if all(_is_late(file) for file in fitting or matching):
        message = f"every release that satisfies {_show(requirement)} is newer than uploaded_prior_to, or pip's --uploaded-prior-to, allows"
        return Problem(kind=UnknownVersionError, message=message)
    if fitting:
        reason = _explain_python(fitting, target)
    elif wheels:
        reason = f"has wheels, but none that {target} loads: {_explain_tags(wheels, target)}"
    elif not any(target.accepts_python(file.requires_python) for file in matching):
        reason = _explain_python(matching, target)
    else:
        reason = "has no wheel, only an sdist, and allow_build is False"
    return Problem(kind=NoWheelError, message=f"{_show(requirement)} {reason}. {_ways_out(requirement, files)}")


def _is_late(file: IndexFile) -> bool:
    return file.detail.startswith("Upload time ")


def _explain_python(wheels: list[IndexFile], target: Target) -> str:
    demands = sorted({file.requires_python for file in wheels if file.requires_python})
    if demands and not any(target.accepts_python(demand) for demand in demands):
        return f"requires Python {' or '.join(demands)}, but {target} has {target.runtime.full_version}"
    details = {"newer than uploaded_prior_to allows" if _is_late(file) else file.detail for file in wheels}
    return f"has wheels, but pip takes none for {target}: {'; '.join(sorted(details))}"


def _explain_tags(wheels: list[IndexFile], target: Target) -> str:
    machine = target.architecture.machine
    glibcs = [
        glibc
        for file in wheels
        for tag in file.tags
        if target.accepts_tag(f"{tag.interpreter}-{tag.abi}-linux_{machine}")
        and (glibc := manylinux_glibc(tag.platform, machine))
    ]
    if glibcs:
        needed, system = min(glibcs), target.runtime.system
        return "they need glibc {}.{}, ".format(*needed) + "{} has {}.{} ({})".format(
            target.runtime.name, *system.glibc, system.name
        )
    tags = {tag for file in wheels for tag in file.tags}
    platforms = {tag.platform for tag in target.tags}
    if pythons := {tag.interpreter for tag in tags if tag.platform in platforms}:
        return f"theirs are for {_list_some(pythons)}"
    return f"theirs are for {_list_some({tag.platform for tag in tags})}"


def _list_some(names: Iterable[str], most: int = 8) -> str:
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {rest} more" if rest > 0 else "")


def _ways_out(requirement: Requirement, files: Sequence[IndexFile]) -> str:
    ways = []
    usable = [file.version for file in files if file.accepted and file.is_wheel and not file.yanked]
    finals = [version for version in usable if not version.is_prerelease] or usable
    if finals:
        ways.append(f"require a version with such a wheel: the newest is {max(finals)}")
    if other := WHEELS_ELSEWHERE.get(requirement.name.lower()):
        ways.append(f"require {other}, the same with wheels")
    ways.append("put the package, built for the target, into vendor/")
    return f"Either {', or '.join(ways)}" if len(ways) > 1 else f"A way out: {ways[0]}"


def _list_versions(versions: list[Version], requirement: Requirement) -> str:
    """Name the newest versions, and those next to the one that was asked for."""
    chosen = {*versions[-3:]}
    pin = next((spec.version for spec in requirement.specifier if spec.operator == "=="), None)
    if pin and not pin.endswith("*"):
        chosen |= {*[version for version in versions if version < Version(pin)][-1:]}
        chosen |= {*[version for version in versions if version > Version(pin)][:1]}
    text = ", ".join(map(str, sorted(chosen)))
    return text if len(chosen) == len(versions) else f"{len(versions)}, among them {text}"


def _is_pin(requirement: Requirement) -> bool:
    return any(
        spec.operator == "===" or (spec.operator == "==" and not spec.version.endswith("*"))
        for spec in requirement.specifier
    )


def _show(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


Links = Mapping[str, Iterable[Mapping[str, Any]]]


def explain_failed_builds(failures: Sequence[FailedBuild], request: ResolutionRequest, links: Links) -> BuildError:
    """Return one error for all sources of which nothing could be built; `links` are what indexes have, by name."""
    lines = [_describe_failed(failure, request, links) for failure in failures]
    if len(lines) == 1:
        return BuildError(lines[0])
    packages = "\n".join(f"  - {line}" for line in lines)
    return BuildError(f"{len(lines)} packages can't be built for {request.target}:\n{packages}")


def _describe_failed(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
    source = failure.source
    place = place_of(source.comes_from, request.entry)
    prefix = f"{place[0]}:{place[1]}: " if place else ""
    unnamed = source.name.startswith("unbuilt-")
    known = "" if source.version == "0" else f" {source.version}"
    what = source.title if unnamed else f"{source.name}{known} has no wheel for {request.target}, and {source.title}"
    return f"{prefix}{what} {failure.reason}\n    {_ways_out_of_failure(failure, request, links)}"


def _ways_out_of_failure(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
    source, ways = failure.source, []
    files = read_index_files(source.name, links.get(source.name, ()))
    wheels = [file.version for file in files if file.is_wheel and not file.tags.isdisjoint(request.target.tags)]
    if wheels:
        ways.append(f"require a version that has a wheel for it (the newest is {max(wheels)})")
    elif source.kind == "archive":
        ways.append("require a version that has a wheel for it, if there is one")
    if other := WHEELS_ELSEWHERE.get(source.name):
        ways.append(f"require {other}, the same with wheels")
    ways.append("put the package, built for the target, into vendor/")
    if request.build_image is None:
        ways.append(f"build it in an image of {request.target}, set by packaging=Packaging(build_image=…) (it needs a "
                    f"container command: docker, or the one in ${DOCKER_VARIABLE})")  # fmt: skip
    return f"Either {', or '.join(ways)}."
