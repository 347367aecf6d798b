"""The functions of a Stage, recorded by constructs, and the packages that are made of them at synthesis.

CDK prepares a Stage after aspects and property injectors, and before it resolves references and hashes nested templates.
It then reads the dependencies of each construct, and with them `dependency_roots` of the recorder's dependency, which is
ours: that is where the packages are made. A validation would be too late for a nested template's hash.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from aws_cdk import (
    Annotations,
    CfnResource,
    Lazy,
    Stack,
    Stage,
)
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, Dependable

from cdk_lambda_package.app_plan import PlannedPackage, layer_output, tell_plan
from cdk_lambda_package.bundling import is_planned, is_unbundled
from cdk_lambda_package.cdk.assets import AssetPlace, StackAsset, wants_metadata
from cdk_lambda_package.cdk.callbacks import FROM_CDK, Hook, Late, Validation
from cdk_lambda_package.cdk.code import PackagedCode
from cdk_lambda_package.cdk.defaults import AppDefaults
from cdk_lambda_package.cdk.dependency_layers import LayeredFunction, StackLayers, find_faults
from cdk_lambda_package.cdk.documents import Document, Documents, documents_of
from cdk_lambda_package.cdk.findings import annotate, describe_unlocked
from cdk_lambda_package.cdk.layer_versions import describe_export, name_by_content
from cdk_lambda_package.cdk.layers import read_given_layer, read_layers_of
from cdk_lambda_package.cdk.placeholders import placeholder
from cdk_lambda_package.cdk.uncaught import PlainErrors
from cdk_lambda_package.displays import plain_lines
from cdk_lambda_package.errors import Finding, OptionError, PackageError, describe_error
from cdk_lambda_package.failures import reported
from cdk_lambda_package.handlers import names_module
from cdk_lambda_package.layers import layer_folder
from cdk_lambda_package.locations import name_places
from cdk_lambda_package.options import (
    DefaultsSource,
    PackageRequest,
    Packaging,
    read_context,
    read_environment,
    with_defaults,
)
from cdk_lambda_package.packages import Job, make_packages
from cdk_lambda_package.pipeline import DeploymentPackage
from cdk_lambda_package.requirements import NOT_LOCKED
from cdk_lambda_package.stages import InFolder, OutputFolder
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store
from cdk_lambda_package.target import Architecture, Target

_ID = "PythonPackages"
_NOTES = "_cdk_lambda_package_notes"
_FUNCTION_PROPERTIES = ("runtime", "architectures", "layers", "handler")
_LAYER_PROPERTIES = ("compatibleRuntimes", "compatibleArchitectures")
# Shown as an error of the function, by `_check_handler`.
_NO_HANDLER = "handler-unknown"
_NOT_ASKED = (
    "The Python packages were not made, since this version of aws-cdk-lib doesn't ask for dependencies at synthesis. Use a "
    "version that cdk-lambda-package was tested with, and report it."
)
_LAYER_FOR_EACH = "Make a layer for each, with its own compatible_runtimes and compatible_architectures{default}."
# `PythonLayerVersion` has another default.
_ANY_ARCHITECTURE = "; without the latter, a layer is for x86_64 and arm64"
_NOT_GIVEN = (
    "the code was bound, but no resource got it, so a template would have a placeholder for it. After the resource, write "
    "`code.bind_to_resource(resource)`."
)


@dataclass(kw_only=True, eq=False)
class StackNotes:
    """A stack, and what is asked of it or made for it once: each question to CDK is a message to another process.

    `path` is that of its construct; `with_metadata` is whether resources get the metadata of their assets. `recorder` is None if this run
    of the CDK CLI doesn't bundle the stack. `unbundled_layers` are then its layers with code of ours: functions of other stacks may have
    them, and are checked with their content.
    """

    stack: Stack
    recorder: Recorder | None
    path: str
    with_metadata: bool
    app_defaults: AppDefaults
    assets: dict[str, StackAsset] = field(default_factory=dict)
    shown: set[tuple[str, str]] = field(default_factory=set)
    layers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    contexts: dict[Construct, DefaultsSource] = field(default_factory=dict)
    paths: dict[Construct, str] = field(default_factory=dict)
    guarded: bool = False
    unbundled_layers: list[Record] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Construct) -> StackNotes:
        """Return the notes of the stack that a construct belongs to.

        Raises `OptionError` for a construct outside of any App or Stage.
        """
        stack = scope if isinstance(scope, Stack) else Stack.of(scope)
        kept = vars(stack)
        if _NOTES not in kept:
            node = stack.node
            kept[_NOTES] = cls(
                stack=stack,
                # A plan has what every stack would package.
                recorder=Recorder.of(Stage.of(stack)) if stack.bundling_required or is_planned() else None,
                path=node.path,
                with_metadata=wants_metadata(node),
                app_defaults=AppDefaults.of(node.root),
            )
        notes: StackNotes = kept[_NOTES]
        return notes

    def context_of(self, scope: Construct) -> DefaultsSource:
        """Return the defaults in a scope's context, which is final as soon as the scope has a child.

        Raises `OptionError` for a context key that isn't accepted.
        """
        if scope not in self.contexts:
            self.contexts[scope] = read_context(scope.node.get_all_context())
        return self.contexts[scope]

    def path_of(self, construct: Construct) -> str:
        """Return the path by which the defaults of a construct are found: that of the stack, unless a scope in it has defaults."""
        return construct.node.path if self.app_defaults.is_set_below(self.path) else self.path

    def defaults_of(self, construct: Construct, code: PackagedCode) -> tuple[DefaultsSource, ...]:
        """Return the defaults of a function or layer with this code, nearest first: those of its scopes, and of its context."""
        return (*self.app_defaults.of_path(self.path_of(construct)), code.context or self.context_of(construct))

    def default_runtime(self, scope: Construct) -> lambda_.Runtime | str | None:
        """Return the default runtime for a construct that is made in a scope."""
        return self.app_defaults.runtime_of(self.path_of(scope)) or self.context_of(scope).runtime

    def default_architecture(self, scope: Construct) -> lambda_.Architecture | None:
        """Return the default architecture for a construct that is made in a scope."""
        return self.app_defaults.architecture_of(self.path_of(scope))

    def give_architecture(self, construct: Construct, name: str, given: list[str] | None = None) -> None:
        """Assign the default architecture to this property of a function or layer that has none of its own, now or later."""
        self.app_defaults.give_architecture(construct, self.path, name, given)

    def packaging_of(self, construct: Construct, code: PackagedCode) -> Packaging:
        """Return how a function or layer with this code is packaged: its own options, with all defaults. Raises `OptionError`."""
        return with_defaults(code.request_with(self.defaults_of(construct, code))).packaging

    def whole_path_of(self, scope: Construct) -> str:
        """Return the path of a scope in the stack."""
        if scope is self.stack:
            return self.path
        if scope not in self.paths:
            self.paths[scope] = scope.node.path
        return self.paths[scope]

    def give(self, code: PackagedCode, resource: CfnResource) -> None:
        """Record a resource that gets code. In a stack that isn't bundled, only layers are noted, and of unbundled code nothing is."""
        if not code.bundled:
            return
        if self.recorder is not None:
            code.add(self.recorder.give(code, self, resource))
        elif isinstance(resource, lambda_.CfnLayerVersion):
            # Functions of other stacks are checked with its content.
            self.unbundled_layers.append(Record(code=code, notes=self, scope=resource, resource=resource))

    @cached_property
    def placeholder(self) -> lambda_.Code:
        """The code that functions of the stack have until their packages are made."""
        return placeholder(self.stack)

    def asset_of(self, path: str, *, name: str, asset_hash: str) -> StackAsset:
        """Return the stack's Asset of a .zip file archive."""
        if asset_hash not in self.assets:
            self.assets[asset_hash] = StackAsset.of(self.stack, path, name=name, asset_hash=asset_hash)
        return self.assets[asset_hash]

    @cached_property
    def dependency_layers(self) -> StackLayers:
        """The stack's layers with the dependencies of functions."""
        return StackLayers(stack=self.stack, asset_of=self.asset_of, with_metadata=self.with_metadata)

    def guard(self) -> None:
        """See to it that the stack's template is never written while a function in it has an error.

        Usually the validation ends the synthesis. This is for `skip_validation`.
        """
        if not self.guarded:
            self.guarded = True
            options = self.stack.template_options
            options.metadata = {**(options.metadata or {}), _ID: Lazy.uncached_any(Late(self._refuse_template))}

    def _refuse_template(self) -> None:
        records = self.recorder.records if self.recorder else ()
        failed = [record for record in records if record.notes is self and record.error is not None]
        if failed and not self._is_hashed():
            raise PackageError("\n".join(f"{record.scope.node.path}: {record.problem}" for record in failed))

    def _is_hashed(self) -> bool:
        """Return whether the template is rendered for its hash only, as that of a nested stack before the validation."""
        resource: Any = self.stack.nested_stack_resource
        return resource is not None and Stack.of(resource).resolve(resource.template_url) == "<unresolved>"


