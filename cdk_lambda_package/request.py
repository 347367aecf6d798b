"""What to package: the options of the library, the command line and the construct, under the same names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from cdk_lambda_package.app_directory.entry import check_index, normalise_index
from cdk_lambda_package.app_directory.listing import SymlinkFollowMode
from cdk_lambda_package.app_directory.patterns import check_patterns
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.modules.handler import read_handler
from cdk_lambda_package.modules.layers import Layer, LayerFiles, LayerSource
from cdk_lambda_package.option_values import (
    check_choice,
    check_commands,
    check_duration,
    check_environment,
    check_flag,
    check_list,
    check_names,
    check_path,
    check_text,
)
from cdk_lambda_package.requirements.index_hosts import read_hosts
from cdk_lambda_package.requirements.lock_file import check_requirements_name
from cdk_lambda_package.requirements.upload_limit import UploadedPriorTo, parse_upload_limit

SLIM, FULL = "slim", "full"
PIP, UV = RESOLVERS = ("pip", "uv")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRequest:
    """A deployment package to be made of an entry directory, for a runtime and an architecture.

    None stands for what isn't said here: the environment's default counts (see `defaults`), else the one that is named.

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
            ARNs; see `LayerSource`. Paths are relative to the working directory.
        include: Further files of `entry`, as gitignore-style patterns.
        exclude: Files of the user's own, of vendor/ too, to leave out; wins over `include`.
        provided: Distributions that vendor/ or the environment provides; they leave the resolution.
        exclude_distributions: Distributions to leave out after the resolution, with all that only they need.
        exclude_from_requirements: Files of requirements to leave out, as gitignore-style patterns.
        chalice: `slim` packages of an imported chalice what Chalice itself would, `full` the whole distribution.
        follow_symlinks: What becomes of symbolic links; see `SymlinkFollowMode`.
        max_lock_age: How long a resolution that isn't pinned by hashes is used again; a day.
        requirements: The requirements file or the lock, relative to `entry`; else the lock in `entry` or above it, else
            requirements.txt, if there is one.
        groups: Dependency groups of the lock to package besides what it has by default.
        extras: Extras of the lock's project to package.
        resolver: `pip`, or `uv`; pip.
        pip_args: Further arguments for pip, such as `--index-url`.
        pip_environment: Further environment variables for pip.
        allow_build: False refuses whatever isn't a wheel, before any code of it runs; True.
        require_hashes: True refuses whatever the user didn't pin by a hash; False.
        uploaded_prior_to: Take only what was uploaded before a day or instant (UTC), or at least so long ago; no limit.
        only_index: The hosts, or index URLs with them, that anything may be fetched from; any host.
        build_constraint: A constraints file for what builds need, relative to `entry`.
        build_image: The container image that builds wheels which can't be had otherwise.
        before_packaging: Commands, each a tuple of words, run in a copy of the entry directory before it is packaged.
        after_packaging: Commands run in the unpacked package; what they leave is packaged.
        acknowledge: Ids of findings that are known and accepted; `id:subject` is a certain one.
        smoke: True imports the handler's module from the package, where this machine has the target's Python.
        smoke_timeout: How long that may take.
        environment: The function's environment variables, as far as they are known, for `smoke`.
    """

    entry: str | os.PathLike[str]
    runtime: str
    architecture: str = "x86_64"
    index: str | os.PathLike[str] | None = None
    handler: str | None = None
    layers: Sequence[LayerSource] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    provided: Sequence[str] = ()
    exclude_distributions: Sequence[str] = ()
    exclude_from_requirements: Sequence[str] = ()
    chalice: str = SLIM
    follow_symlinks: str = SymlinkFollowMode.BLOCK_EXTERNAL.value
    max_lock_age: timedelta | None = None
    requirements: str | os.PathLike[str] | None = None
    groups: Sequence[str] = ()
    extras: Sequence[str] = ()
    resolver: str | None = None
    pip_args: Sequence[str] = ()
    pip_environment: Mapping[str, str] = field(default_factory=dict)
    allow_build: bool | None = None
    require_hashes: bool | None = None
    uploaded_prior_to: UploadedPriorTo | None = None
    only_index: Sequence[str] | None = None
    build_constraint: str | os.PathLike[str] | None = None
    build_image: str | None = None
    before_packaging: Sequence[Sequence[str]] = ()
    after_packaging: Sequence[Sequence[str]] = ()
    acknowledge: Sequence[str] = ()
    smoke: bool = False
    smoke_timeout: timedelta = timedelta(seconds=10)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that can't be meant, whatever there is: `OptionError`, or `EntryError` for the index."""
        self._check_kinds()
        self._check_supply()
        _check_layers(self.layers)
        check_choice("chalice", self.chalice, [SLIM, FULL])
        check_choice("resolver", PIP if self.resolver is None else self.resolver, RESOLVERS)
        check_choice("follow_symlinks", self.follow_symlinks, [mode.value for mode in SymlinkFollowMode])
        for name in ("provided", "exclude_distributions"):
            check_names(name, getattr(self, name))
        for name in ("include", "exclude", "exclude_from_requirements"):
            check_patterns(name, getattr(self, name), self.entry_path)
        if self.requirements is not None:
            check_requirements_name(self.requirements)
        index = self.handler_module
        if index is not None:
            check_index(normalise_index(index))
        if self.acknowledge:
            # Imported here: most requests acknowledge nothing.
            from cdk_lambda_package.acknowledgements import check_acknowledgements

            check_acknowledgements(self.acknowledge)

    def _check_kinds(self) -> None:
        for check, examples in _EXAMPLES:
            for name, example in examples.items():
                check(name, getattr(self, name), example)
        for check, examples in _OPTIONAL:
            for name, example in examples.items():
                if getattr(self, name) is not None:
                    check(name, getattr(self, name), example)
        for name in ("allow_build", "require_hashes", "smoke"):
            if getattr(self, name) is not None:
                check_flag(name, getattr(self, name))
        if self.smoke_timeout <= timedelta(0):
            raise OptionError(f"smoke_timeout is {self.smoke_timeout!r}; give a timedelta above zero.")

    def _check_supply(self) -> None:
        if self.uploaded_prior_to is not None:
            parse_upload_limit(self.uploaded_prior_to)
        if self.only_index is not None:
            check_list("only_index", self.only_index, "pypi.example.com")
            read_hosts(self.only_index)

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
    """The options of `PackageRequest` besides entry, runtime, architecture and layers, as keyword arguments.

    None stands for what isn't given.
    """

    index: str | os.PathLike[str] | None
    handler: str | None
    include: Sequence[str] | None
    exclude: Sequence[str] | None
    provided: Sequence[str] | None
    exclude_distributions: Sequence[str] | None
    exclude_from_requirements: Sequence[str] | None
    chalice: str
    follow_symlinks: str
    max_lock_age: timedelta | None
    requirements: str | os.PathLike[str] | None
    groups: Sequence[str] | None
    extras: Sequence[str] | None
    resolver: str | None
    pip_args: Sequence[str] | None
    pip_environment: Mapping[str, str] | None
    allow_build: bool | None
    require_hashes: bool | None
    uploaded_prior_to: UploadedPriorTo | None
    only_index: Sequence[str] | None
    build_constraint: str | os.PathLike[str] | None
    build_image: str | None
    before_packaging: Sequence[Sequence[str]] | None
    after_packaging: Sequence[Sequence[str]] | None
    acknowledge: Sequence[str] | None
    smoke: bool
    smoke_timeout: timedelta
    environment: Mapping[str, str] | None


