"""The props of the constructs, checked without a look at the files."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from aws_cdk import Token
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handlers import ANY_HANDLER
from cdk_lambda_package.options import (
    OPTIONS,
    PATH,
    TEXT,
    PackageRequest,
    Packaging,
    choice,
    read_environment,
)
from cdk_lambda_package.target import RUNTIMES, Target
from cdk_lambda_package.urls import without_credentials

OnError = Literal["validate", "raise"]
"""When errors in the content are reported: as validation errors at synthesis, or as exceptions at once."""


BY_ARCHITECTURE = ("adot_instrumentation", "insights_version", "params_and_secrets")
"""Props of Function for which CDK chooses a layer by the architecture that it is given."""

_NO_BUNDLING = """bundling= belongs to aws-lambda-python-alpha; here nothing is built in a container. In place of its options:
  - asset_excludes: packaging=Packaging(exclude=[…], exclude_from_requirements=[…])
  - asset_hash, platform: the props asset_hash= and architecture=
  - command, command_hooks: packaging=Packaging(before_packaging=[…], after_packaging=[…])
  - environment: packaging=Packaging(pip_environment={…})
  - image: packaging=Packaging(build_image=…), for wheels that can't be built otherwise
  - others: not needed"""


def make_request(
    *, packaging: Packaging | Mapping[str, Any] | None, environment: Mapping[str, str] | None, **props: Any
) -> PackageRequest:
    """Return the request that the props of a construct come to, for a target that is read from the function later.

    Raises `OptionError`, and `EntryError` for an index that can't be a module.
    """
    refuse_tokens(props)
    known = _known_variables(environment) if isinstance(environment, Mapping) else {}
    options = packaging_of_prop(packaging)
    return PackageRequest(runtime=RUNTIMES[-1].name, packaging=options, environment=known, of_app=True, **props)


def packaging_of_prop(packaging: Packaging | Mapping[str, Any] | None) -> Packaging:
    """Return the `Packaging` that a prop stands for; in a mapping, an option that is None isn't set. Raises `OptionError`."""
    if isinstance(packaging, Mapping):
        packaging = {name: value for name, value in packaging.items() if value is not None}
    given = packaging.given if isinstance(packaging, Packaging) else packaging
    refuse_tokens(given if isinstance(given, Mapping) else {})
    return Packaging.of(packaging)


def _known_variables(environment: Mapping[str, object]) -> dict[str, str]:
    """Return a function's variables; a value that is known only at deployment is replaced by a text that says so."""
    # CDK refuses values that aren't text.
    known = {name: value for name, value in environment.items() if isinstance(value, str) and not _has_token(value)}
    return {**dict.fromkeys(environment, "known-at-deployment"), **known}


def choose_runtime(
    runtime: lambda_.Runtime | None,
    architecture: lambda_.Architecture | None,
    default: Callable[[], lambda_.Runtime | str | None],
) -> lambda_.Runtime:
    """Return the runtime of the prop, else the `default` of the scope and the context, else that of the environment.

    Raises `OptionError` if there is none, and `TargetError` for a target that can't be packaged for.
    """
    found = default() or read_environment(os.environ).runtime if runtime is None else runtime
    if found is None:
        raise OptionError(
            "runtime is not set: there is no prop runtime=, no PackagingDefaults.of(scope).set(runtime=…) before this construct, no "
            "context key 'cdk-lambda-package:runtime', and no environment variable CDK_LAMBDA_PACKAGE_RUNTIME. Write "
            "runtime=aws_lambda.Runtime.PYTHON_3_13."
        )
    chosen = (
        lambda_.Runtime(found, lambda_.RuntimeFamily.PYTHON) if isinstance(found, str) and runtime is None else found
    )
    check_target(chosen, architecture)
    assert isinstance(chosen, lambda_.Runtime)
    return chosen


def check_target(runtime: object, architecture: object) -> None:
    """Raise `OptionError` for values that aren't CDK's, and `TargetError` for those that can't be packaged for; None is neither."""
    if architecture is not None and not isinstance(architecture, lambda_.Architecture):
        raise OptionError(
            f"architecture is {architecture!r}; give one of CDK's, such as aws_lambda.Architecture.ARM_64."
        )
    if runtime is not None and not isinstance(runtime, lambda_.Runtime):
        raise OptionError(f"runtime is {runtime!r}; give one of CDK's, such as aws_lambda.Runtime.PYTHON_3_13.")
    Target.parse(
        RUNTIMES[-1].name if runtime is None else name_of(runtime),
        "x86_64" if architecture is None else name_of(architecture),
    )


