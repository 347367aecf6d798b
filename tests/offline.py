"""An app with requirements that need no index, and the command line in processes of its own."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from entries import DOCUMENT, sha256, write_files
from raw_zip import STORED, member, raw_wheel

import cdk_lambda_package

# The checkout, or a copy of it without the library, from which `make release-check` tests an installed wheel.
ROOT = Path(__file__).parents[1]
# The library: in the checkout, or as it is installed.
PACKAGE = Path(cdk_lambda_package.__file__).parent
RUNTIME = "python3.13"

# Raises where a process would be started or a connection opened. The parser that finds syntax errors may be started: it
# opens no connection.
GUARD = """
import os.path
import sys

def refuse(event, arguments):
    if event == "subprocess.Popen" and any(os.path.basename(word).partition(".")[0] == "ruff" for word in arguments[1][:6]):
        return
    if event in {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system", "socket.connect",
                 "socket.getaddrinfo"}:
        raise AssertionError(f"{event} {arguments}")

sys.addaudithook(refuse)
"""


def refuse_processes(monkeypatch) -> None:
    """Fail where a process would be started, but for the parser that finds syntax errors."""

    class Refused(subprocess.Popen):
        def __init__(self, argv, *arguments, **options):
            assert Path(argv[0]).stem == "ruff", f"started {argv}"
            super().__init__(argv, *arguments, **options)

    monkeypatch.setattr("subprocess.Popen", Refused)


MAIN = "import sys\nfrom cdk_lambda_package.cli import main\nsys.exit(main(sys.argv[1:]))\n"


def write_offline_entry(root: Path) -> Path:
    """Write the document's app with three requirements, pinned by hashes, whose wheels lie in the entry directory."""
    entry = write_files(root, DOCUMENT)
    wheels = [
        raw_wheel(
            entry / "wheels",
            [
                member("alpha/__init__.py", "import beta\n"),
                member("alpha/data.bin", random.Random(1).randbytes(100_000), method=STORED),
                member("LICENSE", "the same\n"),
                member("alpha-1.0.data/scripts/alpha", "#!python\nimport alpha\n"),
            ],
            name="alpha",
            requires_dist=["beta>=1", "gamma; python_version >= '3.13'", "delta; sys_platform == 'win32'"],
        ),
        raw_wheel(
            entry / "wheels", [member("beta.py", "B = 1\n" * 2000), member("LICENSE", "the same\n")], name="beta"
        ),
        raw_wheel(
            entry / "wheels",
            [member("gamma/größe.txt", "ü"), member("gamma/__init__.py", "")],
            name="gamma",
            tag="cp313-cp313-manylinux_2_28_x86_64",
        ),
    ]
    lines = [f"{wheel.name.split('-')[0]}==1.0 --hash=sha256:{sha256(wheel)}" for wheel in wheels]
    write_files(entry, {"requirements.txt": "\n".join(["--no-index", "--find-links wheels", *lines, ""])})
    return entry


OFFLINE_NAMES = sorted(
    [
        "app.py",
        "chalicelib/__init__.py",
        "chalicelib/utils.py",
        "internalpackage/__init__.py",
        "alpha/__init__.py",
        "alpha/data.bin",
        "bin/alpha",
        "LICENSE",
        "beta.py",
        "gamma/__init__.py",
        "gamma/größe.txt",
        *(
            f"{name}-1.0.dist-info/{file}"
            for name in ("alpha", "beta", "gamma")
            for file in ("METADATA", "RECORD", "WHEEL")
        ),
    ]
)


def run_cli(
    *argv: str | Path,
    cache: Path,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    guarded: bool = False,
    before: Sequence[str] = (),
    cwd: Path | None = None,
    umask: int = -1,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; `guarded`, it can start none but ruff and open no connection."""
    code = (GUARD if guarded else "") + MAIN
    return subprocess.run(
        [*before, python, "-c", code, *map(str, argv)],
        env=cli_environment(cache, environment),
        capture_output=True,
        text=True,
        cwd=cwd,
        umask=umask,
        check=False,
    )


def library_path() -> str:
    """Return a folder for PYTHONPATH that has the library and not what it requires, which another Python couldn't load."""
    return str(ROOT) if PACKAGE.parent == ROOT else copy_of_installed_library().name


@cache
def copy_of_installed_library() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    shutil.copytree(PACKAGE, Path(folder.name, PACKAGE.name), ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def cli_environment(cache: Path, further: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "LC_", "LANG"))}
    return {**kept, "PYTHONPATH": library_path(), "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(cache), **(further or {})}


def build(entry: Path, output: Path, cache: Path, **options: object) -> Path:
    """Build a package by the command line, and return its path; it must succeed."""
    done = run_cli("build", entry, "--runtime", RUNTIME, "-o", output, cache=cache, **options)
    assert done.returncode == 0, done.stderr
    return output
