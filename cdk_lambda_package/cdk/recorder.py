"""The functions of a Stage, recorded by constructs, and the packages that are made of them at synthesis.

CDK prepares a Stage after aspects and property injectors, and before it resolves references and hashes nested templates.
It then reads the dependencies of each construct, and with them `dependency_roots` of the recorder's dependency, which is
ours: that is where the packages are made. A validation would be too late for a nested template's hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jsii
from aws_cdk import Annotations, CfnResource, IAnyProducer, Lazy, NestedStack, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, Dependable, IValidation

from cdk_lambda_package.cdk.assets import AssetPlace, StackAsset
from cdk_lambda_package.cdk.layers import read_given_layer, read_layers_of
from cdk_lambda_package.errors import Finding, OptionError, PackageError, Severity, excerpt
from cdk_lambda_package.handlers import describe_absence, module_name
from cdk_lambda_package.options import Defaults, PackageRequest, read_context
from cdk_lambda_package.pipeline import DeploymentPackage, Destination, make_packages
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store
from cdk_lambda_package.target import Target

_ID = "PythonPackages"
_NOTES = "_cdk_lambda_package_notes"
_NOT_ASKED = (
    "The Python packages were not made, since this version of aws-cdk-lib doesn't ask for dependencies at synthesis. Use a "
    "version that cdk-lambda-package was tested with, and report it."
)


@dataclass(kw_only=True, eq=False)
class StackNotes:
    """A stack, and what is asked of it or made for it once: each question to CDK is a message to another process."""

    stack: Stack
    bundled: bool
    recorder: Recorder | None
    assets: dict[str, StackAsset] = field(default_factory=dict)
    shown: set[tuple[str, str]] = field(default_factory=set)
    layers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    defaults: dict[Construct, Defaults] = field(default_factory=dict)
    guarded: bool = False

    @classmethod
    def of(cls, scope: Construct) -> StackNotes:
        """Return the notes of the stack that a construct belongs to.

        Raises `OptionError` for a construct outside of any App or Stage.
        """
        stack = scope if isinstance(scope, Stack) else Stack.of(scope)
        kept = vars(stack)
        if _NOTES not in kept:
            bundled = stack.bundling_required
            kept[_NOTES] = cls(stack=stack, bundled=bundled, recorder=Recorder.of(stack) if bundled else None)
        notes: StackNotes = kept[_NOTES]
        return notes

    def defaults_of(self, scope: Construct) -> Defaults:
        """Return the defaults in a scope's context, which is final as soon as the scope has a child.

        Raises `OptionError` for a context key that isn't accepted.
        """
        if scope not in self.defaults:
            self.defaults[scope] = read_context(scope.node.get_all_context())
        return self.defaults[scope]

    @property
    def problems(self) -> list[str]:
        """The errors of the stack's functions, each with the path of its construct."""
        recorder = self.recorder
        records = recorder.records if recorder else ()
        return [
            f"{record.scope.node.path}: {problem}"
            for record in records
            if record.notes is self
            for problem in record.problems
        ]


@dataclass(kw_only=True, eq=False, slots=True)
class CodeProps:
    """What a `PythonCode` was given.

    Attributes:
        request: What to package; the target and further layers are read from each function.
        layers: Layers for the checks, in addition to those of the function.
        asset_hash: The user's own hash, None for the content's.
        handler_token: The lazy string that a `PythonFunction` gave to CDK as its handler, None if the user names the handler.
        defaults: The defaults of the function's scope, None if they are read from each function.
    """

    request: PackageRequest
    layers: tuple[Any, ...] = ()
    asset_hash: str | None = None
    handler_token: str | None = None
    defaults: Defaults | None = None


