"""What to do about an import that isn't found: the likeliest cause, and the change that mends it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from cdk_lambda_package.app_directory.entry import APP_FOLDER, VENDOR_FOLDER
from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.checks.import_resolution import Lack, Reason
from cdk_lambda_package.checks.own_modules import OwnModules
from cdk_lambda_package.modules.distribution_names import (
    canonicalize,
    find_distribution,
    find_modules,
    guess_distribution,
)
from cdk_lambda_package.modules.index import ModuleIndex, Origin
from cdk_lambda_package.modules.standard_library import BACKPORTS, Presence, find_arrival, find_removal, find_standard
from cdk_lambda_package.modules.standard_names import advise, find_absence

_SHOWN_NAMES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A module that isn't found, and what is wanted of it."""

    module: str
    wanted: str
    contents: PackageContents
    index: ModuleIndex

    @property
    def package(self) -> str:
        return self.module.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def suggest_fix(lack: Lack, path: str, contents: PackageContents, index: ModuleIndex) -> str:
    """Return one or two sentences for something that the module at `path` imports in vain."""
    if lack.reason is Reason.NO_PARENT:
        return _explain_relative(path)
    asked = _Asked(module=lack.module, wanted=lack.wanted or lack.module, contents=contents, index=index)
    if lack.name is not None:
        absence = find_absence(lack.module, lack.name, contents.target.runtime.version)
        return advise(lack.module, lack.name, absence) if absence else _list_names(asked, lack.name)
    if lack.reason is Reason.UNCERTAIN:
        return _explain_uncertain(asked)
    return next(text for find in _CAUSES if (text := find(asked)))


def _explain_relative(path: str) -> str:
    top, slash, _ = path.partition("/")
    if slash:
        return (
            f"The import leads out of {top}, the top-level package. Take a dot away, or name the module from the top."
        )
    return f"{path} is at the package's top level, so that no package is around it. Leave the dots away."


def _explain_uncertain(asked: _Asked) -> str:
    """Lambda may have the module: make it certain, or live without it."""
    found = asked.index.find(asked.module)
    if asked.module in _ADVICE:
        return _ADVICE[asked.module]
    if found is not None and found.origin is Origin.STAND_IN:
        return "Another distribution of the package can stand in for it; see that it does before this import."
    if found is not None and found.origin is Origin.RUNTIME and asked.top not in _OF_THE_CLIENT:
        distribution = find_distribution(asked.wanted) or guess_distribution(asked.module)
        return f"Add {distribution} to the requirements, and it is there for certain."
    return (
        f"It depends on how the runtime's image was made. Bring it in {VENDOR_FOLDER}/ or a layer, or say by "
        "`except ImportError` that it may be missing."
    )


def _list_names(asked: _Asked, name: str) -> str:
    own = OwnModules(asked.contents, asked.index)
    path = own.find_path(asked.index.find(asked.module))
    names = set(own.read_names(path).names) if path else set()
    names |= set(asked.index.list_modules(asked.module)) - {"__init__"}
    near = difflib.get_close_matches(name, sorted(names), 1)
    if near:
        return f"The nearest that it has is {near[0]!r}."
    shown = sorted(name for name in names if not name.startswith("_"))
    if not shown:
        return "It has none that could be imported."
    more = f" and {len(shown) - _SHOWN_NAMES} more" if len(shown) > _SHOWN_NAMES else ""
    return f"It has {', '.join(shown[:_SHOWN_NAMES])}{more}."


def _find_unpackaged(asked: _Asked) -> str | None:
    """The beginner's mistake: the module is there, beside app.py, but only what is asked for is packaged."""
    if asked.top == APP_FOLDER and f"{APP_FOLDER}/" in asked.contents.unpackaged:
        return f"{APP_FOLDER}/ has nothing that exclude= doesn't leave out; change the pattern."
    for name in (f"{asked.top}.py", f"{asked.top}/"):
        if name in asked.contents.unpackaged:
            pattern = f"{name}**" if name.endswith("/") else name
            return (
                f"{name} lies in the entry directory, but isn't packaged: set include=[{pattern!r}], or move it into "
                f"{APP_FOLDER}/ and import it from there."
            )
    return None


def _find_excluded(asked: _Asked) -> str | None:
    path = asked.module.replace(".", "/")
    excluded = [name for name in (f"{path}.py", f"{path}/__init__.py") if name in asked.contents.unpackaged]
    return f"{excluded[0]} is there, but exclude= leaves it out; change the pattern." if excluded else None


def _find_other_place(asked: _Asked) -> str | None:
    """The module is packaged, in a folder that Python doesn't search."""
    path = asked.index.find_elsewhere(asked.module)
    if path is None or not asked.contents.is_app(path):
        return None
    folder = path.rpartition(f"/{asked.module.replace('.', '/')}")[0].replace("/", ".")
    return f"The package has it as {folder}.{asked.module}, in {path}: import it by that name."


def _find_removal(asked: _Asked) -> str | None:
    removal = find_removal(asked.module, asked.contents.target.runtime.version)
    return removal.advice if removal else None


