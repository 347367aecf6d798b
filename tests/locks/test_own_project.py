"""An entry directory that is a project itself: its modules are packaged as its tool would install them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from entries import package_request, run_clean, snapshot, unpack, write_files
from index_server import serve_index
from lock_tools import install_tool
from source_projects import PYPROJECT, write_project
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import BuildError, FindingsError, LockError, UnsupportedRequirementError
from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.locks.own_project import adds_modules, is_package
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.requirements import ResolutionRequest
from cdk_lambda_package.requirements.lock_file import name_lock
from cdk_lambda_package.target import Target

NAME = '[project]\nname = "my-orders"\nversion = "1.0"\n'
APP = "import my_orders\ndef handler(event, context):\n    return my_orders.ANSWER\n"
SOURCE = {"src/my_orders/__init__.py": "ANSWER = 'one'\n"}
FLAT = {"my_orders/__init__.py": "ANSWER = 'one'\n"}
NOTHING = {"tests/test_app.py": "", "chalicelib/__init__.py": "", "scripts/run.py": ""}
BACKENDS = {
    "setuptools": ("setuptools", "setuptools.build_meta"),
    "hatchling": ("hatchling", "hatchling.build"),
    "uv": ("uv_build", "uv_build"),
    "poetry": ("poetry-core", "poetry.core.masonry.api"),
    "pdm": ("pdm-backend", "pdm.backend"),
    "flit": ("flit_core", "flit_core.buildapi"),
}


def built_by(name):
    requirement, backend = BACKENDS[name]
    return f'[build-system]\nrequires = ["{requirement}"]\nbuild-backend = "{backend}"\n'


# -- what a build would find --


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_project_with_modules_in_src_adds_them(tmp_path, backend):
    write_files(tmp_path, {"pyproject.toml": NAME + built_by(backend), **NOTHING, **SOURCE})
    assert is_package(tmp_path)
    assert adds_modules(tmp_path, ["app", "chalicelib"])
    # Then it is in the package already, and no second copy is made.
    assert not adds_modules(tmp_path, ["app", "chalicelib", "my_orders"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_project_that_has_a_build_system_and_no_module_adds_nothing(tmp_path, backend):
    """As apps have it for what they require: its tool couldn't build it."""
    write_files(tmp_path, {"pyproject.toml": NAME + built_by(backend), "app.py": "", "vendor/x.py": "", **NOTHING})
    assert not adds_modules(tmp_path, ["app", "chalicelib", "x"])


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "uv"])
def test_a_package_beside_the_handler_is_added_unless_it_is_packaged_already(tmp_path, backend):
    write_files(tmp_path, {"pyproject.toml": NAME + built_by(backend), "app.py": "", **FLAT})
    assert adds_modules(tmp_path, ["app"])
    assert not adds_modules(tmp_path, ["app", "my_orders"])


@pytest.mark.parametrize("name", ["", "../../etc", "*", "a\\u0000b"])
def test_a_name_that_no_module_has_adds_nothing(tmp_path, name):
    text = f'[project]\nname = "{name}"\n{built_by("hatchling")}'
    write_files(tmp_path, {"pyproject.toml": text, **SOURCE})
    assert not adds_modules(tmp_path, ["app"])


def test_a_package_in_a_namespace_is_found_by_hatchling(tmp_path):
    write_files(tmp_path, {"pyproject.toml": NAME + built_by("hatchling"), "acme/my_orders/__init__.py": ""})
    assert adds_modules(tmp_path, ["app"])


@pytest.mark.parametrize(
    ("settings", "own", "adds"),
    [
        ('[tool.poetry]\npackages = [{include = "parts", from = "lib"}]\n', ["app"], True),
        ('[tool.poetry]\npackages = [{include = "parts", from = "lib"}]\n', ["app", "parts"], False),
        ('[tool.poetry]\npackages = [{include = "parts", to = "shop"}]\n', ["parts"], True),
        ('[tool.poetry]\npackages = [{include = "**/*.py"}]\n', ["app"], True),
        ("[tool.poetry]\npackages = 1\n", ["app"], False),
    ],
)
def test_what_poetry_is_told_counts(tmp_path, settings, own, adds):
    write_files(tmp_path, {"pyproject.toml": NAME + built_by("poetry") + settings})
    assert adds_modules(tmp_path, own) is adds


