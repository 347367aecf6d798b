"""From an entry directory to a deployment package: `package` is the whole way, read top to bottom.

The stages are in `stages`. Between two of them, the store is asked whether an earlier build of the same inputs knows the
answer; if so, the stages after it aren't called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cdk_lambda_package.app_directory import settled
from cdk_lambda_package.binaries import is_named_as_library
from cdk_lambda_package.catalogue import raise_for_errors
from cdk_lambda_package.errors import Finding, PackageError, RequirementsError, Severity, has_errors
from cdk_lambda_package.examiners import WORTH, Examiners
from cdk_lambda_package.handlers import in_full
from cdk_lambda_package.hooks import PreparedEntry, prepare
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.manifest import ArchiveContent, as_json, describe_package
from cdk_lambda_package.options import PackageRequest, with_defaults
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import Resolution, ResolutionRequest
from cdk_lambda_package.smoke import skip, unproven
from cdk_lambda_package.splicing import (
    ContentDigest,
    Layout,
    Part,
    Saved,
    Segment,
    Splice,
    find_splices,
    find_wheel_segment,
)
from cdk_lambda_package.stages import (
    Archive,
    Archives,
    InFolder,
    Inputs,
    PackageKey,
    Review,
    Sharing,
    add_bytecode,
    archives_of,
    check_package,
    cure_findings,
    fetch_segments,
    find_resolution,
    find_segments,
    find_unneeded,
    import_package,
    is_current,
    join_inputs,
    lay_out,
    narrow,
    obstacle_here,
    plan_locked,
    read_contents,
    read_requested_app,
    recalled_import,
    resolve_as_locked,
    review_key,
    why_uncompiled,
    with_companions,
    write_output,
)
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.store_upkeep import size_limit, tidy
from cdk_lambda_package.target import RUNTIMES, Target, is_known_version
from cdk_lambda_package.workers import check_end

if TYPE_CHECKING:
    from cdk_lambda_package.carried_sboms import CarriedSbom
    from cdk_lambda_package.checks import PackageContents

MANIFESTS = "manifests"
"""The kind of the store's records that are manifests."""

# What a package contains, without what the import graph adds to a manifest: a build writes no more.
_CONTENTS = "package-contents"
# Raise it whenever the same content would give another manifest.
_MANIFEST = "manifest 3"
_SBOMS, _INVENTORIES = "sboms", "sbom-inventories"
# Raise it whenever the same content would give another SBOM.
_SBOM = "sbom 2"
# Distributions on which an SBOM depends, besides the content.
_SBOM_WRITERS = (
    *("cdk_lambda_package", "cyclonedx_python_lib", "license_expression", "packageurl_python", "py_serializable"),
    # It knows the default index, whose files have a package URL of their own.
    "pip",
)

