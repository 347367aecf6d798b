"""Locks of uv, poetry and pipenv, read by the real tools (acceptance 32)."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from entries import package_request
from index_server import serve_index
from lock_tools import install_tool
from pip_projects import isolate_pip
from source_projects import build_sdist, commit, write_project
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import FindingsError, LockError, NoWheelError, RequirementsError, ToolError
from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.requirements import ResolutionRequest
from cdk_lambda_package.requirements.lock_file import name_lock
from cdk_lambda_package.target import LARGEST_PACKAGE, Target

pytestmark = [pytest.mark.thorough, pytest.mark.network, pytest.mark.xdist_group("lock-tools")]

PROJECT = """
[project]
name = "svc"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["tool", "native", "arm; platform_machine == 'aarch64'", "win; sys_platform == 'win32'"]
[project.optional-dependencies]
db = ["pgx"]
"""
UV = """
[dependency-groups]
dev = ["devtool"]
more = ["six"]
[tool.uv]
package = false
[[tool.uv.index]]
url = "{url}"
default = true
"""
POETRY = """
[tool.poetry]
package-mode = false
[tool.poetry.group.dev.dependencies]
devtool = "*"
[tool.poetry.group.more]
optional = true
[tool.poetry.group.more.dependencies]
six = "*"
[[tool.poetry.source]]
name = "own"
url = "{url}"
priority = "primary"
"""
PIPFILE = """
[[source]]
url = "{url}"
verify_ssl = true
name = "own"
[packages]
tool = "*"
native = "*"
win = {{version = "*", markers = "sys_platform == 'win32'"}}
[dev-packages]
devtool = "*"
[more]
six = "*"
"""


class App:
    """An app with an index of its own, which asks for a password."""

    def __init__(self, root, index, tools):
        self.root, self.entry, self.index, self.tools = root, root / "repo" / "svc", index, tools
        self.entry.mkdir(parents=True)
        (root / "repo" / ".git").mkdir()
        (self.entry / "app.py").write_text("def handler(event, context): ...\n")

    def write(self, name, text, **values):
        path = self.entry / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(url=self.index.url(), **values) if "{url}" in text else text)

    def run(self, tool, *words, where=None):
        program = str(install_tool(tool, self.tools) / tool)
        environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "POETRY_HTTP_BASIC_OWN_USERNAME": "user",
                       "POETRY_HTTP_BASIC_OWN_PASSWORD": "canary", "UV_INDEX_USERNAME": "user"}  # fmt: skip
        done = subprocess.run(
            [program, *words], cwd=where or self.entry, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def build(self, store, **options):
        before = self.snapshot()
        try:
            request = package_request(**{"entry": self.entry, "runtime": "python3.13", **options})
            made = package(request, store=store)
        finally:
            assert self.snapshot() == before, "the source tree was written to"
        assert not any("canary" in text for text in [json.dumps(made.manifest), *map(str, made.findings)])
        assert not [path for path in store.root.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
        return {row["name"]: (row["version"], row["required_by"]) for row in made.manifest["distributions"]}

    def snapshot(self):
        files = (path for path in self.root.joinpath("repo").rglob("*") if path.is_file())
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def tools():
    # In this virtual environment: installing them takes longer than all tests here.
    return Path(os.environ.get("LOCK_TOOLS") or Path(sys.prefix, "lock-tools"))


@pytest.fixture
def app(tmp_path, tools, monkeypatch):
    isolate_pip(monkeypatch)
    # One home for all: uv, poetry and pip find the password where people keep it.
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login user password canary\n")
    (tmp_path / "home" / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / ".netrc"))
    monkeypatch.setenv("POETRY_CONFIG_DIR", str(tmp_path / "home" / "poetry"))
    monkeypatch.setenv("POETRY_CACHE_DIR", str(tmp_path / "home" / "poetry-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "home" / "uv-cache"))
    wheels = tmp_path / "wheels"
    build_wheel(wheels, "tool", requires_dist=["deep>=1"])
    for name in ("deep", "arm", "win", "six", "devtool", "pgx"):
        build_wheel(wheels, name)
    for machine in ("x86_64", "aarch64"):
        build_wheel(wheels, "native", tags=f"cp313-cp313-manylinux_2_28_{machine}")
    with serve_index(wheels) as index:
        index.password = "canary"
        yield App(tmp_path, index, tools)


def provide(app, monkeypatch, *names):
    """Put tools, and nothing else of the kind, on PATH."""
    monkeypatch.setenv("PATH", os.pathsep.join([*(str(install_tool(name, app.tools)) for name in names), os.defpath]))


def write_pipfile_lock(app, *, own=None, url=None, **packages):
    """Write what `pipenv lock` would, which takes its time; `own` is what else the Pipfile names, `url` its index."""
    files = {path.name: sha256(path) for path in (app.root / "wheels").iterdir() if path.is_file()}

    def row(name, **fields):
        hashes = sorted(f"sha256:{digest}" for file, digest in files.items() if file.startswith(f"{name}-"))
        return {"hashes": hashes, "index": "own", "version": "==1.0", **fields}

    source = {"name": "own", "url": url or app.index.url(), "verify_ssl": True}
    meta = {"pipfile-spec": 6, "requires": {}, "sources": [source]}
    default = {"deep": row("deep"), "native": row("native"), "tool": row("tool"),
               "win": row("win", markers="sys_platform == 'win32'"), **packages}  # fmt: skip
    content = {"_meta": meta, "default": default, "develop": {"devtool": row("devtool")}, "more": {"six": row("six")}}
    pipfile = {"_meta": {"requires": {}, "sources": [source]}, "default": {"native": "*", "tool": "*",
               "win": {"markers": "sys_platform == 'win32'", "version": "*"}, **(own or {})}, "develop": {"devtool": "*"}, "more": {"six": "*"}}  # fmt: skip
    text = json.dumps(pipfile, sort_keys=True, separators=(",", ":"))
    meta["hash"] = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    app.write("Pipfile.lock", json.dumps(content, indent=4))


def lock_uv(app):
    app.write("pyproject.toml", PROJECT + UV)
    app.run("uv", "lock")


def lock_poetry(app):
    app.write("pyproject.toml", PROJECT + POETRY)
    app.run("poetry", "lock")


def lock_pipenv(app):
    app.write("Pipfile", PIPFILE)
    write_pipfile_lock(app)


LOCKS = {"uv": lock_uv, "poetry": lock_poetry, "pipenv": lock_pipenv}


@pytest.mark.parametrize("tool", LOCKS)
def test_a_tools_lock_is_used_as_it_is_without_dev_groups(app, store, monkeypatch, tool):
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    expected = {"tool": ("1.0", []), "deep": ("1.0", ["tool"]), "native": ("1.0", [])}
    assert app.build(store) == expected
    # Neither the tool nor the index is needed a second time.
    provide(app, monkeypatch)
    app.index.requests.clear()
    assert app.build(store) == expected
    assert app.index.requests == []


@pytest.mark.parametrize("says_sizes", [True, False])
@pytest.mark.parametrize("tool", LOCKS)
def test_a_wheel_above_lambdas_limit_isnt_downloaded(app, store, monkeypatch, tool, says_sizes):
    app.index.metadata, deep = True, "deep-1.0-py3-none-any.whl"
    app.index.sizes = {deep: 300_000_000} if says_sizes else None
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    app.index.sent.clear()
    app.index.padded = {} if says_sizes else {deep: 300_000_000}
    with pytest.raises(FindingsError, match=r"deep==1\.0 \(300,000,000, required by tool\)") as caught:
        app.build(store)
    assert caught.value.findings[0].id == "package-too-large"
    assert app.index.sent[deep] < 20_000_000
    assert says_sizes is False or app.index.sent[deep] == 0


@pytest.mark.parametrize("tool", LOCKS)
@pytest.mark.parametrize("size", [200_000_000, 300_000_000])
def test_what_is_left_out_of_a_lock_isnt_compared(app, store, monkeypatch, tool, size):
    native = "native-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"
    app.index.metadata, app.index.sizes = True, {"deep-1.0-py3-none-any.whl": 300_000_000, native: size}
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    if size < LARGEST_PACKAGE:
        assert set(app.build(store, exclude_distributions=["tool"])) == {"native"}
    else:
        with pytest.raises(FindingsError, match=r"Largest (is|are) native==1\.0 \(300,000,000\)"):
            app.build(store, exclude_distributions=["tool"])


@pytest.mark.parametrize("tool", LOCKS)
def test_a_password_that_only_the_tool_knows_is_used_for_the_files_and_kept_nowhere(app, store, monkeypatch, tool):
    LOCKS[tool](app)
    monkeypatch.setenv("NETRC", os.devnull)
    monkeypatch.setenv("OWN_PASSWORD", "canary")
    if tool == "uv":
        app.write(
            "pyproject.toml",
            (app.entry / "pyproject.toml").read_text().replace("[[tool.uv.index]]", '[[tool.uv.index]]\nname = "own"'),
        )
        app.run("uv", "lock")
        monkeypatch.setenv("UV_INDEX_OWN_USERNAME", "user")
        monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "canary")
    elif tool == "poetry":
        monkeypatch.setenv("POETRY_HTTP_BASIC_OWN_USERNAME", "user")
        monkeypatch.setenv("POETRY_HTTP_BASIC_OWN_PASSWORD", "canary")
    else:
        secret = "http://user:${OWN_PASSWORD}@"
        app.write("Pipfile", (app.entry / "Pipfile").read_text().replace("http://", secret))
        write_pipfile_lock(app, url=app.index.url().replace("http://", secret))
    provide(app, monkeypatch, tool)
    assert app.build(store).keys() == {"tool", "deep", "native"}


@pytest.mark.parametrize("tool", LOCKS)
def test_groups_and_extras_of_a_tools_lock_are_selectable(app, store, monkeypatch, tool):
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    options = {} if tool == "pipenv" else {"extras": ["db"], "architecture": "arm64"}
    expected = {"tool", "deep", "native", "six"} | (set() if tool == "pipenv" else {"arm", "pgx"})
    assert app.build(store, groups=["more"], **options).keys() == expected
    with pytest.raises((ToolError, LockError), match="nope"):
        app.build(store, groups=["nope"])


@pytest.mark.parametrize(
    ("tool", "old", "new", "command"),
    [
        ("uv", '"tool"', '"tool", "six"', "uv lock"),
        ("uv", '"tool"', '"tool>=2"', "uv lock"),
        ("uv", '"tool", ', "", "uv lock"),
        ("uv", "; platform_machine == 'aarch64'", "", "uv lock"),
        ("poetry", '"tool"', '"tool", "six"', "poetry lock"),
        ("pipenv", 'tool = "*"', 'tool = "*"\nsix = "*"', "pipenv lock"),
    ],
)
def test_a_tools_lock_that_is_out_of_date_is_an_error_and_stays_as_it_is(
    app, store, monkeypatch, tool, old, new, command
):
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    name = "Pipfile" if tool == "pipenv" else "pyproject.toml"
    app.write(name, (app.entry / name).read_text().replace(old, new, 1))
    with pytest.raises(LockError, match=f"`{command}`"):
        app.build(store)


@pytest.mark.parametrize("tool", LOCKS)
def test_a_missing_tool_is_an_error_that_says_what_to_install(app, store, monkeypatch, tool):
    LOCKS[tool](app)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ToolError,
        match=rf"{tool}.* isn't installed; install it.* install .*{tool}",
    ):
        app.build(store)


@pytest.mark.needs("executable scripts")
def test_poetry_without_its_export_plugin_is_an_error_that_says_so(tmp_path, store, monkeypatch):
    (tmp_path / "poetry.lock").write_text("")
    (tmp_path / "poetry").write_text("#!/bin/sh\necho 'The requested command export does not exist.'\nexit 1\n")
    (tmp_path / "poetry").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    request = ResolutionRequest(entry=tmp_path, target=Target.parse("python3.13"))
    with pytest.raises(ToolError, match="poetry-plugin-export"):
        LockFormat.of(name_lock(tmp_path / "poetry.lock"), request).exported(store)


def test_a_requirement_that_pipenv_did_not_pin_is_an_error_where_it_is_needed(app, store, monkeypatch):
    """Pipenv locks for the machine that it runs on: what only another one needs stays without a version."""
    lock_pipenv(app)
    content = json.loads((app.entry / "Pipfile.lock").read_text())
    content["default"]["arm"] = {"markers": "platform_machine == 'aarch64'", "version": "*"}
    app.write("Pipfile.lock", json.dumps(content))
    provide(app, monkeypatch, "pipenv")
    assert "arm" not in app.build(store)
    with pytest.raises(LockError, match="doesn't pin arm by a hash, though python3.13 arm64 needs it"):
        app.build(store, architecture="arm64")


@pytest.mark.parametrize("tool", LOCKS)
def test_a_tools_lock_without_a_file_for_the_target_names_the_package(app, store, monkeypatch, tool):
    LOCKS[tool](app)
    provide(app, monkeypatch, tool)
    with pytest.raises(NoWheelError, match="native"):
        app.build(store, runtime="python3.12")


@pytest.mark.needs("git")
@pytest.mark.parametrize("tool", LOCKS)
def test_what_a_tools_lock_has_no_wheel_of_is_built(app, store, monkeypatch, tool):
    """An sdist, a project beside the app, and a commit; poetry can't clone from a path."""
    build_sdist(app.root / "wheels", "packed", requires=["deep"])
    static = '[project]\nname = "shared"\nversion = "1.0"\ndependencies = ["deep"]\n'
    write_project(app.entry.parent / "shared", "shared", pyproject=static, requires=["deep"])
    static = '[project]\nname = "pinned"\nversion = "1.0"\ndependencies = []\n'
    checkout = write_project(app.root / "checkout", "pinned", pyproject=static)
    revision = commit(checkout)
    if tool == "uv":
        project = PROJECT.replace('"tool"', '"tool", "packed", "shared", "pinned"') + UV
        sources = 'shared.path = "../shared"\nshared.editable = true\npinned.git = '
        app.write("pyproject.toml", f'{project}[tool.uv.sources]\n{sources}"{checkout.as_uri()}"\n')
        app.run("uv", "lock")
    elif tool == "poetry":
        project = PROJECT.replace('"tool"', '"tool", "packed", "shared"') + POETRY
        app.write(
            "pyproject.toml", project + '[tool.poetry.dependencies]\nshared.path = "../shared"\nshared.develop = true\n'
        )
        app.run("poetry", "lock")
    else:
        app.write("Pipfile", PIPFILE.replace("tool =", 'packed = "*"\nshared = {{path = "../shared"}}\ntool =', 1))
        digest = f"sha256:{sha256(app.root / 'wheels' / 'packed-1.0.tar.gz')}"
        git = {"git": checkout.as_uri(), "ref": revision}
        own = {"shared": {"path": "../shared"}, "pinned": git, "packed": {"hashes": [digest], "version": "==1.0"}}
        write_pipfile_lock(app, own={"packed": "*", "shared": {"path": "../shared"}}, **own)
    provide(app, monkeypatch, tool)
    built = app.build(store)
    expected = {"tool": [], "deep": ["packed", "shared", "tool"], "native": [], "packed": [], "shared": []}
    expected |= {} if tool == "poetry" else {"pinned": []}
    assert {name: needed for name, (_, needed) in built.items()} == expected
    with pytest.raises(RequirementsError, match="allow_build is False"):
        app.build(store, allow_build=False)