@pytest.mark.parametrize(
    "text",
    [
        built_by("setuptools") + '[tool.setuptools]\npy-modules = ["x"]\n',
        built_by("hatchling") + '[tool.hatch.build.targets.wheel]\npackages = ["lib/x"]\n',
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
        '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n',
    ],
)
def test_what_only_the_build_knows_is_built(tmp_path, text):
    write_files(tmp_path, {"pyproject.toml": NAME + text})
    assert adds_modules(tmp_path, ["app"])


@pytest.mark.parametrize(
    ("text", "installed"),
    [
        (built_by("uv"), True),
        ("", False),
        ("[tool.uv]\npackage = true\n", True),
        (built_by("uv") + "[tool.uv]\npackage = false\n", False),
        (built_by("poetry") + "[tool.poetry]\npackage-mode = false\n", False),
        ("no toml", False),
    ],
)
def test_a_project_is_a_package_if_it_has_a_build_system_and_does_not_deny_it(tmp_path, text, installed):
    write_files(tmp_path, {"pyproject.toml": NAME + text})
    assert is_package(tmp_path) is installed


def read(folder, lock, **options):
    request = ResolutionRequest(entry=folder, target=Target.parse("python3.13"), **options)
    return LockFormat.of(name_lock(lock), request)


@pytest.mark.parametrize(("source", "found"), [("editable", True), ("directory", True), ("virtual", False)])
def test_uv_lock_says_whether_uv_installs_a_member(tmp_path, source, found):
    member = write_files(tmp_path / "b", {"pyproject.toml": NAME + built_by("uv"), **SOURCE})
    lock = f'[[package]]\nname = "my-orders"\nsource = {{ {source} = "b" }}\n'
    write_files(tmp_path, {"uv.lock": lock, "pyproject.toml": "[tool.uv.workspace]\nmembers = ['b']\n"})
    assert (read(member, tmp_path / "uv.lock").own_project is not None) is found
    assert read(member, tmp_path / "uv.lock", own_modules=("my_orders",)).own_project is None
    # A folder of a project isn't the project.
    assert read(write_files(member / "deep", {}), tmp_path / "uv.lock").own_project is None


# -- packaged, by pip --


def made(entry, store, tmp_path, **options):
    """Return the unpacked package, after seeing that the source tree is as it was."""
    before = snapshot(entry)
    request = package_request(**{"entry": entry, "runtime": "python{}.{}".format(*sys.version_info), **options})
    result = package(request, lambda _: tmp_path / "x.zip", store=store)
    # Access by link counts may change; nothing else does.
    assert snapshot(entry) == before
    assert not [finding for finding in result.findings if finding.id == "own-file-wins"]
    return unpack(tmp_path / "x.zip", tmp_path / f"package-{len(list(tmp_path.iterdir()))}")


def answer(folder):
    return run_clean(folder, "import app; print(app.handler(None, None))")


def lay(folder, **plan):
    """Write a project with a build back end of its own, and its modules in src/."""
    write_project(folder, "my-orders", pyproject=NAME, files={**SOURCE, "app.py": APP}, root="src", **plan)
    (folder / "my_orders.py").unlink()
    return folder


@pytest.mark.thorough
def test_a_line_for_the_entry_directory_itself_installs_its_modules(tmp_path, store, isolated_pip):
    entry = lay(tmp_path / "svc", requires=["tool; extra == 'db'"], extras=["db"])
    write_files(entry, {"requirements.txt": "--no-index\n-e .\n"})
    found = made(entry, store, tmp_path)
    assert answer(found) == "one"
    assert sorted(path.name for path in found.iterdir()) == ["app.py", "my_orders", "my_orders-1.0.dist-info"]
    (entry / "src/my_orders/__init__.py").write_text("ANSWER = 'two'\n")
    assert answer(made(entry, store, tmp_path)) == "two"


