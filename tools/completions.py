"""Write the completion scripts of the command line, from its parsers: cdk_lambda_package/completions.

python tools/completions.py           writes the scripts
python tools/completions.py --check   writes nothing; exit status 1 if one is out of date
"""

from __future__ import annotations

import argparse
import sys

import shtab

from cdk_lambda_package.cli import COMMANDS, PROGRAM, command_parser
from cdk_lambda_package.commands.completion import SHELLS, script_of

# Operands and options whose values are paths.
_FOLDERS = frozenset({"entry", "output", "layer_output", "cache_dir", "layers"})
_FILES = frozenset(
    {"subject", "before", "after", "zip", "layer_zip", "manifest", "sbom", "event", "requirements", "index"}
)


def main() -> int:
    """Write the scripts, or say which is out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a script is out of date")
    given, outdated = parser.parse_args(), []
    for shell in SHELLS:
        path, text = script_of(shell), make_script(shell)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        outdated.append(path.name)
        if not given.check:
            path.write_text(text, encoding="utf-8")
    if given.check and outdated:
        print(f"{', '.join(outdated)}: out of date; run `python tools/completions.py`", file=sys.stderr)
        return 1
    return 0


def make_script(shell: str) -> str:
    """Return the script of a shell."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Package Python for AWS Lambda.")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers()
    for name, text in COMMANDS.items():
        made = command_parser(name)
        # Their arguments are added by themselves: a parser can't be moved below another one.
        below = commands.add_parser(name, help=text, parents=[made], add_help=False, prog=made.prog)
        for action in below._actions:  # noqa: SLF001 - argparse has no other way to list them
            if action.dest in _FOLDERS or action.dest in _FILES:
                action.complete = shtab.DIRECTORY if action.dest in _FOLDERS else shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(parser, shell)
    return f"{script.rstrip()}\n"


if __name__ == "__main__":
    sys.exit(main())
