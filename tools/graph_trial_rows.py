"""The rows of the list of distributions, each packaged, really imported, and given to the checks.

The work folder keeps, for each row, its entry directory, the sources of its package, and what the real import did. Its store has
the wheels, so that a row which was tried once needs neither the index nor an interpreter.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unittest.mock import patch

from graph_trial_figures import Trial, Truth, Word
from public_apps import find_interpreter

from cdk_lambda_package import PackageRequest, Packaging, checks
from cdk_lambda_package.checks import analyse_imports
from cdk_lambda_package.checks.distribution_names import canonicalize, modules_of
from cdk_lambda_package.errors import Finding
from cdk_lambda_package.import_analysis import ImportAnalysis
from cdk_lambda_package.progress import QUIET
from cdk_lambda_package.splicing import OWN, Entry, Layout, digest_tree, write_tree
from cdk_lambda_package.stages import (
    Inputs,
    check_package,
    find_resolution,
    join_inputs,
    lay_out,
    plan_locked,
    read_requested_app,
    review_key,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

SCRIPT = Path(__file__).with_name("graph_trial_import.py")
INDEX = "app.py"
ARCHITECTURE = "x86_64"
# The package has what a row requires; this is there besides.
RUNTIME_PACKAGES = ("boto3",)
# What a row was resolved to once stays.
FOREVER = timedelta(days=3650)
TIME_LIMIT = 180
# Raise it whenever the script notes something else.
TRUTH_FORMAT = "truth 1"
KEPT_SOURCES = (".py", ".pyi")

# The first line of a distribution's documentation, where importing its module alone loads little, or isn't what it is for.
USES = {
    "aiobotocore": "from aiobotocore.session import get_session",
    # Its OAuth clients are for one of three HTTP libraries, none of which it requires.
    "authlib": "from authlib.integrations.requests_client import OAuth2Session",
    "aws-encryption-sdk": "from aws_encryption_sdk import EncryptionSDKClient",
    "aws-lambda-powertools": "from aws_lambda_powertools import Logger, Metrics",
    "aws-xray-sdk": "from aws_xray_sdk.core import xray_recorder",
    "celery": "from celery import Celery",
    "cryptography": "from cryptography.fernet import Fernet",
    "django": "from django.http import JsonResponse",
    "fabric3": "from fabric.api import run",
    "google-api-python-client": "from googleapiclient.discovery import build",
    "huggingface-hub": "from huggingface_hub import HfApi",
    "kombu": "from kombu import Connection",
    "langchain": "from langchain.agents import create_agent",
    "langchain-core": "from langchain_core.prompts import ChatPromptTemplate",
    "matplotlib": "from matplotlib import pyplot",
    "openai": "from openai import OpenAI",
    "pdfminer": "from pdfminer.high_level import extract_text",
    "pdfminer-six": "from pdfminer.high_level import extract_text",
    "pyjwt": "import jwt",
    "pydantic": "from pydantic import BaseModel",
    "python-jose": "from jose import jwt",
    "scipy": "from scipy import stats",
    "scikit-learn": "from sklearn.linear_model import LinearRegression",
    # Old code imports it; setuptools 82 removed it.
    "setuptools": "import pkg_resources",
    "six": "from six.moves import urllib",
    "tornado": "from tornado.web import Application",
    "twisted": "from twisted.internet import reactor",
    "werkzeug": "from werkzeug.wrappers import Response",
    "transformers": "from transformers import AutoTokenizer",
}
NOT_MODULES = frozenset({"tests", "test", "testing", "docs", "doc", "examples", "example", "scripts", "benchmarks"})


class Row(NamedTuple):
    """A line of the list: `said` is what importing the newest release did, ok or the exception's type."""

    runtime: str
    requirement: str
    said: str

    @property
    def folder(self) -> str:
        """A name for the files of the row."""
        return f"{self.runtime}-{re.sub(r'[^A-Za-z0-9_.=-]+', '_', self.requirement)}"

    @property
    def distribution(self) -> str:
        """The canonical name of the distribution."""
        return canonicalize(re.split(r"[=<>!~;\s]", self.requirement, maxsplit=1)[0])


def read_rows(path: Path) -> list[Row]:
    """Return the rows of the list, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row(*line.split("\t")[:3]) for line in lines if line.strip() and not line.startswith("#")]


def interpreter_of(runtime: str) -> str | None:
    """Return an interpreter of the runtime's version, None if there is none."""
    try:
        return find_interpreter(runtime)
    except SystemExit:
        return None


