"""Stage 4: fetch and splice the wheels that the store doesn't have, and merge all segments into a tree."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER, check_entry
from cdk_lambda_package.catalogue import raise_for_unusable
from cdk_lambda_package.chalice import is_runtime_file
from cdk_lambda_package.errors import CommandError, EntryError, FindingsError
from cdk_lambda_package.failures import during
from cdk_lambda_package.hooks import RevisedInputs, revise
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import (
    LockedWheel,
    ResolutionRequest,
    TooLargeError,
    contributions,
    describe_large_file,
    size_limit,
)
from cdk_lambda_package.splicing import (
    APP,
    VENDOR,
    Decision,
    Layout,
    Omission,
    Provider,
    Saved,
    Segment,
    Series,
    Splice,
    Tree,
    batch_segments,
    find_wheel_segment,
    large_members,
    merge,
    records_segment,
    wheel_segments,
)
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.store import Store

# The kind of what threads claim while they fetch and splice it.
_WHEEL = "wheels"


@during("splicing the wheels and the app's files")
def lay_out(inputs: Inputs, store: Store, progress: Progress) -> Layout:
    """Make the segments that aren't there yet, and merge them into a tree.

    Raises `FindingsError` for a tree that the commands of `after_packaging` can't get, since no file system can have it.
    """
    exclude_files = Patterns(inputs.request.packaging.exclude_from_requirements or ())
    segments = fetch_segments(inputs, store, progress)
    providers = []
    with progress.step("compressing the app's own files"):
        for owner, own in ((APP, inputs.app.own), (VENDOR, inputs.app.vendored)):
            providers.append(Provider(owner=owner, files=Series(*batch_segments(own.batches, store))))
    for wheel in inputs.wheels:
        segment = segments[wheel.sha256]
        wants = _selection(segment, slim=wheel.name in inputs.slim, exclude_files=exclude_files)
        providers.append(Provider(owner=owner_of(wheel), files=Series(segment), wants=wants))
    with progress.step("merging files"):
        tree, splices = _merge(providers, store)
    former_owners: dict[str, str] = {}
    if commands := inputs.request.packaging.after_packaging:
        raise_for_unusable(tree.findings)
        with progress.step("running after_packaging"):
            revised = RevisedInputs(key=inputs.key, target=inputs.target, store=store)
            providers, left_out = revise(tree, splices, providers, commands, revised)
        former_owners = {entry.path: entry.owner for entry in tree.entries}
        tree, splices = _merge(providers, store)
        tree = dataclasses.replace(tree, findings=(*tree.findings, *left_out))
        if inputs.app.index and all(entry.path != inputs.app.index for entry in tree.entries):
            raise CommandError(f"after_packaging removed {inputs.app.index!r}, the handler's module.")
    if not tree.entries:
        if module := inputs.request.handler_module:
            check_entry(inputs.app.entry, module, inputs.request.naming_handler)
        raise EntryError(
            f"{str(inputs.app.entry)!r} has nothing to package: no app.py, {APP_FOLDER}/, {VENDOR_FOLDER}/ or requirements."
        )
    return Layout(
        tree=dataclasses.replace(tree, decisions=(*inputs.decisions, *tree.decisions)),
        splices=splices,
        owned={provider.owner: provider.files for provider in providers},
        former_owners=former_owners,
    )


def narrow(layout: Layout, left_out: Mapping[str, str], decisions: Iterable[Decision], store: Store) -> Layout:
    """Return a layout without some files, with the decisions about them; RECORDs are written anew.

    `left_out` has the kind of the decision by path.

    Example:
        `narrow(layout, {"demo/tests/test_demo.py": "slim-tests"}, decisions, store)`
    """
    before = layout.tree
    kept: defaultdict[str, set[str]] = defaultdict(set)
    for entry in before.entries:
        if entry.path not in left_out:
            kept[entry.owner].add(entry.path)
    providers = (
        Provider(owner=owner, files=files, wants=kept[owner].__contains__) for owner, files in layout.owned.items()
    )
    tree, splices = _merge(list(providers), store)
    # What was said of the whole tree stays true, unless it is about a file that isn't there any more.
    findings = tuple(one for one in before.findings if one.path not in left_out)
    tree = dataclasses.replace(tree, decisions=(*before.decisions, *decisions), findings=findings)
    saved = Saved(
        files=len(before.entries) - len(tree.entries),
        size=before.size - tree.size,
        archive_size=layout.archive_size - sum(splice.size for splice in splices),
    )
    omitted = tuple(
        Omission(entry.path, entry.owner, left_out[entry.path]) for entry in before.entries if entry.path in left_out
    )
    return dataclasses.replace(layout, tree=tree, splices=splices, saved=saved, omitted=omitted)


def _merge(providers: Sequence[Provider], store: Store) -> tuple[Tree, tuple[Splice, ...]]:
    tree = merge(providers)
    owned = {provider.owner: provider.files for provider in providers}
    splices = [splice for owner, kept in tree.kept.items() for splice in owned[owner].splices(kept)]
    if tree.records:
        splices.append(Splice.whole(records_segment(tree.records, store)))
    return tree, tuple(splices)


def fetch_segments(inputs: Inputs, store: Store, progress: Progress) -> dict[str, Segment]:
    """Return the segments of a package's wheels by their sha256, as `find_segments` does."""
    packaging = inputs.request.packaging
    is_final = not packaging.after_packaging and not packaging.value("slim")
    is_limited = size_limit(acknowledge=packaging.acknowledge or (), is_final=is_final) is not None
    exclude_files = Patterns(packaging.exclude_from_requirements or ()) if is_limited else None
    return find_segments(inputs.wheels, inputs.asked, store, progress, all_but=exclude_files)


