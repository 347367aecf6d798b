"""Resolve requirements for a target with uv, the second resolver. Opt-in.

`uv pip compile` knows foreign platforms itself, but not manylinux_2_26, that of Amazon Linux 2: its 2_28 takes wheels
that don't load there, its 2_17 leaves out some that do. So uv is given an interpreter that answers for Amazon Linux 2.
Where that can't be, it resolves with the next newer one that it knows; in any case, what has no wheel for the target is
excluded until everything has. uv's own configuration counts, and of pip's the PIP_* variables that say where and of what
date packages are.
"""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import (
    BuildError,
    ConflictingRequirementsError,
    IndexUnreachableError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.requirements.requirements_file import (
    RequirementLine,
    has_requirements,
    read_index_options,
    read_lines,
)
from cdk_lambda_package.requirements.resolution import Resolution, ResolutionRequest
from cdk_lambda_package.resolving.pinned_sources import build_pinned
from cdk_lambda_package.resolving.tool_indexes import UV, index_variables
from cdk_lambda_package.store import Store
from cdk_lambda_package.uv.command import Question, ask, ask_edges, find_interpreter, make_environment
from cdk_lambda_package.uv.result import find_hashes, find_unfit, make_uv_resolution
from cdk_lambda_package.uv.sources import (
    BuildPlace,
    Sources,
    find_help,
    make_question,
    prepare_sources,
    requirement_of,
    take_sdists,
)
from cdk_lambda_package.uv.supply import refuse_places

# Releases in a row that lack a wheel, before we give up.
_MOST_RUNS = 100
# uv's words for what went wrong, in the order in which they are looked for.
_KINDS: tuple[tuple[str, type[RequirementsError]], ...] = (
    (r"Couldn't parse requirement|Expected .* after|Unexpected '", RequirementSyntaxError),
    (r"error sending request|Failed to fetch|dns error|[Cc]onnection refused", IndexUnreachableError),
    (r"Failed to build", BuildError),
    (r"was not found in the (package registry|provided)", UnknownPackageError),
    (r"no usable wheels|no wheels with a matching|no matching (Python|platform)", NoWheelError),
    (r"there (is|are) no versions? of .* and you require \S+, we can conclude that your req", UnknownVersionError),
    (r"No solution found", ConflictingRequirementsError),
)


def resolve_with_uv(
    request: ResolutionRequest, *, store: Store | None = None, runner: Runner = run_process
) -> Resolution:
    """Return the wheels that the requirements come to on the target; those that have to be built are in the store.

    Raises the kinds of `RequirementsError` in uv's words, and `ToolError` where uv isn't installed.
    """
    store, lines = store or Store.open(), _read_lines(request)
    if any(line.text == "--require-hashes" for line in lines):
        request = dataclasses.replace(request, require_hashes=True)
    refuse_places(request, make_environment(request), lines)
    with store.workspace() as workspace:
        return _Rounds(request, lines, store=store, workspace=workspace, runner=runner).resolve()


def _read_lines(request: ResolutionRequest) -> tuple[RequirementLine, ...]:
    path = request.requirements
    lines = tuple(read_lines(path)) if path is not None and has_requirements(path) else ()
    for line in lines:
        if (requirement := requirement_of(line.text)) is not None:
            # Raises for a marker that nobody can evaluate; uv would evaluate it to nothing.
            request.target.accepts_marker(requirement.marker)
        if other := [one for one in line.hashes if ":" in one]:
            raise UnsupportedRequirementError(
                f"{line.path.name}:{line.line}: --hash={other[0]} can't be compared with what uv resolves; give the sha256, "
                "64 hexadecimal digits, or resolve with pip."
            )
        if line.settings:
            raise UnsupportedRequirementError(
                f"{line.path.name}:{line.line}: {line.settings} behind a requirement isn't given to builds here: say it in "
                "the project's pyproject.toml, or by a variable in pip_environment."
            )
    return lines


class _Rounds:
    """uv is asked until everything fits: with what was built since, or without what the target doesn't load."""

    def __init__(
        self,
        request: ResolutionRequest,
        lines: tuple[RequirementLine, ...],
        *,
        store: Store,
        workspace: Path,
        runner: Runner,
    ) -> None:
        self._request, self._lines, self._runner = request, lines, runner
        # pip fetches and builds, from where uv's settings say.
        variables = index_variables(UV, None, request.entry, dict(request.pip_environment), hosts=request.only_index)
        asked = dataclasses.replace(request, pip_environment=variables)
        build = partial(build_pinned, request=asked, store=store, runner=runner)
        self._place = BuildPlace(build=build, store=store, links=workspace / "links")
        self._interpreter = find_interpreter(request.target, store)
        self._excluded: tuple[str, ...] = ()

    def resolve(self) -> Resolution:
        """Return what uv comes to."""
        sources = prepare_sources(self._request, self._lines, self._place.build)
        for _ in range(_MOST_RUNS):
            question = self._question(sources)
            answer = ask(question, self._runner)
            if answer.lock is None:
                sources = self._recover(answer.said, sources)
                continue
            more = take_sdists(answer.lock, find_hashes(self._lines), sources, self._place)
            unfit = find_unfit(answer.lock, self._request.target, self._lines, sources)
            if more == sources and not unfit:
                return self._finish(question, answer.lock["packages"], sources)
            sources, self._excluded = more, tuple(dict.fromkeys([*self._excluded, *unfit]))
        releases = ", ".join(self._excluded).replace("!=", " ")
        raise NoWheelError(f"No release that uv found has a wheel for {self._request.target}; tried were {releases}.")

    def _question(self, sources: Sources) -> Question:
        question = make_question(self._request, sources, self._place)
        # uv takes no --pre from a file.
        pre = any(line.text == "--pre" for line in self._lines)
        return dataclasses.replace(question, excluded=self._excluded, interpreter=self._interpreter, prereleases=pre)

    def _recover(self, said: str, sources: Sources) -> Sources:
        """Return what to go on with where uv failed; raises if there is nothing."""
        # uv wraps its sentences.
        plain = " ".join(said.split())
        if self._interpreter is not None and re.search(r"inspect|[Qq]uery(ing)? Python|interpreter", plain):
            self._interpreter = None
            return sources
        if self._request.allow_build:
            more = find_help(plain, sources, self._place)
            if more is not None:
                return more
        raise self._explain(said, plain)

    def _explain(self, said: str, plain: str) -> RequirementsError:
        target = self._request.target
        kind = next((kind for words, kind in _KINDS if re.search(words, plain)), RequirementsError)
        message = f"uv can't resolve the requirements for {target}: {said}"
        if kind is NoWheelError and not self._request.allow_build:
            message += "\nallow_build=False refuses to build them."
        if self._excluded and kind in (ConflictingRequirementsError, UnknownVersionError):
            kind, releases = NoWheelError, ", ".join(self._excluded).replace("!=", " ")
            message += f"\nLeft out were {releases}, which have no wheel for {target}."
        return kind(message)

    def _finish(self, question: Question, rows: list[dict[str, object]], sources: Sources) -> Resolution:
        needs = ask_edges(question, rows, self._runner)
        return make_uv_resolution(
            self._request, rows, self._find_bare(rows), needs=needs, sources=sources, lines=self._lines
        )

    def _find_bare(self, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        """Return what the app imports without requiring it, without dependencies."""
        request = self._request
        names = {str(row["name"]) for row in rows} | set(map(canonicalize_name, request.provided))
        bare = [line for line in request.bare if canonicalize_name(line) not in names]
        if not bare:
            return []
        options = read_index_options(request.requirements) if request.requirements else ()
        question = Question(
            request=request,
            lines=(*options, *bare),
            excluded=self._excluded,
            interpreter=self._interpreter,
            no_deps=True,
        )
        answer = ask(question, self._runner)
        if answer.lock is None:
            raise self._explain(answer.said, " ".join(answer.said.split()))
        found: list[dict[str, object]] = answer.lock["packages"]
        return found
