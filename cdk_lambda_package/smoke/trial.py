"""Import the handler's module from the finished .zip, in the target's Python, if this machine has it.

It shows what really happens, which no reading of the source can. It doesn't show the runtime's system libraries: this
machine's are used.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cdk_lambda_package.building.build_places import Host, find_host
from cdk_lambda_package.errors import Finding, RequirementsError
from cdk_lambda_package.handlers import module_name
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.layers import Layer, LayerSource, layer_path
from cdk_lambda_package.options import PackageRequest, Packaging
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.smoke.outcome import Circumstances, ImportOutcome, ScriptResult, judge, skip
from cdk_lambda_package.splicing import explain_os_errors, write_tree, write_zip
from cdk_lambda_package.stages import Inputs, Layout, find_resolution, join_inputs, lay_out, read_requested_app
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import Target, requirements_of

_SCRIPT = Path(__file__).with_name("script.py")
_TASK_ROOT, _LAYERS_ROOT = "/var/task", "/opt"


@remembered("smoke", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class _SmokeResult:
    """The findings of a package's import."""

    findings: tuple[Finding, ...]


def import_package(
    inputs: Inputs, handler: str | None, layout: Callable[[], Layout], *, store: Store, progress: Progress
) -> tuple[Finding, ...]:
    """Import the handler's module, and return the findings: none if it succeeds, or why it couldn't be tried here.

    The findings are remembered, unless they depend on more than the package and the variables.

    Example:
        `import_package(inputs, "handler", lambda: layout, store=store, progress=print)`
    """
    request, target = inputs.request, inputs.target
    # The interpreter's version and machine are those of the target, which is part of the package's key.
    key = key_of(inputs.key, handler, request.environment, sorted(request.packaging.provided or ()))
    if known := store.recall(_SmokeResult, key):
        return known.findings
    host = find_host(target, run_process)
    obstacle = obstacle_to(target, host, system=sys.platform, glibc=_read_glibc())
    if obstacle:
        return (skip(obstacle),)
    progress(f"Importing {inputs.app.index} in {target.runtime.name}")
    with explain_os_errors(store.root), store.workspace() as workspace:
        trial = _Trial(inputs, handler, layout(), workspace=workspace, host=host)
        try:
            finding = trial.judge(store, progress)
        except RequirementsError as error:
            return (skip(f"the packages that the runtime has couldn't be fetched. {error}"),)
    findings = (finding,) if finding is not None else ()
    lasting = finding is None or finding.id != "smoke-timed-out"
    # A layer's directory may have other files the next time.
    if lasting and not request.layers:
        store.remember(_SmokeResult(findings=findings), key)
    return findings


def obstacle_to(target: Target, host: Host, *, system: str, glibc: tuple[int, ...] | None) -> str | None:
    """Return why a package for the target can't be tried on a machine, None if it can.

    `glibc` is the version of the machine's C library, None if it isn't glibc.
    """
    if system != "linux":
        return f"a package for Lambda is for Linux, and this machine runs {system}."
    if host.version != target.runtime.version:
        return f"there is no {target.runtime.name} on PATH."
    if host.platform != f"linux-{target.architecture.machine}":
        return f"the package is for {target.architecture}, and {host.interpreter} is for {host.platform}."
    if glibc is None or glibc < target.runtime.system.glibc:
        found = "another C library" if glibc is None else "glibc {}.{}".format(*glibc)
        return "{} has glibc {}.{}, and this machine {}.".format(target, *target.runtime.system.glibc, found)
    return None


def _read_glibc() -> tuple[int, ...] | None:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        return None
    return tuple(map(int, version.split(".")[:2])) if name == "glibc" else None


