"""`cdk-lambda-package explain`: why a distribution or a file is in a package, by the manifest alone."""

import json

import pytest
from entries import HANDLER, write_files
from jsonschema import Draft202012Validator
from offline import ROOT
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.explanations import explain

RUNTIME = "python3.13"
SCHEMA = json.loads((ROOT / "docs" / "reference" / "explain.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, isolated_pip):
    """Runs a command; returns the exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        try:
            status = main([*map(str, argv), "--cache-dir", str(tmp_path / "cache")])
        except SystemExit as wrong_usage:
            status = wrong_usage.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def entry(tmp_path):
    """Requires one, which requires two in some versions, and three in an extra; the app imports one alone."""
    wheels = tmp_path / "wheels"
    needs = ["two<3,>=1", "three; extra == 'more'", "never; python_version < '3.9'"]
    build_wheel(
        wheels, "one", files={"one/__init__.py": "import two\n", "one/data.bin": "x" * 2000}, requires_dist=needs
    )
    build_wheel(wheels, "two", files={"two.py": "", "unused.py": ""})
    build_wheel(wheels, "three", files={"three.py": ""})
    lines = "--no-index\n--find-links ../wheels\n# said\none[more]==1.0 ; python_version > '3.8'\nthree\n"
    app = f"import one\n{HANDLER}"
    return write_files(tmp_path / "svc", {"app.py": app, "requirements.txt": lines, "vendor/inside/__init__.py": ""})


def explained(run, *argv):
    status, out, err = run("explain", *argv, "--format", "json")
    assert status == 0, err
    found = json.loads(out)
    Draft202012Validator(SCHEMA).validate(found)
    return found


def test_a_distribution_has_its_requirers_their_texts_and_the_chain_of_imports(run, entry):
    found = explained(run, "svc", "two", "--runtime", RUNTIME)
    assert found["required_by"] == ["one"]
    assert found["requirements"] == [{"requirement": "two<3,>=1", "by": "one"}]
    assert found["chain"] == ["one", "two"]
    assert found["import"]["loaded"] == "certain"
    assert found["import"]["chain"] == [{"path": "app.py", "line": 1}, {"path": "one/__init__.py", "line": 1}]
    assert found["lock"] is None


def test_a_requirement_of_the_app_has_its_line_and_no_marker(run, entry):
    found = explained(run, "svc", "one", "--runtime", RUNTIME)
    assert found["requested"] is True
    assert found["requirements"] == [{"requirement": "one[more]==1.0", "place": "requirements.txt:4"}]


def test_what_nothing_imports_is_told(run, entry):
    found = explained(run, "svc", "three", "--runtime", RUNTIME)
    assert found["import"] is None
    assert found["requirements"] == [
        {"requirement": "three", "place": "requirements.txt:5"},
        {"requirement": "three", "by": "one"},
    ]


def test_the_text_says_the_same(run, entry):
    _, out, _ = run("explain", "svc", "two", "--runtime", RUNTIME)
    assert out.splitlines()[0].startswith("two 1.0: ")
    for line in ("one: two<3,>=1", "one → two", "no lock pins it", "at every start: app.py:1 → one/__init__.py:1"):
        assert line in out


def test_a_file_is_explained_by_its_owner(run, entry):
    found = explained(run, "svc", "one/data.bin", "--runtime", RUNTIME)
    assert (found["kind"], found["owner"], found["size"]) == ("file", "one==1.0", 2000)
    assert found["distribution"]["name"] == "one"
    for path, words in (("app.py", "entry directory"), ("inside/__init__.py", "vendor/")):
        status, out, _ = run("explain", "svc", path, "--runtime", RUNTIME)
        assert status == 0
        assert words in out


def test_a_folder_is_summed_by_owner(run, entry):
    found = explained(run, "svc", "one/", "--runtime", RUNTIME)
    assert (found["kind"], found["files"]) == ("folder", 2)
    assert [row["owner"] for row in found["owners"]] == ["one==1.0"]


def test_what_was_left_out_has_its_reason(run, entry):
    found = explained(run, "svc", "two", "--runtime", RUNTIME, "--exclude-distributions", "two")
    assert found["kind"] == "absent"
    assert [row["decision"] for row in found["decisions"]] == ["distribution-left-out"]
    status, out, _ = run("explain", "svc", "two", "--runtime", RUNTIME, "--exclude-distributions", "two")
    assert status == 0
    assert "two isn't in the package" in out


def test_an_unknown_subject_is_an_error_with_the_nearest(run, entry):
    for subject, near in (("tow", "'two'"), ("data.bin", "'one/data.bin'")):
        status, _, err = run("explain", "svc", subject, "--runtime", RUNTIME)
        assert status == 1
        assert f"{subject!r} is neither a distribution nor a file" in err
        assert near in err


def test_the_manifest_alone_is_enough(run, entry, tmp_path):
    assert run("build", "svc", "--runtime", RUNTIME, "-o", "svc.zip", "--manifest", "svc.json")[0] == 0
    expected = explained(run, "svc", "two", "--runtime", RUNTIME)
    for path in (entry, tmp_path / "cache", tmp_path / "wheels"):
        path.rename(path.with_name(f"{path.name} gone"))
    assert explained(run, "svc.json", "two") == expected


def test_a_lock_is_named(run, entry):
    assert run("lock", "svc", "--runtime", RUNTIME)[0] == 0
    found = explained(run, "svc", "two", "--runtime", RUNTIME)
    assert found["lock"] == "pylock.toml"
    assert found["requirements"] == [{"requirement": "two<3,>=1", "by": "one"}]
    assert "which pylock.toml pins" in run("explain", "svc", "two", "--runtime", RUNTIME)[1]


def test_a_project_states_its_dependencies_and_groups(run, entry, tmp_path):
    (entry / "requirements.txt").unlink()
    project = (
        '[project]\nname = "svc"\nversion = "1"\ndependencies = ["one>=1"]\n[dependency-groups]\nlambda = ["three>0"]\n'
    )
    write_files(entry, {"pyproject.toml": project, "pylock.toml": _lock(tmp_path / "wheels")})
    found = explained(run, "svc", "one", "--runtime", RUNTIME)
    assert found["requirements"] == [{"requirement": "one>=1", "place": "pyproject.toml"}]
    found = explained(run, "svc", "three", "--runtime", RUNTIME, "--groups", "lambda")
    assert {"requirement": "three>0", "place": "pyproject.toml"} in found["requirements"]


def _lock(wheels) -> str:
    from entries import sha256

    rows = "".join(
        f'[[packages]]\nname = "{path.name.partition("-")[0]}"\nversion = "1.0"\n'
        f'wheels = [{{ path = "../wheels/{path.name}", hashes = {{ sha256 = "{sha256(path)}" }} }}]\n'
        for path in sorted(wheels.iterdir())
    )
    return f'lock-version = "1.0"\ncreated-by = "test"\ndependency-groups = ["lambda"]\n{rows}'


def break_manifest(manifest, path, value):
    for key in path[:-1]:
        manifest = manifest[key]
    manifest[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["decisions"], ["a"]),
        (["imports"], None),
        (["imports", 0, "loaded"], "never"),
        (["imports", 0, "chain"], None),
        (["distributions"], [None]),
        (["distributions", 0, "required_by"], 3),
        (["distributions", 0, "version"], 1),
        (["files"], ["a"]),
        (["files", 0, "owner"], None),
        (["layer"], [1]),
        (["target"], {}),
    ],
)
def test_a_manifest_with_a_wrong_value_is_an_error_that_says_where(run, entry, tmp_path, path, value):
    assert run("build", "svc", "--runtime", RUNTIME, "-o", "svc.zip", "--manifest", "svc.json")[0] == 0
    manifest = json.loads((tmp_path / "svc.json").read_text())
    break_manifest(manifest, path, value)
    (tmp_path / "svc.json").write_text(json.dumps(manifest))
    for argv in (("explain", "svc.json", "two"), ("diff", "svc.json", "svc.json")):
        status, _, err = run(*argv)
        assert (status, "'svc.json' isn't a manifest: " in err) == (1, True), err


def test_a_manifest_of_a_newer_format_is_an_error(run, tmp_path):
    (tmp_path / "x.json").write_text('{"format": 99}')
    status, _, err = run("explain", "x.json", "two")
    assert (status, "format 99" in err, "Upgrade" in err) == (1, True, True)


def test_a_value_with_escape_codes_reaches_no_terminal(run, entry, tmp_path):
    assert run("build", "svc", "--runtime", RUNTIME, "-o", "svc.zip", "--manifest", "svc.json")[0] == 0
    manifest = json.loads((tmp_path / "svc.json").read_text())
    for row in manifest["distributions"]:
        row["version"], row["required_by"] = "1\x1b[2J", ["x\x07"]
    (tmp_path / "svc.json").write_text(json.dumps(manifest))
    status, out, _ = run("explain", "svc.json", "two")
    assert (status, "\x1b" in out, "\x07" in out) == (0, False, False)


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("one==1.0", "which a requirement pins"),
        ("one==1", "which a requirement pins"),
        ("one==1.*", "that pip chose"),
        ("one>=1", "that pip chose"),
        ("one @ ../wheels/one-1.0-py3-none-any.whl", "that of the URL or path"),
    ],
)
def test_what_decides_the_version_is_told(run, entry, tmp_path, requirement, words):
    place = (tmp_path / "wheels" / "one-1.0-py3-none-any.whl").as_uri()
    text = requirement.replace("../wheels/one-1.0-py3-none-any.whl", place)
    write_files(entry, {"requirements.txt": f"--no-index\n--find-links ../wheels\n{text}\n"})
    status, out, err = run("explain", "svc", "one", "--runtime", RUNTIME)
    assert status == 0, err
    assert words in out


def test_a_file_in_a_layer_is_found_by_its_place_among_the_modules(run, entry):
    argv = ("--runtime", RUNTIME, "--dependencies", "layer")
    found = explained(run, "svc", "two.py", *argv)
    assert (found["in_layer"], found["path"].endswith("site-packages/two.py")) == (True, True)


def test_a_file_that_is_no_manifest_is_an_error(run, entry, tmp_path):
    for content in ("{}", "[]", "not JSON", '{"files": 1}', '{"format": 1}'):
        (tmp_path / "x.json").write_text(content)
        status, _, err = run("explain", "x.json", "two")
        assert status == 1
        assert "isn't a manifest" in err
    assert "give the function's runtime" in run("explain", "svc", "two")[2]


def test_an_owner_in_the_decisions_may_be_vendor():
    manifest = {
        "files": [], "distributions": [], "vendored": [], "imports": [],
        "decisions": [{"decision": "file-left-out", "subject": "vendor: a.py", "reason": "app has this path"}],
    }  # fmt: skip
    assert explain(manifest, "vendor")["kind"] == "absent"


def test_bytecode_of_a_module_is_told(run, entry, tmp_path):
    status, _, err = run(
        "build", "svc", "--runtime", RUNTIME, "-o", "x.zip", "--bytecode", "auto", "--manifest", "x.json"
    )
    assert status == 0, err
    compiled = [row["path"] for row in json.loads((tmp_path / "x.json").read_text())["files"] if "identity" in row]
    if not compiled:
        pytest.skip("this host lacks python3.13")
    assert explained(run, "x.json", compiled[0])["compiled"] is True
    assert "bytecode of a module" in run("explain", "x.json", compiled[0])[1]
