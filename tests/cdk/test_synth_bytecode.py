"""Bytecode, `slim` and layers with dependencies through the real CDK CLI: assets, and what is said if nothing compiles."""

import json
import os
import sys
import zipfile

import pytest
from entries import HANDLER, write_files
from local_aws import cdk
from this_host import CDK, HOST, SEARCH_PATH, require
from wheel_factory import build_wheel

from cdk_lambda_package.store import CACHE_DIR_VARIABLE

pytestmark = pytest.mark.deploy

STACK = """
import json
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
for name, (runtime, packaging) in json.loads({functions!r}).items():
    lambda_runtime = lambda_.Runtime(runtime, lambda_.RuntimeFamily.PYTHON)
    PythonFunction(Stack(app, name), "Function", entry="orders", runtime=lambda_runtime, packaging=packaging)
app.synth()
"""
# Newer than this library, so that its bytecode isn't known.
PREVIEW = "python3.99"
LIBRARY = {"lib/__init__.py": "", "lib/tests/__init__.py": "", "lib/tests/test_lib.py": ""}


def write_app(folder, functions):
    build_wheel(folder / "orders" / "wheels", "lib", files=LIBRARY)
    pins = "--no-index\n--find-links wheels\nlib==1.0\n"
    return write_files(
        folder,
        {
            "stack.py": STACK.format(functions=json.dumps(functions)),
            "cdk.json": json.dumps({"app": f"{sys.executable} stack.py"}),
            "orders/app.py": f"import lib\n{HANDLER}",
            "orders/requirements.txt": pins,
            ".git/HEAD": "",
        },
    )


def synthesize(app, store, seed="0"):
    environment = {
        **os.environ,
        "PATH": SEARCH_PATH,
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONHASHSEED": seed,
        CACHE_DIR_VARIABLE: str(store),
    }
    return cdk("synth", "--quiet", environment=environment, output=app / "cdk.out", cwd=app)


def assets(app):
    """Return the names in the archives of each stack's resources, by the stack and the asset."""
    found = {}
    for template in sorted((app / "cdk.out").glob("*.template.json")):
        for resource in json.loads(template.read_text())["Resources"].values():
            place = resource["Properties"].get("Code") or resource["Properties"].get("Content")
            if place is not None:
                with zipfile.ZipFile(app / "cdk.out" / f"asset.{place['S3Key']}") as archive:
                    names = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
                found[template.name.partition(".")[0], place["S3Key"]] = names
    return found


def test_assets_are_the_same_in_another_folder_with_another_seed_and_an_empty_store(tmp_path):
    require(CDK)
    compiled = {"bytecode": "require"}
    functions = {
        "Plain": (HOST, None),
        "Compiled": (HOST, compiled),
        "Slim": (HOST, {"slim": True}),
        "Both": (HOST, {**compiled, "slim": True, "dependencies": "layer"}),
        "Auto": (PREVIEW, {"bytecode": "auto"}),
    }
    first = write_app(tmp_path / "first", functions)
    other = write_app(tmp_path / "elsewhere" / "other", functions)
    synthesize(first, tmp_path / "store")
    one = assets(first)
    synthesize(first, tmp_path / "store", seed="1")
    warm = assets(first)
    said = synthesize(other, tmp_path / "other-store", seed="2").stderr
    assert "The package has no bytecode: python3.99 is newer than this version" in said
    assert one == warm == assets(other)
    by_stack = {stack: names for (stack, _), names in one.items() if stack != "Both"}
    plain = ["app.py", *sorted(LIBRARY)]
    assert by_stack["Plain"] == by_stack["Auto"] == plain
    tag = f"cpython-{HOST.removeprefix('python').replace('.', '')}"
    assert set(by_stack["Compiled"]) - set(plain) == {
        f"__pycache__/app.{tag}.pyc",
        f"lib/__pycache__/__init__.{tag}.pyc",
    }
    assert by_stack["Slim"] == ["app.py", "lib/__init__.py"]
    root = f"python/lib/{HOST}/site-packages/lib"
    function, layer = sorted(
        (names for (stack, _), names in one.items() if stack == "Both"), key=lambda names: names[0]
    )
    assert function == [f"__pycache__/app.{tag}.pyc", "app.py"]
    assert layer == [f"{root}/__init__.py", f"{root}/__pycache__/__init__.{tag}.pyc"]


def test_a_required_interpreter_that_isnt_there_fails_the_synthesis(tmp_path):
    require(CDK)
    app = write_app(tmp_path / "app", {"Stack": (PREVIEW, {"bytecode": "require"})})
    with pytest.raises(RuntimeError) as caught:
        synthesize(app, tmp_path / "store")
    assert "bytecode is 'require'" in str(caught.value)
    assert not list((app / "cdk.out").glob("asset.*"))
