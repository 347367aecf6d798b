"""The pages for moving from another tool: their tables have every option of that tool, and what they say of logical ids holds.

Options of tools that aren't here are listed below, with the release that they were read from.
"""

import inspect
import re
from pathlib import Path

import pytest
import yaml
from entries import HANDLER, write_files
from offline import ROOT
from test_docs import DOCS, blocks, text_of
from test_docs_commands import files_of
from this_host import require_file

HOW_TO = DOCS / "how-to"
ALPHA, DOCKER, CHALICE, SAM, SERVERLESS, SCRIPTS = (
    HOW_TO / f"move-from-{name}.md"
    for name in (
        "aws-lambda-python-alpha",
        "docker-bundling",
        "chalice-deploy",
        "sam-build",
        "serverless-python-requirements",
        "pip-and-uv-scripts",
    )
)
PAGES = sorted(HOW_TO.glob("move-from-*.md"))
HEADINGS = ["Before and now", "Steps", "How to check", "Side by side, and back", "What can go wrong"]

# aws-lambda-python-alpha 2.275.0a0, lib/types.d.ts: `BundlingOptions`, besides what it has from DockerRunOptions.
ALPHA_OPTIONS = {
    "asset_excludes",
    "asset_hash",
    "asset_hash_type",
    "build_args",
    "bundling_file_access",
    "command_hooks",
    "image",
    "output_path_suffix",
    "poetry_include_hashes",
    "poetry_without_urls",
}
# serverless-python-requirements 6.1.2, index.js and lib/, with the options of a newer source; and docs/sf/providers/aws/guide/python.md of the
# Serverless Framework 4.
SERVERLESS_OPTIONS = """
slim slimPatterns slimPatternsAppendDefaults strip zip layer cleanupZipHelper invalidateCaches fileName usePipenv usePoetry
pythonBin dockerizePip dockerSsh dockerPrivateKey dockerImage dockerFile dockerEnv dockerBuildCmdExtraArgs
dockerRunCmdExtraArgs dockerExtraFiles dockerRootless useStaticCache useDownloadCache cacheLocation staticCacheMaxVersions
pipCmdExtraArgs noDeploy vendor requirePoetryLockFile poetryWithGroups poetryWithoutGroups poetryOnlyGroups usePyProject
pyprojectWithGroups installFolderAsPackage useUv installer uvOptionalDependencies uvWithGroups uvWithoutGroups uvOnlyGroups
"""
# chalice 1.34.0, chalice/config.py.
CHALICE_KEYS = """
version app_name stages lambda_functions api_gateway_stage api_gateway_endpoint_type api_gateway_endpoint_vpce
api_gateway_policy_file api_gateway_custom_domain websocket_api_custom_domain minimum_compression_size manage_iam_role
iam_role_arn autogen_policy iam_policy_file environment_variables lambda_timeout lambda_memory_size
lambda_architecture tags subnet_ids security_group_ids reserved_concurrency layers automatic_layer
log_retention_in_days xray
"""
# aws-sam-cli 1.170.0, samcli/lib/build: what it reads of a resource's metadata.
SAM_METADATA = {
    "BuildMethod",
    "BuildProperties",
    "BuildArchitecture",
    "ContextPath",
    "DockerBuildArgs",
    "DockerContext",
    "DockerTag",
    "Dockerfile",
    "ParentPackageMode",
    "ParentPackages",
    "ProjectRootDirectory",
    "SkipBuild",
    "WorkingDirectory",
}


def told(page: Path) -> set[str]:
    """Return the words of code in the first cells of a page's tables."""
    rows = [line.split("|")[1] for line in text_of(page).splitlines() if line.startswith("|")]
    return {
        word for row in rows for code in re.findall(r"`([^`]+)`", row) for word in re.findall(r"-{0,2}\w[\w-]*", code)
    }


def test_each_page_has_the_parts_of_a_move():
    assert sorted([ALPHA, DOCKER, CHALICE, SAM, SERVERLESS, SCRIPTS]) == PAGES
    for page in PAGES:
        found = [name for name in re.findall(r"^## (.+)$", text_of(page), re.M) if name in HEADINGS]
        assert found == HEADINGS, page.name


