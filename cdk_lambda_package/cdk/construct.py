"""The CDK face: code that is packaged while the app is constructed.

The .zip is made in the constructor, in plain Python: misuse is an exception with its own type and text. What is wrong
with the content, such as a requirement that no wheel satisfies, becomes a validation error of the construct instead, so
that one synthesis shows what is wrong with every function.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from aws_cdk import BundlingOptions, CfnResource, DockerImage, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.cdk.asset_place import AssetPlace, find_asset_place
from cdk_lambda_package.cdk.bundling import refuse_bundling
from cdk_lambda_package.cdk.layer_versions import LayerVersions, read_layer_versions
from cdk_lambda_package.cdk.props import (
    OnError,
    check_code_props,
    check_function_handler,
    make_request,
    read_environment,
    refuse_code,
)
from cdk_lambda_package.cdk.validations import Broken, FittingCode, Report, describe_missing_handler, leave_unsaid
from cdk_lambda_package.defaults import fill, read_context
from cdk_lambda_package.errors import ContentError, EntryError, OptionError, PackageError, TargetError
from cdk_lambda_package.modules.handler import ANY_HANDLER, name_module
from cdk_lambda_package.modules.layers import Layer
from cdk_lambda_package.request import PackageRequest, PackagingOptions
from cdk_lambda_package.requirements.upload_limit import UploadedPriorTo
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store

# Imported where something is packaged: a stack that isn't bundled shouldn't pay for it.
if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import DeploymentPackage

# What stands for the code of a function that has none to deploy: its stack isn't deployed in this run, or it is broken.
_PLACEHOLDER = Path(__file__).parent / "unbundled"
_NOT_PACKAGED = "# This stack isn't bundled in this run of the CDK CLI, so its code was not packaged."


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
        **options: Unpack[PackagingOptions],
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
        bundled = Stack.of(scope).bundling_required
        if bundled:
            options = cast(PackagingOptions, fill({**options}, read_context(scope.node.get_all_context())))
        known = read_layer_versions(layers) if bundled else ()
        request = make_request(entry, runtime, architecture or lambda_.Architecture.X86_64, options, known)
        self._request = request
        self.deployment_package: DeploymentPackage | None = None
        broken: str | None = None
        if bundled:
            try:
                self.deployment_package = _package(request, find_asset_place(scope), asset_hash)
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
        unsaid = leave_unsaid(scope, self.deployment_package) if self.deployment_package else ()
        self._report = Report(scope, broken, unsaid)

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


class PythonFunction(lambda_.Function):
    """A Lambda function from a directory laid out like a Chalice app; see `PythonCode` for what is packaged."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's own name for it
        *,
        entry: str | Path,
        runtime: lambda_.Runtime,
        index: str | Path | None = None,
        handler: str | None = None,
        architecture: lambda_.Architecture | None = None,
        layers: Sequence[lambda_.ILayerVersion] | None = None,
        include: Sequence[str] | None = (),
        exclude: Sequence[str] | None = (),
        provided: Sequence[str] | None = (),
        exclude_distributions: Sequence[str] | None = (),
        exclude_from_requirements: Sequence[str] | None = (),
        chalice: str = "slim",
        follow_symlinks: str = "block_external",
        requirements: str | Path | None = None,
        groups: Sequence[str] | None = (),
        extras: Sequence[str] | None = (),
        resolver: str | None = None,
        max_lock_age: timedelta | None = None,
        pip_args: Sequence[str] | None = (),
        pip_environment: Mapping[str, str] | None = None,
        allow_build: bool | None = None,
        require_hashes: bool | None = None,
        uploaded_prior_to: UploadedPriorTo | None = None,
        only_index: Sequence[str] | None = None,
        build_constraint: str | Path | None = None,
        build_image: str | None = None,
        before_packaging: Sequence[Sequence[str]] | None = (),
        after_packaging: Sequence[Sequence[str]] | None = (),
        acknowledge: Sequence[str] | None = (),
        smoke: bool = False,
        smoke_timeout: timedelta = timedelta(seconds=10),
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **function_props: Any,
    ) -> None:
        """Package `entry` and define the function.

        Where None is the default, that of the app's context or of the environment counts: see
        docs/reference/supply-chain.md.

        Args:
            scope: The construct that this one belongs to.
            id: Its name there.
            entry: The app's directory, relative to the working directory as all paths in CDK.
            runtime: The Lambda runtime; the requirements are resolved for its Python and its glibc.
            index: The module with the handler, relative to `entry`; `app.py` if there is one, else `index.py`.
            handler: The handler's name in that module, or `package.module.name` in place of `index`. By default the
                one candidate among `handler`, `lambda_handler` and what a Chalice app is bound to.
            architecture: X86_64 if not given, as in CDK.
            layers: The function's layers, as `aws_lambda.Function` takes them. The checks look into those that this app
                makes; what is in others, and in those of a later `add_layers`, they can't know.
            include: Further files of `entry`, as gitignore-style patterns.
            exclude: Files of your own, of vendor/ too, to leave out; wins over `include`.
            provided: Distributions that the runtime, a layer or vendor/ provides: they leave the resolution.
            exclude_distributions: Distributions to leave out after the resolution, with all that only they need.
            exclude_from_requirements: Files of requirements to leave out, as gitignore-style patterns.
            chalice: `slim` packages of an imported chalice what Chalice itself would, `full` the whole distribution.
            follow_symlinks: One of CDK's `SymlinkFollowMode` names, in lower case.
            requirements: The requirements file or the lock, relative to `entry`; else the lock in `entry` or above it,
                else requirements.txt, if there is one.
            groups: Dependency groups of the lock to package besides what it has by default.
            extras: Extras of the lock's project to package.
            resolver: `pip` or `uv`; pip.
            max_lock_age: How long a resolution that isn't pinned by hashes is used again; a day.
            pip_args: Further arguments for pip, such as `--index-url`.
            pip_environment: Further environment variables for pip; `environment` are those of the function.
            allow_build: False refuses whatever isn't a wheel, before any code of it runs; True.
            require_hashes: True refuses whatever you didn't pin by a hash, in requirements or a lock; False.
            uploaded_prior_to: Take only what was uploaded before a date or datetime (UTC), or at least so long ago, as a
                timedelta or a text such as `7d`; no limit.
            only_index: The hosts, or index URLs with them, that anything may be fetched from; any host.
            build_constraint: A constraints file for what builds need, relative to `entry`.
            build_image: The container image that builds wheels which can't be had otherwise.
            before_packaging: Commands, each a list of words, that are run in a copy of the entry directory before it
                is packaged.
            after_packaging: Commands that are run in the unpacked package; what they leave is packaged.
            acknowledge: Ids of findings that are known and accepted; `id:subject` is a certain one.
            smoke: True imports the handler's module from the package at synthesis, with what `environment` says, where
                this machine has the target's Python.
            smoke_timeout: How long that may take.
            asset_hash: A hash of your own in place of the content's.
            on_error: `raise` for exceptions in place of validation errors, as tests of a stack may want them.
            function_props: Everything else that `aws_lambda.Function` takes.

        Raises `OptionError` or `EntryError` for what can't be meant, and with `on_error="raise"` every `PackageError`.
        """
        function_props = refuse_code(refuse_bundling(function_props))
        architecture = architecture or lambda_.Architecture.X86_64
        check_function_handler(handler)
        options: PackagingOptions = {
            "index": index,
            "handler": handler,
            "include": include,
            "exclude": exclude,
            "provided": provided,
            "exclude_distributions": exclude_distributions,
            "exclude_from_requirements": exclude_from_requirements,
            "chalice": chalice,
            "follow_symlinks": follow_symlinks,
            "requirements": requirements,
            "groups": groups,
            "extras": extras,
            "resolver": resolver,
            "max_lock_age": max_lock_age,
            "pip_args": pip_args,
            "pip_environment": pip_environment,
            "allow_build": allow_build,
            "require_hashes": require_hashes,
            "uploaded_prior_to": uploaded_prior_to,
            "only_index": only_index,
            "build_constraint": build_constraint,
            "build_image": build_image,
            "before_packaging": before_packaging,
            "after_packaging": after_packaging,
            "acknowledge": acknowledge,
            "smoke": smoke,
            "smoke_timeout": smoke_timeout,
            "environment": read_environment(function_props.get("environment")),
        }
        request = make_request(entry, runtime, architecture, options)
        code: lambda_.Code
        made: DeploymentPackage | None = None
        # Inline code is free where nothing is deployed: the first asset of an app makes CDK load all that it has for
        # assets. But CDK takes it only for runtimes that it knows to allow it.
        if Stack.of(scope).bundling_required or not runtime.supports_inline_code:
            code = packaged = PythonCode(
                scope,
                entry=entry,
                runtime=runtime,
                architecture=architecture,
                layers=_all_layers(layers, function_props),
                asset_hash=asset_hash,
                on_error=on_error,
                **options,
            )
            made = packaged.deployment_package
        else:
            check_code_props(asset_hash=asset_hash, on_error=on_error)
            code = lambda_.Code.from_inline(_NOT_PACKAGED)
        self.deployment_package = made
        """What was packaged; None in a stack that isn't bundled in this run, and for broken content."""
        doubt = describe_missing_handler(made)
        if doubt is not None and on_error == "raise":
            raise OptionError(doubt)
        super().__init__(
            scope,
            id,
            code=code,
            handler=_name_handler(made, request),
            runtime=runtime,
            architecture=architecture,
            layers=layers,
            **function_props,
        )
        if doubt is not None:
            self.node.add_validation(Broken(f"{request.entry}: {doubt}"))


