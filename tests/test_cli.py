"""The command line: what it prints where, and its exit status."""

import contextlib
import gc
import io
import json
import os
import subprocess
import sys

import pytest
from entries import HANDLER, names_in, write_files
from offline import OFFLINE_NAMES, RUNTIME, run_cli, write_offline_entry
from record_terminal import run_in_terminal

from cdk_lambda_package.cli import main


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER, "chalicelib/größe.txt": "ü"})


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command line on a store of the test's own; returns the exit status, stdout and stderr."""

    def run(*argv):
        status = main([*map(str, argv), "--cache-dir", str(tmp_path / "cache")])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_build_writes_the_package_and_says_so(run, entry, tmp_path):
    output = tmp_path / "x.zip"
    told = run("build", entry, "--runtime", RUNTIME, "-o", output)
    assert told == (0, f"{output}: 2 files, 48 bytes unzipped, for python3.13 x86_64\n", "")
    assert names_in(output) == ["app.py", "chalicelib/größe.txt"]


def test_build_tells_programs_in_json(run, entry, tmp_path):
    output = tmp_path / "x.zip"
    argv = ["build", entry, "--runtime", RUNTIME, "--architecture", "arm64", "-o", output, "--format", "json"]
    status, out, _ = run(*argv)
    described = json.loads(out)
    assert status == 0
    assert len(described.pop("package_key")) == len(described.pop("content_digest")) == 64
    assert described == {
        "path": str(output),
        "handler": "app.handler",
        "runtime": "python3.13",
        "architecture": "arm64",
        "files": 2,
        "size": 48,
        "bytecode_size": 0,
        "findings": [],
    }


@pytest.mark.parametrize("slash", ["/", ""], ids=["slash", "a directory that exists"])
def test_build_unpacks_into_a_directory(run, entry, tmp_path, slash):
    if not slash:
        (tmp_path / "x").mkdir()
    assert run("build", entry, "--runtime", RUNTIME, "-o", f"{tmp_path}/x{slash}")[0] == 0
    assert (tmp_path / "x" / "app.py").read_text() == HANDLER


def test_build_with_the_output_among_the_inputs_is_refused(run, entry):
    for output, options in (("chalicelib/x.zip", []), ("vendor/", []), ("x.zip", ["--include", "**"])):
        status, _, err = run("build", entry, "--runtime", RUNTIME, "-o", f"{entry}/{output}", *options)
        assert status == 1
        assert "is among the files that are packaged" in err
    assert run("build", entry, "--runtime", RUNTIME, "-o", f"{entry}/x.zip")[0] == 0


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["build", "nowhere", "--runtime", RUNTIME, "-o", "x.zip"], "doesn't exist"),
        (["build", "{entry}", "--runtime", RUNTIME, "-o", "{entry}/../file/x.zip"], "can't be written"),
        (
            ["build", "{entry}", "--runtime", RUNTIME, "-o", "x.zip", "--manifest", "file/where.json"],
            "can't be written",
        ),
        (["build", "{entry}", "--runtime", RUNTIME, "-o", "x.zip", "--index", "main.py"], "doesn't exist"),
        (["build", "{entry}", "--runtime", RUNTIME, "-o", "x.zip", "--requirements", "r.txt"], "requirements '"),
        (["ls", "{entry}/app.py", "--runtime", RUNTIME], "is a file"),
        (["ls", "nowhere", "--runtime", RUNTIME], "doesn't exist"),
    ],
)
def test_what_is_wrong_with_the_input_is_exit_status_1_and_a_line_on_stderr(
    run, entry, tmp_path, monkeypatch, argv, text
):
    monkeypatch.chdir(write_files(tmp_path, {"file": ""}))
    status, out, err = run(*(part.format(entry=entry) for part in argv))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert text in err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["build"],
        ["build", "svc", "-o", "x.zip"],
        ["build", "svc", "--runtime", RUNTIME],
        ["build", "svc", "--runtime", RUNTIME, "-o", "x.zip", "--chalice", "thin"],
        ["build", "svc", "--runtime", RUNTIME, "-o", "x.zip", "--max-lock-age", "long"],
        ["build", "svc", "--runtime", RUNTIME, "-o", "x.zip", "--max-lock-age", "inf"],
        ["build", "svc", "--runtime", "python2.7", "-o", "x.zip"],
        ["check", "svc", "--runtime", "nonsense"],
        ["lock", "svc", "--runtime", RUNTIME, "--architecture", "riscv"],
        ["cache"],
        ["cache", "burn"],
        ["unknown"],
    ],
    ids=" ".join,
)
def test_misuse_is_exit_status_2_and_the_usage_on_stderr(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: cdk-lambda-package")


def test_a_runtime_that_isnt_accepted_is_named_after_the_usage(capsys):
    with pytest.raises(SystemExit):
        main(["build", "svc", "--runtime", "python2.7", "-o", "x.zip"])
    assert "cdk-lambda-package build: error: runtime 'python2.7' is not a Python runtime" in capsys.readouterr().err


def test_an_error_that_leaves_no_package_ends_with_its_id(run, tmp_path):
    assert run("ls", "nowhere", "--runtime", RUNTIME)[2].endswith(" [entry-not-usable]\n")
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER, "requirements.txt": "flask=>2\n"})
    assert run("ls", entry, "--runtime", RUNTIME)[2].endswith("write 'flask>=2'. [requirements-not-resolved]\n")
    assert run("ls", entry, "--runtime", RUNTIME, "--acknowledge", "no-such-id")[2].count("[") == 0


