"""Import the handler's module from the finished .zip, in the target's Python, as far as this machine has it.

It shows what no reading of the source can: what really happens. It shows nothing of the runtime's system libraries,
since these are this machine's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from cdk_lambda_package.errors import Finding, RequirementsError
from cdk_lambda_package.manifest import describe_finding, read_finding
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.stages import Inputs
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.trial.import_outcome import skip

if TYPE_CHECKING:
    from cdk_lambda_package.building.build_places import Host
    from cdk_lambda_package.stages import Layout

_KIND = "smoke"
# Part of the key: raised whenever the same package would be judged in another way.
_FORMAT = "s1"


def try_import(
    inputs: Inputs, handler: str | None, layout: Callable[[], Layout], *, store: Store, progress: Progress
) -> tuple[Finding, ...]:
    """Return what importing the handler's module shows: nothing, if it can be, or why it couldn't be tried here.

    What came of it is remembered, unless it depends on more than the package and the variables.
    """
    content = store.read(_KIND, _key(inputs, handler))
    if content is not None:
        return tuple(map(read_finding, json.loads(content)))
    return _try_import(inputs, handler, layout, store=store, progress=progress)


def _try_import(
    inputs: Inputs, handler: str | None, layout: Callable[[], Layout], *, store: Store, progress: Progress
) -> tuple[Finding, ...]:
    # Imported here: an unchanged package needs none of it.
    from cdk_lambda_package.building.build_places import find_host
    from cdk_lambda_package.processes import run_process
    from cdk_lambda_package.splicing import explain_os_errors
    from cdk_lambda_package.trial.import_trial import Trial

    host = find_host(inputs.target, run_process)
    obstacle = find_obstacle(inputs.target, host, system=sys.platform, glibc=_read_glibc())
    if obstacle:
        return (skip(obstacle),)
    progress(f"Importing {inputs.app.index} in {inputs.target.runtime.name}")
    with explain_os_errors(store.root), store.workspace() as workspace:
        trial = Trial(inputs, handler, layout(), workspace=workspace, host=host)
        try:
            finding = trial.judge(store, progress)
        except RequirementsError as error:
            return (skip(f"what the runtime brings along couldn't be had from an index. {error}"),)
    findings = (finding,) if finding is not None else ()
    lasting = finding is None or finding.id != "smoke-timed-out"
    # A layer's directory may have other files the next time.
    if lasting and not inputs.request.layers:
        store.write(json.dumps(list(map(describe_finding, findings))).encode(), _KIND, _key(inputs, handler))
    return findings


def find_obstacle(target: Target, host: Host, *, system: str, glibc: tuple[int, ...] | None) -> str | None:
    """Return why a package for the target can't be tried on a machine; `glibc` is its C library's version, if it is one.

    Pure.
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


def _key(inputs: Inputs, handler: str | None) -> str:
    # The interpreter's version and machine are those of the target, and so part of the package's key.
    request = inputs.request
    fields = [
        _FORMAT,
        inputs.key,
        handler,
        sorted(request.environment.items()),
        sorted(request.packaging.provided or ()),
    ]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
