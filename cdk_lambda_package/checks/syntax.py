"""Modules that the target's Python can't compile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cdk_lambda_package.app_directory import APP_FOLDER
from cdk_lambda_package.checks.chains import chain_to
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import ImportAnalysis, TextFault
from cdk_lambda_package.splicing import VENDOR, Entry

# How ruff says that syntax is too new for the target.
_TOO_NEW = "(syntax was added in "


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for each of the app's modules that can't be compiled, and for other modules that it imports.

    Modules of vendor/ that may be imported are a warning, and the others no finding: vendored trees have templates, test
    fixtures and code for Python 2 in files that are never imported.
    """
    foreign: dict[str, list[str]] = {}
    for path, fault in contents.syntax_faults.items():
        of_app = _is_importable_app_module(path, contents.entries, contents.index)
        needed = of_app or path in contents.reach.exposed
        distribution = contents.distribution(path)
        if distribution is not None:
            if needed and fault.certain:
                foreign.setdefault(distribution, []).append(path)
        elif needed and fault.certain:
            yield _describe(path, fault, contents, "syntax-error", Severity.ERROR)
        elif contents.is_own(path):
            yield _describe(path, fault, contents, "syntax-uncertain", Severity.WARNING)

    # The whole graph, which an edit makes necessary only where there is a fault.
    visits = (path for path, _ in contents.graph.in_order()) if foreign else ()
    order = {path: number for number, path in enumerate(dict.fromkeys(visits))}
    for distribution, paths in foreign.items():
        first = min(paths, key=lambda path: order.get(path, len(order)))
        yield _describe_foreign(distribution, first, len(paths) - 1, contents)


def app_modules(imports: ImportAnalysis, entries: Mapping[str, Entry], index: str) -> frozenset[str]:
    """Return the modules in the two folders of the app's code, under names that can be imported; `index` is the app's own.

    Their syntax matters, as that of all that may be imported.

    Example:
        `app_modules(imports, entries, "app.py")` has `"app.py"` and `"chalicelib/db.py"`.
    """
    folders = (f"{index.rpartition('/')[0].partition('/')[0]}/", f"{APP_FOLDER}/")
    near = (path for folder in folders for path in imports.finder.files_below(folder) if path.endswith(".py"))
    return frozenset(path for path in (index, *near) if _is_importable_app_module(path, entries, index))


def _is_importable_app_module(path: str, entries: Mapping[str, Entry], index: str) -> bool:
    root = path.split("/")[0]
    if path not in entries or entries[path].owner == VENDOR or root not in (index.split("/")[0], APP_FOLDER):
        return False
    return all(part.isidentifier() for part in path.removesuffix(".py").split("/"))


def _describe(path: str, fault: TextFault, contents: PackageContents, rule: str, severity: Severity) -> Finding:
    runtime = contents.target.runtime.name
    if not fault.certain:
        return Finding(
            id=rule,
            severity=severity,
            message=f"{runtime} may not be able to compile this module: {fault.message}. Split expressions that are nested or "
            "chained thousands of times, or store large values as data; if the module can be imported on Lambda, acknowledge this.",
            path=contents.place(path),
            line=fault.line,
        )
    fix = "Correct it"
    if contents.owner(path) == VENDOR:
        fix = f"Vendor a release that supports {runtime}"
    elif _TOO_NEW in fault.message:
        fix = "Write it for the older version, or choose a newer runtime"
    return Finding(
        id=rule,
        severity=severity,
        message=f"{runtime} can't compile this module: {fault.message[:1].lower()}{fault.message[1:]}. {fix}.",
        path=contents.place(path),
        line=fault.line,
    )


def _describe_foreign(distribution: str, path: str, more: int, contents: PackageContents) -> Finding:
    """Describe the first module of a distribution that can't be compiled, at the user's statement that leads to it."""
    runtime, fault = contents.target.runtime.name, contents.syntax_faults[path]
    chain = chain_to(path, fault.line, None, contents)
    others = f", nor {more} more that it imports" if more else ""
    sentences = (
        f"{runtime} can't compile {path} of {distribution}{others}: {fault.message[:1].lower()}{fault.message[1:]}.",
        chain.text,
        f"Require a release of {distribution.partition('==')[0]} that supports {runtime}.",
    )
    return Finding(
        id="syntax-error",
        severity=Severity.ERROR,
        message=" ".join(filter(None, sentences)),
        path=contents.place(chain.start.path),
        line=chain.start.line,
        subject=path,
        distribution=distribution,
    )
