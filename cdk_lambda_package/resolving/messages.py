"""What pip's process says while it works (`inside_pip/progress.py`), for the step that it works on. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable

from cdk_lambda_package.progress import Step, name_file

MARK = "cdk-lambda-package progress: "
"""Begins each line of pip's output that is a message to us."""


def hear(line: str, step: Step) -> None:
    """Tell a step what a line of pip's output says about it; other lines say nothing.

    Example:
        `hear(MARK + '{"file": "six-1.17.0-py2.py3-none-any.whl", "done": 0, "size": 11050}', step)`
    """
    if not line.startswith(MARK):
        return
    try:
        message = json.loads(line.removeprefix(MARK))
    except ValueError:
        # The process was ended in the middle of it.
        return
    if "note" in message:
        step.note(message["note"])
    elif "file" in message:
        step.transfer(name_file(message["file"]), message["done"], message["size"])
    else:
        step.update(message["name"])


def hearing(step: Step | None) -> Callable[[str], None]:
    """Return what hears each line of pip's output for a step, or for none."""

    def hear_line(line: str) -> None:
        if step is not None:
            hear(line, step)

    return hear_line


def without_messages(output: str) -> str:
    """Return pip's output without the messages, as people read it."""
    return "".join(line for line in output.splitlines(keepends=True) if not line.startswith(MARK))
