"""The same inputs, the same bytes: whatever the machine, the user, the day and the state of the cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from entries import names_in, sha256, snapshot, write_files
from offline import OFFLINE_NAMES, RUNTIME, build, cli_environment, run_cli
from this_host import require_python

# What this entry's package needs at run time; the constructs aren't asked.
CORE = (
    "packaging",
    "pathspec",
    "platformdirs",
    "deflate",
    "msgspec",
    "pip",
    "ruff",
    "tree-sitter",
    "tree-sitter-python",
    "stdlib-list",
)


@pytest.fixture(scope="module")
def warm(offline_cache, offline_digest, tmp_path_factory):
    """A cache directory that knows the entry's package after the first build."""
    return Path(shutil.copytree(offline_cache, tmp_path_factory.mktemp("warm") / "cache"))


def test_a_cold_and_a_warm_cache_give_the_same_bytes(offline_entry, offline_digest, warm, tmp_path):
    assert sha256(build(offline_entry, tmp_path / "warm.zip", warm)) == offline_digest
    assert sha256(build(offline_entry, tmp_path / "cold.zip", tmp_path / "cache")) == offline_digest


@pytest.mark.needs("file modes")
@pytest.mark.parametrize(
    ("seed", "environment", "umask"),
    [
        (0, {"TZ": "UTC"}, 0o077),
        (1, {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"}, 0o022),
        (2, {"TZ": "America/St_Johns", "LC_ALL": "POSIX"}, 0o000),
        (3, {"LC_ALL": "tr_TR.UTF-8"}, 0o027),
        (4, {"LANG": "C.UTF-8", "COLUMNS": "20"}, 0o022),
        (5, {"PYTHONUTF8": "0", "LC_ALL": "en_US.ISO-8859-1"}, 0o007),
    ],
)
def test_hash_seed_time_zone_locale_and_umask_change_nothing(
    offline_entry, offline_digest, tmp_path, seed, environment, umask
):
    environment = {"PYTHONHASHSEED": str(seed), **environment}
    archive = build(offline_entry, tmp_path / "x.zip", tmp_path / "cache", environment=environment, umask=umask)
    assert sha256(archive) == offline_digest


@pytest.mark.needs("file modes")
def test_modes_times_and_the_checkouts_path_change_nothing(offline_entry, offline_digest, tmp_path):
    checkout = tmp_path / "another place" / "größe"
    shutil.copytree(offline_entry, checkout)
    for path in checkout.rglob("*"):
        if path.is_file():
            path.chmod(0o777 if path.suffix == ".py" else 0o600)
        os.utime(path, (10**9, 10**9))
    assert sha256(build(checkout, tmp_path / "x.zip", tmp_path / "cache")) == offline_digest


def test_the_order_in_which_files_were_made_changes_nothing(offline_entry, offline_digest, tmp_path):
    checkout = tmp_path / "svc"
    for path in sorted((path for path in offline_entry.rglob("*") if path.is_file()), reverse=True):
        write_files(checkout, {str(path.relative_to(offline_entry)): path.read_bytes()})
    assert sha256(build(checkout, tmp_path / "x.zip", tmp_path / "cache")) == offline_digest


def test_a_relative_entry_changes_nothing(offline_entry, offline_digest, tmp_path):
    done = run_cli(
        "build",
        offline_entry.name,
        "--runtime",
        RUNTIME,
        "-o",
        tmp_path / "x.zip",
        cache=tmp_path / "cache",
        cwd=offline_entry.parent,
    )
    assert done.returncode == 0, done.stderr
    assert sha256(tmp_path / "x.zip") == offline_digest


@pytest.fixture(scope="session")
def make_python(shared_cache):
    """Makes a virtual environment with the core's dependencies, once for all workers, and returns its interpreter."""

    def make(name: str) -> str:
        home = shared_cache.parent / f"venv-{name}"
        if not home.exists():
            fresh = home.with_name(f"{home.name}-{os.getpid()}")
            subprocess.run([require_python(name), "-m", "venv", "--without-pip", fresh], check=True)
            install = [
                sys.executable,
                "-m",
                "pip",
                f"--python={fresh}",
                "install",
                "--quiet",
                "--no-deps",
                "--no-compile",
            ]
            # The versions of this environment, which may be newer than what a frozen index has.
            environment = {name: value for name, value in os.environ.items() if name != "PIP_UPLOADED_PRIOR_TO"}
            subprocess.run([*install, "--disable-pip-version-check", *pins()], check=True, env=environment)
            if home.exists():
                shutil.rmtree(fresh)
            else:
                fresh.rename(home)
        return str(home / "bin" / "python")

    return make


def pins() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in CORE]


@pytest.mark.network
@pytest.mark.parametrize(
    "name",
    ["python3.12", *(pytest.param(f"python3.{minor}", marks=pytest.mark.thorough) for minor in (11, 13, 14))],
)
def test_the_hosts_python_changes_nothing(offline_entry, offline_digest, tmp_path, make_python, name):
    python = make_python(name)
    assert sha256(build(offline_entry, tmp_path / "x.zip", tmp_path / "cache", python=python)) == offline_digest


def test_zlib_ng_in_zlibs_place_changes_nothing(offline_entry, offline_digest, tmp_path):
    pytest.importorskip("zlib_ng", reason="zlib-ng, the other zlib, isn't installed")
    shim = "import sys, zlib_ng.zlib_ng\nsys.modules['zlib'] = zlib_ng.zlib_ng\n"
    write_files(tmp_path / "site", {"sitecustomize.py": shim})
    path = os.pathsep.join([str(tmp_path / "site"), cli_environment(tmp_path)["PYTHONPATH"]])
    environment = {**cli_environment(tmp_path), "PYTHONPATH": path}
    data = "b''.join(b'%d,' % (n * n) for n in range(9999))"
    told = {
        subprocess.run(
            [sys.executable, "-c", f"import zlib; print(zlib.compress({data}, 6).hex())"],
            env=each, capture_output=True, check=True,
        ).stdout
        for each in (environment, cli_environment(tmp_path))
    }  # fmt: skip
    assert len(told) == 2, "the two compress alike, so this shows nothing"
    archive = build(offline_entry, tmp_path / "x.zip", tmp_path / "cache", environment={"PYTHONPATH": path})
    assert sha256(archive) == offline_digest


def test_the_source_tree_is_never_written_to(offline_entry, tmp_path, warm, offline_digest):
    before = snapshot(offline_entry)
    build(offline_entry, tmp_path / "x.zip", tmp_path / "cache")
    build(offline_entry, tmp_path / "x.zip", warm)
    assert snapshot(offline_entry) == before


def test_the_second_run_starts_no_process_and_opens_no_connection(offline_entry, offline_digest, warm, tmp_path):
    archive = build(offline_entry, tmp_path / "x.zip", warm, guarded=True)
    assert sha256(archive) == offline_digest
    archive.unlink()
    assert sha256(build(offline_entry, archive, warm, guarded=True)) == offline_digest


def test_a_run_on_a_cold_cache_would_have_started_one(offline_entry, tmp_path):
    done = run_cli(
        "build", offline_entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", cache=tmp_path / "cache", guarded=True
    )
    assert done.returncode != 0
    assert "subprocess.Popen" in done.stderr


@pytest.mark.needs("network namespaces")
def test_the_second_run_works_without_a_network(offline_entry, offline_digest, warm, tmp_path):
    assert sha256(build(offline_entry, tmp_path / "x.zip", warm, before=("unshare", "-rn"))) == offline_digest


def test_an_edit_of_app_py_resolves_and_downloads_nothing(offline_entry, offline_digest, warm, tmp_path):
    checkout = tmp_path / "svc"
    shutil.copytree(offline_entry, checkout)
    write_files(checkout, {"app.py": "def handler(event, context):\n    return 2\n"})
    archive = build(checkout, tmp_path / "x.zip", warm, guarded=True)
    assert names_in(archive) == OFFLINE_NAMES
    assert sha256(archive) != offline_digest


def test_an_untouched_output_isnt_written_again_and_a_touched_one_is(offline_entry, offline_digest, warm, tmp_path):
    archive = build(offline_entry, tmp_path / "x.zip", warm)
    before = archive.stat()
    assert build(offline_entry, archive, warm).stat().st_ino == before.st_ino
    with archive.open("r+b") as stream:
        stream.write(b"XX")
    os.utime(archive, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256(build(offline_entry, archive, warm)) == offline_digest
