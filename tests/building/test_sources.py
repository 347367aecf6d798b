"""Local projects, checkouts and archives: copied, built once for what is in them, and never written to."""

import base64
import hashlib
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from entries import package_request
from index_server import serve_index
from native import elf
from pip_projects import Project, build, resolved, versions
from source_projects import build_sdist, commit, write_project
from wheel_factory import build_wheel

from cdk_lambda_package.errors import RequirementsError, UnknownPackageError, UnsupportedRequirementError
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.requirements.resolution_cache import digest_project
from cdk_lambda_package.resolving.projects import project_members
from cdk_lambda_package.store import WHEELS, Store

STATIC = '[project]\nname = "{}"\nversion = "1.0"\ndependencies = []\n'


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def digest(project: Project, store) -> str:
    """Return the content digest of the deployment package of the app."""
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    return package(package_request(entry=project.entry, runtime="python3.13"), store=store).content_digest


# -- forms --


def test_paths_inside_and_outside_the_entry_directory_are_packaged_as_copies(project, store):
    project.build("deep")
    write_project(project.entry / "own", "own", requires=["deep"])
    write_project(project.entry / "live", "live")
    write_project(project.root / "shared", "shared-code")
    before = snapshot(project.root / "shared") | snapshot(project.entry / "own") | snapshot(project.entry / "live")
    found = build(project, store, f"./own\n-e ./live\nshared-code[x] @ {(project.root / 'shared').as_uri()}")
    assert versions(found) == dict.fromkeys(("own", "live", "shared-code", "deep"), "1.0")
    assert all(wheel.requested for wheel in found.wheels if wheel.name != "deep")
    assert next(wheel for wheel in found.wheels if wheel.name == "deep").required_by == ("own",)
    after = snapshot(project.root / "shared") | snapshot(project.entry / "own") | snapshot(project.entry / "live")
    assert after == before
    paths = {one.name: one.directory.path for one in found.pylock.packages if one.directory}
    assert paths["own"] == "own"


@pytest.mark.thorough
def test_a_path_above_the_entry_directory_is_taken_from_there(project, store):
    write_project(project.root / "shared", "shared")
    assert versions(build(project, store, "../shared")) == {"shared": "1.0"}


@pytest.mark.thorough
def test_a_path_in_a_file_url_begins_at_the_entry_directory(project, store):
    write_project(project.root / "shared", "shared")
    wheel = build_wheel(project.root / "built here", "there")
    found = build(project, store, f"shared @ file:../shared\nthere @ file:../built%20here/{wheel.name}")
    assert versions(found) == {"shared": "1.0", "there": "1.0"}
    urls = {one.name: one.url for one in found.wheels}
    assert urls == {"shared": (project.root / "shared").as_uri(), "there": wheel.as_uri()}


@pytest.mark.thorough
def test_settings_behind_a_requirement_that_is_built_are_refused_not_dropped(project, store):
    write_project(project.root / "shared", "shared")
    project.build("tool")
    text = "tool --config-settings=a=b\n../shared"
    assert versions(build(project, store, text)) == {"shared": "1.0", "tool": "1.0"}
    with pytest.raises(
        UnsupportedRequirementError, match=r"requirements\.txt:3: .*/shared has to be built.*pip_environment"
    ):
        build(project, store, f"{text} --config-settings=a=b")


@pytest.mark.thorough
def test_a_requirement_of_a_file_that_includes_another_begins_at_the_entry_directory(project, store):
    write_project(project.entry / "own", "own")
    project.write("./own", name="more/base.txt", local=False)
    assert versions(build(project, store, "-r more/base.txt")) == {"own": "1.0"}


@pytest.mark.thorough
def test_sdist_files_and_a_subdirectory_of_one_are_built(project, store):
    sdist = build_sdist(project.root, "tool")
    folder = project.root / "mono-1.0"
    write_project(folder / "part", "part")
    archive = shutil.make_archive(str(project.root / "mono-1.0"), "gztar", project.root, "mono-1.0")
    lines = f"{sdist.as_posix()}\npart @ {Path(archive).as_uri()}#subdirectory=part"
    assert versions(build(project, store, lines)) == {"tool": "1.0", "part": "1.0"}


