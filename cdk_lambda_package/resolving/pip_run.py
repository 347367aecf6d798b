"""One run of the user's pip under a target, in a process of its own.

pip runs under `inside_pip/target.py`, which makes it see the target and says what it read and chose. A result is used only with
the proof that the replacements were called. What it is to do may hold passwords, so that goes by stdin, and its result comes
back by stdout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import (
    HashMismatchError,
    NoWheelError,
    RequirementsError,
    UnknownPackageError,
    UnknownVersionError,
)
from cdk_lambda_package.processes import Finished, Runner, run_process, with_temporary
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import (
    Contribution,
    ResolutionRequest,
    TooLargeError,
    check_included,
    relative_to_entry,
)
from cdk_lambda_package.resolving.errors import SUPPORTED_PIP_HINT, translate
from cdk_lambda_package.resolving.messages import MARK, hearing, without_messages
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import hide_credentials, hide_secrets

T = TypeVar("T")

SCRIPT = Path(__file__).parents[1] / "inside_pip" / "target.py"

# Behind these, nothing that a user configures can start a prompt, a build or a look for a newer pip.
COMMON_OPTIONS = (
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--only-binary=:all:",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipRun:
    """One run of pip for a request: what it is to read, and where it puts things.

    `only` are the lines of a requirements file that takes the place of all requirements of the request, without their
    dependencies; the index options of the user's requirements still count. With `hashes_only`, constraints and the
    request's rules for hashes and upload dates don't count: the files are known by their hashes. With `ignore_hashes`,
    nothing has to be pinned. `sources` lets sources in, and has what `inside_pip/sources.py` is to know of them. pip
    downloads to the `destination`, and only resolves if there is none. The `progress` hears what pip works on.
    """

    request: ResolutionRequest
    only: tuple[str, ...] = ()
    hashes_only: bool = False
    ignore_hashes: bool = False
    sources: Mapping[str, Any] | None = None
    destination: Path | None = None
    progress: Progress = field(default=QUIET, repr=False, compare=False)


def run_pip(run: PipRun, store: Store, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return its checked result.

    Raises the kinds of `RequirementsError`, and `TooLargeError`.
    """
    return check_result(start_pip(run, store, runner), run)


