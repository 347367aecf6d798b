"""Every command and sample of the documentation runs, in an app that is made for it.

The console blocks of a page are one script, in the page's order; its files are the blocks that follow "`path`:". Python
samples run in a namespace with what the page takes for granted, and what they construct is synthesized. What can't run here
is listed below with the reason, and nothing else is left out. test_docs_plain_blocks.py has the blocks without a language.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from entries import HANDLER, sha256, write_files
from offline import ROOT
from test_docs import BLOCK, DOCS, PAGES, blocks, text_of
from this_host import CDK, TOOLS, find_python
from wheel_factory import build_wheel

SEVERITIES = ["error", "warning", "note"]
# Commands that aren't run, by how they begin, and why.
NOT_RUN = {
    "make": "it sets up what the tests run in",
    "npm install": "the tests have the CDK CLI, or a stand-in for it",
    "python -m pip install pytest": "the tests run in pytest",
    "python -m pip install 'cdk-lambda-package[uv]'": "the release isn't on the index",
    "python -m pip install keyring": "test_docs_private_index.py installs it into an environment of its own",
    "python -m pip install pip-audit": "test_docs_with_index.py installs it into an environment of its own",
    "pipx": "test_docs_lock_tools.py installs each tool into an environment of its own",
    ".venv/bin/python": "it upgrades and writes this repository",
    "python -m pip install ./cdk-lambda-package": "it installs this repository, which the tests run from",
    "python -m pip install ../cdk-lambda-package": "it installs this repository, which the tests run from",
    "python -m pip install 'cdk-lambda-package[sbom]'": "the release isn't on the index",
    ".ci/run": "it runs these tests",
    "git ": "it makes a release",
    "sha256sum dist": "it compares a release",
    "python3 -m venv /tmp/release": "the release isn't on the index",
    "/tmp/release/bin/python": "the release isn't on the index",
    "cd examples && /tmp/release/bin/cdk-lambda-package": "the release isn't on the index",
    "python3 -m venv .venv && . .venv/bin/activate": "the tests have a virtual environment",
    "cdk bootstrap": "it needs an AWS account; test_docs_tutorials.py runs it with a local AWS",
    "cdk deploy": "it needs an AWS account; test_docs_tutorials.py and test_examples.py run it with a local AWS",
    "python3 make_vendor.py": "it asks the index; test_examples.py runs it",
    "cdk-lambda-package invoke": "it asks the index; commands/test_invoke.py runs it",
    "cdk watch": "it needs an AWS account; cdk/test_watch.py runs it with a local AWS",
    "chalice ": "it needs chalice in an environment of its own, and an AWS account; `make compare` runs `chalice package`",
    "cdk-lambda-package verify api --runtime python3.13 --zip out/": "it reads what `chalice package` writes",
    "sam build": "`make compare` runs it",
    "cd .aws-sam/build/Orders": "it reads what `sam build` writes",
    "cdk-lambda-package verify orders --runtime python3.13 --architecture arm64 --zip .aws-sam/": "it reads what `sam build` writes",
    "sam deploy": "it needs an AWS account",
    "sls package": "the Serverless Framework isn't here",
    "cdk-lambda-package verify orders --runtime python3.13 --slim --zip .serverless/": "it reads what `sls package` writes",
    "aws lambda list-functions": "it needs an AWS account; test_docs_tutorials.py calls the deployed function in Lambda's emulator",
    "aws lambda invoke": "it needs an AWS account; test_docs_tutorials.py calls the deployed function in Lambda's emulator",
    "sam local invoke": "it needs Docker; test_sam.py checks what it would mount",
    "terraform": "it needs the provider of a registry; test_docs_other_languages.py checks its input",
}
# Pages whose commands need tools of their own, and the tests that run them.
ELSEWHERE = {
    DOCS / "how-to" / "use-from-typescript.md": "test_typescript.py",
    DOCS / "how-to" / "invoke-with-sam.md": "test_sam.py",
    DOCS / "how-to" / "deploy-without-cdk.md": "test_deploy_without_cdk.py",
    DOCS / "how-to" / "troubleshoot-lambda-errors.md": "test_troubleshooting.py",
    DOCS / "how-to" / "private-index.md": "test_docs_private_index.py",
    DOCS / "how-to" / "use-your-lock.md": "test_docs_lock_tools.py",
    DOCS / "how-to" / "monorepo.md": "test_docs_lock_tools.py",
    DOCS / "how-to" / "native-code.md": "test_docs_with_index.py",
    DOCS / "how-to" / "scan-packages.md": "test_docs_with_index.py",
    DOCS / "tutorial" / "first-function.md": "test_docs_tutorials.py",
    DOCS / "tutorial" / "team-app.md": "test_docs_tutorials.py",
}
# The pages of examples, whose stacks test_examples.py synthesizes and deploys.
EXAMPLES = "cdk synth"
# Python samples that are constructed and not synthesized, by a word in them.
NOT_SYNTHESIZED = {"grpc_tools": "its command needs grpcio-tools"}

# The pages whose console blocks are run: README's, and those that need an app which exists already.
CONSOLE_PAGES = sorted({page for page, _ in blocks("console")})
FILE = re.compile(r"`([\w./-]+)`:\n\n( *)```\w*\n(.*?)^\2```$", re.M | re.S)

CHALICE = """
class Chalice:
    def __init__(self, app_name): ...
    def __call__(self, event, context): ...
