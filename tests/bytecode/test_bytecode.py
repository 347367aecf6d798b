"""Packages with bytecode: what is compiled, that Python takes it, and that the digest is the same whoever compiled."""

import dataclasses
import importlib.util
import json
import marshal
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from entries import package_request, unpack, write_files
from source_projects import write_project
from this_host import require_python
from wheel_factory import build_wheel

from cdk_lambda_package.bytecode import CompiledModule, bytecode_path, identity_of, overlays
from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import FindingsError, HostError, OptionError, Severity
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE, Compiler, find_compiler
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.stages import s4_bytecode

HOST = sys.version_info[:2]
RUNTIME = "python{}.{}".format(*HOST)
TAG = "cpython-{}{}.pyc".format(*HOST)
FILES = {
    "app.py": "import demo\nfrom chalicelib import util\ndef handler(event, context):\n    return demo.used.VALUE, util.__file__\n",
    "chalicelib/__init__.py": "",
    "chalicelib/util.py": "",
    "chalicelib/unused.py": "",
    "requirements.txt": "demo",
}
DEMO = {
    "demo/__init__.py": "from demo import used\ntry:\n    import perhaps\nexcept ImportError:\n    from demo import fallback\n"
    "def call():\n    from demo import later\n",
    "demo/used.py": "VALUE = 'first'\n",
    "demo/fallback.py": "",
    "demo/later.py": "",
    "demo/unused.py": "",
}

pytestmark = pytest.mark.needs("a Python that Lambda has")


@pytest.fixture
def entry(tmp_path):
    root = write_files(tmp_path / "entry", FILES)
    (root / "vendor").mkdir()
    build_wheel(root / "vendor", "demo", files=DEMO)
    write_files(root / "vendor", {"own/__init__.py": "", "own/data.txt": ""})
    return root


def make(entry, store, tmp_path, name="package.zip", **packaging):
    request = package_request(entry=entry, runtime=RUNTIME, **packaging)
    made = package(request, lambda digest: tmp_path / name, store=store)
    with zipfile.ZipFile(made.path) as archive:
        return made, {name: archive.read(name) for name in archive.namelist()}


def compiled(files):
    return sorted(name.replace("__pycache__/", "").replace(f".{TAG}", "") for name in files if name.endswith(".pyc"))


def code_of(content):
    return marshal.loads(content[16:])


def test_what_the_handlers_import_leads_to_is_compiled_also_by_functions(entry, store, tmp_path):
    _, files = make(entry, store, tmp_path, bytecode="require")
    assert compiled(files) == [
        "app",
        "chalicelib/__init__",
        "chalicelib/util",
        "demo/__init__",
        "demo/fallback",
        "demo/later",
        "demo/used",
    ]
    for path, content in files.items():
        if path.endswith(".pyc"):
            source = path.replace("__pycache__/", "").replace(f".{TAG}", ".py")
            # Python checks the app's own code only (https://peps.python.org/pep-0552/).
            flags = 1 if source.startswith("demo") else 3
            assert content[:8] == importlib.util.MAGIC_NUMBER + bytes([flags, 0, 0, 0])
            assert content[8:16] == importlib.util.source_hash(files[source])
            assert code_of(content).co_filename == f"/var/task/{source}"


def test_all_modules_are_compiled_if_that_is_asked_for(entry, store, tmp_path):
    _, files = make(entry, store, tmp_path, bytecode="require", bytecode_scope="all")
    assert len(compiled(files)) == len([name for name in files if name.endswith(".py")])


def test_python_compiles_nothing_when_it_imports_the_package(entry, store, tmp_path):
    folder = unpack(make(entry, store, tmp_path, bytecode="require")[0].path, tmp_path / "unpacked")
    watch = (
        "import sys\nseen = []\nsys.addaudithook(lambda event, given: event == 'compile' and seen.append(given[1]))\n"
        f"sys.path.insert(0, {str(folder)!r})\nimport app\nprint(seen, app.handler(None, None)[0])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", watch], capture_output=True, text=True, check=True)
    assert done.stdout == "[] first\n"


