"""Locks that name versions and hashes, not files: pip looks these up, without following a dependency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.locks.lock_check import find_own_names
from cdk_lambda_package.locks.pinned_lines import PinnedLines
from cdk_lambda_package.requirements.lock_file import LockFile, renewal
from cdk_lambda_package.requirements.metadata import trace_dependencies
from cdk_lambda_package.requirements.resolution import TOOL, ResolutionRequest
from cdk_lambda_package.resolving import (
    Built,
    PipRun,
    build_pinned,
    make_built_package,
    read_package,
    run_pip,
    run_with_sources,
)
from cdk_lambda_package.store import Store

_Roots = Mapping[str, tuple[str, ...]]


def look_up(
    request: ResolutionRequest, lock: LockFile, lines: PinnedLines, *, store: Store
) -> tuple[Pylock, tuple[Built, ...]]:
    """Have pip look up the files of pinned requirements, and nothing else; return also what had to be built.

    Raises `LockError` for a lock that isn't complete, what `build_pinned` does, and the kinds of `RequirementsError`.
    """
    named = build_pinned(lines.sources, request, store=store)
    packages = [make_built_package(*pair, request, direct=True) for pair in named.values()]
    result = _ask(request, lines, store) if lines.requirements else {"install": [], "built": {}}
    packages += [read_package(row, request, result["built"]) for row in result["install"]]
    roots = {**lines.extras} | {wheel.name: () for _, wheel in named.values()}
    tool = {
        "requirements": _roots(roots, find_own_names(lock, request.entry, request.groups)),
        "provided": list(request.provided),
    }
    pylock = Pylock(lock_version=Version("1.0"), created_by=lock.path.name, packages=packages, tool={TOOL: tool})
    _refuse_incomplete(pylock, roots, request, lock)
    return pylock, (*named.values(), *result["built"].values())


def _ask(request: ResolutionRequest, lines: PinnedLines, store: Store) -> dict[str, Any]:
    run = PipRun(
        command="install",
        target=request.target,
        requirements=request.requirements,
        only=("--require-hashes", *lines.requirements),
        options=(*request.pip_args, *lines.index_options),
        variables=request.pip_environment,
        known_metadata=request.known_metadata,
        no_deps=True,
        hashes_only=True,
        only_index=request.only_index,
    )
    if request.allow_build:
        return run_with_sources(run, request, {}, store=store)
    return {**run_pip(run, entry=request.entry), "built": {}}


def _roots(roots: _Roots, names: frozenset[str]) -> list[dict[str, Any]]:
    return [{"name": name, "extras": list(extras)} for name, extras in roots.items() if name in names or not names]


def _refuse_incomplete(pylock: Pylock, roots: _Roots, request: ResolutionRequest, lock: LockFile) -> None:
    dependencies = trace_dependencies(
        roots.items(),
        versions={package.name: package.version for package in pylock.packages if package.version},
        requires_dist={package.name: (package.tool or {})[TOOL]["requires-dist"] for package in pylock.packages},
        provided={canonicalize_name(name) for name in request.provided},
        target=request.target,
    )
    if dependencies.unmet:
        raise LockError(f"{lock.path} isn't complete for {request.target}: {'; '.join(dependencies.unmet)}. Renew it by "
                        f"{renewal(lock, ours='')}.")  # fmt: skip
