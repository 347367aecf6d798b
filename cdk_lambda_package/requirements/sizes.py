"""What is too large for Lambda before it is downloaded: who requires it, and what to leave out. Pure.

A wheel has at most about the size of its content, so wheels that together are larger than Lambda's limit hold more than that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from cdk_lambda_package.errors import Finding, FindingsError, Severity
from cdk_lambda_package.paths import escape
from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.target import LARGEST_PACKAGE

TOO_LARGE = "package-too-large"
"""The id of the findings about packages above Lambda's limit."""

_SHOWN = 10
_OTHER_WAYS = (
    "Else split the function, or deploy it as a container image, which may have 10 GB (aws_lambda.DockerImageFunction). A "
    "layer doesn't help: its size counts too."
)
# Bytes; leaving out less helps no package that is too large.
_WORTH_NAMING = 10_000_000
# Bytes of wheels. Those with large binaries unzip to two or three times their size.
_LIKELY_TO_FIT = LARGEST_PACKAGE // 3


class Contribution(NamedTuple):
    """A distribution's part of a package, in bytes.

    `chain` are the distributions that lead to it, from one that the app requires to one that requires it; () if the app does.
    """

    name: str
    version: str
    size: int
    chain: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}=={self.version} ({describe_share(self.size, self.chain)})"


def describe_share(size: int, chain: Sequence[str]) -> str:
    """Return a size with who requires what has it.

    Example:
        `describe_share(322_345_678, ("model", "xgboost"))` is `"322,345,678, required by model → xgboost"`.
    """
    return f"{size:,}, required by {' → '.join(chain)}" if chain else f"{size:,}"


class TooLargeError(FindingsError):
    """The wheels of a package are larger than Lambda's limit; `contributions` has those whose sizes are known."""

    def __init__(self, contributions: Iterable[Contribution]) -> None:
        self.contributions = tuple(contributions)
        finding = Finding(id=TOO_LARGE, severity=Severity.ERROR, message=_explain(self.contributions))
        super().__init__([finding], acknowledgeable=finding)


def size_limit(*, acknowledge: Collection[str], is_final: bool) -> int | None:
    """Return how many bytes the files of a package may have, None for any.

    `is_final` tells that all of them will be in the package, as far as is known.
    """
    return LARGEST_PACKAGE if is_final and TOO_LARGE not in acknowledge else None


def describe_large_file(path: str, size: int, wheel: Contribution) -> Finding:
    """Return the finding about a file of a wheel that is above Lambda's limit by itself.

    Example:
        `describe_large_file("nvidia/nccl/lib/libnccl.so.2", 400_000_000, wheel)`
    """
    owner = f"{wheel.name}=={wheel.version}"
    needed = f" {owner} is required by {' → '.join(wheel.chain)}." if wheel.chain else ""
    return Finding(
        id=TOO_LARGE,
        severity=Severity.ERROR,
        message=f"{path} of {owner} has {size:,} bytes unzipped, and Lambda takes {LARGEST_PACKAGE:,} for all files.{needed} "
        f"If the function works without, leave the file out with packaging=Packaging(exclude_from_requirements="
        f"[{'/' + escape(path)!r}]), or all of it with packaging=Packaging(exclude_distributions=[{wheel.name!r}]). {_OTHER_WAYS}",
    )


def find_requirers(wheels: Iterable[LockedWheel]) -> dict[str, tuple[str, ...]]:
    """Return the distributions that require each distribution, by name; "" stands for the app itself.

    Example:
        `find_requirers(resolution.wheels)["botocore"]` is `("boto3", "s3transfer")`.
    """
    return {wheel.name: (*wheel.required_by, *([""] if wheel.requested else [])) for wheel in wheels}


def find_chains(requirers: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """Return for each distribution the shortest chain of those that lead to it, as in `Contribution`.

    Example:
        `find_chains(find_requirers(resolution.wheels))["nvidia-nccl-cu12"]` is `("xgboost",)`.
    """
    chains: dict[str, tuple[str, ...]] = {name: () for name, parents in requirers.items() if "" in parents}
    pending = requirers.keys() - chains.keys()
    while pending:
        # One step further from the app in each round.
        reached = {
            name: min((*chains[parent], parent) for parent in requirers[name] if parent in chains)
            for name in pending
            if not chains.keys().isdisjoint(requirers[name])
        }
        if not reached:
            break
        chains |= reached
        pending -= reached.keys()
    return chains


def contributions(wheels: Sequence[LockedWheel], sizes: Mapping[str, int]) -> tuple[Contribution, ...]:
    """Return the contributions of the wheels whose sizes are known, by their sha256.

    Example:
        `contributions(wheels, {wheel.sha256: wheel.size for wheel in wheels})`
    """
    chains = find_chains(find_requirers(wheels))
    return tuple(
        Contribution(wheel.name, wheel.version, sizes[wheel.sha256], chains.get(wheel.name, ()))
        for wheel in wheels
        if sizes.get(wheel.sha256)
    )


def spare(shares: Iterable[Contribution], surplus: int) -> tuple[Contribution, ...]:
    """Return the largest distributions that the app doesn't require itself, as many as make up for a surplus of bytes.

    Example:
        `spare(shares, size - LARGEST_PACKAGE)`
    """
    found = []
    for share in _by_size(share for share in shares if share.chain and share.size >= _WORTH_NAMING):
        if surplus <= 0:
            break
        found.append(share)
        surplus -= share.size
    return tuple(found)


def suggest_exclusion(shares: Sequence[Contribution]) -> str:
    """Return the option that leaves distributions out, and how many bytes that saves."""
    names = [share.name for share in shares]
    saved = sum(share.size for share in shares)
    return (
        f"packaging=Packaging(exclude_distributions={names}) leaves out {saved:,} bytes, if the function works without "
        f"{'it' if len(names) == 1 else 'them'}."
    )


def _by_size(shares: Iterable[Contribution]) -> list[Contribution]:
    return sorted(shares, key=lambda share: (-share.size, share.name))


def _explain(shares: Sequence[Contribution]) -> str:
    size = sum(share.size for share in shares)
    largest = [str(share) for share in _by_size(shares)[:_SHOWN]]
    told = (
        f"The package has at least {size:,} bytes unzipped, going by the sizes of its wheels, and Lambda takes "
        f"{LARGEST_PACKAGE:,}: nothing more is downloaded. Largest {'is' if len(largest) == 1 else 'are'} {', '.join(largest)}."
    )
    parts = [told]
    left_out = spare(shares, size - LARGEST_PACKAGE)
    left = size - sum(share.size for share in left_out)
    if left_out:
        parts.append(suggest_exclusion(left_out[:_SHOWN]))
    if left_out and left > _LIKELY_TO_FIT:
        parts.append(f"The other wheels have {left:,} bytes zipped, which may be too much unzipped.")
    if left > _LIKELY_TO_FIT:
        parts.append(
            "Require a smaller variant, or leave files out with exclude_from_requirements: then the size is compared after "
            f"the download. {_OTHER_WAYS}"
        )
    return " ".join(parts)
