"""`lock`, `check` and `build` with `--app`: every function of a CDK app by one command, which starts the app."""

import hashlib
import json
import sys
import tomllib
import zipfile
from pathlib import Path

import jsonschema
import pytest
from entries import HANDLER, write_files
from offline import ROOT
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main

SCHEMA = json.loads((ROOT / "docs" / "reference" / "app-report.schema.json").read_text(encoding="utf-8"))
CONFIG = json.loads((ROOT / "docs" / "reference" / "config.schema.json").read_text(encoding="utf-8"))
REPORT = json.loads((ROOT / "docs" / "reference" / "report.schema.json").read_text(encoding="utf-8"))

HEAD = """
from aws_cdk import App, Aspects, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import Packaging, PythonCode, PythonFunction, PythonLayerVersion

PY312, PY313 = lambda_.Runtime.PYTHON_3_12, lambda_.Runtime.PYTHON_3_13
ARM = lambda_.Architecture.ARM_64
app = App()
shop = Stack(app, "Shop")
"""
OFFLINE = "--no-index\n--find-links {wheels}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch, isolated_pip):
    """The working directory, with wheels of two distributions, one and two."""
    for name in ("one", "two"):
        build_wheel(tmp_path / "wheels", name, files={f"{name}.py": ""})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys, monkeypatch):
    """Runs a command with `--app`; returns the exit status, stdout and stderr."""

    def run(command, *argv):
        store = ("--cache-dir", str(folder / "cache"))
        status = run_status([command, "--app", *map(str, argv), *store])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def define(folder: Path, text: str, **project) -> None:
    """Write the CDK app, and cdk.json."""
    write_files(folder, {"stacks.py": f"{HEAD}{text}\napp.synth()\n"})
    (folder / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} stacks.py", **project}))


def entry(folder: Path, name: str, *requirements: str, **files: str) -> None:
    """Write an entry directory that requires distributions of the folder of wheels."""
    text = OFFLINE.format(wheels="../wheels") + "\n".join(requirements)
    write_files(folder / name, {"app.py": HANDLER, **({"requirements.txt": text} if requirements else {}), **files})


def read_lock(path: Path) -> dict[str, str]:
    """Return the versions of a lock by name."""
    return {row["name"]: row["version"] for row in tomllib.loads(path.read_text())["packages"]}


def targets(path: Path) -> list[str]:
    return tomllib.loads(path.read_text())["tool"]["cdk-lambda-package"]["targets"]


def test_one_lock_of_each_requirements_file_covers_all_targets_that_use_it(folder, run):
    entry(folder, "orders", "one")
    entry(folder, "refunds", "two")
    entry(folder, "plain")
    define(
        folder,
        """
PythonFunction(shop, "Orders", entry="orders", runtime=PY313)
PythonFunction(shop, "OrdersArm", entry="orders", runtime=PY312, architecture=ARM)
PythonFunction(Stack(Stage(app, "Prod"), "Shop"), "Refunds", entry="refunds", runtime=PY313)
PythonFunction(shop, "Plain", entry="plain", runtime=PY313)
""",
    )
    locks = [folder / name / "pylock.toml" for name in ("orders", "refunds")]

    status, _, err = run("lock", "--check")
    assert status == 1
    assert "orders/pylock.toml doesn't exist" in err
    assert "refunds/pylock.toml doesn't exist" in err
    assert not any(lock.exists() for lock in locks)

    status, out, err = run("lock")
    assert (status, err) == (0, "")
    assert "orders/pylock.toml: 1 package for python3.12 arm64, python3.13 x86_64, of 2 constructs" in out
    assert "Shop/Plain: no lock is written: it has no requirements" in out
    assert [read_lock(lock) for lock in locks] == [{"one": "1.0"}, {"two": "1.0"}]
    assert targets(locks[0]) == ["python3.12 arm64", "python3.13 x86_64"]
    assert not (folder / "plain" / "pylock.toml").exists()
    assert not (folder / "cdk.out").exists()

    assert "not-locked" not in run("check")[1]

    entry(folder, "orders", "one", "two")
    status, _, err = run("lock", "--check")
    assert (status, "orders/pylock.toml is out of date" in err, "refunds" in err) == (1, True, False)
    status, out, _ = run("lock", "--format", "json")
    described = {Path(one["path"]).parent.name: one for one in json.loads(out)["locks"]}
    assert (described["orders"]["changed"], described["refunds"]["changed"]) == (True, False)
    assert described["orders"]["constructs"] == ["Shop/Orders", "Shop/OrdersArm"]
    assert read_lock(locks[0]) == {"one": "1.0", "two": "1.0"}


