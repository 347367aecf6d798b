"""The Lambda runtime and architecture that are this machine's too: what is packaged for them can also run here.

An app of yours names its own, such as `lambda_.Runtime.PYTHON_3_13` and `lambda_.Architecture.ARM_64`: any host can
package for any of them.
"""

import platform
import sys

from aws_cdk import aws_lambda as lambda_

RUNTIME = lambda_.Runtime(f"python3.{sys.version_info.minor}", lambda_.RuntimeFamily.PYTHON)
ARCHITECTURE = (
    lambda_.Architecture.ARM_64 if platform.machine() in {"arm64", "aarch64"} else lambda_.Architecture.X86_64
)