@dataclass(kw_only=True, eq=False)
class AppNotes:
    """What is said once for a whole app, although its Stages are synthesized one after the other."""

    recorders: list[Recorder] = field(default_factory=list)
    told: bool = False

    @classmethod
    def of(cls, root: Any) -> AppNotes:
        """Return the notes of the app with this root."""
        notes: AppNotes = vars(root).setdefault(_NOTES, cls())
        return notes

    @cached_property
    def layer_paths(self) -> frozenset[str]:
        """The paths of the layers with code of ours, for a plan, when all are defined."""
        records = (record for recorder in self.recorders for record in recorder.records)
        return frozenset(record.construct_path for record in records if record.is_layer)

    def tell_unlocked(self, last: Recorder) -> None:
        """Say how many functions have requirements that aren't locked, in a stack of the last Stage: others are written."""
        records = [record for recorder in self.recorders for record in recorder.records]
        if self.told or not last.records or not all(one.asked for one in self.recorders if one.records):
            return
        self.told = True
        if unlocked := [record for record in records if record.is_unlocked]:
            own = set(last.records)
            here = next((record for record in unlocked if record in own), last.records[0])
            # Not add_info_v2: the oldest supported aws-cdk-lib doesn't have it.
            Annotations.of(here.notes.stack).add_info(describe_unlocked(len(unlocked)))


