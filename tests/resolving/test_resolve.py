import json
import os
import sys
import textwrap
import zipfile
from dataclasses import replace

import pytest
from index_server import serve_index
from pip_projects import Project, versions
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import (
    ConflictingRequirementsError,
    HashMismatchError,
    IndexUnreachableError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.processes import Finished, run_process
from cdk_lambda_package.requirements import ResolutionRequest
from cdk_lambda_package.resolving import PipRun, resolve
from cdk_lambda_package.resolving.pip_run import make_job
from cdk_lambda_package.target import Target

# -- markers, tags and Requires-Python are the target's --


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("python3.13 x86_64", {"always", "linux", "x86"}),
        ("python3.13 arm64", {"always", "linux", "arm"}),
        ("python3.9 x86_64", {"always", "linux", "x86", "old"}),
    ],
)
def test_markers_are_those_of_the_target_for_requirements_and_their_dependencies(project, target, expected):
    markers = {
        "linux": "sys_platform == 'linux'",
        "mac": "sys_platform == 'darwin'",
        "windows": "sys_platform == 'win32'",
        "arm": "platform_machine == 'aarch64'",
        "x86": "platform_machine == 'x86_64'",
        "never": "platform_machine == 'arm64'",
        "old": "python_version < '3.11'",
        "pypy": "implementation_name == 'pypy'",
    }
    names = list(markers)
    for name in names:
        project.build(name)
        project.build(f"deep-{name}")
    lines = [f"{name}; {marker}" for name, marker in markers.items()]
    project.build("always", requires_dist=[f"deep-{line}" for line in lines])
    chosen = versions(project.resolve("\n".join(["always", *lines]), target=target))
    assert set(chosen) == expected | {f"deep-{name}" for name in expected - {"always"}}


def test_a_wheel_for_another_glibc_is_passed_over_for_an_older_release(project):
    project.build("native", "2.0", tags="cp311-cp311-manylinux_2_28_x86_64")
    project.build("native", "1.0", tags="cp311-cp311-manylinux_2_17_x86_64")
    assert versions(project.resolve("native", target="python3.11 x86_64")) == {"native": "1.0"}


def test_the_best_tag_of_the_target_wins(project):
    project.build("native", tags="py3-none-any")
    project.build("native", tags="cp313-cp313-manylinux_2_17_aarch64")
    project.build("native", tags="cp313-cp313-manylinux_2_34_aarch64")
    project.build("native", tags="cp313-cp313-manylinux_2_34_x86_64")
    [wheel] = project.resolve("native", target="python3.13 arm64").wheels
    assert wheel.filename == "native-1.0-cp313-cp313-manylinux_2_34_aarch64.whl"


def test_a_release_with_an_invalid_requires_python_is_found(project):
    project.build("linter", "2.5.3", requires_python=">=3.5.*")
    assert versions(project.resolve("linter")) == {"linter": "2.5.3"}


def test_requires_python_is_judged_for_the_target_not_for_the_host(project):
    project.build("tool", "3.0", requires_python=">=3.14")
    project.build("tool", "2.0", requires_python=">=3.12")
    project.build("tool", "1.0", requires_python="<3.11")
    assert versions(project.resolve("tool", target="python3.14 x86_64")) == {"tool": "3.0"}
    assert versions(project.resolve("tool", target="python3.13 x86_64")) == {"tool": "2.0"}
    assert versions(project.resolve("tool", target="python3.9 x86_64")) == {"tool": "1.0"}


def test_the_newest_wheel_that_fits_is_taken_where_newer_sdists_exist(project):
    project.build("mixed", "1.0")
    (project.wheels / "mixed-2.0.tar.gz").write_bytes(b"")
    assert versions(project.resolve("mixed")) == {"mixed": "1.0"}


@pytest.mark.network
def test_numpy_on_python_3_11_is_the_last_with_wheels_for_amazon_linux_2(tmp_path):
    project = Project(tmp_path)
    project.write("numpy<2.4", local=False)
    assert versions(project.resolve(target="python3.11 x86_64")) == {"numpy": "2.2.6"}


# -- what a resolution holds --


def test_a_resolution_says_who_requires_what(project):
    project.build("web", requires_dist=["deep>=1", "speed; extra == 'fast'"], provides_extra=["fast"])
    project.build("deep", "1.5")
    project.build("speed", requires_dist=["deep"])
    resolution = project.resolve("web[fast]\n")
    assert [(wheel.name, wheel.requested, wheel.required_by) for wheel in resolution.wheels] == [
        ("deep", False, ("speed", "web")),
        ("speed", False, ("web",)),
        ("web", True, ()),
    ]