@pytest.mark.parametrize(
    ("page", "options"),
    [
        (ALPHA, ALPHA_OPTIONS),
        (SERVERLESS, set(SERVERLESS_OPTIONS.split())),
        (CHALICE, set(CHALICE_KEYS.split())),
        (SAM, SAM_METADATA),
    ],
    ids=["alpha", "serverless", "chalice", "sam"],
)
def test_a_table_has_every_option(page, options):
    assert options - told(page) == set()


@pytest.mark.xdist_group("cdk")
def test_the_table_for_docker_has_every_option_of_the_asset():
    cdk = pytest.importorskip("aws_cdk", exc_type=ImportError)
    from aws_cdk.aws_s3_assets import AssetOptions

    names = {*inspect.signature(cdk.BundlingOptions).parameters, *inspect.signature(AssetOptions).parameters}
    assert names - {"bundling"} - told(DOCKER) == set()


def test_the_table_for_sam_has_every_option_of_the_command():
    source = require_file(ROOT / ".venv" / "sam-files" / "samcli" / "commands" / "build" / "core" / "options.py")
    lists = re.findall(r"^\w+: List\[str\] = \[(.*?)\]", source.read_text(), re.M | re.S)
    options = {f"--{name.replace('_', '-')}" for one in lists for name in re.findall(r'"(\w+)"', one)}
    assert {"--use-container", "--manifest"} < options
    assert options - told(SAM) == set()


def test_the_tables_of_chalice_are_those_of_its_source():
    package = require_file(ROOT / ".venv" / "peers" / "chalice")
    (source,) = package.glob("lib/python*/site-packages/chalice/config.py")
    keys = set(re.findall(r"_chain_lookup\(\s*'(\w+)'", source.read_text()))
    # They are given by commands, and not by a file.
    keys -= {"chalice_app", "chalice_stage", "lambda_arn", "profile", "project_dir"}
    assert keys - set(CHALICE_KEYS.split()) == set()


def test_the_table_for_scripts_has_every_option_of_pip_install():
    from pip._internal.commands import create_command

    groups = create_command("install").parser.option_groups
    # The last group has what all of pip's commands have.
    options = [option for group in groups if group.title != "General Options" for option in group.option_list]
    assert len(options) > 30
    assert [one.get_opt_string() for one in options if not set(one._long_opts) & told(SCRIPTS)] == []


def test_files_of_other_tools_are_yaml():
    for page in (SAM, SERVERLESS):
        texts = [code for place, code in blocks("yaml") if place == page]
        assert texts
        assert all(isinstance(yaml.safe_load(text), dict) for text in texts)
        assert set(texts) <= {*files_of(page).values()}


@pytest.mark.xdist_group("cdk")
def test_a_function_keeps_its_logical_id(tmp_path, monkeypatch):
    """A `Function` that becomes a `PythonFunction` with the same id is updated in place."""
    cdk = pytest.importorskip("aws_cdk", exc_type=ImportError)
    from aws_cdk import aws_lambda
    from aws_cdk.assertions import Template

    from cdk_lambda_package import PythonFunction

    write_files(tmp_path / "orders", {"app.py": HANDLER})
    monkeypatch.chdir(tmp_path)
    ids = []
    for construct, code in (
        (aws_lambda.Function, {"code": aws_lambda.Code.from_inline("-"), "handler": "app.handler"}),
        (PythonFunction, {"entry": "orders", "handler": "app.handler"}),
    ):
        stack = cdk.Stack(cdk.App(), "Shop")
        construct(stack, "Orders", runtime=aws_lambda.Runtime.PYTHON_3_13, **code)
        resources = Template.from_stack(stack).to_json()["Resources"]
        ids.append(
            sorted(key for key, one in resources.items() if one["Type"] in ("AWS::Lambda::Function", "AWS::IAM::Role"))
        )
    assert len(ids[0]) == 2
    assert ids[0] == ids[1]
