"""The standard library of each Python version on Lambda: which modules it has, which it lost, and to what.

The names are those of stdlib-list (https://pypi.github.io/stdlib-list/), which lists every version's interpreter. This module
corrects the list for Lambda.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import Version


class Presence(enum.Enum):
    """Whether Lambda's Python has a module of the standard library."""

    THERE = "there"
    PERHAPS = "perhaps"
    """It depends on how the interpreter was built, or on what the runtime's image leaves out."""
    ELSEWHERE = "elsewhere"
    """On other systems only, such as Windows."""


class Removal(NamedTuple):
    """The first version without a module, the source of the decision, and what to use instead."""

    since: Version
    source: str
    advice: str


# Entries of sys.modules that the module before the dot creates; no file has their name.
_ALIASES = frozenset(
    {
        "collections.abc",
        "os.path",
        "pyexpat.errors",
        "pyexpat.model",
        "xml.parsers.expat.errors",
        "xml.parsers.expat.model",
    }
)
_TYPING_NAMESPACES = frozenset({"typing.io", "typing.re"})

_ELSEWHERE = frozenset(
    {
        *("_android_support", "_apple_support", "_ios_support", "_scproxy"),
        *("_msi", "_overlapped", "_winapi", "_wmi", "msilib", "msvcrt", "nt", "winreg", "winsound"),
    }
)

# These differ between images: Tk and curses aren't on Lambda's (aws/aws-lambda-base-images#70), the tests and the databases of
# GNU may be missing.
_PERHAPS = frozenset(
    {
        *("_curses", "_curses_panel", "_dbm", "_gdbm", "_tkinter", "curses", "idlelib", "nis", "ossaudiodev"),
        *("readline", "test", "tkinter", "turtle", "turtledemo", "dbm.gnu", "dbm.ndbm", "unittest.test"),
        *("distutils.tests", "lib2to3.tests", "sqlite3.test", "ctypes.test", "ensurepip", "venv"),
    }
)
# For the interpreter's own tests, or created by its build; stdlib-list doesn't have them.
_PERHAPS_PREFIXES = (
    "_test",
    "_xx",
    "xxlimited",
    "xxsubtype",
    "_sysconfigdata_",
    "__hello__",
    "__phello__",
    "_ctypes_test",
)

# Loaded before any path is searched, in every version: built in, or needed to start.
_ALWAYS_LOADED = frozenset(
    {
        *("_abc", "_ast", "_codecs", "_collections", "_functools", "_imp", "_io", "_locale", "_operator", "_signal"),
        *("_sre", "_stat", "_string", "_symtable", "_thread", "_tracemalloc", "_warnings", "_weakref", "atexit"),
        *("builtins", "errno", "faulthandler", "gc", "itertools", "marshal", "posix", "pwd", "sys", "time"),
        *("__main__", "_collections_abc", "_frozen_importlib", "_frozen_importlib_external", "_sitebuiltins", "abc"),
        *("codecs", "encodings", "genericpath", "io", "os", "posixpath", "site", "stat", "zipimport"),
        # What Lambda's runtime client imports before the handler's module (awslambdaric/bootstrap.py).
        *("importlib", "json", "logging", "traceback"),
    }
)

_DEAD_BATTERIES = "PEP 594"

