"""Committed locks: what they come to for a target, and whether they are those of the requirements beside them."""

from cdk_lambda_package.locks.committed_lock import read_lock
from cdk_lambda_package.locks.lock_format import LockFormat, with_indexes
from cdk_lambda_package.locks.own_project import project_name, require_project
from cdk_lambda_package.locks.pylock import find_source, locked_versions
