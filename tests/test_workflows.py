"""The workflows: linted as `make lint` does, and the one that publishes has no more rights than it needs."""

import re
import shutil
import subprocess

import pytest
import yaml
from offline import ROOT
from this_host import SEARCH_PATH

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
RELEASE = yaml.safe_load((FOLDER / "release.yml").read_text(encoding="utf-8"))
JOBS = RELEASE["jobs"]


def lint(folder) -> subprocess.CompletedProcess[str]:
    """Run the command of `make lint` for the workflows of a folder."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\t\$\(BIN\)/(zizmor .*)$", makefile, re.M)
    program, *options = line.split()
    found = shutil.which(program, path=SEARCH_PATH)
    if found is None:
        pytest.skip(f"this host lacks {program}, which `make` installs")
    return subprocess.run([found, *options], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    return tmp_path


def test_the_workflows_pass(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    runs-on: ubuntu-latest\n", "    runs_on: ubuntu-latest\n", "release.yml"),
        ("jobs:\n", "jobs: [\n", "release.yml"),
        ("    needs: build\n", "    needs: {build: true}\n", "release.yml"),
        (f"@{'08c6903cd8c0fde910a37f88322edcfb5dd907a8'} # v5.0.0", "@v5", "unpinned-uses"),
        ("    permissions:\n      id-token: write\n", "    permissions: write-all\n", "excessive-permissions"),
        ('"$TAG" --verify-tag', "${{ github.ref_name }} --verify-tag", "template-injection"),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n", "artipacked"),
    ],
)
def test_a_broken_or_careless_workflow_fails(copy, old, new, told):
    path = copy / ".github" / "workflows" / "release.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = lint(copy)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commits_with_their_versions(path):
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_action_has_one_commit_everywhere():
    used = {use for path in WORKFLOWS for use in re.findall(r"uses: (\S+)@(\S+)", path.read_text(encoding="utf-8"))}
    assert len(used) == len(dict(used))


def test_only_the_job_that_publishes_can_say_who_it_is():
    assert RELEASE["permissions"] == {}
    writes = {
        name: {key for key, value in job["permissions"].items() if value == "write"} for name, job in JOBS.items()
    }
    assert {name: kinds for name, kinds in writes.items() if kinds} == {
        "publish": {"id-token"},
        "announce": {"contents"},
    }
    assert JOBS["publish"]["environment"] == "pypi"
    # It runs nothing of the repository.
    assert all("run" not in step and "checkout" not in step["uses"] for step in JOBS["publish"]["steps"])
    assert JOBS["publish"]["steps"][-1]["with"]["attestations"] is True


def test_a_release_is_published_after_all_checks_on_all_systems():
    assert {*JOBS["publish"]["needs"]} == {*JOBS} - {"publish", "announce"}
    assert JOBS["announce"]["needs"] == "publish"
    matrix = JOBS["systems"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert any(name.endswith("-arm") for name in matrix["system"])


def test_commands_of_release_check_in_the_workflow_are_accepted():
    import release_check

    runs = [
        step["run"] for job in JOBS.values() for step in job["steps"] if re.search("release.check", step.get("run", ""))
    ]
    assert len(runs) == 4
    for run in runs:
        words = re.search(r'ARGS="([^"]*)"|release_check\.py (.*)', run.replace("${{ matrix.python }}", "3.12"))
        given = (words[1] or words[2]).partition(" > ")[0]
        release_check.read_arguments(given.split())
