"""Code from a directory: what it was given, the functions and layers that have it, and what was packaged for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.bundling import is_unbundled
from cdk_lambda_package.cdk.layers import LayerVersions, check_layers
from cdk_lambda_package.cdk.props import OnError, check_asset_props, make_request
from cdk_lambda_package.errors import OptionError, PackageError
from cdk_lambda_package.handlers import ANY_HANDLER, in_full
from cdk_lambda_package.options import DefaultsSource, PackageRequest, Packaging

_NO_LAYER = (
    "dependencies is 'layer', which only PythonFunction can do: it adds the layer to its function. Write "
    "packaging=Packaging(dependencies='package') here, or use PythonFunction."
)


class HasCode(Protocol):
    """A function or layer that has the code: a `Record`."""

    error: PackageError | None

    @property
    def packaged_handler(self) -> str | None:
        """The handler of its package; None if there is no package yet, or if its handler isn't known."""

    def make_now(self) -> None:
        """Make its package, although CDK hasn't asked for it yet."""


@dataclass(kw_only=True, eq=False, slots=True)
class PackagedCode:
    """What a `PythonCode` or a `PythonFunction` was given, and the functions and layers that have it.

    Attributes:
        request: What to package; the target and further layers are read from each function.
        layers: Layers for the checks, in addition to those of the function.
        asset_hash: The user's own hash, None for the content's.
        raises: Errors are raised as soon as a function has the code.
        handler_token: The lazy string that a `PythonFunction` gave to CDK as its handler, None if the user names the handler.
        context: The defaults of the function's context, None if they are read from each function.
        function: The `PythonFunction` that has the code, which can get a layer; None for other constructs.
        bundled: It is packaged, unless a stack or a synthesis isn't bundled. Code of the block of `unbundled` never is.
        place: The scope and the id of that function, which say its path.
        names_content: The logical id of the resource has the content's digest, so that the versions of functions follow a layer.
        shared: The code that this one was made of, for a function of its own.
        records: The functions and layers that have the code, or code that was made of it.
    """

    request: PackageRequest
    layers: tuple[Any, ...] = ()
    asset_hash: str | None = None
    raises: bool = False
    handler_token: str | None = None
    context: DefaultsSource | None = None
    function: lambda_.Function | None = None
    bundled: bool = True
    place: tuple[Construct, str] | None = None
    names_content: bool = False
    shared: PackagedCode | None = None
    records: list[HasCode] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        *,
        layers: LayerVersions | None = None,
        environment: Mapping[str, str] | None = None,
        packaging: Packaging | Mapping[str, Any] | None = None,
        asset_hash: str | None = None,
        on_error: OnError = "validate",
        **props: Any,
    ) -> PackagedCode:
        """Return the code of a construct's props. Raises `OptionError` or `EntryError` for values that aren't accepted."""
        check_asset_props(asset_hash=asset_hash, on_error=on_error)
        request = make_request(environment=environment, packaging=packaging, **props)
        return cls(
            request=request,
            layers=check_layers(layers),
            asset_hash=asset_hash,
            raises=on_error == "raise",
            bundled=not is_unbundled(),
        )

    def for_function(
        self, *, handler: str | None, environment: Mapping[str, str] | None, on_error: OnError
    ) -> PackagedCode:
        """Return the code of a `PythonFunction` that is packaged as this one is, with a handler of its own if this one names none.

        The function's variables are added to those that are known, and errors are raised at once if one of both says so.
        """
        given = self.request
        if environment is None or isinstance(environment, Mapping):
            environment = {**given.environment, **(environment or {})}
        found = PackagedCode.of(
            entry=given.entry,
            index=given.index,
            handler=handler or (None if given.handler == ANY_HANDLER else given.handler),
            environment=environment,
            packaging=given.packaging,
            layers=self.layers,
            asset_hash=self.asset_hash,
            on_error="raise" if self.raises else on_error,
        )
        found.shared = self
        found.bundled = found.bundled and self.bundled
        return found

    def request_with(self, defaults: tuple[DefaultsSource, ...]) -> PackageRequest:
        """Return what to package for a function or layer with these defaults, nearest first.

        Raises `OptionError` if only a `PythonFunction` can be packaged so.
        """
        request = replace(self.request, defaults=defaults)
        if self.function is not None:
            return request
        if request.packaging.dependencies == "layer":
            raise OptionError(_NO_LAYER)
        # A default is for functions that can have it.
        return request.with_packaging(dependencies="package")

    def add(self, record: HasCode) -> None:
        """Count a function or layer that has the code, for the code that this one was made of too."""
        self.records.append(record)
        if self.shared is not None:
            self.shared.add(record)

    def make_now(self) -> None:
        """Make the packages of the functions that have the code so far.

        Raises the kinds of `PackageError`.
        """
        for record in self.records:
            record.make_now()
            if record.error is not None:
                raise record.error

    def known_handler(self) -> str:
        """Return what Lambda calls: the handler of the package, or that of the request if there is no package yet."""
        for record in self.records:
            if (handler := record.packaged_handler) is not None:
                return handler
        return in_full(self.request.handler or "handler", self.request.handler_module or "app.py")
