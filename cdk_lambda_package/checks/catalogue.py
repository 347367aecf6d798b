"""Every finding there is: its id, which stays the same, how much it matters, and what it is called. Pure.

Each has a page of its own, docs/reference/checks/<id>.md.
"""

from __future__ import annotations

from typing import NamedTuple

from cdk_lambda_package.errors import Severity


class Rule(NamedTuple):
    """A kind of finding; `severity` is what its findings have."""

    id: str
    severity: Severity
    title: str


RULES: tuple[Rule, ...] = (
    Rule("syntax-error", Severity.ERROR, "The runtime's Python can't compile a module"),
    Rule("handler-not-found", Severity.ERROR, "The module doesn't define the handler"),
    Rule("handler-not-callable", Severity.ERROR, "The handler isn't something that Lambda can call"),
    Rule("handler-unknown", Severity.WARNING, "No handler was named, and the module has several candidates or none"),
    Rule("import-not-found", Severity.ERROR, "An imported module is nowhere on Lambda"),
    Rule("import-uncertain", Severity.WARNING, "A module that may be imported is nowhere to be seen"),
    Rule("name-not-found", Severity.ERROR, "A module of the app doesn't have an imported name"),
    Rule("removed-from-standard-library", Severity.ERROR, "The runtime's standard library has lost a module"),
    Rule("shadows-standard-library", Severity.WARNING, "A module hides one of the standard library"),
    Rule("shadows-requirement", Severity.WARNING, "A module hides a requirement's"),
    Rule("binary-for-other-machine", Severity.ERROR, "A binary is for another machine or system"),
    Rule("binary-needs-newer-system", Severity.ERROR, "A binary needs a newer glibc or libstdc++"),
    Rule("binary-for-other-python", Severity.ERROR, "An extension module is for another Python"),
    Rule("library-not-found", Severity.ERROR, "A shared library is nowhere on Lambda"),
    Rule("library-uncertain", Severity.WARNING, "A shared library may be missing"),
    Rule("package-too-large", Severity.ERROR, "The package is larger than Lambda takes"),
    Rule("archive-over-50-mb", Severity.NOTE, "The .zip file archive is over 50 MB"),
    Rule("smoke-failed", Severity.ERROR, "The handler's module can't be imported"),
    Rule("smoke-skipped", Severity.NOTE, "The handler's module could not be tried on this machine"),
)


def find_rule(finding_id: str) -> Rule | None:
    """Return the rule with an id."""
    return next((rule for rule in RULES if rule.id == finding_id), None)
