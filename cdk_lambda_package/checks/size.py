"""Lambda's limits: the unzipped size with layers, and the size of the .zip file archive.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.requirements import (
    TOO_LARGE,
    Contribution,
    describe_share,
    find_chains,
    spare,
    suggest_exclusion,
)
from cdk_lambda_package.slimming import may_be_unneeded
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, OWN, VENDOR, Entry
from cdk_lambda_package.store import remembered
from cdk_lambda_package.target import LARGEST_PACKAGE, LARGEST_UPLOAD, SDK

_SHOWN = 10
_WORTH_NAMING = 100_000


# Files for developers, type checkers and compilers, and Arrow's own network protocol.
_SPARE = ("tests/", "pyarrow/include/", "pyarrow/*flight*", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.hpp")


@remembered("sizes", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Distributions:
    """The sizes of a package's distributions, in bytes, by owner, and what can be left out of them.

    `spared` are the bytes that the `patterns` leave out of those that the runtime hasn't. `readable` are those with sources. `slim` are the bytes that the option `slim` may leave out, at most.
    """

    sizes: dict[str, int]
    patterns: tuple[str, ...]
    spared: dict[str, int]
    readable: tuple[str, ...]
    slim: int


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for a package that Lambda rejects, and a note for each archive that it accepts only from S3."""
    layers = sum(layer.size for layer in contents.layers if layer.known)
    size = _sum_sizes(contents.entries.values()) + contents.compiled_size + layers
    large = [upload for upload in _uploads(contents) if upload.size > LARGEST_UPLOAD]
    if size <= LARGEST_PACKAGE and not large:
        return
    known = contents.surroundings.known(_Distributions, lambda: _weigh_distributions(contents))
    if size > LARGEST_PACKAGE:
        own = [entry for entry in contents.entries.values() if entry.owner in OWN]
        largest = _describe_largest(_sizes_by_contributor(known, own, contents), contents)
        parts = (_describe_size(size, contents), largest, *_advise(size, known, own, contents))
        yield Finding(id=TOO_LARGE, severity=Severity.ERROR, message=" ".join(parts))
    for upload in large:
        told = (
            f"{upload.name} has {upload.size:,} bytes. Above {LARGEST_UPLOAD:,} Lambda takes it from S3 only, where the CDK "
            "puts every asset; larger archives start slower."
        )
        message = " ".join((told, *(_advise_slim(known, contents) if upload.has_requirements else ())))
        yield Finding(id="archive-over-50-mb", severity=Severity.NOTE, message=message)


class _Upload(NamedTuple):
    """An archive as messages name it, and its bytes. `slim` leaves out files of requirements only."""

    name: str
    size: int
    has_requirements: bool = True


def _uploads(contents: PackageContents) -> tuple[_Upload, ...]:
    if not contents.layer_archive_size:
        return (_Upload("The .zip file archive", contents.archive_size),)
    return (
        _Upload("The function's .zip file archive", contents.archive_size, has_requirements=False),
        _Upload("The .zip file archive of the layer with its dependencies", contents.layer_archive_size),
    )


def _advise_slim(known: _Distributions, contents: PackageContents) -> Iterator[str]:
    if not contents.is_slim and known.slim >= _WORTH_NAMING:
        yield (
            f"packaging=Packaging(slim=True) leaves out up to {known.slim:,} bytes: tests, files for compilers and type checkers, and data of "
            "AWS services, as far as it is sure that the function doesn't need them."
        )


def _weigh_distributions(contents: PackageContents) -> _Distributions:
    entries = [entry for entry in contents.entries.values() if entry.owner not in OWN]
    sizes, spared = Counter[str](), Counter[str]()
    for entry in entries:
        sizes[entry.owner] += entry.size
    files, patterns = _spare_files([entry for entry in entries if not _is_in_runtime(entry.owner)], contents)
    for entry in files:
        spared[entry.owner] += entry.size
    unneeded = may_be_unneeded(entry.path for entry in entries)
    readable = sorted({entry.owner for entry in entries if entry.path.endswith(".py")})
    return _Distributions(
        sizes=dict(sizes),
        patterns=tuple(patterns),
        spared=dict(sorted(spared.items())),
        readable=tuple(readable),
        slim=_sum_sizes(entry for entry in entries if entry.path in unneeded),
    )


def _describe_size(size: int, contents: PackageContents) -> str:
    unknown = ", ".join(layer.name for layer in contents.layers if not layer.known)
    layers = (
        "" if not contents.layers else f" with its layers (not counting {unknown})" if unknown else " with its layers"
    )
    return (
        f"The package has {size:,} bytes unzipped{layers}, and Lambda takes {LARGEST_PACKAGE:,}: {size - LARGEST_PACKAGE:,} "
        "too many."
    )


def _describe_largest(sizes: Counter[str], contents: PackageContents) -> str:
    chains = find_chains(contents.required_by)
    named = (
        f"{name} ({describe_share(size, chains.get(name.partition('==')[0], ()))})"
        for name, size in sizes.most_common(_SHOWN)
    )
    return f"Largest are {', '.join(named)}."


