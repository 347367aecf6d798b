"""Finds the reads of names that a standard module doesn't have in a version of Python, such as `collections.Mapping`.

A module that reads one while it is imported fails there. Only names that a version certainly lacks count, and only in modules
that are imported by a plain statement at the module's beginning, outside of any condition.
"""

from __future__ import annotations

from tree_sitter import Node

from cdk_lambda_package.import_analysis.source import dotted_name_of
from cdk_lambda_package.target import PythonVersion, absent_names


class LostNames:
    """The names that a module may read and not get.

    Example:
        After `lost.note_module("c", "collections")`, `lost.find(node)` is `("collections", "Mapping")` for `c.Mapping`.
    """

    def __init__(self, python: PythonVersion, code: bytes) -> None:
        self._python, self._code = python, code
        self._reads: dict[str, tuple[str, str]] = {}

    def note_module(self, name: str, module: str) -> list[bytes]:
        """Note that a name certainly is a module, and return the words of statements that may read what it lacks."""
        found = [lost for lost in absent_names(module, self._python) if f"{name}.{lost}".encode() in self._code]
        self._reads.update({f"{name}.{lost}": (module, lost) for lost in found})
        # The name itself too: a class may bind it to something else.
        return [name.encode(), *(f".{lost}".encode() for lost in found)] if found else []

    def forget(self, name: str) -> None:
        """Note that a name is bound to something else, or that an attribute of it is assigned."""
        if self._reads:
            self._reads = {read: lost for read, lost in self._reads.items() if not f"{read}.".startswith(f"{name}.")}

    def find(self, attribute: Node) -> tuple[str, str] | None:
        """Return the module and the name that it lacks, if an attribute certainly is one of these."""
        return self._reads.get(dotted_name_of(attribute) or "") if self._reads else None
