"""Where the .zip is written: where CDK looks for it, and never into the next package."""

import os
import subprocess
import sys
import textwrap

import pytest
from entries import HANDLER, names_in, write_files

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package import PythonFunction

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER, "data.json": "{}"})


def package(app, entry, **props):
    """Return the deployment package of a function in a stack of the app."""
    stack = Stack(app, f"Stack{len(app.node.children)}")
    return PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise", **props).deployment_package


def test_a_relative_outdir_is_where_node_was_started_wherever_python_has_gone_since(tmp_path, entry):
    # In a process of its own: node is started once for each, in the working directory of that moment.
    script = """
        import os, sys
        from aws_cdk import App, Stack, Stage
        from aws_cdk import aws_lambda as lambda_
        from cdk_lambda_package import PythonFunction
        os.chdir(sys.argv[1])
        app = App(outdir="out")
        for scope in (Stack(app, "One"), Stack(Stage(app, "Stage"), "Two")):
            PythonFunction(scope, "F", entry="svc", runtime=lambda_.Runtime.PYTHON_3_13)
        app.synth()
    """
    here = tmp_path / "here"
    here.mkdir()
    argv = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(argv, cwd=here, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    (asset,) = (here / "out").glob("asset.*.zip")
    assert names_in(asset) == ["app.py"]
    assert (here / "out" / "manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "here", "svc"]


@pytest.mark.parametrize("outdir", ["build", "a [b]/c*d", "#out", "!out ", "chalicelib/out", "vendor/out"])
def test_an_outdir_in_the_entry_directory_is_not_packaged(entry, outdir):
    write_files(entry, {"build-notes/n.txt": "", "chalicelib/x.py": "", "vendor/y.py": ""})
    app = App(outdir=str(entry / outdir))
    package(app, entry)
    # By now there is a package in the directory, but nothing yet that tells it from others.
    first = package(app, entry, packaging={"include": ["**"]})
    assert names_in(first.path) == ["app.py", "build-notes/n.txt", "chalicelib/x.py", "data.json", "y.py"]
    app.synth()
    again = package(App(outdir=str(entry / outdir)), entry, packaging={"include": ["**"]})
    assert again.content_digest == first.content_digest


def test_a_cloud_assembly_of_another_run_is_not_packaged_either(entry, tmp_path):
    earlier = App(outdir=str(entry / "folder" / "earlier"))
    package(earlier, entry)
    earlier.synth()
    made = package(App(outdir=str(tmp_path / "cdk.out")), entry, packaging={"include": ["**"]})
    assert names_in(made.path) == ["app.py", "data.json"]


def test_a_folder_with_a_manifest_of_its_own_is_packaged(entry, tmp_path):
    write_files(entry, {"web/manifest.json": "{}", "web/cdk.out/x": ""})
    made = package(App(outdir=str(tmp_path / "cdk.out")), entry, packaging={"include": ["**"]})
    assert names_in(made.path) == ["app.py", "data.json", "web/manifest.json"]


def test_an_entry_directory_within_the_outdir_is_packaged(tmp_path):
    entry = write_files(tmp_path / "out" / "generated", {"app.py": HANDLER})
    made = package(App(outdir=str(tmp_path / "out")), entry, packaging={"include": ["**"]})
    assert names_in(made.path) == ["app.py"]
