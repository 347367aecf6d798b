"""Modules and names that are imported and missing, and how to fix that.

An import is certain to fail if it runs whenever the handler's module is imported, nothing catches its failure, and nothing
else can provide the module. Any other one is a warning, and only in the app's own code: what vendor/ and requirements import
in functions is mostly optional.

What fails inside a requirement is reported at the user's own statement that leads there, with the chain of imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER
from cdk_lambda_package.checks.chains import chain_to
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.distribution_names import (
    canonicalize,
    distribution_of,
    guessed_distribution,
    modules_of,
)
from cdk_lambda_package.checks.requirement_fixes import fix_in_requirement
from cdk_lambda_package.errors import Finding, Severity, nearest
from cdk_lambda_package.import_analysis import Lack, ModuleFinder, ModuleOrigin, Reason, Runs, Step
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import (
    BACKPORTS,
    ModulePresence,
    PythonVersion,
    absence_of,
    alternative_to,
    arrival_of,
    is_known_version,
    removal_of,
    standard_presence,
)

_SHOWN_PLACES = 3

_OTHERWISE = f"{VENDOR_FOLDER}/, layers=[…] and packaging=Packaging(provided=[…]) are accepted too"

# Advice that doesn't follow from the name of a distribution.
_ADVICE = {
    # https://setuptools.pypa.io/en/latest/pkg_resources.html; removed in setuptools 82.
    "pkg_resources": "Use importlib.metadata and importlib.resources; or add setuptools<82 to the requirements, since later "
    "releases don't have it.",
    # https://github.com/newrelic/newrelic-lambda-layers; the distribution newrelic-lambda doesn't have it.
    "newrelic_lambda_wrapper": "New Relic's layer has it, and no distribution does: give the function that layer, with layers=[…].",
    # https://docs.aws.amazon.com/boto3/latest/guide/crt.html
    "awscrt": "Add botocore[crt] to the requirements, or awscrt alone: AWS doesn't promise it for the runtime's boto3.",
    # https://docs.pydantic.dev/latest/migration/#basesettings-has-moved-to-pydantic-settings
    "pydantic.BaseSettings": "Since pydantic 2, it is in pydantic-settings: add that to the requirements, and import it from "
    "pydantic_settings; or require pydantic<2.",
}
_DOUBT = "import-uncertain"
# Modules of Lambda's runtime client; a distribution with the name would be something else.
_OF_THE_CLIENT = frozenset({"bootstrap"})


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
    return _Fault(rule, cases, _fix_for(cases[0].lack, cases[0].path, contents))


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
    yield from unseen_places(contents)
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


def unseen_places(contents: PackageContents) -> Iterator[str]:
    """Yield a sentence for each kind of place that may have a missing module and can't be read: layers, and `provided`."""
    unknown = [layer.name for layer in contents.layers if not layer.known]
    if unknown:
        yield f"It may be in layer {unknown[0]}, whose files are unknown here."
    outside = [name for name in contents.provided if not _is_packaged(name, contents)]
    if outside:
        yield f"It may come with {outside[0]}, which provided names."


def _is_packaged(distribution: str, contents: PackageContents) -> bool:
    """Return whether a distribution has a module in the package or a layer, so that its dependencies are known too."""
    found = (contents.imports.finder.find(module) for module in modules_of(distribution))
    return any(module is not None and module.origin in (ModuleOrigin.FILES, ModuleOrigin.OUTSIDE) for module in found)


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
    if _is_made_by_old_six(lack.module, contents):
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
            missing = _Missing(module=lack.module, wanted=lack.wanted or lack.module, contents=contents)
            place = f"{contents.place(case.path)}:{step.statement.line}"
            state = f"It replaces {lack.module!r} of {place}, which is missing too."
            # A requirement's own modules come with another release of it, which the fix says already.
            foreign = contents.distribution(case.path) is None or missing.finder.find(missing.top) is None
            return f"{state} {_fix_missing(missing)}" if foreign else state
    return None


# The fix: the likeliest cause, and the change that removes it


