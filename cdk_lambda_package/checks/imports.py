"""Modules and names that are imported and missing.

An import is certain to fail if it runs whenever the handler's module is imported, nothing catches its failure, and nothing
else can provide the module. Any other one is a warning, and only in the app's own code: what vendor/ and requirements import
in functions is mostly optional.

What fails inside a requirement is reported at the user's own statement that leads there, with the chain of imports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cdk_lambda_package.checks.chains import chain_to
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.distribution_names import (
    distribution_of,
)
from cdk_lambda_package.checks.import_fixes import fix_for, fix_for_module, is_made_by_old_six
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import Lack, Reason, Runs, Step
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import (
    PythonVersion,
    absence_of,
    is_known_version,
    removal_of,
)

_SHOWN_PLACES = 3

_DOUBT = "import-uncertain"


class _Case(NamedTuple):
    """A statement that asks for something that is missing, and how certain that is."""

    path: str
    step: Step
    lack: Lack
    certain: bool
    doubt: str | None

    @property
    def subject(self) -> str:
        """What is missing, by its full name."""
        return ".".join(filter(None, (self.lack.module, self.lack.name)))


class _Fault(NamedTuple):
    """Something that is missing: the id of the finding, all statements that ask for it, and how to fix the first."""

    rule: str
    cases: tuple[_Case, ...]
    fix: str

    @property
    def first(self) -> _Case:
        """The statement that is reported."""
        return self.cases[0]


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield one finding for each missing module or name, at the first place that imports it.

    All that a distribution lacks is one finding if one change fixes it, such as a newer release.
    """
    found: dict[object, list[tuple[str, _Case]]] = {}
    for case in _cases(contents):
        rule = _judge(case, contents)
        if rule:
            # Two distributions may be missing under one name, such as google. One that is missing is the same for all that
            # import it; what a release doesn't fit is its own fault.
            owner = None if rule == "import-not-found" else contents.distribution(case.path)
            about = (case.lack.module, case.lack.name, distribution_of(case.lack.wanted), owner)
            found.setdefault(about, []).append((rule, case))
    causes: dict[object, list[_Fault]] = {}
    for subject, judged in found.items():
        fault = _fault_of(judged, contents)
        owner = contents.distribution(fault.first.path)
        causes.setdefault(subject if owner is None else (owner, fault.fix), []).append(fault)
    for faults in causes.values():
        yield _describe(faults, contents)


def _fault_of(judged: list[tuple[str, _Case]], contents: PackageContents) -> _Fault:
    """Return what is missing, by all cases of it: one that is certain is reported first, with the others' places."""
    rule = next((rule for rule, _ in judged if rule != _DOUBT), _DOUBT)
    ordered = sorted(judged, key=lambda one: (one[0] != rule, not contents.is_own(one[1].path)))
    cases = tuple(case for _, case in ordered)
    return _Fault(rule, cases, fix_for(cases[0].lack, cases[0].path, contents))


def _cases(contents: PackageContents) -> Iterator[_Case]:
    """Yield all that is missing, in the order in which Python asks for it."""
    reach = contents.reach
    for path, step in reach.lacking:
        certain = path in reach.exposed and step.runs is Runs.ALWAYS
        if certain or contents.is_app(path):
            for lack in step.lacks:
                yield _Case(path, step, lack, certain, next(_doubts(lack, path, contents), None))


def _judge(case: _Case, contents: PackageContents) -> str | None:
    """Return the id of the finding; None if there is none, or another check reports it."""
    lack, finder = case.lack, contents.imports.finder
    doubtful = _DOUBT if contents.is_app(case.path) else None
    if lack.reason is Reason.UNCERTAIN:
        return doubtful
    if lack.reason is Reason.NO_MODULE:
        if any(contents.imports.provision(one).file_of(lack.module) for one in contents.reach.changers):
            return None
        if finder.find_unusable(lack.module):
            return None  # reported by the check of binaries
        if _may_be_made_by_package(lack.module, contents):
            return None
        if _may_be_compiled_in(lack.module, contents) or _is_in_other_folder(lack.module, contents):
            return doubtful
    if lack.name is not None and (_is_given(lack, contents) or _may_be_submodule(lack, contents)):
        return None
    if case.doubt or not case.certain:
        return doubtful
    if lack.name is not None:
        return "name-not-found"
    removed = removal_of(lack.module, contents.target.runtime.version)
    return "removed-from-standard-library" if removed else "import-not-found"


