"""`python -m cdk_lambda_package` is the command line."""

import sys

from cdk_lambda_package.cli import run

sys.exit(run())
