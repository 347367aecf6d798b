"""The second resolver: the same answers as pip's, for the same target."""

import os
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from index_server import serve_index
from lock_tools import install_tool
from pip_projects import Project, isolate_pip, versions
from source_projects import build_sdist, commit, write_project
from test_sources import snapshot
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import (
    BuildError,
    ConflictingRequirementsError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    TargetError,
    UnhashedError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.locks.lock import resolution_key
from cdk_lambda_package.requirements.default_index import find_default_index
from cdk_lambda_package.requirements.upload_limit import read_upload_limit
from cdk_lambda_package.resolving.resolve import resolve, run_process
from cdk_lambda_package.store import Store
from cdk_lambda_package.uv.interpreter import answer_for
from cdk_lambda_package.uv.resolve_uv import resolve_with_uv

pytestmark = [pytest.mark.thorough, pytest.mark.network]


@pytest.fixture
def project(tmp_path, monkeypatch):
    isolate_pip(monkeypatch)
    folder = Path(os.environ.get("CDK_LAMBDA_PACKAGE_LOCK_TOOLS") or Path(sys.prefix, "lock-tools"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(install_tool("uv", folder)), os.defpath]))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return Project(tmp_path)


def both(project, text, **options):
    """Resolve with both, and return what they agree on."""
    request = project.request(text, **options)
    store = Store(project.root / "store")
    by_pip, by_uv = resolve(request, store=store), resolve_with_uv(request, store=store)

    def facts(resolution):
        return [(w.name, w.version, w.filename, w.sha256, w.requested, w.required_by) for w in resolution.wheels]

    assert facts(by_uv) == facts(by_pip)
    assert by_uv.pinned == by_pip.pinned
    return versions(by_uv)


def test_both_choose_the_same_with_the_same_reasons(project):
    project.build(
        "web", requires_dist=["deep>=1", "arm; platform_machine == 'aarch64'", "win; sys_platform == 'win32'"]
    )
    project.build("deep", requires_dist=["extra-one; extra == 'x'"], provides_extra=["x"])
    for name in ("arm", "extra-one"):
        project.build(name)
    assert both(project, "web\ndeep[x]", target="python3.12 arm64") == {
        "arm": "1.0", "deep": "1.0", "extra-one": "1.0", "web": "1.0",
    }  # fmt: skip


def test_amazon_linux_2_gets_wheels_of_its_own_c_library(project):
    """uv knows 2_17 and 2_28; Amazon Linux 2 has 2.26."""
    for version, glibc in {"1.0": "2_17", "1.1": "2_26", "1.2": "2_27", "1.3": "2_28"}.items():
        project.build("native", version, tags=f"cp311-cp311-manylinux_{glibc}_x86_64")
    assert both(project, "native", target="python3.11 x86_64") == {"native": "1.1"}
    with pytest.raises(NoWheelError):
        resolve_with_uv(project.request("native>1.1", target="python3.11 x86_64"))


def test_hashes_provided_bare_and_preferred_mean_what_they_do_for_pip(project):
    old, _ = project.build("tool", "1.0", requires_dist=["deep"]), project.build("tool", "2.0")
    deep = project.build("deep")
    project.build("chalice", requires_dist=["botocore"])
    hashed = f"tool==1.0 --hash=sha256:{sha256(old)}\ndeep==1.0 --hash=sha256:{sha256(deep)}"
    assert both(project, hashed) == {"deep": "1.0", "tool": "1.0"}
    assert both(project, "tool==1.0", provided=("deep",)) == {"tool": "1.0"}
    assert both(project, "tool", bare=("chalice",)) == {"chalice": "1.0", "tool": "2.0"}
    assert both(project, "tool", preferred=(("tool", "1.0"),)) == {"deep": "1.0", "tool": "1.0"}


