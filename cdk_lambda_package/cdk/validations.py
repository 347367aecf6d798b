"""What CDK shows of a package on the function that gets it: warnings, and errors that the synthesis ends with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import jsii
from aws_cdk import Annotations, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IValidation

from cdk_lambda_package.errors import Finding, Severity, excerpt
from cdk_lambda_package.handlers import describe_absence, module_name
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.target import Target

if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import DeploymentPackage

# Of the notes, only what answers a wish of the user's: CDK prints all that it is told at each synthesis.
_SHOWN_NOTES = frozenset({"smoke-skipped"})

_NO_HANDLER = "handler-unknown"


def leave_unsaid(said: set[tuple[str, str]], package: DeploymentPackage) -> tuple[Finding, ...]:
    """Return a package's findings but for those that code of the same package has shown in the same stack.

    In another stack they are shown again, since the CDK CLI shows those of the stacks that it is asked for.
    """
    # That a function has no handler is an error, which the function says.
    findings = (finding for finding in package.findings if finding.id != _NO_HANDLER)
    unsaid = tuple(finding for finding in findings if (package.package_key, str(finding)) not in said)
    said.update((package.package_key, str(finding)) for finding in unsaid)
    return unsaid


def describe_missing_handler(package: DeploymentPackage | None) -> str | None:
    """Say why nobody knows what Lambda should call in a package, or None where that is known, or there is no package."""
    if package is None or package.handler is not None:
        return None
    doubts = (finding.message for finding in package.findings if finding.id == _NO_HANDLER)
    return next(doubts, f"{package.index} has no single handler. Set handler= to the one to call.")


def annotate(scope: Construct, findings: Iterable[Finding]) -> None:
    """Show findings as warnings that can be acknowledged, and the notes that were asked for."""
    told = excerpt(one for one in findings if one.severity is not Severity.NOTE or one.id in _SHOWN_NOTES)
    for finding in told.shown:
        # CDK appends how to acknowledge it; the id needn't stand there twice.
        text = str(finding).removesuffix(f" [{finding.id}]")
        name = f"cdk-lambda-package:{finding.id}"
        if finding.severity is not Severity.NOTE:
            Annotations.of(scope).add_warning_v2(name, text)
        else:
            Annotations.of(scope).add_info_v2(name, text)
    for kind, count in told.more:
        text = f"{count:,} more: `cdk-lambda-package check --format json` lists them all."
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{kind}", text)


@jsii.implements(IValidation)
class Report:
    """What there is to say of code, on the resources that get it; else, as where it is bound by hand, on its scope."""

    def __init__(self, scope: Construct, broken: str | None, findings: Sequence[Finding]) -> None:
        self._scope, self._broken, self._findings = scope, broken, findings
        self._shown = False

    def await_resource(self) -> None:
        """Have it said on the scope, should no resource get the code."""
        if self._broken is not None or self._findings:
            self._scope.node.add_validation(self)

    def show_on(self, resource: Construct) -> None:
        """Show an error on each resource that gets the code, and the rest on the first."""
        if self._broken is not None:
            resource.node.add_validation(Broken(self._broken))
        if not self._shown:
            annotate(resource, self._findings)
        self._shown = True

    def validate(self) -> list[str]:
        """Return what is wrong, if no resource got the code; CDK calls this, before it writes annotations."""
        if self._shown:
            return []
        annotate(self._scope, self._findings)
        return [] if self._broken is None else [self._broken]


@jsii.implements(IValidation)
class Broken:
    """Content that can't be packaged, shown when the app is synthesized."""

    def __init__(self, message: str) -> None:
        self._message = message

    def validate(self) -> list[str]:
        """Return what is wrong; CDK calls this."""
        return [self._message]


@jsii.implements(IValidation)
class FittingCode:
    """A rendered function must have the runtime and architecture that its code was packaged for, and a handler in it."""

    def __init__(
        self, resource: lambda_.CfnFunction, request: PackageRequest, package: DeploymentPackage | None
    ) -> None:
        self._resource = resource
        self._target = Target.parse(request.runtime, request.architecture)
        self._package = package if "handler-not-found" not in (request.packaging.acknowledge or ()) else None

    def validate(self) -> list[str]:
        """Return what is wrong; CDK calls this."""
        return [*self._compare_target(), *self._look_for_handler()]

    def _look_for_handler(self) -> list[str]:
        """Say what is wrong with a handler in the packaged module, as far as its names are known."""
        package = self._package
        if package is None or package.handler_names is None:
            return []
        module, _, name = str(self._resolve(self._resource.handler)).rpartition(".")
        # Lambda takes a slash for a dot there.
        if module.replace("/", ".") != module_name(package.index) or name in package.handler_names:
            return []
        return [describe_absence(name, package.handler_names, package.index)]

    def _compare_target(self) -> list[str]:
        runtime = self._resolve(self._resource.runtime)
        architectures = self._resolve(self._resource.architectures) or ["x86_64"]
        architecture = architectures[0] if isinstance(architectures, list) else architectures
        if (runtime, architecture) == (self._target.runtime.name, self._target.architecture.value):
            return []
        for name, value in (("runtime", runtime), ("architecture", architecture)):
            if not isinstance(value, str | None):
                return [self._describe_unknown(name, value)]
        return [self._describe_other(runtime, architecture)]

    def _describe_other(self, runtime: object, architecture: object) -> str:
        return (
            f"The code was packaged for {self._target}, but the function has {runtime} {architecture}. Give PythonCode or "
            "PythonFunction the runtime and architecture that the function should have. If they were given the same, "
            "something changed the function afterwards: an aspect, a mixin or a property injector."
        )

    def _describe_unknown(self, name: str, value: object) -> str:
        return (
            f"The code was packaged for {self._target}, and whether the function has that {name} can't be verified: its "
            f"{name} is {value}, known only at deployment. Give it one that is known at synthesis."
        )

    def _resolve(self, value: object) -> object:
        # Asking CDK is a message to another process; most values are what they seem to be.
        return Stack.of(self._resource).resolve(value) if "{Token[" in str(value) else value
