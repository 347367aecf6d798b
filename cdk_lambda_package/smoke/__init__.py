"""The smoke test: the handler's module, imported from the finished package as Lambda imports it."""

from cdk_lambda_package.smoke.outcome import skip
from cdk_lambda_package.smoke.trial import MissingPackages, import_package, obstacle_here, recalled_import

__all__ = ["MissingPackages", "import_package", "obstacle_here", "recalled_import", "skip"]
