"""The page about private indexes: each way to give a password is tried with an index that asks for one, and a new store."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from index_server import IndexServer, serve_index
from local_aws import ROOT
from test_docs import DOCS
from test_docs_commands import Workshop, sections_of
from this_host import require_file
from wheel_factory import build_wheel

PAGE = DOCS / "how-to" / "private-index.md"
CHECK, EXPIRED, KEYRING, CODEARTIFACT = "How to check", "When a token expires", "keyring", "AWS CodeArtifact"
WAYS = ["netrc", "A variable in the URL", "pip.conf or PIP_INDEX_URL with the password"]
AWS = ROOT / ".venv" / "peers" / "aws" / "bin" / "aws"
HOST = "packages.example.com"


@pytest.fixture
def index(tmp_path) -> Iterator[IndexServer]:
    build_wheel(tmp_path / "private", "invoices", "1.2")
    with serve_index(tmp_path / "private") as server:
        server.password = "secret"
        yield server


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    workshop = Workshop(tmp_path)
    write_files(
        workshop.shop / "orders", {"app.py": f"import invoices\n\n\n{HANDLER}", "requirements.txt": "invoices\n"}
    )
    (tmp_path / "home").mkdir()
    return workshop


def environment_of(workshop: Workshop, **further: str) -> dict[str, str]:
    """Return variables in which pip knows no index but the page's, and has a home of its own."""
    kept = {
        name: value for name, value in workshop.environment.items() if not re.match("PIP_(?!CERT)|XDG_|NETRC", name)
    }
    return {**kept, "HOME": str(workshop.root / "home"), **further}


def run(workshop: Workshop, heading: str, index: IndexServer, environment: Mapping[str, str]) -> None:
    """Run a section's commands, with this index in the place of the page's."""

    def at_index(text: str) -> str:
        # requests looks a machine up without its port.
        text = text.replace(f"machine {HOST}", f"machine {index.name}")
        return text.replace(HOST, index.host).replace("https://", "http://")

    commands = sections_of(PAGE)[heading]
    moved = [
        replace(one, text=at_index(one.text), output=[*map(at_index, one.output)]) for one in commands if not one.reason
    ]
    workshop.run_all(moved, environment, f"{PAGE.name}, {heading}")


def holds_no_password(workshop: Workshop) -> bool:
    files = [path for path in (workshop.root / "cache").rglob("*") if path.is_file()]
    return not any(b"secret" in path.read_bytes() for path in [*files, workshop.shop / "orders" / "pylock.toml"])


@pytest.mark.parametrize("heading", WAYS)
def test_a_way_to_give_the_password_works_as_written(workshop, index, heading):
    environment = environment_of(workshop)
    run(workshop, heading, index, environment)
    assert "/simple/invoices/" in index.requests
    assert holds_no_password(workshop)


def test_the_lock_is_checked_as_written_and_an_expired_token_is_an_error_without_it(workshop, index):
    environment = environment_of(workshop, PIP_INDEX_URL=index.url("secret"))
    command = [sys.executable, "-m", "cdk_lambda_package", "lock", "orders", "--runtime", "python3.13"]
    subprocess.run(command, cwd=workshop.shop, env=environment, check=True, capture_output=True)
    run(workshop, CHECK, index, environment)
    run(workshop, EXPIRED, index, environment)


def test_every_section_with_commands_is_tried():
    assert {*WAYS, CHECK, EXPIRED, KEYRING, CODEARTIFACT} == sections_of(PAGE).keys()


# -- an expired token, with each state of the store --


def check(workshop: Workshop, environment: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "cdk_lambda_package", "check", "orders", "--runtime", "python3.13", *options]
    return subprocess.run(argv, cwd=workshop.shop, env=environment, capture_output=True, text=True, check=False)


