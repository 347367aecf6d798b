"""The reference of the command line, from the parsers of its commands; tools/reference.py writes it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from cdk_lambda_package.cli import PROGRAM, command_parser
from cdk_lambda_package.commands.arguments import add_entry
from cdk_lambda_package.options import Group

# Groups of arguments that several commands have. The page describes them once.
_SHARED = {
    "Function": "[the options of a function](#options-of-all-commands-with-an-entry-directory)",
    "Whole app": "[those for a whole app](#a-whole-app-in-place-of-an-entry-directory)",
    **{group.value: "[the packaging options](options.md)" for group in Group},
}
_FLAG = re.compile(r"(?<![`\w-])(--?[a-z][\w-]*(?:=\w+(?:\.\w+)?)?)")
_DEFAULT = re.compile(r" \(default: (?P<text>.+)\)$")


def command_block(name: str) -> str:
    """Return the usage of a command and its own arguments; the shared ones are linked.

    Example:
        `print(command_block("build"))`
    """
    parser = command_parser(name)
    groups = [(group.title or "", group._group_actions) for group in parser._action_groups]  # noqa: SLF001 - argparse has no other way
    own = [action for title, actions in groups if title not in _SHARED for action in actions if _is_shown(action)]
    usage = " ".join([f"{PROGRAM} {name}", *filter(None, map(_usage_of, own)), "[OPTIONS]"])
    shared = {title for title, actions in groups if actions}
    links = list(dict.fromkeys(link for title, link in _SHARED.items() if title in shared))
    lines = [f"Usage: `{usage}`", "", *_table(own)]
    if links:
        *first, last = links
        lines += ["", f"The command also takes {' and '.join(filter(None, [', '.join(first), last]))}."]
    return "\n".join(lines)


def shared_block(title: str) -> str:
    """Return the table of a group of arguments that several commands have.

    Example:
        `print(shared_block("Function"))`
    """
    parser = argparse.ArgumentParser()
    add_entry(parser, app=title == "Whole app")
    actions = [group._group_actions for group in parser._action_groups if group.title == title]  # noqa: SLF001
    return "\n".join(_table(actions[0]))


def _is_shown(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS  # noqa: SLF001


def _table(actions: list[argparse.Action]) -> Iterator[str]:
    yield "| argument | meaning | default |"
    yield "|---|---|---|"
    for action in actions:
        text = " ".join((action.help or "").replace("%%", "%").split())
        default = _DEFAULT.search(text)
        text = _DEFAULT.sub("", text)
        if action.choices:
            text += f": {', '.join(f'`{choice}`' for choice in action.choices)}"
        said = default["text"] if default and default["text"] != str(action.default) else ""
        cells = (_name_of(action), _in_code(text), _in_code(said) or _default_of(action))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _name_of(action: argparse.Action) -> str:
    value = _value_of(action)
    if not action.option_strings:
        return f"`{value}`"
    *others, last = action.option_strings
    # argparse writes an optional value in brackets.
    shown = {None: f"{last} {value}", "?": f"{last}[={value}]", 0: last}.get(action.nargs, f"{last} {value}")
    return ", ".join(f"`{one}`" for one in (*others, shown))


def _usage_of(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"[{_value_of(action)}]" if action.nargs in ("?", "*") else _value_of(action)
    return f"{action.option_strings[-1]} {_value_of(action)}" if action.required else ""


def _value_of(action: argparse.Action) -> str:
    metavar = action.metavar[0] if isinstance(action.metavar, tuple) else action.metavar
    return metavar or (action.dest.upper().replace("_", "-") if action.option_strings else action.dest.upper())


def _default_of(action: argparse.Action) -> str:
    if action.required:
        return "required"
    if action.nargs == 0:
        return "off"
    return "none" if action.default is None else f"`{action.default}`"


def _in_code(text: str) -> str:
    """Return help with its flags, files and variables in code."""
    text = _FLAG.sub(r"`\1`", text)
    return re.sub(r"(?<![`\w/])(\$[A-Z_]+|[a-z]+\.(?:py|toml|json|txt)|vendor/)", r"`\1`", text)