def test_options_of_a_requirements_file_mean_what_they_do_for_pip(project):
    """uv passes over those that it doesn't know, and over what stands behind them."""
    project.build("tool", "1.0")
    project.build("tool", "2.0rc1")
    project.write("tool", name="more.txt", local=False)
    assert both(project, "--pre\n-r more.txt") == {"tool": "2.0rc1"}
    assert both(project, "--pre -r more.txt") == {"tool": "1.0"}
    project.write("# a comment isn't continued \\\ntool==1.0", name="more file.txt", local=False)
    assert both(project, '-r "more file.txt"') == {"tool": "1.0"}
    for resolver in (resolve, resolve_with_uv):
        with pytest.raises(UnhashedError, match="tool 1.0"):
            resolver(project.request("--require-hashes\ntool==1.0"))
    write_project(project.entry / "own", "own")
    for resolver in (resolve, resolve_with_uv):
        with pytest.raises(UnsupportedRequirementError, match=r"requirements\.txt:2.* --config-settings"):
            resolver(project.request("./own --config-settings=a=b"))


def test_a_wheel_of_vendor_is_resolved_with_the_rest(project):
    project.build("deep")
    wheel = build_wheel(project.root / "vendor", "own", requires_dist=["deep"])
    assert both(project, "deep", extra=(f"own @ {wheel.as_uri()}",)) == {"deep": "1.0", "own": "1.0"}


def test_of_several_indexes_the_first_that_knows_a_name_counts(project):
    """As uv has it; pip takes the best of all. Neither lets one index have a say in what another one gave."""
    project.build("tool", "1.0")
    build_wheel(project.root / "public", "tool", "9.0")
    with serve_index(project.wheels) as private, serve_index(project.root / "public") as public:
        project.write(f"--index-url {public.url()}\n--extra-index-url {private.url()}\ntool", local=False)
        request = project.request()
        assert versions(resolve_with_uv(request)) == {"tool": "1.0"}
        assert versions(resolve(request)) == {"tool": "9.0"}


# -- sources --


def test_sdists_are_built_for_both_in_the_same_way(project):
    project.build("web", requires_dist=["tool>=1", "wide"])
    build_sdist(project.wheels, "tool", requires=["deep; platform_machine == 'aarch64'", "late"])
    build_sdist(project.wheels, "late")
    project.build("wide", "1.0")
    build_sdist(project.wheels, "wide", "2.0")
    project.build("deep")
    expected = {"web": "1.0", "tool": "1.0", "late": "1.0", "wide": "1.0"}
    assert both(project, "web", target="python3.11 x86_64") == expected
    assert both(project, "web", target="python3.13 arm64") == {**expected, "deep": "1.0"}


def test_an_sdist_that_the_requirements_insist_on_is_built(project):
    project.build("tool", "1.0")
    sdist = build_sdist(project.wheels, "tool", "2.0")
    assert both(project, "tool>=2") == {"tool": "2.0"}
    assert both(project, f"tool==2.0 --hash=sha256:{sha256(sdist)}") == {"tool": "2.0"}
    assert both(project, "--no-binary tool\ntool") == {"tool": "2.0"}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_sources_that_requirements_name_are_built_before_uv_sees_them(project):
    project.build("deep")
    write_project(project.entry / "own", "own", requires=["deep", "more; extra == 'x'"], extras=["x"])
    project.build("more")
    write_project(project.entry / "live", "live", requires=["deep"])
    shared = write_project(project.root / "shared", "shared-code", requires=["part"], pyproject=SOURCES)
    write_project(project.root / "part", "part")
    archive = build_sdist(project.root, "packed")
    checkout = write_project(project.root / "checkout", "pinned")
    revision = commit(checkout)
    before = snapshot(project.entry) | snapshot(shared)
    lines = [
        "./own[x]",
        "-e ./live",
        f"shared-code @ {shared.as_uri()} ; sys_platform == 'linux'",
        f"packed @ {archive.as_uri()}",
        f"pinned @ git+{checkout.as_uri()}@{revision}",
        "deep",
    ]
    found = both(project, "\n".join(lines))
    assert found == dict.fromkeys(["own", "more", "live", "shared-code", "part", "packed", "pinned", "deep"], "1.0")
    after = snapshot(project.entry) | snapshot(shared)
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == {str(project.entry / "requirements.txt")}


