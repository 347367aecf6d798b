"""Importing the handler's module from the finished package, as far as this machine can."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from datetime import timedelta

import pytest
from entries import HANDLER, package_request, write_files
from offline import run_cli
from this_host import HOST, require_python
from wheel_factory import build_wheel

from cdk_lambda_package.errors import FindingsError, Severity
from cdk_lambda_package.interpreters import Interpreter, interpreter_for
from cdk_lambda_package.pipeline import examine, package
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.progress import QUIET
from cdk_lambda_package.smoke import SCRIPT
from cdk_lambda_package.stages.s6_unpacking import obstacle_to
from cdk_lambda_package.target import Target

# The Python that runs the tests is the one that is at hand for sure.
RUNTIME = HOST
SUFFIX = "\n" + HANDLER
# Up to Python 3.11 the runtime may have it, and its pkg_resources.
HAS_SETUPTOOLS = sys.version_info < (3, 12)

# A package for Lambda is imported on Linux only.
pytestmark = pytest.mark.needs("Linux")


@pytest.fixture
def entry(tmp_path):
    return tmp_path / "svc"


@pytest.fixture
def smoke(entry, store):
    """Writes an app and returns what importing it shows, besides findings of the ids in `seen_before`.

    Those are what the source of a requirement shows: acknowledged, so that the import is tried all the same.
    """

    def smoke(files, seen_before=(), **options):
        write_files(entry, {"app.py": files} if isinstance(files, str) else files)
        acknowledge = (*options.pop("acknowledge", ()), *seen_before)
        request = package_request(
            entry=entry, runtime=RUNTIME, handler="handler", smoke=True, acknowledge=acknowledge, **options
        )
        found = examine(request, store, QUIET).findings
        assert {finding.id for finding in found}.issuperset(seen_before)
        return [finding for finding in found if finding.id not in ("requirements-not-locked", *seen_before)]

    return smoke


def one(findings):
    (finding,) = findings
    return finding


def with_wheel(entry, name, files):
    wheel = build_wheel(entry / "wheels", name, files=files)
    return {"requirements.txt": f"--no-index\n--find-links ./wheels\n{wheel.name.split('-')[0]}\n"}


def test_a_module_that_can_be_imported_gives_nothing(smoke):
    files = {"app.py": f"from chalicelib import a\nimport b\n{SUFFIX}", "chalicelib/a.py": "", "vendor/b.py": ""}
    assert smoke(files) == []


OPENS = "import ctypes\ndef late():\n    ctypes.CDLL('libnowhere-{0}.so.{0}')\n"


def test_an_import_that_succeeds_proves_nothing_about_libraries_that_lambda_lacks(smoke):
    finding = one(smoke(OPENS.format(1) + SUFFIX, seen_before=["library-opened-not-found"]))
    assert (finding.id, finding.severity) == ("smoke-unproven", Severity.NOTE)
    assert (finding.path, finding.line, finding.subject) == ("app.py", 3, "libnowhere-1.so.1")
    assert finding.message == (
        "The import succeeded here, which proves nothing about libraries that this machine has and Lambda lacks: app.py opens "
        "libnowhere-1.so.1."
    )


def test_all_modules_that_open_libraries_are_named_as_unproven(smoke):
    files = {
        "app.py": f"import chalicelib.a\n{OPENS.format(1)}{SUFFIX}",
        "chalicelib/a.py": OPENS.format(2) + OPENS.format(3),
    }
    finding = one(smoke(files, seen_before=["library-opened-not-found"]))
    assert (
        "app.py opens libnowhere-1.so.1; chalicelib/a.py opens 2 libraries (libnowhere-2.so.2, libnowhere-3.so.3)."
        in finding.message
    )
    assert finding.subject is None


def test_an_import_that_fails_says_nothing_of_what_it_would_have_proven(smoke):
    found = smoke(f"{OPENS.format(1)}raise RuntimeError{SUFFIX}", seen_before=["library-opened-not-found"])
    assert [finding.id for finding in found] == ["smoke-failed"]


AS_ON_LAMBDA = """
import os, sys

def check(what, seen):
    if not seen:
        raise AssertionError(f"{what}: {sys.path} {dict(os.environ)}")

