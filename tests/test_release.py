"""What `make release-check` requires of a release, on files that are made for it; and the wheel and the sdist of this checkout."""

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import release_check
import release_contents
from offline import PACKAGE, ROOT
from release_check import FAILED, LEFT_OUT, MISSING, OK, Place, Report
from release_contents import ReleaseError
from sboms import components, properties
from wheel_sbom import FILE, make_sbom, table_sources

from cdk_lambda_package.carried_sboms import read_sbom

VERSION = release_contents.read_version(ROOT)
INFO = f"cdk_lambda_package-{VERSION}.dist-info"
LIBRARY = {"cdk_lambda_package/__init__.py": b"", "cdk_lambda_package/py.typed": b""}
PAGE = "docs/reference/checks/import-not-found.md"
TRACKED = [*LIBRARY, PAGE, "README.md"]


def checkout_only():
    if not (ROOT / PACKAGE.name).is_dir() or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")


def write_wheel(folder: Path, *, left_out: str = "", further: str = "", wrong: str = "") -> Path:
    """Write a wheel with what one must have, but for what a test changes."""
    files = {**LIBRARY, "cdk_lambda_package/checks/pages/import-not-found.md": b"# import-not-found\n"}
    files |= {f"{INFO}/METADATA": f"Metadata-Version: 2.4\nVersion: {VERSION}\n".encode(), f"{INFO}/WHEEL": b""}
    files |= {f"{INFO}/entry_points.txt": b"", f"{INFO}/licenses/LICENSE": b"", f"{INFO}/sboms/{FILE}": b"{}"}
    files |= {further: b""} if further else {}
    files = {name: content for name, content in files.items() if name != left_out}
    rows = []
    for name, content in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(content + b"x" * (name == wrong)).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}")
    files[f"{INFO}/RECORD"] = "\n".join([*rows, f"{INFO}/RECORD,,"]).encode()
    path = folder / f"cdk_lambda_package-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_sdist(folder: Path, names: list[str]) -> Path:
    path = folder / f"cdk_lambda_package-{VERSION}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"cdk_lambda_package-{VERSION}/{name}"), io.BytesIO())
    return path


def test_a_wheel_with_what_git_tracks_is_right(tmp_path):
    assert release_contents.check_wheel(write_wheel(tmp_path), TRACKED).startswith("9 files")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"left_out": "cdk_lambda_package/py.typed"}, "lacks cdk_lambda_package/py.typed"),
        ({"left_out": "cdk_lambda_package/checks/pages/import-not-found.md"}, "lacks cdk_lambda_package/checks/pages"),
        ({"left_out": f"{INFO}/licenses/LICENSE"}, "lacks .*LICENSE"),
        ({"left_out": f"{INFO}/sboms/{FILE}"}, "lacks .*sboms"),
        ({"further": "tests/test_cli.py"}, "files that git doesn't track: tests/test_cli.py"),
        ({"further": "cdk_lambda_package/__pycache__/cli.cpython-313.pyc"}, "doesn't track: .*pyc"),
        ({"wrong": "cdk_lambda_package/__init__.py"}, "RECORD doesn't have the hash of cdk_lambda_package/__init__.py"),
    ],
)
def test_a_wheel_with_more_or_less_is_refused(tmp_path, change, told):
    with pytest.raises(ReleaseError, match=told):
        release_contents.check_wheel(write_wheel(tmp_path, **change), TRACKED)


def test_a_wheel_whose_library_has_no_marker_for_types_is_refused(tmp_path):
    tracked = [name for name in TRACKED if not name.endswith("py.typed")]
    with pytest.raises(ReleaseError, match="type checkers ignore"):
        release_contents.check_wheel(write_wheel(tmp_path, left_out="cdk_lambda_package/py.typed"), tracked)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([*TRACKED[1:], "PKG-INFO"], "lacks cdk_lambda_package/__init__"),
        ([*TRACKED, "PKG-INFO", "cdk.out/x"], "cdk.out/x"),
    ],
)
def test_an_sdist_with_more_or_less_is_refused(tmp_path, names, told):
    assert release_contents.check_sdist(write_sdist(tmp_path, [*TRACKED, "PKG-INFO"]), TRACKED).startswith("5 files")
    with pytest.raises(ReleaseError, match=told):
        release_contents.check_sdist(write_sdist(tmp_path, names), TRACKED)


