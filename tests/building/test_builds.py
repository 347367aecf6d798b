"""Sdists: built where no wheel does, once each, and taken only if the target loads what comes out."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from native import elf
from packaging.specifiers import SpecifierSet
from pip_projects import build, resolved, versions
from source_projects import build_sdist, commit, write_project
from this_host import HOST, require_python
from wheel_factory import sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import BuildError, NoWheelError, OptionError, UnsupportedRequirementError
from cdk_lambda_package.inside_pip.sources import is_dynamic
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.requirements import ResolutionRequest, constraint_digest
from cdk_lambda_package.resolving import resolve
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

pytestmark = pytest.mark.thorough

OTHER = "python3.14" if HOST != "python3.14" else "python3.13"
on_linux_x86_64 = pytest.mark.needs("the platform of a target")


@pytest.fixture
def project(project, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    return project


def built_by(log):
    return [line.split()[0] for line in log.read_text().splitlines()]


# -- built, in --


@pytest.mark.parametrize("target", ["python3.9 x86_64", "python3.13 arm64"])
def test_a_pure_sdist_is_built_and_its_dependencies_come_along(project, store, target):
    build_sdist(project.wheels, "tool", requires=["deep; platform_machine == 'aarch64'", "wide"])
    build_sdist(project.wheels, "wide")
    project.build("deep")
    found = build(project, store, "tool", target=target)
    expected = {"tool", "wide", "deep"} if "arm64" in target else {"tool", "wide"}
    assert versions(found).keys() == expected
    assert [wheel.source != "" for wheel in found.wheels] == [wheel.name != "deep" for wheel in found.wheels]
    assert all(store.find("wheels", wheel.sha256, wheel.filename) for wheel in found.wheels if wheel.source)


def test_an_sdist_that_a_wheel_depends_on_is_built(project, store):
    project.build("web", requires_dist=["tool>=1"])
    build_sdist(project.wheels, "tool")
    found = build(project, store, "web")
    assert versions(found) == {"web": "1.0", "tool": "1.0"}
    assert found.pylock.packages[0].sdist.hashes["sha256"] == found.wheels[0].source


def test_metadata_of_an_unknown_version_says_nothing_of_what_is_required(project, store):
    build_sdist(project.wheels, "tool", metadata_version="2.x")
    assert versions(build(project, store, "tool")) == {"tool": "1.0"}


def test_an_older_wheel_is_taken_rather_than_a_newer_sdist(project, store, log):
    project.build("tool", "1.0")
    build_sdist(project.wheels, "tool", "2.0", log=str(log))
    build_sdist(project.wheels, "other", log=str(log))
    assert versions(build(project, store, "tool\nother")) == {"tool": "1.0", "other": "1.0"}
    assert built_by(log) == ["other"]


def test_each_sdist_is_built_once_for_all_targets(project, store, log):
    build_sdist(project.wheels, "tool", log=str(log))
    one = build(project, store, "tool", target=f"{HOST} x86_64")
    two = build(project, store, "tool", target=f"{HOST} arm64")
    assert one.wheels == two.wheels
    assert built_by(log) == ["tool"]


@pytest.mark.parametrize(("requires", "rounds"), [([], 2), (["deep"], 3)])
def test_pip_is_asked_again_only_for_what_a_built_wheel_needs(project, store, requires, rounds):
    """Once for wheels alone, once with sources, and once more with what these turned out to need."""
    started = []

    def runner(argv, directory, environment, **options):
        started.extend(word for word in argv if word.endswith("inside_pip/target.py"))
        return run_process(argv, directory, environment, **options)

    project.build("deep")
    build_sdist(project.wheels, "tool", requires=requires)
    found = resolve(project.request("tool"), store=store, runner=runner)
    assert versions(found) == dict.fromkeys(["tool", *requires], "1.0")
    assert len(started) == rounds


def test_a_built_wheel_that_is_not_for_the_targets_python_leads_to_another_release(project, store):
    build_sdist(project.wheels, "tool", "2.0", requires_python=">=3.14")
    build_sdist(project.wheels, "tool", "1.0", requires_python=">=3.9")
    assert versions(build(project, store, "tool", target="python3.13 x86_64")) == {"tool": "1.0"}


def test_a_build_at_another_time_gives_the_same_wheel(project, store, tmp_path):
    build_sdist(project.wheels, "tool", files={"big.py": "x = 1\n" * 1000})
    one = build(project, store, "tool")
    two = build(project, Store(tmp_path / "another"), "tool")
    assert one.wheels == two.wheels


def test_no_binary_in_a_requirements_file_asks_for_a_build(project, store):
    project.build("tool", "1.0")
    build_sdist(project.wheels, "tool", "1.0")
    found = build(project, store, "--no-binary tool\ntool")
    assert found.wheels[0].source


def test_a_hash_is_that_of_the_sdist(project, store):
    sdist = build_sdist(project.wheels, "tool")
    found = build(project, store, f"tool==1.0 --hash=sha256:{sha256(sdist)}")
    assert found.wheels[0].source == sha256(sdist)
    assert found.pinned


def test_a_built_wheel_that_is_gone_from_the_store_is_built_again(project, store, log):
    build_sdist(project.wheels, "tool", log=str(log))
    request = project.request("tool")
    wheel = resolved(request, store).wheels[0]
    store.remove("wheels", wheel.sha256, wheel.filename)
    again = resolved(request, store).wheels[0]
    assert (again.sha256, built_by(log)) == (wheel.sha256, ["tool", "tool"])
    assert store.find("wheels", wheel.sha256, wheel.filename)


def test_a_build_writes_into_no_directory_of_the_users(project, store, monkeypatch):
    sdist = build_sdist(project.wheels, "tool")
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in project.root.rglob("*") if project.entry in path.parents
    )
    request = project.request("tool")
    resolve(request, store=store)
    after = sorted((path, path.stat().st_mtime_ns) for path in project.root.rglob("*") if project.entry in path.parents)
    assert {path for path, _ in after} - {path for path, _ in before} == {project.entry / "requirements.txt"}
    assert sdist.is_file()


# -- natives --


@on_linux_x86_64
def test_a_machine_without_a_compiler_builds_an_optional_extension_pure_and_nothing_tells_it(
    project, store, monkeypatch
):
    monkeypatch.setenv("CC", "/bin/false")
    build_sdist(project.wheels, "fast", extension="optional")
    found = build(project, store, "fast")
    assert [wheel.filename for wheel in found.wheels] == ["fast-1.0-py3-none-any.whl"]
    assert found.findings == ()


def test_an_optional_extension_is_left_out_where_the_compiled_one_does_not_fit(project, store, log):
    build_sdist(project.wheels, "fast", extension="optional", log=str(log))
    found = build(project, store, "fast", target=f"{HOST} arm64")
    assert found.wheels[0].filename == "fast-1.0-py3-none-any.whl"
    assert [finding.id for finding in found.findings] == ["built-without-compiler"]
    assert "fast 1.0" in found.findings[0].message
    assert [line.split()[2] == "-" for line in log.read_text().splitlines()] == [True, False]


@pytest.mark.parametrize("tag", ["cp313-cp313-linux_x86_64", "cp36-abi3-macosx_11_0_arm64"])
def test_a_built_wheel_without_a_binary_fits_every_target_whatever_its_tag(project, store, log, tag):
    """As setuptools tags wheels of projects with an optional extension, built or not."""
    build_sdist(project.wheels, "fast", tag=tag, log=str(log))
    found = [build(project, store, "fast", target=f"{HOST} {machine}") for machine in ("arm64", "x86_64")]
    assert found[0].wheels == found[1].wheels
    assert found[0].wheels[0].filename == "fast-1.0-py3-none-any.whl"
    assert built_by(log) == ["fast"]
    with zipfile.ZipFile(store.find("wheels", found[0].wheels[0].sha256, "fast-1.0-py3-none-any.whl")) as wheel:
        assert wheel.read("fast-1.0.dist-info/WHEEL").decode().splitlines()[-1] == "Tag: py3-none-any"
        assert wheel.read("fast-1.0.dist-info/WHEEL").count(b"Tag:") == 1


def test_a_built_wheel_with_a_binary_keeps_its_tag(project, store):
    files = {"fast_c.so": elf(machine=183)}
    build_sdist(project.wheels, "fast", tag="cp313-cp313-linux_x86_64", files=files)
    with pytest.raises(BuildError, match=r"cp313-cp313-linux_x86_64.whl, whose tag"):
        build(project, store, "fast", target=f"{HOST} arm64")


@on_linux_x86_64
@pytest.mark.network
@pytest.mark.parametrize("requirement", ["websockets==10.4", "tornado==6.1", "wrapt==1.17.3"])
def test_real_optional_extensions_are_left_out_for_another_machine(project, store, requirement):
    name, _, version = requirement.partition("==")
    project.write(f"--no-binary {name}\n{requirement}", local=False)
    (project.entry / "build.txt").write_text("setuptools<81\nwheel\n")
    request = project.request(target=f"{HOST} arm64", build_constraint=project.entry / "build.txt")
    [wheel] = resolve(request, store=store).wheels
    assert wheel.filename == f"{name}-{version}-py3-none-any.whl"


@on_linux_x86_64
def test_a_native_wheel_of_a_fitting_host_is_taken_once_its_binaries_are_checked(project, store):
    content = elf(glibc=("GLIBC_2.17",))
    build_sdist(project.wheels, "fast", extension="required", files={"fast_c.so": content})
    found = build(project, store, "fast", target=f"{HOST} x86_64")
    assert "linux_x86_64" in found.wheels[0].filename
    assert not found.findings


@on_linux_x86_64
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (elf(glibc=("GLIBC_2.99",)), "needs glibc 2.99"),
        (elf(machine=183), "is a Linux arm64 library"),
    ],
)
def test_a_native_wheel_whose_binaries_would_not_load_is_refused(project, store, content, reason):
    build_sdist(project.wheels, "fast", extension="required", files={"fast_c.so": content})
    with pytest.raises(BuildError, match=reason):
        build(project, store, "fast", target=f"{HOST} x86_64")


@on_linux_x86_64
def test_binaries_of_a_wheel_that_calls_itself_pure_are_checked_too(project, store):
    build_sdist(project.wheels, "fast", files={"fast_c.so": elf(machine=183)})
    with pytest.raises(BuildError, match=r"but fast_c.so is a Linux arm64 library"):
        build(project, store, "fast", target=f"{HOST} x86_64")


def test_all_that_cannot_be_built_is_named_in_one_error(project, store):
    build_sdist(project.wheels, "broken", fail="the header zebra.h is missing")
    build_sdist(project.wheels, "odd", tag="cp27-none-any")
    project.build("fine")
    with pytest.raises(NoWheelError) as caught:
        build(project, store, "fine\nbroken\nodd")
    message = str(caught.value)
    assert message.startswith("2 packages can't be built for python3.13 x86_64:")
    assert "requirements.txt:3: broken 1.0 has no wheel for python3.13 x86_64, and broken-1.0.tar.gz failed" in message
    assert "the header zebra.h is missing" in message
    assert "requirements.txt:4: odd 1.0" in message
    assert "came out as odd-1.0-cp27-none-any.whl, whose tag cp27-none-any python3.13 x86_64 doesn't load" in message
    assert message.count("into vendor/") == message.count("build_image=") == 2


def test_a_source_that_cannot_be_built_is_named_with_the_distribution_that_requires_it(project, store):
    build_sdist(project.wheels, "broken", fail="no")
    project.build("framework", requires_dist=["broken<2"])
    with pytest.raises(NoWheelError) as caught:
        build(project, store, "framework")
    assert "broken 1.0, which framework requires, has no wheel for python3.13 x86_64, and " in str(caught.value)
    assert "require another release of framework" in str(caught.value)


def test_a_failed_build_is_answered_with_its_cure_and_is_a_finding_with_an_id(project, store, capsys):
    build_sdist(project.wheels, "old", fail="error in old setup command: use_2to3 is invalid.")
    project.write("old")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    argv = ["check", str(project.entry), f"--runtime={HOST}", "--cache-dir", str(store.root)]
    assert main(argv) == 1
    said = capsys.readouterr().out
    assert said.startswith("error[source-not-built]")
    assert "old-1.0.tar.gz failed to build with status 1:\n          " in said
    assert "Looking in" not in said
    assert "Probable cure: build it with setuptools<58" in said or "Probable cure: require a newer release" in said


def test_another_distribution_with_wheels_is_named_where_one_is_known(project, store, capsys):
    build_sdist(project.wheels, "psycopg2", fail="pg_config executable not found")
    build_sdist(project.wheels, "broken", fail="no")
    project.write("psycopg2\nbroken")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    argv = ["build", str(project.entry), "--runtime=python3.13", "-o", str(project.root / "x.zip")]
    assert main([*argv, "--cache-dir", str(store.root)]) == 1
    said = capsys.readouterr().err
    assert "require psycopg2-binary, the same with wheels" in said
    assert "pg_config executable not found" in said
    assert said.count("has no wheel for python3.13 x86_64, and") == 2
    assert not (project.root / "x.zip").exists()


# -- what is not to be built --


def test_without_allow_build_nothing_of_a_source_runs(project, store, log):
    build_sdist(project.wheels, "tool", log=str(log))
    build_sdist(project.wheels, "other", log=str(log))
    with pytest.raises(NoWheelError) as caught:
        build(project, store, "tool\nother", allow_build=False)
    assert "requirements.txt:2: tool has no wheel, only an sdist, and allow_build is False" in str(caught.value)
    assert "requirements.txt:3: other has" in str(caught.value)
    sdist = project.wheels / "tool-1.0.tar.gz"
    with pytest.raises(UnsupportedRequirementError, match="allow_build is False"):
        build(project, store, f"tool @ {sdist.as_uri()}", allow_build=False)
    assert log.read_text() == ""


# -- what the build depends on --


def test_dynamic_dependencies_of_another_python_are_warned_about(project, store, monkeypatch):
    monkeypatch.setenv("PATH", "")
    build_sdist(project.wheels, "tool")
    found = build(project, store, "tool", target=f"{OTHER} x86_64")
    assert [finding.id for finding in found.findings] == ["built-by-other-python"]
    assert f"Put {OTHER} on PATH" in found.findings[0].message
    assert not build(project, store, "tool", target=f"{HOST} x86_64").findings


def test_an_interpreter_of_the_targets_version_builds_if_there_is_one(project, store, log, monkeypatch):
    runtime = "python3.12" if HOST != "python3.12" else "python3.13"
    put_on_path(monkeypatch, runtime)
    minor = runtime.removeprefix("python")
    build_sdist(project.wheels, "tool", log=str(log), requires_by_python={minor: ["deep"]})
    project.build("deep")
    found = build(project, store, "tool", target=f"{runtime} arm64")
    assert versions(found).keys() == {"tool", "deep"}
    assert log.read_text().split()[1] == minor
    assert not found.findings


def put_on_path(monkeypatch, runtime: str) -> str:
    """Put an interpreter of this version first on PATH, and return it."""
    python = require_python(runtime)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]))
    return python


# Too old for the newest pip.
OLD = "3.9"


@pytest.mark.parametrize("has_pip", [True, False])
def test_a_python_too_old_for_our_pip_builds_with_its_own(project, store, log, monkeypatch, tmp_path, has_pip):
    python = put_on_path(monkeypatch, f"python{OLD}")
    if not has_pip:
        subprocess.run([python, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
        monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bare" / "bin"), os.environ["PATH"]]))
    limits = tmp_path / "limits.txt"
    limits.write_text("maker==1.0\n")
    for version in ("1.0", "2.0"):
        made = f"from pathlib import Path\nPath('made.py').write_text('by = {version}')\n"
        project.build("maker", version, files={"maker.py": made})
    build_sdist(project.wheels, "tool", log=str(log))
    found = build(project, store, "tool", target=f"python{OLD} x86_64", build_constraint=limits)
    assert versions(found) == {"tool": "1.0"}
    assert log.read_text().split()[1] == OLD
    assert not found.findings


@pytest.mark.needs("executable scripts")
@pytest.mark.skipif(
    OLD in SpecifierSet(metadata.metadata("pip")["Requires-Python"]), reason=f"this pip still supports Python {OLD}"
)
def test_an_old_python_that_cannot_get_a_pip_is_named(project, store, monkeypatch, tmp_path):
    bare = tmp_path / "bin" / f"python{OLD}"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo {OLD} linux-x86_64 {bare} && exit 0\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setenv("PATH", str(bare.parent))
    build_sdist(project.wheels, "tool")
    with pytest.raises(
        BuildError, match=rf"Python {OLD} is too old for pip [\d.]+, and .*run `.*python{OLD} -m ensurepip`"
    ):
        build(project, store, "tool", target=f"python{OLD} x86_64")


@pytest.mark.needs("executable scripts")
def test_a_name_on_path_that_starts_nothing_is_no_interpreter(project, store, tmp_path, monkeypatch):
    shim = tmp_path / "bin" / OTHER
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    build_sdist(project.wheels, "tool")
    found = build(project, store, "tool", target=f"{OTHER} x86_64")
    assert [finding.id for finding in found.findings] == ["built-by-other-python"]


@pytest.mark.parametrize("content", [b"caf\xe9==1\n", b"# coding: nonsense\n"])
def test_a_build_constraint_that_cannot_be_decoded_is_named(project, store, tmp_path, content):
    limits = tmp_path / "limits.txt"
    limits.write_bytes(content)
    project.write("tool")
    (project.entry / "app.py").touch()
    with pytest.raises(OptionError, match=r"build_constraint '.*limits\.txt' can't be read: "):
        project.package(store, build_constraint=str(limits))


def test_a_password_in_a_build_constraint_is_in_no_key(tmp_path, monkeypatch):
    limits = tmp_path / "limits.txt"
    limits.write_text("maker @ https://${NAME}:one@host/maker.whl\n")
    monkeypatch.setenv("NAME", "me")
    request = ResolutionRequest(entry=tmp_path, target=Target.parse("python3.13"), build_constraint=limits)
    before = constraint_digest(request)
    monkeypatch.setenv("NAME", "you")
    assert constraint_digest(request) == before
    limits.write_text("maker @ https://you:two@host/maker.whl\n")
    assert constraint_digest(request) == before
    limits.write_text("maker @ https://you:two@host/other.whl\n")
    assert constraint_digest(request) != before


def test_a_build_constraint_pins_the_back_end_and_makes_another_build(project, store, tmp_path):
    for version in ("1.0", "2.0"):
        made = f"from pathlib import Path\nPath('made.py').write_text('by = {version}')\n"
        project.build("maker", version, files={"maker.py": made})
    hook = "import maker\nfrom backend import build_wheel\n"
    pyproject = '[build-system]\nrequires = ["maker"]\nbuild-backend = "hook"\nbackend-path = ["."]\n'
    folder = write_project(project.entry / "tool", "tool", files={"hook.py": hook})
    (folder / "pyproject.toml").write_text(pyproject)
    limits = tmp_path / "limits.txt"
    limits.write_text("maker<2\n")
    request = project.request(f"tool @ {folder.as_uri()}")
    newest = resolve(request, store=store)
    pinned = resolve(dataclasses.replace(request, build_constraint=limits), store=store)
    assert content(store, newest, "made.py") == b"by = 2.0"
    assert content(store, pinned, "made.py") == b"by = 1.0"


def test_what_pip_environment_gives_a_build_makes_another_build(project, store, monkeypatch):
    hook = "import os\nfrom pathlib import Path\nfrom backend import build_wheel\n"
    hook += "Path('made.py').write_text(repr([os.environ.get(n) for n in ('WISH', 'PBR_VERSION', 'MY_TOKEN')]))\n"
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "hook"\nbackend-path = ["."]\n'
    folder = write_project(project.entry / "tool", "tool", files={"hook.py": hook})
    (folder / "pyproject.toml").write_text(pyproject)
    request = project.request("./tool")

    def made(**given):
        found = resolved(dataclasses.replace(request, pip_environment=tuple(given.items())), store)
        return content(store, found, "made.py")

    assert made(WISH="a") == b"['a', None, None]"
    assert made(WISH="b", MY_TOKEN="one") == b"['b', None, 'one']"
    # What is called like a token changes nothing.
    assert made(WISH="b", MY_TOKEN="two") == b"['b', None, 'one']"
    monkeypatch.setenv("PBR_VERSION", "3.0")
    assert made(WISH="b", MY_TOKEN="two") == b"['b', '3.0', 'two']"


def content(store, resolution, name: str) -> bytes:
    wheel = resolution.wheels[0]
    with zipfile.ZipFile(Path(store.find("wheels", wheel.sha256, wheel.filename))) as archive:
        return archive.read(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_TARGET", "elsewhere"),
        ("PIP_PLATFORM", "win_amd64"),
        ("PIP_PYTHON", "/nowhere/python"),
        ("PIP_NO_BINARY", ":all:"),
        ("PIP_ONLY_BINARY", ":all:"),
        ("PIP_REQUIRE_VIRTUALENV", "1"),
    ],
)
def test_settings_that_would_lead_elsewhere_change_no_build(project, store, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    build_sdist(project.wheels, "tool")
    assert versions(build(project, store, "tool")) == {"tool": "1.0"}
    assert not (project.entry / "elsewhere").exists()


# -- in a container --

STAND_IN = '''#!{python}
"""Stands in for docker: writes down its arguments, and runs pip of this machine with the mounted paths."""
import json, os, re, subprocess, sys

words = sys.argv[1:]
with open({log!r}, "a") as stream:
    stream.write(json.dumps(words) + "\\n")
volumes = [word.split("=", 1)[1].split(":")[:2] for word in words if word.startswith("--volume=")]
at = words.index({image!r})
for word in words[:at]:
    if word.startswith("--env=") and word.count("=") == 2:
        os.environ.__setitem__(*word.split("=")[1:])
os.environ["IN_CONTAINER"] = "1"
os.environ.pop("CC", None)
words = words[at + 1 :]
for host, place in volumes:
    words = [re.sub("(^|=|file://)" + place + "(?=/|$)", lambda m: m[1] + host, word) for word in words]
sys.exit(subprocess.run([sys.executable, *words], cwd=volumes[0][0]).returncode)
'''
IMAGE = "example.invalid/build:1"


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Put a container command on PATH, and return the file of the arguments that it was called with."""
    calls = tmp_path / "calls.txt"
    calls.write_text("")
    command = tmp_path / "bin" / "stand-in"
    command.parent.mkdir()
    command.write_text(STAND_IN.format(python=sys.executable, log=str(calls), image=IMAGE))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CDK_DOCKER", "stand-in")
    return calls


