"""A Lambda function from a directory: its code, packaged while the app is constructed, and what Lambda calls in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.cdk.bundling import refuse_bundling
from cdk_lambda_package.cdk.code import FunctionCode
from cdk_lambda_package.cdk.layer_versions import LayerVersions
from cdk_lambda_package.cdk.props import (
    OnError,
    check_code_props,
    check_function_handler,
    check_runtime,
    make_request,
    read_environment,
    refuse_code,
)
from cdk_lambda_package.cdk.stacks import read_stack
from cdk_lambda_package.cdk.validations import Broken, describe_missing_handler
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handlers import module_name
from cdk_lambda_package.layers import Layer
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.requirements.limits import UploadedPriorTo

# Imported where something is packaged: a stack that isn't bundled shouldn't pay for it.
if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import DeploymentPackage

_NOT_PACKAGED = "# This stack isn't bundled in this run of the CDK CLI, so its code was not packaged."


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
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        provided: Sequence[str] | None = None,
        exclude_distributions: Sequence[str] | None = None,
        exclude_from_requirements: Sequence[str] | None = None,
        chalice: str | None = None,
        follow_symlinks: str | None = None,
        requirements: str | Path | None = None,
        groups: Sequence[str] | None = None,
        extras: Sequence[str] | None = None,
        max_lock_age: timedelta | None = None,
        pip_args: Sequence[str] | None = None,
        pip_environment: Mapping[str, str] | None = None,
        allow_build: bool | None = None,
        require_hashes: bool | None = None,
        uploaded_prior_to: UploadedPriorTo | None = None,
        only_index: Sequence[str] | None = None,
        build_constraint: str | Path | None = None,
        build_image: str | None = None,
        before_packaging: Sequence[Sequence[str]] | None = None,
        after_packaging: Sequence[Sequence[str]] | None = None,
        acknowledge: Sequence[str] | None = None,
        smoke: bool | None = None,
        smoke_timeout: timedelta | None = None,
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
        options: dict[str, Any] = {
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
        code: lambda_.Code
        made: DeploymentPackage | None = None
        check_runtime(runtime)
        # Inline code is free where nothing is deployed: the first asset of an app makes CDK load all that it has for
        # assets. But CDK takes it only for runtimes that it knows to allow it.
        if read_stack(scope).bundled or not runtime.supports_inline_code:
            code = packaged = FunctionCode(
                scope,
                entry=entry,
                runtime=runtime,
                architecture=architecture,
                layers=_all_layers(layers, function_props),
                asset_hash=asset_hash,
                on_error=on_error,
                **options,
            )
            made, request = packaged.deployment_package, packaged.request
        else:
            request = make_request(entry, runtime, architecture, options)
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


def _all_layers(layers: Sequence[lambda_.ILayerVersion] | None, props: Mapping[str, Any]) -> LayerVersions:
    """Return the function's layers with the one that CDK adds for a prop, and that has modules of its own."""
    added = Layer(name="adot_instrumentation", known=False)
    return (*(layers or ()), added) if props.get("adot_instrumentation") else (layers or ())


def _name_handler(made: DeploymentPackage | None, request: PackageRequest) -> str:
    """Return what Lambda calls, found in the module where it wasn't given."""
    if made is None or made.handler is None:
        # Nothing may be read, or nothing could be packaged; either way this template is never deployed.
        return f"{module_name(str(request.handler_module or 'app.py'))}.{request.handler_name or 'handler'}"
    return f"{module_name(made.index)}.{made.handler}"
