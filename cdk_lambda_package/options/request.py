"""The request for a package: an entry directory, its handler, the target, and how; and the defaults that complete it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cdk_lambda_package.app_directory import check_index
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handlers import (
    ANY_HANDLER,
    OwnModule,
    find_own_module,
    find_wrapped,
    names_module,
    read_handler,
)
from cdk_lambda_package.layers import LayerSource, is_layer_source
from cdk_lambda_package.options.defaults import (
    GUARDED,
    DefaultsSource,
    SetIn,
    read_entry_table,
    read_environment,
    variable_of,
)
from cdk_lambda_package.options.kinds import PATH, TEXT, VARIABLES
from cdk_lambda_package.options.packaging import OPTIONS, Packaging
from cdk_lambda_package.paths import check_patterns, escape
from cdk_lambda_package.requirements import TOOL, name_lock

# The options that say what is locked.
_LOCKED = tuple(name for name, declared in OPTIONS.items() if declared.locked)
_PATTERNS = ("include", "exclude", "exclude_from_requirements")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRequest:
    """A deployment package to be made of an entry directory.

    Attributes:
        entry: The app's directory.
        runtime: Lambda's identifier, such as `python3.13`.
        architecture: `x86_64` or `arm64`.
        index: The handler's module, relative to `entry`. If the module is in a folder, the whole top-level folder is packaged. A
            layer needs no module. Default: `app.py` if it exists, else `index.py`.
        handler: The handler's name in that module, or `package.module.name` in place of `index`, whose module may be one of a
            requirement or a layer; or a script such as `run.sh`, for a program that AWS_LAMBDA_EXEC_WRAPPER names. `*` means
            that several functions share the package, each with a handler of its own. Default: `app` of app.py if that is a Chalice
            app, else the only candidate among `handler`, `lambda_handler` and the names that Chalice apps are bound to.
        called: The handler of the function's resource, in full, if that is another one: it is checked too.
        layers: The function's layers, for the checks: directories or .zip file archives with the content of /opt, or ARNs;
            see `LayerSource`. Paths are relative to the working directory.
        environment: The function's environment variables: for `smoke`, for a handler that a monitoring service wraps, and for
            programs that start a script.
        of_app: It is that of a construct: `cdk-lambda-package lock --app` writes the locks of the whole app.
        root: The folder of the package that everything is in: `python` for a layer, none for a function.
        outputs: Folders of the entry directory that hold earlier output, by their paths in it: nothing of them is packaged.
        packaging: How the package is made; a mapping is accepted too. Default: no option set.
        defaults: The places that set options which `packaging` doesn't, nearest first, beside the entry directory's pyproject.toml and the
            environment; see `with_defaults`.
        completed: `packaging` has all defaults.
        entry_path: The entry directory, absolute.

    Raises `OptionError` for a value that isn't accepted, and `EntryError` for an index that can't be imported.

    Example:
        `PackageRequest(entry="orders", runtime="python3.13", packaging=Packaging(smoke=True))`
    """

    entry: str | os.PathLike[str]
    runtime: str
    architecture: str = "x86_64"
    index: str | os.PathLike[str] | None = None
    handler: str | None = None
    called: str | None = None
    layers: Sequence[LayerSource] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    of_app: bool = False
    root: str = ""
    outputs: Sequence[str] = ()
    packaging: Packaging = field(default_factory=Packaging)
    defaults: tuple[DefaultsSource, ...] = ()
    completed: bool = False
    entry_path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the values, without a look at the entry directory."""
        PATH.check("entry", self.entry, "'orders'")
        object.__setattr__(self, "entry_path", Path(self.entry).absolute())
        TEXT.check("runtime", self.runtime, "'python3.13'")
        TEXT.check("architecture", self.architecture, "'arm64'")
        VARIABLES.check("environment", self.environment, "{'TABLE_NAME': 'orders'}")
        if self.index is not None:
            PATH.check("index", self.index, "'api/main.py'")
        if self.handler is not None:
            TEXT.check("handler", self.handler, "'handler'")
        _check_layers(self.layers)
        object.__setattr__(self, "packaging", Packaging.of(self.packaging))
        for name in _PATTERNS:
            check_patterns(name, self.packaging.value(name) or (), self.entry_path)
        if self.handler_module is not None:
            check_index(self.handler_module)

    @property
    def handler_module(self) -> str | None:
        """The app's own module or that of the handler, if `index` or `handler` names it."""
        return read_handler(self.index, self.handler)[0]

    @property
    def naming_handler(self) -> str | None:
        """The option `handler`, if that says which module is the app's own."""
        return self.handler if self.index is None and self.handler_module is not None else None

    @property
    def handler_name(self) -> str | None:
        """The handler's name in its module, if `handler` names it."""
        return read_handler(self.index, self.handler)[1]

    def own_module(self, entry: Path | None = None) -> OwnModule:
        """Return the app's own module; `entry` is the entry directory or a copy of it."""
        wrapped = find_wrapped(self.environment)
        return find_own_module(self.entry_path if entry is None else entry, self.index, self.handler, wrapped)

    def handlers_outside(self, index: str) -> tuple[str, ...]:
        """Return the handlers in full that aren't in the app's own module, at the path `index`."""
        wrapped = self.wrapped_handler(index)
        elsewhere = wrapped if wrapped is not None and not names_module(wrapped, index) else None
        outside = (self._given_outside(index), self.called, elsewhere)
        return tuple(dict.fromkeys(handler for handler in outside if handler is not None))

    def wrapped_handler(self, index: str) -> str | None:
        """Return the handler in full that the given one wraps, if that isn't in the app's own module and a variable names it."""
        return find_wrapped(self.environment) if self._given_outside(index) is not None else None

    def _given_outside(self, index: str) -> str | None:
        given = self.handler
        if given is None or given == ANY_HANDLER or given.isidentifier():
            return None
        # `app.py` is a file's name, and no function.
        return given if given.endswith(".py") or not names_module(given, index) else None

    @property
    def excluded(self) -> tuple[str, ...]:
        """The patterns of files that aren't packaged: the user's, and those of earlier output."""
        return (*(self.packaging.exclude or ()), *(f"/{escape(folder)}/" for folder in self.outputs))

    @property
    def title(self) -> str:
        """What progress calls the package: the entry directory, from the working directory if it is there, and the target."""
        entry, working = os.path.normpath(self.entry_path), f"{os.path.normpath(Path.cwd())}{os.sep}"
        name = entry.removeprefix(working) if entry.startswith(working) else os.path.basename(entry)  # noqa: PTH119 - of a text
        return f"{name} ({self.runtime}, {self.architecture})"

    @property
    def lock_options(self) -> tuple[str, ...]:
        """The arguments of `cdk-lambda-package lock` besides entry and targets, in the shell's syntax and without secrets.

        They are those that the function's packaging comes to; a lock that `requirements` names isn't among them.
        """
        given = {"index": self.index, "handler": None if self.handler == ANY_HANDLER else self.handler}
        named = [
            argument for name, value in given.items() if value is not None for argument in TEXT.arguments(name, value)
        ]
        return (
            *named,
            *(
                argument
                for name in _LOCKED
                if (value := getattr(self.packaging, name)) is not None
                and not (name == "requirements" and name_lock(Path(value)))
                for argument in OPTIONS[name].kind.arguments(name, value)
            ),
        )

    def with_absolute_paths(self) -> PackageRequest:
        """Return the request as another process may read it, in whatever directory that is."""
        layers = [
            Path(one).absolute() if isinstance(one, str | os.PathLike) and not str(one).startswith("arn:") else one
            for one in self.layers
        ]
        return dataclasses.replace(self, entry=self.entry_path, layers=layers)

    def with_packaging(self, **options: Any) -> PackageRequest:
        """Return the request with other values of some packaging options."""
        return dataclasses.replace(self, packaging=dataclasses.replace(self.packaging, **options))


