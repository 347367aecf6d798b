"""The arguments that commands share, derived from `Packaging`, and the request that they come to."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_lambda_package.app_plan import AppPlan, plan_app
from cdk_lambda_package.errors import Finding, UsageError, count, excerpt, has_errors
from cdk_lambda_package.layers import layer_folder
from cdk_lambda_package.locations import name_places
from cdk_lambda_package.options import (
    OPTIONS,
    PATH,
    TEXT,
    VARIABLES,
    Group,
    Kind,
    Option,
    PackageRequest,
    Packaging,
    list_of,
    option_help,
    variable_of,
)
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import CACHE_DIR_VARIABLE
from cdk_lambda_package.target import RUNTIMES

if TYPE_CHECKING:
    from cdk_lambda_package.pipeline import Inspection

# What a function is, beside its entry directory: the fields of `PackageRequest`, and their help.
_FUNCTION: Mapping[str, tuple[Kind, str]] = {
    "runtime": (TEXT, "Lambda's identifier, such as python3.13"),
    "architecture": (TEXT, "x86_64 or arm64 (default: x86_64)"),
    "index": (PATH, "the handler's module, relative to the entry directory (default: app.py, else index.py)"),
    "handler": (
        TEXT,
        "the handler's name in that module, or package.module.name; '*' if functions share the package (default: found there)",
    ),
    "layers": (
        list_of("layers", "LAYER"),
        "a layer of the function, for the checks: a directory, a .zip file or an ARN",
    ),
    "environment": (VARIABLES, "an environment variable of the function, for --smoke and for what calls the handler"),
}

# Constructs alone use the others; a command may have a flag of such a name for something of its own.
_FLAGS: Mapping[str, Option] = {name: declared for name, declared in OPTIONS.items() if not declared.constructs_only}


_ENTRY = {"entry": "the app's directory"}


def add_entry(
    parser: argparse.ArgumentParser,
    *,
    targets: bool = False,
    app: bool = False,
    operands: Mapping[str, str] = _ENTRY,
    formats: Sequence[str] = ("text", "json"),
) -> None:
    """Add what a package is made of: the entry directory, the function and target, and the options of `Packaging`.

    With `targets`, there can be several runtimes and architectures. With `app`, a whole app can take the place of the entry directory.
    Other `operands`, with their helps, may be files from which nothing is packaged, so that no runtime is required.
    """
    for name, text in operands.items():
        parser.add_argument(name, nargs="?" if app else None, help=text)
    if app:
        _add_app(parser)
    optional = app or operands is not _ENTRY
    function = parser.add_argument_group("Function")
    for name, (kind, text) in _FUNCTION.items():
        repeatable = kind.repeatable or (targets and name in ("runtime", "architecture"))
        shown = f"{text} (repeatable)" if repeatable else text
        _add(function, name, kind, shown, repeatable=repeatable, required=name == "runtime" and not optional)
    groups, helps = {one: parser.add_argument_group(one.value) for one in Group}, option_help()
    for name, declared in _FLAGS.items():
        shown, repeatable = _help_of(name, declared, helps.get(name, "")), declared.kind.repeatable
        _add(groups[declared.group], name, declared.kind, shown, repeatable=repeatable)
    add_common(parser, formats)


def _add_app(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Whole app")
    group.add_argument(
        "--app",
        nargs="?",
        const="",
        metavar="COMMAND",
        help="every function of the CDK app in the working directory, in place of an entry directory; COMMAND starts the app (default: the "
        "app of cdk.json)",
    )
    group.add_argument(
        "-c",
        "--context",
        action="append",
        metavar="KEY=VALUE",
        help="a value of the app's context, as for cdk (repeatable)",
    )


@contextmanager
def planned_app(
    arguments: argparse.Namespace, progress: Progress, *, accepted: Collection[str] = ()
) -> Iterator[AppPlan]:
    """Lend the plan of the app that the arguments ask for; `accepted` are the options of one function that they may have too.

    Raises `UsageError` for other options, and `PackageError` if the app fails.
    """
    if arguments.entry is not None:
        raise UsageError(f"--app stands for every entry directory, so {arguments.entry!r} has no place beside it.")
    given = [name for name in (*_FUNCTION, *OPTIONS) if getattr(arguments, name, None) is not None]
    if refused := [name for name in given if name not in accepted]:
        flag = f"--{refused[0].replace('_', '-')}"
        raise UsageError(
            f"{flag} is about one function, and --app takes what each of them has. Set it in the app, or leave it out."
        )
    if getattr(arguments, "layer", False):
        raise UsageError("--layer is about one entry directory, and the layers of an app are made too. Leave it out.")
    context = {}
    for text in arguments.context or ():
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UsageError(f"--context {text!r} isn't KEY=VALUE.")
        context[key] = value
    with plan_app(arguments.app or None, context=context, progress=progress) as plan:
        if plan.lookups:
            print(
                f"note: the app's context lacks {', '.join(plan.lookups)}, so CDK's dummy values are used. `cdk synth` looks them up.",
                file=sys.stderr,
            )
        yield plan


def check_single(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` unless there are an entry directory and a runtime, and nothing that is for a whole app."""
    if arguments.entry is None:
        raise UsageError(
            "give an entry directory, or --app for every function of the CDK app in the working directory."
        )
    if arguments.context:
        raise UsageError("--context is the context of an app, which --app starts.")
    require_runtime(arguments)