@during("fetching and splicing the wheels")
def find_segments(
    wheels: Sequence[LockedWheel],
    asked: ResolutionRequest,
    store: Store,
    progress: Progress,
    *,
    all_but: Patterns | None = None,
) -> dict[str, Segment]:
    """Return the segments of wheels by their sha256; missing ones are fetched as it was `asked` for them, and spliced.

    Raises `TooLargeError` before a download that makes the wheels larger than the request's limit. If the package has all files
    of the wheels but some, raises `FindingsError` for those of the others that are above Lambda's limit by themselves.
    """
    by_hash = {wheel.sha256: wheel for wheel in wheels}
    segments = _known_segments(by_hash, store)
    while missing := by_hash.keys() - segments:
        with store.claims.taking([(_WHEEL, sha256) for sha256 in missing]) as taken:
            own = {sha256 for _, sha256 in taken}
            # Another thread may have made some of them in between.
            segments |= _known_segments(own, store)
            if own := own - segments.keys():
                chosen = [wheel for wheel in by_hash.values() if wheel.sha256 in own]
                # What other threads fetch counts too, as far as its size is known.
                expected = sum(by_hash[sha256].size for sha256 in missing - own)
                segments |= _make_segments(chosen, wheels, segments, expected, asked, store, progress, all_but)
        store.claims.wait_for([(_WHEEL, sha256) for sha256 in missing])
        segments |= _known_segments(missing - segments.keys(), store)
    return segments


def _known_segments(hashes: Iterable[str], store: Store) -> dict[str, Segment]:
    found = {sha256: find_wheel_segment(sha256, store) for sha256 in hashes}
    return {sha256: segment for sha256, segment in found.items() if segment is not None}


def _make_segments(
    missing: Sequence[LockedWheel],
    wheels: Sequence[LockedWheel],
    segments: Mapping[str, Segment],
    expected: int,
    asked: ResolutionRequest,
    store: Store,
    progress: Progress,
    all_but: Patterns | None,
) -> dict[str, Segment]:
    # Imported here, as is what splices: an edit of the app's code needs neither.
    from cdk_lambda_package.locks import with_indexes
    from cdk_lambda_package.resolving import fetch

    there = {sha256: sum(member.size for member in segment.members) for sha256, segment in segments.items()}
    rest = None if asked.size_limit is None else asked.size_limit - sum(there.values()) - expected
    try:
        limited = dataclasses.replace(asked, size_limit=rest)
        files = fetch(missing, with_indexes(limited), store=store, progress=progress)
    except TooLargeError as error:
        raise TooLargeError(contributions(wheels, _known_sizes(wheels, there, error))) from None
    if all_but is not None:
        _refuse_large_files(files, wheels, all_but)
    with progress.step("checking", total=len(missing), unit="wheels") as step:
        return wheel_segments(files, store, step)


def _known_sizes(wheels: Iterable[LockedWheel], there: Mapping[str, int], error: TooLargeError) -> dict[str, int]:
    """Return the sizes of wheels by their sha256: of what is there, of what pip was told, and of what the lock says."""
    told = {share.name: share.size for share in error.contributions}
    return {wheel.sha256: there.get(wheel.sha256) or told.get(wheel.name) or wheel.size for wheel in wheels}


def _refuse_large_files(files: Mapping[str, Path], wheels: Sequence[LockedWheel], all_but: Patterns) -> None:
    shares = contributions(wheels, {sha256: file.stat().st_size for sha256, file in files.items()})
    owners = dict(zip((wheel.sha256 for wheel in wheels if wheel.sha256 in files), shares, strict=True))
    findings = [
        describe_large_file(path, size, owners[sha256])
        for sha256, file in files.items()
        for path, size in large_members(file).items()
        if not all_but.match(path)
    ]
    if findings:
        raise FindingsError(findings, acknowledgeable=findings[0])


def _selection(segment: Segment, *, slim: bool, exclude_files: Patterns) -> Callable[[str], bool] | None:
    """Return what tells which files of a distribution are packaged; None if all are."""
    if not slim and not exclude_files:
        return None

    def wants(path: str) -> bool:
        needed = not slim or is_runtime_file(path) or path.startswith(f"{segment.facts.dist_info}/")
        return needed and not exclude_files.match(path)

    return wants
