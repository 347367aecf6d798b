"""Where packages come from: several indexes, hosts that are trusted, and none at all."""

import os
import ssl
import subprocess

import pytest
from entries import package_request
from index_server import serve_index
from pip_projects import Project, isolate_pip, resolved, versions
from source_projects import build_sdist, commit, write_project
from this_host import require
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import IndexUnreachableError, RequirementsError, UnknownPackageError
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.resolving import fetch
from cdk_lambda_package.store import Store


@pytest.fixture
def project(tmp_path, monkeypatch):
    isolate_pip(monkeypatch)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        # Stronger than pip's own setting.
        monkeypatch.delenv(name, raising=False)
    project = Project(tmp_path)
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    return project


@pytest.fixture
def indexes(project):
    """A private index of the project's wheels, and a public one beside it, in which somebody else publishes."""
    public = project.root / "public"
    public.mkdir()
    with serve_index(project.wheels) as one, serve_index(public) as two:
        one.password = "secret"
        project.write(f"--index-url {one.url('secret')}\n--extra-index-url {two.url()}\ntool", local=False)
        yield one, two


def resolve_and_fetch(project, store, requirements=None):
    request = project.request(requirements)
    wheels = resolved(request, store).wheels
    fetch(wheels, request, store=store)
    return {wheel.name: (wheel.version, wheel.sha256) for wheel in wheels}


# -- one name on a private and a public index --


@pytest.mark.parametrize(("ours", "theirs", "chosen"), [("1.0", "2.0", "2.0"), ("2.0", "1.0", "2.0")])
def test_the_best_version_of_all_indexes_is_taken_as_pip_does_and_each_is_asked_once(
    project, store, indexes, ours, theirs, chosen
):
    project.build("tool", ours, requires_dist=["deep"])
    project.build("deep")
    build_wheel(indexes[1].directory, "tool", theirs, requires_dist=["deep"])
    found = resolve_and_fetch(project, store)
    assert {name: version for name, (version, _) in found.items()} == {"tool": chosen, "deep": "1.0"}
    for index in indexes:
        pages = [path for path in index.requests if path.startswith("/simple/")]
        # With a password, pip asks a second time at once.
        assert set(pages) == {"/simple/tool/", "/simple/deep/"}
        assert len(pages) - len(index.refused) == 2


def test_what_was_resolved_is_fetched_even_if_another_index_has_the_same_version_later(project, store, indexes):
    wheel = project.build("tool")
    request = project.request()
    wheels = resolved(request, store).wheels
    build_wheel(indexes[1].directory, "tool", "1.0", files={"tool.py": "import evil"})
    # So that the link of the lock leads nowhere, and the name is looked up again.
    indexes[0].link_password = "other"
    fetched = fetch(wheels, request, store=store)
    assert {digest: path.read_bytes() for digest, path in fetched.items()} == {sha256(wheel): wheel.read_bytes()}


def test_a_lock_is_no_second_chance_for_the_other_index(project, store, indexes):
    wheel = project.build("tool", "1.0")
    project.write(f"--index-url {indexes[0].url('secret')}\n--extra-index-url {indexes[1].url()}\ntool", local=False)
    build_wheel(indexes[1].directory, "tool", "9.0")
    url = indexes[0].url().replace("simple", f"files/{wheel.name}")
    row = f'{{ url = "{url}", hashes = {{ sha256 = "{sha256(wheel)}" }} }}'
    lock = '[[packages]]\nname = "tool"\nversion = "1.0"\nwheels = ['
    head = 'lock-version = "1.0"\ncreated-by = "test"\n'
    (project.entry / "pylock.toml").write_text(f"{head}{lock}{row}]\n")
    made = package(package_request(entry=project.entry, runtime="python3.13"), store=store)
    assert [(one["name"], one["version"]) for one in made.manifest["distributions"]] == [("tool", "1.0")]
    assert indexes[1].requests == []


# -- no index, and one that nobody trusts --


