"""docs/how-to/troubleshoot-lambda-errors.md: each error is produced in Lambda's emulator, and its command reports it before.

An app of `APPS` belongs to the section with its title. `UNPRODUCED` has the errors that no emulator shows, and why.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
from app_corpus import post
from entries import HANDLER, write_files
from local_aws import emulator_command, free_port
from native import compile_library, elf, mach_o
from processes import running, wait_for_port
from test_docs import BLOCK, DOCS, text_of
from test_docs_commands import Command, Workshop, shows, split_block
from this_host import require, require_lambda

from cdk_lambda_package.catalogue import find_rule

PAGE = DOCS / "how-to" / "troubleshoot-lambda-errors.md"
assert PAGE.name == "troubleshoot-lambda-errors.md"
IMPORT = "import {0}\n\n\n" + HANDLER


@dataclass(frozen=True, kw_only=True)
class App:
    """An app with an error. `compiled` writes what only a compiler makes, in place of the files of the same names."""

    files: Mapping[str, str | bytes]
    handler: str = "handler"
    event: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    compiled: Callable[[Path], None] | None = None


def link_to_missing(vendor: Path) -> None:
    """Link a module to a library, which is then taken away."""
    library = compile_library(
        vendor, "int used(void) { return 0; }", "-Wl,-soname,libmysqlclient.so.21", name="libmysqlclient.so.21"
    )
    source = "int used(void); int call(void) { return used(); }"
    compile_library(vendor, source, f"-L{vendor}", "-l:libmysqlclient.so.21", name="_mysql.abi3.so")
    library.unlink()


def link_to_newer_glibc(vendor: Path) -> None:
    """Link a module to a version of glibc that no machine has."""
    stub = vendor / "stub"
    stub.mkdir(parents=True)
    (stub / "versions").write_text("GLIBC_2.99 { newer; };\n")
    options = ("-nostdlib", f"-Wl,--version-script={stub / 'versions'}", "-Wl,-soname,libc.so.6")
    compile_library(stub, "int newer(void) { return 0; }", *options, name="libc.so.6")
    source = "int newer(void); int call(void) { return newer(); }"
    compile_library(vendor, source, "-nostdlib", f"-L{stub}", "-l:libc.so.6", name="fast.abi3.so")
    shutil.rmtree(stub)


# The runtime client, and its requirements.
CLIENT = ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py*")
READ = "from pathlib import Path\n\nPRICES = Path(__file__).with_name('prices.json').read_text()\n\n\n" + HANDLER
# The loader reads more than the head.
MACOS = mach_o() + bytes(4096)
APPS = {
    "Unable to import module 'app'": App(files={"app.py": IMPORT.format("yaml")}),
    "cannot import name": App(files={"app.py": "from collections import Mapping\n\n\n" + HANDLER}),
    "attempted relative import with no known parent package": App(
        files={"app.py": "from .prices import price\n\n\n" + HANDLER, "prices.py": "def price(order): ...\n"}
    ),
    "No module named 'pydantic_core._pydantic_core'": App(
        files={
            "app.py": IMPORT.format("pydantic_core"),
            "vendor/pydantic_core/__init__.py": "from pydantic_core._pydantic_core import SchemaValidator\n",
            "vendor/pydantic_core/_pydantic_core.cpython-313-darwin.so": MACOS,
        }
    ),
    "invalid ELF header": App(
        files={
            "app.py": IMPORT.format("cryptography.hazmat.bindings._rust"),
            **{f"vendor/cryptography/{name}__init__.py": "" for name in ("", "hazmat/", "hazmat/bindings/")},
            "vendor/cryptography/hazmat/bindings/_rust.abi3.so": MACOS,
        }
    ),
    "version 'GLIBC_2.28' not found": App(
        files={
            "app.py": IMPORT.format("fast"),
            "vendor/fast.abi3.so": elf(glibc=("GLIBC_2.38",), needed=("libc.so.6",)),
        },
        compiled=link_to_newer_glibc,
    ),
    "cannot open shared object file": App(
        files={"app.py": IMPORT.format("_mysql"), "vendor/_mysql.abi3.so": elf(needed=("libmysqlclient.so.21",))},
        compiled=link_to_missing,
    ),
    "ELF load command address/offset not properly aligned": App(
        files={"app.py": IMPORT.format("fast"), "vendor/fast.abi3.so": elf(address=0x10) + bytes(4096)}
    ),
    "Exec format error": App(
        files={
            "app.py": "import os\nimport subprocess\n\nTOOL = os.path.join(os.environ['LAMBDA_TASK_ROOT'], 'bin/tool')\n\n\n"
            "def handler(event, context):\n    subprocess.run([TOOL])\n",
            "vendor/bin/tool": mach_o(kind=2),
        }
    ),
    "Runtime.HandlerNotFound": App(files={"app.py": HANDLER}, handler="handlr"),
    "takes 1 positional argument but 2 were given": App(files={"app.py": "def handler(event):\n    return event\n"}),
    "Runtime.MarshalError": App(files={"app.py": "async " + HANDLER}),
    "Runtime.UserCodeSyntaxError": App(
        files={"app.py": "def handler(event, context):\n    name = event['name']\n    return t'Hello {name}'\n"},
    ),
    "KeyError at the import": App(files={"app.py": "import os\n\nTABLE = os.environ['TABLE_NAME']\n\n\n" + HANDLER}),
    "No such file or directory": App(files={"app.py": READ}),
    "PackageNotFoundError: No package metadata was found": App(
        files={
            "app.py": "from importlib.metadata import version\n\nVERSION = version('shop')\n\n\n" + HANDLER,
            "vendor/shop/__init__.py": "",
        }
    ),
    "Runtime.ExitError": App(files={"app.py": "import os\n\nos._exit(1)\n\n\n" + HANDLER}),
    "Task timed out": App(
        files={"app.py": "import time\n\ntime.sleep(30)\n\n\n" + HANDLER},
        variables={"AWS_LAMBDA_FUNCTION_TIMEOUT": "3"},
    ),
    "cannot import name 'DEFAULT_CIPHERS' from 'urllib3.util.ssl_'": App(
        files={
            "app.py": IMPORT.format("botocore.httpsession"),
            "vendor/botocore/__init__.py": "",
            "vendor/botocore/httpsession.py": "from urllib3.util.ssl_ import DEFAULT_CIPHERS\n",
            "vendor/urllib3/__init__.py": "",
            "vendor/urllib3/util/__init__.py": "",
            "vendor/urllib3/util/ssl_.py": "def create_urllib3_context(): ...\n",
        }
    ),
    "Unzipped size must be smaller than 262144000 bytes": App(
        files={"app.py": HANDLER, **{f"chalicelib/{name}.bin": bytes(150_000_000) for name in ("one", "two")}}
    ),
    "RequestEntityTooLargeException": App(
        files={"app.py": HANDLER, "chalicelib/model.bin": random.Random(0).randbytes(53_000_000)}
    ),
}
UNPRODUCED = {
    "Read-only file system": "the emulator runs the package where it is unpacked, and root may write there",
    "Unzipped size must be smaller than 262144000 bytes": "it is an answer of Lambda's own interface, and the emulator has no limit",
    "RequestEntityTooLargeException": "it is an answer of Lambda's own interface",
}
# They need seconds, for hundreds of megabytes.
LARGE = {"Unzipped size must be smaller than 262144000 bytes", "RequestEntityTooLargeException"}


def sections() -> dict[str, str]:
    """Return the text of each section about an error, by its title."""
    _, *parts = re.split(r"^## ", text_of(PAGE), flags=re.M)
    found = dict(part.split("\n", 1) for part in parts)
    return {title: text for title, text in found.items() if not title.startswith("If ")}


def commands_of(title: str) -> Iterator[Command]:
    for _, kind, code in BLOCK.findall(sections()[title]):
        if kind == "console":
            yield from split_block(code)


def quote_of(title: str) -> str:
    """Return what Lambda shows, without what differs from one invocation to another."""
    (line,) = re.findall(r"^> (.+)$", sections()[title], re.M)
    return re.sub(r"^``|``$|^RequestId: \w+ Error: |^\S+Z \w+ ", "", line).removeprefix("[ERROR] ")


def write_app(folder: Path, title: str) -> Path:
    return write_files(folder / "orders", APPS[title].files)


def test_each_section_has_an_app_or_a_reason():
    assert sorted(sections()) == sorted({*APPS, *UNPRODUCED})


def test_each_section_leads_to_a_finding_that_its_command_shows():
    for title, text in sections().items():
        linked = {one for one in re.findall(r"reference/checks/([a-z0-9-]+)\.md", text) if find_rule(one)}
        assert linked, title
        shown = {
            one
            for command in commands_of(title)
            for line in command.output
            for one in re.findall(r"\w\[([\w-]+)\]", line)
        }
        assert shown <= linked, title
        assert shown or title in UNPRODUCED, title
        assert all(f"**{part}**" in text for part in ("Cause.", "Finding.", "Fix.", "If the check was clean.")), title


def parameters(titles) -> list:
    marks = {title: [pytest.mark.thorough] for title in LARGE}
    return [pytest.param(title, marks=marks.get(title, [])) for title in titles]


@pytest.fixture
def shop(tmp_path) -> Workshop:
    return Workshop(tmp_path)


@pytest.mark.parametrize("title", parameters(APPS))
def test_the_command_shows_the_finding(title, shop):
    app = write_app(shop.shop, title)
    for command in commands_of(title):
        done = subprocess.run(
            ["sh", "-c", command.text], cwd=app.parent, env=shop.environment, capture_output=True, text=True
        )
        assert done.returncode == command.status, done.stdout + done.stderr
        assert shows(command.output, done.stdout.splitlines()), done.stdout


# An invocation takes seconds.
@pytest.mark.thorough
@pytest.mark.parametrize("title", [title for title in APPS if title not in UNPRODUCED])
def test_lambda_shows_the_error(title, tmp_path):
    require_lambda()
    app = APPS[title]
    entry = write_app(tmp_path, title)
    # `vendor/` is at the top level of a package.
    task = tmp_path / "task"
    shutil.copytree(entry, task, ignore=shutil.ignore_patterns("vendor"))
    if (entry / "vendor").exists():
        shutil.copytree(entry / "vendor", task, dirs_exist_ok=True)
    if app.compiled is not None:
        require("gcc")
        app.compiled(task)
    for program in task.glob("bin/*"):
        program.chmod(0o755)
    assert quote_of(title) in as_on_lambda(ask(task, app, tmp_path), task)


def ask(task: Path, app: App, folder: Path) -> str:
    """Return the emulator's answer and its log, with a Python that has nothing but the package and the runtime client."""
    client = folder / "client"
    client.mkdir()
    for name in CLIENT:
        for found in Path(find_spec("awslambdaric").origin).parents[1].glob(name):
            (client / found.name).symlink_to(found)
    port = free_port()
    command = emulator_command(f"app.{app.handler}", sys.executable, "-S", port=port)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    path = os.pathsep.join(map(str, [task, client]))
    variables = {"LAMBDA_TASK_ROOT": str(task), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **app.variables}
    log = folder / "log"
    with running(command, log=log, environment={**kept, **variables}, cwd=task) as process:
        wait_for_port(port, process, log)
        text = post(port, json.dumps(app.event))
    return f"{text}\n{log.read_text(errors='replace')}"


def as_on_lambda(text: str, task: Path) -> str:
    """Return a message with Lambda's paths, and the version of glibc that the page names."""
    text = text.replace(str(task), "/var/task").replace("GLIBC_2.99", "GLIBC_2.28")
    # Newer releases of glibc say it so.
    text = text.replace("not page-aligned", "not properly aligned")
    return re.sub(r"/\S+/libc\.so\.6", "/lib64/libc.so.6", text)
