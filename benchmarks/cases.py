"""What is packaged: small apps, written anew for each benchmark, with requirements of three weights."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

# The peers know no other target than the host's own machine and Python, so that is what all of them package for.
ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

HANDLER = """\
def handler(event, context):
    return "ok"
"""

_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """An app to package. `vendored` is the size in bytes of an incompressible file in its vendor/, 0 for none."""

    name: str
    requirements: tuple[str, ...]
    vendored: int = 0


CASES = (
    Case(name="sortedcontainers", requirements=("sortedcontainers",)),
    Case(name="fastapi, mangum, pydantic", requirements=("fastapi", "mangum", "pydantic")),
    Case(name="pandas, pyarrow", requirements=("pandas", "pyarrow")),
)

# Below Lambda's limit of 262,144,000 bytes unzipped, above every memory limit that would hold if files were read whole.
LARGE = Case(name="a file of 200 MB", requirements=("sortedcontainers",), vendored=200 * _MEGABYTE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders in which one case is packaged."""

    case: Case
    root: Path
    runtime: str

    @property
    def app(self) -> Path:
        """The app's entry directory."""
        return self.root / "app"

    @property
    def requirements(self) -> Path:
        """The app's requirements file."""
        return self.app / "requirements.txt"

    @property
    def store(self) -> Path:
        """Our store, for this case alone."""
        return self.root / "store"

    @property
    def build(self) -> Path:
        """Where a way builds; made anew for each run."""
        return self.root / "build"

    @property
    def output(self) -> Path:
        """The deployment package."""
        return self.root / "package.zip"

    @property
    def result(self) -> Path:
        """What a process of ours says of itself, as JSON."""
        return self.root / "result.json"

    def write_app(self) -> None:
        """Write the app; the folder holds nothing else afterwards."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.app.mkdir(parents=True)
        (self.app / "app.py").write_text(HANDLER)
        self.requirements.write_text("".join(f"{name}\n" for name in self.case.requirements))
        if self.case.vendored:
            _write_random(self.app / "vendor" / "vendored" / "data.bin", self.case.vendored)


def _write_random(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for _ in range(size // _MEGABYTE):
            stream.write(os.urandom(_MEGABYTE))
