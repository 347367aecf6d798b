"""Stage 3: everything that the package is a function of, and its key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NewType

from cdk_lambda_package.app_directory import VENDOR_FOLDER, App
from cdk_lambda_package.chalice import slim_distributions
from cdk_lambda_package.keys import key_of, outside_key
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.options import OPTIONS, Key, PackageRequest
from cdk_lambda_package.requirements import LockedWheel, Resolution, ResolutionRequest, exclude
from cdk_lambda_package.splicing import COMPRESSOR, Decision
from cdk_lambda_package.target import Target

PackageKey = NewType("PackageKey", str)
"""The sha256 (hex) of all inputs of a package. The same key gives the same bytes; it decides whether to work."""

# Raise it whenever the same inputs would give other bytes.
_FORMAT = "package 3"

_ALL_OF_WHEEL = attrgetter(*(one.name for one in dataclasses.fields(LockedWheel)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Everything that the package is a function of.

    `wheels` are those that are packaged, `decisions` what was settled about distributions before a
    wheel was opened, `options` the values of the packaging options that are part of the package's key, `slim` the
    distributions of which only the runtime's files are packaged, and `root` the folder that everything is in.
    """

    request: PackageRequest = field(metadata=outside_key("`options` has the options that change the package"))
    app: App = field(metadata=outside_key("its files are a part of the key on their own"))
    asked: ResolutionRequest = field(metadata=outside_key("`wheels` is the answer"))
    target: Target
    wheels: tuple[LockedWheel, ...]
    decisions: tuple[Decision, ...]
    options: tuple[Any, ...]
    slim: frozenset[str]
    root: str
    key: PackageKey = field(init=False, metadata=outside_key("it is the key"))
    manifest_key: str = field(init=False, metadata=outside_key("the manifest also says where wheels are from"))

    def __post_init__(self) -> None:
        """Compute the keys."""
        object.__setattr__(self, "key", PackageKey(key_of(_FORMAT, COMPRESSOR, self.app.files, self)))
        object.__setattr__(self, "manifest_key", key_of(self.key, list(map(_ALL_OF_WHEEL, self.wheels))))

    @property
    def inspected(self) -> frozenset[str]:
        """The wheels, by sha256, whose binaries no tag vouches for: those built here, and the user's own without manylinux."""
        vendored = {file.digest for file in self.app.vendored_wheels if "manylinux" not in file.path}
        return frozenset(wheel.sha256 for wheel in self.wheels if wheel.source or wheel.sha256 in vendored)


def join_inputs(request: PackageRequest, app: App, asked: ResolutionRequest, resolution: Resolution) -> Inputs:
    """Return the inputs of a package, without the distributions that the request excludes."""
    excluded = frozenset(request.packaging.exclude_distributions or ())
    slim = slim_distributions(app.imports_chalice, request.packaging.value("chalice"))
    wheels = exclude(resolution.wheels, excluded, bare=slim)
    return Inputs(
        request=request,
        app=app,
        asked=asked,
        target=asked.target,
        wheels=wheels,
        decisions=tuple(_decisions(request, app, resolution.wheels, wheels, slim)),
        options=tuple(request.packaging.value(name) for name, one in OPTIONS.items() if one.key is Key.PACKAGE),
        slim=slim,
        root=request.root,
    )


def _decisions(
    request: PackageRequest,
    app: App,
    resolved: Iterable[LockedWheel],
    wheels: Iterable[LockedWheel],
    slim: frozenset[str],
) -> Iterator[Decision]:
    """Yield what was decided about distributions before any of them was opened."""
    kept = {owner_of(wheel): wheel for wheel in wheels}
    for name in sorted(request.packaging.provided or ()):
        yield Decision("distribution-provided", name, "provided names it")
    for name in app.vendored_distributions:
        yield Decision("distribution-provided", name, f"{VENDOR_FOLDER}/ has its metadata")
    for owner in sorted({owner_of(wheel) for wheel in resolved} - kept.keys()):
        yield Decision("distribution-left-out", owner, "excluded, or needed only by what is left out")
    for owner, wheel in kept.items():
        if wheel.name in slim:
            yield Decision(
                "chalice-runtime-only", owner, "the app imports chalice, of which a function needs two files"
            )
