"""Resolve requirements for a target with the user's own pip.

pip runs under `inside_pip/target.py`, which makes it see the target and writes down what it read and chose. Nothing that it
says is taken on trust: a result without the proof that the replacements were used, a wheel that the target doesn't
load or a dependency that is missing is an error, never a package.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.pylock import Package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import RequirementsError, UnhashedError
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.requirements.requirements_file import has_requirements
from cdk_lambda_package.requirements.resolution import LockedWheel, Resolution, ResolutionRequest, relative_to_entry
from cdk_lambda_package.requirements.upload_limit import UploadLimit
from cdk_lambda_package.resolving import resolution_errors
from cdk_lambda_package.resolving.pip_result import make_resolution, read_package
from cdk_lambda_package.resolving.source_resolution import Known, resolve_with_sources, wants_sources
from cdk_lambda_package.resolving.supply_chain import refuse_late
from cdk_lambda_package.resolving.unhashed import explain_unhashed, find_unhashed
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, hide_credentials

__all__ = [
    "Finished",
    "LockedWheel",
    "PipRun",
    "Resolution",
    "ResolutionRequest",
    "Runner",
    "resolve",
    "run_pip",
    "run_process",
]

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
    """One run of pip under the target: a pip command, what it is to read, and where it puts things.

    `only` are the lines of a requirements file that takes the place of the user's one, whose index options still
    count. With `hashes_only`, constraints and upload dates don't count: the files are known by their hashes. With
    `known`, sources are let in; the wheels of those in it are built. `require_hashes` is None where the requirements
    decide on it. `uploaded_prior_to` limits when files were uploaded, `only_index` which hosts are asked.
    """

    command: str
    target: Target
    requirements: Path | None = None
    extra: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    known_metadata: tuple[Path, ...] = ()
    preferred: tuple[tuple[str, str], ...] = ()
    no_deps: bool = False
    hashes_only: bool = False
    destination: Path | None = None
    known: Known | None = None
    require_hashes: bool | None = None
    uploaded_prior_to: UploadLimit | None = None
    only_index: tuple[str, ...] | None = None


def resolve(request: ResolutionRequest, *, store: Store | None = None, runner: Runner = run_process) -> Resolution:
    """Return the wheels that the requirements come to on the target; those that have to be built are in the store.

    Raises the kinds of `RequirementsError`, each naming all requirements that it is about.
    """
    try:
        return _resolve(request, store, runner)
    except UnhashedError:
        # pip stops at the first; without the rule, what else would be chosen can be seen.
        result = start_pip(
            dataclasses.replace(_main_run(request), require_hashes=False), entry=request.entry, runner=runner
        )
        if has_failed(result):
            raise
        raise explain_unhashed(find_unhashed(result, request.bare), request) from None


def _resolve(request: ResolutionRequest, store: Store | None, runner: Runner) -> Resolution:
    result = _empty_result()
    if request.extra or (request.requirements is not None and has_requirements(request.requirements)):
        result = _resolve_main(request, store, runner)
    packages = [read_package(row, request, result["built"]) for row in result["install"]]
    bare = _missing_names(request, packages)
    bare_result = _empty_result()
    if bare:
        bare_result = run_pip(_bare_run(request, bare), entry=request.entry, runner=runner)
        packages += [read_package(row, request) for row in bare_result["install"]]
    return make_resolution(request, packages, result, bare_result)


def _resolve_main(request: ResolutionRequest, store: Store | None, runner: Runner) -> dict[str, Any]:
    """Resolve with wheels alone, and where that finds nothing, with sources too."""
    run = _main_run(request)
    result = start_pip(run, entry=request.entry, runner=runner)
    if not has_failed(result) or not (request.allow_build and wants_sources(result)):
        return {**check_result(result, run, request.entry), "built": {}}

    return run_with_sources(run, request, result, store=store or Store.open(), runner=runner)


def run_with_sources(
    run: PipRun,
    request: ResolutionRequest,
    wheels_only: Mapping[str, Any],
    *,
    store: Store,
    runner: Runner = run_process,
) -> dict[str, Any]:
    """Run pip with sources let in, and return its checked result with what was built of them.

    `wheels_only` is what pip said without. Raises `BuildError`, and the kinds of `RequirementsError`.
    """

    def ask(known: Known) -> dict[str, Any]:
        once = dataclasses.replace(run, known=known)
        result = start_pip(once, entry=request.entry, runner=runner)
        refuse_late(result.get("install", ()), request)
        # While there are sources to be built, pip's failure is only that.
        return result if result.get("sources") and has_failed(result) else check_result(result, once, request.entry)

    return resolve_with_sources(request, wheels_only, ask, store=store, runner=runner)


def run_pip(run: PipRun, *, entry: Path, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return its checked result.

    Raises the kinds of `RequirementsError`.
    """
    return check_result(start_pip(run, entry=entry, runner=runner), run, entry)