@pytest.mark.thorough
def test_versions_are_kept_unless_an_upgrade_names_them(folder, run, capsys):
    entry(folder, "orders", "one", "two")
    define(folder, 'PythonFunction(shop, "Orders", entry="orders", runtime=PY313)')
    lock = folder / "orders" / "pylock.toml"

    def lock_one(*argv):
        store = ("--cache-dir", str(folder / "cache"))
        return run_status(["lock", "orders", "--runtime", "python3.13", *argv, *store])

    assert lock_one() == 0
    for name in ("one", "two"):
        build_wheel(folder / "wheels", name, "2.0", files={f"{name}.py": ""})
    assert lock_one() == 0
    assert read_lock(lock) == {"one": "1.0", "two": "1.0"}
    assert lock_one("--upgrade=onee") == 1
    assert "no lock has a distribution of this name; did you mean 'one'?" in capsys.readouterr().err
    # The same for a whole app.
    assert run("lock", "--upgrade=One")[0] == 0
    assert read_lock(lock) == {"one": "2.0", "two": "1.0"}
    assert lock_one("--upgrade") == 0
    assert read_lock(lock) == {"one": "2.0", "two": "2.0"}


def test_functions_that_share_a_file_have_to_agree(folder, run):
    entry(folder, "orders", "one")
    define(
        folder,
        """
PythonFunction(shop, "Orders", entry="orders", runtime=PY313)
PythonFunction(shop, "Refunds", entry="orders", runtime=PY313, packaging=Packaging(uploaded_prior_to="7d"))
""",
    )
    status, _, err = run("lock")
    assert status == 1
    assert "Shop/Orders and Shop/Refunds share orders/requirements.txt" in err
    assert "uploaded_prior_to: none and '7d'" in err
    assert "packaging=Packaging(requirements='requirements-refunds.txt')" in err
    assert not (folder / "orders" / "pylock.toml").exists()


@pytest.mark.thorough
def test_a_lock_has_what_one_of_its_functions_leaves_out(folder, run):
    entry(folder, "orders", "one", "two")
    define(
        folder,
        """
for number, provided in enumerate((["two"], ["two", "one"])):
    PythonFunction(shop, f"F{number}", entry="orders", runtime=PY313, packaging=Packaging(provided=provided))
""",
    )
    assert run("lock")[0] == 0
    assert read_lock(folder / "orders" / "pylock.toml") == {"one": "1.0"}
    assert "not-locked" not in run("check")[1]


@pytest.mark.thorough
def test_a_file_that_a_function_names_has_a_lock_of_its_own(folder, run):
    api = OFFLINE.format(wheels="../wheels") + "two"
    entry(folder, "orders", "one", **{"requirements-api.txt": api})
    write_files(folder, {"shared.txt": OFFLINE.format(wheels="wheels") + "one\ntwo"})
    define(
        folder,
        """
PythonFunction(shop, "Orders", entry="orders", runtime=PY313)
PythonFunction(shop, "Api", entry="orders", runtime=PY313, packaging=Packaging(requirements="requirements-api.txt"))
PythonFunction(shop, "Both", entry="orders", runtime=PY313, packaging=Packaging(requirements="../shared.txt"))
PythonFunction(shop, "Itself", entry="orders", runtime=PY313, packaging=Packaging(requirements="requirements.txt"))
""",
    )
    status, out, err = run("lock")
    assert (status, err) == (0, "")
    assert "orders/pylock.toml: 1 package for python3.13 x86_64, of 2 constructs" in out
    assert read_lock(folder / "orders" / "pylock.toml") == {"one": "1.0"}
    assert read_lock(folder / "orders" / "pylock.requirements-api.toml") == {"two": "1.0"}
    assert read_lock(folder / "pylock.shared.toml") == {"one": "1.0", "two": "1.0"}
    # Each function is packaged with its own lock, and a lock that is there is renewed.
    found = json.loads(run("check", "--format", "json")[1])
    assert not [one["path"] for one in found["constructs"] for report in one["reports"] for _ in report["findings"]]
    (folder / "orders" / "pylock.toml").unlink()
    reports = json.loads(run("check", "--format", "json")[1])["constructs"]
    assert [one["path"] for one in reports if one["reports"][0]["findings"]] == ["Shop/Itself", "Shop/Orders"]
    status, _, err = run("lock")
    assert (status, err) == (0, "")
    assert read_lock(folder / "orders" / "pylock.toml") == {"one": "1.0"}