Destination = Callable[[ContentDigest], Path]
"""Returns where to write a package, by the digest of its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyLayer:
    """The layer of a package with `dependencies="layer"`.

    Attributes:
        path: The written archive, None if nothing was to be written.
        content_digest: The sha256 of its content.
        size: Its size unzipped, in bytes.
        files: The number of its files.
    """

    path: Path | None
    content_digest: ContentDigest
    size: int
    files: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPackage:
    """A package that was made, or that existed already.

    Attributes:
        name: The name of the entry directory.
        path: The written archive or directory, None if nothing was to be written.
        index: The app's own module in the package, "" if it has none.
        handler: The handler's name in that module, in full if it is in another one; None if it was neither given nor found.
        handler_names: All names of the module; None if they can't be known.
        package_key: The digest of all inputs.
        content_digest: The sha256 of the content of the function's archive, with paths and modes: the asset hash.
        size: The size of the function's files unzipped, in bytes.
        bytecode_size: The size of the bytecode that was compiled, of a layer too, unzipped, in bytes.
        files: The number of the function's files.
        saved: The files that `slim` left out, of a layer too: their number, size, and size in the archive. None without `slim`.
        layer: The layer with the requirements and vendor/ of `dependencies="layer"`, else None.
        target: The runtime and the architecture that it is for.
        findings: The warnings and notes that aren't acknowledged.
        request: The request that it was made for, with all defaults.
        manifest_key: The key of the manifest in the store.
        content_key: The key of the description of its content in the store.
        store: The store that it was made with.
        sharing: The needs of the functions that share its layer, None if it is alone.

    Example:
        `package(request, lambda digest: Path("orders.zip")).content_digest`
    """

    name: str
    path: Path | None
    index: str
    handler: str | None
    handler_names: tuple[str, ...] | None
    package_key: PackageKey
    content_digest: ContentDigest
    size: int
    bytecode_size: int
    files: int
    saved: Saved | None
    layer: DependencyLayer | None
    target: Target
    findings: tuple[Finding, ...]
    request: PackageRequest = field(repr=False, compare=False)
    sharing: Sharing | None = field(repr=False, compare=False)
    content_key: str = field(repr=False)
    manifest_key: str = field(repr=False)
    store: Store = field(repr=False, compare=False)

    @property
    def function_handler(self) -> str | None:
        """The value of a function's property `Handler`, such as `app.handler`; None if the handler is unknown."""
        return in_full(self.handler, self.index) if self.handler is not None else None

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest (docs/reference/manifest.md), without the digest of the .zip. Read on each access.

        Raises `PackageError` if the store was cleared since, and the entry directory is another.
        """
        manifest: dict[str, Any] = json.loads(self.manifest_json)
        return manifest

    @property
    def manifest_json(self) -> bytes:
        """The manifest as text; `manifest_key` is the same as long as it is. Raises as `manifest` does."""
        known = self.store.read(MANIFESTS, self.manifest_key)
        if known is not None:
            return known
        inspected = _inspect(self.request, self.store, among=AmongOthers(sharing=self.sharing))
        if inspected.examined.inputs.content_key != self.content_key:
            raise self._gone()
        made = msgspec.json.encode(_manifest_of(inspected, self.content))
        self.store.write(made, MANIFESTS, self.manifest_key)
        return made

    @property
    def content(self) -> dict[str, Any]:
        """What the package contains, with the origin of each file: the manifest without what needs the import graph.

        It has neither `imports` nor `lock`, nor the `requirements` of distributions. Raises as `manifest` does.
        """
        known = self.store.read(_CONTENTS, self.content_key)
        if known is None:
            # It was altered, or removed by another process.
            self._make_again()
            known = self.store.read(_CONTENTS, self.content_key)
        if known is None:
            raise self._gone()
        content: dict[str, Any] = json.loads(known)
        return content

    @property
    def sbom(self) -> dict[str, Any]:
        """The software bill of materials, as CycloneDX 1.6 JSON, with the SBOMs that distributions carry (PEP 770).

        Raises `PackageError` if the store was cleared since, and `ToolError` if cyclonedx-python-lib isn't installed.
        """
        sbom: dict[str, Any] = json.loads(self.sbom_json)
        return sbom

    @property
    def sbom_json(self) -> bytes:
        """The software bill of materials as text; `sbom_key` is the same as long as it is. Raises as `sbom` does."""
        known = self.store.read(_SBOMS, self.sbom_key)
        if known is not None:
            return known
        # Imported here: the library is an optional dependency.
        from cdk_lambda_package.sbom import make_sbom

        described = self.content
        content = as_json(make_sbom(self._inventory(described), described, name=self.name))
        self.store.write(content, _SBOMS, self.sbom_key)
        return content

    def _inventory(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the SBOM says of the distributions; remembered, since an edit of the app doesn't change it."""
        from cdk_lambda_package.sbom import inventory_rows, make_inventory

        key = key_of(_SBOM, inventory_rows(described), installed_versions(*_SBOM_WRITERS))
        content = self.store.read(_INVENTORIES, key)
        if content is None:
            content = as_json(make_inventory(described, self._carried_sboms()))
            self.store.write(content, _INVENTORIES, key)
        inventory: dict[str, Any] = json.loads(content)
        return inventory

    @property
    def sbom_key(self) -> str:
        """The digest of all that the SBOM depends on."""
        return key_of(_SBOM, self.content_key, self.name, installed_versions(*_SBOM_WRITERS))

    def _carried_sboms(self) -> dict[str, tuple[CarriedSbom, ...]]:
        """Return the SBOMs that distributions of the package carry, by their names."""
        found = self._read_carried()
        if found is None:
            # A wheel's segment was altered or pruned.
            self._make_again()
            found = self._read_carried()
        if found is None:
            raise self._gone()
        return found

    def _read_carried(self) -> dict[str, tuple[CarriedSbom, ...]] | None:
        from cdk_lambda_package.carried_sboms import read_carried

        described = self.content
        wheels = [row for row in described["distributions"] if row["files"] and "sboms" in row]
        folders = [row for row in described["vendored"] if "sboms" in row]
        segments = [find_wheel_segment(row["sha256"], self.store) for row in wheels]
        summary = self.store.recall(Summary, self.package_key) if folders else None
        if summary is not None:
            # Those of vendor/ are among the package's own files.
            archives = [summary.function, *([summary.layer] if summary.layer is not None else [])]
            parts = [part for archive in archives for part in archive.parts]
            segments += [splice.segment for splice in find_splices(parts, self.store) or ()]
        return read_carried([*wheels, *folders], (segment for segment in segments if segment is not None))

    def _make_again(self) -> None:
        """Make what the store has lost; it is made if the description of the content isn't there."""
        self.store.remove(_CONTENTS, self.content_key)
        examine(self.request, self.store, among=AmongOthers(sharing=self.sharing))

    def _gone(self) -> PackageError:
        return PackageError(f"The manifest of {self.package_key} is no longer in the store. Package again.")


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveSummary:
    """An archive's content, its bytes unzipped, the number of its files, the bytes that these take in it, and what it is spliced of."""

    content_digest: ContentDigest
    size: int
    files: int
    archive_size: int
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, archive: Archive) -> ArchiveSummary:
        """Return the summary of an archive."""
        return cls(
            content_digest=archive.digest,
            size=archive.size,
            files=len(archive.entries),
            archive_size=archive.archive_size,
            parts=tuple(map(Part.of, archive.splices)),
        )