class _Trial:
    """A package unpacked as on Lambda, with all that is needed to import from it."""

    def __init__(self, inputs: Inputs, handler: str | None, layout: Layout, *, workspace: Path, host: Host) -> None:
        self._inputs, self._handler, self._host = inputs, handler, host
        self._workspace, self._task, self._layers = workspace, workspace / "task", workspace / "opt"
        self._owners = {entry.path: entry.owner for entry in layout.tree.entries}
        self._scratch = workspace / "scratch"
        for folder in (self._task, self._layers, self._scratch):
            folder.mkdir()
        _unpack_package(layout, workspace / "package.zip", self._task)
        self._unseen = _unpack_layers(inputs.request.layers, self._layers)

    def judge(self, store: Store, progress: Progress) -> Finding | None:
        """Import the module, and return the finding that follows.

        Raises the kinds of `RequirementsError` if the module needs preinstalled packages that can't be fetched.
        """
        outcome = self._run()
        needed = requirements_of(outcome.result.missing)
        if needed:
            brought = _unpack_preinstalled(
                needed, self._inputs.request, self._workspace, store=store, progress=progress
            )
            outcome = self._run(brought)
        return judge(outcome, self._describe())

    def _run(self, *runtime: Path) -> ImportOutcome:
        result = self._workspace / "result.json"
        job = {
            "task": str(self._task),
            "layers": [str(path) for path in _layer_paths(self._inputs.target, self._layers)],
            "runtime": [str(path) for path in runtime],
            "module": self._module,
            "handler": self._handler,
            "result": str(result),
        }
        script = self._workspace / "job.json"
        script.write_text(json.dumps(job), encoding="utf-8")
        result.unlink(missing_ok=True)
        # -X utf8: the encoding of Lambda's locale, which this machine may not have.
        argv = [self._host.interpreter, "-I", "-S", "-B", "-X", "utf8", str(_SCRIPT), str(script)]
        limit = self._inputs.request.packaging.value("smoke_timeout").total_seconds()
        with _read_only(self._task):
            done = run_process(argv, self._task, self._variables(), time_limit=limit)
        return ImportOutcome(
            status=done.status, timed_out=done.timed_out, output=self._translate(done.output), result=self._read(result)
        )

    def _variables(self) -> dict[str, str]:
        name = f"{self._module}.{self._handler or 'handler'}"
        own = _lambda_variables(
            self._inputs.target, handler=name, task=self._task, layers=self._layers, scratch=self._scratch
        )
        return {**own, **self._inputs.request.environment}

    def _read(self, path: Path) -> ScriptResult:
        try:
            text = path.read_text(encoding="utf-8")
            library = msgspec.json.decode(text, type=ScriptResult).standard_library
            return msgspec.json.decode(self._translate(text, library), type=ScriptResult)
        except (OSError, ValueError, msgspec.MsgspecError):
            return ScriptResult()

    def _translate(self, text: str, library: str | None = None) -> str:
        places = {self._task: _TASK_ROOT, self._layers: _LAYERS_ROOT, self._scratch: "/tmp"}  # noqa: S108
        if library is not None:
            places[Path(library)] = f"/var/lang/lib/{self._inputs.target.runtime.name}"
        return _as_on_lambda(text, places)

    def _describe(self) -> Circumstances:
        return Circumstances(
            target=self._inputs.target,
            index=self._inputs.app.index,
            module=self._module,
            handler=self._handler,
            owners=self._owners,
            unseen=(*self._unseen, *(self._inputs.request.packaging.provided or ())),
            time_limit=self._inputs.request.packaging.value("smoke_timeout"),
        )

    @property
    def _module(self) -> str:
        return module_name(self._inputs.app.index)


def _unpack_package(layout: Layout, archive: Path, folder: Path) -> None:
    """Write the .zip, and unpack it with zipfile, as other readers do."""
    with archive.open("xb") as stream:
        write_zip(layout.splices, stream)
    _unpack_zip(archive, folder)
    archive.unlink()


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
        for member in opened.infolist():
            if mode := member.external_attr >> 16 & 0o777:
                (folder / member.filename).chmod(mode)


def _unpack_layers(layers: Iterable[LayerSource], folder: Path) -> tuple[str, ...]:
    """Put layers over each other as Lambda does, and return the names of those whose content is unknown here."""
    unseen = []
    for layer in layers:
        path = layer_path(layer)
        if path is None:
            unseen.append(layer.name if isinstance(layer, Layer) else str(layer))
        elif path.is_dir():
            shutil.copytree(path, folder, dirs_exist_ok=True, symlinks=True)
        else:
            _unpack_zip(path, folder)
    return tuple(unseen)


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Make folders read-only for the block, as on Lambda; root can write all the same."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


def _unpack_preinstalled(
    requirements: tuple[str, ...], asked: PackageRequest, workspace: Path, *, store: Store, progress: Progress
) -> Path:
    """Unpack the newest releases of preinstalled packages below `workspace`, from the index of the function's request.

    AWS doesn't publish which releases a runtime has at the moment. Raises the kinds of `PackageError`.
    """
    entry, unpacked = workspace / "runtime-requirements", workspace / "runtime"
    for folder in (entry, unpacked):
        folder.mkdir()
    (entry / "app.py").touch()
    (entry / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    request = PackageRequest(
        entry=entry,
        runtime=asked.runtime,
        architecture=asked.architecture,
        packaging=Packaging(
            pip_args=asked.packaging.pip_args,
            pip_environment=asked.packaging.pip_environment,
            only_index=asked.packaging.only_index,
            uploaded_prior_to=asked.packaging.uploaded_prior_to,
            allow_build=False,
        ),
    )
    target = Target.parse(asked.runtime, asked.architecture)
    app = read_requested_app(request, request.entry_path, store)
    inputs = join_inputs(request, target, app, find_resolution(request, app, target, store, progress))
    write_tree(lay_out(inputs, store, progress).splices, unpacked)
    return unpacked


def _lambda_variables(target: Target, *, handler: str, task: Path, layers: Path, scratch: Path) -> dict[str, str]:
    """Return Lambda's variables, for a package unpacked at `task` and layers at `layers`.

    `scratch` replaces /tmp, and the home directory, which a function doesn't have. The credentials aren't real: a client
    can be made with them, and no request succeeds.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return {
        "_HANDLER": handler,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{target.runtime.name}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2000/01/01/[$LATEST]00000000000000000000000000000000",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "HOME": str(scratch),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib:{layers}/lib",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{layers}/bin",
        "PYTHONPATH": "/var/runtime",
        "TMPDIR": str(scratch),
        "TZ": ":UTC",
    }


def _layer_paths(target: Target, layers: Path) -> tuple[Path, ...]:
    """Return the folders in which modules of layers are searched, in order (awslambdaric/bootstrap.py)."""
    return (layers / "python" / "lib" / target.runtime.name / "site-packages", layers / "python")


def _as_on_lambda(text: str, places: Mapping[Path, str]) -> str:
    """Return a text with this machine's paths replaced by the same places on Lambda."""
    for path, name in places.items():
        text = text.replace(str(path), name)
    return text