@pytest.mark.thorough
def test_one_file_above_several_entry_directories_has_one_lock_for_all_targets(folder, run):
    write_files(folder, {"requirements.txt": OFFLINE.format(wheels="wheels") + "one"})
    entry(folder, "x")
    entry(folder, "y")
    # The lock of the CDK app itself isn't that of a function.
    entry(folder, "deep/z")
    write_files(
        folder,
        {
            "deep/pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "aws-cdk-lib"\n',
            "deep/cdk.json": "{}",
        },
    )
    before = (folder / "deep" / "pylock.toml").read_bytes()
    define(
        folder,
        """
shared = Packaging(requirements="../requirements.txt", pip_environment={"TOKEN": "x"})
PythonFunction(shop, "X", entry="x", runtime=PY313, packaging=shared)
PythonFunction(shop, "Y", entry="y", runtime=PY312, packaging=shared)
PythonFunction(shop, "Z", entry="deep/z", runtime=PY312)
""",
    )
    status, out, err = run("lock")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "pylock.toml: 1 package for python3.12 x86_64, python3.13 x86_64, of 2 constructs"
    assert (folder / "deep" / "pylock.toml").read_bytes() == before
    assert run("lock", "--check")[0] == 0
    found = json.loads(run("check", "--format", "json")[1])
    failing = [one["path"] for one in found["constructs"] for report in one["reports"] if report["counts"]["error"]]
    # The app's lock of this test has no files.
    assert failing == ["Shop/Z"]


@pytest.mark.thorough
def test_a_lock_applies_to_the_file_that_it_was_made_of_alone(folder, run):
    other = OFFLINE.format(wheels="../wheels") + "two"
    files = {
        "orders.txt": other,
        "requirements-api.txt": other,
        "requirements.api.txt": OFFLINE.format(wheels="../wheels") + "one",
    }
    entry(folder, "orders", "one", **files)
    text = """
PythonFunction(shop, "Own", entry="orders", runtime=PY313)
PythonFunction(shop, "Named", entry="orders", runtime=PY313, packaging=Packaging(requirements="orders.txt"))
PythonFunction(shop, "Api", entry="orders", runtime=PY313, packaging=Packaging(requirements="requirements-api.txt"))
"""
    define(folder, text)
    assert run("lock")[0] == 0
    # Another file whose lock would have the same name.
    define(
        folder,
        text
        + 'PythonFunction(shop, "Dots", entry="orders", runtime=PY313, packaging=Packaging(requirements="requirements.api.txt"))',
    )
    assert run("build", "--output", "dist")[0] == 0
    modules = {}
    for path in (folder / "dist").iterdir():
        with zipfile.ZipFile(path) as archive:
            modules[path.name] = {name for name in archive.namelist() if name in ("one.py", "two.py")}
    assert modules == {
        "Shop.Own.zip": {"one.py"},
        "Shop.Named.zip": {"two.py"},
        "Shop.Api.zip": {"two.py"},
        "Shop.Dots.zip": {"one.py"},
    }
    status, _, err = run("lock")
    assert (status, "have one lock, orders/pylock.requirements-api.toml" in err) == (1, True)