class Bench:
    """Tries rows in a work folder. With `reuse`, only those whose real import is known, without asking the index."""

    def __init__(self, work: Path, *, reuse: bool = False) -> None:
        self.work, self.reuse = work, reuse

    def try_row(self, row: Row) -> Trial | None:
        """Package a row, import it, and let the checks judge it; None if it isn't there to be reused.

        Raises `PackageError` if it can't be packaged.
        """
        recorded = self.work / "truth" / f"{row.folder}.json"
        if self.reuse and not recorded.is_file():
            return None
        store = Store(self.work / "store")
        statement, inputs, layout = self._package(row, store)
        truth = self._truth(row, layout, recorded)
        if truth is None:
            return None
        word, sizes = ask(inputs, layout, truth)
        return Trial(
            runtime=row.runtime, requirement=row.requirement, said=row.said, statement=statement, truth=truth, word=word, sizes=sizes
        )  # fmt: skip

    def _package(self, row: Row, store: Store) -> tuple[str, Inputs, Layout]:
        """Return the import statement, and the package of an app that has it."""
        entry = self.work / "entries" / row.folder
        entry.mkdir(parents=True, exist_ok=True)
        write_if_new(entry / "requirements.txt", f"{row.requirement}\n")
        if not (entry / INDEX).exists():
            write_if_new(entry / INDEX, _app(""))
        inputs, layout = lay_out_entry(row, entry, store)
        statement = (
            USES.get(row.distribution) or f"import {find_module(row, {one.path: one for one in layout.tree.entries})}"
        )
        if write_if_new(entry / INDEX, _app(statement)):
            inputs, layout = lay_out_entry(row, entry, store)
        return statement, inputs, layout

    def _truth(self, row: Row, layout: Layout, recorded: Path) -> Truth | None:
        """Return what a real import of the package does, tried once for each content of the package."""
        interpreter = interpreter_of(row.runtime)
        key = hashlib.sha256(
            "\0".join([digest_tree(layout.tree.entries), str(interpreter), TRUTH_FORMAT]).encode()
        ).hexdigest()
        known = json.loads(recorded.read_text(encoding="utf-8")) if recorded.is_file() else {}
        if known.get("key") != key:
            if self.reuse or interpreter is None:
                return None
            known = {"key": key, "truth": asdict(self._import(row, layout, interpreter))}
            recorded.parent.mkdir(parents=True, exist_ok=True)
            recorded.write_text(json.dumps(known), encoding="utf-8")
        # Read back, so that the first time gives what later ones do.
        return Truth(**json.loads(json.dumps(known["truth"])))

    def _import(self, row: Row, layout: Layout, interpreter: str) -> Truth:
        folder = self.work / "packages" / row.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_tree(layout.splices, folder)
        truth = really_import(folder, self._beside(row, interpreter), interpreter, row.runtime)
        # The sources explain what the graph says; the rest is large.
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in KEPT_SOURCES:
                path.unlink()
        return truth

    def _beside(self, row: Row, interpreter: str) -> Path:
        """Return the folder with what Lambda's runtime brings, which Python searches last."""
        folder = self.work / "runtime" / row.runtime
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=self.work) as place:
                command = [
                    interpreter,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--target",
                    f"{place}/made",
                    *RUNTIME_PACKAGES,
                ]
                subprocess.run(command, check=True)
                folder.parent.mkdir(exist_ok=True)
                with contextlib.suppress(OSError):  # another process was faster
                    Path(place, "made").rename(folder)
        return folder


def write_if_new(path: Path, text: str) -> bool:
    """Write a file that has another text, or isn't there; return whether it was."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def _app(statement: str) -> str:
    return (f"{statement}\n\n\n" if statement else "") + "def handler(event, context):\n    return None\n"


def lay_out_entry(row: Row, entry: Path, store: Store) -> tuple[Inputs, Layout]:
    """Return the inputs and the layout of a row's package, by the stages of a build."""
    request = PackageRequest(
        entry=entry, runtime=row.runtime, architecture=ARCHITECTURE, index=INDEX, handler="handler",
        packaging=Packaging(acknowledge=["package-too-large"], max_lock_age=FOREVER),
    )  # fmt: skip
    app = read_requested_app(request, entry, store)
    asked = plan_locked(request, app, Target.parse(row.runtime, ARCHITECTURE), store)
    inputs = join_inputs(request, app, asked, find_resolution(asked, FOREVER, store, QUIET), store)
    return inputs, lay_out(inputs, store, QUIET)


def find_module(row: Row, entries: Mapping[str, Entry]) -> str:
    """Return the module to import of a row's distribution: the one with its name, or that it is known for."""
    paths = [path for path, one in entries.items() if canonicalize(one.owner.partition("==")[0]) == row.distribution]
    found = top_modules(paths)
    wanted = row.distribution.replace("-", "_")
    known = modules_of(row.distribution)
    plain = re.sub(r"^(python|py)_?|_?(python|py)[0-9]*$", "", wanted)

    def rank(module: str) -> tuple[int, int, str]:
        flat = module.lower().replace(".", "_")
        tests = (flat == wanted, module in known, flat == plain, flat.startswith(plain))
        first = next((number for number, holds in enumerate(tests) if holds), len(tests))
        aside = module in NOT_MODULES or module.startswith("_")
        return (first + len(tests) * aside, -found[module], module)

    return min(found, key=rank, default=row.distribution.replace("-", "_"))