def _sizes_by_contributor(known: _Distributions, own: Iterable[Entry], contents: PackageContents) -> Counter[str]:
    """Return the size in bytes of each distribution, each top-level name of the user's own files, and each layer."""
    sizes = Counter(known.sizes)
    for entry in own:
        sizes[_contributor_of(entry, contents)] += entry.size
    for layer in contents.layers:
        if layer.known:
            sizes[f"layer {layer.name}"] += layer.size
    if contents.compiled_size:
        sizes["bytecode, which the option bytecode adds"] = contents.compiled_size
    return sizes


def _contributor_of(entry: Entry, contents: PackageContents) -> str:
    folder, slash, _ = entry.path.partition("/")
    place = contents.place(entry.path).removesuffix(entry.path) + folder + slash
    return f"{place} of after_packaging" if entry.owner == AFTER_PACKAGING else place


def _advise(size: int, known: _Distributions, own: Iterable[Entry], contents: PackageContents) -> Iterator[str]:
    """Yield what can be left out, and what to do if that isn't enough."""
    provided = {owner: size for owner, size in known.sizes.items() if _is_in_runtime(owner)}
    left = size - sum(provided.values())
    # How much it really is takes the function's imports, so that nothing is subtracted.
    yield from _advise_slim(known, contents)
    if provided:
        present = set(map(_distribution_of, provided))
        names = [name for name in SDK if name in present]
        yield f"packaging=Packaging(provided={names}) leaves out {size - left:,} bytes that the runtime has anyway."
    of_user, own_patterns = _spare_files([entry for entry in own if entry.owner in (APP, VENDOR)], contents)
    for option, patterns, saved in (
        ("exclude_from_requirements", [*known.patterns], sum(known.spared.values())),
        ("exclude", own_patterns, _sum_sizes(of_user)),
    ):
        left -= saved
        if patterns:
            yield f"packaging=Packaging({option}={patterns}) leaves out {saved:,} bytes that few functions use."
    kept = {owner: size - known.spared.get(owner, 0) for owner, size in known.sizes.items() if owner not in provided}
    for needless, unreached in _spare_distributions(kept, left - LARGEST_PACKAGE, known, contents):
        if unreached:
            yield f"No import of the function reaches {' and '.join(share.name for share in needless)}."
        left -= sum(share.size for share in needless)
        yield suggest_exclusion(needless)
    if left <= LARGEST_PACKAGE:
        yield f"That leaves {left:,}."
    else:
        yield (
            "Leave out more, split the function, or deploy it as a container image, which may have 10 GB "
            "(aws_lambda.DockerImageFunction). A layer doesn't help: its size counts too."
        )


def _spare_distributions(
    sizes: Mapping[str, int], surplus: int, known: _Distributions, contents: PackageContents
) -> Iterator[tuple[tuple[Contribution, ...], bool]]:
    """Yield the distributions that make up for a surplus of bytes: first those that no import reaches, told by True."""
    reached = {contents.owner(path) for path in contents.reach.all}
    # Without a handler's module, or a module of its requirements that is read, nothing is known.
    knows = not reached <= {None, *OWN}
    # Nor of what has compiled modules alone, which the graph doesn't have.
    unread = {*known.readable} - reached
    chains = find_chains(contents.required_by)
    by_reach: dict[bool, list[Contribution]] = {True: [], False: []}
    for owner, size in sizes.items():
        name, _, version = owner.partition("==")
        by_reach[knows and owner in unread].append(Contribution(name, version, size, chains.get(name, ())))
    for unreached, candidates in by_reach.items():
        needless = spare(candidates, surplus)
        surplus -= sum(share.size for share in needless)
        if needless:
            yield needless, unreached


def _distribution_of(owner: str) -> str:
    return owner.partition("==")[0]


def _is_in_runtime(owner: str) -> bool:
    return _distribution_of(owner) in SDK


def _spare_files(entries: list[Entry], contents: PackageContents) -> tuple[frozenset[Entry], list[str]]:
    """Return the files that can be left out, and the patterns for it."""
    patterns: list[str] = []
    spared: frozenset[Entry] = frozenset()
    left = {contents.place(entry.path): entry for entry in entries}
    for pattern in _SPARE:
        matching = Patterns((pattern,)).select(left)
        if any(_is_read_by_module(left[place].path, contents) for place in matching):
            continue
        if sum(left[place].size for place in matching) >= _WORTH_NAMING:
            patterns.append(pattern)
            spared |= {left.pop(place) for place in matching}
    return spared, patterns


def _is_read_by_module(path: str, contents: PackageContents) -> bool:
    """Return whether a file is the .pyi file that the module beside it reads its names from, with lazy_loader."""
    module = path.removesuffix("i")
    if not path.endswith(".pyi") or module not in contents.entries:
        return False
    return any(statement.stub for statement in contents.imports.facts(module).imports)


def _sum_sizes(entries: Iterable[Entry]) -> int:
    return sum(map(attrgetter("size"), entries))
