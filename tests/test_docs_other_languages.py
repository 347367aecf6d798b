"""Blocks of the documentation in TypeScript, HCL, YAML and TOML: what others compile and run is parsed here, and compared with what it reads."""

import json
import re
import shlex
import zipfile
from fnmatch import fnmatch

import hcl2
import pytest
import yaml
from entries import HANDLER, write_files
from offline import ROOT, run_cli
from test_docs import DOCS, blocks
from test_docs_commands import commands_of, files_of

from cdk_lambda_package.options import read_entry_table

TYPESCRIPT, TERRAFORM, CI = (
    DOCS / "how-to" / name for name in ("use-from-typescript.md", "deploy-without-cdk.md", "keep-the-store-in-ci.md")
)
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/lambda_function
ARGUMENTS = {
    "aws_iam_role": {"name", "assume_role_policy"},
    "aws_s3_object": {"bucket", "key", "source"},
    "aws_lambda_function": {
        *("function_name", "role", "handler", "runtime", "architectures"),
        *("filename", "source_code_hash", "s3_bucket", "s3_key"),
    },
}


def test_every_block_in_another_language_is_a_file_of_its_page():
    for language, page in (("typescript", TYPESCRIPT), ("hcl", TERRAFORM), ("yaml", CI)):
        found = list(blocks(language))
        assert page in {place for place, _ in found}
        assert [(place, code) for place, code in found if code not in files_of(place).values()] == []


def test_tables_of_entry_directories_have_options_and_values_that_are_accepted(tmp_path):
    found = [code for _, code in blocks("toml") if "[tool.cdk-lambda-package]" in code]
    assert found
    # The others are files of pages that have tests of their own.
    files = {code for page, _ in blocks("toml") for code in files_of(page).values()}
    assert [(page.name, code) for page, code in blocks("toml") if code not in {*found, *files}] == []
    for number, code in enumerate(found):
        table = read_entry_table(write_files(tmp_path / str(number), {"pyproject.toml": code}))
        assert table is not None
        assert table.packaging.given


def test_the_typescript_of_the_page_is_that_of_the_example():
    example = ROOT / "examples" / "typescript"
    shown = files_of(TYPESCRIPT)
    assert shown == {path.name: path.read_text(encoding="utf-8") for path in example.glob("*.ts")}


@pytest.fixture
def made(tmp_path, monkeypatch, cache_dir):
    """What the page's command says of the package, in a folder that has all that Terraform reads."""
    monkeypatch.chdir(write_files(tmp_path / "shop", {"orders/app.py": HANDLER, **files_of(TERRAFORM)}))
    (command,) = (one.text for one in commands_of(TERRAFORM) if one.text.startswith("cdk-lambda-package build"))
    argv, _, output = command.partition(" > ")
    done = run_cli(*shlex.split(argv)[1:], cache=cache_dir)
    assert done.returncode == 0, done.stderr
    (tmp_path / "shop" / output).write_text(done.stdout)
    return json.loads(done.stdout)


def parts_of(value):
    """Yield all strings of a parsed file, keys of objects too."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from parts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from parts_of(one)
    elif isinstance(value, str):
        yield value


def test_terraform_reads_what_the_command_writes(made, tmp_path):
    shop = tmp_path / "shop"
    parsed = [hcl2.loads((shop / name).read_text()) for name in files_of(TERRAFORM)]
    strings = [part for one in parsed for part in parts_of(one)]
    # Each file that is read is there, and each field of the package's description.
    files = {path for part in strings for path in re.findall(r"\$\{path\.module\}/([\w./-]+)", part)}
    assert files == {"build/orders.zip", "build/orders.json"}
    assert all((shop / path).is_file() for path in files)
    assert zipfile.is_zipfile(shop / "build" / "orders.zip")
    fields = {field for part in strings for field in re.findall(r"local\.package\.(\w+)", part)}
    assert fields == {"handler", "runtime", "architecture", "content_digest"}
    assert {field: made[field] for field in fields - {"content_digest"}} == {
        "handler": "app.handler",
        "runtime": "python3.13",
        "architecture": "x86_64",
    }


def test_terraform_has_resources_with_arguments_that_exist():
    text = "".join(files_of(TERRAFORM).values())
    resources = re.findall(r'^resource "(\w+)" "\w+" \{\n(.*?)^\}', text, re.M | re.S)
    assert {kind for kind, _ in resources} == ARGUMENTS.keys()
    for kind, body in resources:
        named = set(re.findall(r"^  (\w+) +=", body, re.M))
        assert named
        assert named <= ARGUMENTS[kind], kind


def test_the_workflow_keeps_the_store_that_the_commands_use():
    (workflow,) = (yaml.safe_load(text) for text in files_of(CI).values())
    job = workflow["jobs"]["synth"]
    assert list(job["env"]) == ["CDK_LAMBDA_PACKAGE_CACHE_DIR"]
    uses = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
    runs = [step.get("run", "").partition(" --")[0] for step in job["steps"]]
    cache = job["steps"][uses.index("actions/cache")]["with"]
    assert cache["path"] == "${{ env.CDK_LAMBDA_PACKAGE_CACHE_DIR }}"
    # Restored before packages are made, from a checkout whose locks are there.
    assert uses.index("actions/checkout") < uses.index("actions/cache") < runs.index("npx aws-cdk synth")
    assert cache["key"].startswith(cache["restore-keys"])
    patterns = re.findall(r"'([^']+)'", cache["key"])
    for path in ("orders/pylock.toml", "pylock.shop.toml", "orders/requirements.txt", "requirements-dev.txt"):
        assert any(fnmatch(path, one) or fnmatch(f"./{path}", one) for one in patterns), path
