"""The release that works, in an error about an import inside a requirement."""

import pytest
from entries import package_request, write_files
from index_server import serve_index
from wheel_factory import build_wheel

from cdk_lambda_package.errors import Severity
from cdk_lambda_package.pipeline import examine


@pytest.fixture
def index(tmp_path, isolated_pip):
    """An index with an old release of a distribution, which imports what Python 3.13 doesn't have."""
    build_wheel(tmp_path / "files", "parts", "1.0", files={"parts.py": "import cgi\n"})
    with serve_index(tmp_path / "files") as server:
        entry = write_files(tmp_path / "svc", {"app.py": "import parts\n\ndef handler(event, context): ...\n"})
        write_files(entry, {"requirements.txt": f"--index-url {server.url()}\nparts==1.0\n"})
        yield server


def errors(tmp_path, store, **packaging) -> list[str]:
    request = package_request(entry=tmp_path / "svc", runtime="python3.13", **packaging)
    return [one.message for one in examine(request, store).findings if one.severity is Severity.ERROR]


def test_a_newer_release_without_the_error_is_named_and_remembered(tmp_path, index, store):
    build_wheel(tmp_path / "files", "parts", "2.0", files={"parts.py": "import html\n"})
    (message,) = errors(tmp_path, store)
    assert message.endswith("parts 2.0 doesn't have this error: require parts>=2.0.")
    assert "Require a newer" not in message
    asked = len(index.requests)
    assert errors(tmp_path, store) == [message]
    assert len(index.requests) == asked


def test_a_newest_release_that_fails_too_is_not_advised(tmp_path, index, store):
    build_wheel(tmp_path / "files", "parts", "2.0", files={"parts.py": "import cgi\n"})
    (message,) = errors(tmp_path, store)
    assert message.endswith("The newest release, parts 2.0, fails too.")


def test_where_there_is_no_newer_release_none_is_advised(tmp_path, index, store):
    (message,) = errors(tmp_path, store)
    assert message.endswith("There is no newer release of parts.")
    assert "Require a newer" not in message


def test_an_index_that_does_not_answer_is_asked_once_and_the_advice_stays_general(tmp_path, index, store):
    build_wheel(tmp_path / "files", "parts", "2.0", files={"parts.py": "import html\n"})
    assert errors(tmp_path, store, acknowledge=["removed-from-standard-library"])
    asked = len(index.requests)
    # The requirements are resolved, and the wheel is there.
    index.directory = tmp_path / "gone"
    index.redirects = {"/simple/parts/": "http://127.0.0.1:9/"}
    (message,) = errors(tmp_path, store)
    assert message.endswith("Require a newer parts.")
    once = len(index.requests)
    assert once > asked
    assert errors(tmp_path, store) == [message]
    assert len(index.requests) == once


def test_for_an_acknowledged_error_no_index_is_asked(tmp_path, index, store):
    build_wheel(tmp_path / "files", "parts", "2.0", files={"parts.py": "import html\n"})
    (message,) = errors(tmp_path, store, acknowledge=["removed-from-standard-library:cgi"])
    assert message.endswith("Require a newer parts.")
