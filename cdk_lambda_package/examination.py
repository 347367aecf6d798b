"""All that is found out about a package before it is written: what is in it, and what somebody should know of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from cdk_lambda_package.app_directory.app import App
from cdk_lambda_package.checking import review
from cdk_lambda_package.errors import Finding, Severity, has_errors
from cdk_lambda_package.inputs import Inputs, join_inputs
from cdk_lambda_package.layout import Layout, lay_out
from cdk_lambda_package.manifest import describe_finding, describe_package, owner_of, read_finding
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.planning import Progress, find_resolution, read_requested_app
from cdk_lambda_package.preparation import PreparedEntry, prepare
from cdk_lambda_package.splicing.tree import ContentDigest, digest_tree
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

MANIFESTS = "manifests"
_SUMMARIES = "packages"


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What is remembered of a package that was laid out; `size` in bytes unzipped, the findings those of its tree."""

    content_digest: ContentDigest
    size: int
    files: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """A package as it would be written, and every finding about it, acknowledged or not.

    `layout` lays it out when it is first called. `handler` is the handler's name, None where it wasn't found;
    `handler_names` are the names of its module, None where they can't be known.
    """

    target: Target
    app: App
    inputs: Inputs
    layout: Callable[[], Layout]
    summary: Summary
    handler: str | None
    handler_names: tuple[str, ...] | None
    findings: tuple[Finding, ...]


def examine(request: PackageRequest, store: Store, progress: Progress) -> Examination:
    """Read, resolve, lay out and check, as far as it wasn't done before. Raises the kinds of `PackageError`."""
    target = Target.parse(request.runtime, request.architecture)
    prepared = prepare(request, store, progress)
    with prepared.naming_errors():
        app = read_requested_app(prepared.request, prepared.entry, store)
        lock = find_resolution(prepared.request, app, target, store, progress)
        inputs = join_inputs(prepared.request, target, app, lock)
        layout = cache(partial(_lay_out, prepared, inputs, store, progress))
        summary = _recall(inputs, store) or _summarise(inputs, layout(), store)
        checked = review(inputs, layout, store)
    found = (*_find_assumptions(target), *app.findings, *lock.findings, *summary.findings, *checked.findings)
    examined = Examination(
        target=target,
        app=app,
        inputs=inputs,
        layout=layout,
        summary=summary,
        handler=checked.handler,
        handler_names=checked.handler_names,
        findings=tuple(map(prepared.name_finding, found)),
    )
    if not request.packaging.smoke:
        return examined
    return dataclasses.replace(examined, findings=(*examined.findings, *_try_import(examined, store, progress)))


def _lay_out(prepared: PreparedEntry, inputs: Inputs, store: Store, progress: Progress) -> Layout:
    with prepared.naming_errors():
        return lay_out(inputs, store, progress)


def _try_import(examined: Examination, store: Store, progress: Progress) -> tuple[Finding, ...]:
    # Imported here: whoever doesn't ask for it needn't have what runs processes.
    from cdk_lambda_package.trial.import_outcome import skip
    from cdk_lambda_package.trial.smoke import try_import

    if has_errors(examined.findings, acknowledge=examined.inputs.request.packaging.acknowledge or ()):
        return (skip("what else was found would make it fail."),)
    return try_import(examined.inputs, examined.handler, examined.layout, store=store, progress=progress)


def _summarise(inputs: Inputs, layout: Layout, store: Store) -> Summary:
    """Remember a package that was laid out: its manifest, and what a later run needs to know of it."""
    tree, digest = layout.tree, digest_tree(layout.tree.entries)
    owners = {owner_of(wheel): wheel.sha256 for wheel in inputs.wheels}
    manifest = describe_package(
        target=inputs.target,
        package_key=inputs.key,
        content_digest=digest,
        tree=tree,
        wheels=inputs.wheels,
        licenses={sha256: layout.segments[owner].facts["license"] for owner, sha256 in owners.items()},
        vendored=_describe_vendored(inputs.app),
    )
    summary = Summary(content_digest=digest, size=tree.size, files=len(tree.entries), findings=tree.findings)
    store.write(_encode(manifest), MANIFESTS, inputs.manifest_key)
    findings = [describe_finding(finding) for finding in tree.findings]
    store.write(_encode([digest, tree.size, len(tree.entries), findings]), _SUMMARIES, inputs.key)
    return summary


def _describe_vendored(app: App) -> tuple[dict[str, Any], ...]:
    if not app.vendored_distributions:
        return ()
    # Imported here: few apps have such.
    from cdk_lambda_package.locks.vendored import describe_vendored

    return tuple(describe_vendored(app.files))


def _recall(inputs: Inputs, store: Store) -> Summary | None:
    content = store.read(_SUMMARIES, inputs.key)
    if content is None or store.read(MANIFESTS, inputs.manifest_key) is None:
        return None
    digest, size, files, findings = json.loads(content)
    return Summary(
        content_digest=ContentDigest(digest),
        size=size,
        files=files,
        findings=tuple(map(read_finding, findings)),
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