def test_extras_of_projects_that_others_name_as_theirs_count(project):
    for name in ("deep", "more", "most"):
        project.build(name)
    part = write_project(project.root / "part", "part", requires=["most; extra == 'z'"], extras=["z"])
    requires = ["deep; extra == 'x'", "more; extra == 'y'", "part[z]; extra == 'x'"]
    sources = f"[tool.poetry.dependencies]\npart = {{ path = '{part.as_posix()}' }}\n"
    write_project(project.root / "shared", "shared", requires=requires, extras=["x", "y"], pyproject=sources)
    sources = "[tool.uv.sources]\nshared = { path = '../shared' }\n"
    write_project(project.root / "own", "own", requires=["shared[x]", "shared"], pyproject=sources)
    assert both(project, "../own") == dict.fromkeys(["own", "shared", "deep", "part", "most"], "1.0")


def test_paths_may_have_spaces_be_quoted_and_stand_in_a_file_url(project):
    write_project(project.root / "our code", "own", requires=["more; extra == 'x'"], extras=["x"])
    wheel = build_wheel(project.root / "built here", "there")
    project.build("more")
    lines = [
        "../our code",
        '-e "../our code"',
        "own[x] @ file:../our%20code",
        f"there @ file:../built%20here/{wheel.name}",
    ]
    assert both(project, "\n".join(lines)) == dict.fromkeys(["own", "more", "there"], "1.0")


def test_the_name_of_a_local_project_is_never_asked_of_an_index_by_uv(project):
    index = project.root / "index"
    build_wheel(index, "web", requires_dist=["own", "part"])
    for name in ("own", "part"):
        build_wheel(index, name, "99.0")
    write_project(project.entry / "own", "own", requires=["part"], pyproject=SOURCES)
    write_project(project.entry / "part", "part")
    with serve_index(index) as server:
        project.write(f"--index-url {server.url()}\nweb\n./own", local=False)
        found = resolve_with_uv(project.request(), store=Store(project.root / "store"))
        assert versions(found) == {"web": "1.0", "own": "1.0", "part": "1.0"}
        assert not [path for path in server.requests if path.startswith(("/simple/own", "/simple/part"))]


SOURCES = '\n[tool.uv.sources]\npart = { path = "../part" }\n'


@pytest.mark.parametrize("hashed", ["sha512:00", "sha256:00", "md5:00"])
def test_a_hash_that_cannot_be_compared_is_refused_not_ignored(project, hashed):
    project.build("tool")
    with pytest.raises(UnsupportedRequirementError, match=f"requirements.txt:2: --hash={hashed}"):
        resolve_with_uv(project.request(f"tool==1.0 --hash={hashed}"))


def test_what_cannot_be_built_is_said_as_for_pip(project):
    build_sdist(project.wheels, "broken", fail="the header zebra.h is missing")
    with pytest.raises(BuildError, match=r"broken-1\.0\.tar\.gz failed to build(.|\n)*zebra\.h"):
        resolve_with_uv(project.request("broken"))


def test_without_allow_build_uv_runs_nothing_of_a_source_either(project):
    log = project.root / "log.txt"
    log.write_text("")
    build_sdist(project.wheels, "tool", log=str(log))
    write_project(project.entry / "own", "own", log=str(log))
    project.build("other")
    for text, kind in {
        "tool": NoWheelError,
        "./own": UnsupportedRequirementError,
        "--no-binary other\nother": UnsupportedRequirementError,
    }.items():
        with pytest.raises(kind, match="allow_build=False refuses"):
            resolve_with_uv(project.request(text, allow_build=False))
    assert log.read_text() == ""


# -- Amazon Linux 2 --


def test_amazon_linux_2_takes_one_run_where_uv_can_be_told_of_its_c_library(project):
    runs = []

    def runner(argv, directory, environment):
        runs.append([word for word in argv if word.startswith(("--python=", "--python-platform"))])
        return run_process(argv, directory, environment)

    for minor in range(10):
        project.build("native", f"2.{minor}", tags="cp311-cp311-manylinux_2_28_aarch64")
    project.build("native", "1.0", tags="cp311-cp311-manylinux_2_26_aarch64")
    project.build("arm")
    request = project.request("native\narm; platform_machine == 'aarch64'", target="python3.11 arm64")
    assert versions(resolve_with_uv(request, runner=runner)) == {"native": "1.0", "arm": "1.0"}
    # One for the lock, and one for who needs what.
    assert len(runs) == 2