@pytest.mark.parametrize(
    ("heading", "release", "told"),
    [
        ("## 0.1.0 (unreleased)", False, None),
        ("## 0.1.0 (2026-12-01)", True, None),
        ("## 0.1.0 (unreleased)", True, "write the date"),
        ("## 0.1.0 (December)", False, "'December'"),
        ("## 0.1.0", False, "no section"),
        ("## 0.2.0 (unreleased)", False, "no section '## 0.1.0"),
    ],
)
def test_the_changelog_has_a_section_which_is_dated_in_a_release(heading, release, told):
    changelog = f"# Changes\n\n{heading}\n\n### Added\n\n- One.\n\n## 0.0.9 (2026-01-01)\n\n- Old.\n"
    if told is None:
        assert release_contents.check_changelog(changelog, "0.1.0", release=release) in heading
    else:
        with pytest.raises(ReleaseError, match=told):
            release_contents.check_changelog(changelog, "0.1.0", release=release)


def test_a_section_of_the_changelog_ends_at_the_next_version_and_has_entries():
    changelog = "## 0.2.0 (unreleased)\n\nSoon.\n\n## 0.1.0 (2026-12-01)\n\n- One.\n- Two.\n"
    assert release_contents.read_section(changelog, "0.1.0").body == "- One.\n- Two."
    with pytest.raises(ReleaseError, match="has no entry"):
        release_contents.check_changelog(changelog, "0.2.0", release=False)


def test_the_changelog_of_this_version_is_right():
    release_contents.check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), VERSION, release=False)


@pytest.mark.parametrize("wrong", [None, "name", "metadata", "module"])
def test_the_version_of_files_is_that_of_pyproject(tmp_path, wrong):
    root, dist = tmp_path / "root", tmp_path / "dist"
    (root / "cdk_lambda_package").mkdir(parents=True)
    dist.mkdir()
    shutil.copy(ROOT / "pyproject.toml", root)
    wheel = write_wheel(dist)
    write_sdist(dist, TRACKED)
    if wrong == "module":
        (root / "cdk_lambda_package" / "cli.py").write_text("__version__ = '0.0.1'\n")
    elif wrong:
        version = f'version = "{VERSION}"'
        text = (root / "pyproject.toml").read_text()
        (root / "pyproject.toml").write_text(text.replace(version, 'version = "9.9.9"'))
        if wrong == "metadata":
            renamed = dist / wheel.name.replace(VERSION, "9.9.9")
            with zipfile.ZipFile(renamed, "w") as archive:
                archive.writestr(f"{INFO.replace(VERSION, '9.9.9')}/METADATA", f"Version: {VERSION}\n")
            wheel.unlink()
            sdist = next(dist.glob("*.gz"))
            sdist.rename(dist / sdist.name.replace(VERSION, "9.9.9"))
    if wrong is None:
        assert release_contents.check_version(root, dist).startswith(VERSION)
    else:
        told = {"name": "the files are", "metadata": "and pyproject.toml 9.9.9", "module": "cli.py has a version"}
        with pytest.raises(ReleaseError, match=told[wrong]):
            release_contents.check_version(root, dist)


def test_files_of_another_build_must_have_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_wheel(tmp_path / name)
        (tmp_path / name / f"cdk_lambda_package-{VERSION}.tar.gz").write_bytes(b"same")
    wheel = tmp_path / "two" / next((tmp_path / "one").glob("*.whl")).name
    wheel.write_bytes((tmp_path / "one" / wheel.name).read_bytes())
    release_contents.check_equal(tmp_path / "one", tmp_path / "two")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(ReleaseError, match=f"{wheel.name} has other bytes"):
        release_contents.check_equal(tmp_path / "one", tmp_path / "two")


def test_a_folder_must_have_one_wheel_and_one_sdist(tmp_path):
    write_wheel(tmp_path)
    with pytest.raises(ReleaseError, match="one wheel and one sdist"):
        release_contents.find_files(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"), [(None, None), ("specVersion", "isn't valid"), ("version", "is of cdk-lambda-package 9")]
)
def test_the_sbom_in_a_wheel_must_be_valid_and_of_the_version(tmp_path, change, told):
    sbom = our_sbom()
    if change == "specVersion":
        sbom["components"].append({"name": "no type"})
    elif change:
        sbom["metadata"]["component"]["version"] = "9"
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{INFO}/sboms/{FILE}", json.dumps(sbom))
    if told is None:
        assert "pantsbuild.pants" in release_contents.check_sbom(wheel, VERSION)
    else:
        with pytest.raises(ReleaseError, match=told):
            release_contents.check_sbom(wheel, VERSION)


def our_sbom():
    project = {
        "name": "cdk-lambda-package",
        "version": VERSION,
        "license": "Apache-2.0",
        "description": "A description.",
    }
    return make_sbom(project | {"repository": "https://github.com/a/b"}, PACKAGE.parent)