@remembered("packages", version=6)
@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The remembered facts of a package that was laid out: its archives, the findings of its tree, what `slim` saved.

    `bytecode_size` is in bytes unzipped.
    """

    function: ArchiveSummary
    layer: ArchiveSummary | None
    bytecode_size: int
    findings: tuple[Finding, ...]
    saved: Saved | None = None

    def weigh(self, contents: PackageContents) -> PackageContents:
        """Return the contents of the package with the sizes of its archives, which include compiled bytecode."""
        return replace(
            contents,
            compiled_size=self.bytecode_size,
            archive_size=self.function.archive_size,
            layer_archive_size=self.layer.archive_size if self.layer is not None else 0,
        )


@remembered("examined", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Examined:
    """Requirements of which a package was examined, with the bytes of their Python sources."""

    sources: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """A package as it would be written, and every finding about it, acknowledged or not.

    `layout` is None if the store knew everything else, and `archives` if it knew what is in them. `review_key` is the key of the review.
    """

    prepared: PreparedEntry
    inputs: Inputs
    layout: Layout | None
    archives: Archives | None
    summary: Summary
    review: Review
    review_key: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A package that was examined, with its files, and what the checks see of it."""

    examined: Examination
    layout: Layout
    contents: PackageContents


def package(
    request: PackageRequest,
    destination: Destination | None = None,
    *,
    layer_destination: Destination | None = None,
    store: Store | None = None,
    unpacked: bool = False,
    progress: Progress = QUIET,
) -> DeploymentPackage:
    """Make the deployment package of `request`, and write it where `destination` says, as a .zip file archive or `unpacked`.

    With the same inputs nothing is resolved, fetched or written again.

    Args:
        request: The entry directory, the function and the options.
        destination: Where to write the package. Default: it isn't written, and the result describes it.
        layer_destination: Where to write the layer of `dependencies="layer"`. Default: `destination`.
        store: The store to use. Default: `Store.open()`.
        unpacked: Write a directory in place of a .zip file archive.
        progress: The receiver of the steps, for displays. Default: nothing is shown.

    Raises the kinds of `PackageError`; then nothing was written.

    Example:
        `package(PackageRequest(entry="orders", runtime="python3.13"), lambda digest: Path("orders.zip"))`
    """
    completed, destinations = with_defaults(request), (destination, layer_destination or destination)
    return make_package(completed, destinations, store or Store.open(), progress, unpacked=unpacked)