@dataclass(kw_only=True, eq=False)
class Record:
    """Code that a resource gets at synthesis. Without a resource, it was only bound.

    Attributes:
        scope: The resource, or the scope that the code was bound to: errors are shown there.
        requests: What to package: one request, and for a layer one for each runtime and architecture that it is for.
        package: What was packaged last, None if there was an error.
        error: Why nothing was packaged.
        problems: All errors, as text.
        made: Whether a package was made, or tried to be.
    """

    code: CodeProps
    notes: StackNotes
    scope: Construct
    resource: CfnResource | None = None
    requests: tuple[PackageRequest, ...] = ()
    package: DeploymentPackage | None = None
    error: PackageError | None = None
    problems: list[str] = field(default_factory=list)
    made: bool = False
    handler: str = ""
    _set_handler: str | None = None
    _location: tuple[str, str] | None = None
    _validated: bool = False

    def read(self, found: dict[str, Any]) -> None:
        """Make the request, from the resource's final values; `found` has those of its values that are tokens."""
        self.package, self.error, self.problems, self.requests = None, None, [], ()
        try:
            self.requests = tuple(self._requests(found))
        except PackageError as error:
            self.fail(error)

    @property
    def is_layer(self) -> bool:
        """Whether the resource is a layer."""
        return isinstance(self.resource, lambda_.CfnLayerVersion)

    def fail(self, error: PackageError) -> None:
        """Note why nothing is packaged."""
        self.error = error
        self.problems.append(f"{self.code.request.entry}: {error}")

    def _requests(self, found: dict[str, Any]) -> Iterator[PackageRequest]:
        assert self.resource is not None
        resource: Any = self.resource
        given = self.code.request
        # The text of a handler that is ours is known already, and it isn't resolved.
        self.handler = str(found.get("handler", self.handler))
        defaults = self.code.defaults or read_context(resource.node.get_all_context())
        layers = (*map(read_given_layer, self.code.layers), *self._layers(found))
        packaging = given.packaging.over(defaults.packaging) if defaults.packaging.given else given.packaging
        for runtime, architecture in _targets_of(found) if self.is_layer else [_target_of(found)]:
            Target.parse(runtime, architecture)
            root = "python" if self.is_layer else ""
            yield replace(
                given, runtime=runtime, architecture=architecture, layers=layers, root=root, packaging=packaging
            )

    def take(self, results: Iterable[DeploymentPackage | PackageError]) -> None:
        """Take the packages of the requests; a layer is one package for all of them."""
        for result in results:
            if isinstance(result, PackageError):
                self.fail(result)
                return
            if self.package is not None and self.package.content_digest != result.content_digest:
                other, self.package = self.package.target, None
                self.fail(
                    OptionError(
                        f"The layer's package for {other} isn't the one for {result.target}. Make a layer for each, with "
                        "its own compatible_runtimes and compatible_architectures."
                    )
                )
                return
            self.package = result

    def _layers(self, found: dict[str, Any]) -> tuple[Any, ...]:
        layers = found.get("layers")
        if not layers:
            return ()
        kept, key = self.notes.layers, repr(layers)
        if key not in kept:
            resource: Any = self.resource
            kept[key] = read_layers_of(resource.layers, layers, self.notes.stack)
        return kept[key]

    def show(self) -> None:
        """Tell CDK what was packaged: the location, the handler, and the findings."""
        package, resource = self.package, self.resource
        if package is not None and resource is not None:
            self._place(package, resource)
            if not self.is_layer:
                self._check_handler(package, resource)
            annotate(resource, unreported(self.notes.shown, package))
        if self.problems and not self._validated:
            self._validated = True
            self.scope.node.add_validation(_Problems(self))
            _guard(self.notes)

    def _place(self, package: DeploymentPackage, resource: Any) -> None:
        text = self.code.asset_hash or package.content_digest
        asset = self.notes.assets.get(text)
        if asset is None:
            asset = self.notes.assets[text] = StackAsset.of(
                self.notes.stack, path=str(package.path), asset_hash=text, name=package.name
            )
        if self._location == (asset.bucket, asset.key):
            return
        self._location = (asset.bucket, asset.key)
        if self.is_layer:
            content = lambda_.CfnLayerVersion.ContentProperty(s3_bucket=asset.bucket, s3_key=asset.key)
            resource.content = content
        elif isinstance(resource, lambda_.CfnFunction):
            resource.code = lambda_.CfnFunction.CodeProperty(s3_bucket=asset.bucket, s3_key=asset.key)
        else:
            # Imported here: few apps use it.
            from aws_cdk import aws_sam as sam

            location = sam.CfnFunction.S3LocationProperty(bucket=asset.bucket, key=asset.key)
            resource.code_uri = location
        if asset.with_metadata:
            names = {"content": "Content", "code": "Code", "code_uri": "CodeUri"}
            name = next(name for attribute, name in names.items() if hasattr(resource, attribute))
            asset.asset.add_resource_metadata(resource, name)

    def _check_handler(self, package: DeploymentPackage, resource: Any) -> None:
        ours = self.handler in (self._set_handler, self.code.handler_token)
        # A handler that the user set on the resource makes the search for it needless.
        if self.code.handler_token is not None and (ours or not is_in_package(package, self.handler)):
            doubt = describe_missing_handler(package)
            if doubt is not None:
                self.error = OptionError(doubt)
                self.problems.append(f"{self.code.request.entry}: {doubt}")
                return
        if ours:
            name = f"{module_name(package.index)}.{package.handler}"
            if name != self.handler:
                self._set_handler = resource.handler = name
        elif "handler-not-found" not in (self.requests[0].packaging.acknowledge or ()):
            wrong = describe_wrong_handler(package, self.handler)
            if wrong is not None:
                self.problems.append(wrong)


