"""Know how large a wheel is before it is downloaded, and don't download what makes the package too large.

Loaded in pip's process; imports only the standard library, pip and its siblings. Indexes say sizes in JSON (PEP 700), and pip
drops them. What no index says, the header of the answer does, before the body. A pip that lacks a function that is listened
to here knows fewer sizes; the result is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pip._internal.models.link import Link
from pip._internal.network.download import Downloader
from pip._internal.operations.prepare import RequirementPreparer
from pip._vendor.packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cdk_lambda_package.inside_pip.target import replace

Json = dict[str, Any]

# More is no size of a file.
_MOST_BYTES = 1 << 60


# pip's method for its feature fast-deps.
_BY_RANGES = "_fetch_metadata_using_lazy_wheel"


class TooLarge(Exception):
    """A wheel isn't downloaded: with it, the package is certainly larger than the job allows."""


class _Wheel(NamedTuple):
    """A wheel that is there, or is to be downloaded; `chain` are the distributions that lead to it, with their files."""

    name: str
    version: str
    file: str
    size: int
    chain: tuple[tuple[str, str], ...]

    def describe(self) -> Json:
        """Return it as a value for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "size": self.size,
            "chain": [name for name, _ in self.chain],
        }


class Sizes:
    """What is known of the sizes of files, and the wheels that the package has so far.

    They count together. While pip looks for versions that satisfy all, the release of a distribution that it looked at last
    counts, and what only earlier ones required doesn't.
    """

    def __init__(self, job: Json, result: Json) -> None:
        self._limit: int | None = job["size_limit"]
        self._excluded = frozenset(job["excluded"])
        # Without dependencies, it isn't known what only excluded distributions need.
        self._knows_why = not (job["only"] and self._excluded) or job["command"] == "download"
        self._result = result
        self._listed: dict[str, int] = {}
        self._wheels: dict[str, _Wheel] = {}
        self._downloads = job["command"] == "download"
        # URLs of wheels that aren't downloaded for their metadata.
        self._only_metadata: set[str] = set()
        # The file of each distribution that pip looked at last.
        self._current: dict[str, str] = {}
        self._requirement: Any = None

    def attach(self) -> None:
        """Read what indexes say of sizes, and if there is a limit, compare it before the body of an answer is read."""
        if callable(getattr(Link, "from_json", None)):
            replace(Link, "from_json", self._read_link)
        if self._excluded or self._limit is not None:
            replace(RequirementPreparer, "prepare_linked_requirement", self._prepare)
            if callable(getattr(RequirementPreparer, _BY_RANGES, None)):
                replace(RequirementPreparer, _BY_RANGES, self._read_metadata)
        if self._limit is not None and callable(getattr(Downloader, "_http_get", None)):
            replace(Downloader, "_http_get", self._get)

    def of(self, link: Any) -> int:
        """Return the size that an index says a file has, in bytes; 0 where it doesn't say any."""
        return self._listed.get(link.url, 0)

    def check(self, link: Any, size: int = 0) -> None:
        """Raise `TooLarge` for a wheel that is to be downloaded, if that makes the package too large."""
        self._count(link, size or self.of(link))
        counted = [wheel for wheel in self._wheels.values() if self._is_current(wheel)]
        if self._limit is not None and sum(wheel.size for wheel in counted) > self._limit:
            self._result["too_large"] = [wheel.describe() for wheel in counted]
            raise TooLarge(link.filename)

    def add(self, link: Any, path: str) -> None:
        """Count a wheel that is there by now."""
        self._count(link, self.of(link) or os.path.getsize(path))

    def _count(self, link: Any, size: int) -> None:
        if not size or self._limit is None or not self._knows_why or not link.is_wheel:
            return
        try:
            name, version, _, _ = parse_wheel_filename(link.filename)
        except InvalidWheelFilename:
            return
        if not self._leaves_out(name):
            chain = tuple(_chain_of(self._requirement))
            self._current[name] = link.filename
            self._wheels[link.filename] = _Wheel(name, str(version), link.filename, size, chain)

    def _is_current(self, wheel: _Wheel) -> bool:
        return all(self._current.get(name) == file for name, file in ((wheel.name, wheel.file), *wheel.chain))

    def _leaves_out(self, name: str) -> bool:
        """Tell whether a distribution is excluded, or pip came to it by one that is."""
        return not self._excluded.isdisjoint({name, *(parent for parent, _ in _chain_of(self._requirement))})

    def _read_metadata(self, original: Callable[..., Any], preparer: Any, link: Any) -> Any:
        """Read no more than the metadata of a wheel that is excluded or too large, if its server sends parts of files."""
        name = canonicalize_name(link.filename.partition("-")[0])
        # Without a download, only the index says which file it is.
        if link.hash_name != "sha256" or not (link.url in self._only_metadata or self._leaves_out(name)):
            return original(preparer, link)
        before, preparer.use_lazy_wheel = preparer.use_lazy_wheel, True
        try:
            return original(preparer, link)
        except Exception:
            # Then pip downloads it, and says what is wrong with it.
            return None
        finally:
            preparer.use_lazy_wheel = before

    def _read_link(self, original: Callable[..., Any], file_data: Json, *args: Any, **options: Any) -> Any:
        link, size = original(file_data, *args, **options), file_data.get("size")
        if link is not None and type(size) is int and 0 < size < _MOST_BYTES:
            self._listed[link.url] = size
        return link

    def _prepare(self, original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **options: Any) -> Any:
        self._requirement = ireq
        if ireq.name:
            self._current[canonicalize_name(ireq.name)] = ireq.link.filename
        try:
            return original(preparer, ireq, *args, **options)
        except TooLarge:
            if preparer.require_hashes or self._downloads:
                raise
            # pip may drop this release again. If its metadata can be read without it, the wheels that pip chooses are compared.
            self._only_metadata.add(ireq.link.url)
            prepared = original(preparer, ireq, *args, **options)
            del self._result["too_large"]
            return prepared
        finally:
            self._requirement = None

    def _get(self, original: Callable[..., Any], downloader: Any, link: Any, *args: Any, **options: Any) -> Any:
        response = original(downloader, link, *args, **options)
        length = str(response.headers.get("Content-Length", ""))
        if response.status_code == 200 and length.isdecimal():
            try:
                self.check(link, min(int(length), _MOST_BYTES))
            except TooLarge:
                response.close()
                raise
        return response


def _chain_of(ireq: Any) -> Iterator[tuple[str, str]]:
    """Yield the distributions that lead to a requirement, with their files, the app's own first."""
    parent: Any = getattr(ireq, "comes_from", None)
    # At the end is the text that says where in which file it stands.
    if getattr(parent, "name", None):
        yield from _chain_of(parent)
        yield canonicalize_name(parent.name), parent.link.filename if parent.link is not None else ""