def test_a_resolution_is_a_valid_pep_751_lock_with_hashes_of_local_files(project):
    wheel = project.build("tool")
    lock = project.resolve("tool").pylock
    [package] = lock.packages
    assert str(package.version) == "1.0"
    assert package.wheels[0].hashes == {"sha256": sha256(wheel)}
    assert lock.tool["cdk-lambda-package"]["requirements"] == [
        {"name": "tool", "requirement": "tool", "file": "requirements.txt", "line": 2}
    ]


def test_a_local_wheel_of_vendor_takes_part_by_its_url(project):
    wheel = build_wheel(project.entry / "vendor", "own", requires_dist=["tool"])
    project.build("tool")
    resolution = project.resolve("", extra=(f"own @ {wheel.as_uri()}",))
    own, tool = resolution.wheels
    assert (own.direct, own.sha256, own.requested) == (True, sha256(wheel), True)
    assert (tool.direct, tool.required_by) == (False, ("own",))


def test_wheels_of_vendor_alone_need_no_pinning(project):
    wheel = build_wheel(project.entry / "vendor", "own")
    assert project.resolve("", extra=(f"own @ {wheel.as_uri()}",)).pinned


def test_a_local_wheel_of_vendor_takes_part_in_hash_checking_mode(project):
    wheel = build_wheel(project.entry / "vendor", "own")
    tool = project.build("tool")
    vendored = f"own @ {wheel.as_uri()}#sha256={sha256(wheel)}"
    resolution = project.resolve(f"tool==1.0 --hash=sha256:{sha256(tool)}", extra=(vendored,))
    assert resolution.pinned
    assert set(versions(resolution)) == {"own", "tool"}


def test_what_vendor_provides_is_neither_resolved_nor_missed(project):
    project.build("web", requires_dist=["local-thing>=7", "deep"])
    project.build("deep", requires_dist=["Local_Thing"])
    resolution = project.resolve("web\nlocal-thing==99\n", provided=("Local.Thing",))
    assert set(versions(resolution)) == {"web", "deep"}


def test_a_bare_requirement_comes_without_its_dependencies(project):
    project.build("chalice", "1.33")
    project.build("chalice", "1.34", requires_dist=["botocore", "click<9"])
    resolution = project.resolve("", bare=("chalice",))
    assert versions(resolution) == {"chalice": "1.34"}
    assert not resolution.pinned


def test_a_bare_requirement_obeys_the_constraints_of_the_requirements_file(project):
    project.build("chalice", "1.33")
    project.build("chalice", "1.34")
    project.write("chalice<1.34", name="constraints.txt", local=False)
    assert versions(project.resolve("-c constraints.txt", bare=("chalice",))) == {"chalice": "1.33"}


