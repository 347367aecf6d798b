"""Code that is packaged while the app is constructed.

The .zip is made in the constructor, in plain Python: misuse is an exception with its own type and text. What is wrong
with the content, such as a requirement that no wheel satisfies, becomes a validation error of the construct instead, so
that one synthesis shows what is wrong with every function.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import BundlingOptions, CfnResource, DockerImage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.cdk.asset_place import AssetPlace
from cdk_lambda_package.cdk.layer_versions import LayerVersions, read_layer_versions
from cdk_lambda_package.cdk.props import (
    OnError,
    check_code_props,
    make_request,
)
from cdk_lambda_package.cdk.stacks import read_stack
from cdk_lambda_package.cdk.validations import FittingCode, Report, leave_unsaid
from cdk_lambda_package.errors import ContentError, EntryError, OptionError, PackageError, TargetError
from cdk_lambda_package.handlers import ANY_HANDLER
from cdk_lambda_package.options import PackageRequest, read_context
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store

# Imported where something is packaged: a stack that isn't bundled shouldn't pay for it.
if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import DeploymentPackage

# What stands for the code of a function that has none to deploy: its stack isn't deployed in this run, or it is broken.
_PLACEHOLDER = Path(__file__).parent / "unbundled"


class PythonCode(lambda_.AssetCode):
    """A Lambda function's code from a directory laid out like a Chalice app, for any construct that takes `code`.

    The .zip holds the module that `index` names, `chalicelib/`, the requirements' wheels for exactly this runtime and
    architecture, and the content of `vendor/`. It is named by its content, so that the same content never redeploys;
    code objects with the same content share it. The function must be given the same runtime and architecture: another
    one is a validation error at synthesis, whoever set it.

    A stack that this run of the CDK CLI doesn't bundle (`Stack.bundling_required`) costs nothing: the entry directory
    isn't even looked at.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        entry: str | Path,
        runtime: lambda_.Runtime,
        architecture: lambda_.Architecture | None = None,
        layers: LayerVersions | None = (),
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **options: Any,
    ) -> None:
        """Package `entry`.

        Args:
            scope: The construct that the code is for, or any other in its stack. Warnings and validation errors are
                shown on the first resource that gets the code, or on this one if none does.
            entry: The app's directory, relative to the working directory as all paths in CDK.
            runtime: The Lambda runtime; the requirements are resolved for its Python and its glibc.
            architecture: X86_64 if not given, as in CDK.
            layers: The function's layers, for the checks: of CDK, or directories, .zip file archives or ARNs. They aren't
                given to the function.
            asset_hash: A hash of your own in place of the content's: you decide when the asset is another one.
            on_error: `raise` for exceptions in place of validation errors, as tests of a stack may want them.
            options: See `PackageRequest`. Without `handler`, functions may share the code, each with its own.

        Raises `OptionError` or `EntryError` for what can't be meant, and with `on_error="raise"` every `PackageError`.
        """
        options.setdefault("handler", ANY_HANDLER)
        check_code_props(asset_hash=asset_hash, on_error=on_error)
        stack = read_stack(scope)
        bundled = stack.bundled
        known = read_layer_versions(layers) if bundled else ()
        request = make_request(entry, runtime, architecture or lambda_.Architecture.X86_64, options, known)
        if bundled:
            defaults = read_context(scope.node.get_all_context()).packaging
            request = replace(request, packaging=request.packaging.over(defaults))
        self._request = request
        self.deployment_package: DeploymentPackage | None = None
        broken: str | None = None
        if bundled:
            try:
                self.deployment_package = _package(request, stack.find_asset_place(scope), asset_hash)
            except PackageError as error:
                if on_error == "raise" or _is_misuse(error):
                    raise
                broken = f"{request.entry}: {error}"
        if self.deployment_package is None:
            # With `bundling`, CDK stages nothing in a stack that isn't bundled, and never comes to start the image.
            unused = BundlingOptions(image=DockerImage.from_registry("scratch"))
            super().__init__(str(_PLACEHOLDER), asset_hash="unbundled", bundling=None if bundled else unused)
        else:
            super().__init__(
                str(self.deployment_package.path), asset_hash=asset_hash or self.deployment_package.content_digest
            )
        unsaid = leave_unsaid(stack.said, self.deployment_package) if self.deployment_package else ()
        self._report = Report(scope, broken, unsaid)
        if self._may_be_bound_by_hand:
            self._report.await_resource()

    def bind_to_resource(self, resource: CfnResource, *, resource_property: str | None = None) -> None:
        """Tie the code to the resource that it was given to; CDK calls this."""
        if isinstance(resource, lambda_.CfnLayerVersion):
            raise OptionError(
                "PythonCode is for functions: a layer has its modules below python/. Give it to a function."
            )
        super().bind_to_resource(resource, resource_property=resource_property)
        self._report.show_on(resource)
        if isinstance(resource, lambda_.CfnFunction):
            resource.node.add_validation(FittingCode(resource, self._request, self.deployment_package))

    _may_be_bound_by_hand = True


class FunctionCode(PythonCode):
    """Code that a `PythonFunction` makes for itself, and binds to its own resource."""

    _may_be_bound_by_hand = False

    @property
    def request(self) -> PackageRequest:
        """What was packaged, or should have been."""
        return self._request


def _package(request: PackageRequest, place: AssetPlace, asset_hash: str | None) -> DeploymentPackage:
    from cdk_lambda_package.pipeline import package

    store = _open_store(os.environ.get(CACHE_DIR_VARIABLE))
    return package(place.leave_out(request), place.destination(asset_hash), store=store)


def _is_misuse(error: PackageError) -> bool:
    # The target was accepted before anything was packaged: what is said of it then is about a marker.
    return isinstance(error, OptionError | EntryError) and not isinstance(error, ContentError | TargetError)


@cache
def _open_store(directory: str | None) -> Store:
    # One for the process: where the directory can't be written to, what one function fetched serves the next.
    return Store.open(directory)
