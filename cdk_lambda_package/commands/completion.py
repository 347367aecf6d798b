"""`completion`: the completion script of a shell, for commands, options and their values."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = (
    'completion bash > "$HOME/.local/share/bash-completion/completions/cdk-lambda-package"',
    'completion zsh > "$HOME/.zfunc/_cdk-lambda-package"',
    'completion fish > "$HOME/.config/fish/completions/cdk-lambda-package.fish"',
)

SHELLS = ("bash", "zsh", "fish")
# Written by tools/completions.py, so that nothing is imported when a shell completes.
_SCRIPTS = Path(__file__).parents[1] / "completions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    sys.stdout.write(script_of(arguments.shell).read_text(encoding="utf-8"))
    return 0


def script_of(shell: str) -> Path:
    """Return the file of a shell's script.

    Example:
        `script_of("zsh").read_text()`
    """
    return _SCRIPTS / f"cdk-lambda-package.{shell}"