@pytest.mark.parametrize(("edited", "seen"), [("app.py", "edited"), ("demo/used.py", "first")])
def test_an_edit_on_lambda_counts_in_the_apps_own_code(entry, store, tmp_path, edited, seen):
    folder = unpack(make(entry, store, tmp_path, bytecode="require")[0].path, tmp_path / "unpacked")
    content = "def handler(event, context):\n    return ['edited']\n" if edited == "app.py" else "VALUE = 'edited'\n"
    (folder / edited).write_text(content)
    run = f"import sys; sys.path.insert(0, {str(folder)!r}); import app; print(app.handler(None, None)[0])"
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == f"{seen}\n"


def test_the_digest_covers_sources_and_modules(entry, store, tmp_path):
    plain, _ = make(entry, store, tmp_path)
    reached, _ = make(entry, store, tmp_path, bytecode="require")
    every, _ = make(entry, store, tmp_path, bytecode="require", bytecode_scope="all")
    assert len({plain.content_digest, reached.content_digest, every.content_digest}) == 3
    (entry / "chalicelib" / "util.py").write_text("X = 1")
    assert make(entry, store, tmp_path, bytecode="require")[0].content_digest != reached.content_digest


def test_bytes_are_the_same_from_any_path_and_hash_seed(entry, store, tmp_path, monkeypatch):
    first, files = make(entry, store, tmp_path, bytecode="require")
    for number, seed in enumerate(("0", "1", "77")):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        copy = tmp_path / f"copy {number}" / "größe"
        shutil.copytree(entry, copy)
        own = type(store)(tmp_path / f"store-{number}")
        again, others = make(copy, own, tmp_path, f"{number}.zip", bytecode="require")
        assert (again.content_digest, others) == (first.content_digest, files)


def test_another_release_of_the_interpreter_gives_the_same_digest(tmp_path, store, monkeypatch):
    pythons = {find_version(path): path for path in all_pythons("python3.11")}
    if len(pythons) < 2:
        pytest.skip("this host has one release of Python 3.11 only")
    entry = write_files(tmp_path / "entry", {"app.py": "import json\ndef handler(event, context): ...\n"})
    digests, interpreters = set(), set()
    for version, path in pythons.items():
        monkeypatch.setenv(INTERPRETER_VARIABLE, path)
        request = package_request(entry=entry, runtime="python3.11", bytecode="require")
        made = package(request, store=store)
        digests.add(made.content_digest)
        interpreters.add(made.manifest["bytecode"]["interpreter"]["version"])
        assert version in interpreters
    assert len(digests) == 1
    assert len(interpreters) == len(pythons)


def all_pythons(name):
    folders = [
        "/usr/bin",
        *map(str, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("3.11.*/bin")),
    ]
    return [path for folder in folders if Path(path := f"{folder}/{name}").is_file()]


