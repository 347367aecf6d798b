"""`cdk synth` and `cdk ls`, by the real CLI: which stacks are packaged, with what, and what is said where."""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from entries import HANDLER, names_in, write_files
from local_aws import cdk
from source_projects import write_project
from this_host import CDK, HOST, SEARCH_PATH, require
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE
from cdk_lambda_package.store import CACHE_DIR_VARIABLE

pytestmark = pytest.mark.deploy

# `functions` are those of the app, with stacks of their own: keyword arguments of PythonFunction by the stack's name. Their runtime may be
# another one.
STACK = """
import json
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonCode, PythonFunction

app = App()
for name, options in json.loads({functions!r}).items():
    stack = Stack(app, name)
    runtime = lambda_.Runtime(options.pop("runtime", "python3.13"))
    PythonFunction(stack, "Function", runtime=runtime, **options)
    code = PythonCode(**options)
    lambda_.Function(stack, "Plain", code=code, runtime=runtime, handler="app.handler")
app.synth()
"""

# What a command says to both streams.
SAY = "import sys; print('said on stdout'); print('said on stderr', file=sys.stderr)"


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """The CLI's environment, with an empty store and without this machine's pip configuration."""
    require(CDK)
    return {
        **os.environ,
        "PATH": SEARCH_PATH,
        "PIP_CONFIG_FILE": os.devnull,
        CACHE_DIR_VARIABLE: str(tmp_path / "own-cache"),
    }


def write_app(folder: Path, functions: dict[str, dict], **settings: object) -> Path:
    """Write an app with a stack for each function, and its cdk.json."""
    command = {"app": f"{sys.executable} stack.py", **settings}
    stack = STACK.format(functions=json.dumps(functions))
    # As in a repository, so that no lock above it is looked for.
    return write_files(folder, {"stack.py": stack, "cdk.json": json.dumps(command), ".git/HEAD": ""})


def functions_of(template: dict) -> list[dict]:
    functions = (item for item in template["Resources"].values() if item["Type"] == "AWS::Lambda::Function")
    return [function["Properties"] for function in functions]


def assets_in(output: Path) -> list[str]:
    return [path.name for path in output.glob("asset.*")]


@pytest.mark.thorough
def test_only_the_stacks_that_a_pattern_names_are_packaged(environment, tmp_path):
    entries = {"ProdOrders": "orders", "ProdMail": "mail", "Test": "nowhere"}
    app = write_app(tmp_path / "app", {name: {"entry": entry} for name, entry in entries.items()})
    write_files(app, {"orders/app.py": HANDLER, "mail/app.py": f"{HANDLER}# another\n"})
    output = app / "cdk.out"
    cdk("synth", "Prod*", "--exclusively", "--quiet", environment=environment, output=output, cwd=app)
    assert len(assets_in(output)) == 2
    template = json.loads((output / "Test.template.json").read_text())
    assert [function["Handler"] for function in functions_of(template)] == ["app.handler"] * 2
    assert "nowhere" not in "".join(path.read_text() for path in output.glob("Test.*.json"))


def test_to_list_the_stacks_reads_and_writes_nothing_of_the_functions(environment, tmp_path):
    app = write_app(tmp_path / "app", {"Orders": {"entry": "nowhere"}, "Mail": {"entry": "nowhere"}})
    listed = cdk("ls", environment=environment, output=app / "cdk.out", cwd=app)
    assert listed.stdout.split() == ["Orders", "Mail"]
    assert assets_in(app / "cdk.out") == []
    assert not Path(environment[CACHE_DIR_VARIABLE]).exists()


def write_talkative_entry(folder: Path) -> dict[str, object]:
    """Write an entry that nothing pins, and return options with commands that say something."""
    build_wheel(folder / "wheels", "tiny")
    write_files(folder, {"app.py": HANDLER, "requirements.txt": "--no-index\n--find-links wheels\ntiny\n"})
    say = [[sys.executable, "-c", SAY]]
    return {"entry": folder.name, "packaging": {"before_packaging": say, "after_packaging": say}}


def test_stdout_is_the_template_alone_with_warnings_and_commands(environment, tmp_path):
    app = write_app(tmp_path / "app", {"Orders": write_talkative_entry(tmp_path / "app" / "orders")})
    done = cdk("synth", "--json", environment=environment, output=app / "cdk.out", cwd=app)
    assert len(functions_of(json.loads(done.stdout))) == 2
    assert "Write locks for the whole app with `cdk-lambda-package lock --app`." in done.stderr


