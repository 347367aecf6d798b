"""`make demo`, as it is and where a step really fails: its status says so, and nothing that it started is left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_aws import ROOT
from this_host import CDK, require, require_lambda

pytestmark = pytest.mark.deploy

# In a network of its own, with two ports to choose from, which are taken: nothing else can listen there.
WITHOUT_PORTS = """
import os, pathlib, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40001")
for port in (40000, 40001):
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen()
    os.set_inheritable(taken.detach(), True)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Demo:
    """A copy of what the demo deploys, to be broken; `environment` marks whatever it starts."""

    folder: Path
    environment: dict[str, str]

    def break_(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert old in text
        (self.folder / path).write_text(text.replace(old, new))

    def start(self, *before: str) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "examples/demo.py"]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *before: str, status: int = 0) -> str:
        """Run it, see that it ends with that status and leaves nothing behind, and return what it said last."""
        process = self.start(*before)
        stdout, stderr = process.communicate()
        assert process.returncode == status, stderr
        self.see_that_nothing_is_left()
        return stderr if status else stdout

    def fail(self, *before: str) -> str:
        return self.run(*before, status=1)

    def running(self) -> dict[int, str]:
        """Return the commands of the processes that have the mark in their environment, by their ids."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.environment["DEMO_OF"].encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text()
        return found

    def see_that_nothing_is_left(self) -> None:
        # The children of what was stopped are told so at the same time, and nobody waits for them.
        deadline = time.monotonic() + 20
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.running() == {}
        assert list(Path(self.environment["TMPDIR"]).glob("cdk-lambda-package-demo-*")) == []


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    require("Linux", CDK)
    folder = tmp_path / "checkout"
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples" / "document", folder / "examples" / "document", ignore=unwanted)
    for name in ("cdk.json", "examples/demo.py", "examples/host.py", "examples/local_aws.py", "examples/processes.py"):
        shutil.copy(ROOT / name, folder / name)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    demo = Demo(folder, {**os.environ, "DEMO_OF": str(tmp_path), "TMPDIR": str(temporary)})
    yield demo
    for process in demo.running():
        os.kill(process, signal.SIGKILL)


@pytest.mark.thorough
def test_it_shows_the_package_that_arrived_and_the_answer_of_its_handler(demo):
    require_lambda()
    said = demo.run()
    assert re.search(r"^ +[\d,]+  app.py$", said, re.MULTILINE)
    assert re.search(r"^ +sortedcontainers-1.5.4.dist-info/$", said, re.MULTILINE)
    assert '"greeting": "Hello, Lambda!"' in said
    assert said.splitlines()[-1].endswith("All of it")


def test_it_says_what_it_does_from_its_first_second(demo):
    process, start = demo.start(), time.monotonic()
    assert process.stdout is not None
    assert "It takes about a minute" in process.stdout.readline()
    # The interpreter's own start on a busy machine is no part of the second.
    assert time.monotonic() - start < 5
    assert re.fullmatch(r" +start a local AWS: .* …\n", process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate()
    demo.see_that_nothing_is_left()


def test_a_bootstrap_that_fails_is_a_failure(demo):
    (demo.folder / "cdk.json").write_text("{")
    assert "cdk bootstrap" in demo.fail()


@pytest.mark.thorough
def test_a_deployment_that_fails_is_a_failure(demo):
    demo.break_("examples/document/stack.py", "import App,", "import App, DefaultStackSynthesizer,")
    synthesizer = 'DefaultStackSynthesizer(qualifier="elsewhere")'
    demo.break_("examples/document/stack.py", "App()", f"App(default_stack_synthesizer={synthesizer})")
    said = demo.fail()
    assert "cdk deploy DocumentExample" in said
    assert "/cdk-bootstrap/elsewhere/version" in said


@pytest.mark.thorough
def test_a_handler_that_raises_is_a_failure(demo):
    require_lambda()
    demo.break_("examples/document/app/vendor/internalpackage/__init__.py", "return f", "raise LookupError(name)  #")
    said = demo.fail()
    assert "The handler failed" in said
    assert "LookupError" in said


@pytest.mark.thorough
def test_a_wrong_answer_is_a_failure(demo):
    require_lambda()
    demo.break_("examples/document/app/vendor/internalpackage/__init__.py", "Hello", "Goodbye")
    assert '{"greeting": "Hello, Lambda!"' in demo.fail()


@pytest.mark.needs("ip", "network namespaces")
def test_ports_that_are_all_taken_are_a_failure(demo):
    before = ("unshare", "-rn", sys.executable, "-c", WITHOUT_PORTS)
    assert "Address already in use" in demo.fail(*before)


@pytest.mark.thorough
def test_who_stops_it_in_the_middle_of_a_step_leaves_nothing_running(demo):
    process = demo.start()
    assert process.stdout is not None
    while "s  cdk bootstrap" not in process.stdout.readline():
        assert process.poll() is None
    while not any("stack.py" in command for command in demo.running().values()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 1
    assert "Told to stop" in stderr
    demo.see_that_nothing_is_left()
