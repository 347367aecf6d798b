"""`cdk synth` and `cdk ls`, by the real CLI: which stacks are packaged, with what, and what is said where."""

import json
import os
import sys
from pathlib import Path

import pytest
from entries import HANDLER, names_in, write_files
from local_aws import cdk
from source_projects import write_project
from this_host import CDK, SEARCH_PATH, require
from wheel_factory import build_wheel

from cdk_lambda_package.store import CACHE_DIR_VARIABLE

pytestmark = pytest.mark.deploy

# `functions` are those of the app, with stacks of their own: keyword arguments of PythonFunction by the stack's name.
STACK = """
import json
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonCode, PythonFunction

RUNTIME = lambda_.Runtime.PYTHON_3_13
app = App()
for name, options in json.loads({functions!r}).items():
    stack = Stack(app, name)
    PythonFunction(stack, "Function", runtime=RUNTIME, **options)
    code = PythonCode(**options)
    lambda_.Function(stack, "Plain", code=code, runtime=RUNTIME, handler="app.handler")
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
    assert f"Write a lock with `cdk-lambda-package lock {app / 'orders'} --runtime" in done.stderr


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