@pytest.mark.parametrize("how", ["option", "variable", "pip.conf"])
def test_without_an_index_it_is_said_that_none_is_asked(project, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("PIP_NO_INDEX", "1")
    if how == "pip.conf":
        (project.root / "pip.conf").write_text("[global]\nno-index = true\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(project.root / "pip.conf"))
    project.write(f"{'--no-index' if how == 'option' else ''}\n--find-links {project.wheels}\ntool", local=False)
    with pytest.raises(UnknownPackageError, match=r"requirements.txt:3: no file of 'tool' .* --no-index says so"):
        project.resolve()


def test_an_index_without_https_is_asked_only_if_it_is_trusted(project):
    project.build("tool")
    with serve_index(project.wheels) as index:
        # A name for this machine that pip doesn't know to be one.
        url = index.url().replace("127.0.0.1", "0.0.0.0")
        project.write(f"--index-url {url}\ntool", local=False)
        with pytest.raises(IndexUnreachableError, match=r"0\.0\.0\.0 isn't asked: .* give --trusted-host 0\.0\.0\.0"):
            project.resolve()
        project.write(f"--index-url {url}\n--trusted-host 0.0.0.0\ntool", local=False)
        assert versions(project.resolve()) == {"tool": "1.0"}
        project.write(f"--index-url {index.url()}\n--extra-index-url {url}\ntool", local=False)
        assert [finding.id for finding in project.resolve().findings] == ["index-not-read"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for this machine that nobody signed, and its key."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv += [
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        str(path),
        "-out",
        str(path.with_suffix(".crt")),
    ]
    require("openssl")
    subprocess.run(argv, capture_output=True, check=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["--trusted-host", "cert"])
def test_a_certificate_of_ones_own_is_trusted_in_resolution_download_and_builds(
    project, store, certificate, monkeypatch, how
):
    project.build("web")
    project.build("maker")
    hook = {
        "hook.py": "import maker\nfrom backend import build_wheel\n",
        "pyproject.toml": '[build-system]\nrequires = ["maker"]\nbuild-backend = "hook"\nbackend-path = ["."]\n',
    }
    build_sdist(project.wheels, "deep", files=hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    request = package_request(entry=project.entry, runtime="python3.13")
    with serve_index(project.wheels, tls=context) as index:
        # TLS of pip 26.0 accepts no address in place of a name.
        index.password, index.name = "secret", "localhost"
        url = index.url("secret")
        project.write(f"--index-url {url}\nweb\ndeep", local=False)
        with pytest.raises(RequirementsError, match=r"(?i)certificate"):
            package(request, store=store)
        if how == "cert":
            monkeypatch.setenv("PIP_CERT", str(certificate.with_suffix(".crt")))
        else:
            trusted = f"--trusted-host {index.host}"
            project.write(f"--index-url {url}\n{trusted}\nweb\ndeep", local=False)
        made = package(request, store=store)
    assert [row["name"] for row in made.manifest["distributions"]] == ["deep", "web"]


@pytest.mark.thorough
def test_a_local_project_is_built_with_what_the_private_index_has(project, store, indexes):
    project.build("maker")
    build_wheel(indexes[1].directory, "other")
    own = write_project(
        project.entry / "own", "own", files={"hook.py": "import maker\nfrom backend import build_wheel\n"}
    )
    (own / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["maker"]\nbuild-backend = "hook"\nbackend-path = ["."]\n'
    )
    project.write(
        f"--index-url {indexes[0].url('secret')}\n--extra-index-url {indexes[1].url()}\n./own\nother", local=False
    )
    assert versions(resolved(project.request(), store)) == {"own": "1.0", "other": "1.0"}
    assert "/simple/own/" not in indexes[0].requests + indexes[1].requests


# -- a repository of one's own --


@pytest.mark.thorough
@pytest.mark.needs("git")
@pytest.mark.parametrize("editable", [False, True])
def test_a_commit_comes_from_a_private_server_with_its_password(
    project, store, certificate, monkeypatch, capsys, editable
):
    checkout = write_project(project.root / "checkout", "pinned")
    revision = commit(checkout)
    served = project.root / "served"
    argv = ["git", "clone", "--quiet", "--bare", str(checkout), str(served / "repo.git")]
    subprocess.run(argv, check=True)
    # So that it can be cloned from a server that knows nothing of git.
    subprocess.run(["git", "update-server-info"], cwd=served / "repo.git", check=True)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate.with_suffix(".crt")))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve_index(served, tls=context) as server:
        server.password = "canary"
        url = server.url("canary").replace("simple", f"files/repo.git@{revision}")
        line = f"-e git+{url}#egg=pinned" if editable else f"pinned @ git+{url}"
        project.write(line, local=False)
        found = resolved(project.request(), store)
        [locked] = found.pylock.packages
        assert locked.vcs.commit_id == revision
        assert locked.vcs.url == server.url().replace("simple", "files/repo.git")
        assert versions(found) == {"pinned": "1.0"}
        # From a lock, too, which hasn't got the password.
        assert main(["lock", str(project.entry), "--runtime=python3.13"]) == 0, capsys.readouterr().err
        assert "canary" not in (project.entry / "pylock.toml").read_text()
        made = package(package_request(entry=project.entry, runtime="python3.13"), store=Store(project.root / "other"))
    assert [(row["name"], row["version"]) for row in made.manifest["distributions"]] == [("pinned", "1.0")]
    kept = [path for path in (*store.root.rglob("*"), *project.root.joinpath("other").rglob("*")) if path.is_file()]
    assert not [path for path in kept if b"canary" in path.read_bytes()]


# -- keyring --


def write_keyring(folder, log):
    """Write a program `keyring` that knows one password, and writes down what it is asked."""
    folder.mkdir()
    program = folder / "keyring"
    answer = '{"username": "user", "password": "secret"}'
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{log}'\nread line\necho '{answer}'\n")
    program.chmod(0o755)


def test_a_keyring_on_path_is_asked_without_a_setting_for_the_resolution_the_files_and_a_build(
    project, store, tmp_path, monkeypatch
):
    for name in ("tool", "needed"):
        project.build(name)
    source = write_project(project.entry / "source", "own")
    (source / "pyproject.toml").write_text((source / "pyproject.toml").read_text().replace("[]", '["needed"]', 1))
    write_keyring(tmp_path / "bin", tmp_path / "log")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with serve_index(project.wheels) as index:
        index.password = "secret"
        url = index.url().replace("://", "://user@")
        project.write(f"--index-url {url}\ntool\n./source", local=False)
        assert set(resolve_and_fetch(project, store)) == {"own", "tool"}
        assert "/simple/needed/" in index.requests
    assert "--mode=creds" in (tmp_path / "log").read_text()


def test_a_keyring_that_is_turned_off_isnt_asked(project, store, tmp_path, monkeypatch):
    project.build("tool")
    write_keyring(tmp_path / "bin", tmp_path / "log")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PIP_KEYRING_PROVIDER", "disabled")
    with serve_index(project.wheels) as index:
        index.password = "secret"
        project.write(f"--index-url {index.url().replace('://', '://user@')}\ntool", local=False)
        with pytest.raises(RequirementsError):
            resolve_and_fetch(project, store)
    assert not (tmp_path / "log").exists()


def test_a_keyring_that_is_too_old_for_pip_is_named_where_the_index_wants_a_password(
    project, store, tmp_path, monkeypatch
):
    project.build("tool")
    write_keyring(tmp_path / "bin", tmp_path / "log")
    said = "keyring: error: unrecognized arguments: --mode=creds"
    (tmp_path / "bin" / "keyring").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 2\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with serve_index(project.wheels) as index:
        index.password = "secret"
        project.write(f"--index-url {index.url().replace('://', '://user@')}\ntool", local=False)
        with pytest.raises(
            RequirementsError, match="The keyring wasn't asked: Keyring util is outdated; must be at least"
        ):
            resolve_and_fetch(project, store)
