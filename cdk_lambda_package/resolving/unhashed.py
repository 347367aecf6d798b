"""What isn't pinned by a hash where everything has to be, all of it together. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import UnhashedError
from cdk_lambda_package.requirements.lock_file import lock_command
from cdk_lambda_package.requirements.resolution import ResolutionRequest

_HASH_IN_URL = re.compile(r"#(?:.*&)?(?:sha256|sha384|sha512)=")


def find_unhashed(result: Mapping[str, Any], bare: Iterable[str]) -> tuple[str, ...]:
    """Return what pip chose without being told a hash, as name and version; `bare` is what the app only imports."""
    hashed = {row["name"] for row in result["requirements"] if is_hashed(row)}
    chosen = {canonicalize_name(row["name"]): row["version"] for row in result["install"]}
    unhashed = [f"{name} {version}" for name, version in chosen.items() if name not in hashed]
    return tuple(sorted([*unhashed, *(name for name in bare if canonicalize_name(name) not in chosen)]))


def is_hashed(row: Mapping[str, Any]) -> bool:
    """Tell whether a requirement says which file is meant: by `--hash`, or in its URL."""
    return bool(row["hashed"] or _HASH_IN_URL.search(row["url"] or ""))


def explain_unhashed(names: Iterable[str], request: ResolutionRequest) -> UnhashedError:
    """Return the error that names what isn't pinned, and says how it can be."""
    listed = ", ".join(names)
    command = lock_command(request.entry, (request.target,), requirements=request.requirements)
    return UnhashedError(
        f"Not pinned by a hash, as require_hashes or a hash elsewhere in the requirements asks of everything: {listed}. "
        f"Write a lock with `{command}`, or add '--hash=sha256:…' to each of them "
        "in the requirements file. A local project or a checkout can't have one: build it, and put its wheel into vendor/."
    )
