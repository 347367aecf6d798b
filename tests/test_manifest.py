"""The manifest: its schema, its truth, and that it is the same everywhere."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from entries import sha256, write_files
from jsonschema import Draft202012Validator
from offline import OFFLINE_NAMES, PACKAGE, ROOT, RUNTIME, run_cli

from cdk_lambda_package.manifest import ArchiveContent, describe_package
from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.splicing import VENDOR, Layout, Series, merge
from cdk_lambda_package.target import Target

SCHEMA = json.loads((ROOT / "docs/reference/manifest.schema.json").read_text(encoding="utf-8"))


def build(entry, folder, cache, *options):
    folder.mkdir(exist_ok=True)
    argv = ["build", entry, "--runtime", RUNTIME, "-o", folder / "x.zip", "--manifest", folder / "x.json", *options]
    done = run_cli(*argv, cache=cache)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "x.json").read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(manifest)
    return manifest


@pytest.fixture(scope="module")
def built(offline_entry, tmp_path_factory):
    """The folder with the .zip and its manifest, and the manifest."""
    folder = tmp_path_factory.mktemp("built")
    return folder, build(offline_entry, folder, tmp_path_factory.mktemp("cache"))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_every_kind_of_decision_is_in_the_schema():
    kinds = set()
    for path in PACKAGE.rglob("*.py"):
        kinds |= set(re.findall(r'Decision\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8")))
    assert kinds == set(SCHEMA["properties"]["decisions"]["items"]["properties"]["decision"]["enum"])


def test_the_manifest_says_what_is_in_the_zip(built):
    folder, manifest = built
    with zipfile.ZipFile(folder / "x.zip") as opened:
        actual = [
            {
                "path": info.filename,
                "mode": f"{info.external_attr >> 16 & 0o7777:04o}",
                "size": info.file_size,
                "sha256": hashlib.sha256(opened.read(info)).hexdigest(),
            }
            for info in opened.infolist()
        ]
    listed = [{name: file[name] for name in ("path", "mode", "size", "sha256")} for file in manifest["files"]]
    assert listed == sorted(actual, key=lambda file: str(file["path"]))
    assert manifest["size"] == sum(file["size"] for file in manifest["files"])
    assert manifest["zip"] == {"sha256": sha256(folder / "x.zip"), "size": (folder / "x.zip").stat().st_size}


def test_each_file_has_its_owner_and_each_distribution_its_origin_and_who_required_it(built):
    _, manifest = built
    owners = {file["path"]: file["owner"] for file in manifest["files"]}
    assert sorted(owners) == OFFLINE_NAMES
    assert owners["app.py"] == "app"
    assert owners["internalpackage/__init__.py"] == "vendor"
    assert owners["bin/alpha"] == "alpha==1.0"
    rows = {row["name"]: row for row in manifest["distributions"]}
    assert list(rows) == ["alpha", "beta", "gamma"]
    assert rows["gamma"]["required_by"] == ["alpha"]
    assert rows["alpha"]["required_by"] == []
    assert rows["alpha"]["requested"] is True
    assert rows["alpha"]["origin"] == "file:alpha-1.0-py3-none-any.whl"
    for name, row in rows.items():
        own = [file for file in manifest["files"] if file["owner"] == f"{name}==1.0"]
        assert (row["files"], row["size"]) == (len(own), sum(file["size"] for file in own))


def test_the_target_is_told(built):
    assert built[1]["target"] == {
        "runtime": "python3.13",
        "architecture": "x86_64",
        "python_full_version": "3.13.0",
        "system": "Amazon Linux 2023",
        "glibc": "2.34",
    }


def test_another_place_writes_the_same_manifest(offline_entry, built, tmp_path):
    checkout = Path(shutil.copytree(offline_entry, tmp_path / "somewhere else"))
    build(checkout, tmp_path / "out", tmp_path / "cache")
    assert (tmp_path / "out" / "x.json").read_bytes() == (built[0] / "x.json").read_bytes()
    assert str(tmp_path) not in (tmp_path / "out" / "x.json").read_text(encoding="utf-8")


def test_a_manifest_that_is_read_from_the_cache_is_the_same(offline_entry, built, tmp_path):
    first = build(offline_entry, tmp_path / "one", tmp_path / "cache")
    second = build(offline_entry, tmp_path / "two", tmp_path / "cache")
    assert first == second == built[1]


def test_what_was_settled_is_told(offline_entry, tmp_path):
    checkout = Path(shutil.copytree(offline_entry, tmp_path / "svc"))
    write_files(checkout, {"vendor/beta.py": "B = 2\n", "LICENSE": "mine\n"})
    manifest = build(
        checkout, tmp_path / "out", tmp_path / "cache", "--include", "/LICENSE", "--exclude-distributions", "gamma"
    )
    decisions = {(row["decision"], row["subject"]) for row in manifest["decisions"]}
    assert ("distribution-replaced-by-vendor", "beta==1.0") in decisions
    assert ("distribution-left-out", "gamma==1.0") in decisions
    assert ("file-left-out", "alpha==1.0: LICENSE") in decisions
    assert [finding["id"] for finding in manifest["findings"]] == ["own-file-wins"]
    rows = {row["name"]: row for row in manifest["distributions"]}
    assert rows["beta"]["files"] == 0
    assert "gamma" not in rows
    record = next(file for file in manifest["files"] if file["path"] == "alpha-1.0.dist-info/RECORD")
    with zipfile.ZipFile(tmp_path / "out" / "x.zip") as opened:
        assert hashlib.sha256(opened.read(record["path"])).hexdigest() == record["sha256"]
        assert "LICENSE" not in opened.read(record["path"]).decode()


def test_a_requirement_that_becomes_the_apps_own_is_told_as_such(offline_entry, tmp_path):
    # The same wheels for the same files, but now a requirement names what was only a dependency before.
    def own_line(name):
        lines = (offline_entry / "requirements.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{name}=="))

    requested = []
    for index, names in enumerate((["alpha"], ["alpha", "gamma"])):
        options = ["--no-index", "--find-links wheels", *(own_line(name).split()[0] for name in names)]
        checkout = Path(shutil.copytree(offline_entry, tmp_path / f"svc{index}"))
        write_files(checkout, {"requirements.txt": "\n".join(options) + "\n"})
        manifest = build(checkout, tmp_path / f"out{index}", tmp_path / "cache")
        requested.append({row["name"]: row["requested"] for row in manifest["distributions"]})
    assert requested == [
        {"alpha": True, "beta": False, "gamma": False},
        {"alpha": True, "beta": False, "gamma": True},
    ]


def test_the_origin_has_no_query_which_may_be_a_signature(store):
    wheel = LockedWheel(
        name="a",
        version="1",
        filename="a-1-py3-none-any.whl",
        url="https://h/a-1-py3-none-any.whl?sig=secret#x",
        sha256="",
    )
    nothing = Series()
    layout = Layout(tree=merge([]), splices=(), owned={VENDOR: nothing, "a==1": nothing})
    described = describe_package(
        target=Target.parse("python3.13", "x86_64"),
        package_key="",
        layout=layout,
        archives=[ArchiveContent((), "")],
        wheels=[wheel],
    )
    assert described["distributions"][0]["origin"] == "https://h/a-1-py3-none-any.whl"
