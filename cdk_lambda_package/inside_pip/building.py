"""Run pip for a build, without passwords in the command lines of the pips that it starts itself.

A script, not a part of the library: `python building.py FOLDER wheel …` runs the pip that lies in FOLDER, or the interpreter's own
for "". It may be any pip from 21 on, under any Python from 3.8 on, also in a container, so it imports nothing else of the library.

pip installs what a build needs by another pip, and says the indexes in that one's command line. Here they are in the variables,
which that pip inherits, so they are left out. With `_CDK_LAMBDA_PACKAGE_HOSTS`, each place that is asked is written to that file.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
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
    from pip._internal.utils import subprocess as module

    original = module.call_subprocess

    def call_subprocess(cmd: list[str], *args: Any, **options: Any) -> Any:
        return original(own_command(cmd, folder), *args, **options)

    module.call_subprocess = call_subprocess


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


def keep_ssh_command() -> None:
    """Leave it to the user by which command git connects; only if nothing says so, ssh must not ask.

    pip's `--no-input` replaces GIT_SSH_COMMAND and git's core.sshCommand, and with them the key of a CI job. The user's own
    command can't ask either: it has no terminal.
    """
    from pip._internal.vcs.git import Git

    if "run_command" not in vars(Git):
        # pip before 25 leaves all that to git.
        return
    os.environ["GIT_TERMINAL_PROMPT"] = "0"
    if not _has_ssh_command():
        os.environ["GIT_SSH_COMMAND"] = "ssh -oBatchMode=yes"
    # What it sets is set now.
    del Git.run_command


def _has_ssh_command() -> bool:
    # https://git-scm.com/docs/git-config#Documentation/git-config.txt-coresshCommand
    if os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH"):
        return True
    try:
        argv = ["git", "config", "--get", "core.sshCommand"]
        return subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def keyring_provider() -> str:
    """Return which keyring pip's `auto` would ask, which `--no-input` turns off; no keyring can ask without a terminal.

    https://pip.pypa.io/en/stable/topics/authentication/#keyring-support
    """
    return "import" if importlib.util.find_spec("keyring") else "subprocess"


def main() -> None:
    """Run pip with the words after the folder."""
    folder, sys.argv = sys.argv[1], ["pip", *sys.argv[2:]]
    # Neither this folder nor the working directory may shadow anything of pip's.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    if folder:
        sys.meta_path.insert(0, PipFinder(folder))
    replace_subprocesses(folder)
    keep_ssh_command()
    if os.environ.get("PIP_KEYRING_PROVIDER", "auto") == "auto":
        # As all variables, handed down to the pip that installs what the build needs.
        os.environ["PIP_KEYRING_PROVIDER"] = keyring_provider()
    if os.environ.get(HOSTS_VARIABLE):
        record_hosts(os.environ[HOSTS_VARIABLE])
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