def test_one_file_is_counted_in_the_singular(run, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    assert ": 1 file, " in run("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip")[1]


def test_ls_shows_the_package_of_a_directory(run, entry):
    status, out, err = run("ls", entry, "--runtime", RUNTIME)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "          46  0644  app  app.py",
        "           2  0644  app  chalicelib/größe.txt",
        "          48  2 files",
    ]


def test_ls_says_which_distribution_a_file_is_of(tmp_path):
    entry, cache = write_offline_entry(tmp_path / "svc"), tmp_path / "cache"
    assert run_cli("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", cache=cache).returncode == 0
    done = run_cli("ls", entry, "--runtime", RUNTIME, "--format", "json", cache=cache, guarded=True)
    assert done.returncode == 0, done.stderr
    rows = {row["path"]: row for row in json.loads(done.stdout)}
    assert sorted(rows) == OFFLINE_NAMES
    expected = {"path": "beta.py", "size": 12000, "mode": "0644", "owner": "beta==1.0", "layer": False}
    assert rows["beta.py"] == expected
    assert rows["app.py"]["owner"] == "app"


def test_ls_shows_the_layer_of_the_dependencies(run, entry):
    write_files(entry, {"vendor/own.py": "A = 1\n"})
    place = f"python/lib/{RUNTIME}/site-packages/own.py"
    assert run("ls", entry, "--runtime", RUNTIME, "--dependencies=layer")[1].splitlines() == [
        "          46  0644  app     app.py",
        "           2  0644  app     chalicelib/größe.txt",
        "          48  2 files",
        "",
        "In the layer of its dependencies:",
        f"           6  0644  vendor  {place}",
        "           6  1 file",
    ]
    rows = json.loads(run("ls", entry, "--runtime", RUNTIME, "--dependencies=layer", "--format=json")[1])
    assert [row["path"] for row in rows if row["layer"]] == [place]


def test_a_layer_of_libraries_alone_is_shown_and_checked(run, tmp_path):
    entry = write_files(tmp_path / "libs", {"vendor/own.py": "import nowhere\n"})
    assert run("ls", entry, "--runtime", RUNTIME, "--layer")[1].splitlines()[0].endswith("site-packages/own.py")
    assert run("ls", entry, "--runtime", RUNTIME)[0] == 1
    assert "entry-not-usable" not in run("check", entry, "--runtime", RUNTIME, "--layer")[1]
    assert "entry-not-usable" in run("check", entry, "--runtime", RUNTIME)[1]


def test_cache_info_and_clear(run, entry, tmp_path):
    assert run("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip")[0] == 0
    status, out, _ = run("cache", "info", "--format", "json")
    told = json.loads(out)
    assert status == 0
    assert told["directory"] == str(tmp_path / "cache")
    assert told["kinds"]["segments"]["files"] >= 1
    assert told["kinds"]["segments"]["bytes"] > 0
    status, out, _ = run("cache", "info")
    assert out.splitlines()[0] == str(tmp_path / "cache")
    assert any(line.split()[0] == "segments" for line in out.splitlines()[1:])
    # What this process used, it uses until the objects are gone.
    gc.collect()
    assert run("cache", "clear") == (0, f"{tmp_path / 'cache'}\n", "")
    assert json.loads(run("cache", "info", "--format", "json")[1])["kinds"] == {}


