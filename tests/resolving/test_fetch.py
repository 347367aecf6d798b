import dataclasses
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from packaging.utils import canonicalize_name
from pip_projects import resolved
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import HashMismatchError, IndexUnreachableError, RequirementsError
from cdk_lambda_package.requirements.lock_file import name_lock
from cdk_lambda_package.requirements.resolution import LockedWheel, ResolutionRequest
from cdk_lambda_package.resolving import fetch
from cdk_lambda_package.store import WHEELS
from cdk_lambda_package.target import Target


@pytest.fixture
def index(index):
    """An index that serves the metadata of wheels apart: resolving asks for no wheel, and leaves none in the store."""
    index.metadata = True
    return index


def fetch_for(project, store, request, **changes):
    wheels = [dataclasses.replace(wheel, **changes) for wheel in resolved(request, store).wheels]
    return fetch(wheels, request, store=store)


def anything(project):
    return ResolutionRequest(entry=project.entry, target=Target.parse("python3.13"))


def is_empty(store):
    return not [path for path in (store.root / "v1").rglob("*") if path.suffix == ".whl"]


def test_wheels_are_in_the_store_under_their_hash(project, store, index):
    wheels = [project.build("tool"), project.build("native", tags="cp313-cp313-manylinux_2_34_aarch64")]
    project.write(f"--index-url {index.url()}\ntool\nnative", local=False)
    found = fetch_for(project, store, project.request(target="python3.13 arm64"))
    assert {digest: path.read_bytes() for digest, path in found.items()} == {
        sha256(wheel): wheel.read_bytes() for wheel in wheels
    }
    assert {path.relative_to(store.root).parts[:2] for path in found.values()} == {("v1", "wheels")}


def test_the_second_time_nothing_is_asked_of_the_index(project, store, index):
    project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    first = fetch_for(project, store, project.request())
    index.requests.clear()
    assert fetch_for(project, store, project.request()) == first
    assert index.requests == []


def test_only_what_is_missing_is_downloaded(project, store, index):
    project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    fetch_for(project, store, project.request())
    project.build("other")
    project.write(f"--index-url {index.url()}\ntool\nother", local=False)
    request = project.request()
    wheels = resolved(request, store).wheels
    index.requests.clear()
    fetch(wheels, request, store=store)
    assert not any("tool" in path for path in index.requests)