def read_calls(container):
    return [json.loads(line) for line in container.read_text().splitlines()]


@on_linux_x86_64
def test_only_what_cannot_be_had_otherwise_is_built_in_the_container(project, store, container, monkeypatch):
    # Here its compiler fails, there it doesn't.
    monkeypatch.setenv("CC", "false")
    build_sdist(project.wheels, "fast", extension="required", files={"fast_c.so": elf(glibc=("GLIBC_2.17",))})
    build_sdist(project.wheels, "pure")
    found = build(project, store, "fast\npure", target=f"{HOST} x86_64", build_image=IMAGE)
    assert versions(found) == {"fast": "1.0", "pure": "1.0"}
    call, *others = read_calls(container)
    assert not others
    assert call[:2] == ["run", "--rm"]
    assert {"--platform=linux/amd64"} < {*call}
    assert "--entrypoint=python3" in call
    build(project, store, "fast\npure", target=f"{HOST} x86_64", build_image=IMAGE)
    assert len(read_calls(container)) == 1


@on_linux_x86_64
def test_what_comes_out_of_the_container_must_fit_as_well(project, store, container):
    build_sdist(project.wheels, "fast", extension="required", files={"fast_c.so": elf(glibc=("GLIBC_2.17",))})
    with pytest.raises(BuildError, match=r"in a container of example.invalid/build:1 it came out as .*linux_x86_64"):
        build(project, store, "fast", target=f"{HOST} arm64", build_image=IMAGE)
    assert "--platform=linux/arm64" in read_calls(container)[0]