@pytest.mark.thorough
def test_entries_variables_and_classes_are_those_of_the_app(folder, run):
    entry(folder / "infra", "orders")
    entry(folder, "orders", **{"stray.py": ""})
    define(
        folder / "infra",
        """
import os
os.environ["CDK_LAMBDA_PACKAGE_INCLUDE"] = "*.txt"
PythonFunction(shop, "Orders", entry="orders", runtime=PY313)
""",
    )
    write_files(folder, {"infra/orders/note.txt": ""})
    (folder / "cdk.json").write_text(json.dumps({"app": f"cd infra && {sys.executable} stacks.py"}))
    assert run("build", "--output", "dist")[0] == 0
    with zipfile.ZipFile(folder / "dist" / "Shop.Orders.zip") as archive:
        assert archive.namelist() == ["app.py", "note.txt"]

    entry(folder, "own")
    define(
        folder,
        """
class Team(Packaging):
    pass

PythonFunction(shop, "Own", entry="own", runtime=PY313, packaging=Team())
""",
    )
    status, _, err = run("lock", "--check")
    assert (status, "A value is of a class of the app's own" in err) == (1, True)


@pytest.mark.thorough
def test_two_constructs_never_share_an_archive(folder, run):
    entry(folder, "orders")
    define(
        folder,
        """
from constructs import Construct
PythonFunction(shop, "A.B", entry="orders", runtime=PY313)
PythonFunction(Construct(shop, "A"), "B", entry="orders", runtime=PY313)
""",
    )
    status, _, err = run("build", "--output", "dist")
    assert (status, "would both be Shop.A.B.zip" in err, (folder / "dist").exists()) == (1, True, False)


@pytest.mark.thorough
def test_the_requirements_of_a_layer_have_a_lock(folder, run):
    write_files(folder, {"shared/requirements.txt": OFFLINE.format(wheels="../wheels") + "one"})
    define(
        folder,
        """
PythonLayerVersion(shop, "Shared", requirements="shared/requirements.txt", compatible_runtimes=[PY312, PY313])
""",
    )
    status, out, err = run("lock")
    assert (status, err) == (0, "")
    assert "shared/pylock.toml: 1 package for python3.12 x86_64, python3.13 x86_64, of 1 construct" in out
    assert run("check")[1].splitlines()[-2:] == [
        "1 layer can be packaged for python3.12 x86_64, python3.13 x86_64.",
        "nothing found",
    ]


def test_nothing_is_written_if_one_lock_cannot_be_made(folder, run):
    entry(folder, "orders", "one")
    entry(folder, "refunds", "missing")
    entry(folder, "gifts", "lost")
    define(
        folder,
        """
for name in ("orders", "refunds", "gifts"):
    PythonFunction(shop, name.title(), entry=name, runtime=PY313)
""",
    )
    status, out, err = run("lock")
    assert (status, out) == (1, "")
    assert "refunds/requirements.txt" in err
    assert "gifts/requirements.txt" in err
    assert not list(folder.rglob("pylock.toml"))


@pytest.mark.thorough
def test_a_lock_of_another_tool_is_left_to_it(folder, run):
    entry(folder, "orders", "one", **{"pylock.toml": 'lock-version = "1.0"\ncreated-by = "other"\npackages = []\n'})
    define(folder, 'PythonFunction(shop, "Orders", entry="orders", runtime=PY313)')
    before = (folder / "orders" / "pylock.toml").read_bytes()
    status, out, _ = run("lock")
    assert status == 0
    assert "orders/pylock.toml is its lock, which another tool wrote: renew it with that" in out
    assert (folder / "orders" / "pylock.toml").read_bytes() == before


def test_check_reports_each_finding_once_with_the_functions_that_have_it(folder, run):
    entry(folder, "orders", "one")
    write_files(folder / "broken", {"app.py": "import cgi\nimport absent\n\n" + HANDLER})
    define(
        folder,
        """
for number in range(5):
    PythonFunction(shop, f"Orders{number}", entry="orders", runtime=PY312)
PythonFunction(shop, "Broken", entry="broken", runtime=PY312)
PythonFunction(shop, "Lost", entry="nowhere", runtime=PY312)
""",
    )
    status, out, err = run("check")
    assert (status, err) == (1, "")
    assert out.count("requirements-not-locked]") == 1
    assert "in Shop/Orders0, Shop/Orders1, Shop/Orders2 and 2 more" in out
    assert "error[import-not-found] broken/app.py:2" in out
    assert "2 of 7 functions can't be packaged for python3.12 x86_64:\n    Shop/Broken\n    Shop/Lost" in out

    # cgi is there on Python 3.12, and nowhere later.
    status, out, _ = run("check", "--runtime", "python3.13", "--format", "json")
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    for one in report["constructs"]:
        for each in one["reports"]:
            jsonschema.validate(each, REPORT)
    assert [one["path"] for one in report["constructs"]] == sorted(one["path"] for one in report["constructs"])
    assert report["counts"]["note"] == 5
    broken = next(one for one in report["constructs"] if one["path"] == "Shop/Broken")
    assert broken["reports"][0]["target"]["runtime"] == "python3.13"
    assert {one["subject"] for one in broken["reports"][0]["findings"]} == {"absent", "cgi"}

    status, out, _ = run("check", "--format", "sarif")
    runs = json.loads(out)["runs"]
    names = [one["automationDetails"]["id"] for one in runs]
    assert "cdk-lambda-package/Shop/Broken/python3.12/x86_64/" in names
    assert len(set(names)) == len(names) == 7


