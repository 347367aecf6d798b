"""Kinds of option values: which values an option accepts, and how text becomes one.

A kind copies what it accepts, so that a list that is changed later changes no option. Text comes from the command line
(one argument at a time), from environment variables, and from `cdk --context`, which passes everything as text. Text of a
collection is its items, or JSON.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeGuard

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.urls import is_secret, without_credentials

# https://packaging.python.org/specifications/name-normalization/#name-format
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
# How a list, a list of lists or a mapping begins in JSON. No item does: a pattern may begin with `[a-z]` or `[[:alpha:]]`.
_JSON = re.compile(r"\[\s*(?:\[\s*)?\"|\{\s*\"|\[\s*\]$|\{\s*\}$")


class UnfitError(ValueError):
    """A value that a kind doesn't accept; the message, if there is one, says more than what is accepted in general."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How the values of an option are checked and read.

    Attributes:
        accepted: The accepted values, as the object of "give …".
        fits: Tells whether a value is accepted, or raises `UnfitError`.
        normal: Returns an accepted value in its normal form.
        verify: Raises for a value in its normal form that isn't accepted.
        item: Reads one argument of the command line, or one item of a text; raises `ValueError`.
        divide: Returns the items in the text of a collection; raises `ValueError`.
        text: Returns the text that `item` reads, in the shell's syntax and without secrets.
        plain: Returns a value as JSON can have it, without secrets; `read` reads it, as far as it has none.
        metavar: The placeholder for the value in the command line's help.
        choices: All values, if there are few.
        repeatable: The value is a collection: its flag can be repeated, and a variable holds several items.
        is_flag: The value is True or False, and its flag has a `--no-` form.
        secret: The value may hold a password in any place, so messages don't repeat it.
    """

    accepted: str
    fits: Callable[[Any], bool] = lambda _: True
    normal: Callable[[Any], Any] = lambda value: value
    verify: Callable[[Any], object] = lambda _: None
    item: Callable[[str], Any] = str
    divide: Callable[[str], Iterable[str]] = str.split
    text: Callable[[Any], str] = lambda value: shlex.quote(without_credentials(str(value)))
    plain: Callable[[Any], Any] = without_credentials
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
            if not self.fits(value):
                raise UnfitError
            normal = self.normal(value)
            self.verify(normal)
        except OptionError as error:
            # It names the option, the item and what is accepted; of a variable or a key, it can't know.
            own = str(error).startswith(place)
            raise OptionError(
                str(error) if own else f"{place} is {self.shown(value)}; give {self.accepted}. {error}"
            ) from None
        except UnfitError as error:
            fix = str(error) or f"give {self.accepted}, such as {example}"
            raise OptionError(f"{place} is {self.shown(value)}; {fix}.") from None
        return normal

    def read(self, place: str, value: object, example: str) -> Any:
        """Return the value that JSON or text stands for. Raises `OptionError` as `check` does.

        Example:
            `DISTRIBUTIONS.read("$NAMES", "boto3, botocore", "['boto3']") == ("boto3", "botocore")`
        """
        try:
            read = self._read_text(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            raise OptionError(f"{place} is {self.shown(value)}; give {self.accepted}, such as {example}.") from None
        return self.check(place, read, example)

    def collect(self, items: Iterable[Any]) -> Any:
        """Return the value that the repeated arguments of a flag come to."""
        return dict(items) if self.item is _read_variable else tuple(items)

    def arguments(self, name: str, value: Any) -> list[str]:
        """Return the arguments of the command line that stand for a value of the option `name`, in the shell's syntax.

        Example:
            `PATH.arguments("requirements", "prod.txt") == ["--requirements=prod.txt"]`
        """
        flag = f"--{name.replace('_', '-')}"
        if self.is_flag:
            return [flag if value else flag.replace("--", "--no-", 1)]
        items = (value.items() if isinstance(value, Mapping) else value) if self.repeatable else (value,)
        return [f"{flag}={self.text(item)}" for item in items]

    def _read_text(self, text: str) -> Any:
        text = text.strip()
        if not self.repeatable:
            return self.item(text)
        return json.loads(text) if _JSON.match(text) else self.collect(map(self.item, self.divide(text)))

    def shown(self, value: object) -> str:
        """Return a value as messages have it."""
        return "not shown" if self.secret else str(without_credentials(repr(value)))


def _words(text: str) -> list[str]:
    """Return words that commas or spaces separate; one with either is in quotation marks. Backslashes stay: patterns have them."""
    words = shlex.shlex(text, posix=True)
    words.whitespace, words.whitespace_split, words.commenters, words.escape = ", \t\r\n", True, "", ""
    return list(words)


def list_of(
    what: str,
    metavar: str,
    *,
    verify: Callable[[Sequence[str]], object] = lambda _: None,
    accepted: str = "",
    divide: Callable[[str], Iterable[str]] = _words,
) -> Kind:
    """Return the kind of a list of strings; `verify` raises for items that it doesn't accept."""

    def fits(value: object) -> bool:
        if isinstance(value, str):
            raise UnfitError(without_credentials(f"give a list of strings, such as [{value!r}]"))
        return _is_sequence(value) and _are_strings(value)

    accepted = accepted or f"a list of {what}"
    return Kind(
        accepted=accepted,
        fits=fits,
        normal=_copy_strings,
        verify=verify,
        divide=divide,
        metavar=metavar,
        repeatable=True,
    )