@dataclass(frozen=True, kw_only=True, slots=True)
class _Missing:
    """A missing module, and what the statement asks for in it."""

    module: str
    wanted: str
    contents: PackageContents
    importer: str | None = None
    """The distribution whose code has the statement, None for the user's own."""

    @property
    def finder(self) -> ModuleFinder:
        return self.contents.imports.finder

    @property
    def python(self) -> PythonVersion:
        return self.contents.target.runtime.version

    @property
    def package(self) -> str:
        return self.module.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def _fix_for(lack: Lack, path: str, contents: PackageContents) -> str:
    """Return one or two sentences on how to fix the import in the module at `path`."""
    owner = contents.owner(path)
    if lack.reason is Reason.NO_STUB:
        return f"Keep it: change the pattern that leaves out {lack.module.rpartition('/')[2]}, or add the file."
    if owner is not None and not contents.is_app(path):
        fix = fix_in_requirement(lack, owner, contents)
        if fix is not None:
            return fix
    if lack.reason is Reason.NO_PARENT:
        return _fix_relative(path)
    distribution = contents.distribution(path)
    missing = _Missing(module=lack.module, wanted=lack.wanted or lack.module, contents=contents, importer=distribution)
    if lack.name is not None:
        absence = absence_of(lack.module, lack.name, missing.python)
        if absence:
            return alternative_to(lack.module, lack.name, absence)
        return _ADVICE.get(f"{lack.module}.{lack.name}") or _known_names(missing, lack.name)
    if lack.reason is Reason.UNCERTAIN:
        return _fix_uncertain(missing)
    return _fix_missing(missing)


def fix_for_module(module: str, contents: PackageContents) -> str:
    """Return one or two sentences on how to provide a module that is missing.

    Example:
        `fix_for_module("yaml", contents)` begins with "Add PyYAML to the requirements".
    """
    return _fix_missing(_Missing(module=module, wanted=module, contents=contents))


def advice_for(module: str) -> str | None:
    """Return a sentence on how to provide a module whose package isn't looked at; None if its name says nothing.

    Example:
        `advice_for("yaml")` is "Add PyYAML to the requirements."
    """
    top, distribution = module.partition(".")[0], distribution_of(module)
    return _ADVICE.get(top) or (f"Add {distribution} to the requirements." if distribution else None)


def _fix_missing(missing: _Missing) -> str:
    causes = _CAUSES if missing.importer is None else _CAUSES_IN_REQUIREMENT
    return next(text for cause in causes if (text := cause(missing)))


def _fix_relative(path: str) -> str:
    top, slash, _ = path.partition("/")
    if slash:
        return f"The import leads out of {top}, the top-level package. Remove a dot, or name the module from the top."
    return f"{path} is at the package's top level, so that no package is around it. Remove the dots."


def _fix_uncertain(missing: _Missing) -> str:
    found = missing.finder.find(missing.module)
    if missing.module in _ADVICE:
        return _ADVICE[missing.module]
    if found is not None and found.origin is ModuleOrigin.STAND_IN:
        return "Another distribution of the package can replace it; make sure that it does before this import."
    if found is not None and found.origin is ModuleOrigin.PREINSTALLED and missing.top not in _OF_THE_CLIENT:
        distribution = distribution_of(missing.wanted) or guessed_distribution(missing.module)
        return f"Add {distribution} to the requirements to be sure."
    return (
        f"It depends on the runtime's image. Provide it in {VENDOR_FOLDER}/ or a layer, or allow its absence by "
        "`except ImportError`."
    )


def _known_names(missing: _Missing, name: str) -> str:
    path = missing.contents.imports.path_of(missing.module)
    names = set(missing.contents.imports.names(path).names) if path else set()
    names |= set(missing.finder.list_modules(missing.module)) - {"__init__"}
    near = nearest(name, sorted(names))
    return f"The nearest that it has is {near[0]!r}." if near else "It has none that is similar."


def _unpackaged(missing: _Missing) -> str | None:
    """The module is in the entry directory, beside app.py, but only what `include` selects is packaged."""
    if missing.top == APP_FOLDER and f"{APP_FOLDER}/" in missing.contents.unpackaged:
        return f"exclude leaves out every file in {APP_FOLDER}/; change the pattern."
    for name in (f"{missing.top}.py", f"{missing.top}/"):
        if name in missing.contents.unpackaged:
            pattern = f"{name}**" if name.endswith("/") else name
            return (
                f"{name} is in the entry directory, but isn't packaged: set packaging=Packaging(include=[{pattern!r}]), or move "
                f"it into {APP_FOLDER}/ and import it from there."
            )
        if _is_built(name, missing.contents):
            # The project is installed, and lacks the module.
            continue
        if f"src/{name}" in missing.contents.unpackaged:
            return (
                f"src/{name} is in the entry directory, of a project that isn't installed: add '.' to requirements.txt; or give its "
                "pyproject.toml a [build-system], and lock it with uv, poetry or `cdk-lambda-package lock`."
            )
        above = next((path for path in missing.contents.unpackaged if path.endswith(f"../src/{name}")), None)
        if above is not None:
            project = above.removesuffix(f"/src/{name}")
            return (
                f"{above} is in a project that the entry directory is below: add {project!r} to the requirements.txt of the entry "
                "directory; or set entry to the project's directory and index to this module in it, which uses the project's lock."
            )
    return None


