"""A fixture for tests of stacks. pytest finds this module by the entry point `pytest11` of the installed distribution.

https://docs.pytest.org/en/stable/how-to/writing_plugins.html#making-your-plugin-installable-by-others
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdk_lambda_package import bundling


@pytest.fixture
def unbundled() -> Iterator[None]:
    """Leave packages out during a test: see `cdk_lambda_package.unbundled`.

    Example:
        `pytest.mark.usefixtures("unbundled")`, or an argument `unbundled` of the test
    """
    with bundling.unbundled():
        yield
