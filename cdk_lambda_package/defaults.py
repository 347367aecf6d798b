"""Defaults for all functions at once: from CDK's context, and from environment variables.

Both know the same options under the same names. What a function or a command line says itself comes first, then the
context, then the variable. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.inside_pip.urls import without_credentials
from cdk_lambda_package.request import RESOLVERS, PackageRequest
from cdk_lambda_package.requirements.index_hosts import ACCEPTED as HOSTS
from cdk_lambda_package.requirements.index_hosts import read_hosts
from cdk_lambda_package.requirements.upload_limit import ACCEPTED as LIMITS
from cdk_lambda_package.requirements.upload_limit import parse_upload_limit

CONTEXT_PREFIX = "cdk-lambda-package:"
VARIABLE_PREFIX = "CDK_LAMBDA_PACKAGE_"

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def read_context(context: Mapping[str, object]) -> dict[str, Any]:
    """Return the options that a CDK app's context has, by their names.

    Raises `OptionError` naming the key, for an unknown one too: a rule that is misspelt would be no rule.
    """
    names = {key: _name_option(key) for key in context if key.startswith(CONTEXT_PREFIX)}
    return {name: _read(name, context[key], f"The context key {key!r}") for key, name in names.items()}


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that environment variables set, by their names; an empty one sets nothing.

    Raises `OptionError` naming the variable.
    """
    values = {name: environ.get(name_variable(name)) for name in OPTIONS}
    return {name: _read(name, value, f"${name_variable(name)}") for name, value in values.items() if value}


def name_variable(option: str) -> str:
    """Return the environment variable of an option."""
    return f"{VARIABLE_PREFIX}{option.upper()}"


def fill(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the defaults of those that aren't given, which are None.

    Findings are acknowledged for one function and for all: the ids of both count.
    """
    filled = {name: value for name, value in defaults.items() if options.get(name) is None}
    own, common = options.get("acknowledge"), defaults.get("acknowledge")
    if common and isinstance(own, list | tuple):
        filled["acknowledge"] = (*own, *common)
    return {**options, **filled}


def with_environment(request: PackageRequest, environ: Mapping[str, str]) -> PackageRequest:
    """Return the request with the environment's defaults for what it doesn't say. Raises `OptionError`."""
    defaults = read_environment(environ)
    if not defaults:
        return request
    options = {name: getattr(request, name) for name in OPTIONS}
    return dataclasses.replace(request, **fill(options, defaults))


class Option(NamedTuple):
    """How an option's value is read, `read` raising for one that isn't accepted, and what is accepted."""

    read: Callable[[object], Any]
    accepted: str


def _read(name: str, value: object, place: str) -> Any:
    option = OPTIONS[name]
    try:
        return option.read(value)
    except (ValueError, OverflowError, OptionError) as error:
        shown = without_credentials(value)
        # Which of many ids is misspelt, and how it should be written.
        reason = f" {error}" if isinstance(error, OptionError) and name == "acknowledge" else ""
        raise OptionError(f"{place} is {shown!r}; accepted is {option.accepted}.{reason}") from None


def _name_option(key: str) -> str:
    name = key.removeprefix(CONTEXT_PREFIX)
    if name in OPTIONS:
        return name
    similar = re.sub(r"[^a-z]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    hint = f"write {CONTEXT_PREFIX}{similar}" if similar in OPTIONS else f"accepted are {', '.join(OPTIONS)}"
    raise OptionError(f"The context key {key!r} names no option; {hint}.")


def _read_flag(value: object) -> bool:
    # `cdk --context` makes text of everything.
    flag = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise ValueError(value)
    return flag


def _read_list(value: object) -> tuple[str, ...]:
    items = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError(value)
    return tuple(item for item in items if item)


def _read_ids(value: object) -> tuple[str, ...]:
    # Imported here: few apps acknowledge anything for all functions.
    from cdk_lambda_package.acknowledgements import check_acknowledgements

    ids = _read_list(value)
    check_acknowledgements(ids)
    return ids


def _read_hosts(value: object) -> tuple[str, ...]:
    hosts = _read_list(value)
    read_hosts(hosts)
    return hosts


def _read_hours(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)
    return timedelta(hours=float(value))


def _read_limit(value: object) -> object:
    parse_upload_limit(value)
    return value


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def _read_resolver(value: object) -> str:
    if value not in RESOLVERS:
        raise ValueError(value)
    return str(value)


_AS_TEXT = "; as text, with commas or spaces between"

OPTIONS: Mapping[str, Option] = {
    "acknowledge": Option(_read_ids, f"a list of ids of findings{_AS_TEXT}"),
    "allow_build": Option(_read_flag, "true or false"),
    "build_image": Option(_read_text, "the name of a container image"),
    "max_lock_age": Option(_read_hours, "a number of hours"),
    "only_index": Option(_read_hosts, f"a list of {HOSTS}{_AS_TEXT}"),
    "require_hashes": Option(_read_flag, "true or false"),
    "resolver": Option(_read_resolver, " or ".join(RESOLVERS)),
    "uploaded_prior_to": Option(_read_limit, LIMITS),
}
"""The options that have defaults, by name."""