@pytest.mark.parametrize("where", ["a project", "a member of a workspace"])
def test_an_explicit_index_of_uv_gives_files_for_its_password_and_is_asked_for_no_name(app, store, monkeypatch, where):
    text = (
        PROJECT.partition("dependencies =")[0]
        + 'dependencies = ["tool"]\n[tool.uv.sources]\ntool = { index = "own" }\n'
    )
    text += 'deep = { index = "own" }\n'
    index = f'[[tool.uv.index]]\nname = "own"\nurl = "{app.index.url()}"\nexplicit = true\n'
    text = text.replace('["tool"]', '["tool", "deep"]')
    if where == "a project":
        app.write("pyproject.toml", f"{text}[tool.uv]\npackage = false\n{index}")
    else:
        app.write("pyproject.toml", f"{text}[tool.uv]\npackage = false\n")
        app.write("../pyproject.toml", f'[tool.uv.workspace]\nmembers = ["svc"]\n{index}')
    app.run("uv", "lock")
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(app.root))
    monkeypatch.setenv("UV_INDEX_OWN_USERNAME", "user")
    monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "canary")
    provide(app, monkeypatch, "uv")
    app.index.requests.clear()
    assert app.build(store) == {"tool": ("1.0", []), "deep": ("1.0", ["tool"])}
    assert all(path.startswith("/files/") for path in app.index.requests)