@dataclass(kw_only=True, eq=False)
class Record:
    """Code that a resource gets at synthesis. Without a resource, it was only bound.

    Attributes:
        scope: The resource, or the scope that the code was bound to: errors are shown there.
        requests: What to package: one request, and for a layer one for each runtime and architecture that it is for.
        package: What was packaged last, None if there was an error.
        error: Why nothing was packaged, or why the package can't be called.
    """

    code: PackagedCode
    notes: StackNotes
    scope: Construct
    # Any: a function of CDK or of SAM, or a layer.
    resource: Any = None
    requests: tuple[PackageRequest, ...] = ()
    package: DeploymentPackage | None = None
    findings: tuple[Finding, ...] = ()
    error: PackageError | None = None
    handler: str = ""
    _set_handler: str | None = None
    _location: tuple[str, str] | None = None
    layered: LayeredFunction | None = None
    _validated: bool = False

    @property
    def packaged_handler(self) -> str | None:
        """The handler of the package; None if there is no package yet, or if its handler isn't known."""
        return self.package.function_handler if self.package is not None else None

    def make_now(self) -> None:
        """Make the package, although CDK hasn't asked for it yet."""
        assert self.notes.recorder is not None
        self.notes.recorder.make([self])

    @property
    def construct_path(self) -> str:
        """The path of the function or layer that a user wrote, and not of the resource in it."""
        if self.code.place is None:
            return str(self.scope.node.path).removesuffix("/Resource")
        # As CDK makes it of both; to ask CDK would take most of the time.
        scope, name = self.code.place
        return f"{self.notes.whole_path_of(scope)}/{name.replace('/', '--')}"

    def plan(self) -> PlannedPackage:
        """Return what would be packaged; the requests were read."""
        # The command may have another working directory and other variables than the app.
        environment = read_environment(os.environ)
        requests = tuple(
            replace(one.with_absolute_paths(), defaults=(*one.defaults, environment)) for one in self.requests
        )
        return PlannedPackage(
            construct=self.construct_path,
            group=self.notes.path,
            requests=requests,
            is_layer=self.is_layer,
            output=layer_output(self.construct_path) if self.is_layer else None,
            error=self.problem,
        )

    @property
    def problem(self) -> str:
        """The error as text, "" without one."""
        if self.error is None:
            return ""
        text = describe_error(self.error)
        named = name_places(text, self.code.request.entry_path)
        return named if named != text else f"{self.code.request.entry}: {text}"

    @property
    def is_unlocked(self) -> bool:
        """Whether it was packaged with requirements that no lock pins, and that isn't acknowledged."""
        return self.package is not None and any(finding.id == NOT_LOCKED for finding in self.findings)

    @property
    def is_left_out(self) -> bool:
        """Whether the synthesis that was last made no packages, or the one that comes will not."""
        recorder = self.notes.recorder
        return self.package is None and (recorder is None or recorder.makes_nothing or recorder.left_out)

    @property
    def is_layer(self) -> bool:
        """Whether the resource is a layer."""
        return isinstance(self.resource, lambda_.CfnLayerVersion)

    def properties(self) -> dict[str, Any]:
        """Return the resource's final values, which may be tokens."""
        found = self._read_properties()
        if found.get("handler") is not None and found["handler"] == self.code.handler_token:
            # Not resolved: it is ours, and the answer is not known yet.
            self.handler = found.pop("handler")
        return found

    def _read_properties(self) -> dict[str, Any]:
        # CDK's own subclasses read them so: all at once, which is one message.
        every = self.resource._cfn_properties  # noqa: SLF001
        return {name: every.get(name) for name in (_LAYER_PROPERTIES if self.is_layer else _FUNCTION_PROPERTIES)}

    def read(self, found: dict[str, Any]) -> None:
        """Make the requests, from the resource's resolved values."""
        try:
            with reported("reading the function or layer", passing=FROM_CDK):
                self.requests = tuple(self._requests(found))
        except PackageError as error:
            self.error = error

    def _requests(self, found: dict[str, Any]) -> Iterator[PackageRequest]:
        # The text of a handler that is ours is known already, and it isn't resolved.
        handler = found.get("handler", self.handler)
        self.handler = handler if isinstance(handler, str) else ""
        layers = (
            *(read_given_layer(layer, self._layer_content) for layer in self.code.layers),
            *self._layers(found),
        )
        asked = self.code.request_with(self.notes.defaults_of(self.resource, self.code))
        targets = _targets_of_layer(found) if self.is_layer else [_target_of(found)]
        root = layer_folder([runtime for runtime, _ in targets]) if self.is_layer else asked.root
        for runtime, architecture in targets:
            Target.parse(runtime, architecture)
            # At once: each copy is checked.
            yield replace(asked, layers=layers, root=root, runtime=runtime, architecture=architecture)

    def take(self, results: list[DeploymentPackage | PackageError]) -> None:
        """Take the packages of the requests; a layer is one package for all of them."""
        # With their defaults, for all that is said of them afterwards.
        self.requests = tuple(
            request if isinstance(result, PackageError) else result.request
            for request, result in zip(self.requests, results, strict=True)
        )
        made = [result for result in results if not isinstance(result, PackageError)]
        errors = [result for result in results if isinstance(result, PackageError)]
        self.package = None
        others = [package for package in made if package.content_digest != made[0].content_digest]
        if not made:
            self.error = errors[0] if errors else self.error
        elif errors or others:
            reason = (
                f"none for {self._describe_failed(results)}"
                if errors
                else f"it isn't the one for {others[0].target}{_why_different(made[0], others[0])}."
            )
            advice = _LAYER_FOR_EACH.format(default="" if self.code.names_content else _ANY_ARCHITECTURE)
            self.error = OptionError(f"The layer has a package for {made[0].target}, but {reason} {advice}")
        else:
            self.package = made[0]
            self.findings = tuple(dict.fromkeys(finding for package in made for finding in package.findings))

    def _describe_failed(self, results: list[DeploymentPackage | PackageError]) -> str:
        request, error = next(
            pair for pair in zip(self.requests, results, strict=True) if isinstance(pair[1], PackageError)
        )
        return f"{Target.parse(request.runtime, request.architecture)}: {error}"

    def _layers(self, found: dict[str, Any]) -> tuple[Any, ...]:
        layers = found.get("layers")
        if not layers:
            return ()
        kept, key = self.notes.layers, repr(layers)
        if key not in kept:
            kept[key] = read_layers_of(self.resource.layers, layers, self.notes.stack, self._layer_content)
        return kept[key]

    def _layer_content(self, layer: lambda_.CfnLayerVersion) -> Path | None:
        """Return where the package of a layer is that isn't staged: its stack isn't bundled, or only a plan is made.

        None for other layers, and for one that has an error.
        """
        if is_planned():
            path = layer.node.path.removesuffix("/Resource")
            return layer_output(path) if path in AppNotes.of(layer.node.root).layer_paths else None
        kept = StackNotes.of(layer).unbundled_layers
        # By path: jsii may have several objects for a resource.
        known = next((one for one in kept if one.resource.node.path == layer.node.path), None)
        if known is None or self.notes.recorder is None:
            return None
        if known.package is None and known.error is None:
            self.notes.recorder.make_unbundled(known)
        return known.package.path if known.package is not None else None

    def warn_of_export(self) -> None:
        """Warn of a `PythonLayerVersion` that another stack uses."""
        if self.code.names_content:
            self._warn("layer-of-other-stack", describe_export(self.resource, self.notes.stack))

    def _warn(self, id: str, text: str) -> None:  # noqa: A002 - CDK's own name for it
        if text:
            Annotations.of(self.scope).add_warning_v2(f"cdk-lambda-package:{id}", text)

    def show(self) -> None:
        """Tell CDK what was packaged: the location, the handler, and the findings."""
        try:
            with reported("giving the package to CDK", passing=FROM_CDK):
                self._show_package()
        except PackageError as error:
            self.error = error
        if self.error is not None:
            self.validate()

    def validate(self) -> None:
        """See to it that CDK shows the error."""
        if not self._validated:
            self._validated = True
            self.scope.node.add_validation(Validation(lambda: [self.problem] if self.problem else []))
            self.notes.guard()

    def _show_package(self) -> None:
        package = self.package
        if package is not None:
            self._place(package)
            if not self.is_layer:
                self._check_handler(package)
            if self.notes.recorder is not None and self.notes.recorder.asked:
                self._add_layer(package)
            findings = (finding for finding in self.findings if finding.id != _NO_HANDLER)
            annotate(self.resource, findings, package.package_key, self.notes.shown, entry=self.code.request.entry_path)

    def _place(self, package: DeploymentPackage) -> None:
        text, resource = self.code.asset_hash or package.content_digest, self.resource
        asset = self.notes.asset_of(str(package.path), name=package.name, asset_hash=text)
        if self._location == (asset.bucket, asset.key):
            return
        self._location = (asset.bucket, asset.key)
        if self.is_layer:
            name = "Content"
            if self.code.names_content:
                self._warn("layer-not-in-versions", name_by_content(resource, self.notes.stack, text))
            content = lambda_.CfnLayerVersion.ContentProperty(s3_bucket=asset.bucket, s3_key=asset.key)
            resource.content = content
        elif isinstance(resource, lambda_.CfnFunction):
            name = "Code"
            resource.code = lambda_.CfnFunction.CodeProperty(s3_bucket=asset.bucket, s3_key=asset.key)
        else:
            # Imported here: few apps use it.
            from aws_cdk import aws_sam as sam

            name = "CodeUri"
            resource.code_uri = sam.CfnFunction.S3LocationProperty(bucket=asset.bucket, key=asset.key)
        if self.notes.with_metadata:
            asset.asset.add_resource_metadata(resource, name)

    def _add_layer(self, package: DeploymentPackage) -> None:
        """Add the layer with the function's dependencies, if it has any, to its layers."""
        function = self.code.function
        if function is None or (package.layer is None and self.layered is None):
            return
        if self.layered is None:
            self.layered = LayeredFunction(function=function, resource=self.resource, stack=self.notes.stack)
        made = None
        if package.layer is not None:
            made = self.notes.dependency_layers.of(
                str(package.layer.path),
                package.layer.content_digest,
                title=f"{package.name}: dependencies",
                policy=package.request.packaging.value("layer_removal_policy"),
            )
        self.layered.give(made)

    def write_documents(self, asked: Iterable[Document], documents: Documents, folder: OutputFolder) -> None:
        """Write what describes the package and is asked for; what fails is an error of the function."""
        try:
            with reported("writing the manifest and the SBOM", passing=FROM_CDK):
                documents.write(self.construct_path, asked, folder)
        except PackageError as error:
            self.fail(error)

    def fail(self, error: PackageError) -> None:
        """Take an error that was found when all packages were there."""
        self.error = error
        self.validate()

    def _check_handler(self, package: DeploymentPackage) -> None:
        # A handler that the user set on the resource makes the search for it needless.
        searched = self.code.handler_token is not None and (
            self._is_ours or not names_module(self.handler, package.index)
        )
        if package.function_handler is None and searched:
            doubts = (finding.message for finding in package.findings if finding.id == _NO_HANDLER)
            unknown = f"{package.index} has no single handler. Set handler= to the one to call."
            self.error = OptionError(next(doubts, unknown))
        elif self._is_ours and package.function_handler != self.handler:
            self._set_handler = self.resource.handler = package.function_handler

    @property
    def _is_ours(self) -> bool:
        """Whether the resource's handler is the one that this library gave it."""
        return self.handler in (self._set_handler, self.code.handler_token)

    def describe_change(self) -> str | None:
        """Return an error if the function's target is another one than when its package was made; else None."""
        if self.package is None or self.is_layer:
            return None
        found = self._read_properties()
        packaged = (self.requests[0].runtime, self.requests[0].architecture)
        now = (found["runtime"], *(found["architectures"] or ["x86_64"]))
        if "Token[" in str(now) or now == packaged:
            return None
        return (
            f"{self.resource.node.path}: the code was packaged for {' '.join(packaged)}, but the function has {' '.join(now)}. "
            "Something changed it after its package was made. Change it in an aspect, a property injector or the construct."
        )

    def ask_about_handler(self) -> bool:
        """Return whether the user set a handler that the package isn't known to have; then it is part of the requests."""
        package, handler = self.package, self.handler
        if package is None or self.is_layer or self._is_ours or not handler or "Token[" in handler:
            return False
        names = package.handler_names
        if names_module(handler, package.index) and (names is None or handler.rpartition(".")[2] in names):
            return False
        self.requests = tuple(replace(request, called=handler) for request in self.requests)
        return True


