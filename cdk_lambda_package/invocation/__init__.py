"""An invocation on this machine, behind Lambda's runtime interface emulator."""

from cdk_lambda_package.invocation.emulator import EMULATOR, Invocation, invoke
