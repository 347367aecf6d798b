"""Every finding there is: its id, which stays the same, how much it matters, and what it is called. Pure.

Each has a page of its own, docs/reference/checks/<id>.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cdk_lambda_package.errors import Severity


class Rule(NamedTuple):
    """A kind of finding; `severity` is what its findings have.

    What isn't `acknowledgeable` leaves no package that could be used all the same.
    """

    id: str
    severity: Severity
    title: str
    acknowledgeable: bool = True


RULES: tuple[Rule, ...] = (
    Rule("syntax-error", Severity.ERROR, "The runtime's Python can't compile a module"),
    Rule("syntax-uncertain", Severity.WARNING, "The runtime's Python can't compile a module that may be imported"),
    Rule("handler-not-found", Severity.ERROR, "The module doesn't define the handler"),
    Rule("handler-not-callable", Severity.ERROR, "The handler isn't something that Lambda can call"),
    Rule("handler-unknown", Severity.WARNING, "No handler was named, and the module has several candidates or none"),
    Rule("import-not-found", Severity.ERROR, "An imported module is nowhere on Lambda"),
    Rule("import-uncertain", Severity.WARNING, "A module that may be imported is nowhere to be seen"),
    Rule("name-not-found", Severity.ERROR, "A module doesn't have an imported name"),
    Rule("removed-from-standard-library", Severity.ERROR, "The runtime's standard library has lost a module"),
    Rule("shadows-standard-library", Severity.WARNING, "A module hides one of the standard library"),
    Rule("shadows-requirement", Severity.WARNING, "A module hides a requirement's"),
    Rule("binary-for-other-machine", Severity.ERROR, "A binary is for another machine or system"),
    Rule("binary-broken", Severity.ERROR, "A binary is cut off, or something else has its name"),
    Rule("binary-needs-newer-system", Severity.ERROR, "A binary needs a newer glibc or libstdc++"),
    Rule("binary-for-other-python", Severity.ERROR, "An extension module is for another Python"),
    Rule("library-not-found", Severity.ERROR, "A shared library is nowhere on Lambda"),
    Rule("library-uncertain", Severity.WARNING, "A shared library may be missing"),
    Rule("package-too-large", Severity.ERROR, "The package is larger than Lambda takes"),
    Rule("archive-over-50-mb", Severity.NOTE, "The .zip file archive is over 50 MB"),
    Rule("smoke-failed", Severity.ERROR, "The handler's module can't be imported"),
    Rule("smoke-timed-out", Severity.ERROR, "Importing the handler's module takes too long"),
    Rule("variable-not-set", Severity.WARNING, "The handler's module needs an environment variable to be imported"),
    Rule("smoke-skipped", Severity.NOTE, "The handler's module could not be tried on this machine"),
    Rule("entry-not-usable", Severity.ERROR, "The entry directory can't be packaged", acknowledgeable=False),
    Rule("requirements-not-resolved", Severity.ERROR, "The requirements can't be provided", acknowledgeable=False),
    Rule("wheel-not-usable", Severity.ERROR, "A wheel can't be spliced", acknowledgeable=False),
    Rule("command-failed", Severity.ERROR, "A command before or after packaging failed", acknowledgeable=False),
    Rule("runtime-assumed", Severity.WARNING, "The runtime is newer than this library knows"),
    Rule("include-selects-nothing", Severity.WARNING, "A pattern of include matches no file"),
    Rule("symlink-left-out", Severity.WARNING, "A symbolic link is left out"),
    Rule("requirements-not-locked", Severity.WARNING, "The requirements aren't pinned by hashes"),
    Rule("project-not-locked", Severity.WARNING, "A project's dependencies aren't packaged, since no lock has them"),
    Rule("lock-of-the-cdk-app", Severity.WARNING, "The lock above the entry directory is the CDK app's own"),
    Rule("index-unreachable", Severity.WARNING, "The index can't be reached, and an old resolution is used"),
    Rule("index-not-read", Severity.WARNING, "A page of an index couldn't be read"),
    Rule("upload-time-unknown", Severity.WARNING, "Nobody says when a file was uploaded"),
    Rule("yanked-release", Severity.WARNING, "A release was yanked"),
    Rule("unknown-extra", Severity.WARNING, "A distribution doesn't have a required extra"),
    Rule("built-without-compiler", Severity.WARNING, "A source was built without its optional extension"),
    Rule("built-by-other-python", Severity.WARNING, "A source was built by another Python than the target's"),
    Rule("own-file-wins", Severity.WARNING, "A file of your own takes the place of a requirement's"),
    Rule("path-conflict", Severity.ERROR, "Two distributions have different modules at one path"),
    Rule("path-conflict-data", Severity.WARNING, "Two distributions have different files at one path"),
    Rule("file-and-folder", Severity.ERROR, "A path is a file and a folder"),
    Rule("case-clash", Severity.WARNING, "Two paths differ by case only"),
    Rule("acknowledged-nothing", Severity.NOTE, "An acknowledgement matches no finding"),
)
"""In the order in which they are listed."""

BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}