def test_functions_are_seen_after_aspects_and_with_the_layers_of_the_app(folder, run):
    write_files(folder / "common", {"requirements.txt": OFFLINE.format(wheels="../wheels") + "one"})
    write_files(folder / "orders", {"app.py": "import one\n" + HANDLER})
    define(
        folder,
        """
import jsii
from aws_cdk import IAspect

@jsii.implements(IAspect)
class Arm:
    def visit(self, node):
        if isinstance(node, lambda_.CfnFunction):
            node.architectures = ["arm64"]

layer = PythonLayerVersion(shop, "Common", entry="common", compatible_runtimes=[PY313], compatible_architectures=[ARM])
PythonFunction(shop, "Orders", entry="orders", runtime=PY313, layers=[layer])
PythonFunction(shop, "Alone", entry="orders", runtime=PY313)
lambda_.Function(shop, "Code", code=PythonCode(entry="orders"), runtime=PY313, handler="app.handler", layers=[layer])
Aspects.of(app).add(Arm())
""",
    )
    status, out, _ = run("check", "--format", "json")
    found = {one["path"]: one for one in json.loads(out)["constructs"]}
    assert {one["reports"][0]["target"]["architecture"] for one in found.values()} == {"arm64"}
    assert (status, found["Shop/Common"]["kind"]) == (1, "layer")
    failing = {path for path, one in found.items() if one["reports"][0]["counts"]["error"]}
    assert failing == {"Shop/Alone"}


@pytest.mark.thorough
def test_config_shows_what_sets_each_option_of_a_construct(folder, run):
    entry(folder, "orders", "one", **{"pyproject.toml": "[tool.cdk-lambda-package]\nsmoke_timeout = 3\n"})
    define(
        folder,
        """
from cdk_lambda_package import PackagingDefaults
PackagingDefaults.of(shop).set(Packaging(slim=True))
PythonFunction(shop, "Orders", entry="orders", runtime=PY313, packaging=Packaging(exclude=["*.md"]))
PythonFunction(shop, "Refunds", entry="orders", runtime=PY313)
""",
        context={"cdk-lambda-package:require_hashes": True},
    )
    status, out, err = run("config", "--format", "json")
    assert (status, err) == (0, "")
    jsonschema.validate(json.loads(out), CONFIG)
    found = {one["path"]: one["options"] for one in json.loads(out)["constructs"]}
    assert list(found) == ["Shop/Orders", "Shop/Refunds"]
    places = {
        name: [one["place"] for one in found["Shop/Orders"][name]["set_by"]]
        for name in ("exclude", "smoke_timeout", "slim", "require_hashes", "bytecode")
    }
    assert places == {
        "exclude": ["its own packaging="],
        "smoke_timeout": ["orders/pyproject.toml"],
        "slim": ["PackagingDefaults of Shop"],
        "require_hashes": ["cdk-lambda-package:require_hashes in the context"],
        "bytecode": [],
    }
    assert found["Shop/Refunds"]["exclude"]["set_by"] == []

    # cdk.json has the app, so a word that is no program is a path.
    status, out, _ = run("config", "Shop/Refunds")
    assert (status, out.splitlines()[0]) == (0, "Shop/Refunds")
    status, _, err = run("config", "Shop/Refund")
    assert (
        status,
        "no function or layer of the app has the path 'Shop/Refund'; did you mean 'Shop/Refunds'?" in err,
    ) == (2, True)
    # A path may have a space, which a command has too.
    _, _, err = run("config", "Shop/My orders")
    assert "has the path 'Shop/My orders'" in err
    assert run("config", f"{sys.executable} stacks.py")[0] == 0
    assert run("config", f"MODE=1 {sys.executable} stacks.py")[0] == 0


