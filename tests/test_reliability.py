"""A few of the cases of `make reliability`: builds that are disturbed end right or with an error message, and leave nothing."""

import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from entries import write_files
from index_server import serve_index
from wheel_factory import build_wheel

pytest.importorskip("fcntl")
from reliability import clearing, flips, io_faults, kills, races, ways
from reliability.canary import TOKEN, find_token, watching_command_lines
from reliability.outcomes import Case, Outcome, WrongError, run_case
from reliability.scene import RUNTIME, Disturbance, make_scene
from reliability.table import make_table, write_table

# Command lines of the whole host are watched, and one of these tests has the token in one on purpose.
one_after_the_other = pytest.mark.xdist_group("command-lines")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with make_scene(tmp_path_factory.mktemp("reliability") / "wheels") as made:
        yield made


def assert_right(cases):
    results = [run_case(case) for case in cases]
    assert results
    assert [result.reason for result in results if result.outcome is Outcome.WRONG] == []


def test_after_a_build_was_killed_nothing_is_left_and_the_next_one_succeeds(scene):
    assert_right(kills.cases(scene, scene, 2))


def test_a_failing_call_of_a_build_after_an_edit_is_an_error_message_or_made_up_for(scene):
    assert_right(io_faults.edit_cases(scene, 4))


def test_a_failing_call_of_a_build_that_splices_is_an_error_message_or_made_up_for(scene):
    assert_right(io_faults.splice_cases(scene, 4))


def test_a_failing_call_of_a_cold_build_is_an_error_message_or_made_up_for(scene):
    assert_right(io_faults.cold_cases(scene, 2))


def test_damaged_files_in_the_store_are_made_again(scene):
    assert_right(flips.cases(scene, scene, 5))


def test_processes_that_build_at_once_ask_for_each_file_once(tmp_path):
    assert_right(races.cases(tmp_path, short=True))


def test_builds_in_a_store_that_is_cleared_do_not_notice(scene):
    assert_right(clearing.cases(scene, 1))


@one_after_the_other
def test_the_token_of_an_index_is_found_nowhere(scene):
    assert_right(ways.cases(scene, scene, short=True))


# The harness itself: it would notice


def test_a_disturbed_call_is_the_one_that_was_chosen(scene):
    with scene.warm() as place:
        calls = place.build(Disturbance(at=0, action="")).note["calls"]
        assert calls > 20
        failed = place.build(Disturbance(at=1, action="EIO"))
        assert failed.note["disturbed"]
        assert place.build(Disturbance(at=2, action="SIGKILL")).status == -signal.SIGKILL


def test_a_build_in_a_fork_does_what_a_process_of_the_command_line_does(scene):
    with scene.warm() as place:
        command = [sys.executable, "-m", "cdk_lambda_package", "build", place.entry, "--runtime", RUNTIME]
        done = subprocess.run(
            [*command, "-o", place.output], env=place.environment, cwd=place.root, capture_output=True, text=True
        )
        content = place.output.read_bytes()
        build = place.build()
        assert (build.status, sorted(build.said.splitlines())) == (
            done.returncode,
            sorted((done.stdout + done.stderr).splitlines()),
        )
        assert place.output.read_bytes() == content


def test_a_package_with_other_content_is_wrong(scene):
    with scene.warm() as place:
        place.expect_right(place.build())
        with zipfile.ZipFile(place.output, "a") as archive:
            archive.writestr("more.py", "")
        with pytest.raises(WrongError, match=r"other content: \['more.py'\]"):
            place.expect_whole(place.output)
        place.output.write_bytes(place.output.read_bytes()[:-30])
        with pytest.raises(WrongError, match="damaged"):
            place.expect_whole(place.output)


def test_a_build_that_fails_without_a_message_is_wrong(scene):
    with scene.warm() as place:
        write_files(place.entry, {"requirements.txt": "unknown-name\n"})
        build = place.build()
        assert place.expect_right_or_message(build) is Outcome.MESSAGE
        with pytest.raises(WrongError, match="failed, status 1"):
            place.expect_right(build)
        write_files(place.entry, {"requirements.txt": (place.scene.app / "requirements.txt").read_text()})


def test_a_token_in_a_file_a_name_or_a_member_is_found(tmp_path):
    write_files(tmp_path, {"a/plain": TOKEN, f"b/{TOKEN}": "", "c": "nothing", "d": "dXNlcjpjNG5hcnktMGYtdGhlLWluZGV4"})
    build_wheel(tmp_path / "e", "demo", files={"demo.py": TOKEN})
    found = {path.removeprefix(f"{tmp_path}/").partition("/")[0] for path in find_token(tmp_path)}
    assert found == {"a", "b", "d", "e"}


@one_after_the_other
@pytest.mark.needs("Linux")
def test_a_token_in_a_command_line_is_seen_and_a_child_too(scene):
    with watching_command_lines() as seen, scene.warm() as place:
        code = "import time; time.sleep(30)"
        child = subprocess.Popen([sys.executable, "-c", code, TOKEN], env=place.environment)
        time.sleep(0.3)
        assert place.running_processes().keys() == {child.pid}
        child.kill()
        child.wait()
        place.expect_childless()
    assert any(code in line for line in seen)


def test_what_is_left_outside_the_store_is_wrong(scene):
    with scene.cold() as place:
        place.expect_tidy()
        write_files(place.output.parent, {".package.zip-0.tmp": "half"})
        place.expect_tidy(killed=True)
        with pytest.raises(WrongError, match="package.zip-0"):
            place.expect_tidy()
        write_files(place.temporary, {"left": ""})
        with pytest.raises(WrongError, match="left"):
            place.expect_tidy(killed=True)


def test_the_index_offers_the_metadata_of_wheels_alone(tmp_path):
    import urllib.request

    wheel = build_wheel(tmp_path, "demo")
    with serve_index(tmp_path) as index:
        index.metadata = True
        with urllib.request.urlopen(f"{index.url()}/demo/") as page:
            assert b"data-core-metadata" in page.read()
        with urllib.request.urlopen(f"http://{index.host}/files/{wheel.name}.metadata") as answer:
            assert answer.read().startswith(b"Metadata-Version")


def test_the_table_counts_outcomes_by_disturbance(tmp_path):
    def fail() -> Outcome:
        raise WrongError("because")

    runs = [("a", lambda: Outcome.RIGHT), ("a", fail), ("b", lambda: Outcome.MESSAGE)]
    results = [run_case(Case(subject="x", number=0, row=row, run=run)) for row, run in runs]
    assert results[1].reason == "because"
    table = make_table(results)
    assert [line for line in table.splitlines() if line.startswith(("| a ", "| b ", "| all"))] == [
        "| a | 2 | 1 | 0 | 1 |",
        "| b | 1 | 0 | 1 | 0 |",
        "| all | 3 | 1 | 1 | 1 |",
    ]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- reliability: begin -->\nold\n<!-- reliability: end -->\nafter\n")
    for _ in range(2):
        write_table(results, page)
    assert page.read_text() == f"before\n<!-- reliability: begin -->\n{table}<!-- reliability: end -->\nafter\n"
    page.write_text(os.devnull)
    with pytest.raises(ValueError, match="two markers"):
        write_table(results, page)