class Recorder(Construct):
    """The functions of a Stage whose packages are made when CDK prepares it."""

    def __init__(self, stage: Stage) -> None:
        """Create the Stage's recorder; `Recorder.of` returns the one that exists."""
        super().__init__(stage, _ID)
        self.records: list[Record] = []
        self.asked = False
        parent = stage.parent_stage
        self.place: AssetPlace = AssetPlace.of(stage) if parent is None else Recorder._in(parent).place
        Dependable.implement(self, _Hook(self))
        self.node.add_dependency(self)
        self.node.add_validation(_Made(self))

    @classmethod
    def of(cls, scope: Construct) -> Recorder:
        """Return the recorder of the Stage that a construct belongs to.

        Raises `OptionError` if it belongs to none.
        """
        stage = Stage.of(scope)
        if stage is None:
            raise OptionError("Python code needs a Stack that belongs to an App or a Stage; this scope has neither.")
        return cls._in(stage)

    @classmethod
    def _in(cls, stage: Stage) -> Recorder:
        found = stage.node.try_find_child(_ID)
        return found if isinstance(found, Recorder) else cls(stage)

    def bind(self, code: CodeProps, notes: StackNotes, scope: Construct) -> None:
        """Record code that was bound, and for which a resource has to come."""
        self.records.append(Record(code=code, notes=notes, scope=scope))

    def give(self, code: CodeProps, notes: StackNotes, resource: CfnResource) -> Record:
        """Record the resource that gets the code."""
        waiting = (one for one in reversed(self.records) if one.code is code and one.resource is None)
        record = next(waiting, None)
        if record is None:
            record = Record(code=code, notes=notes, scope=resource)
            self.records.append(record)
        record.resource = record.scope = resource
        record.notes = notes
        return record

    def make_all(self) -> None:
        """Make the packages of all functions; CDK asks for it."""
        self.asked = True
        self.make(self.records)

    def make(self, records: Iterable[Record]) -> None:
        """Make the packages of some functions: read them, make the packages without CDK, and tell CDK."""
        chosen = list(records)
        # Layers first: the functions are checked with their content.
        self._make([record for record in chosen if record.is_layer])
        self._make([record for record in chosen if not record.is_layer])

    def _make(self, chosen: list[Record]) -> None:
        _read(chosen)
        jobs: list[tuple[PackageRequest, Destination]] = [
            (self.place.without_output(request), self.place.by_hash(record.code.asset_hash))
            for record in chosen
            for request in record.requests
        ]
        results = iter(make_packages(jobs, store=_open_store(os.environ.get(CACHE_DIR_VARIABLE))) if jobs else ())
        for record in chosen:
            record.take([next(results) for _ in record.requests])
            record.made = True
            record.show()


