"""A package as the checks see it: facts, taken beforehand, and nothing of the machine that they are taken on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cdk_lambda_package.app_directory.entry import APP_FOLDER
from cdk_lambda_package.modules.facts import ModuleFacts
from cdk_lambda_package.modules.layers import Layer
from cdk_lambda_package.splicing.tree import AFTER_PACKAGING, APP, VENDOR, Decision, Entry
from cdk_lambda_package.target import Target

# Imported where there is a binary.
if TYPE_CHECKING:
    from cdk_lambda_package.binaries.facts import BinaryFacts

OWN = (APP, VENDOR, AFTER_PACKAGING)
"""Owners of what the user answers for; everything else is a distribution's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntaxFault:
    """Why a module can't be compiled for the target; `line` and `column` count from 1.

    It isn't `certain` where the parser couldn't read the module, and Python may.
    """

    path: str
    line: int
    column: int
    message: str
    certain: bool = True


class Notes(Protocol):
    """Values, anything that JSON has, that checks would work out again from the same files, by digests of what they are of."""

    def get(self, key: str) -> Any | None:
        """Return what was kept under a key."""

    def keep(self, key: str, value: Any) -> None:
        """Keep a value for later checks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageContents:
    """Everything that checks may ask of a package.

    Attributes:
        target: What it is for.
        index: The path of the handler's module.
        handler: The handler's name in it; None where it was neither given nor found.
        entries: Its files by path, in order.
        module_facts: Gives the facts of a module by its path; of the user's own (see `OWN`) they are mostly at hand.
        syntax_faults: Those of the user's modules, in order of their paths.
        binaries: The facts of binaries by path: of the user's own files, of wheels that were built here, and of wheels
            whose tag promises nothing.
        layers: The function's layers.
        provided: Canonical names of the distributions that the environment provides.
        archive_size: Bytes that the .zip file archive takes.
        unpackaged: Modules of the entry directory that aren't in the package, by their paths; of a folder that has none
            there only its own, which ends with a slash.
        decisions: What was settled on the way, such as distributions that were left out.
        notes: What checks of the same files worked out before; None where nothing is remembered.
        memo: What one check worked out and another may use.
    """

    target: Target
    index: str
    handler: str | None
    entries: Mapping[str, Entry]
    module_facts: Callable[[str], ModuleFacts]
    syntax_faults: tuple[SyntaxFault, ...] = ()
    binaries: Mapping[str, BinaryFacts] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    provided: tuple[str, ...] = ()
    archive_size: int = 0
    unpackaged: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: Notes | None = None
    memo: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def is_app(self, path: str) -> bool:
        """Tell whether a file is the app's own code, also where a command of `after_packaging` made or changed it."""
        entry = self.entries.get(path)
        if entry is None or entry.owner != AFTER_PACKAGING:
            return entry is not None and entry.owner == APP
        return path.partition("/")[0] in (self.index.partition("/")[0], APP_FOLDER)

    def place(self, path: str) -> str:
        """Return where the user finds a file of the package: what vendor/ provides lies there in the entry directory."""
        entry = self.entries.get(path)
        return f"{VENDOR}/{path}" if entry is not None and entry.owner == VENDOR else path