root = os.environ["LAMBDA_TASK_ROOT"]
check("the task root comes first", sys.path[0] == root == os.getcwd())
check("layers come next", [path.split("opt/")[1] for path in sys.path[1:3]]
      == ["python/lib/python%d.%d/site-packages" % sys.version_info[:2], "python"])
check("no site-packages", not any("site-packages" in path for path in sys.path[3:]))
check("a name", __name__ == "app" and __file__ == os.path.join(root, "app.py"))
check("variables", os.environ["_HANDLER"] == "app.handler" and os.environ["TZ"] == ":UTC")
check("the execution environment", os.environ["AWS_EXECUTION_ENV"] == "AWS_Lambda_python%d.%d" % sys.version_info[:2])
check("a region", os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"])
check("those of the function", os.environ["TABLE"] == "orders")
check("nothing of this machine", "PYTEST_CURRENT_TEST" not in os.environ and "SECRET" not in os.environ)
check("an empty home", os.listdir(os.path.expanduser("~")) == [])
check("builtins of site", callable(exit) and callable(help))
check("an encoding", open(__file__).encoding.lower() == "utf-8")
check("no arguments", sys.argv == [""])
print("ü", flush=True)
"""


def test_a_module_sees_what_it_sees_on_lambda(smoke, monkeypatch):
    monkeypatch.setenv("SECRET", "of this machine")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert smoke(AS_ON_LAMBDA + SUFFIX, environment={"TABLE": "orders"}) == []


OLD_SEQUENCE = {"sorty/__init__.py": "from collections import Sequence\n"}


def test_a_release_that_is_too_old_for_the_python_is_named(smoke, entry):
    files = with_wheel(entry, "sorty", OLD_SEQUENCE)
    files |= {"app.py": f"import chalicelib.x\n{SUFFIX}", "chalicelib/x.py": "\nimport sorty\n"}
    finding = one(smoke(files, seen_before=["name-not-found"]))
    assert (finding.id, finding.path, finding.line) == ("smoke-failed", "chalicelib/x.py", 2)
    assert "cannot import name 'Sequence' from 'collections'" in finding.message
    assert f"The code of sorty==1.0 fails on {RUNTIME}: try another release, such as a newer one." in finding.message
    assert 'File "/var/task/sorty/__init__.py", line 1' in finding.message


@pytest.mark.parametrize(
    ("code", "seen_before"),
    [
        ("import time\ntime.clock()\n", ["name-not-found"]),
        ("from typing import of_tomorrow\n", []),
        ("raise ValueError('no')\n", []),
        ("import importlib\nimportlib.import_module('parser')\n", ["removed-from-standard-library"]),
        ("import importlib\nimportlib.import_module('par' + 'ser')\n", []),
    ],
)
def test_whose_fault_it_is_is_said_with_what_can_be_done(smoke, entry, code, seen_before):
    files = with_wheel(entry, "sorty", {"sorty/__init__.py": code})
    finding = one(smoke({"app.py": f"import sorty\n{SUFFIX}", **files}, seen_before))
    assert "The code of sorty==1.0 fails on" in finding.message
    assert (finding.path, finding.line) == ("app.py", 1)


@pytest.mark.network
def test_sortedcontainers_of_the_document_is_found_out(entry, shared_store):
    write_files(
        entry, {"app.py": f"import sortedcontainers\n{SUFFIX}", "requirements.txt": "sortedcontainers==1.5.4\n"}
    )
    request = package_request(
        entry=entry, runtime=RUNTIME, handler="handler", smoke=True, acknowledge=["name-not-found"]
    )
    with pytest.raises(FindingsError, match=r"The code of sortedcontainers==1\.5\.4 fails on") as caught:
        package(request, store=shared_store)
    assert [(finding.id, finding.path, finding.line) for finding in caught.value.findings] == [
        ("smoke-failed", "app.py", 1)
    ]


@pytest.mark.network
def test_what_the_runtime_brings_along_is_there(entry, shared_store):
    source = "import boto3\nTABLE = boto3.resource('dynamodb').Table('orders')\nimport dateutil, urllib3\n"
    write_files(entry, {"app.py": source + SUFFIX})
    request = package_request(entry=entry, runtime=RUNTIME, handler="handler", smoke=True)
    assert package(request, store=shared_store).findings == ()


def test_what_the_runtime_brings_along_is_skipped_where_it_cant_be_had(smoke):
    options = {"pip_args": ("--no-index",)}
    finding = one(smoke("import importlib\nimportlib.import_module('boto3')\n" + SUFFIX, **options))
    assert finding.id == "smoke-skipped"
    assert "packages that the runtime has couldn't be fetched" in finding.message
    assert "boto3" in finding.message


def test_this_machines_own_packages_arent_seen(smoke):
    finding = one(smoke("import importlib\nimportlib.import_module('py' + 'test')\n" + SUFFIX))
    assert finding.id == "smoke-failed"
    assert "No module named 'pytest'" in finding.message


def test_no_path_of_this_machine_is_shown(smoke, entry, store):
    finding = one(smoke("import os\nraise RuntimeError(os.getcwd(), os.__file__, os.environ['HOME'])\n" + SUFFIX))
    assert "RuntimeError: ('/var/task', '/var/lang/lib/" in finding.message
    assert str(store.root) not in finding.message


def test_a_failure_in_vendor_is_where_the_user_has_it(smoke):
    finding = one(smoke({"app.py": "import broken\n" + SUFFIX, "vendor/broken.py": "\n\n1 / 0\n"}))
    assert (finding.path, finding.line) == ("vendor/broken.py", 3)
    assert "ZeroDivisionError" in finding.message


def test_what_a_failure_came_of_is_told_too(smoke):
    source = "try:\n    import json\n    json.loads('')\nexcept ValueError as error:\n    raise RuntimeError('no') from error\n"
    finding = one(smoke(source + SUFFIX))
    assert "because of json.decoder.JSONDecodeError: Expecting value" in finding.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\nsys.exit('enough')\n", "SystemExit: enough"),
        ("import os\nprint('bye', flush=True)\nos._exit(3)\n", "the process ended with status 3.\n  bye"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            "the process was ended by SIGSEGV. It printed nothing.",
        ),
        (
            "exec('def main(e, c): ...\\nX = 1')\n",
            "has no 'handler' once it is imported; it defines main. Set handler=",
        ),
        ("exec('handler = 1')\n", "its 'handler' can't be called"),
    ],
)
def test_however_it_fails_is_an_error(smoke, source, said):
    finding = one(smoke(source + ("" if "exec" in source else SUFFIX)))
    assert finding.id == "smoke-failed"
    assert said in finding.message


def test_threads_of_the_module_dont_keep_it(smoke):
    assert smoke("import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()\n" + SUFFIX) == []


def test_a_module_that_takes_too_long_is_stopped_and_tried_anew(smoke, entry):
    source = "import os, time\nprint('loading', flush=True)\ntime.sleep(float(os.environ['PAUSE']))\n" + SUFFIX
    options = {"smoke_timeout": timedelta(seconds=3)}
    finding = one(smoke(source, environment={"PAUSE": "600"}, **options))
    assert finding.id == "smoke-timed-out"
    assert "longer than 3 seconds" in finding.message
    assert finding.message.endswith("\n  loading")
    assert one(smoke(source, environment={"PAUSE": "600"}, **options)).id == "smoke-timed-out"


CONNECT = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)\n"


@pytest.mark.parametrize(
    "source", [CONNECT, "import urllib.request\nurllib.request.urlopen('http://service.invalid/')\n"]
)
def test_a_module_that_needs_the_network_isnt_judged(smoke, source):
    finding = one(smoke(source + SUFFIX))
    assert finding.id == "smoke-skipped"
    assert "asks for 192.0.2.1" in finding.message or "asks for service.invalid" in finding.message


def test_a_module_that_can_do_without_the_network_is_fine(smoke):
    assert smoke(f"import socket\ntry:\n    {CONNECT.splitlines()[1]}\nexcept OSError:\n    pass\n{SUFFIX}") == []


def test_a_variable_that_isnt_set_is_a_warning_with_its_name(smoke):
    source = "\nimport os\nTABLE = os.environ['TABLE_NAME']\n" + SUFFIX
    finding = one(smoke(source))
    assert (finding.id, finding.severity, finding.subject) == ("variable-not-set", "warning", "TABLE_NAME")
    assert (finding.path, finding.line) == ("app.py", 3)
    assert smoke(source, environment={"TABLE_NAME": "orders"}) == []


def test_layers_that_can_be_seen_are_there(smoke, tmp_path):
    version = f"python/lib/{RUNTIME}/site-packages"
    folder = write_files(tmp_path / "layer", {"python/one.py": "", f"{version}/two.py": "A = 1\n"})
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("python/three.py", "")
        opened.writestr("python/one.py", "raise SystemExit")
    source = "import importlib\nfor name in ('two', 'three', 'one'):\n    importlib.import_module(name)\n" + SUFFIX
    assert smoke(source, layers=(str(archive), str(folder))) == []
    assert one(smoke(source, layers=(str(folder), str(archive)))).id == "smoke-failed"


@pytest.mark.parametrize(
    "options",
    [{"layers": ("arn:aws:lambda:us-east-1:123456789012:layer:yaml:1",)}, {"provided": ("pyyaml",)}],
    ids=["layer", "provided"],
)
def test_what_nobody_can_see_from_here_may_have_the_module(smoke, options):
    source = "import importlib\nimportlib.import_module('ya' + 'ml')\n" + SUFFIX
    finding = one(smoke(source, **options))
    assert finding.id == "smoke-skipped"
    assert "No module named 'yaml', which" in finding.message
    assert smoke("1 / 0\n" + SUFFIX, **options)[0].id == "smoke-failed"


@pytest.mark.needs("a user that isn't root")
def test_the_task_root_is_read_only(smoke):
    finding = one(smoke("import pathlib\npathlib.Path(__file__).with_name('x').touch()\n" + SUFFIX))
    assert finding.id == "smoke-failed"
    assert "only /tmp is writable" in finding.message


def test_a_package_with_other_errors_isnt_tried(smoke, entry):
    options = with_wheel(entry, "one", {"both.py": "A = 1\n"})
    build_wheel(entry / "wheels", "two", files={"both.py": "A = 2\n"})
    options["requirements.txt"] += "two\n"
    found = smoke({"app.py": "1 / 0\n" + SUFFIX, **options})
    assert [finding.id for finding in found] == ["path-conflict", "smoke-skipped"]
    acknowledged = smoke({}, acknowledge=("path-conflict",))
    assert [finding.id for finding in acknowledged] == ["path-conflict", "smoke-failed"]


def test_without_the_targets_python_it_is_skipped(entry, store, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    other = "python3.9" if RUNTIME != "python3.9" else "python3.10"
    write_files(entry, {"app.py": "1 / 0\n" + SUFFIX})
    request = package_request(entry=entry, runtime=other, handler="handler", smoke=True)
    (finding,) = package(request, store=store).findings
    assert (finding.id, finding.severity) == ("smoke-skipped", "note")
    assert f"there is no {other} on PATH" in finding.message


HERE = {"system": "linux", "glibc": (2, 40)}


@pytest.mark.parametrize(
    ("host", "machine", "said"),
    [
        ("linux-x86_64", {}, None),
        ("linux-x86_64", {"system": "darwin"}, "this machine runs darwin"),
        ("linux-aarch64", {}, "is for linux-aarch64"),
        ("linux-x86_64", {"glibc": (2, 34)}, None),
        ("linux-x86_64", {"glibc": (2, 31)}, "has glibc 2.34, and this machine glibc 2.31"),
        ("linux-x86_64", {"glibc": None}, "another C library"),
    ],
)
def test_what_stands_in_the_way_is_named(host, machine, said):
    there = Interpreter(program="python", version=(3, 13), platform=host)
    obstacle = obstacle_to(Target.parse("python3.13"), there, **{**HERE, **machine})
    assert (obstacle is None) if said is None else (said in obstacle)


def test_what_came_of_it_is_remembered(entry, tmp_path):
    write_files(entry, {"app.py": "1 / 0\n" + SUFFIX})
    argv = ["check", entry, "--runtime", RUNTIME, "--handler", "handler", "--smoke", "--format", "json"]
    first = run_cli(*argv, cache=tmp_path / "cache")
    again = run_cli(*argv, cache=tmp_path / "cache", guarded=True)
    assert json.loads(first.stdout)["findings"][0]["id"] == "smoke-failed"
    assert (again.returncode, again.stdout) == (1, first.stdout), again.stderr


def test_nothing_is_written_of_what_cant_be_imported(entry, tmp_path):
    write_files(entry, {"app.py": "1 / 0\n" + SUFFIX})
    argv = ["build", entry, "--runtime", RUNTIME, "--handler", "handler", "-o", tmp_path / "x.zip"]
    done = run_cli(*argv, "--smoke", cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "app.py:1: app can't be imported" in done.stderr
    assert not (tmp_path / "x.zip").exists()
    assert run_cli(*argv, "--smoke", "--acknowledge", "smoke-failed", cache=tmp_path / "cache").returncode == 0


def test_the_script_can_be_read_by_every_python_that_lambda_has():
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("minor", range(9, 15))
def test_the_script_runs_in_every_python_that_is_here(minor, tmp_path):
    python = require_python(f"python3.{minor}")
    task = write_files(tmp_path / "task", {"app.py": HANDLER})
    folders = {"task": str(task), "folders": [str(task)], "layers": [], "runtime": []}
    job = {**folders, "module": "app", "handler": "handler"}
    result = tmp_path / "result.json"
    (tmp_path / "job.json").write_text(json.dumps({**job, "result": str(result)}))
    argv = [python, "-I", "-S", "-B", str(SCRIPT), str(tmp_path / "job.json")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(result.read_text()) == {"status": "imported", "refused": [], "unset": [], "absent": []}


def test_an_interpreter_that_only_works_for_its_user_is_seen_through(tmp_path):
    """As version managers put them on PATH: they look at variables, which the module isn't given."""
    target = Target.parse("python3.9" if RUNTIME != "python3.9" else "python3.10")
    version = "{}.{}".format(*target.runtime.version)
    shim = tmp_path / target.runtime.name
    shim.write_text(f"#!/bin/sh\necho {version} linux-x86_64 /opt/python with space/bin/python\n")
    shim.chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        host = interpreter_for(target, run_process)
    assert (host.program, host.version) == ("/opt/python with space/bin/python", target.runtime.version)


def test_an_interpreter_that_doesnt_start_says_nothing_of_the_package(entry, store, monkeypatch, tmp_path):
    other = "python3.12" if RUNTIME != "python3.12" else "python3.13"
    shim = tmp_path / "bin" / other
    write_files(tmp_path / "bin", {other: f"#!/bin/sh\ntest $# = 2 || exit 4\necho {other[6:]} linux-x86_64 {shim}\n"})
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
    write_files(entry, {"app.py": HANDLER})
    request = package_request(entry=entry, runtime=other, handler="handler", smoke=True)
    finding = one(examine(request, store, QUIET).findings)
    assert finding.id == "smoke-skipped"
    assert f"{other} on this machine can't be started" in finding.message


def test_the_extra_that_a_missing_module_comes_with_is_named(smoke, entry):
    facts = {
        "provides_extra": ["all", "tracer"],
        "requires_dist": ['aws-xray-sdk>=2; extra == "tracer" or extra == "all"', 'pydantic; extra == "all"'],
    }
    wheel = build_wheel(entry / "wheels", "tools", files={"tools/__init__.py": "import aws_xray_sdk\n"}, **facts)
    assert wheel.exists()
    requirements = "--no-index\n--find-links ./wheels\ntools\n"
    files = {"app.py": f"import tools\n{SUFFIX}", "requirements.txt": requirements}
    finding = one(smoke(files, seen_before=["import-not-found"]))
    assert "Require tools[tracer], the extra that 'aws_xray_sdk' comes with." in finding.message


def test_a_missing_module_is_named_with_what_provides_it(smoke, entry):
    files = with_wheel(entry, "oldy", {"oldy/__init__.py": "import pkg_resources\n"})
    known = [] if HAS_SETUPTOOLS else ["import-not-found"]
    finding = one(smoke({"app.py": f"import oldy\n{SUFFIX}", **files}, known))
    assert "add setuptools<82 to the requirements" in finding.message
    files = with_wheel(entry, "parsy", {"parsy/__init__.py": "import yaml\n"})
    finding = one(smoke({"app.py": f"import parsy\n{SUFFIX}", **files}, seen_before=["import-not-found"]))
    assert "Add PyYAML to the requirements." in finding.message


def test_a_variable_that_is_asked_for_and_unset_is_named_with_the_failure(smoke):
    finding = one(
        smoke("import os\nTABLE = os.getenv('TABLE')\nLEVEL = os.environ.get('LEVEL', '1')\n'/' + TABLE\n" + SUFFIX)
    )
    assert finding.id == "smoke-failed"
    assert "It asked for TABLE, which environment= doesn't have." in finding.message


def test_a_failure_that_names_an_unset_variable_is_about_the_variable(smoke):
    source = "import os\nif not os.environ.get('TABLE'):\n    raise ValueError('set TABLE first')\n"
    finding = one(smoke(source + SUFFIX))
    assert (finding.id, finding.subject, finding.line) == ("variable-not-set", "TABLE", 3)


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    os.environ['TABLE']\nexcept KeyError:\n    raise RuntimeError('the app is not configured')\n",
        "if 'TABLE' not in os.environ:\n    raise SystemExit('set the environment variable TABLE')\n",
        "import settings_reader\nsettings_reader.read('TABLE', default='')\n",
    ],
)
def test_a_failure_over_an_unset_variable_is_about_the_variable_whoever_asked_for_it(smoke, entry, source):
    """As environs and python-decouple do, whose own exceptions were taken for faults of these releases."""
    reader = """
import os
class NotSetError(Exception):
    pass
def read(name, default):
    value = os.environ.get(name, default)
    if not value:
        raise NotSetError(f"{name} not found. Declare it as envvar")
"""
    files = with_wheel(entry, "settings_reader", {"settings_reader.py": reader})
    finding = one(smoke({"app.py": f"import os\n{source}{SUFFIX}", **files}))
    assert (finding.id, finding.severity, finding.subject) == ("variable-not-set", "warning", "TABLE")