def _may_be_compiled_in(module: str, contents: PackageContents) -> bool:
    """Return whether a distribution's extension modules may put a module into `sys.modules`, below one of its packages."""
    found = contents.imports.finder.find(module.rpartition(".")[0]) if "." in module else None
    owner = contents.owner(found.path) if found is not None else None
    if owner is None or owner in OWN:
        return False
    return any(entry.owner == owner and path.endswith(".so") for path, entry in contents.entries.items())


def _is_in_other_folder(module: str, contents: PackageContents) -> bool:
    """Return whether a layer has a module of a package that is found elsewhere, which may extend its `__path__`."""
    path = module.replace(".", "/")
    ends = (f"/{path}.py", f"/{path}/__init__.py")
    return "." in module and any(f"/{file}".endswith(ends) for layer in contents.layers for file in layer.files)


# Why a missing module or name may be there on Lambda all the same


def _doubts(lack: Lack, path: str, contents: PackageContents) -> Iterator[str]:
    """Yield sentences on what may provide a module that the one at `path` imports."""
    if lack.reason is not Reason.NO_MODULE:
        return
    yield from contents.unseen_places()
    if not is_known_version(contents.target.runtime.version):
        yield f"It may be new in {contents.target.runtime.name}, whose standard library isn't known here."
    if removal_of(lack.module, contents.target.runtime.version):
        # An import hook of a package, such as that of six, is for names of the package's own.
        return
    tops = {path.partition("/")[0], lack.module.partition(".")[0]}
    for changer in contents.reach.changers:
        # A package's changes of sys.path concern itself only.
        own = contents.is_app(changer) or changer.partition("/")[0] in tops
        provision = contents.imports.provision(changer)
        if provision.names(lack.module) or (own and provision.may_make(lack.module)):
            yield f"It may be found where {contents.place(changer)} has Python search."


def _may_be_made_by_package(module: str, contents: PackageContents) -> bool:
    """Return whether a package may create its submodule itself, as six does with six.moves."""
    package = module.rpartition(".")[0]
    while package:
        found = contents.imports.finder.find(package)
        if found is not None and found.path is not None:
            # Compiled modules can't be read.
            if contents.imports.path_of(package) is None:
                return True
            if contents.imports.may_make(found.path, module):
                return True
        package = package.rpartition(".")[0]
    return False


def _is_given(lack: Lack, contents: PackageContents) -> bool:
    """Return whether another module gives a module the name that it lacks, as plugins and settings do."""
    last = lack.module.rpartition(".")[2]
    return not contents.reach.given.isdisjoint((f"{last}.{lack.name}", f"{last}.*", f"{lack.module}.*"))


def _may_be_submodule(lack: Lack, contents: PackageContents) -> bool:
    """Return whether a missing name may be a submodule that its package creates itself, as setuptools.extern does."""
    found = contents.imports.finder.find(lack.module)
    path = contents.imports.path_of(lack.module)
    if found is None or path is None or not found.folders:
        return False
    return contents.imports.may_make(path, f"{lack.module}.{lack.name}")


# The message


def _describe(faults: list[_Fault], contents: PackageContents) -> Finding:
    """Return the finding of faults with one cause, of which Python gets to the first."""
    fault, first = faults[0], faults[0].first
    chain = chain_to(first.path, first.step.statement.line, first.subject, contents)
    sentences = (
        _state(first, contents), chain.text, _other_places(fault.cases, contents), _other_faults(faults[1:], contents),
        first.doubt, fault.fix, _replaced(first, contents),
    )  # fmt: skip
    return Finding(
        id=fault.rule,
        severity=Severity.WARNING if fault.rule == _DOUBT else Severity.ERROR,
        message=" ".join(sentence for sentence in sentences if sentence),
        path=contents.place(chain.start.path),
        line=chain.start.line,
        subject=first.subject,
        distribution=contents.distribution(first.path),
    )


