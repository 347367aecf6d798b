"""The `lock` command: one PEP 751 lock for several targets (acceptance 32)."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offline import refuse_processes
from packaging.markers import Marker
from packaging.pylock import Pylock
from pip_projects import Project, isolate_pip

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import ConflictingRequirementsError
from cdk_lambda_package.resolving import select_wheels
from cdk_lambda_package.target import Target
from cdk_lambda_package.write_lock import marker_of

TARGETS = [
    Target.parse(runtime, architecture)
    for runtime in ("python3.11", "python3.13")
    for architecture in ("x86_64", "arm64")
]
FOUR = ["--runtime=python3.11", "--runtime=python3.13", "--architecture=x86_64", "--architecture=arm64"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    isolate_pip(monkeypatch)
    project = Project(tmp_path)
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    return project


def lock(project, *options):
    return main(["lock", str(project.entry), *(options or ["--runtime=python3.13"])])


def read(project):
    return Pylock.from_dict(tomllib.loads((project.entry / "pylock.toml").read_text()))


def versions(project, target):
    return {wheel.name: wheel.version for wheel in select_wheels(read(project), target)}


def build(project, capsys, *options):
    capsys.readouterr()
    status = main(["build", str(project.entry), "--runtime=python3.13", "-o", str(project.root / "x.zip"), *options])
    return status, capsys.readouterr().err


def write_for_four(project):
    for tag in (
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp313-cp313-manylinux_2_28_x86_64",
        "cp313-cp313-manylinux_2_28_aarch64",
    ):
        project.build("native", "1.0", tags=tag)
    # The newer release is too new for Amazon Linux 2.
    for machine in ("x86_64", "aarch64"):
        project.build("array", "2.2", tags=f"cp311-cp311-manylinux_2_17_{machine}")
        project.build("array", "2.3", tags=f"cp313-cp313-manylinux_2_28_{machine}")
        project.build("array", "2.3", tags=f"cp311-cp311-manylinux_2_28_{machine}")
    project.build("web", requires_dist=["deep", "arm; platform_machine == 'aarch64'", "old; python_version < '3.12'"])
    for name in ("deep", "arm", "old"):
        project.build(name)
    project.write("native\narray\nweb\nwin; sys_platform == 'win32'")


def test_one_lock_serves_each_of_its_targets(project):
    write_for_four(project)
    assert lock(project, *FOUR) == 0
    for target in TARGETS:
        expected = {"native": "1.0", "web": "1.0", "deep": "1.0"}
        expected |= {"array": "2.2", "old": "1.0"} if target.runtime.name == "python3.11" else {"array": "2.3"}
        expected |= {"arm": "1.0"} if target.architecture == "arm64" else {}
        assert versions(project, target) == expected
        [native] = [wheel for wheel in select_wheels(read(project), target) if wheel.name == "native"]
        assert target.accepts_wheel(native.filename)
    markers = {(package.name, str(package.version)): str(package.marker or "") for package in read(project).packages}
    assert markers == {
        ("native", "1.0"): "",
        ("web", "1.0"): "",
        ("deep", "1.0"): "",
        ("array", "2.2"): 'python_version == "3.11"',
        ("array", "2.3"): 'python_version == "3.13"',
        ("old", "1.0"): 'python_version == "3.11"',
        ("arm", "1.0"): 'platform_machine == "aarch64"',
    }


@given(chosen=st.sets(st.sampled_from(TARGETS), min_size=1))
def test_a_marker_holds_for_exactly_the_targets_that_it_is_for(chosen):
    marker = marker_of(chosen, TARGETS)
    assert {target for target in TARGETS if marker is None or target.accepts_marker(Marker(marker))} == chosen


@pytest.mark.thorough
def test_the_same_requirements_give_the_same_text(project):
    write_for_four(project)
    lock(project, *FOUR)
    first = (project.entry / "pylock.toml").read_bytes()
    (project.entry / "pylock.toml").unlink()
    lock(project, *reversed(FOUR))
    assert (project.entry / "pylock.toml").read_bytes() == first
    assert b"@" not in first


def test_a_locked_function_is_packaged_without_resolving(project, capsys, monkeypatch):
    project.build("tool", requires_dist=["deep"])
    project.build("deep")
    project.write("tool")
    lock(project)
    refuse_processes(monkeypatch)
    assert build(project, capsys) == (0, "")


def test_another_target_is_an_error_with_the_command_for_all(project, capsys):
    project.build("tool")
    project.write("tool")
    lock(project, "--runtime=python3.12")
    status, said = build(project, capsys)
    assert status == 1
    assert "isn't for python3.13 x86_64" in said
    assert "--runtime python3.12 --runtime python3.13 --architecture x86_64" in said


def test_an_extra_added_to_a_requirement_makes_the_lock_outdated(project, capsys):
    project.build("tool", provides_extra=["fast"], requires_dist=["deep; extra == 'fast'"])
    project.build("deep")
    project.write("tool")
    lock(project)
    project.write("tool[fast]")
    status, said = build(project, capsys)
    assert (status, "was written without fast" in said) == (1, True)
    lock(project)
    assert build(project, capsys)[0] == 0


def test_versions_stay_until_they_no_longer_satisfy_or_are_upgraded(project):
    project.build("tool", "1.0", requires_dist=["deep"])
    project.build("deep", "1.0")
    project.write("tool")
    lock(project)
    project.build("tool", "2.0", requires_dist=["deep>=2"])
    project.build("deep", "2.0")
    project.build("deep", "3.0")
    project.write("tool\n# edited")
    lock(project)
    assert versions(project, TARGETS[2]) == {"tool": "1.0", "deep": "1.0"}
    project.write("tool>=2")
    lock(project)
    assert versions(project, TARGETS[2]) == {"tool": "2.0", "deep": "3.0"}
    project.build("deep", "4.0")
    lock(project)
    assert versions(project, TARGETS[2])["deep"] == "3.0"
    lock(project, "--runtime=python3.13", "--upgrade")
    assert versions(project, TARGETS[2])["deep"] == "4.0"


def test_check_writes_nothing_and_fails_for_a_lock_that_is_out_of_date(project, capsys):
    project.build("tool")
    project.write("tool")
    path = project.entry / "pylock.toml"
    assert lock(project, "--runtime=python3.13", "--check") == 1
    assert f"{path} doesn't exist; run the same command without --check" in capsys.readouterr().err
    assert not path.exists()
    lock(project)
    assert f"{path}: 1 package for python3.13 x86_64" in capsys.readouterr().out
    before = path.stat()
    assert lock(project, "--runtime=python3.13", "--check") == 0
    assert lock(project, "--runtime=python3.13", "--runtime=python3.12", "--check") == 1
    project.build("more")
    project.write("tool\nmore")
    assert lock(project, "--runtime=python3.13", "--check") == 1
    assert f"{path} is out of date" in capsys.readouterr().err
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_requirements_without_a_module_are_locked_as_those_of_layers_are(project, capsys):
    project.build("tool")
    project.write("tool")
    (project.entry / "app.py").unlink()
    assert lock(project) == 0
    assert [package.name for package in read(project).packages] == ["tool"]
    assert lock(project, "--runtime=python3.13", "--index=main.py") == 1
    assert "main.py' doesn't exist" in capsys.readouterr().err
    (project.entry / "requirements.txt").unlink()
    assert lock(project) == 1
    assert "app.py' doesn't exist" in capsys.readouterr().err


def test_a_conflict_leaves_the_lock_as_it_is(project, capsys):
    project.build("tool")
    project.write("tool")
    lock(project)
    before = (project.entry / "pylock.toml").read_bytes()
    project.write("tool==1.0\ntool==2.0")
    assert lock(project) == 1
    assert (project.entry / "pylock.toml").read_bytes() == before
    assert ConflictingRequirementsError.__name__ not in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "[[packages]]\nversion = '1'",
        pytest.param("", marks=pytest.mark.thorough),
        pytest.param("packages = 1", marks=pytest.mark.thorough),
        pytest.param("[[packages]]\nname = 'tool'\nversion = '1'\nmarker = '~'", marks=pytest.mark.thorough),
    ],
)
def test_what_is_no_lock_is_only_overwritten_if_that_is_asked_for(project, capsys, text):
    project.build("tool")
    project.write("tool")
    (project.entry / "pylock.toml").write_text(text)
    assert lock(project) == 1
    assert (project.entry / "pylock.toml").read_text() == text
    said = capsys.readouterr().err
    assert f"error: {project.entry / 'pylock.toml'}" in said
    assert "--upgrade" in said
    assert lock(project, "--runtime=python3.13", "--upgrade") == 0
    assert versions(project, TARGETS[2]) == {"tool": "1.0"}


def test_edges_and_requirements_are_in_the_lock(project, capsys):
    project.build("tool", requires_dist=["deep"])
    project.build("deep")
    project.build("own", requires_dist=["deep"])
    project.write("tool\nown")
    lock(project)
    build(project, capsys, "--manifest", str(project.root / "m.json"))
    rows = json.loads((project.root / "m.json").read_text())["distributions"]
    assert [(row["name"], row["requested"], row["required_by"]) for row in rows] == [
        ("deep", False, ["own", "tool"]),
        ("own", True, []),
        ("tool", True, []),
    ]
    status, _ = build(project, capsys, "--exclude-distributions=own", "--exclude-distributions=tool")
    assert status == 0


def test_wheels_in_vendor_and_those_below_the_lock_carry_no_path_of_this_machine(project, capsys):
    from wheel_factory import build_wheel

    build_wheel(project.entry / "vendor", "own", requires_dist=["tool"])
    build_wheel(project.entry / "wheels", "tool")
    project.write("--no-index\n--find-links wheels", local=False)
    lock(project)
    text = (project.entry / "pylock.toml").read_text()
    assert str(project.root) not in text
    assert [package.name for package in read(project).packages] == ["tool"]
    assert build(project, capsys)[0] == 0


def test_a_lock_with_files_of_its_repository_holds_in_another_checkout(project, capsys):
    from wheel_factory import build_wheel

    (project.root / ".git").mkdir()
    project.build("tool")
    named = build_wheel(project.root / "shared", "named")
    project.write(f"--no-index\n--find-links ../wheels\ntool\nnamed @ file:../shared/{named.name}", local=False)
    lock(project)
    assert str(project.root) not in (project.entry / "pylock.toml").read_text()
    moved = project.root.with_name("moved")
    project.root.rename(moved)
    argv = ["build", str(moved / "app"), "--runtime=python3.13", "-o", str(moved / "x.zip")]
    assert main([*argv, "--manifest", str(moved / "x.json")]) == 0
    rows = json.loads((moved / "x.json").read_text())["distributions"]
    assert {row["name"] for row in rows} == {"tool", "named"}


def test_the_dependencies_of_a_pyproject_are_locked_where_there_is_no_requirements_file(project, capsys, monkeypatch):
    project.build("tool")
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (project.entry / "pyproject.toml").write_text('[project]\nname = "svc"\nversion = "1"\ndependencies = ["tool"]\n')
    assert lock(project) == 0
    assert build(project, capsys)[0] == 0
    (project.entry / "pyproject.toml").write_text('[project]\nname = "svc"\nversion = "1"\ndependencies = ["tool>1"]\n')
    status, said = build(project, capsys)
    assert (status, "pyproject.toml asks for tool>1, but it has 1.0" in said) == (1, True)


@pytest.mark.parametrize(
    "where",
    [
        "[tool.uv.sources]\nOur_Tool = { workspace = true }",
        "[tool.uv.sources]\nour-tool = [{ git = 'https://127.0.0.1/x' }]",
        "[tool.poetry.dependencies]\nour-tool = { path = '../tool', develop = true }",
        "[tool.poetry.dependencies]\nour-tool = [{ source = 'own', platform = 'linux' }]",
    ],
)
def test_a_name_whose_place_only_its_own_tool_knows_is_asked_of_no_index(project, capsys, monkeypatch, where):
    """An index may have another package of that name."""
    project.build("our-tool", "99.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    text = '[project]\nname = "svc"\nversion = "1"\ndependencies = ["our.tool>=1", "other"]\n'
    (project.entry / "pyproject.toml").write_text(text + where)
    assert lock(project) == 1
    said = capsys.readouterr().err
    assert "says where our.tool comes from" in said
    assert "`uv lock` or `poetry lock`" in said
    assert not (project.entry / "pylock.toml").exists()


def test_a_workspaces_sources_count_for_its_members_when_they_are_locked(project, capsys):
    root = "[tool.uv.workspace]\nmembers = ['app']\n[tool.uv.sources]\nshared = { workspace = true }\n"
    (project.root / "pyproject.toml").write_text(root)
    (project.entry / "pyproject.toml").write_text('[project]\nname = "svc"\ndependencies = ["shared"]\n')
    assert lock(project) == 1
    assert "says where shared comes from" in capsys.readouterr().err


def test_a_lock_goes_only_under_a_name_that_locks_have(project, capsys):
    project.write("", local=False)
    assert lock(project, "--runtime=python3.13", "--output", str(project.root / "lock.toml")) == 1
    assert "pylock.<name>.toml" in capsys.readouterr().err
    assert lock(project, "--runtime=python3.13", "--output", str(project.root / "sub" / "pylock.toml")) == 0
    assert lock(project, "--runtime=python3.13", "--output", str(project.root / "pylock.app.toml")) == 0


def test_without_a_lock_the_warning_names_the_command(project, capsys):
    project.build("tool")
    project.write("tool")
    command = f"Write a lock with `cdk-lambda-package lock {project.entry} --runtime python3.13 --architecture x86_64"
    assert f"{command}`" in build(project, capsys)[1]