def test_a_missing_field_of_pydantics_settings_is_a_variable_that_isnt_set(smoke, entry):
    settings = "class ValidationError(ValueError):\n    pass\ndef load():\n    raise ValidationError({!r})\n"
    said = "1 validation error for Settings\ntable_name\n  Field required [type=missing, input_value={}]"
    files = with_wheel(entry, "pydantic_settings", {"pydantic_settings/__init__.py": settings.format(said)})
    finding = one(smoke({"app.py": f"import pydantic_settings\npydantic_settings.load()\n{SUFFIX}", **files}))
    assert (finding.id, finding.subject, finding.line) == ("variable-not-set", "TABLE_NAME", 2)


def test_an_exception_that_a_library_made_for_it_doesnt_ask_for_another_release(smoke, entry):
    code = "class WrongUseError(Exception):\n    pass\ndef go():\n    raise WrongUseError('give a name')\n"
    files = with_wheel(entry, "sorty", {"sorty/__init__.py": code})
    finding = one(smoke({"app.py": f"import sorty\nsorty.go()\n{SUFFIX}", **files}))
    assert "sorty.WrongUseError: give a name. sorty==1.0 raised it." in finding.message
    assert "another release" not in finding.message


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        ("open('config.json')", "config.json"),
        ("open(os.path.join(os.path.dirname(__file__), 'templates', 'a.html'))", "templates/**"),
        ("open('./config.json')", "config.json"),
    ],
)
def test_a_file_that_isnt_packaged_is_named_with_the_pattern_that_packages_it(smoke, code, pattern):
    files = {"app.py": f"import os\n{code}\n{SUFFIX}", "config.json": "{}", "templates/a.html": ""}
    finding = one(smoke(files))
    assert (
        f"is in the entry directory, but isn't packaged: set packaging=Packaging(include=['{pattern}'])."
        in finding.message
    )
    assert smoke(files, include=[pattern]) == []


def test_a_file_that_isnt_there_at_all_has_no_pattern(smoke, entry):
    assert "include=" not in one(smoke(f"open('nowhere.json')\n{SUFFIX}")).message
    # What was said of it isn't remembered.
    (entry / "nowhere.json").write_text("")
    assert "include=" in one(smoke(f"open('nowhere.json')\n{SUFFIX}")).message


def test_a_module_of_which_reading_isnt_sure_is_reported_once_if_the_import_lacks_it(smoke):
    finding = one(smoke(f"import simplejson\n{SUFFIX}"))
    assert (finding.id, finding.subject, finding.line) == ("smoke-failed", "simplejson", 1)
