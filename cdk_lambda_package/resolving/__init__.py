"""Resolving requirements for a target by the user's own pip, and fetching the wheels that they come to.

pip runs in a process of its own, under the scripts in `inside_pip`. Most synths need none of it, so this folder is imported
where there is something to resolve or to fetch.
"""

from cdk_lambda_package.resolving.fetching import fetch
from cdk_lambda_package.resolving.pip_run import PipRun, run_pip
from cdk_lambda_package.resolving.projects import read_dependencies
from cdk_lambda_package.resolving.pylocks import (
    Selected,
    make_built_package,
    read_package,
    select_files,
    select_wheels,
    trace_dependencies,
    unbuilt,
)
from cdk_lambda_package.resolving.releases import Release, fetch_newest_release
from cdk_lambda_package.resolving.resolver import resolve
from cdk_lambda_package.resolving.sources import build_pinned, run_with_sources
