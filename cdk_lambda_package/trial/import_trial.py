"""A package unpacked as on Lambda, and its module imported there by a process of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cdk_lambda_package.building.build_places import Host
from cdk_lambda_package.errors import Finding
from cdk_lambda_package.handlers import module_name
from cdk_lambda_package.layers import Layer, LayerSource, layer_path
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.runtime_packages import unpack_runtime_packages
from cdk_lambda_package.splicing import write_zip
from cdk_lambda_package.stages import Inputs, Layout
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import requirements_of
from cdk_lambda_package.trial.import_outcome import Circumstances, Outcome, judge
from cdk_lambda_package.trial.lambda_environment import (
    LAYERS_ROOT,
    TASK_ROOT,
    as_on_lambda,
    layer_paths,
    make_variables,
)

_SCRIPT = Path(__file__).with_name("_smoke.py")


class Trial:
    """A package unpacked as on Lambda, and what it takes to import from it."""

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
        """Import the module, and return what that says of the package.

        Raises the kinds of `RequirementsError` if it needs what the runtime brings along, and that can't be had.
        """
        outcome = self._run()
        needed = requirements_of(outcome.missing)
        if needed:
            brought = unpack_runtime_packages(
                needed, self._inputs.request, self._workspace, store=store, progress=progress
            )
            outcome = self._run(brought)
        return judge(outcome, self._describe())

    def _run(self, *runtime: Path) -> Outcome:
        result = self._workspace / "result.json"
        job = {
            "task": str(self._task),
            "layers": [str(path) for path in layer_paths(self._inputs.target, self._layers)],
            "runtime": [str(path) for path in runtime],
            "module": self._module,
            "handler": self._handler,
            "result": str(result),
        }
        script = self._workspace / "job.json"
        script.write_text(json.dumps(job), encoding="utf-8")
        result.unlink(missing_ok=True)
        # -X utf8: the encoding of Lambda's locale, which this machine needn't have.
        argv = [self._host.interpreter, "-I", "-S", "-B", "-X", "utf8", str(_SCRIPT), str(script)]
        limit = self._inputs.request.packaging.value("smoke_timeout").total_seconds()
        with _read_only(self._task):
            done = run_process(argv, self._task, self._variables(), time_limit=limit)
        return Outcome(
            status=done.status, timed_out=done.timed_out, output=self._translate(done.output), result=self._read(result)
        )

    def _variables(self) -> dict[str, str]:
        name = f"{self._module}.{self._handler or 'handler'}"
        own = make_variables(
            self._inputs.target, handler=name, task=self._task, layers=self._layers, scratch=self._scratch
        )
        return {**own, **self._inputs.request.environment}

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            text = path.read_text(encoding="utf-8")
            library = Path(json.loads(text).get("standard_library", self._task))
            result: dict[str, Any] = json.loads(self._translate(text, library))
        except (OSError, ValueError):
            return {}
        return result

    def _translate(self, text: str, library: Path | None = None) -> str:
        places = {self._task: TASK_ROOT, self._layers: LAYERS_ROOT, self._scratch: "/tmp"}  # noqa: S108
        if library is not None:
            places[library] = f"/var/lang/lib/{self._inputs.target.runtime.name}"
        return as_on_lambda(text, places)

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
    """Write the .zip, and unpack it as somebody else would."""
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
    """Put layers over each other as Lambda does, and return the names of those that can't be seen from here."""
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
    """Take away the right to write, as on Lambda, for as long as the block runs; root has it all the same."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)