@pytest.mark.thorough
@pytest.mark.parametrize("line", ["-e .[db]", ".[db]", "my-orders[db] @ file:."])
def test_extras_of_the_entry_directory_count(tmp_path, store, isolated_pip, line):
    build_wheel(tmp_path / "wheels", "tool")
    entry = lay(tmp_path / "svc", requires=["tool; extra == 'db'"], extras=["db"])
    write_files(entry, {"requirements.txt": f"--no-index\n--find-links {tmp_path / 'wheels'}\n{line}\n"})
    found = made(entry, store, tmp_path)
    assert answer(found) == "one"
    assert (found / "tool.py").exists()


def test_a_pylock_with_the_entry_directory_installs_its_modules(tmp_path, store, isolated_pip):
    """As `uv export` writes it."""
    entry = lay(tmp_path / "svc")
    row = '[[packages]]\nname = "my-orders"\ndirectory = { path = ".", editable = true }\n'
    write_files(entry, {"pylock.toml": f'lock-version = "1.0"\ncreated-by = "uv"\n{row}'})
    assert answer(made(entry, store, tmp_path)) == "one"
    # Its code is the app's own, as app.py is: there is nothing to pin.
    assert answer(made(entry, store, tmp_path, require_hashes=True)) == "one"


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("import yaml\n", "import-not-found my_orders/__init__.py:1"),
        pytest.param(
            "import telnetlib\n", "removed-from-standard-library my_orders/__init__.py:1", marks=pytest.mark.thorough
        ),
        pytest.param("def broken(:\n", "syntax-error my_orders/__init__.py:1", marks=pytest.mark.thorough),
        pytest.param("def later():\n    import yaml\nANSWER = 1\n", None, marks=pytest.mark.thorough),
    ],
)
def test_the_modules_of_the_project_are_checked_as_those_of_the_app(tmp_path, store, isolated_pip, source, finding):
    entry = lay(tmp_path / "svc")
    row = '[[packages]]\nname = "my-orders"\ndirectory = { path = "." }\n'
    lock = f'lock-version = "1.0"\ncreated-by = "uv"\n{row}'
    write_files(entry, {"pylock.toml": lock, "src/my_orders/__init__.py": source})
    found: list[str] = []
    try:
        package(package_request(entry=entry, runtime="python3.13"), store=store)
    except FindingsError as error:
        found = [f"{one.id} {one.path}:{one.line}" for one in error.findings]
    assert found == ([finding] if finding else [])


@pytest.mark.parametrize(
    ("told", "builds"),
    [
        ("", 1),
        pytest.param('[tool.own]\nversion = "app.__version__"\n', 2, marks=pytest.mark.thorough),
        pytest.param('[tool.own]\npackages = ["chalicelib"]\n', 2, marks=pytest.mark.thorough),
    ],
)
def test_an_edit_beside_the_project_needs_no_build_unless_the_build_is_told_of_the_file(
    tmp_path, store, isolated_pip, log, told, builds
):
    entry = lay(tmp_path / "svc", log=str(log))
    write_files(entry, {"pyproject.toml": PYPROJECT + NAME + told, "chalicelib/__init__.py": ""})
    row = '[[packages]]\nname = "my-orders"\ndirectory = { path = "." }\n'
    write_files(entry, {"pylock.toml": f'lock-version = "1.0"\ncreated-by = "uv"\n{row}'})
    request = package_request(entry=entry, runtime="python3.13")
    before = package(request, store=store).content_digest
    write_files(entry, {"app.py": f"{APP}# edited\n", "chalicelib/__init__.py": "EDITED = True\n"})
    assert package(request, store=store).content_digest != before
    assert len(log.read_text().splitlines()) == builds


@pytest.mark.thorough
def test_the_lock_command_locks_the_project_with_what_it_requires(tmp_path, store, isolated_pip, monkeypatch, capsys):
    build_wheel(tmp_path / "wheels", "tool")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    entry = lay(tmp_path / "svc", requires=["tool"])
    write_files(entry, {"pyproject.toml": PYPROJECT + NAME + 'dependencies = ["tool"]\n'})
    argv = ["lock", str(entry), "--runtime=python{}.{}".format(*sys.version_info)]
    assert main(argv) == 0, capsys.readouterr().err
    rows = tomllib.loads((entry / "pylock.toml").read_text())["packages"]
    assert rows[0] == {"name": "my-orders", "directory": {"path": "."}, "dependencies": [{"name": "tool"}]}
    found = made(entry, store, tmp_path)
    assert answer(found) == "one"
    assert (found / "tool.py").exists()
    assert main([*argv, "--check"]) == 0, capsys.readouterr().err


