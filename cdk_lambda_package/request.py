"""What to package: the options of the library, the command line and the construct, under the same names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from cdk_lambda_package.entry import check_index, normalise_index
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handler import read_handler
from cdk_lambda_package.listing import SymlinkFollowMode
from cdk_lambda_package.option_values import (
    check_choice,
    check_commands,
    check_environment,
    check_flag,
    check_list,
    check_names,
    check_path,
    check_text,
)

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
        handler: The handler's name in that module, or `package.module.name` in place of `index`; by default the one
            candidate among `handler`, `lambda_handler` and what a Chalice app is bound to. `*` where several functions
            share the package, each with a handler of its own.
        layers: The function's layers, for the checks: directories or .zip file archives of what will be below /opt, or
            ARNs.
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
    index: str | os.PathLike[str] | None = None
    handler: str | None = None
    layers: Sequence[str | os.PathLike[str]] = ()
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
        """Refuse values that can't be meant, whatever there is: `OptionError`, or `EntryError` for the index."""
        check_path("entry", self.entry, "orders")
        check_text("runtime", self.runtime, "python3.13")
        check_text("architecture", self.architecture, "arm64")
        if self.build_image is not None:
            check_text("build_image", self.build_image, "public.ecr.aws/sam/build-python3.13")
        for name, example in _PATHS.items():
            if getattr(self, name) is not None:
                check_path(name, getattr(self, name), example)
        for name, example in _LISTS.items():
            check_list(name, getattr(self, name), example)
        for name in ("provided", "exclude_distributions"):
            check_names(name, getattr(self, name))
        for name in ("before_packaging", "after_packaging"):
            check_commands(name, getattr(self, name))
        check_choice("chalice", self.chalice, [SLIM, FULL])
        check_choice("resolver", PIP if self.resolver is None else self.resolver, RESOLVERS)
        check_choice("follow_symlinks", self.follow_symlinks, [mode.value for mode in SymlinkFollowMode])
        check_environment("pip_environment", self.pip_environment)
        check_flag("allow_build", self.allow_build)
        _check_age(self.max_lock_age)
        if self.handler is not None:
            check_text("handler", self.handler, "handler")
        index = self.handler_module
        if index is not None:
            check_index(normalise_index(index))

    @property
    def handler_module(self) -> str | os.PathLike[str] | None:
        """The handler's module, if `index` or `handler` says it."""
        return read_handler(self.index, self.handler)[0]

    @property
    def handler_name(self) -> str | None:
        """The handler's name in its module, if `handler` says it."""
        return read_handler(self.index, self.handler)[1]

    @property
    def entry_path(self) -> Path:
        """The entry directory, absolute."""
        return Path(self.entry).absolute()


class PackagingOptions(TypedDict, total=False):
    """The options of `PackageRequest` besides entry, runtime and architecture, as keyword arguments."""

    index: str | os.PathLike[str] | None
    handler: str | None
    layers: Sequence[str | os.PathLike[str]]
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


# With examples, which errors show.
_PATHS = {"index": "api/main.py", "requirements": "requirements.txt", "build_constraint": "constraints.txt"}
_LISTS = {
    "include": "assets/**",
    "exclude": "*.md",
    "provided": "boto3",
    "exclude_distributions": "boto3",
    "exclude_from_requirements": "**/tests/**",
    "groups": "lambda",
    "extras": "api",
    "pip_args": "--pre",
    "acknowledge": "requirements-not-locked",
}


def _check_age(value: object) -> None:
    if not isinstance(value, timedelta):
        raise OptionError(f"max_lock_age is {value!r}; give a datetime.timedelta.")