class Resolved(NamedTuple):
    """An entry directory that was read, with all that its package is a function of, and the wheels of its requirements."""

    prepared: PreparedEntry
    inputs: Inputs
    resolution: Resolution


class AmongOthers(NamedTuple):
    """What is known of a package that is one of several: its inputs, what other functions need of its layer, and processes.

    The processes examine it if that takes long.
    """

    resolved: Resolved | None = None
    sharing: Sharing | None = None
    examiners: Examiners | None = None


ALONE = AmongOthers()
"""Of a package that is the only one, nothing is known."""


def make_package(
    request: PackageRequest,
    destinations: tuple[Destination | None, Destination | None],
    store: Store,
    progress: Progress,
    *,
    unpacked: bool = False,
    among: AmongOthers = ALONE,
) -> DeploymentPackage:
    """Make a package as `package` does; the request has its defaults, and `destinations` are those of the package and of its layer.

    Example:
        `make_package(with_defaults(request), (None, None), store, QUIET)`
    """
    max_size = size_limit(os.environ)
    examining = _examining(request, store, progress, among)
    with progress.about(request.title):
        # A file that changed since it was listed is listed again.
        made = settled(
            lambda: _write(request, examining(), destinations, store, progress, unpacked, sharing=among.sharing)
        )
    tidy(store, max_size)
    return made


def _examining(
    request: PackageRequest, store: Store, progress: Progress, among: AmongOthers = ALONE, *, beyond_lock: bool = False
) -> Callable[[], Examination]:
    """Return a function that examines a package, with what is known of it the first time."""
    known = iter([] if among.resolved is None else [among.resolved])
    elsewhere = partial(among.examiners.examine, request, among.sharing) if among.examiners is not None else None

    def examining() -> Examination:
        found = next(known, None) or resolve_inputs(request, store, progress, beyond_lock=beyond_lock)
        with found.prepared.naming_errors():
            shared = with_sharing(found, among.sharing, store)
        return _examined(shared, store, progress, elsewhere)

    return examining


def _write(
    request: PackageRequest,
    examined: Examination,
    destinations: tuple[Destination | None, Destination | None],
    store: Store,
    progress: Progress,
    unpacked: bool,
    *,
    sharing: Sharing | None,
) -> DeploymentPackage:
    """Write a package that was examined, unless it is there already. Raises `FindingsError` if it has errors."""
    findings = raise_for_errors(examined.findings, acknowledge=request.packaging.acknowledge or ())
    inputs, summary = examined.inputs, examined.summary

    @cache
    def archives() -> Archives:
        if examined.archives is not None:
            return examined.archives
        with examined.prepared.naming_errors():
            layout = examined.layout or final_layout(inputs, store, progress)
            read = partial(read_contents, inputs, layout, store, parse_ahead=False)
            return archives_of(inputs, add_bytecode(inputs, layout, read, store, progress), store)

    def splices(content: ArchiveSummary, *, layer: bool) -> tuple[Splice, ...]:
        # What is known of a package needn't be laid out again to be written to another place.
        found = find_splices(content.parts, store) if examined.layout is None else None
        if found is not None:
            return found
        archive = archives().layer if layer else archives().function
        assert archive is not None
        return archive.splices

    def write(content: ArchiveSummary | None, destination: Destination | None, key: str, *, layer: bool) -> Path | None:
        if destination is None or content is None:
            return None
        path = destination(content.content_digest)
        folder = destination.folder if isinstance(destination, InFolder) else None
        # Functions with equal code are written to one place.
        with store.claims.alone(("outputs", path)):
            if not is_current(path, key, store, unpacked=unpacked, folder=folder):
                with progress.step("writing the layer" if layer else "writing the package"):
                    write_output(path, splices(content, layer=layer), key, store, unpacked=unpacked, folder=folder)
        return path

    layer = summary.layer
    # The layer first: a function's package without it is of no use. An edit of the app leaves its content as it is.
    content_key = key_of("layer", layer.content_digest, inputs.compiler) if layer is not None else ""
    layer_path = write(layer, destinations[1], content_key, layer=True)
    path = write(summary.function, destinations[0], inputs.key, layer=False)
    return DeploymentPackage(
        # The entry directory's own name, not that of a copy.
        name=Path(os.path.normpath(request.entry_path)).name or "app",
        path=path,
        index=inputs.app.index,
        handler=examined.review.handler,
        handler_names=examined.review.handler_names,
        package_key=inputs.key,
        content_digest=summary.function.content_digest,
        size=summary.function.size,
        bytecode_size=summary.bytecode_size,
        files=summary.function.files,
        saved=summary.saved,
        layer=DependencyLayer(path=layer_path, content_digest=layer.content_digest, size=layer.size, files=layer.files)
        if layer is not None
        else None,
        target=inputs.target,
        findings=findings,
        request=request,
        sharing=sharing,
        content_key=inputs.content_key,
        manifest_key=key_of(_MANIFEST, inputs.content_key, examined.review_key),
        store=store,
    )


