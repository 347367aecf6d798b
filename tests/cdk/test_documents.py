"""`manifest=True` and `sbom=True`: files in the cloud assembly, by the path of their construct."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, NestedStack, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct
from entries import HANDLER, write_files
from jsonschema import Draft202012Validator
from local_aws import aws_environment, cdk
from offline import ROOT
from sboms import check
from this_host import CDK, require

from cdk_lambda_package import Packaging, PythonCode, PythonFunction, PythonLayerVersion
from cdk_lambda_package.cdk.documents import Documents
from cdk_lambda_package.store import CACHE_DIR_VARIABLE

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
SCHEMA = json.loads((ROOT / "docs/reference/manifest.schema.json").read_text(encoding="utf-8"))
BOTH = Packaging(manifest=True, sbom=True)


def define(scope, entry, name="Orders", packaging=BOTH):
    return PythonFunction(scope, name, entry=entry, runtime=RUNTIME, packaging=packaging)


def documents(folder):
    """Return the names of the documents in a folder and below, without those of CDK."""
    found = [path for path in Path(folder).rglob("*.json") if path.name.endswith((".manifest.json", ".cdx.json"))]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_both_are_written_beside_the_template(app, stack, entry):
    function = define(stack, entry)
    app.synth()
    assert documents(app.outdir) == ["Stack.Orders.cdx.json", "Stack.Orders.manifest.json"]
    manifest = read(Path(app.outdir, "Stack.Orders.manifest.json"))
    Draft202012Validator(SCHEMA).validate(manifest)
    assert manifest == function.deployment_package.manifest
    assert check(read(Path(app.outdir, "Stack.Orders.cdx.json"))) == function.deployment_package.sbom


def test_nothing_is_written_unless_it_is_asked_for(app, stack, entry):
    define(stack, entry, packaging=None)
    define(stack, entry, "Listed", Packaging(manifest=True))
    define(stack, entry, "Both", {"manifest": False, "sbom": True})
    app.synth()
    assert documents(app.outdir) == ["Stack.Both.cdx.json", "Stack.Listed.manifest.json"]


def test_the_context_is_a_default(tmp_path, entry):
    app = App(outdir=str(tmp_path / "out"), context={"cdk-lambda-package:sbom": True})
    define(Stack(app, "S"), entry, packaging=None)
    app.synth()
    assert documents(app.outdir) == ["S.Orders.cdx.json"]


def test_the_environment_is_a_default(app, stack, entry, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_MANIFEST", "1")
    define(stack, entry, packaging=None)
    app.synth()
    assert documents(app.outdir) == ["Stack.Orders.manifest.json"]


def test_a_stage_has_them_in_its_own_folder_with_its_whole_path(app, entry):
    inner = Stage(Stage(app, "Prod"), "Blue")
    stack = Stack(inner, "Shop")
    define(NestedStack(stack, "Part"), entry)
    app.synth()
    names = documents(app.outdir)
    assert [Path(name).name for name in names] == [
        "Prod.Blue.Shop.Part.Orders.cdx.json",
        "Prod.Blue.Shop.Part.Orders.manifest.json",
    ]
    assert {Path(app.outdir, name).parent for name in names} == {Path(inner.outdir)}
    assert list(Path(inner.outdir).glob("*Shop*.template.json"))


def test_layers_and_functions_of_cdk_have_them_too(app, stack, entry):
    code = PythonCode(entry=entry, packaging=BOTH)
    lambda_.Function(stack, "Plain", code=code, runtime=RUNTIME, handler="app.handler")
    lambda_.SingletonFunction(stack, "Single", uuid="one", code=code, runtime=RUNTIME, handler="app.handler")
    PythonLayerVersion(stack, "Shared", entry=entry, compatible_runtimes=[RUNTIME], packaging=BOTH)
    app.synth()
    assert [name for name in documents(app.outdir) if name.endswith(".cdx.json")] == [
        "Stack.Plain.cdx.json",
        "Stack.Shared.cdx.json",
        "Stack.SingletonLambdaone.cdx.json",
    ]


def test_a_stack_that_is_not_bundled_has_none(tmp_path, entry):
    app = App(outdir=str(tmp_path / "out"), context={"aws:cdk:bundling-stacks": []})
    define(Stack(app, "S"), entry)
    app.synth()
    assert documents(app.outdir) == []


def test_an_unchanged_file_is_not_written_again_and_a_changed_one_is(app, tmp_path, entry):
    def synth():
        again = App(outdir=app.outdir)
        define(Stack(again, "Stack"), entry)
        again.synth()
        files = sorted(Path(app.outdir).glob("Stack.Orders.*.json"))
        assert len(files) == 2
        return {file: (file.stat().st_ino, file.read_bytes()) for file in files}

    first = synth()
    assert synth() == first
    # An edit of ours, and one of the files.
    (entry / "app.py").write_text(f"{HANDLER}EDITED = True\n")
    edited = synth()
    assert all(edited[file][1] != content for file, (_, content) in first.items())
    for file in edited:
        file.write_text("{}")
    assert {file: content for file, (_, content) in synth().items()} == {
        file: content for file, (_, content) in edited.items()
    }


def test_a_function_with_an_error_has_none_and_an_early_package_neither(app, stack, entry):
    made = PythonFunction(stack, "Early", entry=entry, runtime=RUNTIME, packaging=BOTH, on_error="raise")
    assert made.packaged.records
    assert documents(app.outdir) == []
    broken = write_files(entry.parent / "broken", {"app.py": "def handler(:\n"})
    define(stack, broken, "Broken")
    with pytest.raises(RuntimeError, match="Stack/Broken"):
        app.synth()
    assert documents(app.outdir) == ["Stack.Early.cdx.json", "Stack.Early.manifest.json"]


def test_an_sbom_without_the_library_is_an_error_of_the_function(app, stack, entry, monkeypatch):
    monkeypatch.setitem(sys.modules, "cyclonedx", None)
    monkeypatch.delitem(sys.modules, "cdk_lambda_package.sbom", raising=False)
    monkeypatch.setitem(sys.modules, "cyclonedx.model", None)
    define(stack, entry)
    define(stack, entry, "Other", Packaging(manifest=True))
    with pytest.raises(RuntimeError, match=r"Stack/Orders.*pip install 'cdk-lambda-package\[sbom\]'"):
        app.synth()
    assert documents(app.outdir) == ["Stack.Orders.manifest.json", "Stack.Other.manifest.json"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no FIFOs")
def test_a_file_that_cannot_be_replaced_is_an_error_of_the_function(app, stack, entry):
    os.mkfifo(Path(app.outdir, "Stack.Orders.manifest.json"))
    define(stack, entry)
    with pytest.raises(RuntimeError, match=r"Stack/Orders.*is a named pipe"):
        app.synth()


def test_names_say_which_construct_it_is_and_never_collide():
    documents = Documents(folder=Path())
    assert documents.name_of("Stack/Orders") == "Stack.Orders"
    paths = [
        "Stack/Orders",
        "Stack/orders",
        "Stack.Orders/A",
        "Stack/Orders/A",
        "Stack/Orders.A",
        "Stack/A:B",
        "Stack/A-B",
        "S/" + "x" * 500,
    ]
    names = [documents.name_of(path) for path in paths]
    assert len({name.lower() for name in names}) == len(paths)
    assert [documents.name_of(path) for path in paths] == names
    assert all(len(name) < 220 and ":" not in name for name in names)


def test_the_page_on_sboms_says_how_they_are_called(tmp_path, entry):
    page = (ROOT / "docs" / "how-to" / "sbom.md").read_text(encoding="utf-8")
    context = json.loads(page.partition("```json\n")[2].partition("```")[0])["context"]
    rows = re.findall(r"^\| `(\S+)`.* \| `cdk.out/(\S+)` \| `cdk.out/(\S+)` \|$", page, re.MULTILINE)
    assert len(rows) == 2
    app = App(outdir=str(tmp_path / "out"), context=context)
    for path, *_ in rows:
        *stage, stack, name = path.split("/")
        define(Stack(Stage(app, *stage) if stage else app, stack), entry, name, None)
    app.synth()
    assert documents(app.outdir) == sorted(name for _, *names in rows for name in names)


def test_they_are_called_by_the_path_that_cdk_knows(app, entry):
    """The path of a `PythonFunction` is put together here, and CDK isn't asked for it."""
    scope = Construct(Construct(NestedStack(Stack(Stage(app, "Prod"), "Shop"), "Part"), "a.b"), "In/ner")
    function = define(scope, entry, "Or/ders", Packaging(manifest=True))
    app.synth()
    (name,) = documents(app.outdir)
    expected = Documents(folder=Path()).name_of(function.node.path)
    assert Path(name).name == f"{expected}.manifest.json"
    assert function.node.path == "Prod/Shop/Part/a.b/In--ner/Or--ders"