def test_without_a_program_that_answers_for_it_releases_are_excluded_one_after_another(project):
    def runner(argv, directory, environment):
        argv = [re.sub("^--python=.*/interpreters/.*", "--python=/nowhere", word) for word in argv]
        return run_process(argv, directory, environment)

    for version, glibc in {"1.0": "2_17", "1.1": "2_26", "1.2": "2_27", "1.3": "2_28"}.items():
        project.build("native", version, tags=f"cp311-cp311-manylinux_{glibc}_x86_64")
    request = project.request("native", target="python3.11 x86_64")
    assert versions(resolve_with_uv(request, runner=runner)) == {"native": "1.1"}


@pytest.mark.parametrize("nested", [False, True])
def test_an_interpreters_answer_is_the_targets(nested):
    system = {"os": {"name": "macos", "major": 14, "minor": 0}, "arch": "arm64"}
    markers = {"platform_machine": "arm64", "sys_platform": "darwin", "python_version": "3.11"}
    told = {"markers": markers, "sys_prefix": "/x", **({"platform": system} if nested else system)}
    answer = answer_for(told, "x86_64", 26)
    where = answer["platform"] if nested else answer
    assert (where["os"], where["arch"]) == ({"name": "manylinux", "major": 2, "minor": 26}, "x86_64")
    assert (
        answer["markers"].items()
        >= {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11"}.items()
    )
    with pytest.raises(KeyError):
        answer_for({"markers": markers}, "x86_64", 26)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("nothing", UnknownPackageError),
        ("tool==9", UnknownVersionError),
        ("tool==1.0\ntool==2.0", ConflictingRequirementsError),
        ("tool=1", RequirementSyntaxError),
        ("native", NoWheelError),
        ("tool; platform_release > '5'", TargetError),
    ],
)
def test_errors_are_of_the_same_kinds(project, text, kind):
    project.build("tool", "1.0")
    project.build("tool", "2.0")
    project.build("native", tags="cp313-cp313-win_amd64")
    with pytest.raises(kind):
        resolve_with_uv(project.request(text))


def test_uv_never_fetches_a_python(project):
    environments = []

    def runner(argv, directory, environment):
        environments.append((environment["UV_PYTHON_DOWNLOADS"], "--no-python-downloads" in argv))
        return run_process(argv, directory, environment)

    project.build("tool")
    resolve_with_uv(project.request("tool"), runner=runner)
    assert set(environments) == {("never", True)}


def test_the_resolver_is_chosen_by_option_or_environment(project, monkeypatch, capsys):
    project.build("tool")
    project.write("tool")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    monkeypatch.setattr("cdk_lambda_package.resolving.resolve.resolve", None)
    argv = ["build", str(project.entry), "--runtime=python3.13", "-o", str(project.root / "x.zip")]
    argv += ["--cache-dir", str(project.root / "cache")]
    assert main([*argv, "--resolver=uv"]) == 0
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_RESOLVER", "uv")
    assert main([*argv[:-1], str(project.root / "other")]) == 0
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_RESOLVER", "conda")


def test_each_resolver_has_resolutions_of_its_own(project):
    requests = [project.request("tool", resolver=name) for name in ("pip", "uv")]
    assert len({resolution_key(request, {}) for request in requests}) == 2
    keys = {resolution_key(requests[1], {"UV_INDEX_OWN_PASSWORD": word}) for word in ("one", "two")}
    assert len(keys) == 1


def test_the_lock_command_uses_it_too(project):
    project.build("tool", requires_dist=["deep"])
    project.build("deep")
    project.write("tool")
    (project.entry / "app.py").write_text("def handler(event, context): ...\n")
    texts = []
    for name in ("pip", "uv"):
        assert main(["lock", str(project.entry), "--runtime=python3.13", f"--resolver={name}", "--upgrade"]) == 0
        texts.append((project.entry / "pylock.toml").read_text())
    assert texts[0] == texts[1]