"""

LOCK = """\
lock-version = "1.0"
created-by = "test"
dependency-groups = ["lambda"]

[[packages]]
name = "requests"
version = "2.32.5"
wheels = [{{ url = "{url}", hashes = {{ sha256 = "{hash}" }} }}]
"""

# A stand-in for the CDK CLI, as far as it starts an app.
CDK_STAND_IN = """\
#!{python}
import json, os, subprocess, sys
assert sys.argv[1] == "synth", sys.argv
options = sys.argv[2:]
command = options[1] if options[:1] == ["--app"] else json.load(open("cdk.json"))["app"]
sys.exit(subprocess.run(command, shell=True, env=os.environ | {{"CDK_OUTDIR": "cdk.out"}}).returncode)
"""


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that the page shows below it."""

    text: str
    output: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str | None:
        """Why it isn't run."""
        return next((why for start, why in NOT_RUN.items() if f"{self.text} ".startswith(start)), None)

    @property
    def fails(self) -> bool:
        """Whether it shows an error, which is one of an app that can't be imported."""
        return any(line.startswith(("error[", "error:")) for line in self.output)

    @property
    def status(self) -> int:
        """The exit status: findings of the severity of `--fail-on`, and of those above, are failures."""
        lowest = re.search(r"--fail-on (\w+)", self.text)
        failures = SEVERITIES[: SEVERITIES.index(lowest[1] if lowest else "error") + 1]
        failing = any(line.startswith((f"{severity}[", "error:")) for line in self.output for severity in failures)
        # Of a whole app, a page may show the last lines alone; and `verify` shows differences.
        last = ("can't be packaged for", "isn't the package of")
        return int(failing or any(text in line for line in self.output for text in last))


def commands_of(page: Path) -> list[Command]:
    found: list[Command] = []
    for place, code in blocks("console"):
        if place == page:
            found += split_block(code)
    return found


