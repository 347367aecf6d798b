"""Distributions whose releases have to match, of which a package has some and the runtime others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import ModuleOrigin
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import RELEASED_TOGETHER, SDK


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a warning if `provided` or `exclude_distributions` leaves out a part of the AWS SDK, and the package has the rest."""
    left_out = {*contents.provided, *_left_out(contents)}
    given = [name for name in RELEASED_TOGETHER if name in left_out and not _is_packaged(name, contents)]
    packaged = [name for name in RELEASED_TOGETHER if _is_packaged(name, contents) and _is_mixed(name, given, contents)]
    if not given or not packaged:
        return
    message = (
        f"{_enumerate(given)} {'is' if len(given) == 1 else 'are'} left out of the package, which has "
        f"{_enumerate(_describe(name, contents) for name in packaged)}. Their releases have to match, and AWS replaces those of "
        f"the runtime at any time. {_fix(given, packaged, contents)}"
    )
    yield Finding(id="partly-provided", severity=Severity.WARNING, message=message, subject=given[0])


def _left_out(contents: PackageContents) -> Iterator[str]:
    for decision in contents.decisions:
        if decision.decision == "distribution-left-out":
            yield decision.subject.partition("==")[0]


def _is_packaged(module: str, contents: PackageContents) -> bool:
    return bool(_file_of(module, contents))


def _file_of(module: str, contents: PackageContents) -> str:
    """Return the file that is imported for a module if the package has it, else ""."""
    found = contents.imports.finder.find(module)
    return found.path or "" if found is not None and found.origin is ModuleOrigin.FILES else ""


def _is_mixed(packaged: str, given: Iterable[str], contents: PackageContents) -> bool:
    """Tell whether the package's part takes the place of another one. A layer without it was made to go with the package's."""
    return any(not _is_in_layer(name, contents) or _is_in_layer(packaged, contents) for name in given)


def _is_in_layer(module: str, contents: PackageContents) -> bool:
    folders = ("python", f"python/lib/{contents.target.runtime.name}/site-packages")
    return any(f"{folder}/{module}/__init__.py" in layer.files for layer in contents.layers for folder in folders)


def _describe(module: str, contents: PackageContents) -> str:
    path = _file_of(module, contents)
    owner = contents.owner(path)
    return contents.place(path) if owner is None or owner in OWN else owner.replace("==", " ")


def _fix(given: list[str], packaged: list[str], contents: PackageContents) -> str:
    together = {*given, *packaged}
    names = sorted({*contents.provided, *together, *_only_for(together, contents)})
    others = sorted({other for name in packaged for other in contents.required_by.get(name, ()) if other} - together)
    them = "it" if len(given) == 1 else "them"
    own = f"To package your own, require {_enumerate(given)}, and name {them} neither in provided nor in exclude_distributions."
    if others:
        own = f"{own} {_enumerate(others)} may need that, with the {_enumerate(packaged)} of certain releases."
    return f"Leave them all to Lambda with packaging=Packaging(provided={names}). {own}"


def _only_for(together: Iterable[str], contents: PackageContents) -> Iterator[str]:
    """Yield what else of the SDK the package has only because these require it."""
    for name in SDK:
        requirers = contents.required_by.get(name)
        if requirers and {*together} >= {*requirers} and _is_packaged(name, contents):
            yield name


def _enumerate(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