def top_modules(paths: Collection[str]) -> dict[str, int]:
    """Return the top-level modules and packages among paths, with the number of their files.

    A package in folders without an `__init__.py` has the folders' names in front, as google.cloud.storage has.
    """
    packages = {
        str(PurePosixPath(path).parent) for path in paths if PurePosixPath(path).stem.partition(".")[0] == "__init__"
    }
    found: dict[str, int] = {}
    for path in paths:
        parts = PurePosixPath(path).parts
        folders = ["/".join(parts[:count]) for count in range(1, len(parts))]
        if any("." in part or "-" in part for part in parts[:-1]) or not parts[-1].endswith((".py", ".so")):
            continue
        around = next((folder for folder in folders if folder in packages), None)
        top = around or "/".join([*parts[:-1], parts[-1].partition(".")[0]])
        name = top.replace("/", ".")
        found[name] = found.get(name, 0) + 1
    return found


def really_import(folder: Path, beside: Path, interpreter: str, runtime: str) -> Truth:
    """Import the app of an unpacked package in a process of its own, with nothing but the package and the standard library."""
    with tempfile.TemporaryDirectory() as place:
        result = Path(place, "result")
        command = [
            interpreter,
            "-I",
            "-S",
            "-B",
            "-X",
            "utf8",
            str(SCRIPT),
            str(folder),
            str(beside),
            "app",
            str(result),
        ]
        try:
            done = subprocess.run(
                command, cwd=folder, env=_variables(folder, place, runtime), stdin=subprocess.DEVNULL,
                capture_output=True, timeout=TIME_LIMIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Truth(status=f"longer than {TIME_LIMIT} s")
        if not result.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            return Truth(status=f"ended with {done.returncode}", message=lines[-1] if lines else "")
        return Truth(**ast.literal_eval(result.read_text(encoding="utf-8")))


def _variables(task: Path, scratch: str, runtime: str) -> dict[str, str]:
    """Return Lambda's variables, as in stages/s6_unpacking.py: the credentials aren't real."""
    return {
        "_HANDLER": "app.handler",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "HOME": scratch,
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": scratch,
        "TZ": ":UTC",
    }


# The graph's word


def ask(inputs: Inputs, layout: Layout, truth: Truth) -> tuple[Word, dict[str, int]]:
    """Return what the checks say of a package, in an empty store, and the sizes of the sources that matter."""
    with tempfile.TemporaryDirectory() as place, _watching() as seen:
        review = check_package(inputs, layout, review_key(inputs), Store(Path(place)))
    graph = seen.analysis.graph(inputs.app.index)
    entries = {entry.path: entry for entry in layout.tree.entries}

    def foreign(paths: Collection[str]) -> list[str]:
        return sorted(path for path in paths if path in entries and entries[path].owner not in OWN)

    word = Word(
        findings=[_describe(finding) for finding in (*inputs.app.findings, *layout.tree.findings, *review.findings)],
        certain=foreign(graph.certain),
        perhaps=foreign(graph.perhaps),
        links={path: list(link) for path, link in graph.links().items()},
        seconds=seen.seconds,
    )
    real = [path for path in foreign(truth.loaded.keys()) if path.endswith(".py")]
    return word, {path: entries[path].size for path in (*word.certain, *word.perhaps, *real)}


def _describe(finding: Finding) -> dict[str, Any]:
    return asdict(finding)


class _Seen:
    """The analysis that the checks made, and its CPU seconds."""

    analysis: ImportAnalysis
    seconds: float = 0.0


@contextlib.contextmanager
def _watching() -> Iterator[_Seen]:
    """Note the analysis that the checks make, and the CPU time that the graph of the handler's module takes.

    The graph is asked for once more by the checks, which get the same one.
    """
    seen = _Seen()

    def watched(entries: Mapping[str, Entry], *arguments: Any, **options: Any) -> ImportAnalysis:
        analysis = analyse_imports(entries, *arguments, **options)
        began = time.process_time()
        analysis.graph(INDEX)
        analysis.save()
        seen.seconds = time.process_time() - began
        seen.analysis = analysis
        return analysis

    with patch.object(checks, "analyse_imports", watched):
        yield seen


def search_path(runtimes: Collection[str]) -> str:
    """Return a PATH with the runtimes' interpreters in front: sources are built by one of the target's version."""
    found = [str(Path(python).parent) for runtime in sorted(runtimes) if (python := interpreter_of(runtime))]
    return os.pathsep.join([*found, os.environ.get("PATH", "")])
