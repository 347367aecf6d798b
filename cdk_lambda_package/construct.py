"""The CDK face: code that is packaged while the app is constructed.

The .zip is made in the constructor, in plain Python: misuse is an exception with its own type and text. What is wrong
with the content, such as a requirement that no wheel satisfies, becomes a validation error of the construct instead, so
that one synthesis shows what is wrong with every function.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, get_args

import jsii
from aws_cdk import Annotations, BundlingOptions, CfnResource, DockerImage, Stack, Stage, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct, IValidation

from cdk_lambda_package.bundling import refuse_bundling
from cdk_lambda_package.defaults import fill, read_context
from cdk_lambda_package.errors import EntryError, Finding, OptionError, PackageError
from cdk_lambda_package.handler import choose_handler, name_module, read_bound_names, split_handler
from cdk_lambda_package.request import PackageRequest, PackagingOptions
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.upload_limit import UploadedPriorTo

# Imported where something is packaged: a stack that isn't bundled shouldn't pay for it.
if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import DeploymentPackage

OnError = Literal["validate", "raise"]
"""What becomes of errors in the content: validation errors of the construct at synthesis, or exceptions at once."""

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
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **options: Unpack[PackagingOptions],
    ) -> None:
        """Package `entry`.

        Args:
            scope: The construct that the code is for, or any other in its stack. Warnings and validation errors are
                shown on the first resource that gets the code.
            entry: The app's directory, relative to the working directory as all paths in CDK.
            runtime: The Lambda runtime; the requirements are resolved for its Python and its glibc.
            architecture: X86_64 if not given, as in CDK.
            asset_hash: A hash of your own in place of the content's: you decide when the asset is another one.
            on_error: `raise` for exceptions in place of validation errors, as tests of a stack may want them.
            options: See `PackageRequest`.

        Raises `OptionError` or `EntryError` for what can't be meant, and with `on_error="raise"` every `PackageError`.
        """
        if on_error not in get_args(OnError):
            raise OptionError(f"on_error is {on_error!r}; accepted are {', '.join(get_args(OnError))}.")
        bundled = Stack.of(scope).bundling_required
        if bundled:
            options = cast(PackagingOptions, fill({**options}, read_context(scope.node.get_all_context())))
        request = _make_request(entry, runtime, architecture or lambda_.Architecture.X86_64, options)
        self._target = Target.parse(request.runtime, request.architecture)
        self.deployment_package: DeploymentPackage | None = None
        self._broken: str | None = None
        if bundled:
            from cdk_lambda_package.pipeline import package

            try:
                self.deployment_package = package(
                    request, _destination(scope, asset_hash), store=_open_store(os.environ.get(CACHE_DIR_VARIABLE))
                )
            except PackageError as error:
                if on_error == "raise" or isinstance(error, OptionError | EntryError):
                    raise
                self._broken = f"{request.entry}: {error}"
        if self.deployment_package is None:
            # With `bundling`, CDK stages nothing in a stack that isn't bundled, and never comes to start the image.
            unused = BundlingOptions(image=DockerImage.from_registry("scratch"))
            super().__init__(str(_PLACEHOLDER), asset_hash="unbundled", bundling=None if bundled else unused)
        else:
            super().__init__(
                str(self.deployment_package.path), asset_hash=asset_hash or self.deployment_package.content_digest
            )
        self._unsaid = [*self.deployment_package.findings] if self.deployment_package else []

    def bind_to_resource(self, resource: CfnResource, *, resource_property: str | None = None) -> None:
        """Tie the code to the resource that it was given to; CDK calls this."""
        if isinstance(resource, lambda_.CfnLayerVersion):
            raise OptionError(
                "PythonCode is for functions: a layer has its modules below python/. Give it to a function."
            )
        super().bind_to_resource(resource, resource_property=resource_property)
        if self._broken is not None:
            resource.node.add_validation(_Broken(self._broken))
        _annotate(resource, self._unsaid)
        self._unsaid = []
        if isinstance(resource, lambda_.CfnFunction):
            resource.node.add_validation(_SameTarget(resource, self._target))


class PythonFunction(lambda_.Function):
    """A Lambda function from a directory laid out like a Chalice app; see `PythonCode` for what is packaged."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's own name for it
        *,
        entry: str | Path,
        runtime: lambda_.Runtime,
        index: str | None = None,
        handler: str | None = None,
        architecture: lambda_.Architecture | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        provided: Sequence[str] = (),
        exclude_distributions: Sequence[str] = (),
        exclude_from_requirements: Sequence[str] = (),
        chalice: str = "slim",
        follow_symlinks: str = "block_external",
        requirements: str | Path | None = None,
        groups: Sequence[str] = (),
        extras: Sequence[str] = (),
        resolver: str | None = None,
        max_lock_age: timedelta | None = None,
        pip_args: Sequence[str] = (),
        pip_environment: Mapping[str, str] | None = None,
        allow_build: bool | None = None,
        require_hashes: bool | None = None,
        uploaded_prior_to: UploadedPriorTo | None = None,
        only_index: Sequence[str] | None = None,
        build_constraint: str | Path | None = None,
        build_image: str | None = None,
        before_packaging: Sequence[Sequence[str]] = (),
        after_packaging: Sequence[Sequence[str]] = (),
        acknowledge: Sequence[str] = (),
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
            acknowledge: Ids of findings that are known and accepted.
            asset_hash: A hash of your own in place of the content's.
            on_error: `raise` for exceptions in place of validation errors, as tests of a stack may want them.
            function_props: Everything else that `aws_lambda.Function` takes.

        Raises `OptionError` or `EntryError` for what can't be meant, and with `on_error="raise"` every `PackageError`.
        """
        refuse_bundling(function_props)
        architecture = architecture or lambda_.Architecture.X86_64
        module, name = split_handler(handler) if handler is not None else (None, None)
        index = _choose_index(index, module)
        code: lambda_.Code
        made: DeploymentPackage | None = None
        # Inline code is free where nothing is deployed: the first asset of an app makes CDK load all that it has for
        # assets. But CDK takes it only for runtimes that it knows to allow it.
        if Stack.of(scope).bundling_required or not _make_runtime(runtime).supports_inline_code:
            code = packaged = PythonCode(
                scope,
                entry=entry,
                runtime=runtime,
                architecture=architecture,
                asset_hash=asset_hash,
                on_error=on_error,
                index=index,
                include=include,
                exclude=exclude,
                provided=provided,
                exclude_distributions=exclude_distributions,
                exclude_from_requirements=exclude_from_requirements,
                chalice=chalice,
                follow_symlinks=follow_symlinks,
                requirements=requirements,
                groups=groups,
                extras=extras,
                resolver=resolver,
                max_lock_age=max_lock_age,
                pip_args=pip_args,
                pip_environment=pip_environment or {},
                allow_build=allow_build,
                require_hashes=require_hashes,
                uploaded_prior_to=uploaded_prior_to,
                only_index=only_index,
                build_constraint=build_constraint,
                build_image=build_image,
                before_packaging=before_packaging,
                after_packaging=after_packaging,
                acknowledge=acknowledge,
            )
            made = packaged.deployment_package
        else:
            _make_request(entry, runtime, architecture, {})
            code = lambda_.Code.from_inline(_NOT_PACKAGED)
        self.deployment_package = made
        """What was packaged; None in a stack that isn't bundled in this run, and for broken content."""
        super().__init__(
            scope,
            id,
            code=code,
            handler=_name_handler(made, index, name),
            runtime=runtime,
            architecture=architecture,
            **function_props,
        )


