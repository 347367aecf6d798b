"""Package Python for AWS Lambda from a CDK app: no Docker, any host, right for the Lambda target.

The public names are looked up when they are first used (PEP 562): a program that packages without CDK never imports
`aws_cdk`, which takes seconds and starts node.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_lambda_package.bundling import UNBUNDLED, unbundled
    from cdk_lambda_package.cdk.constructs import PythonCode, PythonFunction, PythonLayerVersion
    from cdk_lambda_package.cdk.defaults import PackagingDefaults
    from cdk_lambda_package.errors import Finding, PackageError
    from cdk_lambda_package.options import PackageRequest, Packaging
    from cdk_lambda_package.pipeline import DeploymentPackage, package
    from cdk_lambda_package.store import Store
    from cdk_lambda_package.target import Target

__all__ = [
    "UNBUNDLED",
    "DeploymentPackage",
    "Finding",
    "PackageError",
    "PackageRequest",
    "Packaging",
    "PackagingDefaults",
    "PythonCode",
    "PythonFunction",
    "PythonLayerVersion",
    "Store",
    "Target",
    "package",
    "unbundled",
]

_HOMES = {
    "bundling": ("UNBUNDLED", "unbundled"),
    "cdk.constructs": ("PythonCode", "PythonFunction", "PythonLayerVersion"),
    "cdk.defaults": ("PackagingDefaults",),
    "errors": ("Finding", "PackageError"),
    "options": ("PackageRequest", "Packaging"),
    "pipeline": ("DeploymentPackage", "package"),
    "store": ("Store",),
    "target": ("Target",),
}


def __getattr__(name: str) -> object:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
