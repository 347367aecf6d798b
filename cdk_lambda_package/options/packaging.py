"""`Packaging`: every option that describes a deployment package, declared once.

The checks, the flags of the command line, the keys of all places that set defaults, and the reference in
docs/reference/options.md are derived from the declarations here. A new option is one more field.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from cdk_lambda_package.app_directory import SymlinkFollowMode
from cdk_lambda_package.catalogue import check_acknowledgements
from cdk_lambda_package.chalice import FULL, SLIM
from cdk_lambda_package.errors import OptionError, nearest
from cdk_lambda_package.options.kinds import (
    COMMANDS,
    DISTRIBUTIONS,
    FLAG,
    PATH,
    TEXT,
    VARIABLES,
    Kind,
    choice,
    duration,
    list_of,
)
from cdk_lambda_package.requirements import (
    HOSTS,
    UPLOAD_LIMITS,
    UploadedPriorTo,
    check_requirements_name,
    parse_upload_limit,
    read_hosts,
    stricter_limit,
    write_upload_limit,
)
from cdk_lambda_package.target import SDK


class Group(enum.StrEnum):
    """The subject of an option: the headings of the command line's help and of the reference."""

    FILES = "Files"
    REQUIREMENTS = "Requirements"
    SUPPLY_CHAIN = "Supply chain"
    BUILDS = "Builds of sources"
    COMMANDS = "Commands"
    CHECKS = "Checks"
    BYTECODE = "Bytecode"
    LAYERS = "Layers"
    DOCUMENTS = "Manifest and SBOM"


class Key(enum.StrEnum):
    """The key that an option is part of: a change of its value makes what is kept under the key another one."""

    RESOLUTION = "resolution"
    PACKAGE = "package"
    NONE = "none"