def examine(
    request: PackageRequest,
    store: Store,
    progress: Progress = QUIET,
    *,
    beyond_lock: bool = False,
    among: AmongOthers = ALONE,
) -> Examination:
    """Read, resolve, lay out and check a package, and write nothing but to the store. Raises the kinds of `PackageError`.

    With `beyond_lock`, a lock that isn't for the target is a finding, and the rest is checked as if it were locked for it too.

    Example:
        `examine(PackageRequest(entry="orders", runtime="python3.13"), Store.open()).findings`
    """
    with progress.about(request.title):
        return settled(_examining(request, store, progress, among, beyond_lock=beyond_lock))


def resolve_inputs(request: PackageRequest, store: Store, progress: Progress, *, beyond_lock: bool = False) -> Resolved:
    """Read an entry directory, and find the wheels of its requirements.

    Example:
        `resolve_inputs(request, store, QUIET).inputs.key`
    """
    target = Target.parse(request.runtime, request.architecture)
    prepared = prepare(request, store, progress)
    with prepared.naming_errors():
        with progress.step("reading the entry directory"):
            app = read_requested_app(prepared.request, prepared.entry, store)
            asked = plan_locked(prepared.request, app, target, store)
        max_age = request.packaging.value("max_lock_age")
        try:
            resolution = find_resolution(asked, max_age, store, progress)
        except RequirementsError as error:
            beyond = (
                resolve_as_locked(prepared.request, prepared.entry, error, max_age, store, progress)
                if beyond_lock
                else None
            )
            if beyond is None:
                raise
            asked, resolution = beyond
            resolution = replace(resolution, findings=(_foreign_lock(error, target), *resolution.findings))
        inputs = join_inputs(prepared.request, app, asked, resolution, store)
    return Resolved(prepared, inputs, resolution)


def with_sharing(resolved: Resolved, sharing: Sharing | None, store: Store) -> Resolved:
    """Return the inputs of a package whose layer has what other functions need too.

    Example:
        `with_sharing(resolve_inputs(request, store, QUIET), sharing, store).inputs.companions`
    """
    if sharing is None:
        return resolved
    prepared, inputs, resolution = resolved
    if sharing.chalice and not inputs.app.imports_chalice:
        inputs = join_inputs(prepared.request, inputs.app, inputs.asked, resolution, store, chalice=True)
    return resolved._replace(inputs=with_companions(inputs, sharing) if sharing.companions else inputs)


def inspect(request: PackageRequest, store: Store, progress: Progress = QUIET) -> Inspection:
    """Examine a package, and return what its modules import too. Raises the kinds of `PackageError`.

    Example:
        `inspect(PackageRequest(entry="orders", runtime="python3.13"), Store.open()).contents.graph.certain`
    """
    return _inspect(with_defaults(request), store, progress)


