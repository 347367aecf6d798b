"""Blocks of the documentation that are neither commands nor code: file trees, lists of files, and lines that the library writes.

Trees are compared with the folders that they show, or are written and packaged. `DRAWINGS` lists the blocks that show nothing
that can be tried, with the reason.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from entries import DOCUMENT, HANDLER, write_files
from native import elf
from offline import ROOT, run_cli
from test_docs import DOCS, blocks
from test_docs_commands import files_of
from wheel_factory import build_wheel

from cdk_lambda_package.progress import Progress

RUNTIME, DESIGN, PROGRESS, PROJECTS, VENDOR, TEAM, SHARED, DOCKER = (
    DOCS / "how-to" / "another-runtime.md",
    DOCS / "explanation" / "design.md",
    DOCS / "explanation" / "progress.md",
    DOCS / "how-to" / "projects-and-workspaces.md",
    DOCS / "how-to" / "vendor-binaries.md",
    DOCS / "tutorial" / "team-app.md",
    DOCS / "how-to" / "monorepo.md",
    DOCS / "how-to" / "move-from-docker-bundling.md",
)
EXAMPLES = sorted(ROOT.glob("examples/*/README.md"))
DOCUMENT_PAGE = ROOT / "examples" / "document" / "README.md"

# Blocks that aren't tried here, by page and first word, and why.
DRAWINGS = {
    (RUNTIME, "On"): "tests/commands/test_check_runtime.py holds the first line of the report",
    (
        RUNTIME,
        "error[name-not-found]",
    ): "tests/commands/test_check_runtime.py checks this release, and what it names instead",
    (PROJECTS, "repo/"): "tests/locks/test_own_project.py packages members of workspaces",
    (DESIGN, "PackageRequest"): "it draws the flow of values; test_architecture.py holds the imports",
    (DESIGN, "constructor"): "it draws the order of calls, which the tests in tests/cdk/ hold",
    (DESIGN, "Job,"): "it draws how packages are made at the same time, which test_packages_at_once.py holds",
    (DESIGN, "ask"): "it draws the rounds of resolving, which the tests in tests/building/ hold",
    (PROJECTS, "[build-system]"): "tests/locks/test_own_project.py packages projects that have it",
    (DOCKER, "lambda_.Function(stack,"): "it is what a reader had, for Docker",
}
# Files of a tree that are made by a command of the page.
MADE = {"vendor": "made by make_vendor.py, which test_examples.py runs"}

_LINE = re.compile(r"^((?:│   |    )*)(?:├── |└── )(\S+)")


def paths_of(tree: str) -> Iterator[str]:
    """Yield the paths of a tree below its first line; a folder ends with a slash if the tree has it so."""
    folders: list[str] = []
    for line in tree.splitlines()[1:]:
        match = _LINE.match(line)
        assert match is not None, line
        del folders[len(match[1]) // 4 :]
        folders.append(match[2].rstrip("/"))
        if match[2] != "…":
            yield "/".join(folders) + match[2][len(match[2].rstrip("/")) :]


def trees(page: Path) -> list[str]:
    return [code for place, code in blocks("") if place == page and re.match(r"\S+/\n", code)]


def test_every_block_without_a_language_is_tried_or_is_a_drawing():
    known = {page: [*files_of(page).values()] for page, _ in blocks("")}
    for page in (*EXAMPLES, TEAM, SHARED, VENDOR):
        known.setdefault(page, []).extend(trees(page))
    left = [(page, code.split()[0]) for page, code in blocks("") if code not in known[page]]
    tried = [(PROGRESS, "cdk-lambda-package:"), (DOCUMENT_PAGE, "app.py")]
    assert sorted(left) == sorted([*DRAWINGS, *tried])


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.parent.name)
def test_the_tree_of_an_example_is_that_of_its_folder(page):
    for tree in trees(page):
        folder = page.parent / tree.partition("\n")[0]
        paths = [path for path in paths_of(tree) if path.split("/")[0] not in MADE or (folder / path).exists()]
        assert paths
        assert [path for path in paths if not (folder / path).exists()] == []


def test_the_tree_of_shared_code_has_the_files_of_the_page():
    """test_docs_tutorials.py holds that of the team's tutorial."""
    (tree,) = trees(SHARED)
    shown = {path.partition("/")[2] for path in files_of(SHARED) if path.startswith("services/")}
    assert shown < set(paths_of(tree))


def test_the_trees_of_vendored_packages_are_packaged_as_the_page_says(tmp_path):
    packaged = []
    for number, tree in enumerate(trees(VENDOR)):
        entry = tmp_path / str(number)
        for path in paths_of(tree):
            if path.endswith(".whl"):
                (wheel,) = [build_wheel(entry / "vendor", "internal", "1.4")]
                assert f"vendor/{wheel.name}" == path
            elif not path.endswith("/"):
                write_files(entry, {path: elf() if ".so" in path else HANDLER if path == "app.py" else ""})
        done = run_cli(
            "build", entry, "--runtime", "python3.13", "--output", f"{tmp_path}/out-{number}/", cache=tmp_path / "cache"
        )
        assert done.returncode == 0, done.stderr
        out = tmp_path / f"out-{number}"
        packaged.append({path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()})
    folder, wheel_files, library = packaged
    assert folder == {"app.py", "psycopg2/__init__.py", "psycopg2/_psycopg.cpython-313-x86_64-linux-gnu.so"}
    assert library == {"app.py", "lib/libpq.so.5"}
    assert {"app.py", "internal.py"} < wheel_files


def test_the_content_of_the_documents_package_is_that_of_the_page():
    """test_document.py holds the same list against the real package."""
    (listed,) = (code.split() for page, code in blocks("") if page == DOCUMENT_PAGE and not code.startswith("app/"))
    own = sorted(path.removeprefix("vendor/") for path in DOCUMENT)
    assert listed == [*own, "sortedcontainers/…", "sortedcontainers-1.5.4.dist-info/…"]


def test_the_line_of_progress_is_written_as_the_page_shows_it():
    (shown,) = (code.strip() for page, code in blocks("") if page == PROGRESS)
    seconds = [0.0]
    progress = Progress(clock=lambda: seconds[0])
    with (
        progress.about("package 2 of 5"),
        progress.about("orders (python3.13, arm64)"),
        progress.step("downloading", total=31, unit="wheels") as step,
    ):
        step.advance(12)
        step.transfer("numpy 2.3.5", 4_800_000, 14_300_000)
        seconds[0] = 8.0
        assert f"cdk-lambda-package: {progress.describe(step)}" == shown
