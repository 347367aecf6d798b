"""One run of the user's pip under a target, in a process of its own.

pip runs under `inside_pip/target.py`, which makes it see the target and writes what it read and chose to a file. A result is
used only with the proof that the replacements were called.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import NoWheelError, RequirementsError, UnknownPackageError, UnknownVersionError
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.requirements import ResolutionRequest, relative_to_entry
from cdk_lambda_package.resolving.errors import SUPPORTED_PIP_HINT, translate
from cdk_lambda_package.urls import file_sha256, hide_credentials

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
    """One run of pip under the target of a request: a pip command, and how it departs from the request.

    `only` are the lines of a requirements file that takes the place of all that the request requires; the index options of
    the user's file still count. `options` come after the request's. With `hashes_only`, constraints and `require_hashes`
    don't count: the files are known by their hashes. With `sources`, sources are let in; it says which are
    built already, as `inside_pip/sources.py` reads it. With `unhashed`, requirements without a hash are let in, whatever asks for
    hashes; with `any_time`, files of any upload time.
    """

    request: ResolutionRequest
    command: str = "install"
    only: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    no_deps: bool = False
    hashes_only: bool = False
    unhashed: bool = False
    any_time: bool = False
    destination: Path | None = None
    sources: Mapping[str, Any] | None = None


def run_pip(run: PipRun, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return its checked result.

    Raises the kinds of `RequirementsError`.
    """
    return check_result(start_pip(run, runner), run)


def start_pip(run: PipRun, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return what it wrote down, whether it succeeded or not."""
    request = run.request
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        job = make_job(run, directory=Path(directory))
        if run.only:
            Path(job["only"]).write_text("\n".join(run.only) + "\n", encoding="utf-8")
        Path(directory, "job.json").write_text(json.dumps(job), encoding="utf-8")
        # -P: neither the entry directory nor the library's own modules may shadow anything of pip's.
        argv = [sys.executable, "-P", str(SCRIPT), str(Path(directory, "job.json"))]
        variables = {**os.environ, **dict(request.pip_environment), "_PIP_RUNNING_IN_SUBPROCESS": "1"}
        finished = runner(argv, request.entry, variables)
        return _read_result(Path(job["result"]), finished)


def has_failed(result: Mapping[str, Any]) -> bool:
    """Tell whether pip itself failed, as far as its result says."""
    return result["status"] != 0 or "error" in result


def check_result(result: dict[str, Any], run: PipRun) -> dict[str, Any]:
    """Return the result of a run that succeeded, with the proof that pip saw the target; else raise as `run_pip` does."""
    if has_failed(result):
        raise translate(result, target=run.request.target, entry=run.request.entry)
    _check_proof(result, run)
    return result


def make_job(run: PipRun, *, directory: Path) -> dict[str, Any]:
    """Return what `inside_pip/target.py` is to do, its own files being in `directory`."""
    request, limit = run.request, run.request.uploaded_prior_to
    requirements = [relative_to_entry(request.requirements, request.entry)] if request.requirements else []
    argv = [run.command, *request.pip_args, *run.options, *COMMON_OPTIONS]
    if run.command == "install":
        argv += ["--dry-run", "--ignore-installed", f"--report={directory / 'report.json'}"]
    argv += [f"--dest={run.destination}"] if run.destination else []
    argv += ["--no-deps"] if run.no_deps else []
    argv += [word for path in requirements for word in ("-r", path)]
    argv += [] if run.only else map(_with_hash, request.extra)
    return {
        "command": run.command,
        "argv": argv,
        "environment": request.target.environment,
        "tags": [str(tag) for tag in request.target.tags],
        "python_full_version": request.target.runtime.full_version,
        "requirements": requirements,
        "known_metadata": [str(folder) for folder in request.known_metadata],
        "preferred": dict(request.preferred),
        "provided": [] if run.only else [canonicalize_name(name) for name in request.provided],
        "only": str(directory / "only.txt") if run.only else None,
        "sources": run.sources is not None,
        **(run.sources or {}),
        "no_deps": run.no_deps,
        "hashes_only": run.hashes_only,
        "require_hashes": False if run.unhashed else (request.require_hashes and not run.hashes_only) or None,
        "uploaded_prior_to": limit.instant.isoformat() if limit and not run.any_time else None,
        "only_index": request.only_index,
        "report": str(directory / "report.json"),
        "result": str(directory / "result.json"),
    }


def _with_hash(requirement: str) -> str:
    """Add the hash to the URL of a local wheel, without which pip's hash-checking mode wouldn't take it."""
    _, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:") or "#" in url:
        return requirement
    return f"{requirement}#sha256={file_sha256(url)}"


def _read_result(path: Path, finished: Finished) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        result = {"status": finished.status or 1, "pip": None, "stage": "start"}
    result["output"] = hide_credentials(finished.output, os.environ)
    return result


def _check_proof(result: Mapping[str, Any], run: PipRun) -> None:
    """Refuse a result of which it isn't certain that pip saw the target and nothing else."""
    proof = result["proof"]
    used = all(proof[name] for name in ("run", "python", "requires_python"))
    if run.command == "install":
        used = used and result.get("environment") == run.request.target.environment
        # What is built of a project or a URL is judged by its tags behind the build.
        chosen = any(not row["is_direct"] or row["url"].endswith(".whl") for row in result["install"])
        used = used and bool(proof["tags"] or not chosen)
    if not used:
        raise RequirementsError(
            f"pip {result.get('pip')} didn't resolve for {run.request.target}, but for the machine that it runs on; its result "
            f"isn't used. {SUPPORTED_PIP_HINT}"
        )


@contextlib.contextmanager
def instead_of_unknown(error: RequirementsError) -> Iterator[None]:
    """Raise this error in the place of one that says that an index hasn't got a file: it was to come from elsewhere."""
    try:
        yield
    except (NoWheelError, UnknownPackageError, UnknownVersionError):
        raise error from None
