"""Say while pip works what it works on: the distribution that it looks at, and how much of a file is there.

Loaded in pip's process; imports only the standard library, pip and its siblings. Each message is one line on stderr: the
job's `progress`, which marks it, then JSON. The library takes these lines out of what pip says. A pip that lacks a
function that is listened to here says less; the result is the same.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from pip._internal.index.package_finder import PackageFinder
from pip._internal.network import download
from pip._internal.operations.prepare import RequirementPreparer

from cdk_lambda_package.inside_pip.target import Job, replace

# Seconds between two messages about one file.
_EVERY = 0.2


def tell(job: Job, **message: Any) -> None:
    """Tell the library one thing."""
    # The stream may be closed, or have no reader any more: that is no reason to stop.
    try:
        sys.stderr.write(f"{job['progress']}{json.dumps(message)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def report_progress(job: Job) -> None:
    """Listen where pip looks for a distribution, prepares one, and downloads a file."""
    say = partial(tell, job)

    def find(original: Callable[..., Any], finder: Any, name: str, *args: Any, **options: Any) -> Any:
        say(name=name)
        return original(finder, name, *args, **options)

    def prepare(original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **options: Any) -> Any:
        say(name=ireq.name or ireq.link.filename)
        return original(preparer, ireq, *args, **options)

    def log_download(
        original: Callable[..., Any], response: Any, link: Any, bar: Any, size: int | None, *args: Any, **options: Any
    ) -> Iterable[bytes]:
        chunks: Iterable[bytes] = original(response, link, bar, size, *args, **options)
        if link.filename.endswith(".metadata"):
            return chunks
        first = options.get("range_start", args[0] if args else 0) or 0
        return _counted(chunks, lambda done, size: say(file=link.filename, done=done, size=size), first, size)

    for owner, name, around in (
        (PackageFinder, "find_all_candidates", find),
        (RequirementPreparer, "_log_preparing_link", prepare),
        (download, "_log_download", log_download),
    ):
        if callable(getattr(owner, name, None)):
            replace(owner, name, around)


def _counted(
    chunks: Iterable[bytes], say: Callable[[int, int | None], None], done: int, size: int | None
) -> Iterator[bytes]:
    """Yield the chunks, and say from time to time and at the end how many bytes there were."""
    say(done, size)
    last = time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - last >= _EVERY:
            say(done, size)
            last = time.monotonic()
    # At its end, a file whose size the index didn't say is known to be whole.
    say(done, done if size is None else size)
