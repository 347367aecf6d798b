"""The constructs for AWS CDK. Only this folder imports `aws_cdk`."""

from cdk_lambda_package.cdk.constructs import PythonCode, PythonFunction
from cdk_lambda_package.cdk.props import OnError

__all__ = ["OnError", "PythonCode", "PythonFunction"]
