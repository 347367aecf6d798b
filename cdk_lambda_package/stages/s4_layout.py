"""Stage 4: fetch and splice the wheels that the store doesn't have, and merge all segments into a tree."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER, Origin
from cdk_lambda_package.chalice import is_runtime_file
from cdk_lambda_package.errors import CommandError, EntryError
from cdk_lambda_package.hooks import revise
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import LockedWheel, ResolutionRequest, allowed_hosts
from cdk_lambda_package.splicing import (
    AFTER_PACKAGING,
    APP,
    VENDOR,
    Layout,
    Provider,
    Segment,
    Splice,
    Tree,
    below,
    files_segment,
    find_wheel_segment,
    merge,
    records_segment,
    wheel_segments,
)
from cdk_lambda_package.stages.s1_app import requirements_source
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.store import Store


def lay_out(inputs: Inputs, store: Store, progress: Progress) -> Layout:
    """Make the segments that aren't there yet, and merge them into a tree."""
    segments = _find_segments(inputs, store, progress)
    own = {
        owner: files_segment([file for file in inputs.app.files if file.origin is origin], store)
        for owner, origin in ((APP, Origin.APP), (VENDOR, Origin.VENDOR))
    }
    providers = [Provider(owner=owner, members=segment.members) for owner, segment in own.items()]
    providers += [_provider(wheel, segments[wheel.sha256], inputs) for wheel in inputs.wheels]
    tree = merge(providers)
    by_owner = own | {owner_of(wheel): segments[wheel.sha256] for wheel in inputs.wheels}
    splices = _splice(tree, by_owner, store)
    if inputs.request.packaging.after_packaging:
        progress("Running after_packaging")
        commands = inputs.request.packaging.after_packaging
        providers, by_owner[AFTER_PACKAGING] = revise(tree, splices, providers, commands, inputs.key, store)
        tree = merge(providers)
        if inputs.app.index and all(entry.path != inputs.app.index for entry in tree.entries):
            raise CommandError(f"after_packaging removed {inputs.app.index!r}, the handler's module.")
        splices = _splice(tree, by_owner, store)
    if not tree.entries:
        raise EntryError(
            f"{str(inputs.app.entry)!r} has nothing to package: no app.py, {APP_FOLDER}/, {VENDOR_FOLDER}/ or requirements."
        )
    return Layout(
        tree=dataclasses.replace(tree, decisions=(*inputs.decisions, *tree.decisions)),
        splices=tuple(splices),
        segments=by_owner,
    )


def place(layout: Layout, root: str, store: Store) -> Layout:
    """Return the layout with all files below a folder, such as a layer's `python`; the same one if there is no folder."""
    if not root:
        return layout
    entries = tuple(entry._replace(path=f"{root}/{entry.path}") for entry in layout.tree.entries)
    splices = tuple(below(splice, root, store) for splice in layout.splices)
    return dataclasses.replace(layout, tree=dataclasses.replace(layout.tree, entries=entries), splices=splices)


def _splice(tree: Tree, segments: Mapping[str, Segment], store: Store) -> list[Splice]:
    splices = [Splice(segment=segments[owner], kept=kept) for owner, kept in tree.kept.items()]
    if tree.records:
        splices.append(Splice.whole(records_segment(tree.records, store)))
    return splices


def _find_segments(inputs: Inputs, store: Store, progress: Progress) -> dict[str, Segment]:
    inside = inputs.inspected
    found = {
        wheel.sha256: find_wheel_segment(wheel.sha256, store, inspected=wheel.sha256 in inside)
        for wheel in inputs.wheels
    }
    segments = {sha256: segment for sha256, segment in found.items() if segment is not None}
    missing = [wheel for wheel in inputs.wheels if wheel.sha256 not in segments]
    if missing:
        # Imported here, as is what splices: an edit of the app's code needs neither.
        from cdk_lambda_package.locks import with_indexes
        from cdk_lambda_package.resolving import fetch

        progress(f"Fetching {len(missing)} wheels for {inputs.target}")
        packaging, (requirements, lock) = inputs.request.packaging, requirements_source(inputs.request, inputs.app)
        request = ResolutionRequest(
            entry=inputs.app.entry,
            target=inputs.target,
            requirements=requirements,
            pip_args=tuple(packaging.pip_args or ()),
            pip_environment=tuple((packaging.pip_environment or {}).items()),
            only_index=None if packaging.only_index is None else allowed_hosts(packaging.only_index),
            lock=lock,
        )
        files = fetch(missing, with_indexes(request), store=store)
        progress(f"Checking {len(missing)} wheels")
        chosen = {wheel.sha256: files[wheel.sha256] for wheel in missing}
        segments |= wheel_segments(chosen, store, inspected=inside)
    return segments


def _provider(wheel: LockedWheel, segment: Segment, inputs: Inputs) -> Provider:
    dist_info = segment.facts.dist_info
    exclude_files = Patterns(inputs.request.packaging.exclude_from_requirements or ())
    slim = wheel.name in inputs.slim

    def wants(path: str) -> bool:
        if slim and not is_runtime_file(path) and not path.startswith(f"{dist_info}/"):
            return False
        return not exclude_files.match(path)

    return Provider(
        owner=owner_of(wheel),
        members=segment.members,
        dist_info=dist_info,
        units=frozenset(segment.facts.units),
        wants=wants if slim or exclude_files else None,
    )
