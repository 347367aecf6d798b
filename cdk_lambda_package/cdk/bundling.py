"""The `bundling=` of aws-lambda-python-alpha: rejected, with a replacement for each of its options."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NOT_NEEDED = "not needed: nothing runs in a container"

# https://docs.aws.amazon.com/cdk/api/v2/docs/@aws-cdk_aws-lambda-python-alpha.BundlingOptions.html
REPLACEMENTS: Mapping[str, str] = {
    **dict.fromkeys(("build_args", "bundling_file_access", "entrypoint", "network", "security_opt"), _NOT_NEEDED),
    **dict.fromkeys(("user", "volumes", "volumes_from", "working_directory"), _NOT_NEEDED),
    "asset_excludes": "packaging=Packaging(exclude=[…], exclude_from_requirements=[…]), for your own files and for those of requirements",
    "asset_hash": "asset_hash=",
    "asset_hash_type": "not needed: the hash is that of the package's content, unless asset_hash= gives another",
    "command": "packaging=Packaging(before_packaging=[…]) or packaging=Packaging(after_packaging=[…])",
    "command_hooks": "packaging=Packaging(before_packaging=[…], after_packaging=[…]), lists of commands, each a list of words",
    "environment": "packaging=Packaging(pip_environment={…})",
    "image": "not needed: nothing runs in a container; packaging=Packaging(build_image=…) names one for wheels that can't be built otherwise",
    "output_path_suffix": "not needed: a layer's modules would be in python/, a function's are at the top",
    "platform": "architecture=",
    "poetry_include_hashes": "not needed: what is fetched is always verified by its hash",
    "poetry_without_urls": "not needed: poetry.lock is read as it is",
}


def describe_replacements(bundling: object) -> str:
    """Return why `bundling` is rejected, with the replacement of each option that it sets."""
    # A jsii struct keeps what was given in `_values`; a mapping is what jsii takes for one.
    values = bundling if isinstance(bundling, Mapping) else getattr(bundling, "_values", {})
    # An option may be spelled as in TypeScript.
    names = (re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name, value in values.items() if value is not None)
    lines = [
        f"\n  - {name}: {REPLACEMENTS.get(name, 'has no counterpart')}"
        for name in sorted(names) or sorted(REPLACEMENTS)
    ]
    return (
        "bundling= belongs to aws-lambda-python-alpha; here nothing is built in a container. In place of its options:"
        + "".join(lines)
    )
