"""What cures a failed build, as far as its output says. Pure.

Most sources that no longer build were written for an older setuptools, Cython or Python. Each rule knows the words of one such
failure, and the release that made it one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cdk_lambda_package.target import Target

# What a build needs an older release of, by the words of its failure, and the first release that fails with them.
# https://setuptools.pypa.io/en/stable/history.html, https://cython.readthedocs.io/en/latest/src/changes.html#id1
_OLDER_TOOLS = (
    (r"No module named '?pkg_resources\b", "setuptools<81"),
    (r"Invalid dash-separated key", "setuptools<78"),
    (r"No module named '?setuptools\.command\.test\b", "setuptools<72"),
    (r"cannot import name 'packaging' from 'pkg_resources", "setuptools<70"),
    (r"InvalidVersion: Invalid version", "setuptools<66"),
    (r"use_2to3 is invalid", "setuptools<58"),
    (r"cannot import name '?Feature\b", "setuptools<46"),
    (r"has no attribute '?cython_sources\b|AttributeError: cython_sources|Error compiling Cython file", "cython<3"),
)
# Older ones of setuptools need modules that Python 3.12 doesn't have (https://docs.python.org/3/whatsnew/3.12.html#removed).
_FIRST_WITH_NEW_SETUPTOOLS, _OLD_SETUPTOOLS = (3, 12), range(67)

# What is gone from Python, and from which release on (https://docs.python.org/3/whatsnew/).
_OLDER_PYTHONS = (
    (r"cannot import name '\w+' from 'collections'|module 'collections' has no attribute", (3, 10)),
    (r"module 'inspect' has no attribute '(getargspec|formatargspec)|invalid mode: 'r?U|longintrepr\.h", (3, 11)),
    (r"No module named '?(imp|distutils|asyncore|asynchat|smtpd)\b", (3, 12)),
    (r"module 'pkgutil' has no attribute 'ImpImporter|no attribute '(SafeConfigParser|readfp)", (3, 12)),
    # Until then, compilers warned of these functions only as deprecated. They quote names with various marks.
    (
        r"(implicit declaration of|undeclared) function .PyUnicode_(AS_(UNICODE|DATA)|GET_(DATA_)?SIZE|AsUnicode)\b",
        (3, 12),
    ),
    (r"no member named .(ob_digit|curexc_type)\b", (3, 12)),
    (
        r"No module named '?(lib2to3|cgi|cgitb|crypt|imghdr|pipes|telnetlib|uu|xdrlib)\b|KeyError: '__version__'",
        (3, 13),
    ),
    (r"module 'ast' has no attribute '(Str|Num|Bytes|NameConstant|Ellipsis)", (3, 14)),
)

# Which variable says the version instead of git, by what the build's tool says without it.
_VERSION_VARIABLES = (
    (
        r"setuptools[-_]scm was unable|vcs[-_]versioning was unable|getting the version from source `vcs`",
        "SETUPTOOLS_SCM_PRETEND_VERSION",
    ),
    (r"Versioning for this project requires either an sdist", "PBR_VERSION"),
    (r"poetry_dynamic_versioning", "POETRY_DYNAMIC_VERSIONING_BYPASS"),
    (r"uv_dynamic_versioning", "UV_DYNAMIC_VERSIONING_BYPASS"),
)

_NO_COMPILER = re.compile(
    r"(?:unable to execute|command|No such file or directory:|Failed to find|Unknown compiler).{0,40}?"
    r"['\"]?\b(gcc|g\+\+|cc|c\+\+|clang|clang\+\+)\b['\"]?.{0,20}(?:No such file|not found|$)",
    re.MULTILINE,
)
_NO_RUST = re.compile(r"can't find Rust compiler|Cargo, the Rust package manager, is not installed", re.IGNORECASE)
_NO_HEADER = re.compile(r"fatal error: '?([\w./+-]+\.(?:h|hpp))\b")
# Programs with which libraries say how to compile against them; the first that is missing.
_NO_CONFIG = re.compile(
    r"\b(pkg-config) name\b|\b(\w+[-_]config)\b[^\n]{0,40}?not found|No such file or directory: '(\w+[-_]config)'"
    r"|\b(\w+[-_]config): (?:command )?not found"
)
_ONLY_PYTHON_2 = re.compile(r"\bbackport is [^\n]{0,20}for Python 2")


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildPlace:
    """Where a build ran: the minor version of its Python, and whether what a compiler makes there is for the target's machine.

    `on_host` tells that the interpreter is one of this machine's, which another one on PATH would replace. `constraint` is the
    text of the build constraints, and `constraint_file` how the user names their file, "" for none.
    """

    target: Target
    python: tuple[int, int]
    native: bool
    on_host: bool = True
    constraint: str = ""
    constraint_file: str = ""

    @property
    def could_change(self) -> bool:
        """Whether an interpreter of the target's version on PATH would build in place of this one."""
        return self.on_host and self.python != self.target.runtime.version