def _is_built(name: str, contents: PackageContents) -> bool:
    """Tell whether a module, or a folder with a slash at the end, is from a wheel that was built here."""
    found = (path for path in contents.entries if path == name or (name.endswith("/") and path.startswith(name)))
    return any(contents.owner(path) in contents.built for path in found)


def _excluded(missing: _Missing) -> str | None:
    path = missing.module.replace(".", "/")
    excluded = [name for name in (f"{path}.py", f"{path}/__init__.py") if name in missing.contents.unpackaged]
    return f"{excluded[0]} is there, but exclude leaves it out; change the pattern." if excluded else None


def _other_version(missing: _Missing) -> str | None:
    removal = removal_of(missing.module, missing.python)
    if removal is not None:
        return removal.advice
    since = arrival_of(missing.module, missing.python)
    if since is None:
        return None
    backport = BACKPORTS.get(missing.module)
    instead = f" Require {backport}, and import that where Python is older." if backport else ""
    return f"The standard library has it since Python {since[0]}.{since[1]} only.{instead}"


def _left_out(missing: _Missing) -> str | None:
    wanted = {canonicalize(distribution_of(missing.wanted) or ""), guessed_distribution(missing.module)}
    for kind, subject, reason in missing.contents.decisions:
        if canonicalize(subject.partition("==")[0]) not in wanted:
            continue
        if kind == "distribution-left-out":
            return f"exclude_distributions leaves out {subject}, itself or with a distribution that needs it; keep it."
        if kind == "distribution-replaced-by-vendor":
            return f"{subject} was left out, since {reason}; complete it there, or remove it from {VENDOR_FOLDER}/."
        if kind == "chalice-runtime-only":
            return "Of chalice only what a function needs is packaged; set packaging=Packaging(chalice='full') to have all of it."
    return None


def _other_folder(missing: _Missing) -> str | None:
    """The module is packaged, in a folder that Python doesn't search."""
    path = missing.finder.find_elsewhere(missing.module)
    if path is None or not missing.contents.is_app(path):
        return None
    folder = path.rpartition(f"/{missing.module.replace('.', '/')}")[0].replace("/", ".")
    return f"The package has it as {folder}.{missing.module}, in {path}: import it by that name."


def _in_layer(missing: _Missing) -> str | None:
    """A layer has the module, in a folder that Python doesn't search, such as that of another Python."""
    path, runtime = missing.module.replace(".", "/"), missing.contents.target.runtime.name
    for layer in missing.contents.layers:
        for file in layer.files:
            if f"/{file}".endswith((f"/{path}.py", f"/{path}/__init__.py")):
                return (
                    f"Layer {layer.name} has it as {file}, where {runtime} doesn't look: of a layer, it searches python/ and "
                    f"python/lib/{runtime}/site-packages/."
                )
    return None


def _standard_package(missing: _Missing) -> str | None:
    if standard_presence(missing.module, missing.python) is ModulePresence.ELSEWHERE:
        return "It is part of Python on other systems only. Import it only where sys.platform says that it is there."
    if standard_presence(missing.top, missing.python) is None or missing.finder.find(missing.top) is None:
        return None
    return f"The standard library's {missing.top} has no such module."


def _incomplete_package(missing: _Missing) -> str | None:
    found = missing.finder.find(missing.package) if missing.package else None
    if found is None or found.path is None:
        return None
    entry = missing.contents.entries.get(found.path)
    own = {"app": "the app", "vendor": f"{VENDOR_FOLDER}/"}
    owner = own.get(entry.owner, entry.owner) if entry else "a layer"
    # A release is what can be wrong; of other code the name.
    advice = "" if entry is None or entry.owner in own else " Require another release, or correct the name."
    return f"{missing.package} is there, from {owner}, and has no such module.{advice}"


