"""The Python interpreters of this machine: this one, and those on PATH."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from cdk_lambda_package.processes import Runner
from cdk_lambda_package.target import Target

_INTERPRETER_FACTS = (
    "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_platform(), sys.executable)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """An interpreter: `platform` as sysconfig has it, `version` its major and minor number."""

    program: str
    version: tuple[int, int]
    platform: str


def interpreter_for(target: Target, run: Runner) -> Interpreter:
    """Return an interpreter of the target's minor version, if it is this one or on PATH, else this one.

    Metadata that a build works out, and native wheels, depend on the Python that runs it.
    """
    own = Interpreter(program=sys.executable, version=sys.version_info[:2], platform=sysconfig.get_platform())
    if own.version == target.runtime.version:
        return own
    found = shutil.which(target.runtime.name)
    if found is None:
        return own
    try:
        done = run([found, "-c", _INTERPRETER_FACTS], Path.cwd(), dict(os.environ))
    except OSError:
        return own
    # A name on PATH proves nothing: version managers put one there for what isn't installed.
    match = re.search(r"^(\d+)\.(\d+) (\S+) (.+)$", done.output.strip()) if done.status == 0 else None
    if match is None or (int(match[1]), int(match[2])) != target.runtime.version:
        return own
    # Nor does it work everywhere: such a program looks at variables and at the working directory.
    return Interpreter(program=match[4], version=target.runtime.version, platform=match[3])
