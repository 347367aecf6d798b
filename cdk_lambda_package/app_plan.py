"""A CDK app as a whole: which packages its constructs would make, for commands that serve every function of it at once.

The command starts the app as the CDK CLI does, with one more variable, `PLAN_VARIABLE`. The recorder of each Stage then makes nothing, and
sends what it would package, when CDK prepares the Stage: after aspects and property injectors. It goes through a FIFO, since requests may
have credentials, which belong in no file.

    command                                     app
    `plan_app`  ── starts, with PLAN_VARIABLE ─▶ constructs record, CDK prepares the app
                ◀──── FIFO: `PlannedPackage`s ── `tell_plan`
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import json
import os
import pickle
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from cdk_lambda_package.bundling import BUNDLED_STACKS, PLAN_VARIABLE
from cdk_lambda_package.errors import PackageError, UsageError, explain_os_errors, shorten
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.processes import messages_in, run_process, write_message
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.variables import OutsideName, ReadBy

_DISTRIBUTION = "cdk-lambda-package"
_PIPE, _ASSEMBLY, _LAYERS, _CONTEXT = "plan", "cdk.out", "layers", "context.json"
_PROJECT_FILE, _LOOKUPS_FILE, _USER_FILE = "cdk.json", "cdk.context.json", ".cdk.json"
_APP = OutsideName(
    "CDK_APP",
    read_by=ReadBy.TOOLS,
    meaning="The command that starts the app, for commands with `--app`. A command after `--app` overrides it.",
    default="`app` in cdk.json, then in `~/.cdk.json`",
)
# The CDK CLI does the same: Linux takes 128 KiB for a variable.
_LARGEST_VARIABLE = 100_000
# The last lines of an app's output that an error shows.
_LAST_LINES = 30
# Nothing is bundled or copied for the sake of a plan. https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.cx_api-readme.html
_CONTEXT_OF_PLANS: Mapping[str, Any] = {str(BUNDLED_STACKS): [], "aws:cdk:disable-asset-staging": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPackage:
    """What a construct would package.

    Attributes:
        construct: Its path, such as `Shop/Orders`.
        group: The path of its stack: functions of one stack share layers with dependencies.
        requests: What to package: one request, and for a layer one for each runtime and architecture that it is for.
        is_layer: It is a layer, whose package belongs to `output`, where the requests of functions look for it.
        error: Why it can't be packaged, "" if nothing is known to prevent it.
    """

    construct: str
    group: str
    requests: tuple[PackageRequest, ...]
    is_layer: bool = False
    output: Path | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppPlan:
    """The packages of an app, in the order of its constructs' paths, and the look-ups that had no answer in its context.

    CDK has dummy values for such look-ups, and the CDK CLI asks AWS.
    """

    packages: tuple[PlannedPackage, ...]
    lookups: tuple[str, ...] = ()


# In the app's process.


class _Plan(NamedTuple):
    version: str
    pipe: Path


def layer_output(construct: str) -> Path:
    """Return where a command puts the package of the layer at this path, so that functions are checked with it.

    Example:
        `LayerFiles(name="Shop/Shared", path=layer_output("Shop/Shared"))`
    """
    name = hashlib.sha256(construct.encode()).hexdigest()
    return _asked_plan().pipe.parent / _LAYERS / f"{name}.zip"


def tell_plan(packages: Sequence[PlannedPackage]) -> None:
    """Send the packages of a Stage to the command that asked for the plan.

    Raises `PackageError` if that has another version of this library.

    Example:
        `tell_plan([PlannedPackage(construct="Shop/Orders", group="Shop", requests=(request,))])`
    """
    asked, own = _asked_plan(), metadata.version(_DISTRIBUTION)
    if asked.version != own:
        raise PackageError(
            f"The command is of cdk-lambda-package {asked.version}, and the app uses {own}. Start the command of the app's own "
            "environment, such as .venv/bin/cdk-lambda-package."
        )
    content = io.BytesIO()
    pickler = pickle.Pickler(content)
    pickler.dispatch_table = {**copyreg.dispatch_table, MappingProxyType: lambda one: (_freeze, (dict(one),))}
    pickler.dump(list(packages))
    with asked.pipe.open("wb") as stream:
        write_message(content.getvalue(), stream)


def _freeze(values: dict[str, str]) -> Mapping[str, str]:
    return MappingProxyType(values)


def _asked_plan() -> _Plan:
    version, _, path = os.environ[PLAN_VARIABLE].partition(":")
    return _Plan(version, Path(path))


# In the command's process.


@contextmanager
def plan_app(
    command: str | None = None,
    *,
    context: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
    progress: Progress,
) -> Iterator[AppPlan]:
    """Start an app as the CDK CLI does in the working directory, and lend its plan; a temporary directory is removed at the end.

    Args:
        command: The shell command that starts the app; by default, that of cdk.json.
        context: What overrides the context of cdk.json.
        environ: The variables of the app.
        progress: Where to say that the app is running.

    Raises `UsageError` if there is no command, and `PackageError` if the app fails or has nothing to package, or if a file of the CDK CLI's
    can't be read.

    Example:
        `with plan_app("python app.py", progress=QUIET) as plan: print([one.construct for one in plan.packages])`
    """
    project, user = _read_json(Path(_PROJECT_FILE)), _read_json(Path.home() / _USER_FILE)
    chosen = command or environ.get(_APP) or project.get("app") or user.get("app")
    if chosen is not None and not isinstance(chosen, str):
        raise PackageError(
            f"`app` in cdk.json is {shorten(repr(chosen))}; give a command as text, such as 'python app.py'."
        )
    if chosen is None or not chosen.strip():
        raise UsageError(
            f"there is no app: {Path.cwd()} has no cdk.json with an `app`. Run the command in the app's directory, or give "
            "--app 'python app.py'."
        )
    if Path(chosen).is_dir():
        raise UsageError(
            f"the app {chosen!r} is a directory with an assembly, and only the app that wrote it knows what was packaged. Give "
            "--app 'python app.py'."
        )
    # The nearest counts, as in the CDK CLI.
    sources = (user.get("context"), _read_json(Path(_LOOKUPS_FILE)), project.get("context"), context)
    merged: dict[str, Any] = {}
    for one in sources:
        merged |= one if isinstance(one, Mapping) else {}
    with TemporaryDirectory(prefix="cdk-lambda-package-") as folder:
        if isinstance(build := project.get("build"), str):
            _start(build, environ, progress, "building the app")
        yield _ask(chosen, Path(folder), {**merged, **_CONTEXT_OF_PLANS}, environ, progress)


def _ask(
    command: str, folder: Path, context: Mapping[str, Any], environ: Mapping[str, str], progress: Progress
) -> AppPlan:
    variables = {
        **environ,
        "CDK_OUTDIR": str(folder / _ASSEMBLY),
        PLAN_VARIABLE: f"{metadata.version(_DISTRIBUTION)}:{folder / _PIPE}",
        **_as_variables(context, folder),
    }
    with _Receiver(folder / _PIPE) as received:
        output = _start(command, variables, progress, "reading the app")
    if received.fault is not None:
        raise PackageError(
            f"What the app would package can't be read: {received.fault}. A value is of a class of the app's own; give plain text, "
            "paths, and cdk_lambda_package.Packaging itself."
        )
    if not received.was_told:
        raise PackageError(
            f"The app {command!r} has no construct of cdk-lambda-package, or isn't written in Python: these commands serve "
            f"PythonFunction, PythonCode and PythonLayerVersion.{_quote(output)}"
        )
    packages = sorted(received.packages.values(), key=lambda one: one.construct)
    return AppPlan(
        packages=tuple(replace(one, requests=tuple(map(_from_here, one.requests))) for one in packages),
        lookups=tuple(sorted(set(_read_lookups(folder / _ASSEMBLY)))),
    )


def _from_here(request: PackageRequest) -> PackageRequest:
    """Return a request whose entry directory is named from the working directory, if it is below that, as a user would name it."""
    entry, working = request.entry_path, Path.cwd()
    return replace(request, entry=entry.relative_to(working)) if entry.is_relative_to(working) else request


def _start(command: str, environ: Mapping[str, str], progress: Progress, doing: str) -> str:
    """Run a shell command of the app's, and return its output. Raises `PackageError` if it fails."""
    with progress.step(doing) as step:
        ended = run_process(["/bin/sh", "-c", command], Path.cwd(), environ, on_line=step.note)
    if ended.status != 0:
        raise PackageError(f"The app's command {command!r} failed with status {ended.status}.{_quote(ended.output)}")
    return ended.output