def test_build_writes_the_packages_of_all_constructs_or_none(folder, run):
    entry(folder, "orders", "one")
    write_files(folder / "layered", {"app.py": "import two\n" + HANDLER})
    write_files(folder / "layered", {"requirements.txt": OFFLINE.format(wheels="../wheels") + "two"})
    text = """
PythonFunction(shop, "Orders", entry="orders", runtime=PY313)
PythonFunction(shop, "Same", entry="orders", runtime=PY313)
PythonFunction(shop, "Layered", entry="layered", runtime=PY313, packaging=Packaging(dependencies="layer"))
"""
    define(folder, text)
    status, out, _ = run("build", "--output", "dist", "--format", "json")
    assert status == 0
    made = {one["construct"]: one for one in json.loads(out)["packages"]}
    files = {path.name for path in (folder / "dist").iterdir()}
    assert files == {"Shop.Orders.zip", "Shop.Same.zip", "Shop.Layered.zip", "Shop.Layered-layer.zip"}
    assert made["Shop/Orders"]["content_digest"] == made["Shop/Same"]["content_digest"]
    with zipfile.ZipFile(folder / "dist" / "Shop.Layered.zip") as archive:
        assert archive.namelist() == ["app.py"]

    # The same packages as from the synthesis of the app.
    import subprocess

    subprocess.run([sys.executable, "stacks.py"], env=_synthesis(folder), check=True, capture_output=True)
    assets = {path.read_bytes() for path in (folder / "cdk.out").glob("asset.*.zip")}
    assert assets == {path.read_bytes() for path in (folder / "dist").iterdir()}

    entry(folder, "broken", "missing")
    define(folder, text + 'PythonFunction(shop, "Broken", entry="broken", runtime=PY313)')
    status, out, err = run("build", "--output", "other")
    assert (status, out, (folder / "other").exists()) == (1, "", False)
    assert "Shop/Broken: " in err


def _synthesis(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "CDK_OUTDIR": str(folder / "cdk.out"), "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(folder / "cache")}


def test_the_app_starts_as_the_cdk_cli_starts_it(folder, run, monkeypatch):
    entry(folder, "orders", "one")
    write_files(folder, {"cdk.context.json": json.dumps({"from-lookups": "l", "both": "lookups"})})
    define(
        folder,
        """
import json, os
from aws_cdk import Environment
from aws_cdk import aws_ssm as ssm
keys = ("from-project", "from-lookups", "both", "given")
with open("seen.json", "w") as stream:
    values = {key: app.node.try_get_context(key) for key in keys}
    json.dump({**values, "region": os.environ.get("CDK_DEFAULT_REGION")}, stream)
there = Stack(app, "There", env=Environment(account="111111111111", region="eu-west-1"))
ssm.StringParameter.value_from_lookup(there, "/shop/name")
PythonFunction(there, "Orders", entry="orders", runtime=PY313)
""",
        context={"from-project": "p", "both": "project", "given": "project"},
        build="touch built",
    )
    monkeypatch.setenv("CDK_DEFAULT_REGION", "eu-north-1")
    status, _, err = run("check", "-c", "given=here")
    assert status == 0
    assert json.loads((folder / "seen.json").read_text()) == {
        "from-project": "p",
        "from-lookups": "l",
        "both": "project",
        "given": "here",
        "region": "eu-north-1",
    }
    assert (folder / "built").exists()
    assert "ssm:account=111111111111:parameterName=/shop/name:region=eu-west-1" in err
    assert "dummy values" in err
    (folder / "cdk.json").unlink()
    status, _, err = run("check")
    assert (status, "has no cdk.json with an `app`" in err) == (2, True)
    assert main(["check", "--app", f"{sys.executable} stacks.py", "--cache-dir", str(folder / "cache")]) == 0


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (
            "echo no Python here",
            1,
            ["has no construct of cdk-lambda-package, or isn't written in Python", "no Python here"],
        ),
        ("echo it broke >&2; exit 3", 1, ["failed with status 3", "it broke"]),
        ("cdk.out", 2, ["is a directory with an assembly"]),
    ],
)
def test_an_app_without_a_plan_is_an_error_with_its_output(folder, capsys, command, status, words):
    (folder / "cdk.out").mkdir()
    assert run_status(["check", "--app", command]) == status
    err = capsys.readouterr().err
    assert [word for word in words if word not in err] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"app": ["python3", "stacks.py"]}', "`app` in cdk.json is ['python3', 'stacks.py']; give a command as text"),
        ("{", "cdk.json isn't JSON"),
        ("[]", "cdk.json has no JSON object"),
    ],
)
def test_a_cdk_json_that_cannot_be_read_is_an_error(folder, run, text, words):
    (folder / "cdk.json").write_text(text)
    status, _, err = run("check")
    assert (status, words in err, "usage:" in err) == (1, True, False)