def _read(records: list[Record]) -> None:
    """Read what the functions are for. Tokens of a stack are resolved by one call."""
    values: dict[Record, dict[str, Any]] = {}
    tokens: dict[StackNotes, dict[str, dict[str, Any]]] = {}
    for number, record in enumerate(records):
        if record.resource is None:
            record.package, record.problems = None, [_not_given(record)]
            continue
        values[record] = found = _properties(record)
        unknown = {name: value for name, value in found.items() if "Token[" in str(value)}
        if unknown:
            tokens.setdefault(record.notes, {})[str(number)] = unknown
    for notes, unknown_values in tokens.items():
        resolved = notes.stack.resolve(unknown_values)
        for position, unknown in unknown_values.items():
            found = values[records[int(position)]]
            for name in unknown:
                # An empty list is resolved to nothing.
                found[name] = resolved.get(position, {}).get(name)
    for record, found in values.items():
        record.read(found)


def _properties(record: Record) -> dict[str, Any]:
    resource: Any = record.resource
    if record.is_layer:
        names = ("compatible_runtimes", "compatible_architectures")
        return {name: getattr(resource, name) for name in names}
    found = {
        "runtime": resource.runtime,
        "architectures": resource.architectures,
        "layers": resource.layers,
        "handler": resource.handler,
    }
    if found["handler"] == record.code.handler_token:
        # Not resolved: it is ours, and the answer is not known yet.
        record.handler = found.pop("handler")
    return found


def _target_of(found: dict[str, Any]) -> tuple[str, str]:
    """Return the runtime and the architecture. Raises `OptionError` if they aren't known at synthesis."""
    runtime, architectures = found.get("runtime"), found.get("architectures") or ["x86_64"]
    architecture = architectures[0] if isinstance(architectures, list) else architectures
    if runtime is None:
        raise OptionError("The function has no runtime. Give it a Python runtime, such as python3.13.")
    for name, value in (("runtime", runtime), ("architecture", architecture)):
        if not isinstance(value, str):
            raise OptionError(
                f"The function's {name} is {value}, known only at deployment. Give one that is known at synthesis."
            )
    return runtime, architecture


