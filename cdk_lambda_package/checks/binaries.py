"""Binaries of wheels whose tag promises nothing: do they load on the target?

A `linux_x86_64` wheel was built for some Linux machine, with whatever glibc that has (PEP 513).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.target import Target


def check_binaries(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for each binary that the target's loader refuses."""
    for path, facts in sorted(contents.binaries.items()):
        yield from judge_binaries({path: facts}, owner=contents.entries[path].owner, target=contents.target)


def judge_binaries(binaries: Mapping[str, Mapping[str, Any]], *, owner: str, target: Target) -> Iterator[Finding]:
    """Yield an error for each binary that the target's loader refuses.

    `binaries` has the facts of `elf.ElfFacts` by path.
    """
    for path, facts in sorted(binaries.items()):
        fault = _find_fault(facts, target)
        if fault:
            yield Finding(
                id="binary-not-loadable",
                severity=Severity.ERROR,
                message=f"{path} of {owner} {fault}. Take a version that has a manylinux wheel for {target}, or put one "
                "that was built for it into vendor/.",
                path=path,
            )


def _find_fault(facts: Mapping[str, Any], target: Target) -> str | None:
    machine = target.architecture.machine
    if facts["machine"] != machine or facts["bits"] != 64:
        return f"is for {facts['machine']} ({facts['bits']} bits), and {target} loads {machine} (64 bits)"
    needed, available = facts["glibc"], target.runtime.system.glibc
    if needed and tuple(needed) > available:
        return f"needs glibc {needed[0]}.{needed[1]}, and {target} has {available[0]}.{available[1]}"
    return None