def test_the_sbom_names_the_origins_of_tables_and_is_the_same_each_time():
    sbom = our_sbom()
    assert our_sbom() == sbom
    found = components(sbom)
    assert {name: properties(one)["file"] for name, one in found.items()} == {
        "pantsbuild.pants": "cdk_lambda_package/checks/data/import_names.txt",
        "typeshed-client": "cdk_lambda_package/target/data/standard_names.txt",
    }
    assert sbom["compositions"] == [{"aggregate": "complete", "assemblies": [sbom["metadata"]["component"]["bom-ref"]]}]
    # As those of other wheels, it is merged into the SBOM of a package.
    carried = read_sbom(f"{INFO}/sboms/{FILE}", "0" * 64, json.dumps(sbom).encode())
    assert (carried.problem, [part.name for part in carried.parts]) == ("", [*found])


def test_the_licence_of_a_table_that_is_new_has_to_be_known(tmp_path):
    table = tmp_path / "cdk_lambda_package" / "checks" / "data" / "new.txt"
    table.parent.mkdir(parents=True)
    table.write_text("# Made from unknown-names==1.0.\na b\n# other==2\n")
    with pytest.raises(KeyError, match="unknown-names"):
        list(table_sources(tmp_path))


def test_the_wheel_of_this_checkout_has_what_git_tracks_and_the_same_bytes_twice(tmp_path):
    checkout_only()
    tracked = release_check.tracked_files()
    wheels = []
    for folder in (tmp_path / "one", tmp_path / "other" / "two"):
        source = release_check.copy_tracked(folder / "source")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder / "dist")]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        wheels.append(folder / "dist")
    release_contents.check_equal(*wheels)
    wheel, sdist = release_contents.find_files(wheels[0])
    release_contents.check_version(ROOT, wheels[0])
    release_contents.check_wheel(wheel, tracked)
    release_contents.check_sdist(sdist, tracked)
    release_contents.check_sbom(wheel, VERSION)
    with zipfile.ZipFile(wheel) as archive:
        sbom = json.loads(archive.read(f"{INFO}/sboms/{FILE}"))
    assert {*components(sbom)} == {*components(our_sbom())}


def test_a_report_has_each_step_and_fails_if_one_did(capsys):
    report = Report()

    def fails():
        raise ReleaseError("it is wrong")

    assert report.run("one", lambda: "fine")
    report.add("Python 3.14", MISSING, "not found")
    report.add("suite", LEFT_OUT, "--no-suite")
    assert not report.failed
    assert not report.run("two", fails)
    assert report.failed
    assert [line.split("  ")[0] for line in report.table().splitlines()] == [
        "step",
        "one",
        "Python 3.14",
        "suite",
        "two",
    ]
    assert "two          failed    it is wrong" in report.table()
    assert "-- one" in capsys.readouterr().out


def arguments(**changes):
    return argparse.Namespace(python=["3.11", "3.12"], suite=True, pytest=["-x"], **changes)


def test_a_python_that_is_not_found_is_named_and_another_goes_through_all_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(release_check, "find_python", lambda version: "python" if version == "3.12" else None)
    monkeypatch.setattr(release_check, "WORK", tmp_path)
    done = []
    for step in ("install", "check_api", "test"):
        monkeypatch.setattr(Place, step, lambda place, *given, step=step: done.append((step, given)) or "done")
    report = Report()
    release_check.check_pythons(report, tmp_path, arguments())
    assert [(one.step, one.status) for one in report.outcomes] == [
        ("Python 3.11", MISSING),
        ("Python 3.12: install", OK),
        ("Python 3.12: public API", OK),
        ("Python 3.12: suite", OK),
    ]
    assert done == [("install", (tmp_path,)), ("check_api", ()), ("test", (["-x"],))]


def test_a_wheel_that_cannot_be_installed_is_not_tested(tmp_path, monkeypatch):
    def install(place, dist):
        raise ReleaseError("pip check failed")

    monkeypatch.setattr(release_check, "find_python", lambda version: "python")
    monkeypatch.setattr(release_check, "WORK", tmp_path)
    monkeypatch.setattr(Place, "install", install)
    report = Report()
    release_check.check_pythons(report, tmp_path, arguments())
    assert [one.status for one in report.outcomes] == [FAILED, FAILED]


def test_the_commit_of_a_release_is_whole_and_has_the_tag(monkeypatch):
    said = {"status": "", "tag": f"v{VERSION}\nother"}
    monkeypatch.setattr(release_check, "git", lambda command, *_: said[command])
    assert release_check.check_commit() == f"v{VERSION}"
    said["tag"] = "v9.9.9"
    with pytest.raises(ReleaseError, match=f"git tag v{VERSION}"):
        release_check.check_commit()
    said["status"] = " M README.md\n"
    with pytest.raises(ReleaseError, match="README.md"):
        release_check.check_commit()