# -- packaged, by the real tools --

real = [pytest.mark.thorough, pytest.mark.network, pytest.mark.xdist_group("lock-tools")]


class Tools:
    """The programs on PATH, and the locks that they write."""

    def __init__(self, monkeypatch, folder):
        self._monkeypatch, self._folder = monkeypatch, folder

    def lock(self, name, where):
        path = os.pathsep.join([str(install_tool(name, self._folder)), os.defpath])
        environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PATH": path}
        done = subprocess.run([name, "lock"], cwd=where, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        self._monkeypatch.setenv("PATH", path)

    def remove(self):
        self._monkeypatch.setenv("PATH", os.defpath)


@pytest.fixture
def tools(tmp_path, monkeypatch, isolated_pip):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("POETRY_CACHE_DIR", str(tmp_path / "poetry-cache"))
    return Tools(monkeypatch, Path(sys.prefix, "lock-tools"))


@pytest.fixture
def poetry_source(tmp_path):
    """The table of an index that poetry asks, which has six alone; builds ask pip's."""
    build_wheel(tmp_path / "index", "six", "1.17.0")
    with serve_index(tmp_path / "index") as index:
        yield f'[[tool.poetry.source]]\nname = "own"\nurl = "{index.url()}"\npriority = "primary"\n'


MAKE = [sys.executable, "-c", "import pathlib; pathlib.Path('src/my_orders/__init__.py').write_text('ANSWER = 1 + 1')"]
PYTHON = 'requires-python = ">=3.11"\n'
SIX = 'dependencies = ["six"]\n'


class TestRealTools:
    pytestmark = real

    def test_a_member_of_a_uv_workspace_is_packaged_with_its_modules_and_those_of_its_siblings(
        self, tmp_path, store, tools
    ):
        root = tmp_path / "repo"
        workspace = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
        write_files(root, {".git/HEAD": "", "pyproject.toml": NAME.replace("my-orders", "root") + PYTHON + workspace})
        for name, requires in (("a", ""), ("b", 'dependencies = ["package-a", "six"]\n')):
            head = NAME.replace("my-orders", f"package-{name}") + PYTHON + requires
            sources = "[tool.uv.sources]\npackage-a.workspace = true\n" if requires else ""
            files = {"pyproject.toml": head + built_by("setuptools") + sources}
            files[f"src/package_{name}/__init__.py"] = f"NAME = {name!r}\n"
            write_files(root / "packages" / name, files)
        app = "import package_a, package_b, six\ndef handler(event, context):\n    return package_a.NAME + package_b.NAME\n"
        entry = write_files(root / "packages/b", {"app.py": app})
        tools.lock("uv", root)
        assert [answer(made(entry, store, tmp_path, architecture=one)) for one in ("x86_64", "arm64")] == ["ab"] * 2
        # Neither uv nor a build is needed a second time, and an edit of src/ is noticed.
        tools.remove()
        assert answer(made(entry, store, tmp_path)) == "ab"
        (entry / "src/package_b/__init__.py").write_text("NAME = 'new'\n")
        tools.lock("uv", root)
        assert answer(made(entry, store, tmp_path)) == "anew"
        request = package_request(entry=entry, runtime="python3.13")
        rows = package(request, store=store).manifest["distributions"]
        assert {row["name"]: row["required_by"] for row in rows} == {
            "package-a": ["package-b"],
            "package-b": [],
            "six": ["package-b"],
        }

    @pytest.mark.parametrize("backend", ["uv", "hatchling", "setuptools"])
    def test_a_uv_project_is_packaged_with_its_modules(self, tmp_path, store, tools, backend):
        project = NAME + PYTHON + SIX + "optional-dependencies.more = ['iniconfig']\n" + built_by(backend)
        entry = write_files(tmp_path / "svc", {".git/HEAD": "", "app.py": APP, "pyproject.toml": project, **SOURCE})
        tools.lock("uv", entry)
        found = made(entry, store, tmp_path)
        assert answer(found) == "one"
        assert (found / "six.py").exists()
        assert not (found / "src").exists()
        assert not (found / "iniconfig").exists()
        assert (made(entry, store, tmp_path, extras=["more"]) / "iniconfig").exists()
        prepared = made(entry, store, tmp_path, before_packaging=[MAKE])
        assert answer(prepared) == "2"
        assert answer(made(entry, store, tmp_path, require_hashes=True)) == "one"

    def test_a_uv_project_without_a_build_system_adds_nothing_until_it_has_one(self, tmp_path, store, tools):
        files = {".git/HEAD": "", "app.py": "import six\n" + APP.partition("\n")[2], **SOURCE}
        entry = write_files(tmp_path / "svc", {**files, "pyproject.toml": NAME + PYTHON + SIX})
        tools.lock("uv", entry)
        found = made(entry, store, tmp_path)
        assert sorted(path.name for path in found.iterdir()) == ["app.py", "six-1.17.0.dist-info", "six.py"]
        write_files(entry, {"pyproject.toml": NAME + PYTHON + SIX + built_by("uv")})
        with pytest.raises(LockError, match=r"the project is a package, which it wasn't.*`uv lock`"):
            made(entry, store, tmp_path)

    def test_a_project_that_its_tool_cannot_build_is_an_error_that_says_how_to_do_without(self, tmp_path, store, tools):
        project = NAME + PYTHON + built_by("hatchling") + '[tool.hatch.build.targets.wheel]\npackages = ["nowhere"]\n'
        project += '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "nowhere.py"\n'
        entry = write_files(tmp_path / "svc", {".git/HEAD": "", "app.py": APP, "pyproject.toml": project, **SOURCE})
        tools.lock("uv", entry)
        with pytest.raises(BuildError, match=r"needs none of them, set `package = false` in \[tool\.uv\]"):
            made(entry, store, tmp_path)
        with pytest.raises(UnsupportedRequirementError, match=r"allow_build is False.* set `package = false`"):
            made(entry, store, tmp_path, allow_build=False)

    @pytest.mark.parametrize("layout", ["src", "declared", "old"])
    def test_a_poetry_project_is_packaged_with_its_modules(self, tmp_path, store, tools, layout, poetry_source):
        table = '[tool.poetry]\npackages = [{include = "my_orders", from = "lib"}]\n' if layout == "declared" else ""
        project = NAME + PYTHON + SIX + table
        if layout == "old":
            project = '[tool.poetry]\nname = "my-orders"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
            project += '[tool.poetry.dependencies]\npython = "^3.11"\nsix = "*"\n'
        files = {"lib/my_orders/__init__.py": "ANSWER = 'one'\n"} if layout == "declared" else SOURCE
        files = {
            ".git/HEAD": "",
            "app.py": APP,
            "pyproject.toml": project + built_by("poetry") + poetry_source,
            **files,
        }
        entry = write_files(tmp_path / "svc", files)
        tools.lock("poetry", entry)
        found = made(entry, store, tmp_path)
        assert answer(found) == "one"
        assert (found / "six.py").exists()
        tools.remove()
        assert answer(made(entry, store, tmp_path)) == "one"

    def test_poetry_without_package_mode_adds_nothing(self, tmp_path, store, tools, poetry_source):
        project = NAME + PYTHON + SIX + built_by("poetry") + "[tool.poetry]\npackage-mode = false\n" + poetry_source
        app = "def handler(event, context): ...\n"
        entry = write_files(tmp_path / "svc", {".git/HEAD": "", "app.py": app, "pyproject.toml": project, **SOURCE})
        tools.lock("poetry", entry)
        found = made(entry, store, tmp_path)
        assert sorted(path.name for path in found.iterdir()) == ["app.py", "six-1.17.0.dist-info", "six.py"]

    def test_a_lock_that_uv_exported_with_its_project_is_as_good(self, tmp_path, store, tools):
        project = NAME + PYTHON + built_by("uv")
        entry = write_files(tmp_path / "svc", {".git/HEAD": "", "app.py": APP, "pyproject.toml": project, **SOURCE})
        tools.lock("uv", entry)
        argv = ["uv", "export", "--quiet", "--format=pylock.toml", "--output-file=pylock.toml"]
        subprocess.run(argv, cwd=entry, check=True, capture_output=True)
        (entry / "uv.lock").unlink()
        assert answer(made(entry, store, tmp_path)) == "one"
