"""Kinds of option values: which values an option accepts, and how text becomes one.

A kind copies what it accepts, so that a list that is changed later changes no option. Text comes from the command line
(one argument at a time), from environment variables, and from `cdk --context`, which passes everything as text.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeGuard

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.urls import without_credentials

# https://packaging.python.org/specifications/name-normalization/#name-format
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class UnfitError(ValueError):
    """A value that a kind doesn't accept; the message, if there is one, says more than what is accepted in general."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How the values of an option are checked and read.

    Attributes:
        accepted: The accepted values, as the object of "give …".
        convert: Returns the value in its normal form, or raises `UnfitError`.
        item: Reads one argument of the command line, or a variable's text; raises `ValueError`.
        metavar: The placeholder for the value in the command line's help.
        choices: All values, if there are few.
        repeatable: The value is a collection: its flag can be repeated, and a variable holds several items.
        is_flag: The value is True or False, and its flag has a `--no-` form.
        secret: The value may hold a password in any place, so messages don't repeat it.
    """

    accepted: str
    convert: Callable[[object], Any]
    item: Callable[[str], Any] = str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    is_flag: bool = False
    secret: bool = False

    def check(self, place: str, value: object, example: str) -> Any:
        """Return the value in its normal form.

        Raises `OptionError` that names the place (an option, a context key or a variable), the value, and what is accepted.
        """
        try:
            return self.convert(value)
        except OptionError as error:
            # It names the option, the item and what is accepted; of a variable or a key, it can't know.
            own = str(error).startswith(place)
            raise OptionError(
                str(error) if own else f"{place} is {self._shown(value)}; give {self.accepted}. {error}"
            ) from None
        except UnfitError as error:
            fix = str(error) or f"give {self.accepted}, such as {example}"
            raise OptionError(f"{place} is {self._shown(value)}; {fix}.") from None

    def read(self, place: str, value: object, example: str) -> Any:
        """Return the value that JSON or text stands for; lists are separated by commas or spaces in text.

        Raises `OptionError` as `check` does.
        """
        try:
            read = self._read_text(value) if isinstance(value, str) else value
        except ValueError:
            raise OptionError(f"{place} is {self._shown(value)}; give {self.accepted}, such as {example}.") from None
        return self.check(place, read, example)

    def collect(self, items: Iterable[Any]) -> Any:
        """Return the value that the repeated arguments of a flag come to."""
        return dict(items) if self.convert is _variables else tuple(items)

    def _read_text(self, text: str) -> Any:
        if self.repeatable:
            return self.collect(self.item(part) for part in re.split(r"[\s,]+", text.strip()) if part)
        return self.item(text.strip())

    def _shown(self, value: object) -> str:
        return "not shown" if self.secret else str(without_credentials(repr(value)))


def list_of(
    what: str, metavar: str, *, check: Callable[[Sequence[str]], object] = lambda _: None, accepted: str = ""
) -> Kind:
    """Return the kind of a list of strings; `check` raises for items that it doesn't accept."""

    def convert(value: object) -> tuple[str, ...]:
        if not _is_sequence(value) or not all(isinstance(item, str) for item in value):
            fix = f"give a list of strings, such as [{value!r}]" if isinstance(value, str) else ""
            raise UnfitError(without_credentials(fix))
        items = tuple(map(str, value))
        check(items)
        return items

    return Kind(accepted=accepted or f"a list of {what}", convert=convert, metavar=metavar, repeatable=True)


def choice(*values: str) -> Kind:
    """Return the kind of an option with a few accepted values."""

    def convert(value: object) -> str:
        if value not in values:
            raise UnfitError(f"accepted are {', '.join(values)}")
        return str(value)

    return Kind(accepted=" or ".join(map(repr, values)), convert=convert, choices=values)


def duration(unit: str) -> Kind:
    """Return the kind of a `timedelta`; numbers, in text too, count `unit`, such as `hours`."""

    def convert(value: object) -> timedelta:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = read(value)
        if not isinstance(value, timedelta) or value < timedelta(0):
            raise UnfitError
        return value

    def read(number: str | float) -> timedelta:
        try:
            return timedelta(**{unit: float(number)})
        except (ValueError, OverflowError) as error:
            raise UnfitError from error

    return Kind(
        accepted=f"a datetime.timedelta, or a number of {unit}", convert=convert, item=read, metavar=unit.upper()
    )


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnfitError
    return value


def _read_flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise UnfitError
    return _FLAGS[text.lower()]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnfitError
    return value


def _path(value: object) -> str:
    if not isinstance(value, str | os.PathLike) or not value or isinstance(os.fspath(value), bytes):
        raise UnfitError
    return str(os.fspath(value))


def _names(value: Sequence[str]) -> None:
    wrong = [item for item in value if not _NAME.fullmatch(item)]
    if wrong:
        raise UnfitError(f"{wrong[0]!r} is not the name of a distribution; leave out versions and extras")


def _variables(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for item in value.items() for part in item):
        raise UnfitError
    return MappingProxyType(dict(value))


def _read_variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise UnfitError
    return name, value


def _commands(value: object) -> tuple[tuple[str, ...], ...]:
    if not _is_sequence(value) or not all(
        _is_sequence(command) and command and all(isinstance(word, str) for word in command) for command in value
    ):
        raise UnfitError
    return tuple(tuple(map(str, command)) for command in value)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    # A set has another order in each process, and a generator is empty when it is read again.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


FLAG = Kind(accepted="True or False", convert=_flag, item=_read_flag, is_flag=True)
TEXT = Kind(accepted="a string", convert=_text, metavar="TEXT")
PATH = Kind(accepted="a path, as a string or a Path", convert=_path, metavar="FILE")
DISTRIBUTIONS = list_of("names of distributions", "NAME", check=_names)
VARIABLES = Kind(
    accepted="a mapping of strings",
    convert=_variables,
    item=_read_variable,
    metavar="NAME=VALUE",
    repeatable=True,
    secret=True,
)
COMMANDS = Kind(
    accepted="a list of commands (no shell reads them), each a list of words",
    convert=_commands,
    item=shlex.split,
    metavar="COMMAND",
    repeatable=True,
)
