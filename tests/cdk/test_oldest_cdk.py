"""Tests on the oldest aws-cdk-lib that pyproject.toml allows: of layers, whose lists differ between releases, and of defaults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from this_host import require_file

FOLDER = Path(__file__).parent
# `make setup` installs it.
FLOOR = FOLDER.parents[1] / ".venv" / "cdk-floor"
VERSION = "from importlib.metadata import version; print(version('aws-cdk-lib'))"

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("cdk")]


@pytest.mark.parametrize("name", ["test_construct_layers.py", "test_layer_versions.py", "test_packaging_defaults.py"])
def test_layers_and_defaults_are_the_same_on_the_oldest_release(name, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(require_file(FLOOR))}
    told = subprocess.run([sys.executable, "-c", VERSION], env=environment, check=True, capture_output=True, text=True)
    assert f'"aws-cdk-lib>={told.stdout.rpartition(".")[0]},' in (FOLDER.parents[1] / "pyproject.toml").read_text()
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "temporary")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(FOLDER / name)],
        env=environment,
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " skipped" not in done.stdout.splitlines()[-1]