@pytest.mark.thorough
def test_stdout_is_the_template_alone_with_builds_too(environment, tmp_path):
    app = write_app(tmp_path / "app", {"Orders": write_talkative_entry(tmp_path / "app" / "orders")})
    project = write_project(app / "orders" / "local", "local", requires=["tiny"])
    (project / "backend.py").write_text(f"{SAY}\n{(project / 'backend.py').read_text()}")
    write_files(app / "orders", {"requirements.txt": "--no-index\n--find-links wheels\n./local\n"})
    done = cdk("synth", "--json", environment=environment, output=app / "cdk.out", cwd=app)
    assert len(functions_of(json.loads(done.stdout))) == 2
    (asset,) = (app / "cdk.out").glob("asset.*.zip")
    assert {"local.py", "tiny.py"} <= set(names_in(asset))


# Commands for the whole app

SEEN = """
import json, os, sys
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import Packaging, PackagingDefaults, PythonFunction

app = App()
stack = Stack(app, "Shop")
PackagingDefaults.of(app).set(Packaging(exclude=["notes.py"]), runtime=lambda_.Runtime.PYTHON_3_13, architecture=lambda_.Architecture.ARM_64)
function = PythonFunction(stack, "Orders", entry="orders")
app.synth()
keys = ("from-project", "from-lookups", "both", "given", "aws:cdk:enable-path-metadata")
variables = ("CDK_DEFAULT_REGION", "CDK_DEFAULT_ACCOUNT")
with open(sys.argv[1], "a") as stream:
    values = [app.node.try_get_context(key) for key in keys], [os.environ.get(name) for name in variables], os.getcwd()
    json.dump(values, stream)
    print(file=stream)
if "CDK_LAMBDA_PACKAGE_PLAN" in os.environ:
    assert function.deployment_package is None
"""


def test_a_plan_has_the_context_the_defaults_and_the_package_that_the_cdk_cli_gives(
    environment, tmp_path, monkeypatch, capsys
):
    app = tmp_path / "app"
    write_files(app, {"stack.py": SEEN, "orders/app.py": HANDLER, "orders/notes.py": "", ".git/HEAD": ""})
    write_files(app, {"cdk.context.json": json.dumps({"from-lookups": "l", "both": "lookups"})})
    project = {
        "app": f"{sys.executable} stack.py seen.txt",
        "context": {"from-project": "p", "both": "p", "given": "p"},
    }
    write_files(app, {"cdk.json": json.dumps(project)})
    variables = {"CDK_DEFAULT_REGION": "eu-north-1", "CDK_DEFAULT_ACCOUNT": "111111111111"}
    output = app / "cdk.out"
    cdk("synth", "-c", "given=here", environment={**environment, **variables}, output=output, cwd=app)

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(app)
    assert main(["build", "--app", "-c", "given=here", "--output", "dist", "--format", "json"]) == 0
    packages = json.loads(capsys.readouterr().out)["packages"]
    assert [(one["construct"], one["architecture"]) for one in packages] == [("Shop/Orders", "arm64")]
    ours, theirs = (json.loads(line) for line in reversed((app / "seen.txt").read_text().splitlines()))
    # The CLI looks up the region itself, and sets metadata of its own.
    assert (ours[0][:-1], ours[2]) == (theirs[0][:-1], theirs[2])
    assert ours[1] == list(variables.values())
    (asset,) = output.glob("asset.*.zip")
    assert asset.read_bytes() == (app / "dist" / "Shop.Orders.zip").read_bytes()
    assert names_in(asset) == ["app.py"]


# Bytecode and slim packages


LIBRARY = {
    "lib/__init__.py": "from lib import core\n",
    "lib/core.py": "KINDS = frozenset({'a', 'b', 'c'})\ndef knows(kind):\n    return kind in {'a', 'b', 'c', 'd'}\n",
    "lib/unused.py": "",
    "lib/tests/test_core.py": "",
}
# Of a runtime for which no host has a final release.
PREVIEW = "python3.99"
SMALLER = {
    "Plain": {},
    "Require": {"bytecode": "require"},
    "Auto": {"bytecode": "auto"},
    "Slim": {"slim": True},
    "Both": {"bytecode": "require", "slim": True},
    "AutoSlim": {"bytecode": "auto", "slim": True},
}


