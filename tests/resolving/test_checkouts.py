"""Credentials in the URLs of repositories: used by git, and in no command line, clone, log or lock."""

import base64
import os
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from source_projects import commit, write_project

from cdk_lambda_package.errors import RequirementsError, UnsupportedRequirementError
from cdk_lambda_package.resolving import resolve


class Repositories(ThreadingHTTPServer):
    """Serves a folder of bare repositories to who has the password; `headers` are the credentials that came."""

    def __init__(self, folder, password):
        self.folder, self.password, self.headers, self.seen = folder, password, [], []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        header = self.headers.get("Authorization") or ""
        self.server.headers.append(header)
        if header != "Basic " + base64.b64encode(self.server.password.encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        # While git waits.
        self.server.seen.append(read_command_lines())
        path = self.server.folder / self.path.partition("?")[0].lstrip("/")
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def read_command_lines() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def publish(repository, bare):
    """Make a bare copy of a repository that can be cloned from plain files."""
    subprocess.run(["git", "clone", "--quiet", "--bare", repository, bare], check=True)
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(password):
        server = Repositories(tmp_path / "served", password)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("userinfo", "sent"), [("me:c4%40nry", "me:c4@nry"), ("c4nry", "c4nry:")])
def test_git_gets_credentials_by_variables_alone(project, tmp_path, store, serve, userinfo, sent, monkeypatch):
    source = write_project(tmp_path / "source", "tool")
    commit(source)
    publish(source, tmp_path / "served" / "org" / "tool.git")
    server = serve(sent)
    # A user's own settings by variables count as before.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "credential.helper")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "!echo username=other; echo password=other; :")
    url = f"http://{userinfo}@127.0.0.1:{server.server_port}/org/tool.git"
    found = resolve(project.request(f"tool @ git+{url}"), store=store)
    assert [wheel.name for wheel in found.wheels] == ["tool"]
    assert server.seen
    assert not [line for seen in server.seen for line in seen.splitlines() if "c4" in line and "nry" in line]
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "app" not in path.parts]
    assert not [text for text in texts if b"c4%40nry" in text or b"c4@nry" in text or b"c4nry" in text]


@pytest.mark.parametrize("setting", ["variable", "git"])
def test_git_connects_by_the_users_own_ssh_command(project, tmp_path, store, setting, monkeypatch):
    source = write_project(tmp_path / "source", "tool")
    commit(source)
    ssh, log = tmp_path / "ssh", tmp_path / "log"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> \'{log}\'\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    for name in ("GIT_SSH_COMMAND", "GIT_SSH"):
        monkeypatch.delenv(name, raising=False)
    command = f"{ssh} -i deploy.key"
    if setting == "variable":
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
    else:
        (tmp_path / "gitconfig").write_text(f"[core]\nsshCommand = {command}\n")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    found = resolve(project.request(f"tool @ git+ssh://git@host.invalid{source}"), store=store)
    assert [wheel.name for wheel in found.wheels] == ["tool"]
    assert "-i deploy.key" in log.read_text()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("git@host.invalid: Permission denied (publickey).", "GIT_SSH_COMMAND"),
        ("Host key verification failed.", "~/.ssh/known_hosts"),
        ("ssh: Could not resolve hostname host.invalid: Name or service not known", "Check the URL, the connection"),
    ],
)
def test_a_repository_that_ssh_doesnt_reach_is_named_with_its_line_sshs_words_and_advice(
    project, tmp_path, store, said, advice, monkeypatch
):
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    with pytest.raises(RequirementsError) as caught:
        resolve(project.request("tool @ git+ssh://git@host.invalid/tool.git@main"), store=store)
    told = str(caught.value)
    assert told.startswith("requirements.txt:2: git+ssh://git@host.invalid/tool.git@main can't be read by git: ")
    assert said.rstrip(".") in told
    assert advice in told
    assert "\n" not in told


def test_a_revision_that_a_repository_lacks_is_named(project, tmp_path, store):
    source = write_project(tmp_path / "source", "tool")
    commit(source)
    with pytest.raises(RequirementsError) as caught:
        resolve(project.request(f"tool @ git+{source.as_uri()}@v9"), store=store)
    assert str(caught.value) == (
        f"requirements.txt:2: git+{source.as_uri()}@v9 can't be read by git: error: pathspec 'v9' did not match any file(s) known "
        "to git. Name a branch, a tag or a commit of it after the @ of the URL."
    )


def test_a_program_that_isnt_installed_is_named(project, tmp_path, store, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequirementsError, match=r"tool @ git\+.* needs git, which isn't on PATH. Install it"):
        resolve(project.request("tool @ git+https://host.invalid/tool.git"), store=store)


@pytest.mark.parametrize("kind", ["hg", "svn", "bzr"])
def test_credentials_that_a_command_line_would_show_are_refused(project, store, kind):
    with pytest.raises(UnsupportedRequirementError, match=r"requirements.txt:2: .*credentials in its URL") as caught:
        resolve(project.request(f"tool @ {kind}+http://me:c4nary@127.0.0.1:9/tool"), store=store)
    assert "c4nary" not in str(caught.value)


def test_repositories_of_a_host_have_their_own_credentials_and_submodules_the_hosts():
    code = """
    from cdk_lambda_package.inside_pip.target import load_replacements
    load_replacements()
    from cdk_lambda_package.inside_pip.checkouts import Checkouts
    variables = {"GIT_CONFIG_COUNT": "2"}
    checkouts = Checkouts(variables)
    for user in "ab":
        print(checkouts.without_credentials(f"https://{user}:p%40@host:8/org/{user}.git"))
    print(checkouts.without_credentials("ssh://git:p@host/a.git"), checkouts.without_credentials("ssh://git@host/a.git"))
    print(checkouts.without_credentials("https://host/a.git"), checkouts.without_credentials("file:///a@b"))
    count = int(variables["GIT_CONFIG_COUNT"])
    for number in range(3, count, 2):
        print(variables[f"GIT_CONFIG_KEY_{number}"], repr(variables[f"GIT_CONFIG_VALUE_{number - 1}"]))
    print([value for name, value in sorted(variables.items()) if name.endswith("_USER")])
    """
    shown = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout.splitlines()
    assert shown == [
        "https://host:8/org/a.git",
        "https://host:8/org/b.git",
        "ssh://git@host/a.git ssh://git@host/a.git",
        "https://host/a.git file:///a@b",
        "credential.https://host:8/.helper ''",
        "credential.https://host:8/org/a.git.helper ''",
        "credential.https://host:8/org/b.git.helper ''",
        "['a', 'a', 'b']",
    ]