# -- where files may come from, of when, and by which hashes --


def limited(project, text, **options):
    project.write(text, local=False)
    return resolve_with_uv(project.request(**options))


@pytest.fixture
def index(project):
    with serve_index(project.wheels) as server:
        yield server


def test_a_limit_on_upload_times_is_kept_to_and_the_times_are_known(project, index, monkeypatch):
    for version, time in {"1.0": "2026-01-10T08:00:00Z", "2.0": "2026-06-10T08:00:00Z"}.items():
        index.upload_times[project.build("tool", version).name] = time
    day = read_upload_limit("2026-06-01", datetime.now(UTC))
    for own in ("", "2026-12-01", "30 days"):
        monkeypatch.setenv("UV_EXCLUDE_NEWER", own)
        (wheel,) = limited(project, f"--index-url {index.url()}\ntool", uploaded_prior_to=day).wheels
        assert (wheel.version, wheel.upload_time) == ("1.0", "2026-01-10T08:00:00+00:00")
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", "2026-01-01")
    monkeypatch.delenv("UV_EXCLUDE_NEWER")
    with pytest.raises(RequirementsError):
        limited(project, f"--index-url {index.url()}\ntool", uploaded_prior_to=day)


def test_an_sdist_has_its_upload_time_and_is_held_to_the_limit_too(project, index):
    for version, time in {"1.0": "2026-01-10T08:00:00Z", "2.0": "2026-06-10T08:00:00Z"}.items():
        index.upload_times[build_sdist(project.wheels, "tool", version).name] = time
    day = read_upload_limit("2026-06-01", datetime.now(UTC))
    resolution = limited(project, f"--index-url {index.url()}\ntool", uploaded_prior_to=day, only_index=(index.host,))
    (wheel,) = resolution.wheels
    assert (wheel.version, wheel.upload_time) == ("1.0", "2026-01-10T08:00:00+00:00")
    assert wheel.source


def test_everything_without_a_hash_is_named(project):
    tool = project.build("tool", requires_dist=["deep"])
    project.build("deep")
    build_wheel(project.entry / "vendor", "own")
    own = f"own @ {next((project.entry / 'vendor').glob('*.whl')).as_uri()}"
    request = project.request(f"tool==1.0 --hash=sha256:{sha256(tool)}", extra=(own,), require_hashes=True)
    with pytest.raises(UnhashedError, match=r"of everything: deep 1\.0\. Write a lock"):
        resolve_with_uv(request)


@pytest.mark.parametrize("place", ["file", "variable", "configuration", "default", "url", "unnamed"])
def test_nothing_on_another_host_is_asked(project, index, tmp_path, monkeypatch, place):
    (tmp_path / "elsewhere").mkdir()
    project.build("tool")
    with serve_index(tmp_path / "elsewhere") as other:
        build_wheel(other.directory, "deep")
        text, said = f"--index-url {index.url()}\ntool", f"{other.url()} would be asked"
        if place == "file":
            text += f"\n--extra-index-url http://user:pa55w0rd@{other.host}/simple"
        elif place == "variable":
            monkeypatch.setenv("UV_INDEX", f"own={other.url()}")
        elif place == "configuration":
            project.write(f'[[index]]\nurl = "{other.url()}"\n', name="uv.toml", local=False)
            text, said = f"{text}\ndeep", "deep"
        elif place == "default":
            text, said = "tool", f"{find_default_index().url} would be asked"
        elif place == "unnamed":
            url = f"http://{other.host}/files/deep-1.0.tar.gz"
            text, said = f"{text}\n{url}", f"would come from {url}"
        else:
            url = f"http://{other.host}/files/deep-1.0-py3-none-any.whl"
            text, said = f"{text}\ndeep @ {url}", f"deep would come from {url}"
        with pytest.raises(RequirementsError, match=re.escape(said)) as raised:
            limited(project, text, only_index=(index.host,))
        assert other.requests == []
        assert "pa55w0rd" not in str(raised.value)
        assert versions(limited(project, f"--index-url {index.url()}\ntool", only_index=(index.host, other.host)))
