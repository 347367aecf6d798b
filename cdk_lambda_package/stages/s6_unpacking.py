"""Stage 6, for what runs a package here: unpacked as on Lambda, with the variables that a function has there."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cdk_lambda_package.errors import OptionError, explain_os_errors
from cdk_lambda_package.interpreters import Interpreter, interpreter_for
from cdk_lambda_package.layers import Layer, LayerSource, layer_path
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.splicing import Splice, write_tree, write_zip
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import Archive, Archives
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

PLACES = {"task": "/var/task", "opt": "/opt", "scratch": "/tmp"}  # noqa: S108
"""The folders of the workspace by their names, and the places on Lambda that they stand for."""


@contextlib.contextmanager
def unpacked(
    inputs: Inputs, archives: Archives, preinstalled: Sequence[Splice] | None, store: Store
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Unpack a package, its layers and the runtime's packages for the block; yield the workspace, and unknown layers.

    The workspace has the folders of `PLACES`, and `runtime` for what Lambda's runtime has.

    Example:
        `with unpacked(inputs, archives_of(inputs, layout, store), (), store) as (workspace, unseen): …`
    """
    with explain_os_errors(store.root), store.workspace() as workspace:
        for name in (*PLACES, "runtime"):
            (workspace / name).mkdir()
        # The package of a layer is unpacked where layers are.
        place = workspace / ("opt" if inputs.root else "task")
        _unpack_package(archives.function, workspace / "package.zip", place)
        unseen = _unpack_layers(inputs.request.layers, workspace / "opt")
        if archives.layer is not None:
            # It is the last of the function's layers, which are put over each other in their order.
            _unpack_package(archives.layer, workspace / "layer.zip", workspace / "opt")
        write_tree(preinstalled or (), workspace / "runtime")
        yield workspace, unseen


def obstacle_here(target: Target) -> str | None:
    """Return why a package for the target can't be imported on this machine, None if it can.

    Example:
        `obstacle_here(Target.parse("python3.9"))` may be "there is no python3.9 on PATH."
    """
    return obstacle_to(target, interpreter_for(target, run_process), system=sys.platform, glibc=_read_glibc())


def obstacle_to(target: Target, host: Interpreter, *, system: str, glibc: tuple[int, ...] | None) -> str | None:
    """Return why a package for the target can't be tried on a machine, None if it can.

    `glibc` is the version of the machine's C library, None if it isn't glibc.
    """
    if system != "linux":
        return f"a package for Lambda is for Linux, and this machine runs {system}."
    if host.version != target.runtime.version:
        return f"there is no {target.runtime.name} on PATH."
    if host.platform != f"linux-{target.architecture.machine}":
        return f"the package is for {target.architecture}, and {host.program} is for {host.platform}."
    if glibc is None or glibc < target.runtime.system.glibc:
        found = "another C library" if glibc is None else "glibc {}.{}".format(*glibc)
        return "{} has glibc {}.{}, and this machine {}.".format(target, *target.runtime.system.glibc, found)
    return None


def _read_glibc() -> tuple[int, ...] | None:
    name, version = platform.libc_ver()
    return tuple(map(int, version.split(".")[:2])) if name == "glibc" else None


def _unpack_package(archive: Archive, path: Path, folder: Path) -> None:
    """Write the .zip, and unpack it with zipfile, as other readers do."""
    with path.open("xb") as stream:
        write_zip(archive.splices, stream)
    _unpack_zip(path, folder)
    path.unlink()


def _unpack_zip(archive: Path, folder: Path) -> None:
    # Imported here: only `smoke` needs it.
    from cdk_lambda_package.archives import open_archive

    with open_archive(archive) as opened:
        for member in opened.infolist():
            # Not at the name that the member says, which may lead out of the folder.
            path = Path(opened.extract(member, folder))
            if mode := member.external_attr >> 16 & 0o777:
                path.chmod(mode)


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
            _unpack_layer(path, folder)
    return tuple(unseen)


def _unpack_layer(archive: Path, folder: Path) -> None:
    from cdk_lambda_package.archives import ArchiveError

    try:
        _unpack_zip(archive, folder)
    except (ArchiveError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise OptionError(f"layers: {str(archive)!r} can't be unpacked: {error}. Make the archive again.") from error


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make folders read-only for the block, as on Lambda; root can write all the same.

    Example:
        `with read_only(workspace / "task"): …`
    """
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


def lambda_variables(runtime: str, handler: str, *, task: str, layers: str, scratch: str) -> dict[str, str]:
    """Return Lambda's variables, for a package unpacked at `task` and layers at `layers`.

    `scratch` replaces /tmp, and the home directory, which a function doesn't have. The credentials aren't real: a client
    can be made with them, and no request succeeds.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime

    Example:
        `lambda_variables("python3.13", "app.handler", task="/build/task", layers="/build/opt", scratch="/build/scratch")`
    """
    return {
        "_HANDLER": handler,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2000/01/01/[$LATEST]00000000000000000000000000000000",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "HOME": scratch,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": task,
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task}:{task}/lib:{layers}/lib",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{layers}/bin",
        "PYTHONPATH": "/var/runtime",
        "TMPDIR": scratch,
        "TZ": ":UTC",
    }


def as_on_lambda(text: str, places: Mapping[str, str]) -> str:
    """Return a text with this machine's paths replaced by the same places on Lambda.

    Example:
        `as_on_lambda(log, {"/build/task": "/var/task"})`
    """
    for path, name in places.items():
        text = text.replace(path, name)
    return text
