"""What is acknowledged: by id, or more precisely by what it is about."""

import pytest
from entries import HANDLER, package_request, write_files
from offline import RUNTIME, run_cli

from cdk_lambda_package import package
from cdk_lambda_package.catalogue import raise_for_errors, unused_acknowledgements
from cdk_lambda_package.errors import Finding, FindingsError, OptionError, Severity

YAML = Finding(
    id="import-not-found",
    severity=Severity.ERROR,
    message="Nothing provides yaml.",
    path="app.py",
    line=3,
    subject="yaml",
)
CLASH = Finding(id="case-clash", severity=Severity.WARNING, message="They differ.", path="a/B.txt")
PLAIN = Finding(id="runtime-assumed", severity=Severity.WARNING, message="It is new.")


@pytest.mark.parametrize(
    ("finding", "acknowledge", "expected"),
    [
        (YAML, ["import-not-found"], True),
        (YAML, ["import-not-found:yaml"], True),
        (YAML, ["import-not-found:toml"], False),
        (YAML, ["import-not-found:app.py"], False),
        (YAML, ["import-not-found:"], False),
        (CLASH, ["case-clash:a/B.txt"], True),
        (CLASH, ["path-conflict:a/B.txt"], False),
        (PLAIN, ["runtime-assumed"], True),
        (PLAIN, [], False),
    ],
)
def test_an_id_covers_all_of_its_kind_and_a_subject_one(finding, acknowledge, expected):
    assert finding.is_among(acknowledge) is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import-not-fond", "the nearest are import-not-found"),
        ("import-not-fond:yaml", "the nearest are import-not-found"),
        ("cdk-lambda-package:requirements-not-locked", "the nearest are requirements-not-locked"),
        ("Annotation::cdk-lambda-package:case-clash", "the nearest are case-clash"),
        ("E501", "`cdk-lambda-package findings` lists all ids"),
        ("", "lists all ids"),
        ("requirements-not-resolved", "which can't be acknowledged"),
        ("file-and-folder", "leaves no package that Lambda could unpack"),
        ("file-and-folder:thing", "leaves no package that Lambda could unpack"),
    ],
)
def test_what_acknowledges_nothing_that_there_is_is_refused(text, said):
    with pytest.raises(OptionError) as caught:
        package_request(entry=".", runtime="python3.13", acknowledge=["case-clash", text])
    assert repr(text) in str(caught.value)
    assert said in str(caught.value)


def test_errors_are_raised_together_with_what_can_be_done():
    broken = Finding(id="syntax-error", severity=Severity.ERROR, message="It can't be compiled.", path="b.py", line=1)
    with pytest.raises(FindingsError) as caught:
        raise_for_errors([PLAIN, YAML, broken], acknowledge=())
    *told, hint = str(caught.value).splitlines()
    assert told == [
        "2 problems:",
        "  - app.py:3: Nothing provides yaml. [import-not-found]",
        "  - b.py:1: It can't be compiled. [syntax-error]",
    ]
    assert "`cdk-lambda-package findings import-not-found`" in hint
    assert "acknowledge=['import-not-found:yaml']" in hint
    assert raise_for_errors([PLAIN, YAML], acknowledge=["import-not-found:yaml"]) == (PLAIN,)


def test_acknowledgements_that_nothing_needs_are_noted_once():
    unused = unused_acknowledgements(
        ["import-not-found", "case-clash:x", "case-clash:a/B.txt", "case-clash:x"], [YAML, CLASH]
    )
    assert [(finding.id, finding.subject, finding.severity) for finding in unused] == [
        ("acknowledged-nothing", "case-clash:x", Severity.NOTE)
    ]


@pytest.fixture
def torn(tmp_path):
    """An entry directory whose package would have a file `thing` and a folder `thing`."""
    return write_files(tmp_path / "svc", {"app.py": HANDLER, "thing": "a file", "vendor/thing/part.py": ""})


def test_a_package_that_lambda_cant_unpack_isnt_made_whatever_is_acknowledged(torn, tmp_path):
    output = tmp_path / "x.zip"
    argv = ["build", str(torn), "--runtime", RUNTIME, "--include", "thing", "-o", str(output)]
    told = run_cli(*argv, cache=tmp_path / "cache")
    assert told.returncode == 1
    assert "thing is a file of app and also a folder" in told.stderr
    assert "acknowledge" not in told.stderr, "advice that would be refused"
    told = run_cli(*argv, "--acknowledge", "file-and-folder", cache=tmp_path / "cache")
    assert told.returncode == 1
    assert "'file-and-folder', which can't be acknowledged" in told.stderr
    assert not output.exists()


def test_an_acknowledgement_is_suggested_of_a_finding_that_takes_one():
    torn = Finding(id="file-and-folder", severity=Severity.ERROR, message="It is both.", path="thing")
    with pytest.raises(FindingsError) as caught:
        raise_for_errors([torn, YAML], acknowledge=())
    assert "acknowledge=['import-not-found:yaml']" in str(caught.value)


def test_commands_after_packaging_dont_run_in_a_tree_that_cant_be_unpacked(torn, store):
    request = package_request(entry=torn, runtime=RUNTIME, include=["thing"], after_packaging=[["true"]])
    with pytest.raises(FindingsError, match="thing is a file of app and also a folder"):
        package(request, store=store)