class Recorder(Construct):
    """The functions of a Stage whose packages are made when CDK prepares it."""

    def __init__(self, stage: Stage) -> None:
        """Create the Stage's recorder; `Recorder.of` returns the one that exists."""
        super().__init__(stage, _ID)
        self._stage = stage
        self.records: list[Record] = []
        self._bound: defaultdict[PackagedCode, list[Record]] = defaultdict(list)
        self._app = AppNotes.of(self.node.root)
        self._app.recorders.append(self)
        self.asked = self.left_out = False
        parent = stage.parent_stage
        PlainErrors.show(lambda: [record.problem for record in self.records])
        self.place: AssetPlace = AssetPlace.of(stage) if parent is None else Recorder.of(parent).place
        Dependable.implement(self, Hook(self.make_all))
        self.node.add_dependency(self)
        self.node.add_validation(Validation(self._missed_changes))

    @classmethod
    def of(cls, stage: Stage | None) -> Recorder:
        """Return the recorder of a Stage. Raises `OptionError` if there is no Stage."""
        if stage is None:
            raise OptionError("Python code needs a Stack that belongs to an App or a Stage; this scope has neither.")
        found = stage.node.try_find_child(_ID)
        return found if isinstance(found, Recorder) else cls(stage)

    def bind(self, code: PackagedCode, notes: StackNotes, scope: Construct) -> None:
        """Record code that was bound, and for which a resource has to come."""
        self._bound[code].append(self._add(code, notes, scope))

    def give(self, code: PackagedCode, notes: StackNotes, resource: CfnResource) -> Record:
        """Record the resource that gets the code."""
        waiting = self._bound[code]
        record = waiting.pop() if waiting else self._add(code, notes, resource)
        record.resource = record.scope = resource
        record.notes = notes
        return record

    def _add(self, code: PackagedCode, notes: StackNotes, scope: Construct) -> Record:
        self.records.append(Record(code=code, notes=notes, scope=scope))
        return self.records[-1]

    def make_all(self) -> None:
        """Make the packages of all functions, or tell the command that asks what they would be; CDK asks for it."""
        self.asked, self.left_out = True, self.makes_nothing
        if is_planned():
            _read(self.records)
            tell_plan([record.plan() for record in self.records])
        elif not self.left_out:
            self.place.forget(self)
            self.make(self.records)
            self._app.tell_unlocked(self)

    @property
    def makes_nothing(self) -> bool:
        """Whether this synthesis leaves packages out."""
        return is_planned() or is_unbundled()

    def make(self, records: Iterable[Record]) -> None:
        """Make the packages of some functions: read them, make the packages without CDK, and tell CDK."""
        if self.makes_nothing:
            return
        chosen = dict.fromkeys(records)
        # Layers first: the functions are checked with their content. The first function needs those of the others too.
        layers = [record for record in self.records if record.is_layer]
        self._make(
            [record for record in layers if record in chosen or (record.package is None and record.error is None)]
        )
        self._make([record for record in chosen if not record.is_layer])

    def _make(self, chosen: list[Record]) -> None:
        _read(chosen)
        self._package(chosen)
        # Functions that share code have one package. Only handlers that it isn't known to have are looked for one by one.
        self._package([record for record in chosen if record.ask_about_handler()])
        for record in chosen:
            record.show()
        layered = {record.layered: record for record in chosen if record.layered is not None and record.error is None}
        for function, error in find_faults(layered, self._stage):
            layered[function].fail(error)
        if self.asked:
            self._write_documents(chosen)

    def _write_documents(self, chosen: Iterable[Record]) -> None:
        """Write what describes the packages into the Stage's folder of the assembly, for those that ask for it."""
        made = {record: record.package for record in chosen if record.package is not None and record.error is None}
        asking = {record: asked for record, package in made.items() if (asked := documents_of(package))}
        if asking:
            store = next(made[record].store for record in asking)
            with OutputFolder(self._documents.folder, store) as folder:
                for record, asked in asking.items():
                    record.write_documents(asked, self._documents, folder)

    @cached_property
    def _documents(self) -> Documents:
        return Documents(folder=self.place.folder_of(self._stage))

    def make_unbundled(self, layer: Record) -> None:
        """Make the package of a layer that a function needs for its checks; the layer's stack stays as it is."""
        _read([layer])
        self._package([layer])

    def _package(self, chosen: list[Record]) -> None:
        results = iter(self._make_packages([(record, request) for record in chosen for request in record.requests]))
        for record in chosen:
            record.take([next(results) for _ in record.requests])

    def _make_packages(self, asked: Sequence[tuple[Record, PackageRequest]]) -> list[DeploymentPackage | PackageError]:
        """Return for each request its package, or the error if there is none: a fault ends no other function's work."""
        if not asked:
            return []
        try:
            with reported("opening the store"):
                store = _open_store(os.environ.get(CACHE_DIR_VARIABLE))
        except PackageError as error:
            return [error] * len(asked)
        place = self.place
        # `cdk` passes on what the app writes to stderr, and logs keep it.
        with plain_lines() as progress, OutputFolder(place.folder, store) as folder:
            jobs = [
                Job(
                    place.without_output(request),
                    InFolder(folder, place.by_hash(record.code.asset_hash, self)),
                    InFolder(folder, place.by_content),
                    record.notes.path,
                )
                for record, request in asked
            ]
            return make_packages(jobs, store=store, progress=progress)

    def _missed_changes(self) -> list[str]:
        """Return errors for packages that weren't made, and for functions that were changed afterwards."""
        if not self.asked:
            return [_NOT_ASKED]
        for record in self.records:
            if record.is_layer and record.package is not None:
                record.warn_of_export()
        return [text for record in self.records if (text := record.describe_change())]