def _other_faults(faults: list[_Fault], contents: PackageContents) -> str | None:
    """Return a sentence on what else a distribution lacks."""
    if not faults:
        return None
    subjects = [fault.first.subject for fault in faults]
    more = [f"{len(subjects) - _SHOWN_PLACES} more"] if len(subjects) > _SHOWN_PLACES else []
    *before, last = [*subjects[:_SHOWN_PLACES], *more]
    listed = f"{', '.join(before)} and {last}" if before else last
    are = "are" if before else "is"
    return f"{contents.distribution(faults[0].first.path)} also asks for {listed}, which {are} missing too."


def _state(case: _Case, contents: PackageContents) -> str:
    lack, runtime = case.lack, contents.target.runtime
    how = "by a call" if case.step.statement.by_name else "" if case.certain else "in a function or under a condition"
    if lack.reason is Reason.NO_STUB:
        place = f"{contents.place(case.path)}:{case.step.statement.line}"
        return f"{contents.place(lack.module)} isn't in the package, and attach_stub at {place} reads from it what to import."
    if lack.reason is Reason.NO_PARENT:
        return f"{lack.module!r} is imported relative to a package that isn't there."
    if lack.name is not None:
        why = _reason_of_absence(lack, runtime.version)
        what = "read" if case.step.statement.read else "imported"
        return f"{lack.name!r} is {what} from {lack.module}{how and f', {how}'}, {why}."
    removal = removal_of(lack.module, runtime.version)
    if removal:
        since = "{}.{}".format(*removal.since)
        return (
            f"{lack.module!r} isn't in the standard library since Python {since} ({removal.source}), and nowhere else."
        )
    if lack.reason is Reason.UNCERTAIN:
        return f"{lack.module!r} isn't in the package, and {runtime.name} on Lambda may have it or not."
    if is_made_by_old_six(lack.module, contents):
        six = lack.module.rpartition(".")[0]
        return (
            f"{lack.module!r} is imported{how and f' {how}'}, and {six} makes it by an importer without find_spec, which Python "
            "doesn't call since 3.12."
        )
    return (
        f"{lack.module!r} is imported{how and f' {how}'}, and neither the package nor {runtime.name} on Lambda has it."
    )


def _reason_of_absence(lack: Lack, python: PythonVersion) -> str:
    absence = absence_of(lack.module, lack.name or "", python)
    if absence is None:
        return "which has no such name"
    if absence.comes_with is not None:
        return "which has it since Python {}.{} only".format(*absence.comes_with)
    return "which doesn't have it since Python {}.{}".format(*absence.since or ())


def _other_places(cases: Sequence[_Case], contents: PackageContents) -> str | None:
    places = list(dict.fromkeys(f"{contents.place(case.path)}:{case.step.statement.line}" for case in cases))[1:]
    if not places:
        return None
    more = f" and {len(places) - _SHOWN_PLACES} more" if len(places) > _SHOWN_PLACES else ""
    return f"It is imported in {', '.join(places[:_SHOWN_PLACES])}{more} too."


def _replaced(case: _Case, contents: PackageContents) -> str | None:
    """Return sentences on the first import of a `try` whose `except ImportError` has this one: it is missing too."""
    if not case.step.statement.if_missing:
        return None
    steps = contents.reach.own_steps.get(case.path) or contents.graph.steps[case.path]
    replaced = [steps[index] for index in case.step.statement.if_missing]
    for step in replaced:
        lack = next((lack for lack in step.lacks if lack.reason is Reason.NO_MODULE), None)
        if lack is not None and lack.module != case.lack.module:
            top = lack.module.partition(".")[0]
            place = f"{contents.place(case.path)}:{step.statement.line}"
            state = f"It replaces {lack.module!r} of {place}, which is missing too."
            # A requirement's own modules come with another release of it, which the fix says already.
            foreign = contents.distribution(case.path) is None or contents.imports.finder.find(top) is None
            return f"{state} {fix_for_module(lack.module, contents, wanted=lack.wanted)}" if foreign else state
    return None
