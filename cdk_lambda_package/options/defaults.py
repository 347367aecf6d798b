"""Defaults for many functions: the CDK app's context, and environment variables.

Both set the inheritable options of `Packaging`, and the runtime. The nearest value counts: a function's own, or that of a
flag, then the context, then the variable.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdk_lambda_package.bundling import PLAN_VARIABLE
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE
from cdk_lambda_package.options.kinds import TEXT
from cdk_lambda_package.options.packaging import OPTIONS, Packaging, suggestion
from cdk_lambda_package.options.request import PackageRequest
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, CACHE_SIZE_VARIABLE

CONTEXT_PREFIX = "cdk-lambda-package:"
VARIABLE_PREFIX = "CDK_LAMBDA_PACKAGE_"

_NAMES = (*(name for name, declared in OPTIONS.items() if declared.inheritable), "runtime")
# Variables of this prefix that are about the machine, and are no options.
_OF_THE_MACHINE = (CACHE_DIR_VARIABLE, CACHE_SIZE_VARIABLE, INTERPRETER_VARIABLE, PLAN_VARIABLE)
_NAMES_OF_VARIABLES = (*_NAMES, *(name.removeprefix(VARIABLE_PREFIX).lower() for name in _OF_THE_MACHINE))
_CONTEXT_KEY = re.compile(r"cdk[-_]lambda[-_]package", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Defaults:
    """Values for the functions that set none of their own; None is not set."""

    packaging: Packaging = dataclasses.field(default_factory=Packaging)
    runtime: str | None = None

    def over(self, farther: Defaults) -> Defaults:
        """Return these defaults, with those of `farther` for what isn't set here."""
        return Defaults(packaging=self.packaging.over(farther.packaging), runtime=self.runtime or farther.runtime)


def read_context(context: Mapping[str, object]) -> Defaults:
    """Return the defaults in a CDK app's context, in keys such as `cdk-lambda-package:require_hashes`.

    Raises `OptionError` that names the key, for an unknown key too: a misspelt rule would not apply.
    """
    settings = [
        (f"The context key {key!r}", key.removeprefix(CONTEXT_PREFIX), value)
        for key, value in context.items()
        if _CONTEXT_KEY.match(key)
    ]
    return _read(settings, _NAMES, lambda name: f"{CONTEXT_PREFIX}{name}")


def read_environment(environ: Mapping[str, str]) -> Defaults:
    """Return the defaults in environment variables such as `CDK_LAMBDA_PACKAGE_REQUIRE_HASHES`; an empty one sets nothing.

    Raises `OptionError` that names the variable, for an unknown variable too.
    """
    # Only the names of the others are looked at: a value of `os.environ` is decoded each time.
    variables = [name for name in environ if name.startswith(VARIABLE_PREFIX) and name not in _OF_THE_MACHINE]
    settings = [(f"${name}", name.removeprefix(VARIABLE_PREFIX).lower(), environ[name]) for name in variables]
    given = [(place, name, value) for place, name, value in settings if value or name not in _NAMES]
    return _read(given, _NAMES_OF_VARIABLES, variable_of)


def variable_of(name: str) -> str:
    """Return the environment variable that sets an option.

    Example:
        `variable_of("require_hashes") == "CDK_LAMBDA_PACKAGE_REQUIRE_HASHES"`
    """
    return f"{VARIABLE_PREFIX}{name.upper()}"


def with_environment(request: PackageRequest, environ: Mapping[str, str] = os.environ) -> PackageRequest:
    """Return the request with the environment's defaults for the options that it doesn't set. Raises `OptionError`."""
    return with_defaults(request, read_environment(environ))


def with_defaults(request: PackageRequest, defaults: Defaults) -> PackageRequest:
    """Return the request with defaults for the options that it doesn't set.

    Example:
        `with_defaults(request, read_environment(os.environ))`, once for all requests
    """
    packaging = defaults.packaging
    return dataclasses.replace(request, packaging=request.packaging.over(packaging)) if packaging.given else request


def _read(
    settings: Iterable[tuple[str, str, object]], known: Iterable[str], spelling: Callable[[str], str]
) -> Defaults:
    """Return the defaults of settings, each with its place for messages, its name, and its value."""
    values: dict[str, Any] = {}
    for place, name, value in settings:
        if name not in _NAMES:
            advice = suggestion(_CONTEXT_KEY.sub("", name), known, spelling)
            raise OptionError(f"{place} sets no option; {advice}.")
        kind, example = (OPTIONS[name].kind, OPTIONS[name].example) if name in OPTIONS else (TEXT, "'python3.13'")
        values[name] = kind.read(place, value, example)
    runtime = values.pop("runtime", None)
    return Defaults(packaging=Packaging(**values), runtime=runtime)