def describe(request: PackageRequest, store: Store, progress: Progress = QUIET) -> tuple[dict[str, Any], Inspection]:
    """Return the manifest of a package, and the package that was looked at. It may have errors, unlike one that is made.

    Raises the kinds of `PackageError` for what leaves no package.

    Example:
        `describe(PackageRequest(entry="orders", runtime="python3.13"), Store.open())[0]["files"]`
    """
    inspected = inspect(request, store, progress)
    content = store.read(_CONTENTS, inspected.examined.inputs.content_key)
    if content is None:
        raise PackageError("The description of the package was removed from the store meanwhile. Try again.")
    return _manifest_of(inspected, json.loads(content)), inspected


def _manifest_of(inspected: Inspection, content: Mapping[str, Any]) -> dict[str, Any]:
    # Imported here: no build needs it.
    from cdk_lambda_package.origins import add_origins

    inputs = inspected.examined.inputs
    return add_origins(content, inputs.asked, inputs.wheels, inspected.contents)


def _inspect(
    request: PackageRequest, store: Store, progress: Progress = QUIET, among: AmongOthers = ALONE
) -> Inspection:
    examining = _examining(request, store, progress, among)

    def look() -> Inspection:
        examined = examining()
        with examined.prepared.naming_errors():
            layout = examined.layout or final_layout(examined.inputs, store, progress)
            with progress.step("following imports"):
                contents = read_contents(examined.inputs, layout, store)
                contents.graph, contents.syntax_faults  # noqa: B018 - what they read is kept
                contents.imports.save()
        return Inspection(examined=examined, layout=layout, contents=contents)

    with progress.about(request.title):
        return settled(look)


def _examined(
    resolved: Resolved, store: Store, progress: Progress, elsewhere: Callable[[], bool] | None = None
) -> Examination:
    prepared, inputs, resolution = resolved
    app, target, request = inputs.app, inputs.target, inputs.request
    with prepared.naming_errors():
        key = review_key(inputs)
        layout, archives, summary, review = _review(inputs, key, store, progress, elsewhere)
        checked = cure_findings(
            review.findings, inputs, lambda one: final_layout(one, store, progress), store, progress
        )
        found = (
            *_assumptions(target),
            *_uncompiled(inputs),
            *app.findings,
            *resolution.findings,
            *summary.findings,
            *checked,
        )
        if request.packaging.smoke:
            imported = _imported(inputs, layout, review.handler, found, store, progress)
            doubt = unproven(found) if not imported else None
            found = (*_without_proven(found, imported), *imported, *([doubt] if doubt is not None else []))
    return Examination(
        prepared=prepared,
        inputs=inputs,
        layout=layout,
        archives=archives,
        summary=summary,
        review=review,
        review_key=key,
        findings=tuple(replace(finding, message=prepared.name(finding.message)) for finding in found),
    )


def _review(
    inputs: Inputs, key: str, store: Store, progress: Progress, elsewhere: Callable[[], bool] | None = None
) -> tuple[Layout | None, Archives | None, Summary, Review]:
    """Return what the store knows of a package and of what would fail; else find it out, or have another process do it.

    The layout and the archives are None if they weren't needed.
    """
    layout: Layout | None = None
    archives: Archives | None = None

    @cache
    def contents() -> PackageContents:
        return read_contents(inputs, layout or final_layout(inputs, store, progress), store, parse_ahead=False)

    summary, review = store.recall(Summary, inputs.key), store.recall(Review, key)
    if (summary is None or review is None) and elsewhere and _examine_elsewhere(inputs, store, progress, elsewhere):
        summary, review = store.recall(Summary, inputs.key), store.recall(Review, key)
    if summary is None or not store.has(_CONTENTS, inputs.content_key):
        layout = final_layout(inputs, store, progress)
        compiled = add_bytecode(inputs, layout, contents, store, progress)
        archives = archives_of(inputs, compiled, store)
        summary = _summarise(inputs, compiled, archives, store)
    if review is None:
        layout = layout or final_layout(inputs, store, progress)
        with progress.step("checking what would fail on Lambda"):
            known = contents() if inputs.compiler else read_contents(inputs, layout, store)
            review = check_package(inputs, layout, key, store, summary.weigh(known))
    return layout, archives, summary, review


