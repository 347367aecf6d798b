"""What can be done about an exception that ended an import. Pure."""

from __future__ import annotations

import re

from cdk_lambda_package.target import Target

# What older code asks the standard library for, and newer ones have lost: names ("What's New" of 3.8 to 3.14) and modules.
_ABSTRACT = (
    r"(?:Async\w+|Awaitable|Callable|Collection|Container|Coroutine|Generator|Hashable|Items?View|Iterable|Iterator)"
)
_ABSTRACT += r"|(?:KeysView|Mapping\w*|Mutable\w+|Reversible|Sequence|Set|Sized|ValuesView)"
_LOST_NAMES = {
    "ast": "Bytes|Ellipsis|NameConstant|Num|Str",
    "asyncio": "coroutine|async",
    "base64": "encodestring|decodestring",
    "collections": _ABSTRACT,
    "configparser": "SafeConfigParser",
    "fractions": "gcd",
    "inspect": "getargspec|formatargspec",
    "pkgutil": "ImpImporter|ImpLoader",
    "platform": "dist|linux_distribution",
    "time": "clock",
    "unittest": "_TextTestResult",
}
_LOST_MODULES = "asynchat|asyncore|cgi|crypt|distutils|formatter|imghdr|imp|lib2to3|parser|pipes|smtpd|telnetlib"


def find_hint(kind: str, message: str, distribution: str | None, target: Target) -> str:
    """Return a sentence, with a space before it, on what can be done about an exception; "" where nothing is known.

    `kind` is the name of its class; `distribution` the one in whose code it was raised, if it was in any's.
    """
    lost = _has_lost_name(message) or re.search(rf"No module named '({_LOST_MODULES})\b", message) is not None
    if distribution and (lost or kind == "SyntaxError"):
        runtime = target.runtime.name
        return f" {distribution} is too old for {runtime}: require a newer release, or take an older runtime."
    if lost:
        return " Newer versions of Python have lost it."
    if re.search(r"Read-only file system|Permission denied", message):
        return " On Lambda nothing but /tmp can be written to."
    return f" It is {distribution} that fails: try another release." if distribution else ""


def _has_lost_name(message: str) -> bool:
    asked = re.search(r"cannot import name '(\w+)' from '(\w+)'", message)
    name, module = asked.groups() if asked else ("", "")
    if found := re.search(r"module '(\w+)' has no attribute '(\w+)'", message):
        module, name = found.groups()
    return re.fullmatch(_LOST_NAMES.get(module, "(?!)"), name) is not None
