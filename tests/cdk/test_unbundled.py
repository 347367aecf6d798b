"""Unit tests of stacks without packages: the context manager, the fixture of pytest, and the context of an app."""

import json
import subprocess
import sys

import pytest
from entries import HANDLER, write_files

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk.assertions import Template

from cdk_lambda_package import UNBUNDLED, PackageError, Packaging, PythonCode, PythonFunction, PythonLayerVersion
from cdk_lambda_package import unbundled as leave_out

pytestmark = pytest.mark.xdist_group("cdk")

PY313 = lambda_.Runtime.PYTHON_3_13


def define(stack, entry="nowhere"):
    """Define a function, a function of another construct, and a layer."""
    layer = PythonLayerVersion(stack, "Layer", entry=entry, compatible_runtimes=[PY313])
    function = PythonFunction(
        stack, "Orders", entry=entry, runtime=PY313, layers=[layer], packaging=Packaging(dependencies="layer")
    )
    code = PythonCode(entry=entry)
    lambda_.Function(stack, "Code", code=code, runtime=PY313, handler="app.handler")
    return function, code, layer


def functions(template):
    return template.find_resources("AWS::Lambda::Function")


def assets(tmp_path):
    return list((tmp_path / "cdk.out").glob("asset.*.zip"))


def test_constructs_of_the_block_are_not_packaged_whenever_the_app_is_synthesized(tmp_path, app, stack, entry):
    with leave_out():
        made = define(stack)
    packaged = PythonFunction(stack, "Packaged", entry=str(entry), runtime=PY313)
    template = Template.from_stack(stack)
    assert [one.deployment_package for one in made] == [None, None, None]
    assert packaged.deployment_package is not None
    assert len(assets(tmp_path)) == 1
    locations = {name: "S3Key" in one["Properties"]["Code"] for name, one in functions(template).items()}
    assert sum(locations.values()) == 2  # the one that is packaged, and the placeholder of PythonCode


def test_a_synthesis_in_the_block_packages_nothing(tmp_path, stack):
    made = define(stack)
    with leave_out():
        template = Template.from_stack(stack)
    assert [one.deployment_package for one in made] == [None, None, None]
    assert not assets(tmp_path)
    assert len(functions(template)) == 2
    template.has_resource_properties("AWS::Lambda::Function", {"Handler": "app.handler", "Runtime": "python3.13"})


def test_a_later_synthesis_outside_of_the_block_packages_what_was_created_outside(tmp_path, app, stack, entry):
    function = PythonFunction(stack, "Orders", entry=str(entry), runtime=PY313)
    with leave_out():
        app.synth()
    assert function.deployment_package is None
    app.synth(force=True)
    assert function.deployment_package is not None
    assert len(assets(tmp_path)) == 1


def test_the_block_ends_with_an_exception_too(stack):
    with pytest.raises(ZeroDivisionError), leave_out():
        raise ZeroDivisionError
    with pytest.raises(PackageError, match="nowhere"):
        PythonFunction(stack, "Orders", entry="nowhere", runtime=PY313, on_error="raise")


def test_errors_in_props_are_errors_all_the_same(stack):
    with leave_out(), pytest.raises(PackageError, match="exclude_distributions"):
        PythonFunction(stack, "Orders", entry="nowhere", runtime=PY313, packaging={"exclude_distribution": ["boto3"]})


def test_code_of_the_block_stays_unbundled_in_functions_of_others(tmp_path, app, stack):
    with leave_out():
        code = PythonCode(entry="nowhere", on_error="raise")
    function = PythonFunction(stack, "Orders", code=code, runtime=PY313, on_error="raise")
    app.synth()
    assert (function.deployment_package, code.deployment_package) == (None, None)


def test_assets_of_other_constructs_are_bundled(tmp_path, stack):
    (tmp_path / "data.txt").write_text("data")
    with leave_out():
        s3_assets.Asset(stack, "Data", path=str(tmp_path / "data.txt"))
        Template.from_stack(stack)
    assert len(list((tmp_path / "cdk.out").glob("asset.*.txt"))) == 1


def test_an_app_with_the_context_bundles_nothing(tmp_path):
    stack = Stack(App(outdir=str(tmp_path / "cdk.out"), context=UNBUNDLED), "Shop")
    made = define(stack)
    assert len(functions(Template.from_stack(stack))) == 2
    assert [one.deployment_package for one in made] == [None, None, None]


SNAPSHOT = """
import json, sys
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from cdk_lambda_package import PythonFunction, PythonLayerVersion, unbundled

runtime = lambda_.Runtime.PYTHON_3_13
with unbundled():
    stack = Stack(App(), "Shop")
    layer = PythonLayerVersion(stack, "Layer", entry=sys.argv[1], compatible_runtimes=[runtime])
    PythonFunction(stack, "Orders", entry=sys.argv[1], runtime=runtime, layers=[layer])
    print(json.dumps(Template.from_stack(stack).to_json()))
"""


def test_a_snapshot_is_the_same_in_each_directory(tmp_path):
    write_files(tmp_path / "there" / "svc", {"app.py": HANDLER})
    (tmp_path / "here").mkdir()
    found = [
        subprocess.run(
            [sys.executable, "-c", SNAPSHOT, folder], cwd=cwd, capture_output=True, text=True, check=True
        ).stdout
        for folder, cwd in (("svc", tmp_path / "there"), (str(tmp_path / "nowhere"), tmp_path / "here"))
    ]
    assert json.loads(found[0]) == json.loads(found[1])


TEST = """
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from cdk_lambda_package import PythonFunction


def test_orders(unbundled):
    stack = Stack(App(), "Shop")
    PythonFunction(stack, "Orders", entry="nowhere", runtime=lambda_.Runtime.PYTHON_3_13)
    Template.from_stack(stack).resource_count_is("AWS::Lambda::Function", 1)


def test_other():
    from cdk_lambda_package.bundling import is_unbundled

    assert not is_unbundled()
"""


def test_pytest_finds_the_fixture_without_a_setting(tmp_path):
    write_files(tmp_path, {"test_shop.py": TEST})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_plugin_does_not_import_cdk(tmp_path):
    code = "import sys, cdk_lambda_package.pytest_plugin; sys.exit('aws_cdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