def start_pip(run: PipRun, *, entry: Path, runner: Runner = run_process) -> dict[str, Any]:
    """Run pip under the target and return what it wrote down, whether it succeeded or not."""
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        job = make_job(run, entry=entry, directory=Path(directory))
        if run.only:
            Path(job["only"]).write_text("\n".join(run.only) + "\n", encoding="utf-8")
        Path(directory, "job.json").write_text(json.dumps(job), encoding="utf-8")
        # -P: neither the entry directory nor the library's own modules may shadow anything of pip's.
        argv = [sys.executable, "-P", str(SCRIPT), str(Path(directory, "job.json"))]
        finished = runner(argv, entry, {**os.environ, **dict(run.variables), "_PIP_RUNNING_IN_SUBPROCESS": "1"})
        return _read_result(Path(job["result"]), finished)


def has_failed(result: Mapping[str, Any]) -> bool:
    return result["status"] != 0 or "error" in result


def check_result(result: dict[str, Any], run: PipRun, entry: Path) -> dict[str, Any]:
    if has_failed(result):
        raise resolution_errors.translate(result, target=run.target, entry=entry)
    _check_proof(result, run)
    return result


def make_job(run: PipRun, *, entry: Path, directory: Path) -> dict[str, Any]:
    """Return what `inside_pip/target.py` is to do, its own files being in `directory`."""
    requirements = [relative_to_entry(run.requirements, entry)] if run.requirements else []
    report = str(directory / "report.json")
    return {
        "command": run.command,
        "argv": make_argv(run, requirements=requirements, report=report),
        "environment": run.target.environment,
        "tags": [str(tag) for tag in run.target.tags],
        "python_full_version": run.target.runtime.full_version,
        "requirements": requirements,
        "known_metadata": [str(folder) for folder in run.known_metadata],
        "preferred": dict(run.preferred),
        "provided": [canonicalize_name(name) for name in run.provided],
        "only": str(directory / "only.txt") if run.only else None,
        "sources": run.known is not None,
        **(run.known.as_job() if run.known else {}),
        "no_deps": run.no_deps,
        "hashes_only": run.hashes_only,
        "require_hashes": run.require_hashes,
        "uploaded_prior_to": run.uploaded_prior_to.instant.isoformat() if run.uploaded_prior_to else None,
        "only_index": run.only_index,
        "report": report,
        "result": str(directory / "result.json"),
    }


def make_argv(run: PipRun, *, requirements: Sequence[str], report: str) -> list[str]:
    """Return pip's command line, without the program."""
    argv = [run.command, *run.options, *COMMON_OPTIONS]
    if run.command == "install":
        argv += ["--dry-run", "--ignore-installed", f"--report={report}"]
    if run.destination is not None:
        argv += [f"--dest={run.destination}"]
    if run.no_deps:
        argv += ["--no-deps"]
    for path in requirements:
        argv += ["-r", path]
    return [*argv, *run.extra]


def _main_run(request: ResolutionRequest) -> PipRun:
    return PipRun(
        command="install",
        target=request.target,
        requirements=request.requirements,
        extra=tuple(map(_with_hash, request.extra)),
        provided=request.provided,
        options=request.pip_args,
        variables=request.pip_environment,
        known_metadata=request.known_metadata,
        preferred=request.preferred,
        require_hashes=request.require_hashes or None,
        uploaded_prior_to=request.uploaded_prior_to,
        only_index=request.only_index,
    )


def _bare_run(request: ResolutionRequest, names: tuple[str, ...]) -> PipRun:
    return dataclasses.replace(_main_run(request), extra=(), provided=(), only=names, no_deps=True)


def _missing_names(request: ResolutionRequest, packages: Iterable[Package]) -> tuple[str, ...]:
    known = {package.name for package in packages} | {canonicalize_name(name) for name in request.provided}
    return tuple(line for line in request.bare if canonicalize_name(Requirement(line).name) not in known)


def _with_hash(requirement: str) -> str:
    """Say the hash of a local wheel, without which pip's hash-checking mode wouldn't take it."""
    _, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:") or "#" in url:
        return requirement
    return f"{requirement}#sha256={file_sha256(url)}"


def _empty_result() -> dict[str, Any]:
    return {
        "built": {},
        "install": [],
        "requirements": [],
        "files": [],
        "configuration": [],
        "messages": [],
        "unreachable": [],
    }


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
        used = used and result.get("environment") == run.target.environment
        # What is built of a project or a URL is judged by its tags behind the build.
        chosen = any(not row["is_direct"] or row["url"].endswith(".whl") for row in result["install"])
        used = used and bool(proof["tags"] or not chosen)
    if not used:
        raise RequirementsError(
            f"pip {result.get('pip')} didn't resolve for {run.target}, but for the machine that it runs on; its result "
            f"isn't used. {resolution_errors.SUPPORTED_PIP_HINT}"
        )