def test_a_member_of_a_uv_workspace_gets_its_own_part_of_the_lock(app, store, monkeypatch):
    members = '[project]\nname = "root"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six"]\n'
    members += '[tool.uv.workspace]\nmembers = ["svc"]\n' + UV.partition("[tool.uv]")[2].replace(
        "package = false", "[tool.uv]\npackage = false"
    )
    (app.entry.parent / "pyproject.toml").write_text(members.format(url=app.index.url()))
    app.write("pyproject.toml", PROJECT + "[tool.uv]\npackage = false\n")
    app.run("uv", "lock", where=app.entry.parent)
    provide(app, monkeypatch, "uv")
    assert app.build(store).keys() == {"tool", "deep", "native"}


def test_a_wheel_that_uv_found_in_a_folder_is_packaged_with_the_spelling_of_its_author(app, store, monkeypatch):
    build_wheel(app.entry.parent / "flat", "Flat_Lib.x")
    project = '[project]\nname = "svc"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["flat-lib-x"]\n'
    app.write("pyproject.toml", f'{project}[tool.uv]\npackage = false\nno-index = true\nfind-links = ["../flat"]\n')
    app.run("uv", "lock")
    provide(app, monkeypatch, "uv")
    assert app.build(store) == {"flat-lib-x": ("1.0", [])}
