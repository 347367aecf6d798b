"""How an app's process shows an error of this library that it doesn't catch: once, and without the frames of libraries.

CDK passes errors through jsii, which raises each from another one with the same text, with two stacks. Python would print all of it,
and the reason is easily overlooked.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

import jsii

from cdk_lambda_package.errors import PackageError

# The folders with code that isn't the app's.
_LIBRARIES = (Path(__file__).parents[1], Path(jsii.__file__).parent, Path(jsii.__file__).parents[1] / "aws_cdk")


class PlainErrors:
    """Prints errors of this library, and those of CDK that have their text, and passes all others on to Python.

    `texts` returns the texts of the errors that functions have.
    """

    def __init__(self) -> None:
        """Take no text yet."""
        self._texts: list[Callable[[], list[str]]] = []

    @classmethod
    def show(cls, texts: Callable[[], list[str]] | None = None) -> None:
        """Show errors plainly from now on, unless the app or its tools have a hook of their own."""
        hook = sys.excepthook
        if hook is sys.__excepthook__:
            hook = sys.excepthook = cls()
        if texts is not None and isinstance(hook, cls):
            hook._texts.append(texts)

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Show an error that ends the process; Python calls this."""
        # A process without a console has no stderr.
        if sys.stderr is not None and self._is_ours(error):
            print_plainly(error, trace, sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    def _is_ours(self, error: BaseException) -> bool:
        if isinstance(error, PackageError):
            return True
        told = str(error)
        return isinstance(error, RuntimeError) and any(
            text.split("\n", 1)[0] in told for texts in self._texts for text in texts() if text
        )


def print_plainly(error: BaseException, trace: TracebackType | None, stream: TextIO) -> None:
    """Write an error with the frames of the app alone, and without those that it was raised from."""
    frames = [frame for frame in traceback.extract_tb(trace) if not _is_of_library(frame.filename)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    stream.write("".join([*lines, f"{type(error).__name__}: {error}\n"]))


def _is_of_library(filename: str) -> bool:
    return filename.startswith("<") or any(Path(filename).is_relative_to(folder) for folder in _LIBRARIES)
