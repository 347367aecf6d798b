"""Displays of the progress, in real terminals and pipes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from record_terminal import run_in_terminal

pytestmark = pytest.mark.needs("process groups")

# Two steps, of which the first is told about three packages.
STEPS = """
import sys, time
from cdk_lambda_package.displays import plain_lines, terminal_line

with {display}() as progress, progress.about("orders (python3.13, arm64)"):
    with progress.step("resolving requirements", unit="packages") as step:
        for name in ("pandas", "numpy", "six"):
            step.update(name)
            time.sleep({seconds})
    {between}
    with progress.step("checking", total=2, unit="wheels") as step:
        step.expect({{"a.whl": 1_000_000, "b.whl": 3_000_000}})
        step.transfer("b.whl", 3_000_000, 3_000_000)
        time.sleep({seconds})
{after}
print("done")
"""
FIRST_LINE = re.compile(
    r"cdk-lambda-package: orders \(python3\.13, arm64\): resolving requirements, 3 packages so far: six \(\d s\)\n"
)


def variables(**changes: str) -> dict[str, str]:
    left_out = {"CI", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | changes


def command(display: str = "terminal_line", *, seconds: float = 0.3, between: str = "", after: str = "") -> list[str]:
    return [sys.executable, "-c", STEPS.format(display=display, seconds=seconds, between=between, after=after)]


def piped(argv: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, env=variables(), timeout=60, **options)


def test_a_terminal_shows_the_step_and_is_empty_at_the_end():
    seen = run_in_terminal(command(), environment=variables(), cwd=Path.cwd())
    assert seen.status == 0
    assert seen.shown("orders (python3.13, arm64): resolving requirements, 3 packages so far: six (0 s)")
    assert seen.shown("━━━ orders (python3.13, arm64): checking 1 of 2 wheels, 3.0 of 4.0 MB: b.whl (0 s)")
    assert seen.last == "done"
    # The cursor is shown again.
    assert seen.raw.rindex(b"\x1b[?25h") > seen.raw.rindex(b"\x1b[?25l")


def test_a_narrow_terminal_has_one_line_of_it():
    seen = run_in_terminal(command(), environment=variables(), cwd=Path.cwd(), columns=40)
    assert seen.shown("orders (python3.13, arm64): resolv")
    assert all(sum(map(bool, frame.lines)) <= 1 for frame in seen.frames)
    assert seen.last == "done"


def test_an_exception_in_a_step_removes_the_line_too():
    argv = command(between="raise SystemExit('error: it failed')")
    seen = run_in_terminal(argv, environment=variables(), cwd=Path.cwd())
    assert seen.status == 1
    assert seen.shown("resolving requirements")
    assert seen.last == "error: it failed"


@pytest.mark.parametrize("colours", [True, False])
def test_no_color_turns_colours_off(colours):
    environment = variables() if colours else variables(NO_COLOR="1")
    raw = run_in_terminal(command(), environment=environment, cwd=Path.cwd()).raw
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", raw)) == colours


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}])
def test_a_terminal_that_moves_no_cursor_and_that_of_a_job_get_plain_lines(environment):
    seen = run_in_terminal(command(seconds=0.8), environment=variables(**environment), cwd=Path.cwd())
    assert b"\x1b" not in seen.raw
    first, last = seen.last.splitlines()
    assert FIRST_LINE.fullmatch(f"{first}\n")
    assert last == "done"


def test_the_command_line_is_quiet_without_a_terminal():
    done = piped(command(seconds=0.8))
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_stdout_never_has_the_display():
    seen = run_in_terminal(command(), environment=variables(), cwd=Path.cwd(), separate=True)
    assert seen.shown("checking 1 of 2 wheels")
    assert seen.stdout == b"done\n"


def test_plain_lines_begin_after_two_seconds_and_have_no_escape_codes():
    done = piped(command("plain_lines", seconds=0.8))
    assert done.stdout == "done\n"
    assert FIRST_LINE.fullmatch(done.stderr)


def test_what_is_done_sooner_has_no_plain_line():
    assert piped(command("plain_lines", seconds=0.1)).stderr == ""


def test_plain_lines_do_not_import_rich():
    done = piped(command("plain_lines", seconds=0.1, after="print('rich' in sys.modules)"))
    assert done.stdout == "False\ndone\n"


@pytest.mark.parametrize("display", ["terminal_line", "plain_lines"])
def test_a_closed_stderr_changes_nothing(display):
    argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(display, seconds=0.8)]
    done = piped(argv)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_stderr_that_is_read_by_no_process_any_more_changes_nothing():
    argv = command("plain_lines", seconds=0.8)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables(), text=True) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout is not None
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0


def test_without_rich_a_terminal_gets_plain_lines():
    missing = "import importlib.util as u; found = u.find_spec; u.find_spec = lambda name, *a: None if name == 'rich' else found(name, *a)"
    argv = [sys.executable, "-c", f"{missing}\n{command(seconds=0.1)[-1]}"]
    raw = run_in_terminal(argv, environment=variables(), cwd=Path.cwd()).raw
    assert b"\x1b[" not in raw