@pytest.mark.needs("git")
@pytest.mark.parametrize("editable", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_checkout_is_that_of_the_commit(project, store, editable):
    repository = write_project(project.root / "repository", "tool", "1.0")
    first = commit(repository)
    write_project(repository, "tool", "2.0")
    commit(repository)
    url = f"git+{repository.as_uri()}@{first}"
    found = build(project, store, f"-e {url}#egg=tool" if editable else f"tool @ {url}")
    assert versions(found) == {"tool": "1.0"}
    assert found.pylock.packages[0].vcs.commit_id == first
    assert sorted(path.name for path in project.entry.iterdir()) == ["requirements.txt"]


def test_a_path_without_a_project_is_named_with_its_line(project, store):
    (project.entry / "empty").mkdir()
    with pytest.raises(RequirementsError, match=r"requirements.txt:2: './empty'"):
        build(project, store, "./empty")


# -- a local name is nobody else's --


@pytest.mark.parametrize(
    "table", ["tool.uv.sources", pytest.param("tool.poetry.dependencies", marks=pytest.mark.thorough)]
)
def test_the_name_of_a_local_project_is_never_asked_of_an_index(project, store, table):
    evil = project.root / "index"
    evil.mkdir()
    Project.build(project, "web", requires_dist=["own", "part"])
    shutil.move(project.wheels / "web-1.0-py3-none-any.whl", evil)
    build_wheel(evil, "own", "99.0")
    build_wheel(evil, "part", "99.0")
    write_project(project.entry / "own", "own", requires=["part"], pyproject=path_source("part", "../part", table))
    write_project(project.entry / "part", "part")
    with serve_index(evil) as server:
        project.write(f"--index-url {server.url()}\nweb\n./own", local=False)
        found = build(project, store)
        assert versions(found) == {"web": "1.0", "own": "1.0", "part": "1.0"}
        assert not [path for path in server.requests if path.startswith(("/simple/own", "/simple/part"))]


@pytest.mark.thorough
def test_a_wheel_has_no_trace_of_where_it_was_built(project, store, tmp_path):
    source = path_source("part", "../part", "tool.poetry.dependencies")
    write_project(
        project.entry / "own", "own", requires=["part @ {beside}/part ; python_version > '3'"], pyproject=source
    )
    write_project(project.entry / "part", "part")
    found = build(project, store, "./own")
    (own,) = (wheel for wheel in found.wheels if wheel.name == "own")
    assert build(project, Store(tmp_path / "another")).wheels == found.wheels
    with zipfile.ZipFile(store.find(WHEELS, own.sha256, own.filename)) as archive:
        metadata = archive.read("own-1.0.dist-info/METADATA")
        rows = dict(line.split(",", 1) for line in archive.read("own-1.0.dist-info/RECORD").decode().splitlines())
    assert b"Requires-Dist: part @ file:///build/part ; python_version > '3'\n" in metadata
    digest = base64.urlsafe_b64encode(hashlib.sha256(metadata).digest()).rstrip(b"=").decode()
    assert rows["own-1.0.dist-info/METADATA"] == f"sha256={digest},{len(metadata)}"


def path_source(name: str, path: str, table: str = "tool.uv.sources") -> str:
    return f'\n[{table}]\n{name} = {{ path = "{path}" }}\n'


def test_members_of_a_workspace_are_found_by_name_as_far_as_they_lead(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\nDeep_One = { workspace = true }\n'
    )
    for name, sources in {"web": "wide = { workspace = true }", "wide": "", "deep-one": ""}.items():
        folder = tmp_path / "packages" / name
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(STATIC.format(name) + f"[tool.uv.sources]\n{sources}\n")
    packages = tmp_path / "packages"
    assert project_members([packages / "web"]) == {"wide": packages / "wide", "deep-one": packages / "deep-one"}


@pytest.mark.thorough
def test_extras_of_projects_that_others_name_as_theirs_count(project, store):
    for name in ("deep", "more", "most"):
        project.build(name)
    part = write_project(project.root / "part", "part", requires=["most; extra == 'z'"], extras=["z"])
    requires = ["deep; extra == 'x'", "more; extra == 'y'", "part[z]; extra == 'x'"]
    sources = f"[tool.poetry.dependencies]\npart = {{ path = '{part.as_posix()}' }}\n"
    write_project(project.root / "shared", "shared", requires=requires, extras=["x", "y"], pyproject=sources)
    sources = "[tool.uv.sources]\nshared = { path = '../shared' }\n"
    write_project(project.root / "own", "own", requires=["shared[x]", "shared"], pyproject=sources)
    assert versions(build(project, store, "../own")) == dict.fromkeys(["own", "shared", "deep", "part", "most"], "1.0")


@pytest.mark.thorough
def test_paths_may_have_spaces_be_quoted_and_stand_in_a_file_url(project, store):
    write_project(project.root / "our code", "own", requires=["more; extra == 'x'"], extras=["x"])
    wheel = build_wheel(project.root / "built here", "there")
    project.build("more")
    lines = [
        "../our code",
        '-e "../our code"',
        "own[x] @ file:../our%20code",
        f"there @ file:../built%20here/{wheel.name}",
    ]
    assert versions(build(project, store, "\n".join(lines))) == dict.fromkeys(["own", "more", "there"], "1.0")


# -- what the key covers --


@pytest.mark.thorough
def test_an_edited_project_is_another_package_and_a_touched_one_is_not(project, store, log):
    own = write_project(project.entry / "own", "own", log=str(log))
    project.write("./own")
    first = digest(project, store)
    os.utime(own / "own.py", (1, 1))
    assert digest(project, store) == first
    assert log.read_text().count("own") == 1
    (own / "own.py").write_text("changed = True\n")
    assert digest(project, store) != first
    assert log.read_text().count("own") == 2


def test_unchanged_files_of_a_project_are_not_read_again(tmp_path, store, monkeypatch):
    own = write_project(tmp_path / "own", "own")
    # What was changed a moment ago may be changed again within a tick of the file system's clock.
    time.sleep(2.1)
    before = digest_project(own, store)
    with monkeypatch.context() as patch:
        patch.setattr("cdk_lambda_package.requirements.resolution_cache.file_sha256", None)
        assert digest_project(own, store) == before
    assert digest_project(own) == before
    (own / "own.py").write_text("changed = True\n")
    assert digest_project(own, store) != before


@pytest.mark.thorough
def test_what_does_not_go_into_the_wheel_changes_no_package(project, store):
    own = write_project(project.entry / "own", "own")
    project.write("./own")
    first = digest(project, store)
    (own / "NOTES.txt").write_text("for ourselves")
    assert digest(project, store) == first


@pytest.mark.thorough
def test_a_local_project_alone_needs_no_pinning(project, store):
    write_project(project.entry / "own", "own")
    found = resolved(project.request("./own"), store)
    assert found.pinned
    assert not [finding for finding in found.findings if finding.id == "requirements-not-locked"]


@pytest.mark.thorough
def test_the_same_project_in_another_place_is_the_same_package(project, store, tmp_path, monkeypatch):
    write_project(project.entry / "own", "own")
    project.write("./own")
    first = digest(project, store)
    other = tmp_path / "elsewhere" / "app"
    shutil.copytree(project.entry, other)
    moved = package_request(entry=other, runtime="python3.13")
    assert package(moved, store=store).content_digest == first


def test_leftovers_of_earlier_builds_are_neither_in_the_digest_nor_in_the_copy(tmp_path):
    own = write_project(tmp_path / "own", "own")
    before = digest_project(own)
    for path in (
        "build/lib/stale.py",
        "own.egg-info/PKG-INFO",
        "dist/own-0.1.tar.gz",
        "__pycache__/own.pyc",
        ".git/HEAD",
    ):
        (own / path).parent.mkdir(parents=True, exist_ok=True)
        (own / path).write_text("left over")
    assert digest_project(own) == before
    (own / "build/tool.py").write_text("a package's own")
    assert digest_project(own) != before


def test_what_a_project_brings_is_in_the_package(project, store, tmp_path):
    write_project(project.entry / "own", "own", files={"pkg/data.py": "x = 1\n"})
    project.write("./own")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    out = tmp_path / "out.zip"
    package(package_request(entry=project.entry, runtime="python3.13"), lambda _: out, store=store)
    with zipfile.ZipFile(out) as archive:
        assert {"app.py", "own.py", "pkg/data.py"} <= set(archive.namelist())


@pytest.mark.thorough
def test_binaries_of_a_wheel_that_was_built_here_are_looked_into_whatever_its_tag(project, store):
    files = {"pkg/__init__.py": "", "pkg/_x.so": elf(needed=("libexpat.so.1",))}
    write_project(project.entry / "own", "own", files=files)
    project.write("./own")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    for _ in range(2):  # the second time from what is remembered
        made = package(package_request(entry=project.entry, runtime="python3.13"), store=store)
        (finding,) = (finding for finding in made.findings if finding.id == "library-uncertain")
        assert finding.message.startswith("pkg/_x.so of own==1.0 needs libexpat.so.1, which may be missing")


@pytest.mark.thorough
def test_what_else_is_wrong_is_said_in_its_own_words(project, store):
    write_project(project.entry / "own", "own", requires=["missing"])
    with pytest.raises(
        UnknownPackageError, match=r"own 1.0 requires missing, but no file of 'missing' is where --find-links leads"
    ):
        build(project, store, "./own")


@pytest.mark.thorough
def test_settings_of_a_configuration_file_change_no_build(project, store, monkeypatch):
    made = "from backend import build_wheel\n"
    project.build("maker", files={"maker.py": ""})
    folder = write_project(project.entry / "own", "own", files={"hook.py": f"import maker\n{made}"})
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["maker"]\nbuild-backend = "hook"\nbackend-path = ["."]\n'
    )
    config = project.root / "pip.conf"
    config.write_text("[global]\nno-binary = :all:\nuser = yes\n[install]\ntarget = elsewhere\nplatform = win_amd64\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert versions(build(project, store, "./own")) == {"own": "1.0"}
    assert not (project.entry / "elsewhere").exists()
