"""How to fix an import that fails inside a requirement, whose code isn't the user's to change."""

from __future__ import annotations

import re

from cdk_lambda_package.app_directory import VENDOR_FOLDER
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.distribution_names import canonicalize, distribution_of, guessed_distribution
from cdk_lambda_package.import_analysis import Lack, Reason
from cdk_lambda_package.splicing import OWN
from cdk_lambda_package.target import absence_of, removal_of, standard_presence

# The name and the extra of a Requires-Dist entry: `aws-xray-sdk<3,>=2.8; extra == "tracer"` (PEP 508).
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def fix_in_requirement(lack: Lack, owner: str, contents: PackageContents) -> str | None:
    """Return a sentence on what to require where code of `owner` lacks something; None if its kind has no answer of its own.

    The missing distribution is part of an extra, or the release is too old or too new for the target or for the other
    distributions of the package.

    Example:
        `fix_in_requirement(lack, "botocore==1.10.84", contents)` is "Require a newer botocore."
    """
    name = owner.partition("==")[0]
    if _is_of_standard_library(lack, contents):
        return newer_release(name) if owner not in OWN else _vendored_release(contents)
    if owner in OWN:
        return None
    if lack.reason is Reason.NO_PARENT:
        return f"Require another release of {name}."
    if lack.reason is Reason.NO_NAME:
        other = contents.owner(_path_of(lack.module, contents))
        if other is not None and other not in (owner, *OWN):
            return f"The releases {owner} and {other} don't fit each other. {newer_release(name)}"
        return newer_release(name)
    extra = _extra_with(lack, owner, contents)
    return f"Require {name}[{extra}]." if extra else None


def _vendored_release(contents: PackageContents) -> str:
    return f"Put a release that supports {contents.target.runtime.name} into {VENDOR_FOLDER}/."


def newer_release(name: str) -> str:
    """Return the advice to take another release of a distribution; the stage of cures replaces it by what the index says.

    Example:
        `newer_release("botocore")` is "Require a newer botocore."
    """
    return f"Require a newer {name}."


def _is_of_standard_library(lack: Lack, contents: PackageContents) -> bool:
    """Return whether the standard library of another Python version has what is missing."""
    python = contents.target.runtime.version
    if lack.name is not None:
        return absence_of(lack.module, lack.name, python) is not None
    top = lack.module.partition(".")[0]
    return removal_of(lack.module, python) is not None or standard_presence(top, python) is not None


def _path_of(module: str, contents: PackageContents) -> str | None:
    found = contents.imports.finder.find(module)
    return found.path if found is not None else None


def _extra_with(lack: Lack, owner: str, contents: PackageContents) -> str | None:
    """Return the extra of a distribution that requires the one with a missing module, the smallest of several."""
    wanted = {guessed_distribution(lack.module), canonicalize(distribution_of(lack.wanted or lack.module) or "")} - {""}
    sizes: dict[str, int] = {}
    found: set[str] = set()
    # Imported here: it takes longer than all checks, and most packages have no such fault.
    from email.parser import HeaderParser

    for entry in HeaderParser().parsestr(contents.metadata(owner)).get_all("Requires-Dist", []):
        name = _NAME.match(entry)
        for extra in _EXTRA.findall(entry):
            sizes[extra] = sizes.get(extra, 0) + 1
            if name is not None and canonicalize(name[1]) in wanted:
                found.add(extra)
    return min(found, key=lambda extra: (sizes[extra], extra), default=None)