def start_pip(run: PipRun, store: Store, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return what it wrote down, whether it succeeded or not.

    With sources, `settings` of the result are pip's variables for builds, with passwords.
    """
    for file in (run.request.requirements, run.request.build_constraint):
        if file is not None:
            check_included(file)
    # -P: neither the entry directory nor the library's own modules may shadow anything of pip's.
    argv = [sys.executable, "-P", str(SCRIPT)]
    with store.workspace() as workspace:
        # The last keeps pip.conf's `python=` from starting another interpreter, in which nothing would be replaced.
        variables = {**_variables(run.request), "_PIP_RUNNING_IN_SUBPROCESS": "1"}
        environment = with_temporary(variables, workspace)
        job = json.dumps({**make_job(run), "downloads": store.for_downloads()}).encode()
        hears = hearing(run.progress.own)
        finished = runner(argv, run.request.entry, environment, input=job, separate=True, on_line=hears)
    return _read_result(finished, variables)


def _variables(request: ResolutionRequest) -> dict[str, str]:
    return {**os.environ, **dict(request.pip_environment)}


def by_url_or_name(ask: Callable[..., T], *, named: bool = True) -> T:
    """Return what `ask(by_url=True)` does, and where that fails and files are `named`, what `ask(by_url=False)` does.

    Some indexes give each link a password of its own, which no lock keeps.
    """
    try:
        return ask(by_url=True)
    except HashMismatchError:
        raise
    except RequirementsError as error:
        if not named:
            raise
        try:
            return ask(by_url=False)
        except (NoWheelError, UnknownPackageError, UnknownVersionError):
            # No index has it, and it was to come from elsewhere.
            raise error from None


def pinned_line(name: str, version: str, url: str, sha256: str, *, by_url: bool) -> str:
    """Return the line of a requirements file that asks for a file, by its URL or, with a `version`, by its name.

    All but the URL or the name and version may be "".
    """
    what = f"{name} @ {url}" if name else url
    if version and not (by_url and url):
        what = f"{name}=={version}"
    return f"{what} --hash=sha256:{sha256}" if sha256 else what


def has_failed(result: Mapping[str, Any]) -> bool:
    """Tell whether pip itself failed, as far as its result says."""
    return result["status"] != 0 or "error" in result


def check_result(result: dict[str, Any], run: PipRun) -> dict[str, Any]:
    """Return the result of a run that succeeded, with the proof that pip saw the target; else raise as `run_pip` does."""
    if has_failed(result):
        if rows := result.get("too_large"):
            raise TooLargeError(Contribution(**{**row, "chain": tuple(row["chain"])}) for row in rows)
        error = translate(result, target=run.request.target, entry=run.request.entry)
        # pip expands `${TOKEN}` wherever it stands in a requirements file.
        raise type(error)(hide_secrets(str(error), _variables(run.request)))
    _check_proof(result, run)
    return result


def make_job(run: PipRun) -> dict[str, Any]:
    """Return what `inside_pip/target.py` is to do."""
    request, target = run.request, run.request.target
    limit = None if run.hashes_only else request.uploaded_prior_to
    return {
        "command": "install" if run.destination is None else "download",
        "argv": _make_argv(run),
        "environment": target.environment,
        "tags": [str(tag) for tag in target.tags],
        "python_full_version": target.runtime.full_version,
        "requirements": [relative_to_entry(request.requirements, request.entry)] if request.requirements else [],
        "known_metadata": [str(folder) for folder in request.known_metadata],
        "preferred": dict(request.preferred),
        "provided": [] if run.only else [canonicalize_name(name) for name in request.provided],
        "only": [*run.only],
        "sources": run.sources,
        "hashes_only": run.hashes_only,
        # None where the requirements decide on it.
        "require_hashes": False if run.ignore_hashes else (request.require_hashes and not run.hashes_only) or None,
        "uploaded_prior_to": limit.instant.isoformat() if limit else None,
        "only_index": request.only_index,
        "size_limit": request.size_limit,
        "excluded": request.excluded,
        "credentials": request.credentials,
        "progress": MARK,
    }


def _make_argv(run: PipRun) -> list[str]:
    """Return pip's command line, without the program and the requirements files."""
    options = [*run.request.pip_args, *COMMON_OPTIONS]
    if run.destination is None:
        argv = ["install", *options, "--dry-run", "--ignore-installed", f"--report={os.devnull}"]
    else:
        argv = ["download", *options, f"--dest={run.destination}"]
    return [*argv, *(["--no-deps"] if run.only else run.request.extra)]


def _read_result(finished: Finished, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what pip wrote down, and what it said without the secrets in the variables that it had."""
    try:
        result: dict[str, Any] = json.loads(finished.result)
    except ValueError:
        result = {"status": finished.status or 1, "pip": None}
    result["output"] = hide_credentials(without_messages(finished.output), variables)
    return result


def _check_proof(result: Mapping[str, Any], run: PipRun) -> None:
    """Refuse a result of which it isn't certain that pip saw the target and nothing else."""
    proof, target = result["proof"], run.request.target
    used = all(proof[name] for name in ("run", "python", "requires_python"))
    if run.destination is None:
        used = used and result.get("environment") == target.environment
        # What is built of a project or a URL is judged by its tags behind the build.
        chosen = any(not row["is_direct"] or row["url"].endswith(".whl") for row in result["install"])
        used = used and bool(proof["tags"] or not chosen)
    if not used:
        raise RequirementsError(
            f"pip {result.get('pip')} didn't resolve for {target}, but for the machine that it runs on; its result "
            f"isn't used. {SUPPORTED_PIP_HINT}."
        )
