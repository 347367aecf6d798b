"""A token, given in every way that people have: used in each step, found nowhere afterwards, and in no hash.

A real index server on the loopback interface asks for it, for pages and files, for wheels, for sdists and for what these
need to be built. Afterwards it is searched for in the store, the package, cdk.out, what was printed, the manifest and
the lock.
"""

import base64
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from entries import write_files
from index_server import IndexServer, serve_index
from local_aws import TOOLS, cdk
from offline import run_cli
from pip_projects import isolate_pip
from source_projects import build_sdist, write_project
from wheel_factory import build_wheel

pytestmark = pytest.mark.thorough

# With what has to be quoted in a URL.
TOKEN, ROTATED = "c4nary/t@k%n-one", "c4nary/t@k%n-two"
HOOK = "import maker\nfrom backend import build_wheel\n"
PYPROJECT = '[build-system]\nrequires = ["maker"]\nbuild-backend = "hook"\nbackend-path = ["."]\n'


def find_token(root: Path, *said: str) -> list[str]:
    """Return where the token is, plain, quoted or as a header has it: in files, in members of .zips, in texts."""
    headers = [base64.b64encode(f"user:{token}".encode()) for token in (TOKEN, ROTATED)]
    contents = [*read_files(root), *((f"text {number}", text.encode()) for number, text in enumerate(said))]
    return [name for name, content in contents if any(needle in content for needle in (b"c4nary", *headers))]


def read_files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path), content + str(path).encode()
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    yield from ((f"{path}/{name}", archive.read(name)) for name in archive.namelist())


@dataclass(frozen=True)
class Way:
    """How the token is given, `{token}` standing for it quoted, `{plain}` for itself and `{host}` for the server.

    `direct` ways name files, not an index. With `query` the server wants the token behind a question mark, with `path`
    as the first folder of each path.
    """

    lines: str = ""
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    direct: bool = False
    query: bool = False
    path: bool = False


INDEX = "http://user:{token}@{host}/simple"
WEB, PLAIN = "files/web-1.0-py3-none-any.whl", "files/plain-1.0.tar.gz"
WAYS = {
    "--index-url": Way(f"--index-url {INDEX}"),
    "--index-url with a variable": Way(
        "--index-url http://user:${{OWN_TOKEN}}@{host}/simple", environment={"OWN_TOKEN": "{token}"}
    ),
    "--extra-index-url": Way(f"--index-url http://{{public}}/simple\n--extra-index-url {INDEX}"),
    "--find-links": Way("--no-index --find-links http://user:{token}@{host}/links/"),
    "--find-links with a query": Way("--no-index --find-links http://{host}/links/?token={token}", query=True),
    "pip_args": Way(options=(f"--pip-args=--index-url={INDEX}",)),
    "PIP_INDEX_URL": Way(environment={"PIP_INDEX_URL": INDEX}),
    "PIP_EXTRA_INDEX_URL": Way(
        environment={"PIP_INDEX_URL": "http://{public}/simple", "PIP_EXTRA_INDEX_URL": INDEX}
    ),
    "pip.conf": Way(files={"pip.conf": f"[global]\nindex-url = {INDEX}\n"}, environment={"PIP_CONFIG_FILE": "{files}/pip.conf"}),
    "netrc": Way(
        "--index-url http://{host}/simple",
        files={"netrc": "machine 127.0.0.1 login user password {plain}\n"},
        environment={"NETRC": "{files}/netrc"},
    ),
    "a URL": Way(
        f"--no-index\nweb @ http://user:{{token}}@{{host}}/{WEB}\nplain @ http://user:{{token}}@{{host}}/{PLAIN}", direct=True
    ),
    "a URL with a query": Way(
        f"--no-index\nweb @ http://{{host}}/{WEB}?token={{token}}\nplain @ http://{{host}}/{PLAIN}?token={{token}}",
        direct=True,
        query=True,
    ),
    "a path with a variable": Way(
        "--index-url http://{host}/${{OWN_TOKEN}}/simple", environment={"OWN_TOKEN": "{token}"}, path=True
    ),
    "a URL with a variable in its path": Way(
        f"--no-index\nweb @ http://{{host}}/${{{{OWN_TOKEN}}}}/{WEB}\nplain @ http://{{host}}/${{{{OWN_TOKEN}}}}/{PLAIN}",
        environment={"OWN_TOKEN": "{token}"},
        direct=True,
        path=True,
    ),
}  # fmt: skip


