"""How to fix an import that fails: the likeliest cause, and the change that removes it.

Of the user's own code, that is a requirement, a file or a spelling. Code of a requirement isn't the user's to change: another
release, an extra or a missing distribution is the fix, and the stage of cures asks the index which release that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.distribution_names import (
    canonicalize,
    distribution_of,
    guessed_distribution,
    modules_of,
)
from cdk_lambda_package.errors import nearest
from cdk_lambda_package.import_analysis import Lack, ModuleFinder, ModuleOrigin, Reason
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import (
    BACKPORTS,
    ModulePresence,
    PythonVersion,
    absence_of,
    alternative_to,
    arrival_of,
    removal_of,
    standard_presence,
)

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
# Modules of Lambda's runtime client; a distribution with the name would be something else.
_OF_THE_CLIENT = frozenset({"bootstrap"})
# The name and the extra of a Requires-Dist entry: `aws-xray-sdk<3,>=2.8; extra == "tracer"` (PEP 508).
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


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


def fix_for(lack: Lack, path: str, contents: PackageContents) -> str:
    """Return one or two sentences on how to fix the import in the module at `path`.

    Example:
        `fix_for(lack, "app.py", contents)` begins with "Add PyYAML to the requirements" if `yaml` is missing.
    """
    if slimmed := _slimmed((lack.module, lack.wanted or "", f"{lack.module}.{lack.name}"), contents):
        return slimmed
    owner = contents.owner(path)
    if lack.reason is Reason.NO_STUB:
        return f"Keep it: change the pattern that leaves out {lack.module.rpartition('/')[2]}, or add the file."
    if owner is not None and not contents.is_app(path):
        fix = _fix_in_requirement(lack, owner, contents)
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


def fix_for_module(module: str, contents: PackageContents, *, wanted: str | None = None) -> str:
    """Return one or two sentences on how to provide a module that is missing.

    `wanted` is what the statement asks for in it, if that is more than the module.

    Example:
        `fix_for_module("yaml", contents)` begins with "Add PyYAML to the requirements".
    """
    slimmed = _slimmed((module, wanted or ""), contents)
    return slimmed or _fix_missing(_Missing(module=module, wanted=wanted or module, contents=contents))


def _slimmed(names: Iterable[str], contents: PackageContents) -> str | None:
    """Return a sentence if the option `slim` left out one of these: modules, by their full names, or stubs, by their paths."""
    for name in names:
        path = name.replace(".", "/")
        for file in (name, f"{path}.py", f"{path}/__init__.py"):
            if (omission := contents.omitted.get(file)) is not None:
                return (
                    f"slim left it out of {omission.owner}: rule {omission.rule}. Set packaging=Packaging(slim=False)."
                )
    return None


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
    """A layer has the module, in a folder that Python doesn't search, such as that of another Python, or in a package that is hidden."""
    path, runtime = missing.module.replace(".", "/"), missing.contents.target.runtime.name
    searched = (f"python/lib/{runtime}/site-packages/", "python/")
    for layer in missing.contents.layers:
        for file in layer.files:
            if not f"/{file}".endswith((f"/{path}.py", f"/{path}/__init__.py")):
                continue
            told = f"Layer {layer.name} has it as {file}"
            folder = file.removesuffix("/__init__.py").removesuffix(".py").removesuffix(path)
            if folder not in searched:
                return f"{told}, where {runtime} doesn't look: of a layer, it searches python/ and {searched[0]}."
            if folder == searched[0] and missing.contents.in_layer is not None:
                return f"{told}. The layer with the dependencies is unpacked over it, so that Lambda may have the files of both."
            return f"{told}, but {missing.top} is imported from the package, which is searched first. A package is imported from one place."
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
    if not is_made_by_old_six(missing.module, missing.contents):
        return None
    distribution = (missing.importer or missing.package).partition("==")[0]
    return "Require six>=1.16." if missing.package == "six" else f"Require a newer {distribution}."


def is_made_by_old_six(module: str, contents: PackageContents) -> bool:
    """Return whether a module would be made by an importer of a six before 1.16, or of a copy of it.

    Python calls find_spec alone since 3.12, and theirs have find_module: https://github.com/benjaminp/six/blob/main/CHANGES.

    Example:
        `is_made_by_old_six("boto.vendored.six.moves", contents)`
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


# Inside a requirement


def _fix_in_requirement(lack: Lack, owner: str, contents: PackageContents) -> str | None:
    """Return a sentence on what to require where code of `owner` lacks something; None if its kind has no answer of its own.

    The missing distribution is part of an extra, or the release is too old or too new for the target or for the other
    distributions of the package.
    """
    name = owner.partition("==")[0]
    if _is_of_standard_library(lack, contents):
        return newer_release(name) if owner not in OWN else _vendored_release(contents)
    if owner in OWN:
        return None
    if lack.reason is Reason.NO_PARENT:
        return f"Require another release of {name}."
    if lack.reason is Reason.NO_NAME:
        other = contents.owner(_path_of(lack.module, contents))
        if other is not None and other not in (owner, *OWN):
            return f"The releases {owner} and {other} don't fit each other. {newer_release(name)}"
        return newer_release(name)
    extra = _extra_with(lack, owner, contents)
    return f"Require {name}[{extra}]." if extra else None


def _vendored_release(contents: PackageContents) -> str:
    return f"Put a release that supports {contents.target.runtime.name} into {VENDOR_FOLDER}/."


def newer_release(name: str) -> str:
    """Return the advice to take another release of a distribution; the stage of cures replaces it by what the index says.

    Example:
        `newer_release("botocore")` is "Require a newer botocore."
    """
    return f"Require a newer {name}."


def _is_of_standard_library(lack: Lack, contents: PackageContents) -> bool:
    """Return whether the standard library of another Python version has what is missing."""
    python = contents.target.runtime.version
    if lack.name is not None:
        return absence_of(lack.module, lack.name, python) is not None
    top = lack.module.partition(".")[0]
    return removal_of(lack.module, python) is not None or standard_presence(top, python) is not None


def _path_of(module: str, contents: PackageContents) -> str | None:
    found = contents.imports.finder.find(module)
    return found.path if found is not None else None


def _extra_with(lack: Lack, owner: str, contents: PackageContents) -> str | None:
    """Return the extra of a distribution that requires the one with a missing module, the smallest of several."""
    wanted = {guessed_distribution(lack.module), canonicalize(distribution_of(lack.wanted or lack.module) or "")} - {""}
    sizes: dict[str, int] = {}
    found: set[str] = set()
    # Imported here: it takes longer than all checks, and most packages have no such fault.
    from email.parser import HeaderParser

    for entry in HeaderParser().parsestr(contents.metadata(owner)).get_all("Requires-Dist", []):
        name = _NAME.match(entry)
        for extra in _EXTRA.findall(entry):
            sizes[extra] = sizes.get(extra, 0) + 1
            if name is not None and canonicalize(name[1]) in wanted:
                found.add(extra)
    return min(found, key=lambda extra: (sizes[extra], extra), default=None)