@dataclass(frozen=True, slots=True)
class _Constant:
    """A constant of CDK's, equal to each other object that stands for it: an access to it makes another one."""

    reference: str
    value: Any = dataclasses.field(compare=False)


def name_of(value: Any) -> str:
    """Return the name of a runtime or an architecture of CDK's.

    Example:
        `name_of(lambda_.Architecture.ARM_64) == "arm64"`
    """
    return _read_name(_Constant(value.__jsii_ref__.ref, value))


@cache
def _read_name(constant: _Constant) -> str:
    # It never changes, and each question to CDK is a message to another process.
    return str(constant.value.name)


def refuse_flat_options(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return the props without packaging options that are None.

    Raises `OptionError` for any other packaging option, with the line to write.
    """
    for name, value in props.items():
        if name in OPTIONS and value is not None:
            shown = OPTIONS[name].example if OPTIONS[name].kind.secret else without_credentials(repr(value))
            raise OptionError(f"{name}= is an option of the package. Write packaging=Packaging({name}={shown}).")
    return {name: value for name, value in props.items() if name not in OPTIONS}


def check_function_props(*, handler: object, code: object, bundling: object) -> None:
    """Raise `OptionError` for values of these props that a `PythonFunction` can't have."""
    if handler == ANY_HANDLER:
        raise OptionError(
            f"handler is {ANY_HANDLER!r}, which is for code that several functions share; give the name of this function's."
        )
    if code is not None and not hasattr(type(code), "deployment_package"):
        raise OptionError(
            "PythonFunction makes code= from entry=; leave code= out, or give a PythonCode. For other code, use aws_lambda.Function."
        )
    if bundling is not None:
        raise OptionError(_NO_BUNDLING)


def check_code_props(code: object, others: Mapping[str, object]) -> None:
    """Raise `OptionError` for props beside a `PythonCode` that say what it says, and if there is neither it nor an entry."""
    given = [name for name, value in others.items() if value is not None]
    if code is not None and given:
        raise OptionError(
            f"code= has everything about packaging, so {given[0]}= has no place beside it. Set it in the PythonCode."
        )
    if code is None and others.get("entry") is None:
        raise OptionError("entry is None; give a path, such as 'orders', or a PythonCode as code=.")


def layer_source(
    entry: str | Path | None, requirements: str | Path | None, packaging: Packaging | Mapping[str, Any] | None
) -> tuple[str | Path, Packaging]:
    """Return the entry directory of a layer, and how it is packaged: of `requirements`, only the distributions are.

    Raises `OptionError` unless one of both is given.
    """
    if (entry is None) == (requirements is None):
        raise OptionError(
            "A layer is made of an app directory (`entry`), or of a file of requirements (`requirements`). Give one of both."
        )
    options = packaging_of_prop(packaging)
    if requirements is None:
        assert entry is not None
        return entry, options
    refuse_tokens({"requirements": requirements})
    path = Path(PATH.check("requirements", requirements, "'shared/requirements.txt'"))
    if options.requirements is not None:
        raise OptionError(
            "The layer's `requirements` are given in packaging=Packaging(requirements=…) too. Give them once."
        )
    for name in ("include", "exclude"):
        if getattr(options, name):
            raise OptionError(
                f"{name} is about files of an entry directory, and a layer of `requirements` has none of them. Leave it out, or give `entry`."
            )
    return path.parent, dataclasses.replace(options, requirements=path.name, include=(), exclude=("*",))


def check_asset_props(*, asset_hash: str | None, on_error: str) -> None:
    """Raise `OptionError` for values of these props that aren't accepted."""
    refuse_tokens({"asset_hash": asset_hash, "on_error": on_error})
    choice(*get_args(OnError)).check("on_error", on_error, "'raise'")
    if asset_hash is not None:
        TEXT.check("asset_hash", asset_hash, "'release-7'")


def refuse_tokens(options: Mapping[str, object]) -> None:
    """Raise `OptionError` for an option whose value is known only at deployment, or has such a value in it."""
    for name, value in options.items():
        if _has_token(value):
            verb = "is" if isinstance(value, str) else "has"
            raise OptionError(
                f"{name} {verb} a token, known only at deployment; give a value that is known at synthesis."
            )


def _has_token(value: object) -> bool:
    # The representation of a list or mapping has all its texts. A list's token is a list of one text.
    found = re.findall(r"[#$]\{Token\[.*?\]\}", repr(value))
    return any(Token.is_unresolved(text) or Token.is_unresolved([text]) for text in found)