def choice(*values: str) -> Kind:
    """Return the kind of an option with a few accepted values."""
    return Kind(accepted=" or ".join(map(repr, values)), fits=values.__contains__, normal=str, choices=values)


def duration(unit: str) -> Kind:
    """Return the kind of a `timedelta`; numbers, in text too, count `unit`, such as `hours`."""

    def read(value: str | float | timedelta) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else timedelta(**{unit: float(value)})
        except (ValueError, OverflowError) as error:
            raise UnfitError from error

    def fits(value: Any) -> bool:
        known: bool = isinstance(value, int | float | timedelta) and not isinstance(value, bool)
        return known and read(value) >= timedelta(0)

    def write(value: timedelta) -> str:
        return f"{value / timedelta(**{unit: 1}):g}"

    def count(value: timedelta) -> float:
        number = value / timedelta(**{unit: 1})
        return int(number) if number.is_integer() else number

    accepted = f"a datetime.timedelta, or a number of {unit}"
    return Kind(
        accepted=accepted,
        fits=fits,
        normal=read,
        item=read,
        text=write,
        plain=count,
        metavar=unit.upper(),
    )


def _read_flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise UnfitError
    return _FLAGS[text.lower()]


def _is_path(value: object) -> bool:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    # No path has a NUL.
    return isinstance(text, str) and bool(text) and "\0" not in text


def _check_names(value: Sequence[str]) -> None:
    wrong = [item for item in value if not _NAME.fullmatch(item)]
    if wrong:
        raise UnfitError(f"{wrong[0]!r} is not the name of a distribution; leave out versions and extras")


def _is_variables(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(part, str) for item in value.items() for part in item)


def _read_variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise UnfitError
    return name, value


def _write_variable(item: tuple[str, str]) -> str:
    """Return `NAME=VALUE`; a secret value is the one that the shell's variable of that name has."""
    name, value = item
    if is_secret(name) or without_credentials(value) != value:
        return f'{name}="${name}"'
    return f"{name}={shlex.quote(value)}"


def _without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: "***" if is_secret(name) else without_credentials(value) for name, value in variables.items()}


def _is_commands(value: object) -> bool:
    return _is_sequence(value) and all(_is_sequence(words) and words and _are_strings(words) for words in value)


def _are_strings(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _copy_strings(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, values))


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    # A set has another order in each process, and a generator is empty when it is read again.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


FLAG = Kind(accepted="True or False", fits=lambda value: isinstance(value, bool), item=_read_flag, is_flag=True)
TEXT = Kind(accepted="a string", fits=lambda value: isinstance(value, str) and bool(value.strip()), metavar="TEXT")
PATH = Kind(
    accepted="a path, as a string or a Path", fits=_is_path, normal=lambda value: str(os.fspath(value)), metavar="FILE"
)
DISTRIBUTIONS = list_of("names of distributions", "NAME", verify=_check_names)
VARIABLES = Kind(
    accepted="a mapping of strings",
    fits=_is_variables,
    normal=lambda value: MappingProxyType(dict(value)),
    item=_read_variable,
    divide=shlex.split,
    text=_write_variable,
    plain=_without_secrets,
    metavar="NAME=VALUE",
    repeatable=True,
    secret=True,
)
COMMANDS = Kind(
    accepted="a list of commands (no shell reads them), each a list of words",
    fits=_is_commands,
    normal=lambda commands: tuple(map(_copy_strings, commands)),
    item=shlex.split,
    # A command to a line: words with spaces are in quotation marks.
    divide=lambda text: filter(str.strip, text.splitlines()),
    text=lambda words: shlex.quote(shlex.join(words)),
    metavar="COMMAND",
    repeatable=True,
)
