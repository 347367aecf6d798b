"""The newest release of a distribution for a target, fetched to be looked at: an error about a release asks for it.

pip is asked, with the user's own configuration, so nothing but the user's indexes is ever reached. Builds don't wait for it long:
there is a time limit, nothing is asked again, and a large file isn't downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import parse_wheel_filename

from cdk_lambda_package.errors import UnknownVersionError
from cdk_lambda_package.processes import Finished, run_process
from cdk_lambda_package.requirements import ResolutionRequest
from cdk_lambda_package.resolving.pip_run import PipRun, run_pip
from cdk_lambda_package.store import WHEELS, Store
from cdk_lambda_package.urls import file_sha256

# In bytes and seconds: more isn't worth a sentence of advice.
_LARGEST_WHEEL, _TIME_LIMIT = 5_000_000, 10
_IMPATIENT = ("--retries=0", "--timeout=3")


class Release(NamedTuple):
    """A release whose wheel is in the store, by its sha256 and file name.

    Example:
        `Release("2.4.0", "sortedcontainers-2.4.0-py2.py3-none-any.whl", sha256)`
    """

    version: str
    filename: str
    sha256: str


def fetch_newest_release(name: str, version: str, request: ResolutionRequest, store: Store) -> Release | None:
    """Fetch the newest release after `version` that has a wheel for the request's target; None if there is none.

    Of the request, the target, the places and the rules count. Raises the kinds of `RequirementsError` if the index can't be
    asked in time, and `TooLargeError` for a wheel above 5 MB.

    Example:
        `fetch_newest_release("sortedcontainers", "1.5.4", request, store)`
    """
    asked = replace(
        request,
        require_hashes=False,
        allow_build=False,
        size_limit=_LARGEST_WHEEL,
        excluded=(),
        preferred=(),
        pip_args=(*request.pip_args, *_IMPATIENT),
    )
    with store.workspace() as workspace:
        run = PipRun(request=asked, only=(f"{name}>{version}",), ignore_hashes=True, destination=workspace)
        try:
            run_pip(run, store, _run_in_time)
        except UnknownVersionError:
            return None
        wheel = next(workspace.glob("*.whl"), None)
        if wheel is None:
            return None
        release = Release(str(parse_wheel_filename(wheel.name)[1]), wheel.name, file_sha256(wheel))
        store.adopt(wheel, WHEELS, release.sha256, release.filename)
    return release


def _run_in_time(argv: Sequence[str], directory: Path, environment: Mapping[str, str], /, **options: Any) -> Finished:
    return run_process(argv, directory, environment, time_limit=_TIME_LIMIT, **options)