def test_an_old_token_does_no_harm_while_the_store_has_the_wheels(workshop, index):
    fresh, old = (environment_of(workshop, PIP_INDEX_URL=index.url(token)) for token in ("secret", "outdated"))
    assert check(workshop, fresh).returncode == 0
    write_files(workshop.shop / "orders", {"app.py": f"import invoices  # edited\n\n\n{HANDLER}"})
    assert check(workshop, old).returncode == 0
    assert index.refused == []


def test_an_old_resolution_is_used_with_a_warning_and_changed_requirements_are_an_error(workshop, index):
    fresh, old = (environment_of(workshop, PIP_INDEX_URL=index.url(token)) for token in ("secret", "outdated"))
    assert check(workshop, fresh).returncode == 0
    late = check(workshop, old, "--max-lock-age", "0")
    assert (late.returncode, "warning[index-unreachable]" in late.stdout) == (0, True), late.stdout
    write_files(workshop.shop / "orders", {"requirements.txt": "invoices>=1\n"})
    changed = check(workshop, old)
    assert changed.returncode == 1
    assert "401" in changed.stdout
    assert "outdated" not in changed.stdout + changed.stderr


def test_a_new_store_with_a_lock_and_an_old_token_is_an_error(workshop, index):
    fresh, old = (environment_of(workshop, PIP_INDEX_URL=index.url(token)) for token in ("secret", "outdated"))
    argv = [sys.executable, "-m", "cdk_lambda_package", "lock", "orders", "--runtime", "python3.13"]
    subprocess.run(argv, cwd=workshop.shop, env=fresh, check=True, capture_output=True)
    done = check(workshop, {**old, "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(workshop.root / "new")})
    assert done.returncode == 1
    assert "401" in done.stdout


# -- tools of their own --


def install(folder: Path, *requirements: str) -> Path:
    """Install distributions into an environment of their own, without the index of the test; return its programs."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    argv = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements]
    subprocess.run(argv, check=True)
    return folder / "bin"


@pytest.mark.thorough
@pytest.mark.network
@pytest.mark.parametrize("form", ["a program on PATH", "a module beside the library"])
def test_the_real_keyring_gives_the_password(workshop, index, tmp_path, form):
    # A store of passwords for machines without a desktop, in a plain file.
    bin_folder = install(tmp_path / "keyring", "keyring>=25.2.1", "keyrings.alt")
    environment = environment_of(
        workshop,
        PYTHON_KEYRING_BACKEND="keyrings.alt.file.PlaintextKeyring",
        XDG_DATA_HOME=str(tmp_path / "home"),
        PATH=os.pathsep.join([workshop.environment["PATH"], str(bin_folder)]),
    )
    if form.startswith("a module"):
        # Without the pip of that environment.
        argv = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            tmp_path / "modules",
            "keyring",
            "keyrings.alt",
        ]
        subprocess.run(argv, check=True)
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(tmp_path / "modules")])
    run(workshop, KEYRING, index, environment)
    assert "/simple/invoices/" in index.requests
    assert holds_no_password(workshop)


@contextmanager
def code_artifact(endpoint: str) -> Iterator[str]:
    """Serve the two answers of CodeArtifact's API that `login` asks for; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = {"authorizationToken": "secret", "expiration": 4102444800}
            body = json.dumps(
                token if "authorization-token" in self.path else {"repositoryEndpoint": endpoint}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server calls it

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.thorough
def test_the_real_aws_cli_logs_pip_in(workshop, index):
    require_file(AWS)
    index.user = "aws"
    with code_artifact(f"http://{index.host}/") as api:
        environment = environment_of(
            workshop,
            AWS_ENDPOINT_URL=api,
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",
            AWS_DEFAULT_REGION="us-east-1",
            PATH=os.pathsep.join([workshop.environment["PATH"], str(AWS.parent)]),
        )
        run(workshop, CODEARTIFACT, index, environment)
    assert "/simple/invoices/" in index.requests
    assert holds_no_password(workshop)
