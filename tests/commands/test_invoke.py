"""`cdk-lambda-package invoke`: a function behind Lambda's own emulator."""

import json
import sys

import pytest
from entries import write_files
from jsonschema import Draft202012Validator
from offline import ROOT
from this_host import require_lambda

from cdk_lambda_package.cli import main

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
SCHEMA = json.loads((ROOT / "docs" / "reference" / "invoke.schema.json").read_text(encoding="utf-8"))

APP = """
import os, boto3, inside
print("imported")
def handler(event, context):
    print("called", event)
    return {"event": event, "table": os.environ["TABLE"], "inside": inside.__file__, "id": bool(context.aws_request_id)}
"""

pytestmark = [pytest.mark.network, pytest.mark.needs("a Python that Lambda has")]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, shared_cache):
    """Runs `invoke svc` of the given source; returns the exit status, stdout and stderr."""
    require_lambda()
    monkeypatch.chdir(tmp_path)

    def run(source, *argv):
        write_files(tmp_path / "svc", {"app.py": source, "vendor/inside.py": ""})
        status = main(["invoke", "svc", "--runtime", RUNTIME, *argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_handler_answers_with_its_variables_and_what_the_runtime_has(run, tmp_path):
    (tmp_path / "event.json").write_text('{"größe": 1}', encoding="utf-8")
    status, out, err = run(APP, "--event", "event.json", "--environment", "TABLE=orders")
    assert status == 0, err
    assert json.loads(out) == {
        "event": {"größe": 1},
        "table": "orders",
        "inside": "/var/task/inside.py",
        "id": True,
    }
    for line in ("imported", "called {'größe': 1}", "REPORT RequestId"):
        assert line in err
    assert str(tmp_path) not in err


def test_an_exception_is_an_error_with_lambdas_paths(run):
    status, out, err = run("def handler(event, context):\n    raise ValueError('no')\n")
    assert status == 1
    told = json.loads(out)
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "no")
    assert "/var/task/app.py" in told["stackTrace"][0]
    assert "ValueError: no" in err


def test_a_function_that_takes_too_long_or_ends_is_an_error(run):
    for source, words in (("time.sleep(60)", "timed out after 1.00 seconds"), ("os._exit(3)", "Runtime.ExitError")):
        status, out, _ = run(f"import os, time\ndef handler(event, context):\n    {source}\n", "--timeout", "1")
        assert status == 1
        assert words in out


@pytest.mark.thorough
def test_the_functions_variables_count_as_on_lambda(run, tmp_path):
    write_files(tmp_path / "svc", {"vendor/deep/found.py": ""})
    source = "import os\ndef handler(event, context):\n    import found\n    return dict(os.environ)\n"
    search = ("--environment", "PYTHONPATH=/var/task/deep")
    status, out, err = run(source, *search, "--environment", "A=1", "--acknowledge", "import-not-found")
    assert status == 0, err
    told = json.loads(out)
    assert (told["A"], told["AWS_ACCESS_KEY_ID"], told["LAMBDA_TASK_ROOT"]) == ("1", "none", "/var/task")
    status, out, _ = run(source, *search, "--environment", "AWS_PROFILE=dev", "--acknowledge", "import-not-found")
    told = json.loads(out)
    assert told["AWS_PROFILE"] == "dev"
    # The emulator itself sets it to nothing, which botocore ignores.
    assert not told.get("AWS_ACCESS_KEY_ID")


def test_json_says_whether_it_failed(run):
    status, out, _ = run("def handler(event, context):\n    return [event]\n", "--format", "json")
    assert (status, json.loads(out)) == (0, {"failed": False, "answer": [{}]})
    status, out, _ = run("def handler(event, context):\n    return event['x']\n", "--format", "json")
    told = json.loads(out)
    Draft202012Validator(SCHEMA).validate(told)
    assert (status, told["failed"], told["answer"]["errorType"]) == (1, True, "KeyError")


def test_a_dictionary_that_names_an_error_is_an_answer(run):
    answer = '{"errorType": "mine", "errorMessage": "none"}'
    status, out, _ = run(f"def handler(event, context):\n    return {answer}\n")
    assert (status, json.loads(out)) == (0, json.loads(answer))


def test_a_package_with_errors_isnt_invoked(run):
    status, out, err = run("import nowhere\ndef handler(event, context): ...\n")
    assert (status, out) == (1, "")
    assert "import-not-found" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--event", "nowhere.json"], "--event: 'nowhere.json' can't be read"),
        (["--event", "svc/app.py"], "isn't a JSON document"),
        (["--event", "nan.json"], "NaN is no value of JSON"),
        (["--event", "utf16.json"], "isn't a JSON document in UTF-8"),
        (["--event", "large.json"], "Lambda takes at most 6,291,456"),
        (["--timeout", "0"], "isn't a number of seconds"),
        (["--timeout", "x"], "isn't a number of seconds"),
    ],
)
def test_wrong_arguments_are_refused(run, tmp_path, capsys, argv, words):
    events = {
        "nan.json": b'{"a": NaN}',
        "utf16.json": "{}".encode("utf-16"),
        "large.json": b'"%s"' % (b"x" * (6 << 20)),
    }
    write_files(tmp_path, events)
    with pytest.raises(SystemExit) as caught:
        run(APP, *argv)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_target_that_this_machine_isnt_is_refused(run, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    status, _, err = run(APP)
    assert status == 1
    assert "can't be invoked here: a package for Lambda is for Linux" in err


@pytest.mark.thorough
def test_the_emulator_is_fetched_where_path_has_none(run, monkeypatch):
    monkeypatch.setattr("cdk_lambda_package.invocation.emulator.EMULATOR", "not-on-path")
    status, out, err = run("def handler(event, context):\n    return 1\n")
    assert (status, out.strip()) == (0, "1"), err