def find_cures(output: str, place: BuildPlace, *, version: str) -> tuple[str, ...]:
    """Return what to do about a failed build of a release, from its output: the most likely first, none if nothing is known.

    Example:
        `find_cures("ModuleNotFoundError: No module named 'pkg_resources'", place, version="1.0")` names `setuptools<81`.
    """
    found = (*_cure_tools(output, place), *_cure_version(output, version), *_cure_python(output, place))
    return tuple(dict.fromkeys((*found, *_cure_machine(output, place))))


def suggest_interpreter(wheel: str, place: BuildPlace) -> tuple[str, ...]:
    """Return that an interpreter would help, of a wheel that was built: if only its Python isn't the target's."""
    stem = wheel.removesuffix(".whl").split("-")
    own, wanted = ("cp{}{}".format(*version) for version in (place.python, place.target.runtime.version))
    if not (place.could_change and place.native and stem[-3] == own and wanted != own):
        return ()
    return (f"put {place.target.runtime.name} on PATH: a compiled wheel is for the Python that builds it",)


def _cure_tools(output: str, place: BuildPlace) -> Iterator[str]:
    written = "".join(place.constraint.split()).lower()
    for pattern, limit in _OLDER_TOOLS:
        if not re.search(pattern, output) or limit in written:
            continue
        tool, _, number = limit.partition("<")
        runs = not (tool == "setuptools" and int(number) in _OLD_SETUPTOOLS)
        if runs or place.python < _FIRST_WITH_NEW_SETUPTOOLS:
            yield _constrain(limit, place)
        elif place.could_change and place.target.runtime.version < _FIRST_WITH_NEW_SETUPTOOLS:
            yield f"put {place.target.runtime.name} on PATH, and {_constrain(limit, place)}"
        else:
            yield (f"require a newer release: this one builds with {limit} only, which no Python from 3.12 on runs")


def _constrain(limit: str, place: BuildPlace) -> str:
    if place.constraint_file:
        return f"add the line '{limit}' to {place.constraint_file}, your build_constraint"
    return (
        f"build it with {limit}: write that line to build-constraints.txt in the entry directory, and set "
        "packaging=Packaging(build_constraint='build-constraints.txt')"
    )


def _cure_version(output: str, version: str) -> Iterator[str]:
    for pattern, name in _VERSION_VARIABLES:
        if re.search(pattern, output):
            known = version if version not in ("", "0") else "1.0.0"
            yield (
                "say the version, which git's tags would tell in a checkout: set "
                f"packaging=Packaging(pip_environment={{'{name}': '{known}'}})"
            )


def _cure_python(output: str, place: BuildPlace) -> Iterator[str]:
    """Yield what another Python would build, or what none does."""
    if _ONLY_PYTHON_2.search(output):
        yield "remove it from the requirements: it brings to Python 2 what Python 3 has"
    wanted, building = place.target.runtime, "{}.{}".format(*place.python)
    gone = [first for pattern, first in _OLDER_PYTHONS if re.search(pattern, output) and place.python >= first]
    if gone:
        first = min(gone)
        if place.could_change and wanted.version < first:
            yield f"put {wanted.name} on PATH: Python {building}, which ran the build, lacks what this release needs"
        elif wanted.version >= first:
            yield f"require a newer release: this one doesn't build with Python {'{}.{}'.format(*first)} or later"


def _cure_machine(output: str, place: BuildPlace) -> Iterator[str]:
    """Yield what the machine lacks for a compiler."""
    if not place.native:
        # What a compiler makes here isn't for the target's machine anyway.
        return
    if _NO_COMPILER.search(output):
        yield "install a C compiler, such as gcc"
    if _NO_RUST.search(output):
        yield "install Rust"
    if header := _NO_HEADER.search(output):
        if header[1].endswith("Python.h"):
            python = "{}.{}".format(*place.python)
            yield f"install the development files of Python {python}, such as python{python}-dev"
        elif "longintrepr.h" not in header[1]:
            yield f"install the development files of the library that has {header[1]}"
    elif program := _NO_CONFIG.search(output):
        name = next(filter(None, program.groups()))
        more = "pkg-config, and " if name == "pkg-config" else f"{name}, which is among "
        yield f"install {more}the development files of the library that it is compiled against"