def _targets_of(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the runtimes and architectures that a layer is for. Raises `OptionError` if they aren't known at synthesis."""
    runtimes = found["compatible_runtimes"]
    if not runtimes:
        raise OptionError(
            "The layer has no compatible_runtimes. Give it at least one Python runtime, such as python3.13."
        )
    for runtime in runtimes:
        for architecture in found["compatible_architectures"] or ["x86_64"]:
            yield _target_of({"runtime": runtime, "architectures": [architecture]})


def _not_given(record: Record) -> str:
    return (
        f"{record.code.request.entry}: the code was bound, but no resource got it, so a template would have a placeholder "
        "for it. After the resource, write `code.bind_to_resource(resource)`."
    )


class _Hook(Dependable):
    """The recorder's dependency, which CDK asks for when it prepares the Stage."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    @property
    def dependency_roots(self) -> list[Any]:
        """No constructs; CDK reads this."""
        self._recorder.make_all()
        return []


@jsii.implements(IValidation)
class _Problems:
    """The errors of a function, as validation errors of its resource."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def validate(self) -> list[str]:
        """Return the errors; CDK calls this."""
        return self._record.problems


@jsii.implements(IValidation)
class _Made:
    """An error for packages that weren't made, and for functions that were changed afterwards."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def validate(self) -> list[str]:
        """Return the errors; CDK calls this."""
        if not self._recorder.asked:
            return [_NOT_ASKED]
        return [text for record in self._recorder.records if (text := _describe_change(record))]


def _describe_change(record: Record) -> str | None:
    resource = record.resource
    if record.package is None or resource is None or record.is_layer:
        return None
    request = record.requests[0]
    runtime, architectures = resource.runtime, resource.architectures or ["x86_64"]  # type: ignore[attr-defined]
    if "Token[" in f"{runtime}{architectures}" or (runtime, architectures[0]) == (
        request.runtime,
        request.architecture,
    ):
        return None
    return (
        f"{resource.node.path}: the code was packaged for {request.runtime} {request.architecture}, but the function has "
        f"{runtime} {architectures[0]}. Something changed it after its package was made. Change it in an aspect, a property "
        "injector or the construct."
    )


def _guard(notes: StackNotes) -> None:
    """See to it that the stack's template is never written while a function in it has an error.

    Usually the validation ends the synthesis. This is for `skip_validation`.
    """
    if not notes.guarded:
        notes.guarded = True
        options = notes.stack.template_options
        options.metadata = {**(options.metadata or {}), _ID: Lazy.uncached_any(_Guard(notes))}


@jsii.implements(IAnyProducer)
class _Guard:
    """Metadata of a template that can't be rendered as long as there are errors."""

    def __init__(self, notes: StackNotes) -> None:
        self._notes = notes

    def produce(self, context: Any) -> Any:  # noqa: ARG002 - CDK's name
        """Raise `PackageError` when the template is written; CDK calls this."""
        problems = self._notes.problems
        if problems and not self._is_hashed():
            raise PackageError("\n".join(problems))
        return None

    def _is_hashed(self) -> bool:
        """Return whether the template is rendered for its hash only, as that of a nested stack before the validation."""
        stack = self._notes.stack
        if not isinstance(stack, NestedStack) and stack.nested_stack_resource is None:
            return False
        resource: Any = stack.nested_stack_resource
        return bool(Stack.of(resource).resolve(resource.template_url) == "<unresolved>")


@cache
def _open_store(directory: str | None) -> Store:
    # One for the process: if the directory can't be written to, functions share what was fetched all the same.
    return Store.open(directory)


# Of the notes, only those that answer a request of the user's: CDK prints every annotation at each synthesis.
_SHOWN_NOTES = frozenset({"smoke-skipped"})

_NO_HANDLER = "handler-unknown"


def unreported(shown: set[tuple[str, str]], package: DeploymentPackage) -> tuple[Finding, ...]:
    """Return a package's findings without those that were shown for the same package in the same stack.

    Another stack shows them again, since the CDK CLI shows the findings of the stacks that it is asked for.
    """
    # A function without a handler is an error, which `describe_missing_handler` has.
    findings = (finding for finding in package.findings if finding.id != _NO_HANDLER)
    new = tuple(finding for finding in findings if (package.package_key, str(finding)) not in shown)
    shown.update((package.package_key, str(finding)) for finding in new)
    return new


def describe_missing_handler(package: DeploymentPackage) -> str | None:
    """Return why the handler in a package is unknown, None if it is known."""
    if package.handler is not None:
        return None
    doubts = (finding.message for finding in package.findings if finding.id == _NO_HANDLER)
    return next(doubts, f"{package.index} has no single handler. Set handler= to the one to call.")


def describe_wrong_handler(package: DeploymentPackage, handler: str) -> str | None:
    """Return why a handler isn't in the packaged module, None if it is there, or if it can't be known."""
    module, _, name = handler.rpartition(".")
    names = package.handler_names
    if names is None or name in names or not is_in_package(package, handler):
        return None
    # Lambda treats a slash in a module's name as a dot.
    return describe_absence(name, names, package.index) if module else None


def is_in_package(package: DeploymentPackage, handler: str) -> bool:
    """Return whether a handler is in the module that was packaged for it, by its name."""
    return handler.rpartition(".")[0].replace("/", ".") == module_name(package.index)


def annotate(scope: Construct, findings: Iterable[Finding]) -> None:
    """Show findings as warnings that can be acknowledged, and notes that were asked for."""
    told = excerpt(one for one in findings if one.severity is not Severity.NOTE or one.id in _SHOWN_NOTES)
    for finding in told.shown:
        # CDK appends how to acknowledge it, with the id.
        text = str(finding).removesuffix(f" [{finding.id}]")
        name = f"cdk-lambda-package:{finding.id}"
        if finding.severity is not Severity.NOTE:
            Annotations.of(scope).add_warning_v2(name, text)
        else:
            # Not add_info_v2: the oldest supported aws-cdk-lib doesn't have it.
            Annotations.of(scope).add_info(text)
    for kind, count in told.more:
        text = f"{count:,} more: `cdk-lambda-package check --format json` lists them all."
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{kind}", text)
