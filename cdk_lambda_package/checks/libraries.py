"""Shared libraries that a binary needs and that aren't there, or may not be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cdk_lambda_package.binary_facts import BinaryFacts
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.faults import Fault
from cdk_lambda_package.checks.loader import Loader, Outcome
from cdk_lambda_package.system_libraries import is_of_musl

NOT_FOUND, UNCERTAIN = "library-not-found", "library-uncertain"

# What to require in place of what needs a library that nobody packages for Lambda.
_ALTERNATIVES = {
    "libpq": "psycopg2-binary brings its own libpq",
    "libmysqlclient": "PyMySQL needs no library",
    "libmariadb": "PyMySQL needs no library",
    "libGL": "opencv-python-headless needs no display",
}


def find_library_faults(path: str, facts: BinaryFacts, loader: Loader, contents: PackageContents) -> Iterator[Fault]:
    """Yield a fault for each way in which libraries of a binary are missing or uncertain."""
    system = contents.target.runtime.system.name
    musl = next(filter(is_of_musl, (*facts.libraries, facts.interpreter or "")), None)
    if musl:
        yield Fault(NOT_FOUND, f"was built for Alpine Linux: it needs {musl}, of musl, and {system} has glibc")
        return
    found: dict[Outcome, list[tuple[str, str]]] = {}
    for library in facts.libraries:
        outcome, place = loader.find(path, library)
        found.setdefault(outcome, []).append((library, place))
    if Outcome.MISSING in found:
        names = _join(library for library, _ in found[Outcome.MISSING])
        alternative = _say_alternative(found[Outcome.MISSING])
        yield Fault(NOT_FOUND, f"needs {names}, which {_say_where_not(contents)}{alternative}", lacks_library=True)
    for library, place in found.get(Outcome.ELSEWHERE, ()):
        text = f"needs {library}, which is at /{place}, where the loader doesn't look unless code loads it first"
        yield Fault(UNCERTAIN, text, lacks_library=True)
    if Outcome.UNKNOWN_LAYER in found:
        layers = _join(layer.name for layer in contents.layers if not layer.known)
        names = _join(library for library, _ in found[Outcome.UNKNOWN_LAYER])
        text = f"needs {names}, which the package doesn't have; {layers} can't be looked into"
        yield Fault(UNCERTAIN, text, lacks_library=True)
    if Outcome.POSSIBLE in found:
        names = _join(library for library, _ in found[Outcome.POSSIBLE])
        text = f"needs {names}, which may be missing from {system} as Lambda runs it"
        yield Fault(UNCERTAIN, text, lacks_library=True)


def _say_where_not(contents: PackageContents) -> str:
    layers = ", its layers" if contents.layers else ""
    return f"neither the package{layers} nor {contents.target.runtime.system.name} has"


def _say_alternative(missing: Iterable[tuple[str, str]]) -> str:
    known = (_ALTERNATIVES.get(library.partition(".")[0]) for library, _ in missing)
    return next((f" ({text})" for text in known if text), "")


def _join(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
