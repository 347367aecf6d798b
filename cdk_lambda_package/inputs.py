"""Everything that a package is a function of, and the key that says whether it was made before. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NewType

from cdk_lambda_package.app_directory.app import App, AppFile
from cdk_lambda_package.app_directory.entry import VENDOR_FOLDER
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.options import OPTIONS, SLIM, Key, PackageRequest
from cdk_lambda_package.requirements.dependencies import exclude
from cdk_lambda_package.requirements.resolution import LockedWheel, Resolution
from cdk_lambda_package.splicing.content import COMPRESSOR
from cdk_lambda_package.splicing.tree import Decision
from cdk_lambda_package.target import Target

PackageKey = NewType("PackageKey", str)
"""The sha256 (hex) of all inputs of a package. The same key gives the same bytes; it decides whether to work."""

# Raised whenever the same inputs would give other bytes, so that what older versions recorded isn't taken for it.
KEY_FORMAT = "cdk-lambda-package inputs 1"

CHALICE = "chalice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
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
        rows = [[wheel.url, wheel.index, wheel.source, wheel.requested, wheel.required_by] for wheel in self.wheels]
        return hashlib.sha256(json.dumps([self.key, rows]).encode()).hexdigest()

    @property
    def looked_into(self) -> frozenset[str]:
        """The wheels, by sha256, whose binaries nobody vouches for: built here, or the user's own without a promise."""
        vendored = {file.digest for file in self.app.vendored_wheels if "manylinux" not in file.path}
        return frozenset(wheel.sha256 for wheel in self.wheels if wheel.source or wheel.sha256 in vendored)


def join_inputs(request: PackageRequest, target: Target, app: App, lock: Resolution) -> Inputs:
    """Put together what was asked, read and resolved, without the distributions that are to be left out."""
    slim = app.imports_chalice and request.packaging.value("chalice") == SLIM
    left_out = frozenset(request.packaging.exclude_distributions or ())
    wheels = exclude(lock.wheels, left_out, bare=frozenset({CHALICE} if slim else ()))
    decisions = tuple(_explain_wheels(request, app, lock.wheels, wheels))
    return Inputs(
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
    for name in sorted(request.packaging.provided or ()):
        yield Decision("distribution-provided", name, "provided= names it")
    for name in app.vendored_distributions:
        yield Decision("distribution-provided", name, f"{VENDOR_FOLDER}/ has its metadata")
    for owner in sorted({owner_of(wheel) for wheel in resolved} - kept.keys()):
        yield Decision("distribution-left-out", owner, "excluded, or needed only by what is left out")
    for owner, wheel in kept.items():
        if is_slim(wheel, app, request):
            yield Decision(
                "chalice-runtime-only", owner, "the app imports chalice, of which a function needs two files"
            )


def is_slim(wheel: LockedWheel, app: App, request: PackageRequest) -> bool:
    """Tell whether only Chalice's runtime is wanted of this wheel."""
    return wheel.name == CHALICE and app.imports_chalice and request.packaging.value("chalice") == SLIM


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
        [request.packaging.value(name) for name, declared in OPTIONS.items() if declared.key is Key.PACKAGE],
    ]
    return PackageKey(hashlib.sha256(json.dumps(fields).encode()).hexdigest())
