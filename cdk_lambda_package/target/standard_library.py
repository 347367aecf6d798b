"""The standard library of each Python version on Lambda: its modules and names, what it lost, and what to use instead.

The names are those of stdlib-list (https://pypi.github.io/stdlib-list/), which lists every version's interpreter. This module
corrects the list for Lambda.

data/standard_names.txt lists public names of modules that some versions have and others don't; tools/standard_names.py writes
it. All other names are unknown.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

PythonVersion = tuple[int, int]
"""A minor version of Python, such as `(3, 13)`."""

_NAMES = Path(__file__).parent / "data" / "standard_names.txt"


class ModulePresence(enum.Enum):
    """Whether Lambda's Python has a module of the standard library.

    Example:
        `standard_presence("winreg", (3, 13))` is `ModulePresence.ELSEWHERE`.
    """

    THERE = "there"
    PERHAPS = "perhaps"
    """It depends on how the interpreter was built, or on what the runtime's image leaves out."""
    ELSEWHERE = "elsewhere"
    """On other systems only, such as Windows."""


class Removal(NamedTuple):
    """The first version without a module, the source of the decision, and what to use instead."""

    since: PythonVersion
    source: str
    advice: str


# Entries of sys.modules that the module before the dot creates; no file has their name.
_ALIASES = frozenset(
    {
        *("collections.abc", "os.path", "pyexpat.errors", "pyexpat.model"),
        *("xml.parsers.expat.errors", "xml.parsers.expat.model"),
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
    *("_test", "_xx", "xxlimited", "xxsubtype", "_sysconfigdata_", "_ctypes_test"),
    *("__hello__", "__phello__"),
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
    # Removed in the oldest version on Lambda; code for Python 2 still imports them.
    "dummy_threading": ("bpo-37312", "Use threading."),
    "_dummy_threading": ("bpo-37312", "Use threading."),
    "macpath": ("bpo-35471", "Use os.path."),
    "_dummy_thread": ("bpo-37312", "Use _thread."),
}


BACKPORTS = {
    "annotationlib": "typing_extensions",
    "compression.zstd": "backports.zstd",
    "tomllib": "tomli",
    "zoneinfo": "backports.zoneinfo",
}
"""The import packages that provide newer modules to older versions of Python."""


def standard_presence(module: str, version: PythonVersion) -> ModulePresence | None:
    """Return whether a version's standard library has a module on Lambda; None if it was never in it, or is removed.

    Example:
        `standard_presence("tkinter", (3, 13))` is `ModulePresence.PERHAPS`.
    """
    if _find_among(module, _ELSEWHERE):
        return ModulePresence.ELSEWHERE if module in module_names(version) else None
    if _find_among(module, _PERHAPS) or module.startswith(_PERHAPS_PREFIXES):
        return None if removal_of(module, version) else ModulePresence.PERHAPS
    return ModulePresence.THERE if module in module_names(version) else None


def removal_of(module: str, version: PythonVersion) -> Removal | None:
    """Return the removal of a module that this version's standard library lacks; None if no earlier version had it.

    Example:
        `removal_of("cgi", (3, 13)).since` is `(3, 13)`, and `removal_of("cgi", (3, 12))` is None.
    """
    name = _find_among(module, _REMOVALS)
    since = _removal_version(name)
    if since is None or since > version:
        return None
    source, advice = _REMOVALS[name]
    return Removal(since, source, advice)


def arrival_of(module: str, version: PythonVersion) -> PythonVersion | None:
    """Return the first version whose standard library has a module that this version's lacks; None for all others.

    Example:
        `arrival_of("tomllib", (3, 10))` is `(3, 11)`.
    """
    if module in module_names(version):
        return None
    later = (known for known in _known_versions() if known > version)
    return next((known for known in later if module in module_names(known)), None)


def is_known_version(version: PythonVersion) -> bool:
    """Return whether this version's modules are known; a newer version may have others.

    Example:
        `is_known_version((3, 99))` is False.
    """
    return version <= _known_versions()[-1]


def is_always_loaded(module: str) -> bool:
    """Return whether a module is loaded before the first import of a package, so that nothing can replace it.

    Example:
        `is_always_loaded("json")` is True.
    """
    return module in _ALWAYS_LOADED


@cache
def module_names(version: PythonVersion) -> frozenset[str]:
    """Return the full names of a version's modules, private ones too; those of the newest known version for a later one."""
    read, version = _stdlib_list().stdlib_list, min(version, _known_versions()[-1])
    names = set(read("{}.{}".format(*version)))
    if version == (3, 9):
        # Its list lacks the private modules that are written in C; 3.10 has the same.
        names |= {name for name in read("3.10") if name.startswith("_") or name == "pyexpat"}
    namespaces = _TYPING_NAMESPACES if version < (3, 13) else frozenset()
    return frozenset(names | _ALIASES | namespaces)


@cache
def _known_versions() -> tuple[PythonVersion, ...]:
    return tuple(sorted(_parse(text) for text in _stdlib_list().short_versions))


def _stdlib_list() -> ModuleType:
    # Imported here: only checks need it.
    import stdlib_list

    return stdlib_list


def _removal_version(name: str) -> PythonVersion | None:
    """Return the version after the last one that has the name, of those that Lambda has and the one before."""
    having = [version for version in _known_versions() if version >= (3, 8) and name in module_names(version)]
    return (having[-1][0], having[-1][1] + 1) if having else None


def _find_among(module: str, names: Collection[str]) -> str:
    """Return the module or the package around it that is among the names, "" if none is."""
    while module and module not in names:
        module = module.rpartition(".")[0]
    return module


class Absence(NamedTuple):
    """Why a version's module doesn't have a name: a version removed it, or a later one adds it."""

    since: PythonVersion | None = None
    comes_with: PythonVersion | None = None


def absence_of(module: str, name: str, version: PythonVersion) -> Absence | None:
    """Return why a module of a version's standard library doesn't have a name; None if it may have it.

    Example:
        `absence_of("collections", "Mapping", (3, 13)).since` is `(3, 10)`.
    """
    first, last = _lifetime_of(module, name) or (None, None)
    if first is not None and version < first:
        return Absence(comes_with=first)
    if last is not None and version > last:
        return Absence(since=(last[0], last[1] + 1))
    return None


def has_name(module: str, name: str, version: PythonVersion) -> bool | None:
    """Return whether a module has a name; None for names that every version on Lambda has, or none.

    Example:
        `has_name("typing", "override", (3, 11))` is False.
    """
    if _lifetime_of(module, name) is None:
        return None
    return absence_of(module, name, version) is None


@cache
def absent_names(module: str, version: PythonVersion) -> tuple[str, ...]:
    """Return the public names that a module of a version's standard library doesn't have, and another version's has.

    Example:
        "Mapping" is in `absent_names("collections", (3, 13))`.
    """
    return tuple(name for name in _lifetimes_in(module) if absence_of(module, name, version) is not None)


def alternative_to(module: str, name: str, absence: Absence) -> str:
    """Return a sentence on what to do instead of importing a name that a version doesn't have.

    Example:
        `alternative_to("collections", "Mapping", absence)` is "Import it from collections.abc."
    """
    table = _INSTEAD_OF_NEW if absence.comes_with else _INSTEAD
    instead = table.get(f"{module}.{name}") or table.get(module)
    if instead is not None:
        return instead
    if absence.since is not None and absence.since > (3, 8):
        since = "{}.{}".format(*absence.since)
        return f"https://docs.python.org/{since}/whatsnew/{since}.html says what replaces it."
    return "Avoid the name, or catch ImportError around the import."


def _lifetime_of(module: str, name: str) -> tuple[PythonVersion | None, PythonVersion | None] | None:
    """Return the first and the last version with a name, each None if it is beyond those on Lambda."""
    lifetime = _lifetimes_in(module).get(name)
    if lifetime is None:
        return None
    first, last = lifetime.split("-")
    return (_parse(first) if first else None), (_parse(last) if last else None)


def _parse(version: str) -> PythonVersion:
    major, minor = version.split(".")
    return int(major), int(minor)


def _lifetimes_in(module: str) -> Mapping[str, str]:
    return _names_data().get(module, {})


@cache
def _names_data() -> Mapping[str, Mapping[str, str]]:
    data: dict[str, dict[str, str]] = {}
    for module, name, lifetime in re.findall(
        r"^([^#\s]\S*) (\S+) (\S+)$", _NAMES.read_text(encoding="utf-8"), re.MULTILINE
    ):
        data.setdefault(module, {})[name] = lifetime
    return data


# Alternatives to the names that old code imports most, by "What's New in Python 3.x" or the documentation of the last version
# with the name.
_INSTEAD = {
    "ast": "Use ast.Constant.",
    "asyncio.coroutine": "Define the function with `async def`.",
    "base64.decodestring": "Use base64.decodebytes.",
    "base64.encodestring": "Use base64.encodebytes.",
    "cgi.escape": "Use html.escape.",
    "collections": "Import it from collections.abc.",
    "fractions.gcd": "Use math.gcd.",
    "inspect.getargspec": "Use inspect.signature, or inspect.getfullargspec.",
    "platform.dist": "Require distro.",
    "platform.linux_distribution": "Require distro.",
    "ssl.wrap_socket": "Use the method of ssl.SSLContext.",
    "time.clock": "Use time.perf_counter or time.process_time.",
}
_INSTEAD_OF_NEW = {
    "datetime.UTC": "Use datetime.timezone.utc.",
    "enum.StrEnum": "Derive from str and enum.Enum.",
    "typing": "Require typing_extensions, and import it from there.",
}