# The source of each removal, and the alternative by the documentation of the last version or "What's New". The
# back-ports standard-* are those of https://github.com/youknowone/python-deadlib.
_REMOVALS = {
    "aifc": (_DEAD_BATTERIES, "Require standard-aifc."),
    "asynchat": (_DEAD_BATTERIES, "Use asyncio, or require standard-asynchat."),
    "asyncore": (_DEAD_BATTERIES, "Use asyncio, or require standard-asyncore."),
    "audioop": (_DEAD_BATTERIES, "Require audioop-lts."),
    "binhex": ("PEP 594 and bpo-45085", "Use binascii."),
    "cgi": (_DEAD_BATTERIES, "Use urllib.parse and email.message, or require legacy-cgi."),
    "cgitb": (_DEAD_BATTERIES, "Use traceback, or require legacy-cgi."),
    "chunk": (_DEAD_BATTERIES, "Require standard-chunk."),
    "crypt": (_DEAD_BATTERIES, "Use hashlib or require bcrypt; legacycrypt and standard-crypt keep the old names."),
    "distutils": (
        "PEP 632",
        "Use shutil, sysconfig, subprocess and packaging, or require setuptools and import it first.",
    ),
    "formatter": ("bpo-42299", "Nothing takes its place."),
    "imghdr": (_DEAD_BATTERIES, "Require filetype or puremagic, or standard-imghdr."),
    "imp": ("gh-98040", "Use importlib."),
    "lib2to3": ("gh-84540", "Require libcst or parso."),
    "mailcap": (_DEAD_BATTERIES, "Use mimetypes, or require standard-mailcap."),
    "msilib": (_DEAD_BATTERIES, "It only ever was on Windows."),
    "nis": (_DEAD_BATTERIES, "Nothing takes its place."),
    "nntplib": (_DEAD_BATTERIES, "Require standard-nntplib."),
    "ossaudiodev": (_DEAD_BATTERIES, "Nothing takes its place."),
    "parser": ("PEP 617", "Use ast."),
    "pipes": (_DEAD_BATTERIES, "Use subprocess and shlex, or require standard-pipes."),
    "smtpd": (_DEAD_BATTERIES, "Require aiosmtpd or standard-smtpd."),
    "sndhdr": (_DEAD_BATTERIES, "Require filetype or puremagic, or standard-sndhdr."),
    "spwd": (_DEAD_BATTERIES, "Require python-pam."),
    "sunau": (_DEAD_BATTERIES, "Require standard-sunau."),
    "symbol": ("PEP 617", "Use ast."),
    "telnetlib": (_DEAD_BATTERIES, "Require standard-telnetlib, or use telnetlib3."),
    "tkinter.tix": ("bpo-31371", "Use tkinter.ttk."),
    "typing.io": ("bpo-38291", "Import its names from typing."),
    "typing.re": ("bpo-38291", "Import its names from typing."),
    "uu": (_DEAD_BATTERIES, "Use base64, or require standard-uu."),
    "xdrlib": (_DEAD_BATTERIES, "Require standard-xdrlib."),
    # Removed before the oldest version on Lambda; code for Python 2 still imports them.
    "dummy_threading": ("bpo-37312", "Use threading."),
    "_dummy_threading": ("bpo-37312", "Use threading."),
    "_dummy_thread": ("bpo-37312", "Use _thread."),
    "macpath": ("bpo-35471", "Use os.path."),
    "xml.etree.cElementTree": ("bpo-36543", "Import xml.etree.ElementTree, which is as fast."),
}
_BEFORE: dict[str, Version] = {
    "dummy_threading": (3, 9),
    "_dummy_threading": (3, 9),
    "_dummy_thread": (3, 9),
    "macpath": (3, 8),
    "xml.etree.cElementTree": (3, 9),
    "typing.io": (3, 13),
    "typing.re": (3, 13),
}


# Import packages that provide newer modules to older versions of Python.
BACKPORTS = {
    "annotationlib": "typing_extensions",
    "compression.zstd": "backports.zstd",
    "tomllib": "tomli",
    "zoneinfo": "backports.zoneinfo",
}


def standard_presence(module: str, version: Version) -> Presence | None:
    """Return whether a version's standard library has a module on Lambda; None if it was never in it, or is removed."""
    if _is_among(module, _ELSEWHERE):
        return Presence.ELSEWHERE if module in module_names(version) else None
    if _is_among(module, _PERHAPS) or module.startswith(_PERHAPS_PREFIXES):
        return None if removal_of(module, version) else Presence.PERHAPS
    return Presence.THERE if module in module_names(version) else None


def removal_of(module: str, version: Version) -> Removal | None:
    """Return the removal of a module that this version's standard library lacks; None if no earlier version had it."""
    name = module
    while name and name not in _REMOVALS:
        name = name.rpartition(".")[0]
    since = _BEFORE.get(name) or _removal_version(name)
    if not name or since is None or since > version:
        return None
    source, advice = _REMOVALS[name]
    return Removal(since, source, advice)


def arrival_of(module: str, version: Version) -> Version | None:
    """Return the first version whose standard library has a module that this version's lacks; None for all others."""
    if module in module_names(version):
        return None
    later = (known for known in _known_versions() if known > version)
    return next((known for known in later if module in module_names(known)), None)


def is_known_version(version: Version) -> bool:
    """Return whether this version's modules are known; a newer version may have others."""
    return version <= _known_versions()[-1]


def is_always_loaded(module: str) -> bool:
    """Return whether a module is loaded before the first import of a package, so that nothing can replace it."""
    return module in _ALWAYS_LOADED


@cache
def module_names(version: Version) -> frozenset[str]:
    """Return the full names of a version's modules, private ones too; those of the newest known version for a later one."""
    from stdlib_list import stdlib_list

    known = _known_versions()
    version = min(version, known[-1])
    names = set(stdlib_list("{}.{}".format(*version)))
    if version == (3, 9):
        # Its list lacks the private modules that are written in C; 3.10 has the same.
        names |= {name for name in stdlib_list("3.10") if name.startswith("_") or name == "pyexpat"}
    namespaces = _TYPING_NAMESPACES if version < (3, 13) else frozenset()
    return frozenset(names | _ALIASES | namespaces)


@cache
def _known_versions() -> tuple[Version, ...]:
    from stdlib_list import short_versions

    return tuple(
        sorted((int(major), int(minor)) for major, _, minor in (text.partition(".") for text in short_versions))
    )


def _removal_version(name: str) -> Version | None:
    """Return the version after the last one that has the name, of those that Lambda has or had."""
    having = [version for version in _known_versions() if version >= (3, 9) and name in module_names(version)]
    return (having[-1][0], having[-1][1] + 1) if having else None


def _is_among(module: str, names: frozenset[str]) -> bool:
    while module:
        if module in names:
            return True
        module = module.rpartition(".")[0]
    return False
