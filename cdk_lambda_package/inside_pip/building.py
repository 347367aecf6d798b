"""Run pip for a build, without passwords in the command lines of the pips that it starts itself.

A script, not a part of the library: `python building.py FOLDER wheel …` runs the pip that lies in FOLDER, or the interpreter's own
for "". It may be any pip from 21 on, under any Python from 3.8 on, also in a container, so it imports nothing else of the library.

pip installs what a build needs by another pip, and says the indexes in that one's command line. Here they are in the variables,
which that pip inherits, so they are left out. With `_CDK_LAMBDA_PACKAGE_HOSTS`, each place that is asked is written to that file.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any
from urllib.parse import urlsplit

HOSTS_VARIABLE = "_CDK_LAMBDA_PACKAGE_HOSTS"

# Options of pip with values that may be secret, and are among the variables.
_SECRET = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--proxy"})
_RUNNERS = ("__pip-runner__.py", "pip", "__main__.py")


class PipFinder:
    """Finds pip in the folder that is named, as pip's own `__pip-runner__.py` does."""

    def __init__(self, folder: str) -> None:
        """Take the folder that pip lies in."""
        self.folder = folder

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where pip is; None for all other modules."""
        return PathFinder.find_spec(fullname, [self.folder], target) if fullname == "pip" else None


def without_secrets(words: list[str]) -> list[str]:
    """Return pip's words without the options that it finds among its variables."""
    kept: list[str] = []
    skipped = False
    for word in words:
        if not skipped and word not in _SECRET and word.partition("=")[0] not in _SECRET:
            kept.append(word)
        skipped = not skipped and word in _SECRET
    return kept


def own_command(words: list[str], folder: str) -> list[str]:
    """Return the command that starts a further pip, by this script; other commands stay as they are."""
    starts_pip = len(words) > 2 and words[2] == "install" and os.path.basename(str(words[1])) in _RUNNERS
    if not starts_pip:
        return words
    return [words[0], os.path.abspath(__file__), folder, *without_secrets(words[2:])]


def replace_subprocesses(folder: str) -> None:
    """Start further pips by this script; must come before other modules of pip import the function."""
    from pip._internal.utils import subprocess

    original = subprocess.call_subprocess

    def call_subprocess(cmd: list[str], *args: Any, **options: Any) -> Any:
        return original(own_command(cmd, folder), *args, **options)

    subprocess.call_subprocess = call_subprocess


def record_hosts(path: str) -> None:
    """Write down the places that pip asks, without credentials, to a file that exists from now on."""
    from pip._internal.network.session import PipSession
    from pip._internal.vcs.versioncontrol import VersionControl

    def note(url: str) -> None:
        parts = urlsplit(url)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}\n")

    send, obtain = PipSession.send, VersionControl.obtain

    def recorded_send(self: Any, request: Any, **options: Any) -> Any:
        note(request.url)
        return send(self, request, **options)

    def recorded_obtain(self: Any, dest: str, url: Any, *args: Any, **options: Any) -> Any:
        note(url.secret)
        return obtain(self, dest, url, *args, **options)

    PipSession.send, VersionControl.obtain = recorded_send, recorded_obtain
    with open(path, "a", encoding="utf-8"):
        pass


def main() -> None:
    """Run pip with the words after the folder."""
    folder, sys.argv = sys.argv[1], ["pip", *sys.argv[2:]]
    # Neither this folder nor the working directory may shadow anything of pip's.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    if folder:
        sys.meta_path.insert(0, PipFinder(folder))
    replace_subprocesses(folder)
    if os.environ.get(HOSTS_VARIABLE):
        record_hosts(os.environ[HOSTS_VARIABLE])
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
