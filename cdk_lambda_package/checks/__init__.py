"""Checks of what would fail on Lambda: each check is a module of this folder with a function `check`, each finding has a page.

A new check needs its module, which is found by itself, and a page docs/reference/checks/<id>.md for each finding.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from cdk_lambda_package.checks.contents import PackageContents, Surroundings, analyse_imports, is_app
from cdk_lambda_package.checks.handler import find_candidates
from cdk_lambda_package.checks.import_fixes import advice_for, newer_release
from cdk_lambda_package.checks.syntax import app_modules
from cdk_lambda_package.errors import Finding


def check(contents: PackageContents) -> tuple[Finding, ...]:
    """Return the findings of every check, in order of the checks' names and, in each, of its findings.

    Example:
        `[finding.id for finding in check(contents)]`
    """
    return tuple(finding for module in _modules(tuple(__path__)) for finding in module.check(contents))


@cache
def _modules(folders: tuple[str, ...]) -> tuple[Any, ...]:
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(folders)]
    return tuple(module for module in modules if hasattr(module, "check"))