def test_no_value_of_a_variable_is_among_the_arguments(project, store, container, monkeypatch):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://user:canary@127.0.0.1:9/simple")
    build_sdist(project.wheels, "broken", fail="no")
    with pytest.raises(BuildError) as caught:
        build(project, store, "broken", build_image=IMAGE)
    assert "--env=PIP_EXTRA_INDEX_URL" in read_calls(container)[0]
    assert "canary" not in container.read_text() + str(caught.value)


def test_a_container_command_that_is_missing_is_named(project, store, monkeypatch):
    monkeypatch.setenv("CDK_DOCKER", "no-such-command")
    build_sdist(project.wheels, "broken", fail="no")
    with pytest.raises(BuildError, match="'no-such-command' can't be started"):
        build(project, store, "broken", build_image=IMAGE)


@pytest.mark.network
def test_what_a_cure_names_cures_a_source_for_an_older_setuptools(tmp_path, store):
    entry = tmp_path / "svc"
    entry.mkdir()
    (entry / "old").mkdir()
    (entry / "old/setup.py").write_text(
        "import pkg_resources\nfrom setuptools import setup\nsetup(name='old', version='3.0', py_modules=[])\n"
    )
    (entry / "requirements.txt").write_text("./old\n")
    request = ResolutionRequest(entry=entry, requirements=entry / "requirements.txt", target=Target.parse(HOST))
    with pytest.raises(BuildError, match="Probable cure: build it with setuptools<81: write that line"):
        resolve(request, store=store)
    (entry / "build-constraints.txt").write_text("setuptools<81\n")
    cured = resolve(dataclasses.replace(request, build_constraint=entry / "build-constraints.txt"), store=store)
    assert versions(cured) == {"old": "3.0"}


