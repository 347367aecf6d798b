"""The packages that Lambda's Python runtimes have besides the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# AWS documents the SDK and the runtime interface client; the rest is what these two require.
# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included


class PreinstalledPackage(NamedTuple):
    """An import package of the runtimes: `requirement` installs it elsewhere, None if it isn't on PyPI.

    `of_sdk` tells that it is a distribution of the AWS SDK with the same name, of no use in a package as well. `certain` is
    False for what only some images have, without a promise by AWS. `until` is the first Python whose runtime lacks it.
    """

    module: str
    requirement: str | None = None
    of_sdk: bool = False
    certain: bool = True
    until: tuple[int, int] | None = None


PREINSTALLED: tuple[PreinstalledPackage, ...] = (
    PreinstalledPackage("boto3", "boto3", of_sdk=True),
    PreinstalledPackage("botocore", "boto3", of_sdk=True),
    PreinstalledPackage("s3transfer", "boto3", of_sdk=True),
    PreinstalledPackage("jmespath", "boto3", of_sdk=True),
    PreinstalledPackage("dateutil", "boto3"),
    PreinstalledPackage("six", "boto3"),
    PreinstalledPackage("urllib3", "boto3"),
    PreinstalledPackage("awslambdaric", "awslambdaric"),
    PreinstalledPackage("runtime_client"),
    # The client's own modules and dependencies, and pip.
    PreinstalledPackage("bootstrap", certain=False),
    PreinstalledPackage("simplejson", certain=False),
    PreinstalledPackage("snapshot_restore_py", "snapshot-restore-py", certain=False),
    PreinstalledPackage("pip", certain=False),
    # Came with pip until Python 3.12 (gh-95299).
    PreinstalledPackage("_distutils_hack", certain=False, until=(3, 12)),
    PreinstalledPackage("pkg_resources", certain=False, until=(3, 12)),
    PreinstalledPackage("setuptools", certain=False, until=(3, 12)),
)

RUNTIME_REQUIREMENTS = tuple(sorted({row.requirement for row in PREINSTALLED if row.requirement and row.certain}))
"""The requirements that install elsewhere what every runtime has besides the standard library."""

SDK = tuple(sorted(package.module for package in PREINSTALLED if package.of_sdk))
"""The distributions of the AWS SDK, each with one module of its name."""

RELEASED_TOGETHER = ("boto3", "botocore", "s3transfer")
"""Distributions of the AWS SDK, and modules of these names, that must be of one release.

Each release of boto3 requires a single minor series of the others (in 1.44.8: `botocore<1.45.0,>=1.44.8`,
`s3transfer<0.20.0,>=0.19.0`). What else the runtimes have goes with releases of several years.
"""

_BY_MODULE = {package.module: package for package in PREINSTALLED}


def is_preinstalled(module: str) -> bool:
    """Tell whether every runtime has a top-level module that isn't of the standard library.

    Example:
        `is_preinstalled("boto3")` is True.
    """
    return module in _BY_MODULE and _BY_MODULE[module].certain


def preinstalled_modules(version: tuple[int, int]) -> dict[str, bool]:
    """Return the top-level modules that the runtime of a Python version has, False for those without a promise by AWS.

    Example:
        `preinstalled_modules((3, 11))["setuptools"]` is False, and `preinstalled_modules((3, 12))` doesn't have it.
    """
    return {row.module: row.certain for row in PREINSTALLED if row.until is None or version < row.until}


def requirements_of(modules: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements that install those of the modules (dotted names) that runtimes bring along.

    Example:
        `requirements_of(["botocore.config", "requests"])` is `("boto3",)`.
    """
    packages = (_BY_MODULE.get(module.partition(".")[0]) for module in modules)
    return tuple(sorted({package.requirement for package in packages if package and package.requirement}))
