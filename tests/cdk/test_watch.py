"""`cdk watch`, as the examples' cdk.json have it: it deploys what a developer edits, and nothing of ours sets it off."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from local_aws import ROOT, fetch_function_zip, find_function
from pathspec import GitIgnoreSpec
from processes import running, wait_for

FOLDERS = {path.parent for path in (ROOT / "examples").glob("*/cdk.json")}
STACK = "WatchedExample"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what `cdk watch` at the root of the repository looks at, with a stack name of its own."""
    folder = tmp_path / "checkout"
    unwanted = shutil.ignore_patterns("__pycache__", "cdk.out")
    for name in ("examples/document", "cdk_lambda_package"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in ("cdk.json", "examples/host.py"):
        shutil.copy(ROOT / name, folder / name)
    stack = folder / "examples" / "document" / "stack.py"
    stack.write_text(stack.read_text().replace("DocumentExample", STACK))
    return folder


def edit(file: Path, text: str) -> None:
    # At once, as editors do it: a file that was emptied first may be seen so.
    other = file.parents[3] / "edited"
    other.write_text(file.read_text() + text)
    other.replace(file)


@pytest.mark.thorough
@pytest.mark.deploy
@pytest.mark.xdist_group("deploy")
def test_an_edit_is_deployed_and_a_synthesis_sets_nothing_off(aws, checkout, tmp_path):
    app, log = checkout / "examples" / "document" / "app" / "app.py", tmp_path / "watch.log"
    # As a developer's Python does, which writes byte code where it finds modules.
    environment = {name: value for name, value in aws.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Without the fallback, the stack would have to be there: to make it is no hotswap.
    command = ["cdk", "watch", "--hotswap-fallback", "--no-notices"]
    with running(command, log=log, environment=environment, cwd=checkout) as process:

        def wait_for_text(text: str, times: int) -> None:
            wait_for(lambda: log.read_text().count(text) >= times or None, process, log, seconds=120)

        wait_for_text("Total time", 1)
        first = find_function(aws, STACK, "Function")
        for times in (1, 2):
            edit(app, f"EDITED = {times}\n")
            wait_for_text("hotswapped!", times)
            # The end of a deployment: what comes after is another one.
            wait_for_text("Total time", 1 + times)
        function = find_function(aws, STACK, "Function")
    assert function.key != first.key
    with zipfile.ZipFile(fetch_function_zip(aws, function, tmp_path / "deployed.zip")) as archive:
        assert archive.read("app.py") == app.read_bytes()
    # A file that a synthesis wrote would be named here, and would have made another deployment by now.
    changed = re.findall(r"Detected change to '(.*)' \(type", log.read_text())
    assert set(changed) == {"examples/document/app/app.py"}


@pytest.mark.parametrize("folder", sorted(FOLDERS), ids=lambda folder: folder.name)
def test_watch_looks_at_all_code_of_an_example_and_at_no_byte_code(folder):
    watch = json.loads((folder / "cdk.json").read_text())["watch"]
    include, exclude = (GitIgnoreSpec.from_lines(watch[name]) for name in ("include", "exclude"))
    code = {path.relative_to(folder) for path in folder.rglob("*.py") if "cdk.out" not in path.parts}
    unwatched = {path.as_posix() for path in code if not include.match_file(path) or exclude.match_file(path)}
    # It makes vendor/, which is looked at.
    assert unwatched <= {"make_vendor.py"}
    assert exclude.match_file(next(iter(code)).parent / "__pycache__" / "app.cpython-313.pyc")
