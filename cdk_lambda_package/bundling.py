"""Whether constructs package what they define. Unit tests of stacks leave it out, and so do commands that only ask what would be packaged.

`unbundled` is for constructs and syntheses of a block of code, `UNBUNDLED` for a whole app. Nothing here imports `aws_cdk`: the plugin
for pytest is imported by each run of pytest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from cdk_lambda_package.variables import OutsideName, ReadBy

PLAN_VARIABLE = OutsideName(
    "CDK_LAMBDA_PACKAGE_PLAN",
    meaning="A command with `--app` sets it for the app that it starts, which then packages nothing. Don't set it.",
    default="the app packages",
)

BUNDLED_STACKS = OutsideName(
    "aws:cdk:bundling-stacks",
    read_by=ReadBy.CONTEXT,
    meaning="The stacks whose functions are packaged. The CDK CLI sets it to those that the command is about. `[]` packages nothing, as "
    "`UNBUNDLED` does.",
    default="all stacks",
)

UNBUNDLED: Mapping[str, Any] = {str(BUNDLED_STACKS): []}
"""The context of an app that bundles nothing, neither our packages nor other assets.

https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk/Stack.html#aws_cdk.Stack.bundling_required

Example:
    `App(context=UNBUNDLED)`
"""

_LEFT_OUT: ContextVar[bool] = ContextVar("cdk_lambda_package_unbundled", default=False)


@contextmanager
def unbundled() -> Iterator[None]:
    """Leave packages out, in a block of code.

    A construct that is created in the block is never packaged, whenever its app is synthesized. A synthesis in the block packages nothing,
    wherever its constructs were created. The assets of other constructs are bundled all the same.

    Example:
        ```python
        def test_orders_has_a_function():
            with unbundled():
                template = Template.from_stack(ShopStack(App(), "Shop"))
            template.resource_count_is("AWS::Lambda::Function", 1)
        ```
    """
    token = _LEFT_OUT.set(True)
    try:
        yield
    finally:
        _LEFT_OUT.reset(token)


def is_unbundled() -> bool:
    """Return whether packages are left out at the moment.

    Example:
        `with unbundled(): assert is_unbundled()`
    """
    return _LEFT_OUT.get()


def is_planned() -> bool:
    """Return whether this app was started for its plan.

    Example:
        `if is_planned(): tell_plan(packages)`
    """
    return PLAN_VARIABLE in os.environ