class Stricter(NamedTuple):
    """The stricter of two values of an option: in words, and as a function that returns it."""

    words: str
    of: Callable[[Any, Any], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """The declaration of an option.

    Attributes:
        kind: Which values are accepted, and how they are read from text.
        group: The subject of the option.
        example: A value, as Python code.
        default: The value that applies if nothing sets it, in words.
        fallback: The value that stands for that, None if there is none.
        guarded: Why the pyproject.toml of an entry directory sets it only where that is allowed; "" if it may always.
        adds: A nearer value is added to a default, in place of replacing it.
        stricter: Which of two values is the stricter, if one of them can be. A required rule is combined with it.
        locked: It changes what `cdk-lambda-package lock` writes, so a command that is printed has it.
        constructs_only: Only constructs use it, so the command line has no flag of that name for it.
        key: The key that it is part of.
        outside_key: For `Key.NONE`, why it is part of none.
    """

    kind: Kind
    group: Group
    example: str
    default: str = "none"
    fallback: Any = None
    guarded: str = ""
    adds: bool = False
    stricter: Stricter | None = None
    locked: bool = False
    constructs_only: bool = False
    key: Key = Key.NONE
    outside_key: str = ""


def option(kind: Kind, group: Group, example: str, **facts: Any) -> Any:
    """Declare a field of `Packaging`; see `Option`. Its default is None: not set."""
    return dataclasses.field(
        default=None, metadata={"option": Option(kind=kind, group=group, example=example, **facts)}
    )


_PATTERNS = list_of("gitignore-style patterns", "PATTERN")
_FILES = "the digests of the files that it selects are in the package's key"
_RUNS_COMMANDS = "it runs commands"


@dataclass(frozen=True, kw_only=True, slots=True)
class Packaging:
    """How a deployment package is made.

    Every option is None unless you set it. An option that is set, `()` and `False` too, overrides a default: of the entry
    directory's pyproject.toml, of `PackagingDefaults`, of the CDK app's context, or of the environment. Lists are copied.
    A value can be shared by any number of functions.

    Attributes:
        include: Further files of the entry directory to package, as gitignore-style patterns.
        exclude: Files of your own, of vendor/ too, to leave out; overrides `include`.
        exclude_from_requirements: Files of requirements to leave out, as gitignore-style patterns over the package's
            paths.
        follow_symlinks: Which symbolic links are followed: `block_external` follows links inside the entry directory
            and rejects others, `always` and `external` follow all, `never` leaves them out with a warning.
        chalice: How much of an imported chalice is packaged: `slim` packages the two modules that Chalice itself
            packages, `full` the whole distribution.
        slim: Leave out files of requirements that the function never needs: tests that nothing imports, files for
            compilers and type checkers, and the data of AWS services for which no module makes a client.
        requirements: The requirements file or lock, relative to the entry directory.
        groups: Dependency groups of the lock to package, in addition to its default groups.
        extras: Extras of the lock's project to package.
        provided: Distributions that the runtime, a layer or vendor/ provides; they are left out of the resolution. Name
            all parts of the AWS SDK, since their releases have to match.
        exclude_distributions: Distributions to leave out after the resolution, with all that only they require.
        pip_args: Further arguments for pip.
        pip_environment: Further environment variables for pip.
        max_lock_age: How long a resolution that isn't pinned by hashes is reused.
        require_hashes: Reject everything that isn't pinned by a hash, in requirements or a lock.
        uploaded_prior_to: Take only files that were uploaded before a date, or at least so long ago.
        only_index: The hosts that files may come from; an index URL stands for its host.
        allow_build: Build sdists and local projects; `False` rejects everything but wheels before any code of it
            runs.
        build_constraint: A constraints file for the requirements of builds, relative to the entry directory.
        build_image: The container image that builds wheels which can't be built otherwise.
        before_packaging: Commands, each a list of words, to run in a copy of the entry directory before it is
            packaged.
        after_packaging: Commands, each a list of words, to run in the unpacked package; their result is packaged.
        acknowledge: Ids of findings that are known and accepted; `id:subject` is a single one.
        smoke: Import the handler's module from the package, if this machine has the target's Python.
        smoke_timeout: How long the import may take.
        bytecode: Compile modules for the package, so that a cold start doesn't: `require` fails without an interpreter of
            the target's minor version on this machine, `auto` compiles nothing then, with a note.
        bytecode_scope: Which modules are compiled: `reached` are those that the handler leads to, `all` are all.
        dependencies: Where requirements and vendor/ go: `package` puts them into the function's package, `layer` into a layer, so that
            an edit of the function uploads its own code alone.
        layer_removal_policy: Whether a version of that layer is deleted when a later deployment replaces it: `destroy` deletes it,
            and `retain` keeps it.
        manifest: Write the manifest of each function and layer into the cloud assembly, beside the template. It lists the files, their
            owners and the decisions about them.
        sbom: Write a software bill of materials (CycloneDX JSON) of each function and layer into the cloud assembly, beside the
            template. It needs `cdk-lambda-package[sbom]`.

    Raises `OptionError` for a value that its option doesn't accept.

    Example:
        ```python
        house = Packaging(exclude=["*.md"], require_hashes=True)
        PythonFunction(stack, "Orders", entry="orders", runtime=lambda_.Runtime.PYTHON_3_13, packaging=house)
        ```
    """

    include: Sequence[str] | None = option(_PATTERNS, Group.FILES, '["assets/**"]', outside_key=_FILES)
    exclude: Sequence[str] | None = option(_PATTERNS, Group.FILES, '["*.md"]', outside_key=_FILES, locked=True)
    exclude_from_requirements: Sequence[str] | None = option(_PATTERNS, Group.FILES, '["**/tests/**"]', key=Key.PACKAGE)
    follow_symlinks: Literal["block_external", "always", "external", "never"] | None = option(
        choice(*(mode.value for mode in SymlinkFollowMode)),
        Group.FILES,
        '"never"',
        default="`block_external`",
        fallback=SymlinkFollowMode.BLOCK_EXTERNAL.value,
        outside_key=_FILES,
        locked=True,
    )
    chalice: Literal["slim", "full"] | None = option(
        choice(SLIM, FULL), Group.FILES, '"full"', default="`slim`", fallback=SLIM, key=Key.PACKAGE, locked=True
    )
    slim: bool | None = option(FLAG, Group.FILES, "True", default="`False`", key=Key.PACKAGE)
    requirements: str | os.PathLike[str] | None = option(
        dataclasses.replace(PATH, verify=check_requirements_name),
        Group.REQUIREMENTS,
        '"requirements.txt"',
        default="the nearest lock, else requirements.txt, if there is one",
        key=Key.RESOLUTION,
        locked=True,
    )
    groups: Sequence[str] | None = option(
        list_of("dependency groups", "NAME"), Group.REQUIREMENTS, '["lambda"]', key=Key.RESOLUTION
    )
    extras: Sequence[str] | None = option(list_of("extras", "NAME"), Group.REQUIREMENTS, '["api"]', key=Key.RESOLUTION)
    provided: Sequence[str] | None = option(
        DISTRIBUTIONS,
        Group.REQUIREMENTS,
        json.dumps(SDK),
        default="those with metadata in vendor/",
        key=Key.RESOLUTION,
        locked=True,
    )
    exclude_distributions: Sequence[str] | None = option(
        DISTRIBUTIONS, Group.REQUIREMENTS, '["boto3"]', outside_key="the wheels that remain are in the package's key"
    )
    pip_args: Sequence[str] | None = option(
        list_of("arguments", "ARG", divide=shlex.split),
        Group.REQUIREMENTS,
        '["--extra-index-url=https://packages.example.com/simple"]',
        key=Key.RESOLUTION,
        locked=True,
    )
    pip_environment: Mapping[str, str] | None = option(
        VARIABLES,
        Group.REQUIREMENTS,
        '{"PIP_INDEX_URL": "https://packages.example.com/simple"}',
        key=Key.RESOLUTION,
        locked=True,
    )
    max_lock_age: timedelta | None = option(
        duration("hours"),
        Group.REQUIREMENTS,
        "timedelta(hours=1)",
        default="a day",
        fallback=timedelta(days=1),
        outside_key="it decides whether a resolution is used, not what it is",
    )
    require_hashes: bool | None = option(
        FLAG,
        Group.SUPPLY_CHAIN,
        "True",
        default="`False`",
        stricter=Stricter("`True`", lambda one, other: one or other),
        key=Key.RESOLUTION,
    )
    uploaded_prior_to: UploadedPriorTo | None = option(
        Kind(
            accepted=UPLOAD_LIMITS,
            verify=parse_upload_limit,
            text=write_upload_limit,
            plain=write_upload_limit,
            metavar="WHEN",
        ),
        Group.SUPPLY_CHAIN,
        '"7d"',
        default="no limit",
        stricter=Stricter("the limit that is earlier today", stricter_limit),
        key=Key.RESOLUTION,
        locked=True,
    )
    only_index: Sequence[str] | None = option(
        list_of("hosts", "HOST", verify=read_hosts, accepted=f"a list of {HOSTS}"),
        Group.SUPPLY_CHAIN,
        '["packages.example.com"]',
        default="any host",
        stricter=Stricter(
            "the hosts that both lists have",
            lambda one, other: tuple(host for host in one if host in read_hosts(other)),
        ),
        key=Key.RESOLUTION,
        locked=True,
    )
    allow_build: bool | None = option(
        FLAG,
        Group.BUILDS,
        "False",
        default="`True`",
        fallback=True,
        stricter=Stricter("`False`", lambda one, other: one and other),
        key=Key.RESOLUTION,
        locked=True,
    )
    build_constraint: str | os.PathLike[str] | None = option(
        PATH, Group.BUILDS, '"build-constraints.txt"', key=Key.RESOLUTION, locked=True
    )
    build_image: str | None = option(
        dataclasses.replace(TEXT, metavar="IMAGE"),
        Group.BUILDS,
        '"public.ecr.aws/sam/build-python3.13"',
        key=Key.RESOLUTION,
        locked=True,
        guarded="it runs a container image",
    )
    before_packaging: Sequence[Sequence[str]] | None = option(
        COMMANDS, Group.COMMANDS, '[["make", "assets"]]', outside_key=_FILES, locked=True, guarded=_RUNS_COMMANDS
    )
    after_packaging: Sequence[Sequence[str]] | None = option(
        COMMANDS, Group.COMMANDS, '[["python", "build.py"]]', key=Key.PACKAGE, guarded=_RUNS_COMMANDS
    )
    acknowledge: Sequence[str] | None = option(
        list_of("ids of findings", "ID", verify=check_acknowledgements),
        Group.CHECKS,
        '["requirements-not-locked"]',
        adds=True,
        guarded="it hides findings",
        outside_key="it changes what is reported, not the package",
    )
    smoke: bool | None = option(
        FLAG, Group.CHECKS, "True", default="`False`", outside_key="it changes what is checked, not the package"
    )
    smoke_timeout: timedelta | None = option(
        duration("seconds"),
        Group.CHECKS,
        "timedelta(seconds=30)",
        default="10 seconds",
        fallback=timedelta(seconds=10),
        outside_key="it changes what is checked, not the package",
    )
    bytecode: Literal["off", "auto", "require"] | None = option(
        choice("off", "auto", "require"),
        Group.BYTECODE,
        '"require"',
        default="`off`",
        fallback="off",
        outside_key="the interpreter that compiles is in the package's key",
    )
    bytecode_scope: Literal["reached", "all"] | None = option(
        choice("reached", "all"),
        Group.BYTECODE,
        '"all"',
        default="`reached`",
        fallback="reached",
        outside_key="the modules from which others are reached are in the package's key",
    )
    dependencies: Literal["package", "layer"] | None = option(
        choice("package", "layer"),
        Group.LAYERS,
        '"layer"',
        default="`package`",
        fallback="package",
        key=Key.PACKAGE,
    )
    layer_removal_policy: Literal["destroy", "retain"] | None = option(
        choice("destroy", "retain"),
        Group.LAYERS,
        '"retain"',
        default="`destroy`",
        fallback="destroy",
        constructs_only=True,
        outside_key="it changes the layer's resource, not the package",
    )
    manifest: bool | None = option(
        FLAG,
        Group.DOCUMENTS,
        "True",
        default="`False`",
        constructs_only=True,
        outside_key="it changes what is written beside the template, not the package",
    )
    sbom: bool | None = option(
        FLAG,
        Group.DOCUMENTS,
        "True",
        default="`False`",
        constructs_only=True,
        outside_key="it changes what is written beside the template, not the package",
    )

    def __post_init__(self) -> None:
        """Check and copy each value that is set."""
        for name, declared in OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, declared.kind.check(name, value, declared.example))

    @classmethod
    def of(cls, value: Packaging | Mapping[str, Any] | None) -> Packaging:
        """Return the `Packaging` that a mapping stands for, as CDK takes a mapping for a struct.

        Raises `OptionError` for an unknown option, with a suggestion.

        Example:
            `Packaging.of({"smoke": True}) == Packaging(smoke=True)`
        """
        if isinstance(value, Packaging):
            return value
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise OptionError(f"packaging is {value!r}; give a Packaging, such as Packaging(smoke=True).")
        for name in value:
            if name not in OPTIONS:
                raise OptionError(f"packaging has {name!r}, which is not an option; {suggestion(str(name), OPTIONS)}.")
        return cls(**value)

    @property
    def given(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}

    def over(self, defaults: Packaging) -> Packaging:
        """Return these options, with those of `defaults` for what isn't set here; `acknowledge` has both.

        A function may loosen a default: `require_hashes=False` overrides `require_hashes=True`, and the stricter value
        doesn't win.

        Example:
            `Packaging(smoke=True).over(Packaging(smoke=False, exclude=["*.md"]))` has `smoke=True` and `exclude`.
        """
        merged = object.__new__(Packaging)
        for name, declared in OPTIONS.items():
            own, farther = getattr(self, name), getattr(defaults, name)
            both = declared.adds and own is not None and farther is not None
            value = tuple(dict.fromkeys((*own, *farther))) if both else own
            # Both were checked.
            object.__setattr__(merged, name, farther if value is None else value)
        return merged

    def value(self, name: str) -> Any:
        """Return an option's value, or its fallback if it isn't set.

        Example:
            `Packaging().value("bytecode") == "off"`
        """
        value = getattr(self, name)
        return OPTIONS[name].fallback if value is None else value


OPTIONS: Mapping[str, Option] = {field.name: field.metadata["option"] for field in dataclasses.fields(Packaging)}
"""The options of `Packaging` by name, in the order of the reference."""


def option_help() -> dict[str, str]:
    """Return what each option does, a sentence or two, from the docstring of `Packaging`; nothing under `python -OO`."""
    # Python 3.13 removes the indentation of docstrings (gh-81283).
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.cleandoc(Packaging.__doc__ or ""), re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def suggestion(name: str, known: Iterable[str], spelling: Callable[[str], str] = str) -> str:
    """Return what to write in place of an unknown name: the nearest of the known ones, else all; `spelling` writes each.

    Example:
        `suggestion("requireHash", ["require_hashes", "smoke"]) == "write require_hashes"`
    """
    plain = {other.replace("_", ""): other for other in known}
    near = nearest(re.sub(r"[^a-z]", "", name.lower()), plain)
    return f"write {spelling(plain[near[0]])}" if near else f"accepted are {', '.join(map(spelling, plain.values()))}"