def _find_arrival(asked: _Asked) -> str | None:
    """A later version of Python has the module."""
    since = find_arrival(asked.module, asked.contents.target.runtime.version)
    if since is None:
        return None
    backport = BACKPORTS.get(asked.module)
    instead = f" Require {backport}, and import that where Python is older." if backport else ""
    return f"The standard library has it since Python {since[0]}.{since[1]} only.{instead}"


def _find_other_system(asked: _Asked) -> str | None:
    if find_standard(asked.module, asked.contents.target.runtime.version) is not Presence.ELSEWHERE:
        return None
    return "It is part of Python on other systems only. Import it only where sys.platform says that it is there."


def _find_standard_package(asked: _Asked) -> str | None:
    if find_standard(asked.top, asked.contents.target.runtime.version) is None or asked.index.find(asked.top) is None:
        return None
    return f"The standard library's {asked.top} has no such module."


def _find_left_out(asked: _Asked) -> str | None:
    wanted = {canonicalize(find_distribution(asked.wanted) or ""), guess_distribution(asked.module)}
    for kind, subject, reason in asked.contents.decisions:
        if canonicalize(subject.partition("==")[0]) not in wanted:
            continue
        if kind == "distribution-left-out":
            return f"{subject} was left out by exclude_distributions, itself or with what needs it; keep it."
        if kind == "distribution-replaced-by-vendor":
            return f"{subject} was left out, since {reason}; complete it there, or remove it from {VENDOR_FOLDER}/."
        if kind == "chalice-runtime-only":
            return "Of chalice only what a function needs is packaged; set chalice='full' to have all of it."
    return None


def _find_incomplete_package(asked: _Asked) -> str | None:
    found = asked.index.find(asked.package) if asked.package else None
    if found is None or found.path is None:
        return None
    near = difflib.get_close_matches(asked.name, asked.index.list_modules(asked.package), 1)
    if near:
        return f"The nearest that {asked.package} has is {near[0]!r}."
    entry = asked.contents.entries.get(found.path)
    owner = {"app": "the app", "vendor": f"{VENDOR_FOLDER}/"}.get(entry.owner, entry.owner) if entry else "a layer"
    return f"{asked.package} is there, from {owner}, and has no such module."


def _find_named_as_distribution(asked: _Asked) -> str | None:
    """The distribution is required, but its module has another name."""
    for owner in sorted({entry.owner for entry in asked.contents.entries.values()} - set(OWN)):
        name = owner.partition("==")[0]
        if canonicalize(name) == guess_distribution(asked.module):
            modules = sorted(module for module in find_modules(name) if asked.index.find(module))
            if modules:
                return f"{owner} is packaged, and its module is called {modules[0]}."
    return None


def _find_near(asked: _Asked) -> str | None:
    """A slip of the pen in the name of a module that is there, in the same package or at the top level."""
    if not asked.package and find_distribution(asked.wanted):
        return None
    names = {name.lower(): name for name in asked.index.list_modules(asked.package)}
    near = difflib.get_close_matches(asked.name.lower(), sorted(names), 1, cutoff=0.8)
    if not near:
        return None
    prefix = f"{asked.package}." if asked.package else ""
    return f"Is {prefix}{names[near[0]]} meant, which the package has?"


def _find_advice(asked: _Asked) -> str | None:
    return _ADVICE.get(asked.top)


def _find_known_distribution(asked: _Asked) -> str | None:
    distribution = find_distribution(asked.wanted)
    return f"Add {distribution} to the requirements; {_OTHERWISE}." if distribution else None


def _find_portions(asked: _Asked) -> str | None:
    """The module would be a portion of a namespace package."""
    names = asked.index.list_modules(asked.package) if asked.package else ()
    return f"Of the namespace {asked.package} there is {', '.join(names[:_SHOWN_NAMES])}." if names else None


def _guess(asked: _Asked) -> str:
    guess = guess_distribution(asked.module)
    return (
        f"If it is your own, put it into {APP_FOLDER}/; else add the distribution that has it to the requirements, {guess} "
        f"if it is called the same; {_OTHERWISE}."
    )


_OTHERWISE = f"{VENDOR_FOLDER}/, a layer in layers= and provided= are accepted too"

# What isn't said by the name of a distribution.
_ADVICE = {
    # https://setuptools.pypa.io/en/latest/pkg_resources.html; gone since setuptools 82.
    "pkg_resources": "Use importlib.metadata and importlib.resources; or add setuptools<82 to the requirements, since later "
    "releases don't have it.",
    # https://docs.aws.amazon.com/boto3/latest/guide/crt.html
    "awscrt": "Add botocore[crt] to the requirements, or awscrt alone: nobody promises it of the runtime's boto3.",
    "_distutils_hack": "It is a part of setuptools: add that to the requirements.",
}
# Of Lambda's runtime client; a distribution of the name would be another thing.
_OF_THE_CLIENT = frozenset({"bootstrap"})

# The likeliest first.
_CAUSES: tuple[Callable[[_Asked], str | None], ...] = (
    _find_unpackaged,
    _find_excluded,
    _find_removal,
    _find_arrival,
    _find_other_system,
    _find_left_out,
    _find_other_place,
    _find_standard_package,
    _find_incomplete_package,
    _find_named_as_distribution,
    _find_near,
    _find_advice,
    _find_known_distribution,
    _find_portions,
    _guess,
)