def _quote(output: str) -> str:
    lines = output.rstrip().splitlines()[-_LAST_LINES:]
    return "".join(f"\n    {line}" for line in ("Its output:", *lines)) if lines else ""


def _as_variables(context: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the variables that give an app its context; a large one is in a file, as the CDK CLI does it."""
    text = json.dumps(context)
    if len(text.encode()) <= _LARGEST_VARIABLE:
        return {"CDK_CONTEXT_JSON": text}
    path = folder / _CONTEXT
    path.write_text(text)
    return {"CDK_CONTEXT_JSON": "{}", "CONTEXT_OVERFLOW_LOCATION_ENV": str(path)}


def _read_json(path: Path) -> Mapping[str, Any]:
    """Return the object in a file of the CDK CLI's, empty if there is none. Raises `PackageError` for another content."""
    with explain_os_errors(path):
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise PackageError(f"{path} isn't JSON: {error}.") from error
    if not isinstance(content, dict):
        raise PackageError(f"{path} has no JSON object; `cdk` doesn't accept it either.")
    return content


def _read_lookups(assembly: Path) -> Iterator[str]:
    """Yield the keys of the look-ups that CDK has dummy values for, in the assemblies of Stages too."""
    for manifest in assembly.rglob("manifest.json"):
        content = json.loads(manifest.read_bytes())
        yield from (str(one.get("key", "")) for one in content.get("missing") or ())


@dataclass(eq=False)
class _Receiver:
    """Takes what the app sends through the FIFO at `path`, while the block lasts."""

    path: Path
    packages: dict[str, PlannedPackage] = field(default_factory=dict)
    was_told: bool = False
    fault: Exception | None = None

    def __enter__(self) -> Self:
        os.mkfifo(self.path, 0o600)
        # Not blocking, since there is no writer yet. The own writer keeps the stream open between the app's Stages.
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._writer = os.open(self.path, os.O_WRONLY)
        os.set_blocking(reader, True)
        self._thread = threading.Thread(target=self._receive, args=(reader,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        self._thread.join()

    def _receive(self, reader: int) -> None:
        with os.fdopen(reader, "rb") as stream:
            for message in messages_in(stream):
                self.was_told = True
                try:
                    told: list[PlannedPackage] = pickle.loads(message)  # noqa: S301 - of the process that this one started
                except Exception as error:  # noqa: BLE001 - whatever the app's classes raise
                    self.fault = error
                    continue
                # An app that is synthesized twice sends what it has at the end.
                self.packages |= {one.construct: one for one in told}