def test_a_bare_requirement_that_is_required_anyway_comes_with_its_dependencies(project):
    project.build("chalice", requires_dist=["botocore"])
    project.build("botocore")
    assert set(versions(project.resolve("chalice", bare=("chalice",)))) == {"chalice", "botocore"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_crlf_continuations_and_variables_are_read_as_pip_reads_them(project, monkeypatch, encoding):
    monkeypatch.setenv("TOOL_VERSION", "1.0")
    project.build("tool", "1.0")
    project.build("tool", "2.0")
    text = f"--no-index \\\r\n --find-links {project.wheels}\r\n# comment\r\ntool=\\\r\n=${{TOOL_VERSION}}\r\n"
    (project.entry / "requirements.txt").write_bytes(text.encode(encoding))
    assert versions(project.resolve()) == {"tool": "1.0"}


def test_a_yanked_release_and_an_unknown_extra_are_warned_about(project):
    project.build("tool")
    index = project.root / "simple" / "tool"
    index.mkdir(parents=True)
    url = (project.wheels / "tool-1.0-py3-none-any.whl").as_uri()
    (index / "index.html").write_text(f'<a href="{url}" data-yanked="broken">tool-1.0-py3-none-any.whl</a>')
    project.write(f"--index-url {index.parent.as_uri()}\ntool[nothing]==1.0", local=False)
    assert {finding.id for finding in project.resolve().findings} == {"yanked-release", "unknown-extra"}


# -- the user's configuration counts, but can't make the result wrong --


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_PLATFORM": "win_amd64", "PIP_PYTHON_VERSION": "3.8", "PIP_IMPLEMENTATION": "pp", "PIP_ABI": "none"},
        {"PIP_TARGET": "elsewhere", "PIP_NO_DEPS": "1"},
        {"PIP_PREFIX": "elsewhere", "PIP_IGNORE_REQUIRES_PYTHON": "1"},
        {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"},
        {"PIP_ROOT": "elsewhere", "PIP_ONLY_DEPS": "1", "PIP_QUIET": "3"},
        {"PIP_NO_BINARY": ":all:", "PIP_USE_FEATURE": "fast-deps", "PIP_REPORT": "elsewhere.json"},
        {"PIP_USE_DEPRECATED": "legacy-resolver", "PIP_DRY_RUN": "0", "PIP_UPGRADE": "1", "PIP_NO_CACHE_DIR": "0"},
        {"PIP_REQUIREMENT": "other.txt", "PIP_EDITABLE": "./own"},
        {"PIP_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"},
        {"PIP_PYTHON": "no-such-python"},
    ],
    ids=" ".join,
)
def test_settings_that_would_lead_elsewhere_change_nothing(project, monkeypatch, variables):
    project.build("web", "1.0", requires_dist=["deep; platform_machine == 'aarch64'"], requires_python=">=3.12")
    project.build("web", "2.0", requires_python=">=3.14")
    project.build("deep", tags="cp313-cp313-manylinux_2_34_aarch64")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    resolution = project.resolve("web", target="python3.13 arm64")
    assert versions(resolution) == {"web": "1.0", "deep": "1.0"}
    assert [path.name for path in project.entry.iterdir()] == ["requirements.txt"]


@pytest.mark.parametrize("section", ["global", "install"])
def test_settings_of_a_configuration_file_are_no_way_around_it(project, monkeypatch, section):
    configuration = project.root / "pip.conf"
    configuration.write_text(
        textwrap.dedent(
            f"""\
            [{section}]
            python = {sys.executable}
            platform = win_amd64
            no-deps = true
            target = elsewhere
            user = true
            require-virtualenv = true
            ignore-requires-python = true
            no-index = true
            find-links = {project.wheels}
            """
        )
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.root))
    project.build("web", requires_dist=["deep; platform_machine == 'aarch64'"])
    project.build("deep")
    project.write("web", local=False)
    resolution = project.resolve(target="python3.13 arm64")
    assert set(versions(resolution)) == {"web", "deep"}


def test_a_modules_name_in_the_entry_directory_shadows_nothing(project):
    for name in ("json", "pip", "errors", "logging"):
        (project.entry / f"{name}.py").write_text("raise SystemExit('the app was imported')")
    project.build("tool")
    assert versions(project.resolve("tool")) == {"tool": "1.0"}


def test_a_result_without_the_proof_is_refused(project):
    project.build("tool")

    def without_proof(argv, directory, environment, **options):
        done = run_process(argv, directory, environment, **options)
        result = json.loads(done.result)
        result["proof"]["tags"] = 0
        return replace(done, result=json.dumps(result).encode())

    with pytest.raises(RequirementsError, match=r"didn't resolve for python3.13 x86_64"):
        resolve(project.request("tool"), runner=without_proof)


def test_a_pip_process_that_dies_is_reported_with_its_output_and_without_credentials(project):
    def dies(argv, directory, environment, **options):
        return Finished(status=137, output="reading https://user:secret@host/simple\nKilled")

    with pytest.raises(RequirementsError, match=r"Killed") as caught:
        resolve(project.request("tool"), runner=dies)
    assert "secret" not in str(caught.value)


def test_a_bad_value_in_the_users_configuration_is_reported_in_pips_words(project, monkeypatch):
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    with pytest.raises(RequirementsError, match=r"soon"):
        project.resolve("tool")


def test_the_job_forces_wheels_behind_every_other_option(tmp_path):
    requirements = tmp_path / "requirements.txt"
    request = ResolutionRequest(entry=tmp_path, target=Target.parse("python3.13"), requirements=requirements)
    job = make_job(PipRun(request=request))
    assert job["requirements"] == ["requirements.txt"]
    assert "--only-binary=:all:" in job["argv"]
    assert "--no-input" in job["argv"]
    assert job["environment"]["platform_machine"] == "x86_64"


# -- what can't be resolved --


