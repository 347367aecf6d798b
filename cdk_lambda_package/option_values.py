"""Which values options accept; each check raises `OptionError` with the option, the value and one that fits. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeGuard

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.inside_pip.urls import without_credentials

# https://packaging.python.org/specifications/name-normalization/#name-format
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)


def check_choice(name: str, value: object, accepted: Iterable[str]) -> None:
    """Accept one of the given values."""
    if value not in (choices := list(accepted)):
        raise OptionError(f"{name} is {value!r}; accepted are {', '.join(choices)}.")


def check_text(name: str, value: object, example: str) -> None:
    """Accept a string that isn't empty."""
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name} is {value!r}; give a string, such as {example!r}.")


def check_path(name: str, value: object, example: str) -> None:
    """Accept a string that isn't empty, and a `Path`."""
    if not isinstance(value, str | os.PathLike) or not value or isinstance(os.fspath(value), bytes):
        raise OptionError(f"{name} is {value!r}; give a path, as a string or a Path, such as {example!r}.")


def check_flag(name: str, value: object) -> None:
    """Accept True and False."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} is {value!r}; accepted are True and False.")


def check_list(name: str, value: object, example: str) -> None:
    """Accept a sequence of strings."""
    if not _is_list(value) or not all(isinstance(item, str) for item in value):
        fitting = [value if isinstance(value, str) else example]
        raise OptionError(
            f"{name} is {without_credentials(repr(value))}; give a list of strings, such as "
            f"{without_credentials(repr(fitting))}."
        )


def check_names(name: str, value: Iterable[str]) -> None:
    """Accept names of distributions among strings."""
    wrong = [item for item in value if not _NAME.fullmatch(item)]
    if wrong:
        raise OptionError(f"{name} has {wrong[0]!r}; give names of distributions, without versions or extras.")


def check_environment(name: str, value: object, example: str) -> None:
    """Accept a mapping of strings; the message doesn't repeat what may be a password."""
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for item in value.items() for part in item):
        raise OptionError(f"{name} should be a mapping of strings, such as {example}.")


def check_duration(name: str, value: object, example: str) -> None:
    """Accept a `timedelta`."""
    if not isinstance(value, timedelta):
        raise OptionError(f"{name} is {value!r}; give a datetime.timedelta, such as {example}.")


def check_commands(name: str, value: object, example: str) -> None:
    """Accept a sequence of commands, each a sequence of words."""
    if not _is_list(value) or not all(map(_is_command, value)):
        raise OptionError(
            f"{name} is {value!r}; give a list of commands, each a list of words, such as {example}. "
            "No shell reads them, and each word is a string."
        )


def _is_command(value: object) -> bool:
    return _is_list(value) and bool(value) and all(isinstance(word, str) for word in value)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    # A set has another order in each process, and a generator is empty when it is read again.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
