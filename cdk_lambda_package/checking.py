"""Every check of a laid-out package, in one place; what they found is remembered, so it costs nothing the next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from cdk_lambda_package.app_directory.surroundings import find_unpackaged
from cdk_lambda_package.errors import Finding
from cdk_lambda_package.manifest import describe_finding, read_finding
from cdk_lambda_package.modules.handler import ANY_HANDLER
from cdk_lambda_package.modules.layers import stamp_layers
from cdk_lambda_package.modules.parser_versions import describe_parsers
from cdk_lambda_package.stages import Inputs, Layout
from cdk_lambda_package.store import Store

_KIND = "checks"

# Part of the key: raised whenever a check finds something else in the same package.
_CHECKS_FORMAT = "c4"


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What the checks found, in order of the checks, and the handler's name, if it was given or could be found.

    `handler_names` are the names that its module binds, None where that can't be known.
    """

    handler: str | None
    handler_names: tuple[str, ...] | None
    findings: tuple[Finding, ...]


def review(inputs: Inputs, lay_out: Callable[[], Layout], store: Store) -> Review:
    """Check a package, unless this was done before; `lay_out` is called only for what wasn't."""
    key = _key(inputs)
    content = store.read(_KIND, key)
    if content is not None:
        handler, names, findings = json.loads(content)
        return Review(
            handler=handler,
            handler_names=None if names is None else tuple(names),
            findings=tuple(map(read_finding, findings)),
        )
    made = _review(inputs, lay_out(), store)
    fields = [made.handler, made.handler_names, list(map(describe_finding, made.findings))]
    store.write(json.dumps(fields).encode(), _KIND, key)
    return made


def _review(inputs: Inputs, layout: Layout, store: Store) -> Review:
    # Imported here: an unchanged package needs none of it.
    from cdk_lambda_package.checks.handler import check_handler
    from cdk_lambda_package.checks.imports import check_imports
    from cdk_lambda_package.checks.shadowing import check_shadowing
    from cdk_lambda_package.checks.size import check_size
    from cdk_lambda_package.checks.syntax import check_syntax
    from cdk_lambda_package.inspection import inspecting
    from cdk_lambda_package.stored_notes import StoredNotes

    with inspecting(
        inputs, layout, store, notes=StoredNotes(store, f"{_CHECKS_FORMAT} {describe_parsers()}")
    ) as contents:
        checks = [check_syntax, check_handler, check_imports, check_shadowing, check_size]
        if contents.binaries:
            # Imported here: few packages have a binary that nobody vouches for.
            from cdk_lambda_package.checks.binaries import check_binaries

            checks.append(check_binaries)
        facts = contents.module_facts(contents.index)
        return Review(
            handler=None if contents.handler == ANY_HANDLER else contents.handler,
            handler_names=tuple(binding.name for binding in facts.bindings) if facts.complete else None,
            findings=tuple(finding for check in checks for finding in check(contents)),
        )


def _key(inputs: Inputs) -> str:
    request = inputs.request
    layers = stamp_layers(request.layers)
    # The same wheel from elsewhere isn't the same to the checks: what was built here is looked into.
    wheels = sorted(inputs.inspected)
    # What could be packaged is what an error about its absence suggests.
    unpackaged = find_unpackaged(inputs.app, deep=False)
    options = [request.handler, sorted(request.packaging.provided or ()), layers, wheels]
    fields = [_CHECKS_FORMAT, describe_parsers(), inputs.key, *options, unpackaged]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