def test_all_requirements_that_nothing_satisfies_are_named_together(project):
    project.build("tool", "1.0")
    project.build("native", tags="cp313-cp313-win_amd64")
    with pytest.raises(RequirementsError) as caught:
        project.resolve("missing==1\ntool==2\nnative\n")
    message = str(caught.value)
    assert "requirements.txt:2: no file of 'missing' is where --find-links leads" in message
    assert "requirements.txt:3: no release satisfies tool==2; there are 1.0" in message
    assert "requirements.txt:4: native has wheels, but none that python3.13 x86_64 loads: theirs are for" in message


def test_an_unknown_dependency_is_named_with_what_requires_it(project):
    project.build("web", requires_dist=["missing>=2"])
    with pytest.raises(
        UnknownPackageError, match=r"web 1.0 requires missing>=2, but no file of 'missing' is where --find-links leads"
    ):
        project.resolve("web")


def test_an_unknown_version_is_answered_with_those_that_exist(project):
    for version in ("1.0", "1.1", "2.0"):
        project.build("tool", version)
    with pytest.raises(UnknownVersionError, match=r"no release satisfies tool==1.5; there are 1.0, 1.1, 2.0"):
        project.resolve("tool==1.5")


def test_malformed_lines_are_named_together_with_what_was_meant(project):
    project.write("tool\n", name="base.txt", local=False)
    with pytest.raises(RequirementSyntaxError) as caught:
        project.resolve("boto3=1.19\nflask=>2.0\n-r base.txt\nno requirement\n")
    message = str(caught.value)
    assert "requirements.txt:2: 'boto3=1.19' is not a requirement; write 'boto3==1.19'" in message
    assert "requirements.txt:3: 'flask=>2.0' is not a requirement; write 'flask>=2.0'" in message
    assert "requirements.txt:5: 'no requirement' is not a requirement; accepted is" in message


def test_an_unknown_option_in_a_requirements_file_is_named_with_its_line(project):
    with pytest.raises(RequirementSyntaxError, match=r"requirements.txt:2: no such option: --bogus"):
        project.resolve("--bogus\ntool")


def test_conflicting_requirements_say_who_wants_what(project):
    project.build("web", requires_dist=["deep<2"])
    project.build("deep", "1.0")
    project.build("deep", "2.0")
    with pytest.raises(ConflictingRequirementsError, match=r"web 1.0 requires deep<2"):
        project.resolve("web\ndeep>=2")


@pytest.mark.parametrize("variable", ["platform_release", "platform_version"])
def test_a_marker_that_nobody_can_evaluate_is_an_error(project, variable):
    project.build("tool")
    with pytest.raises(
        UnsupportedRequirementError, match=rf"requirements.txt:2: the marker .*{variable} is known only when"
    ):
        project.resolve(f"tool; {variable} >= '5'")


def test_a_dependencys_marker_that_nobody_can_evaluate_is_an_error(project):
    project.build("web", requires_dist=["tool; platform_release >= '5'"])
    with pytest.raises(UnsupportedRequirementError, match=r"web 1.0 has a dependency whose marker"):
        project.resolve("web")


def test_sources_are_refused_together_before_any_of_their_code_runs(project):
    trap = "open('ran', 'w').close()\nfrom setuptools import setup\nsetup(name='own')\n"
    own = project.entry / "own"
    own.mkdir()
    (own / "setup.py").write_text(trap)
    archive = project.root / "far-1.0.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("far-1.0/setup.py", trap)
    lines = ["./own", "-e ./own", f"far @ {archive.as_uri()}", "git @ git+https://host.invalid/repository"]
    with pytest.raises(UnsupportedRequirementError) as caught:
        project.resolve("\n".join([*lines, "own @ file:///nowhere; sys_platform == 'win32'"]), allow_build=False)
    for line, form in zip(range(2, 6), ("local project", "editable", "source dist", "version control"), strict=True):
        assert f"requirements.txt:{line}: " in str(caught.value)
        assert form in str(caught.value)
    assert "nowhere; " not in str(caught.value)
    assert sorted(path.name for path in project.entry.rglob("*")) == ["own", "requirements.txt", "setup.py"]


def test_a_dependency_on_a_source_archive_is_refused_before_its_code_runs(project):
    archive = project.root / "far-1.0.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("far-1.0/setup.py", "open('ran', 'w').close()")
    project.build("web", requires_dist=[f"far @ {archive.as_uri()}"])
    with pytest.raises(UnsupportedRequirementError, match=r"far.* is a source distribution"):
        project.resolve("web", allow_build=False)
    assert not (project.entry / "ran").exists()


