"""Where CDK keeps the assets of an app: a .zip that is written there at once isn't copied again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import App, AssetStaging, Stage
from constructs import Construct

from cdk_lambda_package.app_directory import NEVER_FOLDERS, escape
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import PackageRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetPlace:
    """The directory of an app's assets, absolute, and which content each asset that was written there has."""

    folder: Path
    contents: dict[Path, str] = field(default_factory=dict)

    def destination(self, asset_hash: str | None) -> Callable[[str], Path]:
        """Return where a package belongs, by the digest of its content.

        Raises `OptionError` if another content has the asset hash already.
        """

        # `AssetStaging` hashes the text of a custom asset hash, and leaves alone what is there under that name.
        def choose(digest: str) -> Path:
            path = self.folder / f"asset.{hashlib.sha256((asset_hash or digest).encode()).hexdigest()}.zip"
            if self.contents.setdefault(path, digest) != digest:
                raise OptionError(
                    f"asset_hash {asset_hash!r} is already that of another package of this app; they would be taken for "
                    "the same. Give each content a hash of its own, or leave asset_hash out."
                )
            return path

        return choose

    def leave_out(self, request: PackageRequest) -> PackageRequest:
        """Return the request without this directory, if the entry directory has it: it holds earlier output."""
        entry, folder = os.path.realpath(request.entry_path), os.path.realpath(self.folder)
        inside = Path(os.path.relpath(folder, entry)).parts if folder.startswith(entry + os.sep) else ()
        if not inside or not NEVER_FOLDERS.isdisjoint(inside):
            return request
        exclude = (*(request.packaging.exclude or ()), f"/{escape('/'.join(inside))}/")
        return request.with_packaging(exclude=exclude)


def find_asset_place(scope: Construct) -> AssetPlace:
    """Return the place of the assets of a scope's app.

    Raises `OptionError` for a scope that belongs to none.
    """
    stage = Stage.of(scope)
    if stage is None:
        raise OptionError("Python code needs a Stack that belongs to an App or a Stage; this scope has neither.")
    # Kept on the app, and gone with it.
    kept = scope.node.root.__dict__
    if _KEPT not in kept:
        kept[_KEPT] = AssetPlace(folder=_make_absolute(stage.asset_outdir))
    place: AssetPlace = kept[_KEPT]
    return place


_KEPT = "_cdk_lambda_package_assets"


def _make_absolute(folder: str) -> Path:
    """Return a path as CDK's own process understands it: its working directory is that in which node was started."""
    if Path(folder).is_absolute():
        return Path(folder)
    # Staging says what a source's path is in full. Switched off, it does nothing else.
    scratch = App(outdir=folder, auto_synth=False, context={"aws:cdk:disable-asset-staging": True})
    return Path(AssetStaging(scratch, "Outdir", source_path=folder, asset_hash="none").source_path)
