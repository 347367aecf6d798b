"""What the constructs were given, checked as far as that needs no look at the files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from aws_cdk import Token
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handlers import ANY_HANDLER
from cdk_lambda_package.layers import LayerSource
from cdk_lambda_package.options import OPTIONS, PackageRequest, Packaging
from cdk_lambda_package.options.kinds import TEXT, choice
from cdk_lambda_package.target import Target

OnError = Literal["validate", "raise"]
"""What becomes of errors in the content: validation errors of the construct at synthesis, or exceptions at once."""


def make_request(
    entry: str | Path,
    runtime: lambda_.Runtime,
    architecture: lambda_.Architecture,
    options: Mapping[str, Any],
    layers: Sequence[LayerSource] = (),
) -> PackageRequest:
    """Return the request that the props of a construct come to; what is None isn't given, as everywhere in CDK.

    Raises `OptionError`, and `EntryError` for an index that can't be one.
    """
    refuse_tokens({"entry": entry, **options})
    if not isinstance(architecture, lambda_.Architecture):
        raise OptionError(
            f"architecture is {architecture!r}; give one of CDK's, such as aws_lambda.Architecture.ARM_64."
        )
    check_runtime(runtime)
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    packaging = Packaging(**{name: given.pop(name) for name in OPTIONS if name in given})
    request = PackageRequest(
        entry=entry,
        runtime=runtime.name,
        architecture=architecture.name,
        layers=layers,
        packaging=packaging,
        **given,
    )
    Target.parse(request.runtime, request.architecture)
    return request


def check_runtime(runtime: object) -> None:
    """Raise `OptionError` for what isn't a runtime of CDK's."""
    if not isinstance(runtime, lambda_.Runtime):
        raise OptionError(f"runtime is {runtime!r}; give one of CDK's, such as aws_lambda.Runtime.PYTHON_3_13.")


def check_function_handler(handler: object) -> None:
    """Raise `OptionError` for a handler that leaves open which one is called: a function needs its own."""
    if handler == ANY_HANDLER:
        raise OptionError(
            f"handler is {ANY_HANDLER!r}, which is for code that several functions share; give the name of this function's."
        )


def refuse_code(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's props without a `code` that is None; raises `OptionError` for any other."""
    if props.get("code") is not None:
        raise OptionError(
            "code= is what PythonFunction makes of entry=; leave it out. For code that you have, use aws_lambda.Function."
        )
    return {name: value for name, value in props.items() if name != "code"}


def check_code_props(*, asset_hash: str | None, on_error: str) -> None:
    """Raise `OptionError` for props that say nothing about the content, and can't be meant."""
    refuse_tokens({"asset_hash": asset_hash, "on_error": on_error})
    choice(*get_args(OnError)).check("on_error", on_error, "'raise'")
    if asset_hash is not None:
        TEXT.check("asset_hash", asset_hash, "'release-7'")


def read_environment(environment: Mapping[str, str] | None) -> dict[str, str]:
    """Return a function's variables; where only the deployment knows a value, one stands there that says so."""
    given = environment if isinstance(environment, Mapping) else {}
    return {name: "known-at-deployment" if _is_unknown(value) else value for name, value in given.items()}


def refuse_tokens(options: Mapping[str, object]) -> None:
    """Raise `OptionError` for an option whose value is known only at deployment, or has such a value in it."""
    for name, value in options.items():
        if any(map(_is_token, _find_texts(value))):
            verb = "is" if isinstance(value, str) else "has"
            raise OptionError(
                f"{name} {verb} a token, known only at deployment; give a value that is known at synthesis."
            )


def _find_texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case os.PathLike():
            yield str(value)
        case Mapping():
            yield from (text for item in value.items() for part in item for text in _find_texts(part))
        case Sequence():
            yield from (text for item in value for text in _find_texts(item))


def _is_unknown(value: object) -> bool:
    # What isn't text, CDK refuses.
    return not isinstance(value, str) or _is_token(value)


def _is_token(text: str) -> bool:
    # Looked at first in Python: asking CDK is a message to another process. A list's token is a list of one text.
    return "{Token[" in text and (Token.is_unresolved(text) or Token.is_unresolved([text]))
