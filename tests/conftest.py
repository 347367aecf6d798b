"""What all tests share: a store of their own, and exact versions where they matter."""

import os
from pathlib import Path

import hypothesis
import pytest
from deployments import aws, deployed  # noqa: F401 - fixtures
from entries import names_in, sha256
from inherited_signals import heed_signals
from offline import OFFLINE_NAMES, build, write_offline_entry
from pip_projects import FROZEN_INDEX, Project, isolate_pip
from readers import assert_reads_alike
from this_host import require

from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store

# Apps for the tests, of which some have tests of their own.
collect_ignore = ["apps"]

# Nothing here is timed, a slow machine is no failure; and the same examples run everywhere.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("suite")


heed_signals()


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        require(*mark.args)


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
def frozen_index(monkeypatch) -> None:
    """The index as it was on a day, so that unpinned requirements come to the same versions."""
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", FROZEN_INDEX)


@pytest.fixture(autouse=True)
def frozen_index_of_network_tests(request) -> None:
    """Whatever asks the index sees that day's: no release breaks a test."""
    if request.node.get_closest_marker("network"):
        request.getfixturevalue("frozen_index")


@pytest.fixture
def isolated_pip(monkeypatch) -> None:
    """Nothing of the host's pip configuration applies."""
    isolate_pip(monkeypatch)


@pytest.fixture
def project(tmp_path, isolated_pip) -> Project:
    """A project with wheels of its own."""
    return Project(tmp_path)


@pytest.fixture
def log(tmp_path) -> Path:
    """What the back ends of built sources wrote down: a line for each build, with the name, the Python and CC."""
    path = tmp_path / "builds.txt"
    path.write_text("")
    return path


@pytest.fixture(scope="session")
def offline_entry(tmp_path_factory) -> Path:
    """An entry directory that no test writes to, with requirements that need no index."""
    return write_offline_entry(tmp_path_factory.mktemp("entry") / "svc")


@pytest.fixture(scope="session")
def offline_cache(tmp_path_factory) -> Path:
    """A cache directory that no test writes to; it knows the package once `offline_digest` has built it."""
    return tmp_path_factory.mktemp("offline-cache")


@pytest.fixture(scope="session")
def offline_digest(offline_entry, offline_cache, tmp_path_factory) -> str:
    """The sha256 of the package of `offline_entry`, made once from nothing."""
    archive = build(offline_entry, tmp_path_factory.mktemp("offline") / "package.zip", offline_cache)
    assert names_in(archive) == OFFLINE_NAMES
    assert_reads_alike(archive)
    return sha256(archive)
