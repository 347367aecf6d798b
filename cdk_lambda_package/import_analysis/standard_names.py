"""Names that modules of the standard library don't have in each version: `collections.Mapping`, `typing.override`.

data/standard_names.txt lists public names that some versions have and others don't; tools/standard_names.py writes it. All
other names are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import Version

_DATA = Path(__file__).parent / "data" / "standard_names.txt"


class Absence(NamedTuple):
    """Why a version's module doesn't have a name: a version removed it, or a later one adds it."""

    since: Version | None = None
    comes_with: Version | None = None


def absence_of(module: str, name: str, version: Version) -> Absence | None:
    """Return why a module of a version's standard library doesn't have a name; None if it may have it."""
    first, last = _lifetime_of(module, name) or (None, None)
    if first is not None and version < first:
        return Absence(comes_with=first)
    if last is not None and version > last:
        return Absence(since=(last[0], last[1] + 1))
    return None


def has_name(module: str, name: str, version: Version) -> bool | None:
    """Return whether a module has a name; None for names that every version on Lambda has, or none."""
    if _lifetime_of(module, name) is None:
        return None
    return absence_of(module, name, version) is None


def alternative_to(module: str, name: str, absence: Absence) -> str:
    """Return a sentence on what to do instead of importing a name that a version doesn't have."""
    table = _INSTEAD_OF_NEW if absence.comes_with else _INSTEAD
    instead = table.get(f"{module}.{name}") or table.get(module)
    if instead is not None:
        return instead
    if absence.since is not None and absence.since > (3, 8):
        since = "{}.{}".format(*absence.since)
        return f"https://docs.python.org/{since}/whatsnew/{since}.html says what replaces it."
    return "Avoid the name, or catch ImportError around the import."


def _lifetime_of(module: str, name: str) -> tuple[Version | None, Version | None] | None:
    """Return the first and the last version with a name, each None if it is beyond those on Lambda."""
    lifetime = _read_module(module).get(name)
    if lifetime is None:
        return None
    first, _, last = lifetime.partition("-")
    return _parse(first), _parse(last)


def _parse(version: str) -> Version | None:
    if not version:
        return None
    major, _, minor = version.partition(".")
    return int(major), int(minor)


@cache
def _read_module(module: str) -> Mapping[str, str]:
    """Return the lifetimes of a module's names. Its lines are next to each other, and most other lines are never needed."""
    data, start = _read_data(), f"\n{module} "
    first, last = data.find(start), data.rfind(start)
    if first < 0:
        return {}
    lines = data[first : data.index("\n", last + 1)].splitlines()
    return dict(line.split(" ")[1:] for line in lines if line)


@cache
def _read_data() -> str:
    return _DATA.read_text(encoding="utf-8")


# Alternatives by "What's New in Python 3.x", or by the documentation of the last version with the name.
_INSTEAD = {
    "ast": "Use ast.Constant.",
    "asyncio.coroutine": "Define the function with `async def`.",
    "base64.decodestring": "Use base64.decodebytes.",
    "base64.encodestring": "Use base64.encodebytes.",
    "cgi.escape": "Use html.escape.",
    "collections": "Import it from collections.abc.",
    "configparser.SafeConfigParser": "Use configparser.ConfigParser.",
    "fractions.gcd": "Use math.gcd.",
    "importlib.find_loader": "Use importlib.util.find_spec.",
    "inspect.formatargspec": "Use inspect.signature.",
    "inspect.getargspec": "Use inspect.signature, or inspect.getfullargspec.",
    "locale.format": "Use locale.format_string.",
    "pkgutil.find_loader": "Use importlib.util.find_spec.",
    "pkgutil.get_loader": "Use importlib.util.find_spec.",
    "platform.dist": "Require distro.",
    "platform.linux_distribution": "Require distro.",
    "plistlib.readPlist": "Use plistlib.load.",
    "plistlib.readPlistFromBytes": "Use plistlib.loads.",
    "plistlib.writePlist": "Use plistlib.dump.",
    "plistlib.writePlistToBytes": "Use plistlib.dumps.",
    "ssl.match_hostname": "ssl.SSLContext checks it by itself.",
    "ssl.wrap_socket": "Use the method of ssl.SSLContext.",
    "time.clock": "Use time.perf_counter or time.process_time.",
    "unittest.findTestCases": "Use unittest.TestLoader.",
    "unittest.makeSuite": "Use unittest.TestLoader.",
    "urllib.request.FancyURLopener": "Use urllib.request.urlopen.",
    "urllib.request.URLopener": "Use urllib.request.urlopen.",
}
_INSTEAD_OF_NEW = {
    "datetime.UTC": "Use datetime.timezone.utc.",
    "enum.StrEnum": "Derive from str and enum.Enum.",
    "typing": "Require typing_extensions, and import it from there.",
}
