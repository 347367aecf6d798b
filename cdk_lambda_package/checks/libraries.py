"""Shared libraries that a binary needs and that aren't there, or may not be. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.binaries.facts import BinaryFacts, is_of_musl
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.faults import UNCERTAIN, Fault, find_uncertain_versions
from cdk_lambda_package.checks.loader import Loader, Outcome

NOT_FOUND = "library-not-found"

# What to require in place of what needs a library that nobody packages for Lambda.
_ALTERNATIVES = {
    "libpq": "psycopg2-binary brings its own libpq",
    "libmysqlclient": "PyMySQL needs no library",
    "libmariadb": "PyMySQL needs no library",
    "libGL": "opencv-python-headless needs no display",
}


def find_library_faults(path: str, facts: BinaryFacts, loader: Loader, contents: PackageContents) -> Iterator[Fault]:
    """Yield a fault for each library of a binary that is missing or uncertain, or may be too old."""
    musl = next(filter(is_of_musl, (*facts.libraries, facts.interpreter or "")), None)
    if musl:
        system = contents.target.runtime.system.name
        yield Fault(NOT_FOUND, f"was built for Alpine Linux: it needs {musl}, of musl, and {system} has glibc")
        return
    uncertain = find_uncertain_versions(path, facts, loader, contents.target)
    if uncertain:
        yield uncertain
    for library in facts.libraries:
        outcome, place = loader.find(path, library)
        text = _say(outcome, library, place, contents)
        if text:
            yield Fault(
                NOT_FOUND if outcome is Outcome.MISSING else UNCERTAIN, f"needs {library}, which {text}", library
            )


def _say(outcome: Outcome, library: str, place: str, contents: PackageContents) -> str:
    """Return what became of looking for a library, "" where it was found."""
    system = contents.target.runtime.system.name
    match outcome:
        case Outcome.MISSING:
            alternative = _ALTERNATIVES.get(library.partition(".")[0])
            layers = ", its layers" if contents.layers else ""
            return f"neither the package{layers} nor {system} has" + (f" ({alternative})" if alternative else "")
        case Outcome.ELSEWHERE:
            return f"is at /{place}, where the loader doesn't look unless code loads it first"
        case Outcome.UNKNOWN_LAYER:
            layers = " and ".join(layer.name for layer in contents.layers if not layer.known)
            return f"the package doesn't have; {layers} can't be looked into"
        case Outcome.POSSIBLE:
            return f"may be missing from {system} as Lambda runs it"
        case Outcome.FOUND:
            return ""
