"""Modules that the target's Python can't compile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cdk_lambda_package.app_directory.entry import APP_FOLDER
from cdk_lambda_package.checks.contents import PackageContents, SyntaxFault
from cdk_lambda_package.checks.import_graph import trace_imports
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.splicing.tree import VENDOR

# How ruff says that syntax is too new for the target.
_TOO_NEW = r"(.*) on Python 3\.\d+ \(syntax was added in (?:Python )?(3\.\d+)\)"


def check_syntax(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for each of the app's modules that can't be compiled, and for what it imports out of vendor/.

    What may be imported is a warning. About all else nothing is said: vendored trees have templates, test fixtures and
    code for Python 2 in files that nobody imports.
    """
    if not contents.syntax_faults:
        return
    graph = trace_imports(contents)
    for fault in contents.syntax_faults:
        needed = _is_apps(fault.path, contents) or fault.path in graph.exposed
        if needed and fault.certain:
            yield _describe(fault, contents, "syntax-error", Severity.ERROR)
        elif needed or fault.path in graph.certain or fault.path in graph.perhaps:
            yield _describe(fault, contents, "syntax-uncertain", Severity.WARNING)


def _is_apps(path: str, contents: PackageContents) -> bool:
    """Tell whether a module is in one of the document's two places, and can be imported at all."""
    root = path.split("/")[0]
    if contents.entries[path].owner == VENDOR or root not in (contents.index.split("/")[0], APP_FOLDER):
        return False
    return all(part.isidentifier() for part in path.removesuffix(".py").split("/"))


def _describe(fault: SyntaxFault, contents: PackageContents, rule: str, severity: Severity) -> Finding:
    runtime = contents.target.runtime.name
    if not fault.certain:
        return Finding(
            id=rule,
            severity=severity,
            message=f"{runtime} may not be able to compile this module: {fault.message}. Split up what is nested or chained "
            "thousands of times, or keep it as data; if it can be imported on Lambda, acknowledge this.",
            path=contents.place(fault.path),
            line=fault.line,
        )
    newer = re.fullmatch(_TOO_NEW, fault.message, re.DOTALL)
    reason = f"{newer[1]} before Python {newer[2]}" if newer else fault.message
    ways = ["Correct it"]
    if contents.entries[fault.path].owner == VENDOR:
        ways = [f"Vendor a release that supports {runtime}"]
    elif newer:
        ways = ["Write it otherwise"]
    if newer:
        ways.append(f"choose python{newer[2]} or newer")
    return Finding(
        id=rule,
        severity=severity,
        message=f"{runtime} can't compile this module: {reason[:1].lower()}{reason[1:]}. {', or '.join(ways)}.",
        path=contents.place(fault.path),
        line=fault.line,
    )
