"""Stage 3: everything that the package is a function of, and its key."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NewType

from cdk_lambda_package.app_directory import VENDOR_FOLDER, App
from cdk_lambda_package.chalice import slim_distributions
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE, Compiler, find_compiler
from cdk_lambda_package.keys import key_of, outside_key
from cdk_lambda_package.layer_services import LayerServices, services_of_layers
from cdk_lambda_package.layers import layer_folder
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.options import OPTIONS, Key, PackageRequest
from cdk_lambda_package.requirements import LockedWheel, Resolution, ResolutionRequest, exclude, is_own_project
from cdk_lambda_package.splicing import COMPRESSOR, Decision
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

if TYPE_CHECKING:
    from cdk_lambda_package.slimming import LayerNeeds

PackageKey = NewType("PackageKey", str)
"""The sha256 (hex) of all inputs of a package. The same key gives the same bytes; it decides whether to work."""

# Raise it whenever the same inputs would give other bytes.
_FORMAT = "package 5"
# Raise it whenever the same inputs would give another description of the content.
_CONTENT = "content 1"

_ALL_OF_WHEEL = attrgetter(*(one.name for one in dataclasses.fields(LockedWheel)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Everything that the package is a function of.

    `wheels` are those that are packaged, `decisions` what was settled about distributions before a
    wheel was opened, `options` the values of the packaging options that are part of the package's key, `slim` the
    distributions of which only the runtime's files are packaged, and `root` the folder that everything is in. `layer_root` is the
    folder of a layer that requirements and vendor/ are in, "" if they are in the function's package.

    `compiler` compiles the modules that the handlers' modules lead to, or all with `compiles_all`; None compiles nothing.
    `compiler_program` is where it is. With bytecode or `slim`, the package is also a function of `starts`, the app's own module and other handlers with
    which Lambda starts, and of `own_projects`, the `projects`.

    With `layer_root`, `companions` are what the other functions need that share the layer, and `companions_key` stands for them.

    `layer_services` is what the layers need of the AWS SDK, if files that nothing needs are left out.
    """

    request: PackageRequest = field(metadata=outside_key("`options` has the options that change the package"))
    app: App = field(metadata=outside_key("its files are a part of the key on their own"))
    asked: ResolutionRequest = field(metadata=outside_key("`wheels` is the answer"))
    target: Target
    wheels: tuple[LockedWheel, ...]
    decisions: tuple[Decision, ...]
    options: tuple[Any, ...]
    slim: frozenset[str]
    root: str
    layer_root: str = ""
    compiler: Compiler | None = None
    compiles_all: bool = False
    starts: tuple[str, ...] = ()
    own_projects: frozenset[str] = frozenset()
    layer_services: LayerServices = field(default_factory=LayerServices)
    companions: tuple[LayerNeeds, ...] = field(default=(), metadata=outside_key("`companions_key` stands for them"))
    companions_key: str = ""
    compiler_program: str = field(default="", metadata=outside_key("`compiler` says what the program is"))
    key: PackageKey = field(init=False, metadata=outside_key("it is the key"))
    content_key: str = field(
        init=False, metadata=outside_key("a description of the content also says where wheels are from")
    )

    def __post_init__(self) -> None:
        """Compute the keys."""
        object.__setattr__(
            self, "key", PackageKey(key_of(_FORMAT, COMPRESSOR, self.app.own.digest, self.app.vendored.digest, self))
        )
        object.__setattr__(self, "content_key", key_of(_CONTENT, self.key, list(map(_ALL_OF_WHEEL, self.wheels))))

    @property
    def projects(self) -> frozenset[str]:
        """The owner whose wheel was built of the entry directory: its code is the app's own."""
        return frozenset(owner_of(wheel) for wheel in self.wheels if is_own_project(wheel, self.asked.entry))

    @property
    def built(self) -> frozenset[str]:
        """The owners whose wheels were built here."""
        return frozenset(owner_of(wheel) for wheel in self.wheels if wheel.source)

    @property
    def vouched(self) -> frozenset[str]:
        """The owners whose wheels' tags promise that their binaries load, except for libraries of a desktop.

        Only manylinux tags do. `linux_*` wheels were built for some Linux machine (PEP 513), and a binary in an `any` wheel is for
        whatever its author had; wheels that were built here have no other tags.
        """
        # The platform tags are the last part of a wheel's name (PEP 427).
        return frozenset(
            owner_of(wheel)
            for wheel in self.wheels
            if not wheel.source
            and all(tag.startswith("manylinux") for tag in re.sub(r".*-|\.whl$", "", wheel.filename).split("."))
        )


