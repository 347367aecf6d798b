"""The arguments that commands share, derived from `Packaging`, and the request that they come to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import Finding, excerpt
from cdk_lambda_package.options import (
    OPTIONS,
    VARIABLES,
    Group,
    Kind,
    Option,
    PackageRequest,
    Packaging,
    option_help,
    variable_of,
)
from cdk_lambda_package.store import CACHE_DIR_VARIABLE


def add_entry(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    several: bool = False,
    formats: Sequence[str] = ("text", "json"),
) -> None:
    """Add what a package is made of: the entry directory, the function and target, and the options of `Packaging`."""
    parser.add_argument("entry", help="the app's directory" + ("" if required else ", or a .zip file archive"))
    action, more = ("append", " (repeatable)") if several else ("store", "")
    group = parser.add_argument_group("Function")

    def add(flag: str, text: str, **facts: Any) -> None:
        group.add_argument(f"--{flag}", help=text, **facts)

    add("runtime", f"Lambda's identifier, such as python3.13{more}", required=required, action=action)
    add("architecture", f"x86_64 (the default) or arm64{more}", action=action)
    add("index", "the handler's module, relative to the entry directory (default: app.py, else index.py)")
    add("handler", "the handler's name in that module, or package.module.name; '*' if functions share the package "
        "(default: the only candidate)")  # fmt: skip
    listed: dict[str, Any] = {"action": "append", "default": []}
    add("layers", "a layer of the function, for the checks: a directory, a .zip file or an ARN (repeatable)",
        metavar="LAYER", **listed)  # fmt: skip
    add("environment", "an environment variable of the function, for --smoke (repeatable)",
        metavar=VARIABLES.metavar, type=_reader(VARIABLES), **listed)  # fmt: skip
    groups, helps = {one: parser.add_argument_group(one.value) for one in Group}, option_help()
    for name, declared in OPTIONS.items():
        _add_option(groups[declared.group], name, declared, helps.get(name, ""))
    add_common(parser, formats)


def add_common(parser: argparse.ArgumentParser, formats: Sequence[str] = ("text", "json")) -> None:
    """Add what every command that uses the store has."""
    add_format(parser, formats)
    parser.add_argument(
        "--cache-dir",
        type=Path,
        help=f"the store's directory (default: ${CACHE_DIR_VARIABLE}, else the user's cache directory)",
    )


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str] = ("text", "json")) -> None:
    """Add the choice of the output's format."""
    parser.add_argument("--format", choices=formats, default="text", help="the format of the output (default: text)")


def request_of(arguments: argparse.Namespace) -> PackageRequest:
    """Return the request that parsed arguments stand for.

    Raises `OptionError` for a value that isn't accepted.
    """
    given = {name: value for name in OPTIONS if (value := getattr(arguments, name)) is not None}
    kinds = {name: OPTIONS[name].kind for name in given}
    values = {name: kinds[name].collect(one) if kinds[name].repeatable else one for name, one in given.items()}
    return PackageRequest(
        entry=arguments.entry,
        runtime=arguments.runtime,
        architecture=arguments.architecture or "x86_64",
        index=arguments.index,
        handler=arguments.handler,
        layers=tuple(arguments.layers),
        environment=dict(arguments.environment),
        packaging=Packaging(**values),
    )


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings on stderr, where they don't disturb a program that reads stdout."""
    told = excerpt(findings)
    for finding in told.shown:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    for _, text in told.more:
        print(text, file=sys.stderr)


def _add_option(group: argparse._ArgumentGroup, name: str, declared: Option, text: str) -> None:
    kind = declared.kind
    facts: dict[str, Any] = {"action": "append"} if kind.repeatable else {}
    if kind.is_flag:
        facts["action"] = argparse.BooleanOptionalAction
    elif kind.choices:
        facts["choices"] = kind.choices
    else:
        facts |= {"metavar": kind.metavar, "type": _reader(kind)}
    default = f"${variable_of(name)}, else {declared.default}" if declared.inheritable else declared.default
    repeatable = "repeatable; " if kind.repeatable else ""
    shown = f"{text[:1].lower()}{text[1:].rstrip('.')} ({repeatable}default: {default})"
    group.add_argument(f"--{name.replace('_', '-')}", help=shown.replace("`", "").replace("%", "%%"), **facts)


def _reader(kind: Kind) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind.item(text)
        except (ValueError, OverflowError) as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give {kind.metavar}") from error

    return read
