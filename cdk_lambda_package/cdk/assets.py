"""Assets of packages: where CDK keeps them, and one Asset for each stack and package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aws_cdk import App, AssetStaging, Stack, Stage
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct, Node

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.paths import NEVER_FOLDERS
from cdk_lambda_package.variables import OutsideName, ReadBy

# https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.cx_api-readme.html
_METADATA_CONTEXT = OutsideName(
    "aws:cdk:enable-asset-metadata",
    read_by=ReadBy.CONTEXT,
    meaning="Resources get the paths of their assets as metadata, which `sam local` reads. The CDK CLI sets it; `--no-asset-metadata` "
    "turns it off.",
    default="no metadata",
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AssetPlace:
    """The directory of an app's assets, absolute, and for each asset hash of the user's the content that each Stage gave it.

    A .zip file archive that is written there at once isn't copied again.
    """

    folder: Path
    contents: dict[str, dict[Construct, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage) -> AssetPlace:
        """Return the place of the assets of a Stage's app."""
        folder = stage.asset_outdir
        if not Path(folder).is_absolute():
            # CDK's own process has the working directory in which node was started. Staging says what a source's path is in
            # full; switched off, it does nothing else.
            scratch = App(outdir=folder, auto_synth=False, context={"aws:cdk:disable-asset-staging": True})
            folder = AssetStaging(scratch, "Outdir", source_path=folder, asset_hash="none").source_path
        return cls(folder=Path(folder))

    def folder_of(self, stage: Stage) -> Path:
        """Return the folder of a Stage's templates, absolute; that of an App is the one of the assets."""
        return Path(os.path.normpath(self.folder / os.path.relpath(stage.outdir, stage.asset_outdir)))

    def by_content(self, digest: str) -> Path:
        """Return where a package with this content belongs."""
        # `AssetStaging` hashes the text of a custom asset hash, and doesn't touch a file that has that name.
        return self.folder / f"asset.{hashlib.sha256(digest.encode()).hexdigest()}.zip"

    def by_hash(self, asset_hash: str | None, recorder: Construct) -> Callable[[str], Path]:
        """Return the destination of a recorder's packages with an asset hash of the user's, or of those without one.

        The destination raises `OptionError` if another content has the asset hash.
        """
        if asset_hash is None:
            return self.by_content

        def destination(digest: str) -> Path:
            given = self.contents.setdefault(asset_hash, {})
            given.setdefault(recorder, digest)
            if set(given.values()) != {digest}:
                raise OptionError(
                    f"asset_hash {asset_hash!r} is already that of another package of this app, and CDK would treat both "
                    "as equal. Give each content its own hash, or leave asset_hash out."
                )
            return self.by_content(asset_hash)

        return destination

    def forget(self, recorder: Construct) -> None:
        """Forget all contents if a recorder's packages are made anew: in another synthesis, all are."""
        if any(recorder in given for given in self.contents.values()):
            self.contents.clear()

    def without_output(self, request: PackageRequest) -> PackageRequest:
        """Return the request without this directory, if it is in the entry directory: it holds earlier output."""
        entry, folder = os.path.realpath(request.entry_path), os.path.realpath(self.folder)
        inside = Path(os.path.relpath(folder, entry)).parts if folder.startswith(entry + os.sep) else ()
        if not inside or not NEVER_FOLDERS.isdisjoint(inside):
            return request
        return replace(request, outputs=("/".join(inside),))


@dataclass(frozen=True, kw_only=True, slots=True)
class StackAsset:
    """An Asset, and its location as text: each question to CDK is a message to another process."""

    asset: s3_assets.Asset
    bucket: str
    key: str

    @classmethod
    def of(cls, stack: Stack, path: str, *, name: str, asset_hash: str) -> StackAsset:
        """Return a new Asset of the stack for the .zip file archive at `path`, the package of the app `name`."""
        # The CDK CLI shows the name, if this aws-cdk-lib has the prop.
        known = "display_name" in s3_assets.AssetProps.__init__.__annotations__
        facts: dict[str, Any] = {"display_name": f"Python package {name}"} if known else {}
        digest = hashlib.sha256(asset_hash.encode()).hexdigest()
        # As CDK's AssetCode does: the location may have a prefix for assets that only the deployment reads.
        facts |= {"path": path, "asset_hash": asset_hash, "deploy_time": True}
        # Not `stack.synthesizer.add_file_asset`: from here, a synthesizer of the app is the one before CDK bound a copy of it to the stack.
        asset = s3_assets.Asset(stack, f"PythonPackage{digest}", **facts)
        return cls(asset=asset, bucket=asset.s3_bucket_name, key=asset.s3_object_key)


def wants_metadata(node: Node) -> bool:
    """Return whether the context of a construct asks for the metadata of assets on the resources that have them.

    Example:
        `wants_metadata(stack.node)`
    """
    return bool(node.try_get_context(_METADATA_CONTEXT))