def require_runtime(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` if no runtime is given."""
    if not arguments.runtime:
        raise UsageError(f"give the function's runtime, such as --runtime={RUNTIMES[-1].name}.")


def add_layer(parser: argparse.ArgumentParser) -> None:
    """Add the flag that makes a layer of the entry directory; `request_of` looks at it."""
    parser.add_argument(
        "--layer",
        action="store_true",
        help="a layer of the entry directory, which may have requirements or vendor/ alone, in place of a function's package",
    )


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

    Raises `OptionError` for a value that isn't accepted, and `UsageError` for flags that exclude each other.
    """
    kinds = {name: kind for name, (kind, _) in _FUNCTION.items()} | {name: one.kind for name, one in _FLAGS.items()}
    given = {name: value for name, value in vars(arguments).items() if name in kinds and value is not None}
    values = {name: kinds[name].collect(value) if kinds[name].repeatable else value for name, value in given.items()}
    packaging = Packaging(**{name: values.pop(name) for name in _FLAGS if name in values})
    request = PackageRequest(entry=arguments.entry, packaging=packaging, **values)
    return _as_layer(request) if getattr(arguments, "layer", False) else request


def _as_layer(request: PackageRequest) -> PackageRequest:
    """Return the request of a layer. It is for the one runtime that is named, so only this one looks into the layer's folder."""
    if request.packaging.dependencies == "layer":
        raise UsageError(
            "--layer makes a layer of all, and --dependencies=layer divides a function's package; give one of them."
        )
    folder = layer_folder([request.runtime])
    return dataclasses.replace(request, root=folder).with_packaging(dependencies="package")


def print_findings(findings: Iterable[Finding], entry: Path) -> None:
    """Print findings on stderr, where they don't disturb a program that reads stdout."""
    told = excerpt(findings)
    for finding in told.shown:
        print(f"{finding.severity}: {name_places(str(finding), entry)}", file=sys.stderr)
    for _, text in told.more:
        print(text, file=sys.stderr)


def warn_of_errors(inspected: Inspection, entry: str) -> None:
    """Say on stderr that a package that is shown has errors, so that it can't be made."""
    acknowledged = inspected.examined.inputs.request.packaging.acknowledge or ()
    errors = sum(has_errors([finding], acknowledge=acknowledged) for finding in inspected.examined.findings)
    if errors:
        # A commit can't be checked.
        advice = f"; `cdk-lambda-package check {entry}`, with the same --runtime, shows what fails"
        shown = advice if Path(entry).is_dir() else ""
        print(f"warning: the package of {entry} has {count(errors, 'error')}{shown}.", file=sys.stderr)


def _help_of(name: str, declared: Option, text: str) -> str:
    default = f"${variable_of(name)}, else {declared.default}"
    repeatable = "repeatable; " if declared.kind.repeatable else ""
    return f"{text[:1].lower()}{text[1:].rstrip('.')} ({repeatable}default: {default})".replace("`", "")


def _add(
    group: argparse._ArgumentGroup, name: str, kind: Kind, text: str, *, repeatable: bool, required: bool = False
) -> None:
    facts: dict[str, Any] = {"action": "append" if repeatable else "store"}
    if kind.is_flag:
        facts["action"] = argparse.BooleanOptionalAction
    elif kind.choices:
        facts["choices"] = kind.choices
    else:
        facts |= {"metavar": kind.metavar, "type": _reader(kind)}
    group.add_argument(f"--{name.replace('_', '-')}", help=text.replace("%", "%%"), required=required, **facts)


def _reader(kind: Kind) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind.item(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted; give {kind.metavar}") from error

    return read
