"""Say while pip works what it works on: the distribution that it looks at, and how much of a file is there.

Loaded in pip's process; imports only the standard library, pip and its siblings. Each message is one line on stderr: the
job's `progress`, which marks it, then JSON. The library takes these lines out of what pip says. A pip that lacks a
function that is listened to here says less; the result is the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pip._internal.index.package_finder import PackageFinder
from pip._internal.network import download
from pip._internal.operations.prepare import RequirementPreparer

from cdk_lambda_package.inside_pip.target import Job, replace

# Seconds between two messages about one file.
_EVERY = 0.2


def say(mark: str, **message: Any) -> None:
    """Send a message: `name` of a distribution, `file` with `done` and `size`, or a `note` of what pip waits for."""
    # The stream may be closed, or no process reads it any more: that is no reason to stop.
    try:
        sys.stderr.write(f"{mark}{json.dumps(message)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def report_progress(job: Job) -> None:
    """Listen where pip looks for a distribution, prepares one, and downloads a file; after all other replacements."""
    mark: str = job["progress"]

    def find(original: Callable[..., Any], finder: Any, name: str, *args: Any, **options: Any) -> Any:
        say(mark, name=name)
        return original(finder, name, *args, **options)

    def prepare(original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **options: Any) -> Any:
        say(mark, name=ireq.name or ireq.link.filename)
        return original(preparer, ireq, *args, **options)

    def get(original: Callable[..., Any], downloader: Any, link: Any, *args: Any, **options: Any) -> Any:
        path, content_type = original(downloader, link, *args, **options)
        if not _is_metadata(link):
            # Also of a file that was in the store by now, and of one whose size the index didn't say.
            size = os.path.getsize(path)
            say(mark, file=link.filename, done=size, size=size)
        return path, content_type

    def log_download(
        original: Callable[..., Any], response: Any, link: Any, bar: Any, size: int | None, *args: Any, **options: Any
    ) -> Iterable[bytes]:
        chunks: Iterable[bytes] = original(response, link, bar, size, *args, **options)
        if _is_metadata(link):
            return chunks
        first = options.get("range_start", args[0] if args else 0) or 0
        return _counted(chunks, lambda done: say(mark, file=link.filename, done=done, size=size), first)

    for owner, name, around in (
        (PackageFinder, "find_all_candidates", find),
        (RequirementPreparer, "_log_preparing_link", prepare),
        (download.Downloader, "__call__", get),
        (download, "_log_download", log_download),
    ):
        if callable(getattr(owner, name, None)):
            replace(owner, name, around)


def _is_metadata(link: Any) -> bool:
    return str(link.filename).endswith(".metadata")


def _counted(chunks: Iterable[bytes], tell: Callable[[int], None], done: int) -> Iterator[bytes]:
    """Yield the chunks, and tell from time to time how many bytes there were."""
    tell(done)
    last = time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - last >= _EVERY:
            tell(done)
            last = time.monotonic()
