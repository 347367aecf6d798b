"""Locks that name versions and hashes, not files: the lines that poetry and pipenv export, and their look-up by pip.

No dependency is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import Package, Pylock
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cdk_lambda_package.building import Built, PinnedSource
from cdk_lambda_package.errors import LockError, PackageError
from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.locks.own_project import project_name
from cdk_lambda_package.requirements import (
    TOOL,
    Contribution,
    LockFile,
    TooLargeError,
    contributions,
    exclude,
    parse_marker,
    parse_requirement,
)
from cdk_lambda_package.resolving import (
    PipRun,
    build_pinned,
    make_built_package,
    read_package,
    run_pip,
    run_with_sources,
    select_wheels,
    trace_dependencies,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256

if TYPE_CHECKING:
    from packaging.markers import Marker

_HASH = re.compile(r"(?<!\s)\s++--hash=(\S+)")
_INDEX = re.compile(r"(?:-i|--index-url|--extra-index-url)[ =]+(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedLines:
    """The requirements that apply to a target, each with its hashes and without its marker.

    `extras` are those of each by its normalised name. `sources` are commits and local projects, which have no hash.
    `index_options` name the lock's indexes besides the user's.
    """

    requirements: tuple[str, ...]
    sources: tuple[PinnedSource, ...]
    extras: Mapping[str, tuple[str, ...]]
    index_options: tuple[str, ...]


def read_pinned_lines(text: str, lock: LockFile, target: Target, *, renewal: str) -> PinnedLines:
    """Return what an exported lock has for the target.

    Raises `LockError` naming the requirements that it doesn't pin by a hash; `renewal` is the command that renews it.
    """
    requirements: list[str] = []
    unpinned: list[str] = []
    sources: list[PinnedSource] = []
    extras: dict[str, tuple[str, ...]] = {}
    for line in _logical_lines(text):
        hashes, named = _HASH.findall(line), _HASH.sub("", line).strip()
        if not hashes and (found := _parse_source(line, lock)) is not None:
            source, marker = found
            if not target.accepts_marker(marker):
                continue
            if not source.url.endswith(".whl"):
                sources.append(source)
                continue
            # A wheel needn't be built. The lock names a file, so that is the file that is meant.
            hashes, named = [f"sha256:{_local_sha256(source.url, lock)}"], source.url
        requirement = parse_requirement(_named_wheel(named, lock), lock.path)
        if not target.accepts_marker(requirement.marker):
            continue
        requirement.marker = None
        (requirements if hashes else unpinned).append(
            " ".join([str(requirement), *(f"--hash={one}" for one in hashes)])
        )
        extras[canonicalize_name(requirement.name)] = tuple(sorted(requirement.extras))
    if unpinned:
        advice = f"a lock that was written for another machine may lack it. Renew it by {renewal} there, or with a version given"
        if any(" @ " in line for line in unpinned):
            advice = "pipenv writes none for a URL. Download the file, and name its path in the Pipfile, or put it into vendor/"
        raise LockError(
            f"{lock.path} doesn't pin {', '.join(sorted(unpinned))} by a hash, though {target} needs it; {advice}."
        )
    return PinnedLines(
        requirements=tuple(requirements),
        sources=tuple(sources),
        extras=extras,
        # Besides the user's: a hash says which file is meant.
        index_options=tuple(f"--extra-index-url={url}" for url in dict.fromkeys(_INDEX.findall(text))),
    )


def _parse_source(line: str, lock: LockFile) -> tuple[PinnedSource, Marker | None] | None:
    """Return the commit or local project that a line names and its marker, or None for any other line."""
    what, _, marker = line.removeprefix("-e ").partition(" ; ")
    name, separator, url = what.strip().rpartition(" @ ")
    # No path has a NUL.
    if not separator and "://" not in url and url.startswith((".", "/")) and "\0" not in url:
        url = (lock.folder / url).resolve().as_uri()
    if not re.match(r"file:|\w+\+\S+@[0-9a-f]{40}(#|$)", url):
        return None
    url, _, fragment = url.partition("#")
    named, part = (re.search(rf"(?:^|&){key}=([^&]+)", fragment) for key in ("egg", "subdirectory"))
    name = name.partition("[")[0] or (named[1].partition("[")[0] if named else "")
    url = f"{url}#subdirectory={part[1]}" if part else url
    return PinnedSource(name=name, url=url), parse_marker(marker, lock.path) if marker else None


def _named_wheel(line: str, lock: LockFile) -> str:
    """Return a line that is the URL of a wheel with the name that the wheel has; any other line as it is."""
    url, separator, marker = line.partition(" ; ")
    path = url.partition("#")[0]
    if not re.match(r"\w+:/\S+\.whl$", path):
        return line
    try:
        name = parse_wheel_filename(unquote(path.rpartition("/")[2]))[0]
    except InvalidWheelFilename as error:
        raise LockError(f"{lock.path} has {url!r}, which isn't named as wheels are: {error}. Correct it.") from error
    return f"{name} @ {url}{separator}{marker}"


def _local_sha256(url: str, lock: LockFile) -> str:
    try:
        return file_sha256(Path(unquote(urlsplit(url).path)))
    except OSError as error:
        raise LockError(f"{lock.path} has {url}, which can't be read: {error.strerror}. Correct the path.") from error


def _logical_lines(text: str) -> Iterator[str]:
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if line.strip() and not line.strip().startswith(("#", "-i", "--")):
            yield line.strip()


class PinnedFormat(LockFormat):
    """A lock that names versions and hashes; pip looks the files up, and follows no dependency."""

    def read(self, store: Store) -> tuple[Pylock, tuple[Built, ...]]:
        """Return the files that pip finds, and what had to be built of the lock's sources.

        Raises `LockError` for a lock that isn't complete, what `build_pinned` does, and the kinds of `RequirementsError`.
        """
        lines = read_pinned_lines(self.exported(store), self.lock, self.request.target, renewal=self.renewal(""))
        if self.own_project:
            own = PinnedSource(name=project_name(self.own_project), url=self.own_project.as_uri())
            lines = replace(lines, sources=(*lines.sources, own))
        return self.look_up(lines, store)

    def look_up(self, lines: PinnedLines, store: Store) -> tuple[Pylock, tuple[Built, ...]]:
        """Return the files of pinned requirements as a lock, and what had to be built."""
        request = self.request
        named = build_pinned(lines.sources, request, store=store, progress=self.progress)
        packages = [make_built_package(*pair, request, direct=True) for pair in named.values()]
        roots = {**lines.extras} | {wheel.name: () for _, wheel in named.values()}
        result = self._ask(lines, roots, store) if lines.requirements else {"install": [], "built": {}}
        packages += [read_package(row, request, result["built"]) for row in result["install"]]
        pylock = self._join(packages, roots)
        self._refuse_incomplete(pylock, roots)
        return pylock, (*named.values(), *result["built"].values())

    def _join(self, packages: Sequence[Package], roots: Mapping[str, tuple[str, ...]]) -> Pylock:
        own = self.own_names()
        rows = [{"name": name, "extras": list(extras)} for name, extras in roots.items() if name in own or not own]
        tool = {TOOL: {"requirements": rows, "provided": list(self.request.provided)}}
        return Pylock(lock_version=Version("1.0"), created_by=self.lock.path.name, packages=packages, tool=tool)

    def _ask(self, lines: PinnedLines, roots: Mapping[str, tuple[str, ...]], store: Store) -> dict[str, Any]:
        request = self.request
        run = PipRun(
            request=replace(request, pip_args=(*request.pip_args, *lines.index_options)),
            only=("--require-hashes", *lines.requirements),
            hashes_only=True,
            progress=self.progress,
        )
        in_short = replace(run, only=lines.requirements, ignore_hashes=True)
        if request.size_limit is not None and request.excluded:
            # pip follows no dependency here, so it can't tell what only excluded distributions need, and compares nothing.
            shares = self._shares(in_short, roots, store, {})
            if sum(share.size for share in shares) > request.size_limit:
                raise TooLargeError(shares)
        try:
            if request.allow_build:
                return run_with_sources(run, store=store)
            return {**run_pip(run, store), "built": {}}
        except TooLargeError as error:
            told = {share.name: share.size for share in error.contributions}
            raise TooLargeError(self._shares(in_short, roots, store, told) or error.contributions) from None

    def _shares(
        self, run: PipRun, roots: Mapping[str, tuple[str, ...]], store: Store, told: Mapping[str, int]
    ) -> Sequence[Contribution]:
        """Return the sizes of the wheels that aren't excluded, and who requires them; () where pip can't find that out.

        The lock says neither. Without hashes to compare, pip downloads no more than metadata if an index has it apart.
        """
        try:
            packages = [read_package(row, self.request) for row in run_pip(run, store)["install"]]
            wheels = exclude(select_wheels(self._join(packages, roots), self.request.target), self.request.excluded)
        except PackageError:
            return ()
        return contributions(wheels, {wheel.sha256: told.get(wheel.name) or wheel.size for wheel in wheels})

    def _refuse_incomplete(self, pylock: Pylock, roots: Mapping[str, tuple[str, ...]]) -> None:
        unmet = trace_dependencies(
            roots.items(),
            pylock.packages,
            provided={canonicalize_name(name) for name in self.request.provided},
            target=self.request.target,
        ).unmet
        if unmet:
            raise LockError(
                f"{self.lock.path} isn't complete for {self.request.target}: {'; '.join(unmet)}. Renew it by "
                f"{self.renewal('')}."
            )
