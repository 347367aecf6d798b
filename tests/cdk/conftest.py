"""What tests of the constructs share. aws_cdk is imported by the tests that use it: it starts node."""

import pytest
from entries import HANDLER, write_files

from cdk_lambda_package.store import CACHE_DIR_VARIABLE


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache directory of the test's own is the default."""
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def app(tmp_path):
    from aws_cdk import App

    return App(outdir=str(tmp_path / "cdk.out"))


@pytest.fixture
def stack(app):
    from aws_cdk import Stack

    return Stack(app, "Stack")


@pytest.fixture
def entry(tmp_path):
    """An entry directory with a handler and nothing else."""
    return write_files(tmp_path / "svc", {"app.py": HANDLER})
