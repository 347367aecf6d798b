"""From a directory to a deployment package: `package` is the whole way, read top to bottom."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType

from cdk_lambda_package.app import (
    REQUIREMENTS_FILE,
    VENDOR_FOLDER,
    App,
    AppFile,
    Origin,
    Selection,
    find_index,
    read_app,
    read_facts,
)
from cdk_lambda_package.archive import Splice
from cdk_lambda_package.checks.binaries import check_binaries
from cdk_lambda_package.content import COMPRESSOR
from cdk_lambda_package.dependencies import exclude
from cdk_lambda_package.errors import (
    Finding,
    NoWheelError,
    OptionError,
    PackageError,
    Severity,
    WheelError,
    raise_for_errors,
)
from cdk_lambda_package.hooks import OWNER as AFTER_PACKAGING
from cdk_lambda_package.hooks import prepare_entry, revise
from cdk_lambda_package.listing import SymlinkFollowMode
from cdk_lambda_package.lock import find_lock
from cdk_lambda_package.lock_file import LockFile, find_lock_file, name_lock
from cdk_lambda_package.manifest import describe_finding, describe_package, owner_of, with_decisions
from cdk_lambda_package.output import Form, find_current, write_output
from cdk_lambda_package.patterns import Patterns
from cdk_lambda_package.request import PIP, RESOLVER_VARIABLE, SLIM, PackageRequest
from cdk_lambda_package.requirements_file import read_project
from cdk_lambda_package.resolution import LockedWheel, Resolution, ResolutionRequest
from cdk_lambda_package.segment import Segment
from cdk_lambda_package.segments import METADATA, files_segment, find_wheel_segment, records_segment, wheel_segments
from cdk_lambda_package.stat_cache import StatCache
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.tree import APP, VENDOR, ContentDigest, Decision, Source, Tree, digest_tree, merge

PackageKey = NewType("PackageKey", str)
"""The sha256 (hex) of all inputs of a package. The same key gives the same bytes; it decides whether to work."""

# Raised whenever the same inputs would give other bytes, so that what older versions recorded isn't taken for it.
KEY_FORMAT = "cdk-lambda-package inputs 1"

Destination = Callable[[ContentDigest], Path]
"""Where to write a package, by the digest of its content."""

Progress = Callable[[str], None]
"""Is told, in a few words, what is being done now."""

_CHALICE = "chalice"
# What Chalice's own packager puts into every package; the two import nothing but the standard library.
_CHALICE_RUNTIME = frozenset({"chalice/__init__.py", "chalice/app.py"})


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPackage:
    """A package that was made, or found to be there already.

    `path` is None where nothing was to be written. `size` is in bytes unzipped, and `files` their number; `findings`
    are the warnings that nobody acknowledged. `index` is the handler's module in the package, and `module` its file on
    this machine.
    """

    path: Path | None
    index: str
    module: Path
    package_key: PackageKey
    content_digest: ContentDigest
    size: int
    files: int
    target: Target
    findings: tuple[Finding, ...]
    manifest_key: str = dataclasses.field(repr=False)
    store: Store = dataclasses.field(repr=False, compare=False)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest (docs/reference/manifest.schema.json), without the .zip's own digest. Read on each access.

        Raises `PackageError` if the store was cleared since.
        """
        content = self.store.read(_MANIFESTS, self.manifest_key)
        if content is None:
            raise PackageError(f"The manifest of {self.package_key} is gone from the store; package again.")
        manifest: dict[str, Any] = json.loads(content)
        return manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class _Inputs:
    """Everything that the package is a function of."""

    request: PackageRequest
    target: Target
    app: App
    wheels: tuple[LockedWheel, ...]
    decisions: tuple[Decision, ...]
    key: PackageKey

    @property
    def manifest_key(self) -> str:
        """What the manifest says besides what is in the package: where wheels come from and who asked for them."""
        rows = [[wheel.url, wheel.requested, wheel.required_by] for wheel in self.wheels]
        return hashlib.sha256(json.dumps([self.key, rows]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Summary:
    """What is remembered of a package that was made."""

    content_digest: ContentDigest
    size: int
    files: int
    findings: tuple[Finding, ...]


def package(
    request: PackageRequest,
    destination: Destination | None = None,
    *,
    store: Store | None = None,
    form: Form = Form.ZIP,
    progress: Progress = lambda _: None,
) -> DeploymentPackage:
    """Make the deployment package that `request` asks for, and write it where `destination` says.

    What was done before isn't done again: with the same inputs nothing is resolved, fetched or written. Raises the
    kinds of `PackageError`; then nothing was written.
    """
    store = store or Store.open()
    target = Target.parse(request.runtime, request.architecture)
    app = _read_app(_prepare(request, store, progress), store)
    lock = _find_lock(request, app, target, store, progress)
    inputs = _join_inputs(request, target, app, lock)
    summary, splices = _recall(inputs, store), None
    if summary is None:
        tree, splices = _lay_out(inputs, store, progress)
        summary = _summarise(inputs, tree, store)
    findings = raise_for_errors(
        (*_find_assumptions(target), *app.findings, *lock.findings, *summary.findings),
        acknowledge=frozenset(request.acknowledge),
    )
    path = destination(summary.content_digest) if destination else None
    if path is not None and not find_current(path, inputs.key, form, store):
        splices = splices or _lay_out(inputs, store, progress)[1]
        write_output(path, splices, inputs.key, form, store)
    return DeploymentPackage(
        path=path,
        index=app.index,
        module=app.entry / app.index,
        package_key=inputs.key,
        content_digest=summary.content_digest,
        size=summary.size,
        files=summary.files,
        target=target,
        findings=findings,
        manifest_key=inputs.manifest_key,
        store=store,
    )


def _prepare(request: PackageRequest, store: Store, progress: Progress) -> PackageRequest:
    """Return the request for the entry directory as the commands of `before_packaging` leave it."""
    if not request.before_packaging:
        return request
    progress("Running before_packaging")
    mode = SymlinkFollowMode(request.follow_symlinks)
    entry = prepare_entry(request.entry_path, request.before_packaging, mode, store)
    return dataclasses.replace(request, entry=entry, before_packaging=())


def _read_app(request: PackageRequest, store: Store) -> App:
    selection = Selection(
        index=find_index(request.entry_path, request.index),
        include=tuple(request.include),
        exclude=tuple(request.exclude),
        follow_symlinks=SymlinkFollowMode(request.follow_symlinks),
        requirements=str(request.requirements) if request.requirements else None,
    )
    cache = StatCache(store, request.entry_path)
    app = read_app(request.entry_path, selection, cache.reader(read_facts))
    cache.save()
    return app


def plan_resolution(request: PackageRequest, store: Store) -> ResolutionRequest:
    """Return what is to be resolved for a request, whatever locks there are. Raises the kinds of `PackageError`."""
    target = Target.parse(request.runtime, request.architecture)
    app = _read_app(request, store)
    lock = _choose_source(request, app)[1]
    if request.requirements is not None and lock is not None:
        raise OptionError(f"requirements {str(request.requirements)!r} is a lock; name the requirements file to lock.")
    asked = _plan(request, app, target, store)
    if asked.requirements is not None:
        return asked
    return dataclasses.replace(asked, extra=(*asked.extra, *read_project(app.entry / "pyproject.toml")))


def _find_lock(request: PackageRequest, app: App, target: Target, store: Store, progress: Progress) -> Resolution:
    asked = _plan(request, app, target, store)
    lock = _choose_source(request, app)[1]
    if lock is not None:
        # Imported here: most packages are made without one, or from what the store remembers of it.
        from cdk_lambda_package.committed_lock import read_lock

        progress(f"Reading {lock.path.name} for {target}")
        return read_lock(
            dataclasses.replace(asked, lock=lock, groups=tuple(request.groups), extras=tuple(request.extras)), store
        )

    def resolve_aloud(asked: ResolutionRequest) -> Resolution:
        # Imported here: a resolution that is at hand needs nothing of it.
        from cdk_lambda_package.resolvers import resolve_with

        progress(f"Resolving requirements for {target}")
        return resolve_with(asked, store=store)

    return find_lock(asked, store, max_lock_age=request.max_lock_age, resolve=resolve_aloud)


def _plan(request: PackageRequest, app: App, target: Target, store: Store) -> ResolutionRequest:
    vendored = tuple(_name_vendored_wheel(wheel, target) for wheel in app.vendored_wheels)
    chalice = (_CHALICE,) if app.imports_chalice and not _vendors_chalice(app) else ()
    slim = request.chalice == SLIM
    return ResolutionRequest(
        entry=app.entry,
        target=target,
        requirements=_choose_source(request, app)[0],
        extra=vendored if slim else (*vendored, *chalice),
        bare=chalice if slim else (),
        provided=tuple(sorted({*request.provided, *app.vendored_distributions})),
        pip_args=tuple(request.pip_args),
        pip_environment=tuple(request.pip_environment.items()),
        known_metadata=store.folders(METADATA),
        resolver=request.resolver or os.environ.get(RESOLVER_VARIABLE) or PIP,
        allow_build=request.allow_build,
        build_constraint=_find_build_constraint(request),
        build_image=request.build_image,
    )


def _choose_source(request: PackageRequest, app: App) -> tuple[Path | None, LockFile | None]:
    """Return the requirements file, whose index options count in any case, and the lock that applies."""
    if request.requirements is None:
        requirements, lock = app.requirements, find_lock_file(app.entry, origin=request.entry_path)
    else:
        requirements, lock = app.requirements, name_lock(app.requirements) if app.requirements else None
        if lock is not None:
            lock = dataclasses.replace(lock, named=True)
            beside = app.entry / REQUIREMENTS_FILE
            requirements = beside if beside.is_file() else None
    if lock is None and (request.groups or request.extras):
        raise OptionError(
            f"groups and extras are those of a lock, and {str(request.entry)!r} has none; write extras into the "
            "requirements file, as in 'name[extra]'."
        )
    return requirements, lock


def _find_build_constraint(request: PackageRequest) -> Path | None:
    if request.build_constraint is None:
        return None
    path = request.entry_path / request.build_constraint
    if not path.is_file():
        raise OptionError(f"build_constraint {str(path)!r} is no file; give one relative to the entry directory.")
    return path


def _vendors_chalice(app: App) -> bool:
    return any(file.origin is Origin.VENDOR and file.path.startswith("chalice/") for file in app.files)


def _name_vendored_wheel(wheel: AppFile, target: Target) -> str:
    """Return the requirement that a wheel in vendor/ stands for, once its tags were seen to fit."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name = parse_wheel_filename(wheel.path)[0]
    except InvalidWheelFilename as error:
        raise WheelError(f"{VENDOR_FOLDER}/{wheel.path} isn't named as wheels are: {error}.") from error
    if not target.accepts_wheel(wheel.path):
        raise NoWheelError(
            f"{VENDOR_FOLDER}/{wheel.path} isn't for {target}, whose best tag is {target.tags[0]}. "
            "Replace it by one that is, or exclude it."
        )
    return f"{name} @ {Path(wheel.source).as_uri()}#sha256={wheel.digest}"


def _join_inputs(request: PackageRequest, target: Target, app: App, lock: Resolution) -> _Inputs:
    slim = app.imports_chalice and request.chalice == SLIM
    wheels = exclude(lock.wheels, frozenset(request.exclude_distributions), bare=frozenset({_CHALICE} if slim else ()))
    decisions = tuple(_explain_wheels(request, app, lock.wheels, wheels))
    return _Inputs(
        request=request,
        target=target,
        app=app,
        wheels=wheels,
        decisions=decisions,
        key=_package_key(request, target, app.files, wheels, decisions),
    )


def _explain_wheels(
    request: PackageRequest, app: App, resolved: Iterable[LockedWheel], wheels: Iterable[LockedWheel]
) -> Iterator[Decision]:
    """Yield what was decided about distributions before any of them was opened."""
    kept = {owner_of(wheel): wheel for wheel in wheels}
    for name in sorted(request.provided):
        yield Decision("distribution-provided", name, "provided= names it")
    for name in app.vendored_distributions:
        yield Decision("distribution-provided", name, f"{VENDOR_FOLDER}/ has its metadata")
    for owner in sorted({owner_of(wheel) for wheel in resolved} - kept.keys()):
        yield Decision("distribution-left-out", owner, "excluded, or needed only by what is left out")
    for owner, wheel in kept.items():
        if _is_slim(wheel, app, request):
            yield Decision(
                "chalice-runtime-only", owner, "the app imports chalice, of which a function needs two files"
            )


def _is_slim(wheel: LockedWheel, app: App, request: PackageRequest) -> bool:
    return wheel.name == _CHALICE and app.imports_chalice and request.chalice == SLIM


def _package_key(
    request: PackageRequest,
    target: Target,
    files: Iterable[AppFile],
    wheels: Iterable[LockedWheel],
    decisions: Sequence[Decision],
) -> PackageKey:
    # JSON frames every field. Nothing of this machine, no time and no credential is among them.
    fields = [
        KEY_FORMAT,
        COMPRESSOR,
        dataclasses.astuple(target),
        [[file.path, file.origin.value, file.executable, file.digest] for file in files],
        [[wheel.name, wheel.version, wheel.filename, wheel.sha256] for wheel in wheels],
        decisions,
        [request.chalice, list(request.exclude_from_requirements), list(map(list, request.after_packaging))],
    ]
    return PackageKey(hashlib.sha256(json.dumps(fields).encode()).hexdigest())


def _lay_out(inputs: _Inputs, store: Store, progress: Progress) -> tuple[Tree, tuple[Splice, ...]]:
    """Make the segments that aren't there yet, and merge them into a tree."""
    segments = _find_segments(inputs, store, progress)
    own = {
        owner: files_segment([file for file in inputs.app.files if file.origin is origin], store)
        for owner, origin in ((APP, Origin.APP), (VENDOR, Origin.VENDOR))
    }
    sources = [Source(owner=owner, members=segment.members) for owner, segment in own.items()]
    sources += [_as_source(wheel, segments[wheel.sha256], inputs) for wheel in inputs.wheels]
    tree = merge(sources)
    by_owner = own | {owner_of(wheel): segments[wheel.sha256] for wheel in inputs.wheels}
    splices = _splice(tree, by_owner, store)
    if inputs.request.after_packaging:
        progress("Running after_packaging")
        commands = inputs.request.after_packaging
        sources, by_owner[AFTER_PACKAGING] = revise(tree, splices, sources, commands, inputs.key, store)
        tree = merge(sources)
        splices = _splice(tree, by_owner, store)
    findings = [
        finding
        for part in tree.parts
        for finding in check_binaries(
            by_owner[part.owner].facts.get("binaries", {}), owner=part.owner, target=inputs.target
        )
    ]
    return with_decisions(tree, inputs.decisions, findings), tuple(splices)


def _splice(tree: Tree, segments: Mapping[str, Segment], store: Store) -> list[Splice]:
    splices = [Splice(segment=segments[part.owner], kept=part.kept) for part in tree.parts]
    if tree.records:
        segment = records_segment(tree.records, store)
        splices.append(Splice(segment=segment, kept=tuple(range(len(segment.members)))))
    return splices


def _find_segments(inputs: _Inputs, store: Store, progress: Progress) -> dict[str, Segment]:
    found = {wheel.sha256: find_wheel_segment(wheel.sha256, store) for wheel in inputs.wheels}
    segments = {sha256: segment for sha256, segment in found.items() if segment is not None}
    missing = [wheel for wheel in inputs.wheels if wheel.sha256 not in segments]
    if missing:
        # Imported here, as is what splices: an edit of the app's code needs neither.
        from cdk_lambda_package.fetch import fetch

        progress(f"Fetching {len(missing)} wheels for {inputs.target}")
        files = fetch(
            missing,
            entry=inputs.app.entry,
            requirements=_choose_source(inputs.request, inputs.app)[0],
            target=inputs.target,
            store=store,
            pip_args=tuple(inputs.request.pip_args),
            pip_environment=tuple(inputs.request.pip_environment.items()),
        )
        progress(f"Checking {len(missing)} wheels")
        segments |= wheel_segments({wheel.sha256: files[wheel.sha256] for wheel in missing}, store)
    return segments


def _as_source(wheel: LockedWheel, segment: Segment, inputs: _Inputs) -> Source:
    facts = segment.facts
    dist_info = str(facts["dist_info"])
    exclude_files = Patterns(inputs.request.exclude_from_requirements)
    slim = _is_slim(wheel, inputs.app, inputs.request)

    def wants(path: str) -> bool:
        if slim and path not in _CHALICE_RUNTIME and not path.startswith(f"{dist_info}/"):
            return False
        return not exclude_files.match(path)

    return Source(
        owner=owner_of(wheel),
        members=segment.members,
        dist_info=dist_info,
        units=frozenset(facts["units"]),
        wants=wants if slim or exclude_files else None,
    )


_MANIFESTS, _SUMMARIES = "manifests", "packages"


def _summarise(inputs: _Inputs, tree: Tree, store: Store) -> _Summary:
    """Remember a package that was laid out: its manifest, and what a later run needs to know of it."""
    digest = digest_tree(tree.entries)
    manifest = describe_package(
        target=inputs.target, package_key=inputs.key, content_digest=digest, tree=tree, wheels=inputs.wheels
    )
    summary = _Summary(content_digest=digest, size=tree.size, files=len(tree.entries), findings=tree.findings)
    store.write(_encode(manifest), _MANIFESTS, inputs.manifest_key)
    findings = [describe_finding(finding) for finding in tree.findings]
    store.write(_encode([digest, tree.size, len(tree.entries), findings]), _SUMMARIES, inputs.key)
    return summary


def _recall(inputs: _Inputs, store: Store) -> _Summary | None:
    content = store.read(_SUMMARIES, inputs.key)
    if content is None or store.read(_MANIFESTS, inputs.manifest_key) is None:
        return None
    digest, size, files, findings = json.loads(content)
    return _Summary(
        content_digest=ContentDigest(digest),
        size=size,
        files=files,
        findings=tuple(Finding(**{**finding, "severity": Severity(finding["severity"])}) for finding in findings),
    )


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _find_assumptions(target: Target) -> tuple[Finding, ...]:
    if not target.assumed:
        return ()
    message = (
        f"{target.runtime.name} is newer than what this version of cdk-lambda-package knows; it is taken to run on "
        f"{target.runtime.system.name} like the newest known runtime. Upgrade cdk-lambda-package to be sure."
    )
    return (Finding(id="runtime-assumed", severity=Severity.WARNING, message=message),)
