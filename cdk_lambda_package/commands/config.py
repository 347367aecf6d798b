"""`config`: the value of each packaging option for an entry directory, and what sets it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cdk_lambda_package.commands.arguments import add_entry, request_of
from cdk_lambda_package.options import OPTIONS, Setting, settings_of

_FORMAT = 1
_HEADINGS = ("option", "value", "set by")
# A longer value moves the rest of its line.
_WIDEST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, needs_runtime=False)


def run(arguments: argparse.Namespace) -> int:
    """Print the options; nothing of the entry directory but its pyproject.toml is read. Raises the kinds of `PackageError`."""
    settings = settings_of(request_of(arguments), own="the command line")
    if arguments.format == "json":
        described = {"format": _FORMAT, "entry": arguments.entry, "options": describe_settings(settings)}
        print(json.dumps(described, indent=2, ensure_ascii=False))
    else:
        print("\n".join(format_settings(settings)))
    return 0


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
    rows += [(one.name, json.dumps(_plain(one), ensure_ascii=False), _places(one)) for one in settings if one.sources]
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
