"""The places that set defaults: an entry directory's pyproject.toml, constructs, a CDK app's context, environment variables.

Each is read into one value, which says where it came from. `with_defaults` in `request.py` decides which of them counts.
"""

from __future__ import annotations

import ast
import enum
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from cdk_lambda_package.app_directory import FileStamp, file_stamp, is_racy
from cdk_lambda_package.bundling import PLAN_VARIABLE
from cdk_lambda_package.errors import LockError, OptionError
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE
from cdk_lambda_package.options.kinds import TEXT, Kind, UnfitError, list_of
from cdk_lambda_package.options.packaging import OPTIONS, Packaging, suggestion
from cdk_lambda_package.requirements import TOOL
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, CACHE_SIZE_VARIABLE
from cdk_lambda_package.toml_files import parse_toml

CONTEXT_PREFIX = "cdk-lambda-package:"
VARIABLE_PREFIX = "CDK_LAMBDA_PACKAGE_"

_FILE = "pyproject.toml"

GUARDED = tuple(name for name, declared in OPTIONS.items() if declared.guarded)
"""The options that the table sets only where that is allowed."""

# Variables of this prefix that are about the machine, and are no options.
_OF_THE_MACHINE = (CACHE_DIR_VARIABLE, CACHE_SIZE_VARIABLE, INTERPRETER_VARIABLE, PLAN_VARIABLE)
_OTHER_SPELLING = re.compile(r"cdk[-_.]?lambda[-_.]?package", re.IGNORECASE)
_IN_BYTES = re.compile(_OTHER_SPELLING.pattern.encode(), re.IGNORECASE)


def _check_guarded(names: Sequence[str]) -> None:
    for name in names:
        if name not in GUARDED:
            every = "any entry directory may set it" if name in OPTIONS else suggestion(name, GUARDED)
            raise UnfitError(f"{name!r} is none of the options that have to be allowed; {every}")


ENTRIES_MAY_SET = list_of("options that have to be allowed", "OPTION", verify=_check_guarded)
"""The kind of `entries_may_set`."""


class Beside(NamedTuple):
    """A default beside those of the options of `Packaging`: which values it accepts, one of them, what it does, and what holds without it."""

    kind: Kind
    example: str
    meaning: str
    default: str


BESIDE: Mapping[str, Beside] = {
    "runtime": Beside(
        TEXT,
        "'python3.13'",
        "The runtime of each `PythonFunction` and `PythonLayerVersion` that has none of its own.",
        "none",
    ),
    "entries_may_set": Beside(
        ENTRIES_MAY_SET,
        "['before_packaging']",
        f"Which of {', '.join(f'`{name}`' for name in GUARDED)} the pyproject.toml of an entry directory may set.",
        "none of them",
    ),
}
_NAMES = (*OPTIONS, *BESIDE)
_NAMES_OF_VARIABLES = (*_NAMES, *(name.removeprefix(VARIABLE_PREFIX).lower() for name in _OF_THE_MACHINE))


class SetIn(enum.StrEnum):
    """What sets an option; the nearest comes first."""

    REQUEST = "request"
    ENTRY = "entry"
    CONSTRUCT = "construct"
    CONTEXT = "context"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultsSource:
    """One place that sets options, for the functions that set none of their own.

    Attributes:
        kind: What the place is.
        place: Its name for messages, such as `PackagingDefaults of Shop` or `orders/pyproject.toml`.
        packaging: The options that it sets.
        runtime: Lambda's identifier, None if it isn't set.
        architecture: `x86_64` or `arm64`, None if it isn't set.
        entries_may_set: The guarded options that the table of an entry directory may set; None if nothing is said of that here.

    Example:
        `DefaultsSource(kind=SetIn.CONSTRUCT, place="PackagingDefaults of Shop", packaging=Packaging(slim=True))`
    """

    kind: SetIn
    place: str
    packaging: Packaging = field(default_factory=Packaging)
    runtime: str | None = None
    architecture: str | None = None
    entries_may_set: Sequence[str] | None = None

    def place_of(self, name: str) -> str:
        """Return where exactly an option is set, for messages.

        Example:
            `$CDK_LAMBDA_PACKAGE_SLIM` for `read_environment(os.environ).place_of("slim")`
        """
        if self.kind is SetIn.CONTEXT:
            return f"{CONTEXT_PREFIX}{name} in the context"
        return f"${variable_of(name)}" if self.kind is SetIn.ENVIRONMENT else self.place


def read_context(context: Mapping[str, object]) -> DefaultsSource:
    """Return the defaults in a CDK app's context, in keys such as `cdk-lambda-package:require_hashes`.

    Raises `OptionError` that names the key, for an unknown key too: a misspelt rule would not apply.
    """
    settings = [
        (f"The context key {key!r}", key.removeprefix(CONTEXT_PREFIX), value)
        for key, value in context.items()
        if _OTHER_SPELLING.match(key)
    ]
    values = _read(settings, _NAMES, lambda name: f"{CONTEXT_PREFIX}{name}")
    return _source(SetIn.CONTEXT, "the context", values)