def _examine_elsewhere(inputs: Inputs, store: Store, progress: Progress, elsewhere: Callable[[], bool]) -> bool:
    """Have another process examine a package if that is worth it; return whether it did.

    It isn't for a package that runs commands of the user's, and for requirements of which a package was examined before: most of what is
    to be known of them is in the store.
    """
    packaging = inputs.request.packaging
    if packaging.before_packaging or packaging.after_packaging or store.read_only or not inputs.wheels:
        return False
    key = key_of("examined", inputs.target, sorted(wheel.sha256 for wheel in inputs.wheels))
    with store.claims.alone(("examined", key)):
        if store.recall(_Examined, key) is not None:
            return False
        segments = fetch_segments(inputs, store, progress).values()
        sources = sum(one.size for segment in segments for one in segment.members if one.path.endswith(".py"))
        if sources < WORTH:
            return False
        with progress.step("checking what would fail on Lambda"):
            is_done = elsewhere()
        check_end()
        if is_done:
            store.remember(_Examined(sources=sources), key)
        return is_done


@cache
def _store_at(root: Path) -> Store:
    return Store(root)


def examine_here(root: Path, request: PackageRequest, sharing: Sharing | None) -> None:
    """Examine a package for another process, which then finds all in the store at `root`; see `examiners.py`.

    Raises the kinds of `PackageError`.

    Example:
        `examine_here(store.root, request, None)`
    """
    store = _store_at(root)

    def look() -> None:
        inputs = with_sharing(resolve_inputs(request, store, QUIET), sharing, store).inputs
        _review(inputs, review_key(inputs), store, QUIET)

    settled(look)


