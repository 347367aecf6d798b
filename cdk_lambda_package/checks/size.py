"""Lambda's limits: the unzipped size with layers, and the size of the .zip file archive.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

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
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, OWN, VENDOR, Entry
from cdk_lambda_package.target import LARGEST_PACKAGE, LARGEST_UPLOAD, SDK

_SHOWN = 10
_WORTH_NAMING = 100_000


# Files for developers, type checkers and compilers, and Arrow's own network protocol.
_SPARE = ("tests/", "pyarrow/include/", "pyarrow/*flight*", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.hpp")


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for a package that Lambda rejects, and a note for one that it accepts only from S3."""
    sizes = _sizes_by_contributor(contents)
    size = sizes.total()
    if size > LARGEST_PACKAGE:
        parts = (_describe_size(size, contents), _describe_largest(sizes, contents), *_advise(size, contents))
        yield Finding(id=TOO_LARGE, severity=Severity.ERROR, message=" ".join(parts))
    if contents.archive_size > LARGEST_UPLOAD:
        yield Finding(
            id="archive-over-50-mb",
            severity=Severity.NOTE,
            message=f"The .zip file archive has {contents.archive_size:,} bytes. Above {LARGEST_UPLOAD:,} Lambda takes it "
            "from S3 only, where the CDK puts every asset; larger archives start slower.",
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


def _sizes_by_contributor(contents: PackageContents) -> Counter[str]:
    """Return the size in bytes of each distribution, each top-level name of the user's own files, and each layer."""
    sizes: Counter[str] = Counter()
    for entry in contents.entries.values():
        sizes[_contributor_of(entry, contents)] += entry.size
    for layer in contents.layers:
        if layer.known:
            sizes[f"layer {layer.name}"] += layer.size
    return sizes


def _contributor_of(entry: Entry, contents: PackageContents) -> str:
    if entry.owner not in OWN:
        return entry.owner
    folder, slash, _ = entry.path.partition("/")
    place = contents.place(entry.path).removesuffix(entry.path) + folder + slash
    return f"{place} of after_packaging" if entry.owner == AFTER_PACKAGING else place


def _advise(size: int, contents: PackageContents) -> Iterator[str]:
    """Yield what can be left out, and what to do if that isn't enough."""
    distributions = [entry for entry in contents.entries.values() if entry.owner not in OWN]
    own = [entry for entry in contents.entries.values() if entry.owner in (APP, VENDOR)]
    provided = [entry for entry in distributions if _distribution_of(entry) in SDK]
    left = size - _sum_sizes(provided)
    if provided:
        present = {_distribution_of(entry) for entry in provided}
        names = [name for name in SDK if name in present]
        yield f"packaging=Packaging(provided={names}) leaves out {size - left:,} bytes that the runtime has anyway."
    rest = [entry for entry in distributions if _distribution_of(entry) not in SDK]
    gone: set[Entry] = set()
    for option, entries in (("exclude_from_requirements", rest), ("exclude", own)):
        spared, patterns = _spare_files(entries, contents)
        gone |= spared
        left -= _sum_sizes(spared)
        if patterns:
            saved = _sum_sizes(spared)
            yield f"packaging=Packaging({option}={patterns}) leaves out {saved:,} bytes that few functions use."
    kept = _contributions((entry for entry in rest if entry not in gone), contents)
    for needless, unreached in _spare_distributions(kept, left - LARGEST_PACKAGE, contents):
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
    shares: Iterable[Contribution], surplus: int, contents: PackageContents
) -> Iterator[tuple[tuple[Contribution, ...], bool]]:
    """Yield the distributions that make up for a surplus of bytes: first those that no import reaches, told by True."""
    reached = {contents.owner(path) for path in contents.reach.all}
    # Without a handler's module, or a module of its requirements that is read, nothing is known.
    knows = not reached <= {None, *OWN}
    # Nor of what has compiled modules alone, which the graph doesn't have.
    readable = {entry.owner for entry in contents.entries.values() if entry.path.endswith(".py")}
    by_reach: dict[bool, list[Contribution]] = {True: [], False: []}
    for share in shares:
        owner = f"{share.name}=={share.version}"
        by_reach[knows and owner in readable - reached].append(share)
    for unreached, candidates in by_reach.items():
        needless = spare(candidates, surplus)
        surplus -= sum(share.size for share in needless)
        if needless:
            yield needless, unreached


def _distribution_of(entry: Entry) -> str:
    return entry.owner.partition("==")[0]


def _contributions(entries: Iterable[Entry], contents: PackageContents) -> Iterator[Contribution]:
    """Yield what is left of each distribution."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        sizes[entry.owner] += entry.size
    chains = find_chains(contents.required_by)
    for owner, size in sizes.items():
        name, _, version = owner.partition("==")
        yield Contribution(name, version, size, chains.get(name, ()))


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
    return sum(entry.size for entry in entries)