def _package(request: PackageRequest, place: AssetPlace, asset_hash: str | None) -> DeploymentPackage:
    from cdk_lambda_package.pipeline import package

    store = _open_store(os.environ.get(CACHE_DIR_VARIABLE))
    return package(place.leave_out(request), place.destination(asset_hash), store=store)


def _all_layers(layers: Sequence[lambda_.ILayerVersion] | None, props: Mapping[str, Any]) -> LayerVersions:
    """Return the function's layers with the one that CDK adds for a prop, and that has modules of its own."""
    added = Layer(name="adot_instrumentation", known=False)
    return (*(layers or ()), added) if props.get("adot_instrumentation") else (layers or ())


def _is_misuse(error: PackageError) -> bool:
    # The target was accepted before anything was packaged: what is said of it then is about a marker.
    return isinstance(error, OptionError | EntryError) and not isinstance(error, ContentError | TargetError)


@cache
def _open_store(directory: str | None) -> Store:
    # One for the process: where the directory can't be written to, what one function fetched serves the next.
    return Store.open(directory)


def _name_handler(made: DeploymentPackage | None, request: PackageRequest) -> str:
    """Return what Lambda calls, found in the module where it wasn't given."""
    if made is None or made.handler is None:
        # Nothing may be read, or nothing could be packaged; either way this template is never deployed.
        return f"{name_module(str(request.handler_module or 'app.py'))}.{request.handler_name or 'handler'}"
    return f"{name_module(made.index)}.{made.handler}"
