"""`cdk watch`, as the examples' cdk.json have it: it deploys what a developer edits, and nothing of ours sets it off."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from local_aws import ROOT, fetch_function_zip, find_function
from pathspec import GitIgnoreSpec
from processes import running, wait_for
from test_docs import DOCS, blocks, text_of
from this_host import CDK, SEARCH_PATH, require

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


PAGE = DOCS / "how-to" / "cdk-watch.md"
SHOP = """
from aws_cdk import App, DefaultStackSynthesizer, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App(default_stack_synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
PythonFunction(Stack(app, "WatchedShop"), "Orders", entry="orders", runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""
PACKAGE = "orders/chalicelib/__init__.py"


def watch_of_init(language: str) -> dict:
    """Return what the CDK CLI's own `cdk init` writes as `watch`."""
    require(CDK)
    cli = Path(shutil.which("cdk", path=SEARCH_PATH)).resolve().parents[1]
    template = cli / "lib" / "init-templates" / "app" / language / "cdk.template.json"
    return json.loads(template.read_text())["watch"]


def watch_of_page() -> dict:
    (code,) = (code for page, code in blocks("json") if page == PAGE)
    return json.loads(code)["watch"]


def test_the_page_names_the_lines_of_cdk_init_and_leaves_out_two():
    written = watch_of_init("python")
    rows = re.findall(r"^ *\| (`\".*) \| (.*) \|$", text_of(PAGE), re.M)
    named = [(line, "remove it" in text) for cell, text in rows for line in re.findall(r'`"([^`]*)"`', cell)]
    assert sorted(line for line, _ in named) == sorted(written["exclude"])
    removed = {line for line, removal in named if removal}
    assert removed == {"**/__init__.py", "requirements*.txt"}
    kept = watch_of_page()
    assert kept["include"] == written["include"]
    assert sorted(kept["exclude"]) == sorted(set(written["exclude"]) - removed)


def test_the_lines_for_typescript_hide_no_python_file_outside_of_test():
    exclude = GitIgnoreSpec.from_lines(watch_of_init("typescript")["exclude"])
    assert not any(map(exclude.match_file, (PACKAGE, "orders/app.py", "orders/requirements.txt", "orders/pylock.toml")))
    assert exclude.match_file("test/orders/app.py")


def observed(log: Path) -> set[str]:
    """Return the files that `cdk watch` says it looks at."""
    return set(re.findall(r"'watch' is observing the file '(.*)' for changes", log.read_text()))


@pytest.mark.thorough
@pytest.mark.deploy
@pytest.mark.xdist_group("deploy")
def test_an_edit_of_a_packages_init_is_deployed_with_the_lines_of_the_page_and_not_with_those_of_cdk_init(
    aws, tmp_path
):
    shop = write_files(
        tmp_path / "shop",
        {
            "app.py": SHOP,
            "orders/app.py": f"import chalicelib\n\n\n{HANDLER}",
            PACKAGE: "",
            "orders/requirements.txt": "",
        },
    )

    def watch(name: str, lines: dict, *options: str):
        (shop / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} app.py", "watch": lines}))
        log = tmp_path / f"{name}.log"
        command = ["cdk", "watch", "--no-notices", *options]
        return log, running(command, log=log, environment=aws, cwd=shop)

    # The first deployment makes the stack, which a hotswap needs.
    log, init = watch("init", watch_of_init("python"), "--hotswap-fallback")
    with init as process:
        wait_for(lambda: "Total time" in log.read_text() or None, process, log, seconds=120)
    assert {"orders/app.py", "orders/requirements.txt"} < observed(log)
    assert PACKAGE not in observed(log)

    log, page = watch("page", watch_of_page())
    with page as process:
        wait_for(lambda: "Total time" in log.read_text() or None, process, log, seconds=120)
        assert PACKAGE in observed(log)
        edited = tmp_path / "edited"
        edited.write_text("EDITED = True\n")
        edited.replace(shop / PACKAGE)
        wait_for(lambda: "hotswapped!" in log.read_text() or None, process, log, seconds=120)
    assert set(re.findall(r"Detected change to '(.*)' \(type", log.read_text())) == {PACKAGE}
    function = find_function(aws, "WatchedShop", "Orders")
    with zipfile.ZipFile(fetch_function_zip(aws, function, tmp_path / "deployed.zip")) as archive:
        assert archive.read("chalicelib/__init__.py") == b"EDITED = True\n"
