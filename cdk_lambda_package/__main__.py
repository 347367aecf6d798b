"""`python -m cdk_lambda_package` is the command line."""

import sys

from cdk_lambda_package.cli import main

sys.exit(main())