def _without_proven(found: Iterable[Finding], imported: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings without the doubts that the import showed to be right: one fact is one finding."""
    missing = {finding.subject for finding in imported if finding.id == "smoke-failed" and finding.subject}
    return (finding for finding in found if finding.id != "import-uncertain" or finding.subject not in missing)


def _imported(
    inputs: Inputs,
    layout: Layout | None,
    handler: str | None,
    found: tuple[Finding, ...],
    store: Store,
    progress: Progress,
) -> tuple[Finding, ...]:
    """Import the handler's module from the package, unless an earlier build did; return the findings."""
    if has_errors(found, acknowledge=inputs.request.packaging.acknowledge or ()):
        return (skip("what else was found would make it fail."),)
    if (file := inputs.app.handler_file) is not None and not is_named_as_library(file):
        return (skip(f"the handler {file} is a script, which a program of a layer starts."),)
    if not inputs.app.index and handler is None:
        return (skip("the app has no module of its own."),)
    if (known := recalled_import(inputs, handler, store)) is not None:
        return known
    if obstacle := obstacle_here(inputs.target):
        return (skip(obstacle),)
    layout = layout or final_layout(inputs, store, progress)
    importing = f"importing {handler or inputs.app.index} in {inputs.target.runtime.name}"
    with progress.step(importing):
        findings, needed = import_package(inputs, handler, layout, store=store)
    if needed:
        try:
            preinstalled = find_preinstalled(needed, inputs, store, progress)
        except RequirementsError as error:
            return (skip(f"the packages that the runtime has couldn't be fetched. {error}"),)
        with progress.step(importing):
            findings, _ = import_package(inputs, handler, layout, preinstalled=preinstalled, store=store)
    return findings


def find_preinstalled(
    requirements: tuple[str, ...], inputs: Inputs, store: Store, progress: Progress
) -> tuple[Splice, ...]:
    """Return the newest releases of preinstalled packages, for the same target and from the same places.

    AWS doesn't publish which releases a runtime has at the moment. Raises the kinds of `PackageError`.
    """
    return tuple(map(Splice.whole, _find_outside(inputs, store, progress, extra=requirements)))


def find_tool(distribution: str, inputs: Inputs, store: Store, progress: Progress) -> Segment:
    """Return the newest release of a distribution without its dependencies, from the same places. Raises the kinds of `PackageError`.

    Example:
        `find_tool("aws-sam-cli", inputs, store, QUIET).members`
    """
    (segment,) = _find_outside(inputs, store, progress, bare=(distribution,))
    return segment


def _find_outside(
    inputs: Inputs, store: Store, progress: Progress, *, extra: tuple[str, ...] = (), bare: tuple[str, ...] = ()
) -> list[Segment]:
    """Return the wheels of requirements that aren't the package's, and aren't built."""
    asked = ResolutionRequest(
        entry=inputs.asked.entry,
        target=inputs.target,
        pip_args=inputs.asked.pip_args,
        pip_environment=inputs.asked.pip_environment,
        only_index=inputs.asked.only_index,
        uploaded_prior_to=inputs.asked.uploaded_prior_to,
        allow_build=False,
        extra=extra,
        bare=bare,
    )
    resolution = find_resolution(asked, inputs.request.packaging.value("max_lock_age"), store, progress)
    return [*find_segments(resolution.wheels, asked, store, progress).values()]


def final_layout(inputs: Inputs, store: Store, progress: Progress) -> Layout:
    """Return the layout of a package, without what its function doesn't need if that is asked for."""
    layout = lay_out(inputs, store, progress)
    if not inputs.request.packaging.value("slim"):
        return layout
    unneeded = find_unneeded(inputs, layout, store, progress)
    return narrow(layout, unneeded.rules, unneeded.decisions, store)


def _summarise(inputs: Inputs, layout: Layout, archives: Archives, store: Store) -> Summary:
    """Return what a later build needs to know of a package, and remember it with the description of its content."""
    summary = Summary(
        function=ArchiveSummary.of(archives.function),
        layer=ArchiveSummary.of(archives.layer) if archives.layer is not None else None,
        bytecode_size=sum(entry.size for entry in layout.tree.entries if entry.identity),
        findings=layout.tree.findings,
        saved=layout.saved,
    )
    contents = [(archives.function.entries, summary.function.content_digest)]
    if archives.layer is not None and summary.layer is not None:
        contents.append((archives.layer.entries, summary.layer.content_digest))
    described = describe_package(
        target=inputs.target,
        package_key=inputs.key,
        layout=layout,
        archives=[ArchiveContent(*content) for content in contents],
        wheels=inputs.wheels,
        compiler=inputs.compiler,
    )
    store.write(msgspec.json.encode(described), _CONTENTS, inputs.content_key)
    store.remember(summary, inputs.key)
    return summary


def _uncompiled(inputs: Inputs) -> Iterator[Finding]:
    """Yield a note if bytecode was wanted, and this machine can't compile it."""
    if inputs.request.packaging.value("bytecode") == "auto" and inputs.compiler is None:
        message = f"The package has no bytecode: {why_uncompiled(inputs.target)}"
        yield Finding(id="bytecode-skipped", severity=Severity.NOTE, message=message)


def _foreign_lock(error: RequirementsError, target: Target) -> Finding:
    """Return a lock that isn't for the target as a finding among others."""
    message = (
        f"{error} The other findings are about the package that it would give: of the locked versions as far as "
        f"{target.runtime.name} can have them."
    )
    return Finding(id=error.id or "lock-not-usable", severity=Severity.ERROR, message=message)


def _assumptions(target: Target) -> tuple[Finding, ...]:
    if not target.assumed:
        return ()
    unknown = (
        ""
        if is_known_version(target.runtime.version)
        else f"Modules and names that its standard library lost since {RUNTIMES[-1].name} are unknown. "
    )
    message = (
        f"{target.runtime.name} is newer than this version of cdk-lambda-package. It is assumed to run on "
        f"{target.runtime.system.name}, like the newest known runtime. {unknown}Upgrade cdk-lambda-package."
    )
    return (Finding(id="runtime-assumed", severity=Severity.WARNING, message=message),)