def test_findings_are_warnings_on_stderr_and_stdout_stays_clean(run, entry, tmp_path):
    (entry / "chalicelib" / "link.txt").symlink_to("größe.txt")
    argv = ["build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", "--follow-symlinks", "never"]
    status, out, err = run(*argv, "--format", "json")
    assert status == 0
    assert err.startswith("warning: chalicelib/link.txt is a symbolic link")
    assert err.endswith("[symlink-left-out]\n")
    assert [finding["id"] for finding in json.loads(out)["findings"]] == ["symlink-left-out"]
    assert run(*argv, "--acknowledge", "symlink-left-out")[2] == ""


def test_options_are_those_of_the_request(run, entry, tmp_path):
    write_files(entry, {"api/main.py": HANDLER, "assets/a.json": "{}", "assets/b.txt": "x"})
    argv = ["--index", "api/main.py", "--include", "assets/**", "--exclude", "*.json", "--exclude", "größe.txt"]
    assert run("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", *argv)[0] == 0
    assert names_in(tmp_path / "x.zip") == ["api/main.py", "assets/b.txt"]


def test_names_beyond_the_terminals_encoding_are_still_listed(entry, tmp_path):
    done = run_cli(
        "ls", entry, "--runtime", RUNTIME, cache=tmp_path / "cache", environment={"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0, done.stderr
    assert "chalicelib/gr" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_traceback(entry, tmp_path):
    import subprocess
    import sys

    from offline import MAIN, cli_environment

    write_files(entry, {f"chalicelib/{index}.txt": "" for index in range(3000)})
    argv = [sys.executable, "-c", MAIN, "ls", str(entry), "--runtime", RUNTIME]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            argv, stdout=closed, stderr=subprocess.PIPE, env=cli_environment(tmp_path / "cache"), check=False
        )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_the_manifest_doesnt_take_the_packages_place(run, entry, tmp_path):
    for manifest, fault in ((tmp_path / "x.zip", "are the same file"), (tmp_path, "a directory")):
        status, _, err = run("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", "--manifest", manifest)
        assert status == 1
        assert fault in err
        assert not (tmp_path / "x.zip").exists()


@pytest.mark.needs("/proc")
def test_ctrl_c_is_a_status_and_no_traceback(entry, tmp_path):
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
    # The command's parent is its supervisor, and that one's is the build.
    command = "sh -c 'kill -INT $(cut -d\" \" -f4 /proc/$PPID/stat); sleep 10'"
    done = subprocess.run(
        [sys.executable, "-c", f"from cdk_lambda_package.cli import main; {code}", "build", str(entry), "--runtime", RUNTIME,
         "-o", str(tmp_path / "x.zip"), "--cache-dir", str(tmp_path / "cache"), "--before-packaging", command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert not (tmp_path / "x.zip").exists()


def test_what_the_system_refuses_is_a_line_on_stderr(run):
    status, _, err = run("ls", "x" * 300, "--runtime", RUNTIME)
    assert status == 1
    assert err.startswith("error: ") and len(err.splitlines()) == 1


@pytest.mark.needs("process groups")
def test_a_terminal_shows_the_current_step_and_a_pipe_nothing(entry, tmp_path):
    argv = [sys.executable, "-m", "cdk_lambda_package", "check", str(entry), "--runtime", RUNTIME]
    argv += ["--before-packaging", f"{sys.executable} -c 'import time; time.sleep(1.5)'"]
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "TERM")}
    environment["CDK_LAMBDA_PACKAGE_CACHE_DIR"] = str(tmp_path / "cache")
    seen = run_in_terminal(argv, environment=environment, cwd=tmp_path, separate=True)
    assert seen.shown(f"svc ({RUNTIME}, x86_64): running before_packaging (1 s)")
    assert (seen.status, seen.last) == (0, "")
    again = subprocess.run([*argv, "--before-packaging", "echo"], capture_output=True, env=environment, check=False)
    assert (again.returncode, again.stderr) == (0, b"")


def test_a_stream_that_is_collected_after_the_other_was_closed_says_nothing():
    from cdk_lambda_package.streams import forgiving_streams

    kept = io.StringIO()
    with contextlib.redirect_stdout(kept), forgiving_streams():
        forgiving = sys.stdout
        print("told")
    assert kept.getvalue() == "told\n"
    kept.close()
    # As Python does when it is collected.
    forgiving.flush()
