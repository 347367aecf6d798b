"""Environment variables, and keys of a CDK app's context, that are read beside options.

Each is declared where it is read, with its meaning and its default. docs/reference/environment.md is made of these declarations
(tools/reference.py), and so no variable can be read without being described.
"""

from __future__ import annotations

import enum
from typing import Self


class ReadBy(enum.StrEnum):
    """The heading under which the reference lists a name."""

    LIBRARY = "Variables of the machine"
    TOOLS = "Variables of other tools"
    FUNCTION = "Variables of a function"
    CONTEXT = "Context keys of CDK"


class OutsideName(str):
    """The name of an environment variable or of a context key, with a description.

    A name that ends with `_` is the beginning of the names of several variables.

    Attributes:
        read_by: The heading under which the reference lists it.
        meaning: What it does: a sentence in Markdown, without the name.
        default: What holds without it.

    Example:
        `os.environ.get(CACHE_DIR_VARIABLE)`
    """

    read_by: ReadBy
    meaning: str
    default: str

    def __new__(cls, name: str, *, read_by: ReadBy = ReadBy.LIBRARY, meaning: str, default: str) -> Self:
        """Declare a name."""
        declared = super().__new__(cls, name)
        declared.read_by, declared.meaning, declared.default = read_by, meaning, default
        return declared