def read_environment(environ: Mapping[str, str]) -> DefaultsSource:
    """Return the defaults in environment variables such as `CDK_LAMBDA_PACKAGE_REQUIRE_HASHES`; an empty one sets nothing.

    Raises `OptionError` that names the variable, for an unknown variable too.
    """
    # Only the names of the others are looked at: a value of `os.environ` is decoded each time.
    variables = [name for name in environ if name.startswith(VARIABLE_PREFIX) and name not in _OF_THE_MACHINE]
    settings = [(f"${name}", name.removeprefix(VARIABLE_PREFIX).lower(), environ[name]) for name in variables]
    given = [(place, name, value) for place, name, value in settings if value or name not in _NAMES]
    return _source(SetIn.ENVIRONMENT, "the environment", _read(given, _NAMES_OF_VARIABLES, variable_of))


def read_entry_table(entry: Path, name: str | os.PathLike[str] | None = None) -> DefaultsSource | None:
    """Return the options in the table `[tool.cdk-lambda-package]` of an entry directory's pyproject.toml, None if there is none.

    `entry` is absolute, and `name` is how messages call it.
    Guarded options are among them. Raises `OptionError` that names the file and the key, for an unknown key too.

    Example:
        `read_entry_table(Path.cwd() / "orders").packaging.slim`
    """
    # Most entry directories have none, and there may be thousands.
    path = os.path.join(entry, _FILE)  # noqa: PTH118
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    stamp = file_stamp(found)
    # What may change without another stamp is read each time.
    read = _read_table.__wrapped__ if is_racy(stamp, time.time_ns()) else _read_table
    place = str(Path(entry if name is None else name, _FILE))
    packaging = read(path, place, stamp)
    return None if packaging is None else DefaultsSource(kind=SetIn.ENTRY, place=place, packaging=packaging)


def variable_of(name: str) -> str:
    """Return the environment variable that sets an option.

    Example:
        `variable_of("require_hashes") == "CDK_LAMBDA_PACKAGE_REQUIRE_HASHES"`
    """
    return f"{VARIABLE_PREFIX}{name.upper()}"


class _Tools(TypedDict, total=False):
    """pyproject.toml, with all tables of tools."""

    tool: dict[str, Any]


@lru_cache(maxsize=4096)
def _read_table(path: str, place: str, stamp: FileStamp) -> Packaging | None:  # noqa: ARG001 - the key of the cache
    """Return the options of the table in a file with this stamp."""
    try:
        content = Path(path).read_bytes()
        # Few have a table of ours, and to parse one takes long.
        if not _IN_BYTES.search(content):
            return None
        tools = parse_toml(content.decode(), _Tools, place).get("tool", {})
    except OSError as error:
        raise OptionError(f"{place} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{place} can't be read: {error}. Save it as UTF-8.") from error
    except LockError as error:
        raise OptionError(str(error)) from error
    for name in tools:
        if name != TOOL and _OTHER_SPELLING.fullmatch(name):
            raise OptionError(f"{place}: [tool.{name}] is read by no tool; write [tool.{TOOL}].")
    if TOOL not in tools:
        return None
    table = tools[TOOL]
    if not isinstance(table, dict):
        raise OptionError(f"{place}: tool.{TOOL} is {table!r}; write a table, [tool.{TOOL}].")
    return Packaging(**{name: _read_key(place, name, value) for name, value in table.items()})


def _read_key(place: str, name: str, value: object) -> Any:
    if name not in OPTIONS:
        raise OptionError(f"{place}: [tool.{TOOL}] has {name!r}, which is not an option; {suggestion(name, OPTIONS)}.")
    declared = OPTIONS[name]
    # TOML has types: text that looks like another value is a mistake.
    return declared.kind.check(f"{place}: {name} in [tool.{TOOL}]", value, f"`{name} = {_in_toml(declared.example)}`")


def _in_toml(example: str) -> str:
    """Return a value that is Python code as TOML."""
    try:
        value = ast.literal_eval(example)
    except ValueError:
        # A duration: the table has a number in its place.
        return "12"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {json.dumps(text)}' for name, text in value.items())} }}"
    # Both are alike in JSON and TOML.
    return json.dumps(value)


def _source(kind: SetIn, place: str, values: dict[str, Any]) -> DefaultsSource:
    beside = {name: values.pop(name) for name in BESIDE if name in values}
    return DefaultsSource(kind=kind, place=place, packaging=Packaging(**values), **beside)


def _read(
    settings: Iterable[tuple[str, str, object]], known: Iterable[str], spelling: Callable[[str], str]
) -> dict[str, Any]:
    """Return the values of settings, each with its place for messages, its name, and its value."""
    values: dict[str, Any] = {}
    for place, name, value in settings:
        if name not in _NAMES:
            advice = suggestion(_OTHER_SPELLING.sub("", name), known, spelling)
            raise OptionError(f"{place} sets no option; {advice}.")
        declared = BESIDE.get(name) or OPTIONS[name]
        values[name] = declared.kind.read(place, value, declared.example)
    return values
