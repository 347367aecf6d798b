"""What all tests share: a store of their own, and exact versions where they matter."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
from deployments import aws, deployed  # noqa: F401 - fixtures

from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store

# Apps for the tests, of which some have tests of their own.
collect_ignore = ["apps"]

# Nothing here is timed, a slow machine is no failure; and the same examples run everywhere.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("suite")

# What some systems don't have, for `@pytest.mark.needs(…)`.
HAS = {
    "backslashes and quotes in file names": os.name == "posix",
    "executable scripts": os.name == "posix",
    "file modes": os.name == "posix",
    "file names that are no Unicode": sys.platform == "linux",
    "named pipes": hasattr(os, "mkfifo"),
}

FROZEN_INDEX = "2026-11-21T00:00:00Z"


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        if missing := [feature for feature in mark.args if not HAS[feature]]:
            pytest.skip(f"this system has no {', '.join(missing)}")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    """A cache directory that all workers of a run share, so that each wheel is fetched once."""
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(autouse=True)
def cache_dir(shared_cache, monkeypatch) -> Path:
    """Whatever opens the default store opens that of the run, never the user's."""
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(shared_cache))
    return shared_cache


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "own-cache")


@pytest.fixture
def shared_store(shared_cache) -> Store:
    return Store(shared_cache)


@pytest.fixture
def frozen_index(monkeypatch) -> str:
    """The index as it was on a day, so that unpinned requirements come to the same versions."""
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", FROZEN_INDEX)
    return FROZEN_INDEX