def _make_request(
    entry: str | Path, runtime: lambda_.Runtime, architecture: lambda_.Architecture, options: PackagingOptions
) -> PackageRequest:
    _refuse_token(str(entry), "entry")
    if not isinstance(architecture, lambda_.Architecture):
        raise OptionError(
            f"architecture is {architecture!r}; give one of CDK's, such as aws_lambda.Architecture.ARM_64."
        )
    return PackageRequest(entry=entry, runtime=_make_runtime(runtime).name, architecture=architecture.name, **options)


def _make_runtime(runtime: lambda_.Runtime) -> lambda_.Runtime:
    if not isinstance(runtime, lambda_.Runtime):
        raise OptionError(f"runtime is {runtime!r}; give one of CDK's, such as aws_lambda.Runtime.PYTHON_3_13.")
    return runtime


def _refuse_token(value: str, option: str) -> None:
    # Looked at first in Python: asking CDK is a message to another process.
    if "${Token[" in value and Token.is_unresolved(value):
        raise OptionError(f"{option} is a token, known only at deployment; give a path that is known at synthesis.")


@cache
def _open_store(directory: str | None) -> Store:
    # One for the process: where the directory can't be written to, what one function fetched serves the next.
    return Store.open(directory)


def _destination(scope: Construct, asset_hash: str | None) -> Callable[[str], Path]:
    """Return where CDK would copy an asset of a given hash: what is written there at once isn't copied again."""
    stage = Stage.of(scope)
    if stage is None:
        raise OptionError("Python code needs a Stack that belongs to an App or a Stage; this scope has neither.")
    folder = Path(stage.asset_outdir)

    # `AssetStaging` hashes the text of a custom asset hash, and leaves alone what is there under that name.
    def choose(digest: str) -> Path:
        path = folder / f"asset.{hashlib.sha256((asset_hash or digest).encode()).hexdigest()}.zip"
        if _claims(scope.node.root).setdefault(path, digest) != digest:
            raise OptionError(
                f"asset_hash {asset_hash!r} is already that of another package of this app; they would be taken for the "
                "same. Give each content a hash of its own, or leave asset_hash out."
            )
        return path

    return choose


