"""What to package: the options of the library, the command line and the construct, under the same names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from cdk_lambda_package._pip_urls import without_credentials
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.listing import SymlinkFollowMode

SLIM, FULL = "slim", "full"
PIP, UV = RESOLVERS = ("pip", "uv")
RESOLVER_VARIABLE = "CDK_LAMBDA_PACKAGE_RESOLVER"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRequest:
    """A deployment package to be made of an entry directory, for a runtime and an architecture.

    Attributes:
        entry: The app's directory.
        runtime: Lambda's identifier, `python3.9` to `python3.14`.
        architecture: `x86_64` or `arm64`.
        index: The handler's module, relative to `entry`: app.py if there is one, else index.py. In a folder, the whole
            top-level folder is packaged.
        include: Further files of `entry`, as gitignore-style patterns.
        exclude: Files of the user's own, of vendor/ too, to leave out; wins over `include`.
        provided: Distributions that vendor/ or the environment provides; they leave the resolution.
        exclude_distributions: Distributions to leave out after the resolution, with all that only they need.
        exclude_from_requirements: Files of requirements to leave out, as gitignore-style patterns.
        chalice: `slim` packages of an imported chalice what Chalice itself would, `full` the whole distribution.
        follow_symlinks: What becomes of symbolic links; see `SymlinkFollowMode`.
        max_lock_age: How long a resolution that isn't pinned by hashes is used again.
        requirements: The requirements file or the lock, relative to `entry`; else the lock in `entry` or above it, else
            requirements.txt, if there is one.
        groups: Dependency groups of the lock to package besides what it has by default.
        extras: Extras of the lock's project to package.
        resolver: `pip`, or `uv`; $CDK_LAMBDA_PACKAGE_RESOLVER if not given, else pip.
        pip_args: Further arguments for pip, such as `--index-url`.
        pip_environment: Further environment variables for pip.
        allow_build: False refuses whatever isn't a wheel, before any code of it runs.
        build_constraint: A constraints file for what builds need, relative to `entry`.
        build_image: The container image that builds wheels which can't be had otherwise.
        before_packaging: Commands, each a tuple of words, run in a copy of the entry directory before it is packaged.
        after_packaging: Commands run in the unpacked package; what they leave is packaged.
        acknowledge: Ids of findings that are known and accepted.
    """

    entry: str | os.PathLike[str]
    runtime: str
    architecture: str = "x86_64"
    index: str | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    provided: Sequence[str] = ()
    exclude_distributions: Sequence[str] = ()
    exclude_from_requirements: Sequence[str] = ()
    chalice: str = SLIM
    follow_symlinks: str = SymlinkFollowMode.BLOCK_EXTERNAL.value
    max_lock_age: timedelta = timedelta(days=1)
    requirements: str | os.PathLike[str] | None = None
    groups: Sequence[str] = ()
    extras: Sequence[str] = ()
    resolver: str | None = None
    pip_args: Sequence[str] = ()
    pip_environment: Mapping[str, str] = field(default_factory=dict)
    allow_build: bool = True
    build_constraint: str | os.PathLike[str] | None = None
    build_image: str | None = None
    before_packaging: Sequence[Sequence[str]] = ()
    after_packaging: Sequence[Sequence[str]] = ()
    acknowledge: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse values that can't be meant, `OptionError` naming what is accepted."""
        modes = [mode.value for mode in SymlinkFollowMode]
        _check_choice("chalice", self.chalice, [SLIM, FULL])
        _check_choice("resolver", self.resolver or PIP, list(RESOLVERS))
        _check_choice("follow_symlinks", self.follow_symlinks, modes)
        for name in ("runtime", "architecture"):
            _check_text(name, getattr(self, name))
        if self.index is not None:
            _check_text("index", self.index)
        for name in _LISTS:
            _check_list(name, getattr(self, name))
        for name in _DISTRIBUTIONS:
            _check_names(name, getattr(self, name))
        for name in _COMMANDS:
            _check_commands(name, getattr(self, name))
        _check_environment(self.pip_environment)
        if not isinstance(self.max_lock_age, timedelta):
            raise OptionError(f"max_lock_age is {self.max_lock_age!r}; give a datetime.timedelta.")

    @property
    def entry_path(self) -> Path:
        """The entry directory, absolute."""
        return Path(self.entry).absolute()


class PackagingOptions(TypedDict, total=False):
    """The options of `PackageRequest` besides entry, runtime and architecture, as keyword arguments."""

    index: str | None
    include: Sequence[str]
    exclude: Sequence[str]
    provided: Sequence[str]
    exclude_distributions: Sequence[str]
    exclude_from_requirements: Sequence[str]
    chalice: str
    follow_symlinks: str
    max_lock_age: timedelta
    requirements: str | os.PathLike[str] | None
    groups: Sequence[str]
    extras: Sequence[str]
    resolver: str | None
    pip_args: Sequence[str]
    pip_environment: Mapping[str, str]
    allow_build: bool
    build_constraint: str | os.PathLike[str] | None
    build_image: str | None
    before_packaging: Sequence[Sequence[str]]
    after_packaging: Sequence[Sequence[str]]
    acknowledge: Sequence[str]


_LISTS = (
    "include",
    "exclude",
    "provided",
    "exclude_distributions",
    "exclude_from_requirements",
    "groups",
    "extras",
    "pip_args",
    "acknowledge",
)
_DISTRIBUTIONS = ("provided", "exclude_distributions")
_COMMANDS = ("before_packaging", "after_packaging")

# https://packaging.python.org/specifications/name-normalization/#name-format
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)


def _check_choice(name: str, value: str, accepted: list[str]) -> None:
    if value not in accepted:
        raise OptionError(f"{name} is {value!r}; accepted are {', '.join(accepted)}.")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise OptionError(f"{name} is {value!r}; give a string.")


def _is_list(value: object) -> bool:
    # A set has another order in each process, and a generator is empty when it is read again.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _check_list(name: str, value: Sequence[object]) -> None:
    if not _is_list(value) or not all(isinstance(item, str) for item in value):
        shown = without_credentials(repr(value))
        raise OptionError(f"{name} is {shown}; give a list of strings, such as [{shown}].")


def _check_names(name: str, value: Sequence[str]) -> None:
    wrong = [item for item in value if not _NAME.fullmatch(item)]
    if wrong:
        raise OptionError(f"{name} has {wrong[0]!r}; give names of distributions, without versions or extras.")


def _check_environment(value: object) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for item in value.items() for part in item):
        # Not its content: what is given to pip may be a password.
        raise OptionError("pip_environment should be a mapping of strings, such as {'PIP_INDEX_URL': 'https://…'}.")


def _check_commands(name: str, value: Sequence[Sequence[object]]) -> None:
    if not _is_list(value) or not all(_is_list(words) and words for words in value):
        wrong = True
    else:
        wrong = not all(isinstance(word, str) for words in value for word in words)
    if wrong:
        raise OptionError(
            f"{name} is {value!r}; give a list of commands, each a list of words, such as [['make', 'assets']]. "
            "No shell reads them."
        )