def write_app_with_a_library(folder: Path, functions: dict[str, dict]) -> Path:
    app = write_app(folder, {name: {"entry": "orders", **options} for name, options in functions.items()})
    build_wheel(app / "orders" / "wheels", "lib", files=LIBRARY)
    requirements = "--no-index\n--find-links wheels\nlib\n"
    write_files(app / "orders", {"app.py": f"import lib\n{HANDLER}", "requirements.txt": requirements})
    return app


def asset_keys(output: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the key of each stack's code in the bucket; its two functions have the same."""
    keys = {}
    for name in names:
        template = json.loads((output / f"{name}.template.json").read_text())
        (keys[name],) = {function["Code"]["S3Key"] for function in functions_of(template)}
    return keys


@pytest.mark.needs("a Python that Lambda has")
@pytest.mark.thorough
def test_bytecode_and_slim_give_the_same_assets_in_any_folder_with_any_hash_seed_and_store(environment, tmp_path):
    functions = {name: {"runtime": HOST, "packaging": packaging} for name, packaging in SMALLER.items()}
    functions |= {
        "Skipped": {"runtime": PREVIEW, "packaging": {"bytecode": "auto"}},
        "SkippedSlim": {"runtime": PREVIEW, "packaging": {"bytecode": "auto", "slim": True}},
    }
    made, contents = [], []
    # With an empty store, and with what the first one left there.
    for seed in ("0", "77"):
        app = write_app_with_a_library(tmp_path / f"app {seed}", functions)
        output = app / "cdk.out"
        done = cdk("synth", "--quiet", environment={**environment, "PYTHONHASHSEED": seed}, output=output, cwd=app)
        made.append(asset_keys(output, functions))
        contents.append({asset.name: asset.read_bytes() for asset in output.glob("asset.*.zip")})
        # Functions of one package in a stack give one.
        assert done.stderr.count("[bytecode-skipped]") == 2
    keys, archives = made[0], contents[0]
    assert all(one == keys for one in made)
    assert all(one == archives for one in contents)
    assert keys["Auto"] == keys["Require"]
    assert keys["AutoSlim"] == keys["Both"]
    # The content is that of a package without the option.
    assert (keys["Skipped"], keys["SkippedSlim"]) == (keys["Plain"], keys["Slim"])
    assert len({keys[name] for name in ("Plain", "Require", "Slim", "Both")}) == 4
    for name, key in keys.items():
        names = names_in(app / "cdk.out" / f"asset.{key}")
        suffix = f"cpython-{HOST.removeprefix('python').replace('.', '')}.pyc"
        compiled = [f"__pycache__/app.{suffix}", *(f"lib/__pycache__/{one}.{suffix}" for one in ("__init__", "core"))]
        assert [one for one in names if one.endswith(".pyc")] == (
            compiled if keys[name] in (keys["Auto"], keys["Both"]) else []
        )
        assert ("lib/tests/test_core.py" in names) == (functions[name]["packaging"].get("slim") is None)


def test_required_bytecode_without_an_interpreter_fails_the_synthesis(environment, tmp_path):
    # A runtime that isn't the running Python's, on a machine that has no other.
    runtime = "python3.9" if HOST != "python3.9" else "python3.10"
    app = write_app_with_a_library(
        tmp_path / "app", {"Orders": {"runtime": runtime, "packaging": {"bytecode": "require"}}}
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("cdk", "node"):
        (programs / name).symlink_to(shutil.which(name, path=SEARCH_PATH))
    without = {**environment, "PATH": str(programs), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    without |= {"UV_PYTHON_INSTALL_DIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), INTERPRETER_VARIABLE: ""}
    with pytest.raises(RuntimeError) as raised:
        cdk("synth", "--quiet", environment=without, output=app / "cdk.out", cwd=app)
    said = str(raised.value)
    assert f"bytecode is 'require', and this machine has no final release of CPython {runtime[6:]}" in said
    assert f"`uv python install {runtime[6:]}`" in said
    assert "[Orders/Function/Resource]" in said
    assert assets_in(app / "cdk.out") == []