def _read(records: list[Record]) -> None:
    """Read what the functions are for. The values of a stack are resolved by one call."""
    values: dict[StackNotes, dict[str, dict[str, Any]]] = {}
    for number, record in enumerate(records):
        record.package, record.requests, record.error = None, (), None
        if record.resource is None:
            record.error = OptionError(_NOT_GIVEN)
        else:
            values.setdefault(record.notes, {})[str(number)] = record.properties()
    for notes, found in values.items():
        # Layers may have got their content since.
        notes.layers.clear()
        resolved = notes.stack.resolve(found)
        for position in found:
            # None and empty lists are resolved to nothing.
            records[int(position)].read(resolved.get(position, {}))


def _target_of(found: dict[str, Any]) -> tuple[str, str]:
    """Return the runtime and the architecture. Raises `OptionError` if they aren't known at synthesis."""
    runtime, architectures = found.get("runtime"), found.get("architectures") or ["x86_64"]
    architecture = architectures[0] if isinstance(architectures, list) else architectures
    if runtime is None:
        raise OptionError("The function has no runtime. Give it a Python runtime, such as python3.13.")
    return _known("function's runtime", runtime, str), _known("function's architecture", architecture, str)


def _targets_of_layer(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the runtimes and architectures that a layer is for. Raises `OptionError` if they aren't known at synthesis."""
    runtimes = found.get("compatibleRuntimes")
    if not runtimes:
        raise OptionError(
            "The layer has no compatible_runtimes. Give it at least one Python runtime, such as python3.13."
        )
    # For CDK and Lambda, a layer that names no architecture is for any.
    architectures = found.get("compatibleArchitectures") or list(Architecture)
    return [
        (_known("layer's runtime", runtime, str), _known("layer's architecture", architecture, str))
        for runtime in _known("layer's compatible_runtimes", runtimes, list)
        for architecture in _known("layer's compatible_architectures", architectures, list)
    ]


def _known(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise OptionError(f"The {name} is {value}, known only at deployment. Give a value that is known at synthesis.")
    return value


def package_of(code: PackagedCode) -> DeploymentPackage | None:
    """Return what was packaged of code; None if nothing was: in a stack that isn't bundled in this run, and if there are errors.

    Raises `PackageError` before the app is synthesized, and if functions have different packages of this code.
    """
    records = [record for record in code.records if isinstance(record, Record) and not record.is_left_out]
    if any(record.package is None and record.error is None for record in records):
        raise PackageError(
            f"The package of {code.request.entry} is made when the app is synthesized. Read deployment_package after "
            "app.synth(), or in a validation (node.add_validation)."
        )
    packages = [record.package for record in records if record.package is not None]
    if not packages:
        return None
    _refuse_different(packages)
    return packages[0]


def _refuse_different(packages: Sequence[DeploymentPackage]) -> None:
    first = packages[0]
    different = next((one for one in packages if one.package_key != first.package_key), None)
    if different is None:
        return
    why = _why_different(first, different)
    fix = "Make a PythonCode for each runtime" if why else "Give each function its own PythonCode"
    raise PackageError(
        f"The functions that use the code of {first.request.entry} have different packages, such as those for "
        f"{first.target} and {different.target}{why}. {fix}, or read PythonFunction.deployment_package."
    )


def _why_different(one: DeploymentPackage, other: DeploymentPackage) -> str:
    """Return why packages of the same code differ, as the end of a sentence; "" if bytecode isn't the reason."""
    same = one.target.runtime == other.target.runtime
    return (
        ", since bytecode is for one version of Python"
        if not same and (one.bytecode_size or other.bytecode_size)
        else ""
    )


@cache
def _open_store(directory: str | None) -> Store:
    # One for the process: if the directory can't be written to, functions share what was fetched all the same.
    return Store.open(directory)