# With examples, which errors show.
_OPTIONAL: tuple[tuple[Callable[[str, object, str], None], dict[str, str]], ...] = (
    (check_path, {"index": "api/main.py", "requirements": "requirements.txt", "build_constraint": "constraints.txt"}),
    (check_text, {"handler": "handler", "build_image": "public.ecr.aws/sam/build-python3.13"}),
    (check_duration, {"max_lock_age": "timedelta(hours=1)"}),
)
_EXAMPLES: tuple[tuple[Callable[[str, object, str], None], dict[str, str]], ...] = (
    (check_path, {"entry": "orders"}),
    (check_text, {"runtime": "python3.13", "architecture": "arm64"}),
    (
        check_list,
        {
            "include": "assets/**",
            "exclude": "*.md",
            "provided": "boto3",
            "exclude_distributions": "boto3",
            "exclude_from_requirements": "**/tests/**",
            "groups": "lambda",
            "extras": "api",
            "pip_args": "--pre",
            "acknowledge": "requirements-not-locked",
        },
    ),
    (
        check_environment,
        {"pip_environment": "{'PIP_INDEX_URL': 'https://…'}", "environment": "{'TABLE_NAME': 'orders'}"},
    ),
    (check_commands, {"before_packaging": "[['make', 'assets']]", "after_packaging": "[['python', 'build.py']]"}),
    (check_duration, {"smoke_timeout": "timedelta(seconds=30)"}),
)


def _check_layers(value: object) -> None:
    kinds = (str, os.PathLike, LayerFiles, Layer)
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Sequence)
        or not all(isinstance(item, kinds) for item in value)
    ):
        raise OptionError(
            f"layers is {value!r}; give a list of directories, .zip file archives or ARNs, such as ['layers/common']."
        )
