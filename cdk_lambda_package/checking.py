"""Every check of a laid-out package, in one place; what they found is remembered, so it costs nothing the next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.inputs import Inputs
from cdk_lambda_package.layout import Layout
from cdk_lambda_package.manifest import describe_finding
from cdk_lambda_package.store import Store
from cdk_lambda_package.surroundings import find_unpackaged

_KIND = "checks"

# Part of the key: raised whenever a check finds something else in the same package.
_CHECKS_FORMAT = "c1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What the checks found, in order of the checks, and the handler's name, if it was given or could be found."""

    handler: str | None
    findings: tuple[Finding, ...]


def review(inputs: Inputs, lay_out: Callable[[], Layout], store: Store) -> Review:
    """Check a package, unless this was done before; `lay_out` is called only for what wasn't."""
    key = _key(inputs)
    content = store.read(_KIND, key)
    if content is not None:
        handler, findings = json.loads(content)
        return Review(handler=handler, findings=tuple(map(_decode, findings)))
    made = _review(inputs, lay_out(), store)
    store.write(json.dumps([made.handler, list(map(describe_finding, made.findings))]).encode(), _KIND, key)
    return made


def _review(inputs: Inputs, layout: Layout, store: Store) -> Review:
    # Imported here: an unchanged package needs none of it.
    from cdk_lambda_package.checks.binaries import check_binaries
    from cdk_lambda_package.checks.handler import check_handler
    from cdk_lambda_package.checks.imports import check_imports
    from cdk_lambda_package.checks.shadowing import check_shadowing
    from cdk_lambda_package.checks.size import check_size
    from cdk_lambda_package.checks.syntax import check_syntax
    from cdk_lambda_package.inspection import inspect

    contents = inspect(inputs, layout, store)
    checks = (check_syntax, check_handler, check_imports, check_shadowing, check_binaries, check_size)
    return Review(handler=contents.handler, findings=tuple(finding for check in checks for finding in check(contents)))


def _key(inputs: Inputs) -> str:
    request = inputs.request
    # What could be packaged is what an error about its absence suggests.
    unpackaged = find_unpackaged(inputs.app, deep=bool(request.exclude))
    options = [request.handler, sorted(request.provided), list(map(str, request.layers))]
    fields = [_CHECKS_FORMAT, inputs.key, *options, unpackaged]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _decode(row: dict[str, object]) -> Finding:
    return Finding(**{**row, "severity": Severity(row["severity"])})  # type: ignore[arg-type]
