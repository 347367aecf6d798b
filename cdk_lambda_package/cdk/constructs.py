"""The constructs: a Lambda function from a directory, and its code for other constructs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from aws_cdk import CfnResource, Lazy, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.bundling import is_planned
from cdk_lambda_package.cdk.callbacks import Late
from cdk_lambda_package.cdk.code import PackagedCode
from cdk_lambda_package.cdk.layers import LayerVersions
from cdk_lambda_package.cdk.placeholders import inline_placeholder, placeholder_config
from cdk_lambda_package.cdk.props import (
    BY_ARCHITECTURE,
    OnError,
    check_code_props,
    check_function_props,
    choose_runtime,
    layer_source,
    name_of,
    refuse_flat_options,
)
from cdk_lambda_package.cdk.recorder import StackNotes, package_of
from cdk_lambda_package.cdk.uncaught import PlainErrors
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handlers import ANY_HANDLER
from cdk_lambda_package.options import Packaging
from cdk_lambda_package.pipeline import DeploymentPackage

if TYPE_CHECKING:
    from cdk_lambda_package.cdk.function_props import FunctionProps


class PythonCode(lambda_.Code):
    """Code from a directory, for any construct that takes `code`: functions and layers.

    The package is made when the app is synthesized, for the runtime, the architecture and the layers that the function then
    has. Several functions can use one code, each with its own handler, runtime and architecture. A layer gets everything below
    `python/`, and the package must be the same for all its compatible runtimes and architectures. In a stack that this run of
    the CDK CLI doesn't bundle, nothing is made and the directory isn't read, except for a layer of a function that is bundled.

    Example:
        ```python
        code = PythonCode(entry="cleanup")
        lambda_.SingletonFunction(
            stack, "Cleanup", uuid="cleanup", code=code, runtime=lambda_.Runtime.PYTHON_3_13, handler="app.handler"
        )
        ```
    """

    def __init__(
        self,
        *,
        entry: str | os.PathLike[str],
        index: str | os.PathLike[str] | None = None,
        handler: str | None = None,
        layers: LayerVersions | None = None,
        environment: Mapping[str, str] | None = None,
        packaging: Packaging | Mapping[str, Any] | None = None,
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **unknown: Any,
    ) -> None:
        """Check the props; nothing is read.

        Args:
            entry: The app's directory, relative to the working directory as all paths in CDK.
            index: The module with the handler, relative to `entry`. If it is in a folder, its whole top-level folder is packaged.
                A layer needs none. Default: `app.py` if it exists, else `index.py`.
            handler: The handler's name in that module, or `package.module.name` in place of `index`. Default: each function has
                a handler of its own.
            layers: Layers for the checks, in addition to those of the function: CDK's, or directories, .zip file archives
                or ARNs. Default: none.
            environment: The function's variables, for `smoke` and for handlers that a monitoring service wraps or a program
                starts; they can't be read from the function. Default: none.
            packaging: How the package is made; see `Packaging`. Default: no option set.
            asset_hash: Your own hash in place of the content digest. Default: the content digest.
            on_error: How errors in the content are reported. `"validate"` shows them at synthesis, those of all functions at
                once. `"raise"` makes the package as soon as a function gets the code, and raises there; tests of a stack can
                use that. Where CDK binds the code, jsii passes the error on as a `RuntimeError`. Default: `"validate"`.
            unknown: Nothing; a packaging option here is an error that shows the line to write.

        Raises `OptionError` or `EntryError` for values that aren't accepted.

        Example:
            `PythonCode(entry="orders", packaging=Packaging(slim=True))`
        """
        super().__init__()
        PlainErrors.show()
        if refuse_flat_options(unknown):
            raise TypeError(f"PythonCode has no argument {next(iter(unknown))!r}")
        self.packaged = PackagedCode.of(
            entry=entry,
            index=index,
            handler=ANY_HANDLER if handler is None else handler,
            layers=layers,
            environment=environment,
            packaging=packaging,
            asset_hash=asset_hash,
            on_error=on_error,
        )

    @property
    def is_inline(self) -> bool:
        """False; deprecated in CDK, and not read there."""
        return False

    def bind(self, scope: Construct) -> lambda_.CodeConfig:
        """Return a placeholder for the location, which synthesis replaces; CDK calls this.

        If you call it, call `code.bind_to_resource(resource)` too.
        """
        notes = StackNotes.of(scope)
        if notes.recorder is not None and self.packaged.bundled:
            notes.recorder.bind(self.packaged, notes, scope)
        return placeholder_config()

    def bind_to_resource(
        self,
        resource: CfnResource,
        *,
        resource_property: str | None = None,  # noqa: ARG002 - of CDK's signature
    ) -> None:
        """Record the resource that gets the code; CDK calls this.

        Raises `OptionError` for a resource that is neither a function nor a layer, and with `on_error="raise"` every `PackageError`.
        """
        kinds = (lambda_.CfnFunction, lambda_.CfnLayerVersion)
        if not isinstance(resource, kinds) and not hasattr(type(resource), "code_uri"):
            raise OptionError(
                "PythonCode is for aws_lambda.CfnFunction, aws_lambda.CfnLayerVersion and aws_sam.CfnFunction; "
                f"{type(resource).__name__} is none of them."
            )
        notes = StackNotes.of(resource)
        if not isinstance(resource, lambda_.CfnLayerVersion):
            notes.give_architecture(resource, "architectures")
        notes.give(self.packaged, resource)
        if self.packaged.raises:
            self.packaged.make_now()

    @property
    def packaging(self) -> Packaging:
        """The options that it was given. The defaults of a function that has the code are those of its own scope."""
        return self.packaged.request.packaging

    @property
    def deployment_package(self) -> DeploymentPackage | None:
        """What was packaged; None if nothing was: in a stack that isn't bundled in this run, and if there are errors.

        Raises `PackageError` before the app is synthesized, and if functions have different packages of this code.
        """
        return package_of(self.packaged)


class PythonFunction(lambda_.Function):
    """A Lambda function from a directory laid out like a Chalice app.

    The package is made when the app is synthesized, for the runtime, the architecture and the layers that the function then
    has. It holds the module that `index` names, `chalicelib/`, the requirements' wheels, and the content of `vendor/`.

    Example:
        ```python
        PythonFunction(
            stack,
            "Orders",
            entry="orders",
            runtime=lambda_.Runtime.PYTHON_3_13,
            packaging=Packaging(exclude=["*.md"], smoke=True),
            timeout=Duration.seconds(30),
        )
        ```
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's own name for it
        *,
        entry: str | Path | None = None,
        runtime: lambda_.Runtime | None = None,
        index: str | Path | None = None,
        handler: str | None = None,
        code: PythonCode | None = None,
        architecture: lambda_.Architecture | None = None,
        layers: Sequence[lambda_.ILayerVersion] | None = None,
        packaging: Packaging | Mapping[str, Any] | None = None,
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **function_props: Unpack[FunctionProps],
    ) -> None:
        """Define the function, and record what to package.

        Args:
            scope: The construct that this one belongs to.
            id: Its name there.
            entry: The app's directory, relative to the working directory as all paths in CDK. Default: required without `code`.
            runtime: A Python runtime. Default: that of `PackagingDefaults`, of the context or of the environment.
            index: The handler's module, relative to `entry`. If it is in a folder, its whole top-level folder is packaged.
                `pkg.py` means `pkg/__init__.py` if only that exists. Default: `app.py` if it exists, else `index.py`.
            handler: The handler's name in that module, or `package.module.name` in place of `index`, which may be in a
                requirement or a layer. In a stack that isn't bundled, it is `handler` unless it is set. Default: `app` of a
                Chalice app's `app.py`, else the only candidate among `handler`, `lambda_handler` and the name that
                `Chalice(…)` is bound to.
            code: Everything about packaging, in place of `entry`, `index`, `packaging` and `asset_hash`. Default: made of
                `entry`.
            architecture: `X86_64` or `ARM_64`. It isn't given to CDK unless it is set, so that a property injector can set it.
                Default: that of `PackagingDefaults`, assigned to a resource that has none; else x86_64.
            layers: The function's layers. Default: none.
            packaging: How the package is made; see `Packaging`. Default: no option set.
            asset_hash: Your own hash in place of the content digest. Default: the content digest.
            on_error: How errors in the content are reported. `"validate"` shows them at synthesis, those of all functions at
                once. `"raise"` makes the package in the constructor and raises there; tests of a stack can use that. Default:
                `"validate"`.
            function_props: The other props of `aws_lambda.Function`, unchanged.

        Raises `OptionError`, `EntryError` or `TargetError` for values that aren't accepted, and with `on_error="raise"` every
        `PackageError`.

        Example:
            `PythonFunction(stack, "Orders", entry="orders", runtime=lambda_.Runtime.PYTHON_3_13, memory_size=512)`
        """
        PlainErrors.show()
        others = refuse_flat_options(function_props)
        check_function_props(handler=handler, code=code, bundling=others.pop("bundling", None))
        check_code_props(code, {"entry": entry, "index": index, "packaging": packaging, "asset_hash": asset_hash})
        notes = StackNotes.of(scope)
        runtime = choose_runtime(runtime, architecture, lambda: notes.default_runtime(scope))
        if architecture is None and any(others.get(name) is not None for name in BY_ARCHITECTURE):
            architecture = notes.default_architecture(scope)
        variables = others.get("environment")
        own = self.packaged = (
            PackagedCode.of(
                entry=entry,
                index=index,
                handler=handler,
                environment=variables,
                packaging=packaging,
                asset_hash=asset_hash,
                on_error=on_error,
            )
            if code is None
            else code.packaged.for_function(handler=handler, environment=variables, on_error=on_error)
        )
        is_recorded = own.bundled and notes.recorder is not None
        # A template of a plan is never deployed either.
        is_left_out = not is_recorded or is_planned()
        if is_recorded:
            own.context = notes.context_of(scope)
            # Constructs such as Datadog's read and replace it.
            own.handler_token = Lazy.uncached_string(Late(own.known_handler))
        optional: dict[str, Any] = {"architecture": architecture, "layers": layers, **others}
        super().__init__(
            scope,
            id,
            # Inline code is free if nothing is deployed. CDK accepts it only for the runtimes that it knows.
            code=inline_placeholder() if is_left_out and runtime.supports_inline_code else notes.placeholder,
            handler=own.handler_token or own.known_handler(),
            runtime=runtime,
            **{name: value for name, value in optional.items() if value is not None},
        )
        own.function, own.place = self, (scope, id)
        resource = self.node.default_child if is_recorded else None
        assert resource is None or isinstance(resource, CfnResource)
        if architecture is None:
            notes.give_architecture(resource or self, "architectures")
        if resource is not None:
            notes.give(own, resource)
        if own.raises:
            own.make_now()

    @property
    def packaging(self) -> Packaging:
        """How it is packaged: its own options with all defaults, as they are at the time; for aspects, for example.

        An option that nothing sets is None; `packaging.value(name)` has its fallback. Raises `OptionError` for a default that isn't
        accepted, such as one in the entry directory's pyproject.toml, which is read if it exists.

        Example:
            `function.packaging.value("slim")`
        """
        return StackNotes.of(self).packaging_of(self, self.packaged)

    @property
    def deployment_package(self) -> DeploymentPackage | None:
        """What was packaged; None if nothing was: in a stack that isn't bundled in this run, and if there are errors.

        Raises `PackageError` before the app is synthesized.

        Example:
            `function.deployment_package.manifest["target"]["runtime"]`, after `app.synth()`
        """
        return package_of(self.packaged)