class Setting(NamedTuple):
    """The value of an option that counts, and what set it: the nearest place first, several if they add to each other.

    An option that nothing sets has its fallback, and no place.
    """

    name: str
    value: Any
    sources: tuple[DefaultsSource, ...]


def with_defaults(request: PackageRequest, environment: DefaultsSource | None = None) -> PackageRequest:
    """Return the request with the defaults for the options that it doesn't set. Raises `OptionError`.

    The nearest place counts: the request, the table of the entry directory's pyproject.toml, the request's `defaults` in their order,
    and the environment, whose variables are read unless they are given. A request that is complete stays as it is: that for a copy of
    an entry directory has what the original says.

    Example:
        `with_defaults(PackageRequest(entry="orders", runtime="python3.13")).packaging.value("slim")`
    """
    if request.completed:
        return request
    packaging = request.packaging
    for source in _defaults_of(request, environment):
        if source.packaging.given:
            for name in _PATTERNS:
                patterns = getattr(source.packaging, name) or ()
                check_patterns(f"{source.place_of(name)}: {name}", patterns, request.entry_path)
            packaging = packaging.over(source.packaging)
    return dataclasses.replace(request, packaging=packaging, defaults=(), completed=True)


def settings_of(
    request: PackageRequest, environment: DefaultsSource | None = None, *, own: str = "the request"
) -> tuple[Setting, ...]:
    """Return for each option the value that `with_defaults` gives it, and what sets it; `own` is a name of the request's own values.

    Raises `OptionError`.

    Example:
        `[one for one in settings_of(request) if one.sources]` are the options that something sets.
    """
    nearest = DefaultsSource(kind=SetIn.REQUEST, place=own, packaging=request.packaging)
    sources = (nearest, *_defaults_of(request, environment))
    packaging = with_defaults(request, environment).packaging
    settings = []
    for name, declared in OPTIONS.items():
        setting = tuple(source for source in sources if getattr(source.packaging, name) is not None)
        settings.append(Setting(name, packaging.value(name), setting if declared.adds else setting[:1]))
    return tuple(settings)


