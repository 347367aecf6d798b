"""The real uv, poetry and pipenv, each in a virtual environment of its own, made once for a run."""

import fcntl
import subprocess
import sys
from pathlib import Path

from pip_projects import FROZEN_INDEX

TOOLS = {"uv": ["uv>=0.9"], "poetry": ["poetry>=2", "poetry-plugin-export>=1.9"], "pipenv": ["pipenv>=2025"]}


def install_tool(name: str, folder: Path) -> Path:
    """Return the directory with the tool's program, after installing it there if nobody did."""
    environment = folder / f"tool-{name}"
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        # Workers of one run share the folder; the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = environment / ".ready"
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            pip = [sys.executable, "-m", "pip", f"--python={programs / 'python'}", "install", "--quiet"]
            # As the index was on a day: a release of a tool breaks no test.
            argv = [*pip, "--only-binary=:all:", f"--uploaded-prior-to={FROZEN_INDEX}", *TOOLS[name]]
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ready.touch()
    return programs
