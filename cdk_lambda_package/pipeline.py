"""From a directory to a deployment package: `package` is the whole way, read top to bottom."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.app import App
from cdk_lambda_package.defaults import with_environment
from cdk_lambda_package.errors import Finding, PackageError, Severity, raise_for_errors
from cdk_lambda_package.hooks import prepare_entry
from cdk_lambda_package.inputs import Inputs, PackageKey, join_inputs
from cdk_lambda_package.layout import Layout, lay_out
from cdk_lambda_package.listing import SymlinkFollowMode
from cdk_lambda_package.manifest import describe_finding, describe_package
from cdk_lambda_package.output import Form, find_current, write_output
from cdk_lambda_package.planning import Progress, find_resolution, read_requested_app
from cdk_lambda_package.request import PackageRequest
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.tree import ContentDigest, digest_tree

Destination = Callable[[ContentDigest], Path]
"""Where to write a package, by the digest of its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPackage:
    """A package that was made, or found to be there already.

    `path` is None where nothing was to be written. `size` is in bytes unzipped, and `files` their number; `findings`
    are the warnings that nobody acknowledged. `index` is the handler's module in the package, and `module` its file on
    this machine. `name` is that of the entry directory.
    """

    name: str
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

    @property
    def sbom(self) -> dict[str, Any]:
        """The software bill of materials, CycloneDX 1.6 as JSON has it. Made on each access, of the manifest.

        Raises `PackageError` if the store was cleared since, and `ToolError` if cyclonedx-python-lib isn't installed.
        """
        from cdk_lambda_package.sbom import make_sbom

        return make_sbom(self.manifest, name=self.name)


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
    store, request = store or Store.open(), with_environment(request, os.environ)
    # Before a copy of the directory takes its place.
    name = Path(os.path.normpath(request.entry_path)).name or "app"
    target = Target.parse(request.runtime, request.architecture)
    app = read_requested_app(_prepare(request, store, progress), store)
    lock = find_resolution(request, app, target, store, progress)
    inputs = join_inputs(request, target, app, lock)
    summary, splices = _recall(inputs, store), None
    if summary is None:
        layout = lay_out(inputs, store, progress)
        summary, splices = _summarise(inputs, layout, store), layout.splices
    findings = raise_for_errors(
        (*_find_assumptions(target), *app.findings, *lock.findings, *summary.findings),
        acknowledge=frozenset(request.acknowledge),
    )
    path = destination(summary.content_digest) if destination else None
    if path is not None and not find_current(path, inputs.key, form, store):
        splices = splices or lay_out(inputs, store, progress).splices
        write_output(path, splices, inputs.key, form, store)
    return DeploymentPackage(
        name=name,
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


_MANIFESTS, _SUMMARIES = "manifests", "packages"


def _summarise(inputs: Inputs, layout: Layout, store: Store) -> _Summary:
    """Remember a package that was laid out: its manifest, and what a later run needs to know of it."""
    tree, digest = layout.tree, digest_tree(layout.tree.entries)
    manifest = describe_package(
        target=inputs.target,
        package_key=inputs.key,
        content_digest=digest,
        tree=tree,
        wheels=inputs.wheels,
        licenses=layout.licenses,
        vendored=_describe_vendored(inputs.app),
    )
    summary = _Summary(content_digest=digest, size=tree.size, files=len(tree.entries), findings=tree.findings)
    store.write(_encode(manifest), _MANIFESTS, inputs.manifest_key)
    findings = [describe_finding(finding) for finding in tree.findings]
    store.write(_encode([digest, tree.size, len(tree.entries), findings]), _SUMMARIES, inputs.key)
    return summary


def _describe_vendored(app: App) -> tuple[dict[str, Any], ...]:
    if not app.vendored_distributions:
        return ()
    # Imported here: few apps have such.
    from cdk_lambda_package.vendored import describe_vendored

    return tuple(describe_vendored(app.files))


def _recall(inputs: Inputs, store: Store) -> _Summary | None:
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