def join_inputs(
    request: PackageRequest,
    app: App,
    asked: ResolutionRequest,
    resolution: Resolution,
    store: Store,
    *,
    chalice: bool = False,
) -> Inputs:
    """Return the inputs of a package, without the distributions that the request excludes.

    `chalice` is True if a function that shares the package's layer imports chalice. Raises `OptionError` if bytecode is required, and no interpreter here can compile it.
    """
    packaging = request.packaging
    slim = slim_distributions(chalice or app.imports_chalice, packaging.value("chalice"))
    wheels = exclude(resolution.wheels, frozenset(packaging.exclude_distributions or ()), bare=slim)
    kept = {owner_of(wheel): wheel.name for wheel in wheels}
    left_out = sorted({owner_of(wheel) for wheel in resolution.wheels} - kept.keys())
    in_vendor = f"{VENDOR_FOLDER}/ has its metadata"
    needless = "excluded, or needed only by what is left out"
    two_files = "the app imports chalice, of which a function needs two files"
    decisions = (
        *(Decision("distribution-provided", name, "provided names it") for name in sorted(packaging.provided or ())),
        *(Decision("distribution-provided", name, in_vendor) for name in app.vendored_distributions),
        *(Decision("distribution-left-out", owner, needless) for owner in left_out),
        *(Decision("chalice-runtime-only", owner, two_files) for owner, name in kept.items() if name in slim),
    )
    inputs = Inputs(
        request=request,
        app=app,
        asked=asked,
        target=asked.target,
        wheels=wheels,
        decisions=decisions,
        options=tuple(packaging.value(name) for name, one in OPTIONS.items() if one.key is Key.PACKAGE),
        slim=slim,
        root=request.root,
        layer_root=layer_folder([asked.target.runtime.name]) if packaging.value("dependencies") == "layer" else "",
        layer_services=services_of_layers(request.layers, store) if packaging.value("slim") else LayerServices(),
    )
    if inputs.layer_root and not inputs.projects and not any(folder.parts for folder in app.own.folders):
        # With all of it in a layer, the function's own package would be empty, and Lambda accepts no empty one.
        inputs = dataclasses.replace(inputs, layer_root="")
    bytecode = packaging.value("bytecode")
    if packaging.value("slim"):
        inputs = _with_starts(inputs)
    return with_compiler(inputs, store, required=bytecode == "require") if bytecode != "off" else inputs


def _with_starts(inputs: Inputs) -> Inputs:
    """Return the inputs of a package whose content depends on what Lambda starts."""
    request, index = inputs.request, inputs.app.index
    starts = (index, *request.handlers_outside(index))
    return dataclasses.replace(inputs, starts=starts, own_projects=inputs.projects)


def with_compiler(inputs: Inputs, store: Store, *, required: bool = False) -> Inputs:
    """Return the inputs of a package with bytecode; those without, if this machine can't compile it.

    Raises `OptionError` if it is `required`.

    Example:
        `with_compiler(inputs, store).compiler.version`
    """
    target, request = inputs.target, inputs.request
    found = find_compiler(target.runtime.version, store) if not target.assumed else None
    if found is not None:
        compiler, program = found
        reached = request.packaging.value("bytecode_scope") == "reached" and (inputs.app.index or inputs.root)
        compiled = dataclasses.replace(inputs, compiler=compiler, compiler_program=program, compiles_all=not reached)
        return _with_starts(compiled)
    if required:
        raise OptionError(
            f"bytecode is 'require', and {why_uncompiled(target)} Or set packaging=Packaging(bytecode='auto'), which compiles nothing then."
        )
    return inputs


def why_uncompiled(target: Target) -> str:
    """Return why this machine can't compile for a target, and what to do, as the end of a sentence with further ones.

    Example:
        `f"Nothing was compiled: {why_uncompiled(target)}"`
    """
    name, (major, minor) = target.runtime.name, target.runtime.version
    if target.assumed:
        return f"{name} is newer than this version of cdk-lambda-package: its bytecode may still change. Upgrade cdk-lambda-package."
    return (
        f"this machine has no final release of CPython {major}.{minor}, which compiles for {name}. Install one (`uv python install "
        f"{major}.{minor}`, `pyenv install {major}.{minor}`, or of the system), or name its program in ${INTERPRETER_VARIABLE}"
        f"{', whose value names none' if os.environ.get(INTERPRETER_VARIABLE) else ''}."
    )
