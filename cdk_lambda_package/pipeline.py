"""From a directory to a deployment package: `package` is the whole way, read top to bottom."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import Finding, PackageError, raise_for_errors
from cdk_lambda_package.examination import MANIFESTS, examine
from cdk_lambda_package.inputs import PackageKey
from cdk_lambda_package.options import PackageRequest, with_environment
from cdk_lambda_package.output import Form, find_current, write_output
from cdk_lambda_package.planning import Progress
from cdk_lambda_package.splicing.tree import ContentDigest
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

Destination = Callable[[ContentDigest], Path]
"""Where to write a package, by the digest of its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPackage:
    """A package that was made, or found to be there already.

    `path` is None where nothing was to be written. `size` is in bytes unzipped, and `files` their number; `findings`
    are the warnings and notes that nobody acknowledged. `index` is the handler's module in the package, `module` its
    file on this machine, and `handler` its name there, None where that was neither given nor found. `handler_names` are
    all names of that module, None where they can't be known. `name` is that of the entry directory.
    """

    name: str
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
        content = self.store.read(MANIFESTS, self.manifest_key)
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
    examined = examine(request, store, progress)
    findings = raise_for_errors(examined.findings, acknowledge=request.packaging.acknowledge or ())
    inputs, summary = examined.inputs, examined.summary
    path = destination(summary.content_digest) if destination else None
    if path is not None and not find_current(path, inputs.key, form, store):
        write_output(path, examined.layout().splices, inputs.key, form, store)
    return DeploymentPackage(
        # Not the path of a copy that takes its place.
        name=Path(os.path.normpath(request.entry_path)).name or "app",
        path=path,
        index=examined.app.index,
        handler=examined.handler,
        handler_names=examined.handler_names,
        module=examined.app.entry / examined.app.index,
        package_key=inputs.key,
        content_digest=summary.content_digest,
        size=summary.size,
        files=summary.files,
        target=examined.target,
        findings=findings,
        manifest_key=inputs.manifest_key,
        store=store,
    )