def test_no_binary_in_a_requirements_file_is_refused(project):
    project.build("tool")
    with pytest.raises(UnsupportedRequirementError, match=r"requirements.txt:2: --no-binary asks to build tool"):
        project.resolve("--no-binary tool\ntool", allow_build=False)


def test_a_release_with_only_an_sdist_is_refused_with_the_ways_out(project):
    (project.wheels / "psycopg2-2.9.10.tar.gz").write_bytes(b"")
    with pytest.raises(NoWheelError, match=r"psycopg2==2.9.10 has no wheel, only an sdist.*psycopg2-binary.*vendor/"):
        project.resolve("psycopg2==2.9.10", allow_build=False)


def test_a_wheel_by_url_that_the_target_cannot_load_is_refused(project):
    wheel = build_wheel(project.root, "native", tags="cp313-cp313-macosx_11_0_arm64")
    with pytest.raises(NoWheelError, match=r"is for cp313-cp313-macosx_11_0_arm64"):
        project.resolve(f"native @ {wheel.as_uri()}")


def test_a_wrong_hash_says_expected_and_actual(project):
    wheel = project.build("tool")
    with pytest.raises(HashMismatchError, match=rf"expected sha256 {'0' * 64}, got {sha256(wheel)}"):
        project.resolve(f"tool==1.0 --hash=sha256:{'0' * 64}")


def test_hashes_for_some_requirements_only_are_an_error(project):
    wheel = project.build("tool")
    project.build("other")
    with pytest.raises(RequirementsError, match=r"other"):
        project.resolve(f"tool==1.0 --hash=sha256:{sha256(wheel)}\nother")


def test_an_index_that_cannot_be_reached_is_not_an_unknown_package(project):
    project.write("--index-url http://127.0.0.1:9/simple\ntool", local=False)
    with pytest.raises(IndexUnreachableError, match=r"127.0.0.1:9/simple/tool/"):
        project.resolve()


def test_a_requirements_file_that_is_not_there_is_named(project):
    with pytest.raises(RequirementsError, match=r"missing.txt"):
        project.resolve("-r missing.txt")


# -- a password --


def test_a_password_in_the_index_url_is_used_and_told_to_nobody(project):
    project.build("tool")
    with serve_index(project.wheels) as index:
        index.password = "secret"
        project.write(f"--index-url {index.url('secret')}\ntool", local=False)
        resolution = project.resolve()
    assert versions(resolution) == {"tool": "1.0"}
    assert "secret" not in repr(resolution)
    assert resolution.wheels[0].url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "text",
    [
        "--index-url http://127.0.0.1:9/${FEED_TOKEN}/simple/\nsix",
        "six @ http://127.0.0.1:9/${FEED_TOKEN}/six-1.0-py3-none-any.whl",
        "six==${FEED_TOKEN}",
        "-r ${FEED_TOKEN}.txt",
        "--${FEED_TOKEN}\nsix",
    ],
)
@pytest.mark.parametrize("place", ["environment", "pip_environment"])
def test_a_token_of_a_variable_is_told_to_nobody(project, monkeypatch, text, place):
    variables = {"FEED_TOKEN": "canary-of-a-feed", "PIP_RETRIES": "0"}
    if place == "environment":
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        variables = {}
    project.write(text, local=False)
    with pytest.raises(RequirementsError) as raised:
        project.resolve(pip_environment=tuple(variables.items()))
    assert "canary-of-a-feed" not in str(raised.value)


def test_a_password_from_the_environment_or_netrc_is_used(project, monkeypatch):
    project.build("tool")
    with serve_index(project.wheels) as index:
        index.password = "secret"
        (project.root / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
        (project.root / ".netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(project.root / ".netrc"))
        monkeypatch.setenv("PIP_INDEX_URL", index.url())
        project.write("tool", local=False)
        assert versions(project.resolve()) == {"tool": "1.0"}


def test_a_missing_password_fails_at_once_without_asking(project):
    project.build("tool")
    with serve_index(project.wheels) as index:
        index.password = "secret"
        project.write(f"--index-url {index.url('wrong')}\ntool", local=False)
        with pytest.raises(IndexUnreachableError, match=r"user name and password") as caught:
            project.resolve()
    assert "wrong" not in str(caught.value)


def test_pip_starts_nothing_of_the_network_for_local_wheels(project):
    project.build("tool")
    with serve_index(project.root) as index:
        project.resolve("tool")
    assert index.requests == []
    assert os.environ["PIP_CONFIG_FILE"] == os.devnull