APP = """
from aws_cdk import App, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
for scope in (app, Stage(app, "Prod")):
    PythonFunction(Stack(scope, "Shop"), "Orders", entry="svc", runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""


@pytest.mark.thorough
@pytest.mark.deploy
def test_the_cdk_cli_writes_them_where_it_bundles(tmp_path, entry):
    require(CDK)
    environment = aws_environment(9) | {"PYTHONPATH": str(ROOT), CACHE_DIR_VARIABLE: str(tmp_path / "cache")}
    (tmp_path / "stack.py").write_text(APP)
    context = {"cdk-lambda-package:manifest": True, "cdk-lambda-package:sbom": True}
    (tmp_path / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} stack.py", "context": context}))

    def run(output, *arguments):
        cdk(*arguments, environment=environment, output=tmp_path / output, cwd=tmp_path)
        return documents(tmp_path / output)

    names = run("all", "synth", "--quiet")
    assert names == [
        "Shop.Orders.cdx.json",
        "Shop.Orders.manifest.json",
        "assembly-Prod/Prod.Shop.Orders.cdx.json",
        "assembly-Prod/Prod.Shop.Orders.manifest.json",
    ]
    check(read(tmp_path / "all" / names[0]))
    assert run("one", "synth", "--quiet", "--exclusively", "Shop") == names[:2]
    assert run("listed", "ls") == []
