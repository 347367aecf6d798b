"""How findings are shown in CDK: errors as validation errors, warnings and some notes as annotations."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import Annotations
from constructs import Construct

from cdk_lambda_package.errors import Finding, Severity, excerpt
from cdk_lambda_package.handlers import describe_absence, module_name
from cdk_lambda_package.pipeline import DeploymentPackage

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