def _defaults_of(request: PackageRequest, environment: DefaultsSource | None) -> tuple[DefaultsSource, ...]:
    """Return what sets options that a request doesn't, nearest first."""
    if request.completed:
        return ()
    others = request.defaults
    # Those of an app's plan have the environment of the app.
    if not any(source.kind is SetIn.ENVIRONMENT for source in others):
        others = (*others, read_environment(os.environ) if environment is None else environment)
    table = read_entry_table(request.entry_path, request.entry)
    if table is None:
        return others
    _check_guarded(request, table, others)
    return (table, *others)


def _check_guarded(request: PackageRequest, table: DefaultsSource, others: Sequence[DefaultsSource]) -> None:
    """Raise `OptionError` if a table sets what the nearest of the others that says so doesn't allow it, and the request doesn't set."""
    allowed = next((source.entries_may_set for source in others if source.entries_may_set is not None), ())
    for name in GUARDED:
        replaced = getattr(request.packaging, name) is not None and not OPTIONS[name].adds
        if getattr(table.packaging, name) is not None and name not in allowed and not replaced:
            raise OptionError(
                f"{table.place}: [tool.{TOOL}] sets {name}, but {OPTIONS[name].guarded}, so an entry directory can't set it by "
                f"itself. Set it in the construct or with a flag; or allow it with "
                f"PackagingDefaults.of(scope).set(entries_may_set=[{name!r}]), on the command line with "
                f"{variable_of('entries_may_set')}={name}."
            )


def _check_layers(value: object) -> None:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence) or not all(map(is_layer_source, value)):
        raise OptionError(
            f"layers is {value!r}; give a list of directories, .zip file archives or ARNs, such as ['layers/common']."
        )