def sections_of(page: Path) -> dict[str, list[Command]]:
    """Return the commands below each heading of a page that has any."""
    parts = re.split(r"^#+ (.+)$", text_of(page), flags=re.M)
    found = {
        title: [
            one
            for _, kind, code in BLOCK.findall(text)
            if kind == "console"
            for one in split_block(textwrap.dedent(code))
        ]
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {title: commands for title, commands in found.items() if commands}


def split_block(code: str) -> Iterator[Command]:
    """Yield the commands of a block; a line belongs to a here-document, or is output."""
    for part in re.split(r"^\$ ", code, flags=re.M)[1:]:
        first, *rest = part.rstrip("\n").splitlines()
        if "<<'END'" in first:
            yield Command(part.rstrip("\n"))
        else:
            yield Command(re.sub(r"\s+#.*", "", first), rest)


def files_of(page: Path) -> dict[str, str]:
    """Return the files that a page shows, by their paths."""
    return {path: textwrap.dedent(content) for path, _, content in FILE.findall(text_of(page))}


@dataclass(frozen=True)
class Workshop:
    """A directory in which the commands of pages run, with an index of its own and no other."""

    root: Path

    def __post_init__(self) -> None:
        wheels, tools = self.root / "wheels", self.root / "tools"
        build_wheel(wheels, "requests", "2.32.5", files={"requests/__init__.py": "__version__ = '2.32.5'\n"})
        build_wheel(wheels, "chalice", files={"chalice/__init__.py": CHALICE, "chalice/app.py": ""})
        old = {"sortedcontainers.py": "from collections import Sequence\n"}
        build_wheel(wheels, "sortedcontainers", "1.5.4", files=old)
        write_files(tools, {"cdk": CDK_STAND_IN.format(python=sys.executable)})
        (tools / "cdk").chmod(0o755)
        self.shop.mkdir()

    @property
    def shop(self) -> Path:
        return self.root / "shop"

    @property
    def environment(self) -> dict[str, str]:
        python = find_python("python3.13")
        path = [self.root / "tools", TOOLS, Path(sys.executable).parent, *([Path(python).parent] if python else [])]
        return {
            **os.environ,
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.root / "wheels"),
            # The CDK CLI asks no host of the internet.
            "CDK_NOTICES": "false",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(self.root / "cache"),
        }

    def write_app(self, requirements: str = "requests==2.32.5\n", imports: str = "requests") -> None:
        """Write orders/ anew, with a module that imports a requirement; and old.zip, as another tool packaged it."""
        shutil.rmtree(self.shop / "orders", ignore_errors=True)
        write_files(
            self.shop / "orders", {"app.py": f"import {imports}\n\n\n{HANDLER}", "requirements.txt": requirements}
        )
        (wheel,) = (self.root / "wheels").glob("requests-*.whl")
        shutil.copy(wheel, self.shop / "old.zip")
        with zipfile.ZipFile(self.shop / "old.zip", "a") as archive:
            archive.write(self.shop / "orders" / "app.py", "app.py")
            archive.writestr("requests-2.32.5.dist-info/INSTALLER", "pip\n")

    def run(
        self, page: Path, *, failing: bool = False, real_cdk: bool = False, further: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Run a page's commands in one shell, and compare statuses and what the page shows; return what they printed.

        `failing` ones are those whose output on the page has an error; the app isn't the one of the others. `further` are
        variables of the environment.
        """
        write_files(self.shop, files_of(page))
        environment = {**self.environment, **(further or {})}
        if real_cdk:
            environment["PATH"] = environment["PATH"].partition(os.pathsep)[2]
        wanted = [one for one in commands_of(page) if one.reason is None and one.fails == failing]
        return self.run_all(wanted, environment, page.name)

    def run_all(self, wanted: list[Command], environment: Mapping[str, str], title: str) -> dict[str, str]:
        """Run commands in one shell, in the directory of the app, and compare them as `run` does."""
        errors = self.root / "stderr.txt"
        script = "".join(
            f"{{ {one.text}\n}} 2>{errors}\nprintf '\\n@@ %s\\n' $?\ncat {errors}\nprintf '\\n@@\\n'\n"
            for one in wanted
        )
        done = subprocess.run(
            ["sh"], input=script, capture_output=True, text=True, cwd=self.shop, env=environment, timeout=600
        )
        found = re.findall(r"(.*?)\n@@ (\d+)\n(.*?)\n@@\n", done.stdout, re.S)
        assert len(found) == len(wanted), f"{title}: {done.stdout}\n{done.stderr}"
        for command, (output, status, said) in zip(wanted, found, strict=True):
            told = f"{title}: {command.text}\n{output}\n{said}"
            assert int(status) == command.status, told
            # A terminal shows both streams; which comes first, no page says.
            assert any(shows(command.output, text.splitlines()) for text in (output, said, f"{said}\n{output}")), told
        return {command.text: output for command, (output, _, _) in zip(wanted, found, strict=True)}


def shows(wanted: list[str], lines: list[str]) -> bool:
    """Return whether the lines are those of the page, in which a line "…" is any number of lines, and "…" in a line any text."""
    if not wanted:
        return True
    patterns = (re.escape(line).replace("…", "[^\n]*") + "[^\n]*\n" for line in wanted)
    pattern = "".join(
        "(?:[^\n]*\n)*" if line.strip() == "…" else one for line, one in zip(wanted, patterns, strict=True)
    )
    return re.fullmatch(f"{pattern}.*", "\n".join([*lines, ""]), re.S) is not None


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path)


def needs_cdk(test):
    """Mark a test that starts node: one worker has it."""
    return pytest.mark.xdist_group("cdk")(test)


def id_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


README = ROOT / "README.md"
OTHERS = [
    page
    for page in CONSOLE_PAGES
    if page not in (README, *ELSEWHERE)
    and ROOT / "examples" not in page.parents
    and any(not one.reason for one in commands_of(page))
]


def test_every_command_that_is_not_run_is_listed_with_a_reason():
    texts = [command.text for page in CONSOLE_PAGES for command in commands_of(page)]
    assert [start for start in NOT_RUN if not any(f"{text} ".startswith(start) for text in texts)] == []
    left = {page for page in CONSOLE_PAGES if page not in (README, *ELSEWHERE, *OTHERS)}
    unlisted = [one.text for page in left for one in commands_of(page) if not one.reason and one.text != EXAMPLES]
    assert unlisted == []


@pytest.mark.parametrize("page", ELSEWHERE, ids=id_of)
def test_a_page_that_needs_tools_has_a_test_of_its_own(page):
    assert page in CONSOLE_PAGES
    assert f'"{page.name}"' in (ROOT / "tests" / ELSEWHERE[page]).read_text(encoding="utf-8")


# Pages whose commands take longest, by what other tests cover.
THOROUGH = {"whole-app.md", "move-from-serverless-python-requirements.md"}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.thorough if page.name in THOROUGH else []) for page in OTHERS],
    ids=id_of,
)
def test_commands_of_a_page_succeed_and_print_what_it_shows(page, workshop):
    workshop.write_app()
    workshop.run(page)
    if any(command.fails for command in commands_of(page)):
        workshop.write_app("sortedcontainers\n", "sortedcontainers")
        workshop.run(page, failing=True)


@needs_cdk
def test_the_quickstart_works_as_written(workshop):
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    run_quickstart(workshop)


@needs_cdk
@pytest.mark.thorough
@pytest.mark.needs(CDK)
def test_the_quickstart_works_with_the_cdk_cli(workshop):
    run_quickstart(workshop, real_cdk=True)


def run_quickstart(workshop: Workshop, **options: bool) -> None:
    stack = next(code for page, code in blocks("python") if page == README)
    write_files(workshop.shop, {"stack.py": stack})
    workshop.run(README, **options)
    assert (workshop.shop / "orders" / "pylock.toml").exists()


def python_pages() -> list[Path]:
    """Return the pages with Python samples."""
    return sorted({page for page, _ in samples()})


def samples() -> Iterator[tuple[Path, str]]:
    """Yield the Python blocks of all pages, without the modules of functions, which Lambda would import."""
    for page, code in blocks("python"):
        if code not in [text for path, text in files_of(page).items() if path != "stack.py"]:
            yield page, code


@dataclass
class Sample:
    """Runs the Python samples of a page, each with a CDK app of its own; names of earlier samples remain."""

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)

    def prepare(self, number: int) -> None:
        """Set the names that pages take for granted."""
        import aws_cdk
        from aws_cdk import aws_iam, aws_lambda

        import cdk_lambda_package

        app = aws_cdk.App(outdir=str(self.folder / f"cdk.out.{number}"))
        stack = aws_cdk.Stack(app, f"Sample{number}")
        self.names |= {
            **{name: getattr(cdk_lambda_package, name) for name in cdk_lambda_package.__all__},
            "App": aws_cdk.App,
            "Stack": aws_cdk.Stack,
            "Duration": aws_cdk.Duration,
            "lambda_": aws_lambda,
            "app": app,
            "stack": stack,
            "self": stack,
            "RUNTIME": aws_lambda.Runtime.PYTHON_3_13,
        }
        # The samples of references leave the runtime to the default.
        stack.node.set_context("cdk-lambda-package:runtime", "python3.13")
        role = aws_iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::123456789012:role/function")
        function = cdk_lambda_package.PythonFunction(stack, "Given", entry="orders", runtime=self.names["RUNTIME"])
        self.names |= {"role": role, "function": function}

    def run(self, code: str, title: str) -> None:
        exec(compile(code, title, "exec"), self.names)
        if not any(word in code for word in NOT_SYNTHESIZED):
            self.names["app"].synth()


@pytest.fixture
def sample(workshop, monkeypatch) -> Sample:
    """A directory with the entry directories that samples name; their requirements are pinned by hashes."""
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    (wheel,) = (workshop.root / "wheels").glob("requests-*.whl")
    pinned = f"requests==2.32.5 --hash=sha256:{sha256(wheel)}\n"
    for name in ("orders", "bills", "cleanup", "import", "refunds", "svc"):
        write_files(workshop.shop / name, {"app.py": HANDLER, "requirements.txt": pinned, "README.md": "\n"})
    write_files(
        workshop.shop,
        {
            "api/app.py": f"from chalice import Chalice\n\napp = Chalice(app_name='api')\n\n\n{HANDLER.replace('handler', 'cleanup')}",
            "services/receipts/app.py": f"from shared import money\n\n\n{HANDLER}",
            "services/receipts/requirements.txt": pinned,
            "services/shared/money.py": "",
            "shared/requirements.txt": pinned,
            "services/orders/create.py": HANDLER,
            "orders/assets/logo.svg": "",
            "orders/orders.proto": "",
            "orders/pyproject.toml": "",
        },
    )
    for name in ("PATH", "PIP_NO_INDEX", "PIP_FIND_LINKS", "CDK_LAMBDA_PACKAGE_CACHE_DIR"):
        monkeypatch.setenv(name, workshop.environment[name])
    monkeypatch.chdir(workshop.shop)
    write_files(workshop.root / "locks", {"pylock.toml": LOCK.format(url=wheel.as_uri(), hash=sha256(wheel))})
    return Sample(workshop.root)


@needs_cdk
@pytest.mark.parametrize("page", python_pages(), ids=id_of)
def test_python_samples_of_a_page_run_and_are_synthesized(page, sample, workshop):
    if page.name == "locks.md":
        # Its sample selects a group, which only a lock has.
        shutil.copy(workshop.root / "locks" / "pylock.toml", workshop.shop / "orders")
    write_files(workshop.shop, files_of(page))
    for number, code in enumerate(code for place, code in samples() if place == page):
        sample.prepare(number)
        sample.run(code, page.name)


@needs_cdk
def test_the_context_of_a_page_applies_to_its_functions(sample, workshop):
    import aws_cdk
    from aws_cdk import aws_lambda

    from cdk_lambda_package import PythonFunction

    (context,) = [json.loads(code)["context"] for page, code in blocks("json") if page.name == "platform-defaults.md"]
    app = aws_cdk.App(outdir=str(workshop.root / "cdk.out"), context=context)
    stack = aws_cdk.Stack(app, "Shop")
    write_files(workshop.shop, {"orders/requirements.txt": "requests==2.32.5\n"})
    PythonFunction(stack, "Orders", entry="orders", runtime=aws_lambda.Runtime.PYTHON_3_13)
    with pytest.raises(RuntimeError, match="isn't pinned by a hash|hash"):
        app.synth()


def test_samples_are_of_kinds_that_are_run():
    kinds = {kind for page in PAGES for _, kind, _ in BLOCK.findall(text_of(page))}
    # test_docs_other_languages.py has those that neither this file nor test_docs_plain_blocks.py has.
    assert kinds == {"", "console", "hcl", "json", "python", "toml", "typescript", "yaml"}
    json_pages = {page.name for page, _ in blocks("json")}
    # cdk/test_watch.py watches with that of cdk-watch.md, and test_reference.py validates that of manifest.md.
    assert json_pages == {
        "cdk-watch.md",
        "manifest.md",
        "platform-defaults.md",
        "sbom.md",
        "whole-app.md",
    }