def _claims(root: IConstruct) -> dict[Path, str]:
    """Return which content each asset of an app has; kept on the app, and gone with it."""
    claims: dict[Path, str] = root.__dict__.setdefault("_cdk_lambda_package_claims", {})
    return claims


def _annotate(scope: Construct, findings: Iterable[Finding]) -> None:
    for finding in findings:
        # CDK appends how to acknowledge it; the id needn't stand there twice.
        text = str(finding).removesuffix(f" [{finding.id}]")
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{finding.id}", text)


def _choose_index(index: str | None, module: str | None) -> str | None:
    if index is not None:
        _refuse_token(index, "index")
    if index is not None and module is not None and index != module:
        raise OptionError(f"index {index!r} and handler= name two modules, the latter {module!r}; leave index out.")
    return index or module


def _name_handler(made: DeploymentPackage | None, index: str | None, name: str | None) -> str:
    """Return what Lambda calls, found in the module where it wasn't given."""
    if made is None:
        # Nothing may be read, or nothing could be packaged; either way this template is never deployed.
        return f"{name_module(index or 'app.py')}.{name or 'handler'}"
    bound = read_bound_names(made.module.read_bytes())
    return f"{name_module(made.index)}.{choose_handler(bound, name, index=made.index)}"


@jsii.implements(IValidation)
class _Broken:
    """Content that can't be packaged, shown when the app is synthesized."""

    def __init__(self, message: str) -> None:
        self._message = message

    def validate(self) -> list[str]:
        return [self._message]


@jsii.implements(IValidation)
class _SameTarget:
    """A rendered function must have the runtime and architecture that its code was packaged for."""

    def __init__(self, resource: lambda_.CfnFunction, target: Target) -> None:
        self._resource = resource
        self._target = target

    def validate(self) -> list[str]:
        runtime = self._resource.runtime
        architecture = (self._resource.architectures or ["x86_64"])[0]
        if (runtime, architecture) == (self._target.runtime.name, self._target.architecture.value):
            return []
        message = (
            f"The code was packaged for {self._target}, but the function has {runtime} {architecture}. Something changed "
            "it after packaging, such as an aspect, a mixin or a property injector: give PythonFunction or PythonCode "
            "the runtime and architecture that the function should have."
        )
        return [message]
