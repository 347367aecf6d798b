"""Stand between uv and a Python interpreter, and answer for the target's system.

A script, not a part of the library. uv asks the interpreter that it is given what wheels it can load; it has no name
for Amazon Linux 2's C library among those that `--python-platform` takes. Imports only the standard library.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_MARKERS = {
    "os_name": "posix",
    "platform_system": "Linux",
    "sys_platform": "linux",
    # As uv itself has them for a platform that isn't the host's.
    "platform_release": "",
    "platform_version": "",
}


def answer_for(told: dict[str, Any], machine: str, glibc: int) -> dict[str, Any]:
    """Return what an interpreter tells uv, with the target's system in place of its own.

    Raises `KeyError` for an answer that isn't as it should be: another uv may ask otherwise.
    """
    system = {"os": {"name": "manylinux", "major": 2, "minor": glibc}, "arch": machine}
    markers = {**told["markers"], **_MARKERS, "platform_machine": machine}
    # uv before 0.13 had both in a table of their own.
    where = told.get("platform", told)
    if not {"os", "arch"} <= where.keys():
        raise KeyError("os")
    changed = {**where, **system}
    return {**(changed if where is told else {**told, "platform": changed}), "markers": markers}


def main(machine: str, glibc: str, *arguments: str) -> int:
    """Ask the interpreter that runs this in uv's words, and print the answer for the target."""
    asked = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, check=False)
    if asked.returncode == 0:
        sys.stdout.write(json.dumps(answer_for(json.loads(asked.stdout), machine, int(glibc))))
    return asked.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
