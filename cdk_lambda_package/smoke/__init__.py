"""The smoke test: the handler's module, imported from the finished package as Lambda imports it."""

from cdk_lambda_package.smoke.outcome import skip
from cdk_lambda_package.smoke.trial import import_package

__all__ = ["import_package", "skip"]