def run_status(argv: list[str]) -> int:
    try:
        return main(argv)
    except SystemExit as ended:
        return int(ended.code or 0)


def test_an_app_with_another_version_of_the_library_is_an_error(folder, run, monkeypatch):
    entry(folder, "orders", "one")
    define(folder, 'PythonFunction(shop, "Orders", entry="orders", runtime=PY313)')
    monkeypatch.setattr("cdk_lambda_package.app_plan.metadata.version", lambda _: "99.0")
    status, _, err = run("check")
    assert status == 1
    assert "The command is of cdk-lambda-package 99.0, and the app uses" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["check", "orders", "--app"], "'orders' has no place beside it"),
        (["check", "--app", "--slim"], "--slim is about one function"),
        (["lock", "--app", "--runtime", "python3.13"], "--runtime is about one function"),
        (["lock", "--app", "--output", "pylock.toml"], "--output names one lock"),
        (["build", "--app", "--output", "dist", "--sbom", "a.json"], "--sbom names one file"),
        (["check", "--app", "-c", "novalue"], "isn't KEY=VALUE"),
        (["check", "orders", "--runtime", "python3.13", "-c", "a=b"], "--context is the context of an app"),
        (["check", "--runtime", "python3.13"], "give an entry directory, or --app"),
        (["check", "orders"], "give the function's runtime"),
        (["lock", "--upgrade", "orders", "--runtime", "python3.13"], "Write it before --upgrade"),
    ],
)
def test_arguments_that_exclude_each_other(folder, capsys, argv, words):
    define(folder, "")
    assert run_status(argv) == 2
    assert words in capsys.readouterr().err


def test_credentials_of_requests_are_in_no_file_and_no_argument(folder, run, monkeypatch):
    entry(folder, "orders", "one")
    define(
        folder,
        """
PythonFunction(shop, "Orders", entry="orders", runtime=PY313,
    packaging=Packaging(pip_args=["--extra-index-url=https://me:very-secret-word@localhost:1/simple", "--no-index"]))
""",
    )
    (folder / "stacks.py").write_text(
        (folder / "stacks.py").read_text().replace("very-secret-word", "very-' + 'secret-word")
    )
    kept = folder / "temporary"
    kept.mkdir()
    monkeypatch.setenv("TMPDIR", str(kept))
    monkeypatch.setattr("cdk_lambda_package.app_plan.TemporaryDirectory", lambda prefix: _Kept(kept / prefix))
    assert run("check")[0] == 0
    texts = [path.read_bytes() for path in kept.rglob("*") if path.is_file()]
    assert texts
    assert not any(b"very-secret-word" in text for text in texts)


class _Kept:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> str:
        self.path.mkdir()
        return str(self.path)

    def __exit__(self, *_: object) -> None:
        pass


def test_the_digest_of_a_layer_output_depends_on_its_path(monkeypatch, tmp_path):
    from cdk_lambda_package.app_plan import layer_output

    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_PLAN", f"1:{tmp_path}/plan")
    name = hashlib.sha256(b"Shop/Common").hexdigest()
    assert layer_output("Shop/Common") == tmp_path / "layers" / f"{name}.zip"
