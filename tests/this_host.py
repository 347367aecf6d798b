"""What this host has: features of its system, tools, and other Pythons. A test that needs what is missing is skipped."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from local_aws import TOOLS, missing_for_invocation

SEARCH_PATH = os.pathsep.join([str(TOOLS), os.environ.get("PATH", "")])
HOST = "python{}.{}".format(*sys.version_info[:2])
HEADERS = Path(sysconfig.get_path("include"), "Python.h")
CDK = "the CDK CLI, which `make` installs"
TOOLS_OF_TESTS = ("bsdtar", "g++", "gcc", "git", "ip", "openssl", "readelf", "unzip")


def has_tools(*names: str) -> bool:
    return all(shutil.which(name, path=SEARCH_PATH) for name in names)


def has_namespaces(options: str) -> bool:
    """Return whether `unshare` makes namespaces of these kinds."""
    return has_tools("unshare") and not subprocess.run(["unshare", options, "true"], capture_output=True).returncode


# What some hosts don't have, for `@pytest.mark.needs(…)` and `require`.
HAS: dict[str, Callable[[], object]] = {
    "backslashes and quotes in file names": lambda: os.name == "posix",
    "executable scripts": lambda: os.name == "posix",
    "file modes": lambda: os.name == "posix",
    "process groups": lambda: os.name == "posix",
    "/proc": lambda: Path("/proc/self/stat").exists(),
    "file names that are no Unicode": lambda: sys.platform == "linux",
    "fork": lambda: hasattr(os, "fork"),
    "limits for the sizes of files": lambda: sys.platform != "win32",
    "named pipes": lambda: hasattr(os, "mkfifo"),
    "SIGKILL": lambda: hasattr(signal, "SIGKILL"),
    "a user that isn't root": lambda: not hasattr(os, "geteuid") or os.geteuid(),
    "Linux": lambda: sys.platform == "linux",
    "mount namespaces": lambda: has_namespaces("-rm"),
    "network namespaces": lambda: has_namespaces("-rn"),
    "a Python that Lambda has": lambda: (3, 9) <= sys.version_info[:2] <= (3, 14),
    "the platform of a target": lambda: sysconfig.get_platform() == "linux-x86_64" and sys.version_info < (3, 15),
    "headers of Python": HEADERS.exists,
    CDK: lambda: has_tools("node", "cdk"),
    **{name: partial(has_tools, name) for name in TOOLS_OF_TESTS},
}


@cache
def has(feature: str) -> bool:
    return bool(HAS[feature]())


def require(*features: str) -> None:
    """Skip the running test if the host lacks one of these features."""
    if missing := [feature for feature in features if not has(feature)]:
        pytest.skip(f"this host lacks {', '.join(missing)}")


def require_file(path: Path) -> Path:
    """Return the path; skip the running test if nothing is there."""
    if not path.exists():
        pytest.skip(f"this host lacks {path}, which `make` installs")
    return path


def require_lambda() -> None:
    """Skip the running test if packages can't be invoked on this host."""
    if missing := missing_for_invocation():
        pytest.skip(f"this host lacks {missing}")


@cache
def find_python(runtime: str) -> str | None:
    """Return an interpreter of the runtime's version: this one, one on PATH, or one of pyenv's."""
    if runtime == HOST:
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    on_path = [path for folder in os.get_exec_path() if (path := Path(folder, runtime)).is_file()]
    for candidate in (*on_path, *sorted(versions.glob(f"{runtime.removeprefix('python')}.*/bin/{runtime}"))):
        # Being on PATH proves nothing: version managers put names there that only say what isn't installed.
        if subprocess.run([candidate, "-V"], capture_output=True).returncode == 0:
            return str(candidate)
    return None


def require_python(runtime: str) -> str:
    """Return an interpreter of the runtime's version; skip the running test if there is none."""
    python = find_python(runtime)
    if python is None:
        pytest.skip(f"this host lacks {runtime}")
    return python
