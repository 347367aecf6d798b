"""`PackagingDefaults`: options, runtime and architecture for the functions and layers below a scope that set none of their own.

They are kept by the paths of scopes, beside CDK: a function looks them up without a message to it, unless there are defaults of
a scope in its stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from aws_cdk import CfnResource
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct, Node

from cdk_lambda_package.cdk.props import check_target, name_of, packaging_of_prop
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import ENTRIES_MAY_SET, DefaultsSource, Packaging, SetIn
from cdk_lambda_package.target import Architecture

_ARCHITECTURES = {
    Architecture.X86_64.value: lambda: lambda_.Architecture.X86_64,
    Architecture.ARM64.value: lambda: lambda_.Architecture.ARM_64,
}


@dataclass(kw_only=True, eq=False, slots=True)
class _Receiver:
    """A function or layer without an architecture of its own.

    Attributes:
        construct: The construct, or the resource itself.
        stack_path: The path of its stack.
        name: The resource's property.
        given: What this library assigned to it: any other value is the user's.
    """

    construct: Any
    stack_path: str
    name: str
    given: list[str] | None


@dataclass(kw_only=True, eq=False)
class AppDefaults:
    """The defaults of all scopes of an app, by their paths."""

    sources: dict[str, DefaultsSource] = field(default_factory=dict)
    runtimes: dict[str, lambda_.Runtime] = field(default_factory=dict)
    _receivers: list[_Receiver] = field(default_factory=list)

    @classmethod
    def of(cls, root: IConstruct) -> AppDefaults:
        """Return the defaults of the app with this root."""
        # By reference: an App that CDK made by itself has another Python object each time.
        return _defaults_of(root.__jsii_ref__.ref)  # type: ignore[attr-defined]

    def is_set_below(self, path: str) -> bool:
        """Return whether a scope below the one with this path has defaults."""
        return any(one != path and _is_within(one, path) for one in self.sources)

    def of_path(self, path: str) -> tuple[DefaultsSource, ...]:
        """Return the defaults for what is at a path, those of the nearest scope first."""
        return tuple(self.sources[scope] for scope in _scopes(path) if scope in self.sources) if self.sources else ()

    def runtime_of(self, path: str) -> lambda_.Runtime | None:
        """Return the default runtime for what is at a path."""
        return next((self.runtimes[scope] for scope in _scopes(path) if scope in self.runtimes), None)

    def architecture_of(self, path: str) -> lambda_.Architecture | None:
        """Return the default architecture for what is at a path."""
        name = self._architecture_of(path)
        return _ARCHITECTURES[name]() if name is not None else None

    def give_architecture(self, construct: Any, stack_path: str, name: str, given: list[str] | None = None) -> None:
        """Assign the default architecture to a function's or layer's property, now and when it changes; a value of the user's stays.

        `given` is the value that this library has assigned before.
        """
        receiver = _Receiver(construct=construct, stack_path=stack_path, name=name, given=given)
        self._receivers.append(receiver)
        if self.sources:
            self._assign(receiver)

    def set(self, path: str, source: DefaultsSource, runtime: lambda_.Runtime | None) -> None:
        """Set the defaults of the scope with this path."""
        self.sources[path] = source
        if runtime is not None:
            self.runtimes[path] = runtime
        if source.architecture is not None:
            for receiver in self._receivers:
                # The stack is below the scope, or around it.
                if _is_within(receiver.stack_path, path) or _is_within(path, receiver.stack_path):
                    self._assign(receiver)

    def _assign(self, receiver: _Receiver) -> None:
        below = self.is_set_below(receiver.stack_path)
        wanted = self._architecture_of(receiver.construct.node.path if below else receiver.stack_path)
        if wanted is None or receiver.given == [wanted]:
            return
        construct = receiver.construct
        resource: Any = construct if isinstance(construct, CfnResource) else construct.node.default_child
        if (getattr(resource, receiver.name) or receiver.given) == receiver.given:
            receiver.given = [wanted]
            setattr(resource, receiver.name, [wanted])

    def _architecture_of(self, path: str) -> str | None:
        return next((one.architecture for one in self.of_path(path) if one.architecture is not None), None)


@cache
def _defaults_of(reference: str) -> AppDefaults:  # noqa: ARG001 - the key of the cache
    return AppDefaults()


class PackagingDefaults:
    """Defaults for all functions and layers below a scope, such as an App, a Stage, a Stack, or any other construct.

    A function's own value comes first, and the `[tool.cdk-lambda-package]` table of its entry directory's pyproject.toml; then the
    defaults of the nearest scope, of the scopes around it, of the app's context, and of the environment. `acknowledge` adds to what
    the farther ones have.

    Example:
        ```python
        PackagingDefaults.of(app).set(
            Packaging(slim=True, require_hashes=True), runtime=Runtime.PYTHON_3_13, architecture=Architecture.ARM_64
        )
        ```
    """

    def __init__(self, app: AppDefaults, path: str) -> None:
        """Take an app's defaults and the path of a scope; `PackagingDefaults.of` does."""
        self._app, self._path = app, path

    @classmethod
    def of(cls, scope: IConstruct) -> PackagingDefaults:
        """Return the defaults of a scope. Raises `OptionError` for anything else.

        Example:
            `PackagingDefaults.of(stack).set(architecture=Architecture.ARM_64)`
        """
        node = getattr(scope, "node", None)
        if not isinstance(node, Node):
            raise OptionError(f"PackagingDefaults.of has {scope!r}; give a construct, such as the App or a Stack.")
        return cls(AppDefaults.of(node.root), node.path)

    def set(
        self,
        packaging: Packaging | Mapping[str, Any] | None = None,
        *,
        runtime: lambda_.Runtime | None = None,
        architecture: lambda_.Architecture | None = None,
        entries_may_set: Sequence[str] | None = None,
    ) -> None:
        """Set defaults of the scope, beside those that were set before; where both set an option, the later call counts.

        Args:
            packaging: Options, for functions that were constructed before too: they are read at synthesis. Default: unchanged.
            runtime: The runtime of functions that are constructed afterwards without one, and of such layers. Default: unchanged.
            architecture: The architecture of functions whose resource has none, and of each `PythonLayerVersion` without
                `compatible_architectures`, at any time before synthesis. Default: unchanged.
            entries_may_set: The options among `before_packaging`, `after_packaging`, `build_image` and `acknowledge` that the
                `pyproject.toml` of an entry directory may set. The nearest scope that names some decides. Default: none of
                them.

        Raises `OptionError` or `TargetError` for values that aren't accepted.

        Example:
            `PackagingDefaults.of(app).set({"slim": True}, entries_may_set=["before_packaging"])`
        """
        options = packaging_of_prop(packaging)
        check_target(runtime, architecture)
        if entries_may_set is not None:
            entries_may_set = ENTRIES_MAY_SET.check("entries_may_set", entries_may_set, "['before_packaging']")
        known = self._app.sources.get(self._path)
        place = f"PackagingDefaults of {self._path or 'the app'}"
        former = known or DefaultsSource(kind=SetIn.CONSTRUCT, place=place)
        source = replace(
            former,
            packaging=options.over(former.packaging),
            runtime=former.runtime if runtime is None else name_of(runtime),
            architecture=former.architecture if architecture is None else name_of(architecture),
            entries_may_set=former.entries_may_set if entries_may_set is None else entries_may_set,
        )
        self._app.set(self._path, source, runtime)


def _scopes(path: str) -> Iterator[str]:
    """Yield a path and those of the scopes around it, the nearest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield path


def _is_within(path: str, scope: str) -> bool:
    return not scope or path == scope or path.startswith(f"{scope}/")
