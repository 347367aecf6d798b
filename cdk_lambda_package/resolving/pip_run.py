"""One run of the user's pip under a target, in a process of its own.

pip runs under `inside_pip/target.py`, which makes it see the target and writes what it read and chose to a file. A result is
used only with the proof that the replacements were called.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.building import BuiltWheel, Source
from cdk_lambda_package.errors import RequirementsError
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.requirements import UploadLimit, relative_to_entry
from cdk_lambda_package.resolving.errors import SUPPORTED_PIP_HINT, translate
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import hide_credentials

SCRIPT = Path(__file__).parents[1] / "inside_pip" / "target.py"

# Behind these, nothing that a user configures can start a prompt, a build or a look for a newer pip.
COMMON_OPTIONS = (
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--only-binary=:all:",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What pip is to be told: the wheels `built` of sources by the source's key, and projects that are `members`."""

    workspace: Path
    built: Mapping[str, tuple[Source, BuiltWheel]] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)

    @property
    def index_options(self) -> Path:
        """The file for the index options that the user's settings come to."""
        return self.workspace / "index-options.txt"

    @property
    def network_options(self) -> Path:
        """The file for the network options, as environment variables of pip's."""
        return self.workspace / "network-options.json"

    def as_job(self) -> dict[str, Any]:
        """Return it as `inside_pip/sources.py` reads it."""
        return {
            "workspace": str(self.workspace),
            "index_options": str(self.index_options),
            "network_options": str(self.network_options),
            "members": {name: path.as_uri() for name, path in self.members.items()},
            "built": {
                key: {
                    "name": wheel.name,
                    "filename": wheel.filename,
                    "metadata": wheel.metadata,
                    "path": str(source.path),
                }
                for key, (source, wheel) in self.built.items()
            },
        }


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
    """Tell whether pip itself failed, as far as its result says."""
    return result["status"] != 0 or "error" in result


def check_result(result: dict[str, Any], run: PipRun, entry: Path) -> dict[str, Any]:
    """Return the result of a run that succeeded, with the proof that pip saw the target; else raise as `run_pip` does."""
    if has_failed(result):
        raise translate(result, target=run.target, entry=entry)
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
            f"isn't used. {SUPPORTED_PIP_HINT}"
        )