class App:
    """An app whose requirements come from a private index, and a public one beside it."""

    def __init__(self, root: Path, private: IndexServer, public: IndexServer, way: Way) -> None:
        self.root, self.private, self.public, self.way = root, private, public, way
        self.entry = write_files(root / "app", {"app.py": "def handler(event, context): ...\n"})
        self.said: list[str] = []

    def rotate(self, token: str) -> None:
        """Let the server want this token, and give it in this way."""
        self.private.token = token if self.way.query else None
        self.private.folder = f"/{quote(token, safe='')}" if self.way.path else ""
        self.private.password = None if self.way.query or self.way.path else token
        self.values = {
            "token": quote(token, safe=""),
            "plain": token,
            "host": f"127.0.0.1:{self.private.server_port}",
            "public": f"127.0.0.1:{self.public.server_port}",
            "files": str(self.root / "files"),
        }
        names = "" if self.way.direct else "web\ndeep"
        write_files(self.entry, {"requirements.txt": f"{self.way.lines.format(**self.values)}\n{names}\n"})
        for name, text in self.way.files.items():
            folder = self.root / "files"
            write_files(folder, {name: text.format(**self.values)})
            (folder / name).chmod(0o600)

    def run(self, command: str, *argv: str, store: str = "store") -> int:
        environment = {name: value.format(**self.values) for name, value in self.way.environment.items()}
        options = [option.format(**self.values) for option in self.way.options]
        argv = (command, str(self.entry), "--runtime=python3.13", *options, *argv)
        done = run_cli(*argv, cache=self.root / "kept" / store, environment=environment, cwd=self.root)
        self.said += [done.stdout, done.stderr]
        return done.returncode

    def build(self, name: str = "one", *, store: str = "store") -> bytes:
        """Package, and return the .zip."""
        out = self.root / "kept" / f"{name}.zip"
        manifest = self.root / "kept" / f"{name}.json"
        assert self.run("build", "-o", str(out), "--manifest", str(manifest), store=store) == 0, self.said[-1]
        return out.read_bytes()

    def lock(self) -> str:
        assert self.run("lock") == 0, self.said[-1]
        text = (self.entry / "pylock.toml").read_text()
        self.said.append(text)
        return text


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the private index has: a wheel that needs an sdist, and what this one needs to be built."""
    folder = tmp_path_factory.mktemp("private")
    build_wheel(folder, "web", requires_dist=[])
    build_wheel(folder, "maker")
    sdist = {"hook.py": HOOK, "pyproject.toml": PYPROJECT}
    build_sdist(folder, "deep", files=sdist)
    build_sdist(folder, "plain")
    build_sdist(folder, "broken", fail="environment")
    return folder


@pytest.fixture
def make_app(tmp_path, files, monkeypatch):
    isolate_pip(monkeypatch)
    public = write_files(tmp_path / "public", {})
    with serve_index(files) as one, serve_index(public) as two:
        yield lambda way: App(tmp_path, one, two, way)


@pytest.mark.parametrize("way", WAYS)
def test_a_token_is_used_in_every_step_and_found_nowhere(make_app, way):
    app = make_app(WAYS[way])
    app.rotate(TOKEN)
    package = app.build()
    manifest = json.loads((app.root / "kept" / "one.json").read_text())
    expected = {"web", "plain"} if app.way.direct else {"web", "deep"}
    assert {row["name"] for row in manifest["distributions"]} == expected
    # Another token is no reason to do anything again.
    app.rotate(ROTATED)
    app.private.requests.clear()
    assert app.build("two") == package
    assert json.loads((app.root / "kept" / "two.json").read_text()) == manifest
    assert app.private.requests == []
    # Locked with the one token, packaged with the other.
    lock = app.lock()
    app.rotate(TOKEN)
    assert app.build("three", store="other") == package
    assert app.run("lock", "--upgrade") == 0
    assert (app.entry / "pylock.toml").read_text() == lock
    assert find_token(app.root / "kept", *app.said) == []


@pytest.mark.parametrize(
    "way",
    ["--index-url", "PIP_INDEX_URL", "pip.conf", "a URL with a query", "a path with a variable"],
)
def test_no_failure_tells_the_token(make_app, way):
    app = make_app(WAYS[way])
    app.rotate(TOKEN)
    app.private.password = app.private.token = "another"
    app.private.folder = "/another"
    assert app.run("build", "-o", str(app.root / "kept" / "x.zip")) == 1
    app.rotate(TOKEN)
    path = app.entry / "requirements.txt"
    text = path.read_text()
    for lines in ("nothing-of-the-kind\n", "broken\n", "web=1\n", "web\nweb==2\n", "deep --hash=sha256:00\n"):
        path.write_text(text + lines)
        assert app.run("build", "-o", str(app.root / "kept" / "x.zip")) == 1
        assert app.run("lock") == 1
    assert find_token(app.root / "kept", *app.said) == []
    # The build that failed did print its environment.
    assert any("'HOME': " in said for said in app.said) or app.way.direct


def test_a_lock_with_a_token_in_its_urls_is_used_and_tells_nobody(make_app, files):
    app = make_app(Way(query=True))
    app.rotate(TOKEN)
    (app.entry / "requirements.txt").unlink()
    from wheel_factory import sha256

    def place(name):
        url = f"http://{app.values['host']}/files/{name}?token={app.values['token']}"
        return f'{{ name = "{name}", url = "{url}", hashes = {{ sha256 = "{sha256(files / name)}" }} }}'

    lock = f"""lock-version = "1.0"\ncreated-by = "test"
    [[packages]]\nname = "web"\nversion = "1.0"\nwheels = [{place("web-1.0-py3-none-any.whl")}]
    [[packages]]\nname = "plain"\nversion = "1.0"\nsdist = {place("plain-1.0.tar.gz")}
    """
    write_files(app.entry, {"pylock.toml": lock})
    app.build()
    assert find_token(app.root / "kept", *app.said) == []
    app.private.token = "another"
    assert app.run("build", "-o", str(app.root / "kept" / "x.zip"), store="other") == 1
    assert find_token(app.root / "kept", *app.said) == []


APP = """
from aws_cdk import App, Stack, aws_lambda
from cdk_lambda_package import Packaging, PythonFunction