@pytest.mark.network
def test_setuptools_scm_finds_the_tag_of_a_local_checkout_above_the_project(tmp_path, store):
    entry, folder = tmp_path / "svc", tmp_path / "repository" / "lib"
    entry.mkdir()
    folder.mkdir(parents=True)
    (folder / "lib.py").touch()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools", "setuptools-scm"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "lib"\ndynamic = ["version"]\n[tool.setuptools]\npy-modules = ["lib"]\n'
        '[tool.setuptools_scm]\nroot = ".."\n'
    )
    commit(folder.parent)
    subprocess.run(["git", "tag", "v4.5"], cwd=folder.parent, check=True)
    (entry / "requirements.txt").write_text("../repository/lib\n")
    request = ResolutionRequest(entry=entry, requirements=entry / "requirements.txt", target=Target.parse(HOST))
    assert versions(resolve(request, store=store)) == {"lib": "4.5"}


@pytest.mark.parametrize(
    ("pyproject", "dynamic"),
    [
        ('[tool.poetry]\nname = "tool"\n[build-system]\nbuild-backend = "poetry.core.masonry.api"\n', False),
        ('[project]\nname = "tool"\ndynamic = ["dependencies"]\n[build-system]\nbuild-backend = "poetry.core.masonry.api"\n', False),
        ('[tool.flit.metadata]\nmodule = "tool"\n[build-system]\nbuild-backend = "flit_core.buildapi"\n', False),
        ('[build-system]\nbuild-backend = "flit_core.buildapi"\nbackend-path = ["."]\n', True),
        ('[project]\nname = "tool"\ndynamic = ["dependencies"]\n[build-system]\nbuild-backend = "hatchling.build"\n', True),
        ('[project]\nname = "tool"\ndependencies = []\n', False),
        ("[build-system]\nrequires = []\n", True),
        ("build-system = 1\n", True),
    ],
)  # fmt: skip
def test_a_back_end_that_reads_data_alone_says_the_same_with_any_python(tmp_path, pyproject, dynamic):
    (tmp_path / "pyproject.toml").write_text(pyproject)
    assert is_dynamic(tmp_path) is dynamic
