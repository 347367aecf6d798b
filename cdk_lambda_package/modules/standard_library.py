"""The standard library of each Python version on Lambda: which modules it has, which it lost, and to what.

The names are those of stdlib-list (https://pypi.github.io/stdlib-list/), which walks every version's interpreter;
what it leaves out or has too much for Lambda stands here.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import NamedTuple

Version = tuple[int, int]


class Presence(enum.Enum):
    """Whether Lambda's Python has a module of the standard library."""

    THERE = "there"
    PERHAPS = "perhaps"
    """It depends on what the interpreter was built with, or on what was left out of the runtime's image."""
    ELSEWHERE = "elsewhere"
    """On other systems only, such as Windows."""


class Removal(NamedTuple):
    """Since when a module isn't in the standard library, what decided so, and what takes its place."""

    since: Version
    source: str
    advice: str


# Entries of sys.modules that are made when the module before the dot is imported; no file has their name.
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

# With these the images differ: Tk and curses aren't on Lambda's images (aws/aws-lambda-base-images#70), the tests and
# the databases of GNU needn't be.
_PERHAPS = frozenset(
    {
        *("_curses", "_curses_panel", "_dbm", "_gdbm", "_tkinter", "curses", "idlelib", "nis", "ossaudiodev"),
        *("readline", "test", "tkinter", "turtle", "turtledemo", "dbm.gnu", "dbm.ndbm", "unittest.test"),
        *("distutils.tests", "lib2to3.tests", "sqlite3.test", "ctypes.test", "ensurepip", "venv"),
    }
)
# Made for the interpreter's own tests, or by its build; listed nowhere.
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

# In the interpreter before any path is searched, in every version: built in, or needed to start.
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

# What decided the removal, and what the documentation of the last version or "What's New" names instead; the
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
    # Before the oldest version on Lambda; code that has to do with Python 2 still has them.
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


# What brings newer modules to older versions of Python.
BACKPORTS = {
    "annotationlib": "typing_extensions",
    "compression.zstd": "backports.zstd",
    "tomllib": "tomli",
    "zoneinfo": "backports.zoneinfo",
}


def find_standard(module: str, version: Version) -> Presence | None:
    """Tell whether a version's standard library has a module on Lambda; None for what was never in it, or not any more."""
    if _is_among(module, _ELSEWHERE):
        return Presence.ELSEWHERE if module in read_names(version) else None
    if _is_among(module, _PERHAPS) or module.startswith(_PERHAPS_PREFIXES):
        return None if find_removal(module, version) else Presence.PERHAPS
    return Presence.THERE if module in read_names(version) else None


def find_removal(module: str, version: Version) -> Removal | None:
    """Return since when this version's standard library lacks a module that an earlier one had; None if none had it."""
    name = module
    while name and name not in _REMOVALS:
        name = name.rpartition(".")[0]
    since = _BEFORE.get(name) or _find_removal_version(name)
    if not name or since is None or since > version:
        return None
    source, advice = _REMOVALS[name]
    return Removal(since, source, advice)


def find_arrival(module: str, version: Version) -> Version | None:
    """Return since when the standard library has a module that this version's lacks; None for all others."""
    if module in read_names(version):
        return None
    later = (known for known in _known_versions() if known > version)
    return next((known for known in later if module in read_names(known)), None)


def is_known(version: Version) -> bool:
    """Tell whether there is a list of this version's modules; a newer one may have more than is known here."""
    return version <= _known_versions()[-1]


def is_always_loaded(module: str) -> bool:
    """Tell whether a module is imported before any of the package is looked at, so that nothing can take its place."""
    return module in _ALWAYS_LOADED


@cache
def read_names(version: Version) -> frozenset[str]:
    """Return the dotted names of a version's modules and packages, private ones too; of the newest known for a later one."""
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


def _find_removal_version(name: str) -> Version | None:
    """Return the first version behind one that has the name, of those that Lambda has or had."""
    having = [version for version in _known_versions() if version >= (3, 9) and name in read_names(version)]
    return (having[-1][0], having[-1][1] + 1) if having else None


def _is_among(module: str, names: frozenset[str]) -> bool:
    while module:
        if module in names:
            return True
        module = module.rpartition(".")[0]
    return False