def _old_six(missing: _Missing) -> str | None:
    if not _is_made_by_old_six(missing.module, missing.contents):
        return None
    distribution = (missing.importer or missing.package).partition("==")[0]
    return "Require six>=1.16." if missing.package == "six" else f"Require a newer {distribution}."


def _is_made_by_old_six(module: str, contents: PackageContents) -> bool:
    """Return whether a module would be made by an importer of a six before 1.16, or of a copy of it.

    Python calls find_spec alone since 3.12, and theirs have find_module: https://github.com/benjaminp/six/blob/main/CHANGES.
    """
    package, _, name = module.rpartition(".")
    return name == "moves" and package.rpartition(".")[2] == "six" and contents.imports.path_of(package) is not None


def _advice(missing: _Missing) -> str | None:
    if missing.module == "pkg_resources" and missing.importer is not None:
        name = missing.importer.partition("==")[0]
        return f"Add setuptools<82 to the requirements, since later releases don't have it; or require a newer {name}."
    return _ADVICE.get(missing.top)


def _of_requirement(missing: _Missing) -> str:
    """Another distribution's package is incomplete, or nothing that the importing one requires has the module."""
    name = (missing.importer or "").partition("==")[0]
    found = missing.finder.find(missing.package) if missing.package else None
    other = missing.contents.distribution(found.path) if found is not None and found.path is not None else None
    if other is not None and other != missing.importer:
        return f"The releases {missing.importer} and {other} don't fit each other. Require a newer {name}."
    if found is not None:
        return f"Require another release of {name}."
    guess = guessed_distribution(missing.module)
    return (
        f"{missing.importer} doesn't require the distribution that has it: add that to the requirements, {guess} if it is called "
        f"the same; {_OTHERWISE}."
    )


def _named_as_distribution(missing: _Missing) -> str | None:
    """The distribution is required, but its module has another name."""
    for owner in sorted({entry.owner for entry in missing.contents.entries.values()} - set(OWN)):
        name = owner.partition("==")[0]
        if canonicalize(name) == guessed_distribution(missing.module):
            modules = sorted(module for module in modules_of(name) if missing.finder.find(module))
            if modules:
                return f"{owner} is packaged, and its module is called {modules[0]}."
    return None


def _other_release(missing: _Missing) -> str | None:
    """The distribution that is known for the module is packaged, but this release of it doesn't have the module."""
    wanted = {canonicalize(distribution_of(missing.wanted) or ""), guessed_distribution(missing.module)}
    for owner in sorted({entry.owner for entry in missing.contents.entries.values()} - set(OWN)):
        if canonicalize(owner.partition("==")[0]) in wanted:
            return f"{owner} is packaged, and this release has no module {missing.module!r}. Require another release."
    return None


def _misspelt(missing: _Missing) -> str | None:
    """A module with a similar name is there, in the same package or at the top level."""
    if not missing.package and distribution_of(missing.wanted):
        return None
    names = {name.lower(): name for name in missing.finder.list_modules(missing.package)}
    near = nearest(missing.name.lower(), sorted(names), cutoff=0.8)
    if not near:
        return None
    prefix = f"{missing.package}." if missing.package else ""
    return f"Did you mean {prefix}{names[near[0]]}, which the package has?"


def _known_distribution(missing: _Missing) -> str | None:
    distribution = distribution_of(missing.wanted)
    return f"Add {distribution} to the requirements; {_OTHERWISE}." if distribution else None


def _unknown(missing: _Missing) -> str:
    guess = guessed_distribution(missing.module)
    return (
        f"If it is your own, put it into {APP_FOLDER}/; else add the distribution that has it to the requirements, {guess} "
        f"if it is called the same; {_OTHERWISE}."
    )


# The likeliest first.
_CAUSES: tuple[Callable[[_Missing], str | None], ...] = (
    _unpackaged, _excluded, _other_version, _left_out, _other_folder, _in_layer, _standard_package, _misspelt, _old_six,
    _incomplete_package, _named_as_distribution, _advice, _other_release, _known_distribution, _unknown,
)  # fmt: skip
# Of code that isn't the user's to change.
_CAUSES_IN_REQUIREMENT: tuple[Callable[[_Missing], str | None], ...] = (
    _other_version, _left_out, _in_layer, _old_six, _advice, _other_release,
    lambda missing: None if missing.finder.find(missing.top) else _known_distribution(missing), _of_requirement,
)  # fmt: skip
