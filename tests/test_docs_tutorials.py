"""The tutorials, as a reader follows them: each begins where its page says, and the first one ends with a deployed function."""

import json
import re
from pathlib import Path

import pytest
from local_aws import fetch_function_zip, find_function, invoke, local_aws, unpack
from test_docs import DOCS, text_of
from test_docs_commands import NOT_RUN, Command, Workshop, commands_of, needs_cdk
from test_docs_plain_blocks import paths_of, trees
from this_host import CDK, require_lambda

TUTORIALS = FIRST, TEAM = [DOCS / "tutorial" / name for name in ("first-function.md", "team-app.md")]
DEPLOYING = ("cdk bootstrap", "cdk deploy")


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    workshop = Workshop(tmp_path)
    assert not list(workshop.shop.iterdir()), "the first tutorial begins in an empty directory"
    return workshop


def follow(workshop: Workshop, page: Path, environment: dict[str, str], *, deploying: bool = False) -> None:
    """Run a tutorial's commands, without those that need an account unless this environment leads to one."""
    commands = [one for one in commands_of(page) if not one.reason or (deploying and one.text.startswith(DEPLOYING))]
    workshop.run_all([answered(one) for one in commands], environment, page.name)


def answered(command: Command) -> Command:
    """Return a deployment that doesn't ask whether IAM's changes are right."""
    text = f"{command.text} --require-approval never" if command.text.startswith("cdk deploy") else command.text
    return Command(text, command.output)


@needs_cdk
def test_the_tutorials_work_as_written_one_after_the_other(workshop):
    for page in TUTORIALS:
        follow(workshop, page, workshop.environment)
    assert (workshop.shop / "services" / "pylock.toml").exists()


@needs_cdk
@pytest.mark.thorough
@pytest.mark.needs(CDK)
def test_the_tutorials_work_with_the_cdk_cli(workshop):
    path = workshop.environment["PATH"].partition(":")[2]
    for page in TUTORIALS:
        follow(workshop, page, {**workshop.environment, "PATH": path})


@pytest.mark.deploy
@pytest.mark.thorough
@pytest.mark.xdist_group("deploy")
@pytest.mark.needs(CDK)
def test_the_first_tutorial_ends_with_a_function_that_answers(workshop, tmp_path):
    require_lambda()
    with local_aws(tmp_path) as aws:
        variables = {
            name: value for name, value in aws.items() if name.startswith("AWS_") or name.lower() == "no_proxy"
        }
        path = workshop.environment["PATH"].partition(":")[2]
        follow(workshop, FIRST, {**workshop.environment, **variables, "PATH": path}, deploying=True)
        function = find_function(aws, "Shop", "Orders")
        archive = fetch_function_zip(aws, function, tmp_path / "package.zip")
        task = unpack(archive, tmp_path / "task")
        (said,) = re.findall(r"The answer is `(.*)`\.", text_of(FIRST))
        assert invoke(task, function.handler, {}, log=tmp_path / "emulator.log") == json.loads(said)


def test_the_tree_of_the_team_has_the_files_that_its_commands_make():
    (tree,) = trees(TEAM)
    made = " ".join(one.text for one in commands_of(TEAM))
    assert [path for path in paths_of(tree) if path not in made and Path(path).name not in made] == []


def test_deployments_are_listed_with_the_test_that_runs_them():
    reasons = [why for start, why in NOT_RUN.items() if start in DEPLOYING]
    assert len(reasons) == len(DEPLOYING)
    assert all(Path(__file__).name in why for why in reasons)
