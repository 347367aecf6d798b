"""Functions of this library that CDK calls: for a value of a template, for errors, and when it prepares a Stage; and CDK's exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsii
from aws_cdk import IAnyProducer, IStringProducer
from constructs import Dependable, IValidation
from jsii.errors import JSIIError

FROM_CDK = (RuntimeError, JSIIError)
"""Exceptions of CDK and of other constructs, which come through jsii."""


class Hook(Dependable):
    """A dependency without constructs. CDK asks for these when it prepares the Stage of what depends on it.

    Example:
        `Dependable.implement(construct, Hook(prepare))`, and `construct.node.add_dependency(construct)`
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        super().__init__()
        self._prepare = prepare

    @property
    def dependency_roots(self) -> list[Any]:
        """No constructs; CDK reads this."""
        self._prepare()
        return []


@jsii.implements(IValidation)
class Validation:
    """A function that returns errors.

    Example:
        `construct.node.add_validation(Validation(lambda: ["There is no handler."]))`
    """

    def __init__(self, errors: Callable[[], list[str]]) -> None:
        self._errors = errors

    def validate(self) -> list[str]:
        """Return the errors; CDK calls this."""
        return self._errors()


@jsii.implements(IAnyProducer, IStringProducer)
class Late:
    """A function that returns a value of a template when it is rendered.

    Example:
        `Lazy.uncached_string(Late(lambda: "app.handler"))`
    """

    def __init__(self, value: Callable[[], Any]) -> None:
        self._value = value

    def produce(self, context: Any) -> Any:  # noqa: ARG002 - CDK's name
        """Return the value; CDK calls this."""
        return self._value()