app = App()
for name in ("app", "broken"):
    stack = Stack(app, name.capitalize())
    packaging = Packaging(pip_args=["--retries=0"])
    PythonFunction(stack, "Function", entry=name, runtime=aws_lambda.Runtime.PYTHON_3_13, packaging=packaging)
app.synth()
"""


@pytest.mark.deploy
@pytest.mark.xdist_group("deploy")
def test_a_synthesis_puts_no_token_into_cdk_out_nor_into_what_it_says(make_app, monkeypatch):
    app = make_app(WAYS["--index-url with a variable"])
    app.rotate(TOKEN)
    requirements = (app.entry / "requirements.txt").read_text()
    write_files(app.root / "broken", {"app.py": "handler = print\n", "requirements.txt": f"{requirements}broken\n"})
    write_files(app.root, {"cdk_app.py": APP})
    environment = {**os.environ, "OWN_TOKEN": app.values["token"], "PYTHONPATH": str(Path(__file__).parents[1])}
    environment |= {"CDK_LAMBDA_PACKAGE_CACHE_DIR": str(app.root / "kept" / "store")}
    environment["PATH"] = os.pathsep.join([str(TOOLS), environment["PATH"]])
    options = {"environment": environment, "output": app.root / "kept" / "cdk.out", "cwd": app.root}
    with pytest.raises(RuntimeError, match="broken") as caught:
        cdk("synth", "--app", f"{sys.executable} cdk_app.py", **options)
    write_files(app.root / "broken", {"requirements.txt": requirements})
    done = cdk("synth", "--app", f"{sys.executable} cdk_app.py", **options)
    assert list((app.root / "kept" / "cdk.out").glob("asset.*.zip"))
    assert find_token(app.root / "kept", str(caught.value), done.stdout, done.stderr) == []


def test_the_search_would_find_it(tmp_path):
    build_wheel(tmp_path, "web", files={"web.py": f"# {quote(TOKEN, safe='')}"})
    write_project(tmp_path / "own", "own", files={"header": base64.b64encode(f"user:{ROTATED}".encode())})
    assert len(find_token(tmp_path, "nothing", TOKEN)) == 3