def test_a_password_in_the_requirements_file_is_used_for_the_download(project, store, index):
    index.password = "secret"
    wheel = project.build("tool")
    project.write(f"--index-url {index.url('secret')}\ntool", local=False)
    assert set(fetch_for(project, store, project.request())) == {sha256(wheel)}
    assert not [path for path in store.root.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_an_index_whose_links_have_passwords_of_their_own_is_asked_by_name(project, store, index):
    index.link_password = "secret"
    wheel = project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    request = project.request()
    wheels = resolved(request, store).wheels
    assert "secret" not in wheels[0].url
    index.requests.clear()
    found = fetch(wheels, request, store=store)
    assert set(found) == {sha256(wheel)}
    assert "/simple/tool/" in index.requests


def test_an_index_page_is_not_read_again_for_a_download(project, store, index):
    project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    request = project.request()
    wheels = resolved(request, store).wheels
    index.requests.clear()
    fetch(wheels, request, store=store)
    assert index.requests == ["/files/tool-1.0-py3-none-any.whl"]


def test_a_wheel_by_url_is_downloaded_from_there(project, store, index):
    wheel = project.build("tool")
    url = index.url().replace("simple", f"files/{wheel.name}")
    project.write(f"--no-index\ntool @ {url}", local=False)
    assert set(fetch_for(project, store, project.request())) == {sha256(wheel)}


def test_what_is_secret_in_a_urls_requirement_is_put_back_for_the_download(project, store, index):
    index.token, index.password = "canary", "secret"
    wheel = project.build("tool")
    url = index.url("secret").replace("simple", f"files/{wheel.name}")
    project.write(f"--no-index\ntool @ {url}?token=canary", local=False)
    [locked] = resolved(project.request(), store).wheels
    assert locked.url == f"http://127.0.0.1:{index.server_port}/files/{wheel.name}"
    assert set(fetch_for(project, store, project.request())) == {sha256(wheel)}


def test_what_is_secret_in_a_locks_url_is_taken_from_the_lock(project, store, index):
    index.token = "canary"
    wheel = project.build("tool")
    url = index.url().replace("simple", f"files/{wheel.name}")
    lock = project.entry / "pylock.toml"
    lock.write_text(f'url = "{url}?token=canary"')
    locked = LockedWheel(name="tool", version="1.0", filename=wheel.name, url=url, sha256=sha256(wheel))
    target = Target.parse("python3.13")
    request = ResolutionRequest(entry=project.entry, target=target, lock=name_lock(lock))
    found = fetch([locked], request, store=store)
    assert set(found) == {sha256(wheel)}


@pytest.mark.parametrize(
    ("file", "locked"),
    [
        ("PyYAML-6.0.2", "pyyaml-6.0.2"),
        ("Flask_SQLAlchemy-3.0", "flask_sqlalchemy-3.0"),
        ("zope.event-5.0", "zope_event-5.0"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_locked_wheel_is_found_whatever_spelling_of_its_name_the_lock_has(
    project, store, index, file, locked, by_name
):
    name, _, version = file.partition("-")
    wheel = project.build(name, version)
    filename = wheel.name.replace(file, locked)
    project.write(f"--index-url {index.url()}", local=False)
    if by_name:
        index.link_password = "secret"
    url = index.url().replace("simple", f"files/{wheel.name}")
    one = LockedWheel(name=canonicalize_name(name), version=version, filename=filename, url=url, sha256=sha256(wheel))
    [path] = fetch([one], project.request(), store=store).values()
    assert path.read_bytes() == wheel.read_bytes()
    index.requests.clear()
    assert fetch([one], project.request(), store=store) == {one.sha256: path}
    assert index.requests == []


def test_a_wheel_that_a_lock_spelled_otherwise_is_not_downloaded_again_by_its_link(project, store, index):
    wheel = project.build("PyYAML", "6.0.2")
    project.write(f"--index-url {index.url()}\nPyYAML", local=False)
    store.add(lambda stream: stream.write(wheel.read_bytes()), WHEELS, sha256(wheel), wheel.name.lower())
    assert set(fetch_for(project, store, project.request())) == {sha256(wheel)}
    assert f"/files/{wheel.name}" not in index.requests


def test_settings_that_limit_the_choice_do_not_hinder_what_is_locked(project, store, index, monkeypatch):
    wheel = project.build("tool", "1.0")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    request = project.request()
    wheels = resolved(request, store).wheels
    project.write("tool>5", name="limits.txt", local=False)
    monkeypatch.setenv("PIP_CONSTRAINT", str(project.entry / "limits.txt"))
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", "2001-01-01")
    monkeypatch.setenv("PIP_DEST", str(project.root / "elsewhere"))
    found = fetch(wheels, request, store=store)
    assert set(found) == {sha256(wheel)}


def test_local_wheels_are_copied_without_pip(project, store, monkeypatch):
    wheel = project.build("tool")
    request = project.request("tool")
    wheels = resolved(request, store).wheels
    monkeypatch.setenv("PIP_TIMEOUT", "pip would fail")
    found = fetch(wheels, request, store=store)
    assert found[sha256(wheel)].read_bytes() == wheel.read_bytes()


def test_a_local_wheel_that_was_changed_is_refused_with_both_hashes(project, store):
    wheel = project.build("tool")
    expected = sha256(wheel)
    wheels = resolved(project.request("tool"), store).wheels
    build_wheel(project.wheels, "tool", files={"tool.py": b"# other"})
    with pytest.raises(HashMismatchError) as caught:
        fetch(wheels, anything(project), store=store)
    assert expected in str(caught.value)
    assert sha256(wheel) in str(caught.value)
    assert is_empty(store)


def test_a_local_wheel_that_is_gone_is_named(project, store):
    wheel = project.build("tool")
    wheels = resolved(project.request("tool"), store).wheels
    wheel.unlink()
    with pytest.raises(RequirementsError, match=r"tool-1\.0-py3-none-any\.whl"):
        fetch(wheels, anything(project), store=store)


def test_an_index_that_serves_another_file_is_refused_with_both_hashes(project, store, index):
    wheel = project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    with pytest.raises(HashMismatchError, match=f"expected sha256 {'0' * 64}, got {sha256(wheel)}"):
        fetch_for(project, store, project.request(), sha256="0" * 64)
    assert is_empty(store)


def test_an_index_that_is_away_is_said_to_be(project, store, index):
    project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    request = project.request()
    wheels = resolved(request, store).wheels
    index.shutdown()
    index.server_close()
    with pytest.raises(IndexUnreachableError, match=r"127\.0\.0\.1"):
        fetch(wheels, request, store=store)


def test_without_wheels_there_is_nothing_to_do(project, store):
    assert fetch([], anything(project), store=store) == {}


def test_two_at_once_get_the_same_files(project, store, index):
    project.build("tool")
    project.write(f"--index-url {index.url()}\ntool", local=False)
    request = project.request()
    resolved(request, store)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: fetch_for(project, store, request), range(2))
    assert one == two
    [own] = (store.root / "v1" / "tmp").iterdir()
    assert {path.name for path in own.iterdir()} == {"lock", "used"}, "nothing unfinished"


@pytest.mark.thorough
@pytest.mark.needs("SIGKILL")
def test_killed_while_copying_it_leaves_no_half_wheel(project, store):
    big = build_wheel(project.wheels, "big", files={"big.bin": os.urandom(60_000_000)})
    wheel = LockedWheel(name="big", version="1.0", filename=big.name, url=big.as_uri(), sha256=sha256(big))
    code = (
        "import sys; from pathlib import Path; from cdk_lambda_package.resolving.fetching import fetch;"
        "from cdk_lambda_package.requirements.resolution import LockedWheel, ResolutionRequest; from cdk_lambda_package.store import Store;"
        "from cdk_lambda_package.target import Target;"
        "request = ResolutionRequest(entry=Path('.'), target=Target.parse('python3.13'));"
        f"fetch([{wheel!r}], request, store=Store(Path(sys.argv[1])))"
    )
    for delay in (0.2, 0.3, 0.4):
        process = subprocess.Popen([sys.executable, "-c", code, str(store.root)])
        time.sleep(delay)
        process.kill()
        process.wait()
        found = store.find("wheels", wheel.sha256, wheel.filename)
        assert found is None or sha256(found) == wheel.sha256
    found = fetch([wheel], anything(project), store=store)
    assert sha256(found[wheel.sha256]) == wheel.sha256
