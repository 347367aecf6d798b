"""From a directory to a deployment package: `package` is the whole way, read top to bottom."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from cdk_lambda_package.checking import review
from cdk_lambda_package.errors import Finding, PackageError, Severity, raise_for_errors
from cdk_lambda_package.inputs import Inputs, PackageKey, join_inputs
from cdk_lambda_package.layout import lay_out
from cdk_lambda_package.manifest import describe_finding, describe_package
from cdk_lambda_package.output import Form, find_current, write_output
from cdk_lambda_package.planning import Progress, find_resolution, read_requested_app
from cdk_lambda_package.preparation import prepare
from cdk_lambda_package.request import PackageRequest
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.tree import ContentDigest, Tree, digest_tree

Destination = Callable[[ContentDigest], Path]
"""Where to write a package, by the digest of its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPackage:
    """A package that was made, or found to be there already.

    `path` is None where nothing was to be written. `size` is in bytes unzipped, and `files` their number; `findings`
    are the warnings and notes that nobody acknowledged. `index` is the handler's module in the package, `module` its
    file on this machine, and `handler` its name there, None where that was neither given nor found. `handler_names` are
    all names of that module, None where they can't be known.
    """

    path: Path | None
    index: str
    handler: str | None
    handler_names: tuple[str, ...] | None
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
    prepared = prepare(request, store, progress)
    with prepared.naming_errors():
        app = read_requested_app(prepared.request, prepared.entry, store)
        lock = find_resolution(prepared.request, app, target, store, progress)
        inputs = join_inputs(prepared.request, target, app, lock)
        layout = cache(partial(lay_out, inputs, store, progress))
        summary = _recall(inputs, store) or _summarise(inputs, layout().tree, store)
        checked = review(inputs, layout, store)
        found = (*_find_assumptions(target), *app.findings, *lock.findings, *summary.findings, *checked.findings)
        findings = raise_for_errors(map(prepared.name_finding, found), acknowledge=frozenset(request.acknowledge))
        path = destination(summary.content_digest) if destination else None
        if path is not None and not find_current(path, inputs.key, form, store):
            write_output(path, layout().splices, inputs.key, form, store)
    return DeploymentPackage(
        path=path,
        index=app.index,
        handler=checked.handler,
        handler_names=checked.handler_names,
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


_MANIFESTS, _SUMMARIES = "manifests", "packages"


def _summarise(inputs: Inputs, tree: Tree, store: Store) -> _Summary:
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