def find_version(path):
    return subprocess.run(
        [path, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True
    ).stdout.strip()


def test_the_manifest_names_the_interpreter(entry, store, tmp_path):
    made, files = make(entry, store, tmp_path, bytecode="require")
    told = made.manifest["bytecode"]
    sizes = [len(content) for name, content in files.items() if name.endswith(".pyc")]
    assert told == {
        "interpreter": {"version": "{}.{}.{}".format(*sys.version_info[:3]), "build": sys.version},
        "magic_number": importlib.util.MAGIC_NUMBER.hex(),
        "modules": len(sizes),
        "size": sum(sizes),
    }
    assert made.bytecode_size == sum(sizes)


def test_build_says_how_much_is_bytecode(entry, tmp_path, capsys):
    arguments = [
        "build",
        str(entry),
        "--runtime",
        RUNTIME,
        "--cache-dir",
        str(tmp_path / "store"),
        "-o",
        str(tmp_path / "x.zip"),
    ]
    assert main([*arguments, "--bytecode", "require"]) == 0
    assert " of bytecode), for " in capsys.readouterr().out
    assert main([*arguments, "--bytecode", "require", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytecode_size"] > 0
    assert main(arguments) == 0
    assert "bytecode" not in capsys.readouterr().out


def test_an_edit_compiles_the_edited_module_only(entry, store, tmp_path, monkeypatch):
    make(entry, store, tmp_path, bytecode="require")
    asked = []

    class Watched(overlays.Worker):
        def answers(self, message, **options):
            asked.extend(place for place, *_ in marshal.loads(message)[2])
            return super().answers(message, **options)

    monkeypatch.setattr(overlays, "Worker", Watched)
    (entry / "chalicelib" / "util.py").write_text("X = 1")
    _, files = make(entry, store, tmp_path, bytecode="require")
    assert asked == ["/var/task/chalicelib/util.py"]
    assert code_of(files[f"chalicelib/__pycache__/util.{TAG}"]).co_names == ("X",)
    # What the app imports anew is compiled too.
    (entry / "app.py").write_text("import demo.unused\ndef handler(event, context): ...\n")
    _, files = make(entry, store, tmp_path, bytecode="require")
    assert "demo/unused" in compiled(files)


def test_a_module_that_cannot_be_compiled_is_left_out(entry, store, tmp_path):
    (entry / "app.py").write_text(
        "try:\n    import chalicelib.unused\nexcept SyntaxError:\n    pass\n" + FILES["app.py"]
    )
    (entry / "chalicelib" / "unused.py").write_text("print 'Python 2'")
    _, files = make(entry, store, tmp_path, bytecode="require", acknowledge=["syntax-error"])
    assert "chalicelib/unused" not in compiled(files)
    assert "app" in compiled(files)


def test_a_layers_bytecode_is_for_its_place(entry, store, tmp_path):
    request = package_request(entry=entry, runtime=RUNTIME, root="python", bytecode="require")
    made = package(request, lambda digest: tmp_path / "layer.zip", store=store)
    with zipfile.ZipFile(made.path) as archive:
        content = archive.read(f"python/demo/__pycache__/used.{TAG}")
    assert code_of(content).co_filename == "/opt/python/demo/used.py"


def test_bytecode_of_an_unpacked_package_is_written_again_if_it_is_gone(entry, store, tmp_path):
    request, folder = package_request(entry=entry, runtime=RUNTIME, bytecode="require"), tmp_path / "unpacked"
    package(request, lambda digest: folder, store=store, unpacked=True)
    shutil.rmtree(folder / "demo" / "__pycache__")
    (folder / "demo" / "__pycache__").mkdir()
    # Python may write its own beside the package's.
    (folder / "demo" / "__pycache__" / "unused.cpython-30.pyc").write_bytes(b"")
    package(request, lambda digest: folder, store=store, unpacked=True)
    assert (folder / "demo" / "__pycache__" / f"used.{TAG}").is_file()


def test_an_interpreter_that_hangs_is_ended(entry, store, tmp_path, monkeypatch):
    monkeypatch.setattr("cdk_lambda_package.bytecode.overlays._TIME_LIMIT", 0.5)
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 100\n")
    hanging.chmod(0o755)
    known = Compiler(version="3.0.0", build="x", magic="00")
    monkeypatch.setattr(
        "cdk_lambda_package.stages.s3_inputs.find_compiler", lambda version, store: (known, str(hanging))
    )
    with pytest.raises(HostError, match="took too long"):
        make(entry, store, tmp_path, bytecode="require")


def test_an_interpreter_that_is_another_by_now_compiles_nothing(entry, store, tmp_path, monkeypatch):
    known = Compiler(version="{}.{}.0".format(*HOST), build="another build", magic=importlib.util.MAGIC_NUMBER.hex())
    found = lambda version, store: (known, sys.executable)  # noqa: E731
    monkeypatch.setattr("cdk_lambda_package.stages.s3_inputs.find_compiler", found)
    # Whether it answered anything at all depends on who is faster.
    with pytest.raises(HostError, match=r"didn't compile (modules|\S+, a module of the package)"):
        make(entry, store, tmp_path, bytecode="require")


def test_a_module_that_is_nested_too_deeply_is_left_out(entry, store, tmp_path):
    (entry / "chalicelib" / "util.py").write_text(f"x = {'lambda: ' * 1100}1\n")
    _, files = make(entry, store, tmp_path, bytecode="require", acknowledge=["syntax-error"])
    assert "chalicelib/util" not in compiled(files)
    assert "app" in compiled(files)


def test_code_of_the_projects_own_is_checked(store, tmp_path):
    entry = tmp_path / "orders"
    write_project(entry, "mine", files={"src/mine/__init__.py": "def handler(event, context): ...\n"}, root="src")
    write_files(entry, {"app.py": "from mine import handler\n", "requirements.txt": "."})
    _, files = make(entry, store, tmp_path, bytecode="require")
    assert files[f"mine/__pycache__/__init__.{TAG}"][4] == 3


# Without an interpreter


@pytest.fixture
def no_interpreter(monkeypatch):
    monkeypatch.setattr("cdk_lambda_package.stages.s3_inputs.find_compiler", lambda version, store: None)


def test_required_bytecode_without_an_interpreter_is_an_error(entry, store, tmp_path, no_interpreter):
    with pytest.raises(OptionError) as caught:
        make(entry, store, tmp_path, bytecode="require")
    message = str(caught.value)
    for part in (
        "bytecode is 'require'",
        "final release of CPython {}.{}".format(*HOST),
        "uv python install",
        "pyenv install",
        INTERPRETER_VARIABLE,
    ):
        assert part in message
    assert not (tmp_path / "package.zip").exists()


def test_automatic_bytecode_without_an_interpreter_is_a_note(entry, store, tmp_path, no_interpreter):
    made, files = make(entry, store, tmp_path, bytecode="auto")
    assert not compiled(files)
    assert [finding.id for finding in made.findings if "bytecode" in finding.id] == ["bytecode-skipped"]
    assert made.content_digest == make(entry, store, tmp_path)[0].content_digest


@pytest.mark.parametrize("bytecode", ["auto", "require"])
def test_a_preview_runtime_has_no_bytecode(tmp_path, store, bytecode):
    entry = write_files(tmp_path / "entry", {"app.py": "def handler(event, context): ...\n"})
    request = package_request(entry=entry, runtime="python3.99", bytecode=bytecode)
    if bytecode == "require":
        with pytest.raises(OptionError, match=r"python3\.99 is newer"):
            package(request, store=store)
    else:
        assert "bytecode-skipped" in [finding.id for finding in package(request, store=store).findings]


@pytest.mark.parametrize(
    ("answer", "at"),
    [
        ("exit 3", "modules for"),
        (r"printf 'message 00000005\na'", "modules for"),
        # The empty message says that it begins: it ended at the first module.
        (r"printf 'message 00000000\n'", r"app\.py, a module of"),
    ],
)
def test_an_interpreter_that_fails_is_an_error(entry, store, tmp_path, monkeypatch, answer, at):
    broken = tmp_path / "broken"
    # It ends after its input came: ended before, it could answer nothing.
    broken.write_text(f"#!/bin/sh\nhead -c 1 >/dev/null\n{answer}\n")
    broken.chmod(0o755)
    known = Compiler(version="3.0.0", build="x", magic="00")
    monkeypatch.setattr(
        "cdk_lambda_package.stages.s3_inputs.find_compiler", lambda version, store: (known, str(broken))
    )
    with pytest.raises(HostError, match=f"didn't compile {at} the package"):
        make(entry, store, tmp_path, bytecode="require")
    assert not (tmp_path / "package.zip").exists()


def test_a_module_on_which_the_interpreter_crashes_is_named(entry, store, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    crash = "import os\n        if b'VALUE = ' in module[2]: os.abort()\n        _answer(_compile(*module))"
    script.write_text(overlays.SCRIPT.read_text().replace("_answer(_compile(*module))", crash))
    monkeypatch.setattr(overlays, "SCRIPT", script)
    named = r"didn't compile demo/used\.py, a module of the package: the program ended without an answer"
    with pytest.raises(HostError, match=named):
        make(entry, store, tmp_path, bytecode="require")


# Sizes


def test_a_package_that_gets_too_large_has_the_reached_modules_compiled(entry, store, tmp_path, monkeypatch):
    reached, _ = make(entry, store, tmp_path, bytecode="require")
    monkeypatch.setattr(s4_bytecode, "LARGEST_PACKAGE", reached.size)
    made, files = make(entry, type(store)(tmp_path / "new"), tmp_path, bytecode="require", bytecode_scope="all")
    assert "demo/unused" not in compiled(files)
    assert "demo/used" in compiled(files)
    assert skipped(made) == ["only the modules that are reached were compiled."]
    monkeypatch.setattr(s4_bytecode, "LARGEST_PACKAGE", reached.size - 1)
    made, files = make(entry, type(store)(tmp_path / "newer"), tmp_path, bytecode="require")
    assert "demo/later" not in compiled(files)
    assert "demo/fallback" in compiled(files)
    assert skipped(made) == ["only the modules that the handler's import may load were compiled."]
    monkeypatch.setattr(s4_bytecode, "LARGEST_PACKAGE", made.size - 1)
    made, files = make(entry, type(store)(tmp_path / "newest"), tmp_path, bytecode="require")
    assert not compiled(files)
    assert skipped(made) == ["nothing was compiled."]


def skipped(made):
    return [found.message.rpartition(", so ")[2] for found in made.findings if found.id == "bytecode-skipped"]


def test_bytecode_counts_where_a_layer_makes_the_package_too_large(entry, store, tmp_path, monkeypatch):
    plain, _ = make(entry, store, tmp_path)
    layer = tmp_path / "layer"
    write_files(layer, {"python/data.bin": bytes(10_000)})
    monkeypatch.setattr("cdk_lambda_package.checks.size.LARGEST_PACKAGE", plain.size + 10_100)
    assert make(entry, store, tmp_path, layers=[layer])
    with pytest.raises(FindingsError, match="bytecode, which the option bytecode adds"):
        make(entry, store, tmp_path, layers=[layer], bytecode="require")


def test_bytecode_counts_where_the_archive_goes_through_s3(entry, store, tmp_path, monkeypatch):
    make(entry, store, tmp_path)
    monkeypatch.setattr(
        "cdk_lambda_package.checks.size.LARGEST_UPLOAD", (tmp_path / "package.zip").stat().st_size + 100
    )
    again = type(store)(tmp_path / "again")
    assert "archive-over-50-mb" not in [finding.id for finding in make(entry, again, tmp_path)[0].findings]
    made, _ = make(entry, again, tmp_path, bytecode="require", bytecode_scope="all")
    (note,) = [finding for finding in made.findings if finding.id == "archive-over-50-mb"]
    assert note.severity is Severity.NOTE


# Bytecode that the user has


@pytest.mark.parametrize(("first", "found"), [(b"\x55\r", True), (importlib.util.MAGIC_NUMBER[:2], False)])
def test_bytecode_without_a_source_must_be_the_targets(entry, store, tmp_path, first, found):
    write_files(entry / "vendor", {"own/core.pyc": first + b"\r\n" + bytes(12), "own/my-notes.pyc": bytes(16)})
    if found:
        with pytest.raises(
            FindingsError, match=r"vendor/own/core\.pyc is bytecode of another Python: its magic number is 3413"
        ):
            make(entry, store, tmp_path)
    else:
        assert "own/core.pyc" in make(entry, store, tmp_path)[1]


# Interpreters


def test_interpreters_are_found_where_version_managers_keep_them(store, tmp_path, monkeypatch):
    for folder in ("pyenv/versions/{}.{}.1/bin".format(*HOST), "uv/cpython-{}.{}.2-linux-x86_64-gnu/bin".format(*HOST)):
        program = tmp_path / folder / RUNTIME
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setattr("cdk_lambda_package.interpreters.sys.version_info", (3, 1, 0, "final", 0))
    for variables in ({"PYENV_ROOT": str(tmp_path / "pyenv")}, {"UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv")}):
        environment = {"PATH": "", "HOME": str(tmp_path / "home"), **variables}
        found = find_compiler(HOST, store, environment)
        assert found is not None
        assert found[0].build == sys.version
    assert find_compiler(HOST, store, {"PATH": "", "HOME": str(tmp_path / "home")}) is None


def test_a_script_on_path_comes_last_and_is_asked_once(store, tmp_path, monkeypatch):
    program, log = tmp_path / RUNTIME, tmp_path / "log"
    program.write_text(f'#!/bin/sh\necho started >> {log}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr("cdk_lambda_package.interpreters.sys.version_info", (3, 1, 0, "final", 0))
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    assert find_compiler(HOST, store, environment) == find_compiler(HOST, store, environment)
    assert log.read_text() == "started\n"
    installed = tmp_path / ".pyenv" / "versions" / "{}.{}.1".format(*HOST) / "bin" / RUNTIME
    installed.parent.mkdir(parents=True)
    installed.symlink_to(sys.executable)
    assert find_compiler(HOST, store, environment) is not None
    assert log.read_text() == "started\n"


def test_a_user_without_a_home_directory_has_no_version_managers(store, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert find_compiler((3, 99), store, {"PATH": ""}) is None


@pytest.mark.parametrize(
    "facts",
    [{"release": "candidate"}, {"flags": "t"}, {"flags": "d"}, {"implementation": "pypy"}, {"version": [3, 1, 0]}],
)
def test_other_interpreters_compile_nothing(store, tmp_path, monkeypatch, facts):
    told = {
        "program": "x",
        "implementation": "cpython",
        "version": [*HOST, 0],
        "release": "final",
        "flags": "",
        "build": "b",
        "magic": "00",
    }
    program = tmp_path / RUNTIME
    program.write_text(f"#!/bin/sh\necho '{json.dumps({**told, **facts})}'\n")
    program.chmod(0o755)
    monkeypatch.setattr("cdk_lambda_package.interpreters.sys.version_info", (3, 1, 0, "final", 0))
    environment = {"PATH": "", "HOME": str(tmp_path), INTERPRETER_VARIABLE: str(program)}
    assert find_compiler(HOST, store, environment) is None


def test_the_identity_of_bytecode_is_of_its_source_and_magic_number():
    one, compiler = CompiledModule("a.py", "00", checked=True), Compiler(version="3.13.1", build="b", magic="f3")
    assert identity_of(one, compiler) == identity_of(one, dataclasses.replace(compiler, version="3.13.2", build="c"))
    assert identity_of(one, compiler) != identity_of(one, dataclasses.replace(compiler, magic="f4"))
    assert identity_of(one, compiler) != identity_of(one._replace(digest="01"), compiler)
    assert identity_of(one, compiler) != identity_of(one._replace(checked=False), compiler)
    assert bytecode_path("a.py", compiler) == "__pycache__/a.cpython-313.pyc"


# With commands, with `slim`, and with files that patterns name


def test_commands_after_packaging_see_the_whole_package_and_what_they_change_decides(entry, store, tmp_path):
    """They may need what the function doesn't, and leave modules that need what it didn't."""
    data = {f"botocore/data/{name}/2020-01-01/service-2.json": "{}" for name in ("sns", "sqs", "sts")}
    build_wheel(entry / "wheels", "botocore", files={"botocore/__init__.py": "", **data})
    shipped = {
        "shipped/__init__.py": "from shipped import core\n",
        "shipped/core.py": "VALUE = 1\n",
        "shipped/tests/test_it.py": "",
        "shipped/core.pyi": "",
    }
    build_wheel(entry / "wheels", "shipped", files=shipped)
    write_files(
        entry,
        {
            "requirements.txt": "--no-index\n--find-links wheels\nbotocore\nshipped\n",
            "app.py": "import botocore, shipped\nfrom chalicelib import util\ndef handler(event, context): ...\n",
        },
    )
    command = """
import pathlib
assert pathlib.Path("shipped/tests/test_it.py").exists() and not list(pathlib.Path().rglob("*.pyc"))
pathlib.Path("shipped/core.py").write_text("VALUE = 2\\n")
pathlib.Path("shipped/tests/made.csv").write_text("1")
pathlib.Path("chalicelib/util.py").write_text("import made\\n")
pathlib.Path("made.py").write_text("import boto3\\nboto3.client('sqs')\\n")
"""
    options = {"bytecode": "require", "slim": True, "after_packaging": [[sys.executable, "-c", command]]}
    made, files = make(entry, store, tmp_path, **options)
    assert sorted(name for name in files if name.startswith("shipped/")) == [
        "shipped/__init__.py",
        f"shipped/__pycache__/__init__.{TAG}",
        f"shipped/__pycache__/core.{TAG}",
        "shipped/core.py",
        "shipped/tests/made.csv",
    ]
    assert sorted({name.split("/")[2] for name in files if name.startswith("botocore/data/")}) == ["sqs", "sts"]
    assert {"app", "botocore/__init__", "chalicelib/util", "made", "shipped/core"} <= {*compiled(files)}
    # What the command wrote may be edited as the app's own code.
    for source, flags in {"shipped/core": 3, "made": 3, "botocore/__init__": 1}.items():
        folder, _, name = source.rpartition("/")
        content = files[f"{folder}/__pycache__/{name}.{TAG}".lstrip("/")]
        assert content[4] == flags
        assert content[8:16] == importlib.util.source_hash(files[f"{source}.py"])
    record = next(content for name, content in files.items() if name.startswith("shipped") and name.endswith("RECORD"))
    assert b"test_it" not in record
    # Another build takes what the commands left from the store.
    (tmp_path / "package.zip").unlink()
    again, others = make(entry, store, tmp_path, **options)
    assert (again.content_digest, others) == (made.content_digest, files)


def test_included_files_stay_and_are_compiled_if_they_are_imported(entry, store, tmp_path):
    extra = {
        "jobs/__init__.py": "",
        "jobs/daily.py": "",
        "jobs/rare.py": "",
        "jobs/tests/test_daily.py": "",
        "jobs/a.h": "",
    }
    write_files(entry, {**extra, "app.py": f"import jobs.daily\n{FILES['app.py']}"})
    _, files = make(entry, store, tmp_path, bytecode="require", slim=True, include=["jobs/**"])
    assert {*extra} <= {*files}
    assert [name for name in compiled(files) if name.startswith("jobs/")] == ["jobs/__init__", "jobs/daily"]
    assert files[f"jobs/__pycache__/daily.{TAG}"][4] == 3


@pytest.mark.parametrize("runtime", ["python3.9", "python3.10", "python3.11"])
def test_sets_are_written_in_the_same_order_by_every_process(tmp_path, store, runtime, monkeypatch):
    """Before 3.11, marshal writes a set in the order of its hashes, which another seed changes."""
    monkeypatch.setenv(INTERPRETER_VARIABLE, require_python(runtime))
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    names = ", ".join(repr(f"name {number}") for number in range(30))
    entry = write_files(
        tmp_path / "entry", {"app.py": f"def handler(event, context):\n    return event in {{{names}}}\n"}
    )
    contents = set()
    for number in range(3):
        request = package_request(entry=entry, runtime=runtime, bytecode="require")
        archive = tmp_path / f"{number}.zip"
        package(request, lambda _, archive=archive: archive, store=type(store)(tmp_path / f"store-{number}"))
        contents.add(archive.read_bytes())
    assert len(contents) == 1
