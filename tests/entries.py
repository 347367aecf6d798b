"""Entry directories and what became of them."""

import hashlib
import os
import stat
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cdk_lambda_package.options import OPTIONS, PackageRequest, Packaging

HANDLER = "def handler(event, context):\n    return event\n"

# The layout of Chalice's "App Packaging" document, all but its requirement.
DOCUMENT = {
    "app.py": HANDLER,
    "chalicelib/__init__.py": "",
    "chalicelib/utils.py": "ANSWER = 42\n",
    "vendor/internalpackage/__init__.py": "",
}


def write_files(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below `root`, and return it; text is dedented."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return root


def names_in(archive: Path) -> list[str]:
    """Return the names in a .zip file archive, sorted."""
    with zipfile.ZipFile(archive) as opened:
        return sorted(opened.namelist())


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(archive: Path, directory: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(directory)
    return directory


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all that can be seen of the files and folders below `root` but their access times."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in (root, *root.rglob("*")):
        found = path.lstat()
        content = sha256(path) if stat.S_ISREG(found.st_mode) else None
        seen[str(path.relative_to(root))] = (
            found.st_mode,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
            content,
        )
    return seen


def run_clean(package: Path, code: str, python: str = sys.executable) -> str:
    """Run code in an interpreter that sees the standard library and the unpacked package; return what it prints."""
    script = (
        f"import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, {str(package)!r})\n{textwrap.dedent(code)}"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-I", "-S", "-c", script], capture_output=True, text=True, env=environment, cwd=package, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def package_request(**values) -> PackageRequest:
    """Return a request; options of `Packaging` are given beside the request's own values."""
    options = {name: values.pop(name) for name in OPTIONS if name in values}
    return PackageRequest(**values, packaging=Packaging(**options))