class PythonLayerVersion(lambda_.LayerVersion):
    """A Lambda layer from an app directory, or from requirements alone.

    The package is made when the app is synthesized, for all of its compatible runtimes and architectures: it must be the same for
    each. Its modules are below `python/`, or below `python/lib/pythonX.Y/site-packages` if it is for one runtime. Its logical id has
    the content's digest, so that a function's `current_version` changes with the layer.

    Functions of another stack should have a layer of their own: CloudFormation doesn't replace an exported layer that is in use.

    Example:
        ```python
        shared = PythonLayerVersion(
            stack, "Shared", requirements="shared/requirements.txt", compatible_runtimes=[lambda_.Runtime.PYTHON_3_13]
        )
        PythonFunction(stack, "Orders", entry="orders", runtime=lambda_.Runtime.PYTHON_3_13, layers=[shared])
        ```
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's own name for it
        *,
        entry: str | Path | None = None,
        requirements: str | Path | None = None,
        compatible_runtimes: Sequence[lambda_.Runtime] | None = None,
        compatible_architectures: Sequence[lambda_.Architecture] | None = None,
        packaging: Packaging | Mapping[str, Any] | None = None,
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        description: str | None = None,
        layer_version_name: str | None = None,
        license: str | None = None,  # noqa: A002 - CDK's own name for it
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        """Define the layer, and record what to package.

        Args:
            scope: The construct that this one belongs to.
            id: Its name there.
            entry: An app directory, relative to the working directory; one with requirements or `vendor/` alone is accepted.
                Default: required without `requirements`.
            requirements: A requirements file or lock, if only its distributions go into the layer. Default: required without
                `entry`.
            compatible_runtimes: The runtimes that the layer is for. Default: the one of `PackagingDefaults`, of the context or
                of the environment.
            compatible_architectures: The architectures that it is for. Default: that of `PackagingDefaults`, else x86_64.
            packaging: How the package is made; see `Packaging`. Default: no option set.
            asset_hash: Your own hash in place of the content digest. Default: the content digest.
            on_error: As for `PythonFunction`. Default: `"validate"`.
            description: A text that the console of AWS shows. Default: none.
            layer_version_name: Its name in AWS. Default: made by CloudFormation.
            license: The license of its content. Default: none.
            removal_policy: `RemovalPolicy.RETAIN` keeps versions that are replaced. Default: that of CDK, which deletes them.

        Raises `OptionError`, `EntryError` or `TargetError` for values that aren't accepted, and with `on_error="raise"` every
        `PackageError`.

        Example:
            `PythonLayerVersion(stack, "Shared", entry="shared", compatible_runtimes=[lambda_.Runtime.PYTHON_3_13])`
        """
        PlainErrors.show()
        place, options = layer_source(entry, requirements, packaging)
        notes = StackNotes.of(scope)
        runtimes = compatible_runtimes or [choose_runtime(None, None, lambda: notes.default_runtime(scope))]
        architectures = compatible_architectures or [notes.default_architecture(scope) or lambda_.Architecture.X86_64]
        code = PythonCode(entry=place, packaging=options, asset_hash=asset_hash, on_error=on_error)
        self.packaged = code.packaged
        self.packaged.names_content = True
        optional: dict[str, Any] = {
            "description": description,
            "layer_version_name": layer_version_name,
            "license": license,
            "removal_policy": removal_policy,
        }
        super().__init__(
            scope,
            id,
            code=code,
            compatible_runtimes=runtimes,
            compatible_architectures=architectures,
            **{name: value for name, value in optional.items() if value is not None},
        )
        if not compatible_architectures:
            notes.give_architecture(self, "compatible_architectures", given=[name_of(architectures[0])])

    @property
    def packaging(self) -> Packaging:
        """How it is packaged: its own options with all defaults, as they are at the time; for aspects, for example.

        An option that nothing sets is None; `packaging.value(name)` has its fallback. Raises `OptionError` for a default that isn't
        accepted, such as one in the entry directory's pyproject.toml, which is read if it exists.

        Example:
            `layer.packaging.require_hashes`
        """
        return StackNotes.of(self).packaging_of(self, self.packaged)

    @property
    def deployment_package(self) -> DeploymentPackage | None:
        """What was packaged; None if nothing was: in a stack that isn't bundled in this run, and if there are errors.

        Raises `PackageError` before the app is synthesized.

        Example:
            `layer.deployment_package.size`, after `app.synth()`
        """
        return package_of(self.packaged)
