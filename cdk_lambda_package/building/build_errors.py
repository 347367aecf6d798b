"""What to say where no wheel for the target can be built. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cdk_lambda_package.building.build_outcomes import FailedBuild
from cdk_lambda_package.building.build_places import DOCKER_VARIABLE
from cdk_lambda_package.errors import BuildError
from cdk_lambda_package.requirements.availability import WHEELS_ELSEWHERE, read_index_files
from cdk_lambda_package.requirements.resolution import ResolutionRequest, find_place

Links = Mapping[str, Iterable[Mapping[str, Any]]]


def explain_failures(failures: Sequence[FailedBuild], request: ResolutionRequest, links: Links) -> BuildError:
    """Return one error for all sources of which nothing could be built; `links` are what indexes have, by name."""
    lines = [_describe(failure, request, links) for failure in failures]
    if len(lines) == 1:
        return BuildError(lines[0])
    packages = "\n".join(f"  - {line}" for line in lines)
    return BuildError(f"{len(lines)} packages can't be built for {request.target}:\n{packages}")


def _describe(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
    source = failure.source
    place = find_place(source.comes_from, request.entry)
    prefix = f"{place[0]}:{place[1]}: " if place else ""
    unnamed = source.name.startswith("unbuilt-")
    known = "" if source.version == "0" else f" {source.version}"
    what = source.title if unnamed else f"{source.name}{known} has no wheel for {request.target}, and {source.title}"
    return f"{prefix}{what} {failure.reason}\n    {_ways_out(failure, request, links)}"


def _ways_out(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
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
