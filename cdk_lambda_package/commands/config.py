"""`config`: the value of each packaging option for an entry directory or a construct of an app, and what sets it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands.arguments import add_entry, check_single, planned_app, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import PackageError, UsageError, nearest
from cdk_lambda_package.options import OPTIONS, Setting, settings_of
from cdk_lambda_package.target import RUNTIMES

EXAMPLES = (
    "config orders",
    "config --app",
    "config --app Shop/Orders",
)

_FORMAT = 1
_HEADINGS = ("option", "value", "set by")
# A longer value moves the rest of its line.
_WIDEST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, app=True)


def run(arguments: argparse.Namespace) -> int:
    """Print the options; nothing of the entry directory but its pyproject.toml is read. Raises the kinds of `PackageError`."""
    if arguments.app is not None:
        return _run_app(arguments)
    # No option depends on it.
    arguments.runtime = arguments.runtime or RUNTIMES[-1].name
    check_single(arguments)
    settings = settings_of(request_of(arguments), own="the command line")
    if arguments.format == "json":
        described = {"format": _FORMAT, "entry": arguments.entry, "options": describe_settings(settings)}
        print(json.dumps(described, indent=2))
    else:
        print("\n".join(format_settings(settings)))
    return 0


def _run_app(arguments: argparse.Namespace) -> int:
    """Print the options of each construct of an app, or of the one whose path is given, with the defaults of the app's code."""
    path, command = arguments.entry, arguments.app
    if path is None and command and _is_no_command(command):
        path, command = command, ""
    asked = argparse.Namespace(**{**vars(arguments), "entry": None, "app": command})
    with terminal_line() as progress, planned_app(asked, progress) as plan:
        known = {one.construct: one for one in plan.packages}
    if path is not None and path not in known:
        near = nearest(path, known)
        advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)) or 'none'}."
        raise UsageError(f"no function or layer of the app has the path {path!r}; {advice}")
    chosen = [one for one in plan.packages if path in (None, one.construct)]
    if refused := [f"{one.construct}: {one.error}" for one in chosen if one.error]:
        raise PackageError("\n".join(refused))
    settings = {one.construct: settings_of(one.requests[0], own="its own packaging=") for one in chosen}
    if arguments.format == "json":
        constructs = [{"path": name, "options": describe_settings(found)} for name, found in settings.items()]
        print(json.dumps({"format": _FORMAT, "constructs": constructs}, indent=2))
        return 0
    for name, found in settings.items():
        shown = found if path is not None else tuple(one for one in found if one.sources)
        print(f"{name}\n{os.linesep.join(f'  {line}' for line in format_settings(shown))}\n")
    return 0


def _is_no_command(text: str) -> bool:
    """Return whether the value of `--app` can only be a construct's path: it begins with neither a program, a file nor a variable."""
    first = text.split(maxsplit=1)[0] if text.strip() else text
    return "=" not in first and shutil.which(first) is None and not Path(first).exists()


def describe_settings(settings: Iterable[Setting]) -> dict[str, Any]:
    """Return options with their values and what sets them, for programs.

    Example:
        `describe_settings(settings)["slim"]["value"]`
    """
    return {
        setting.name: {
            "value": _plain(setting),
            "set_by": [{"kind": one.kind.value, "place": one.place_of(setting.name)} for one in setting.sources],
        }
        for setting in settings
    }


def format_settings(settings: Sequence[Setting]) -> Iterator[str]:
    """Yield the lines of a table for people: first the options that something sets, in the order of the reference.

    Example:
        `print(*format_settings(settings), sep=os.linesep)`
    """
    rows = [_HEADINGS]
    rows += [(one.name, json.dumps(_plain(one)), _places(one)) for one in settings if one.sources]
    rows += [(one.name, OPTIONS[one.name].default.replace("`", ""), "default") for one in settings if not one.sources]
    widths = [min(max(len(row[column]) for row in rows), _WIDEST) for column in (0, 1)]
    for name, value, places in rows:
        yield f"{name:<{widths[0]}}  {value:<{widths[1]}}  {places}"


def _places(setting: Setting) -> str:
    return ", ".join(one.place_of(setting.name) for one in setting.sources)


def _plain(setting: Setting) -> Any:
    """Return the value of an option as JSON has it."""
    kind = OPTIONS[setting.name].kind
    if setting.value is None:
        return False if kind.is_flag else None
    return kind.plain(setting.value)
