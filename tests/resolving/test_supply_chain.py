"""What may be packaged: only what is pinned by a hash, old enough, and from the hosts that are allowed."""

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from entries import HANDLER, write_files
from index_server import serve_index
from pip_projects import resolved, versions
from source_projects import build_sdist, write_project
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import BuildError, RequirementsError, SupplyChainError, UnhashedError
from cdk_lambda_package.locks.lookup import read_pinned_lines
from cdk_lambda_package.locks.poetry import Format
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.requirements.lock_file import LockFile
from cdk_lambda_package.requirements.resolution_cache import resolution_key
from cdk_lambda_package.requirements.supply_chain_values import read_upload_limit
from cdk_lambda_package.resolving import resolve

NOW = datetime(2026, 6, 15, 13, tzinfo=UTC)
PASSWORD = "pa55w0rd"


@pytest.fixture
def project(project):
    write_files(project.entry, {"app.py": HANDLER})
    return project


@pytest.fixture
def other(tmp_path):
    """A second index, on another host as far as anybody can tell."""
    (tmp_path / "elsewhere").mkdir()
    with serve_index(tmp_path / "elsewhere") as server:
        yield server


def ask(project, index, text, **options):
    """Return a request for requirements from an index and nothing else."""
    project.write(f"--index-url {index.url()}\n{text}", local=False)
    return project.request(**options)


def limit(value, now=NOW):
    return {"uploaded_prior_to": read_upload_limit(value, now)}


def pin(*wheels):
    return "\n".join(f"{wheel.name.split('-')[0]}==1.0 --hash=sha256:{sha256(wheel)}" for wheel in wheels)


# -- require_hashes --


def test_everything_without_a_hash_is_named_with_the_command_that_writes_a_lock(project, store):
    tool = project.build("tool", requires_dist=["deep"])
    project.build("deep", "3.1", requires_dist=["deeper"])
    for name in ("deeper", "other"):
        project.build(name)
    for text in ("tool\nother", f"{pin(tool)}\nother"):
        project.write(text)
        with pytest.raises(UnhashedError) as raised:
            project.package(store, require_hashes=True, architecture="arm64")
        assert "deep 3.1, deeper 1.0, other 1.0" in str(raised.value)
        assert ("tool 1.0" in str(raised.value)) == (text == "tool\nother")
        command = f"cdk-lambda-package lock {project.entry} --runtime python3.13 --architecture arm64"
        assert command in str(raised.value)


def test_what_is_pinned_by_hashes_is_packaged(project, store):
    tool, deep = project.build("tool", requires_dist=["deep"]), project.build("deep")
    project.write(pin(tool, deep))
    assert project.package(store, require_hashes=True).findings == ()


def test_a_resolution_that_was_made_without_the_rule_is_not_used_under_it(project, store):
    project.build("tool")
    project.write("tool")
    project.package(store)
    with pytest.raises(UnhashedError, match=r"tool 1\.0"):
        project.package(store, require_hashes=True)


def test_a_url_with_a_hash_in_it_is_pinned(project, index, store):
    wheel = project.build("tool")
    url = f"http://{index.host}/files/{wheel.name}"
    project.write(f"tool @ {url}#sha256={sha256(wheel)}", local=False)
    project.package(store, require_hashes=True)
    project.write(f"tool @ {url}", local=False)
    with pytest.raises(UnhashedError, match=r"tool 1\.0"):
        project.package(store, require_hashes=True)


def test_wheels_in_vendor_are_the_users_own_and_need_no_hash(project, store):
    deep = project.build("deep")
    build_wheel(project.entry / "vendor", "own", requires_dist=["deep"])
    project.write(pin(deep))
    assert project.package(store, require_hashes=True).files == 9


def test_what_is_only_imported_has_to_be_pinned_too(project, store):
    tool = project.build("tool")
    project.build("chalice", files={"chalice/__init__.py": "class Chalice:\n    pass\n", "chalice/app.py": ""})
    write_files(project.entry, {"app.py": "from chalice import Chalice\napp = Chalice(app_name='x')\n"})
    project.write(pin(tool))
    with pytest.raises(UnhashedError, match="hash[^:]*: chalice"):
        project.package(store, require_hashes=True)


@pytest.mark.parametrize("form", ["project", "checkout", "sdist"])
def test_no_code_of_what_has_no_hash_is_run(project, store, tmp_path, form):
    log = tmp_path / "builds.txt"
    write_project(tmp_path / "own", "own", log=str(log))
    if form == "project":
        line, reason = str(tmp_path / "own"), "a local project, which can't have one"
    elif form == "checkout":
        for argv in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@y.z", "commit", "-qm", "1"],
        ):
            subprocess.run(["git", *argv], cwd=tmp_path / "own", check=True)
        line, reason = f"own @ git+{(tmp_path / 'own').as_uri()}", "a checkout, which can't have one"
    else:
        line, reason = "own", "own"
        build_sdist(project.wheels, "own", log=str(log))
    project.write(line)
    with pytest.raises(UnhashedError, match=f"requirements.txt:2: .*{reason}"):
        project.package(store, require_hashes=True)
    assert not log.exists()


def test_the_lock_that_the_error_names_is_what_it_takes(project, store, monkeypatch, capsys):
    project.build("tool", requires_dist=["deep"])
    project.build("deep")
    project.write("tool")
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES", "true")
    arguments = ["lock", str(project.entry), "--runtime", "python3.13", "--architecture", "x86_64"]
    with pytest.raises(UnhashedError, match=" ".join(arguments)):
        project.package(store)
    assert main(arguments) == 0, capsys.readouterr().err
    assert project.package(store).findings == ()


# -- uploaded_prior_to --


@pytest.fixture
def releases(project, index):
    """A distribution that was released three times."""
    for version, time in {"1.0": "2026-01-10", "2.0": "2026-06-10", "3.0": "2026-06-14"}.items():
        index.upload_times[project.build("tool", version).name] = f"{time}T08:00:00.123456Z"
    return index


@pytest.mark.parametrize(
    ("value", "version"),
    [("2026-06-01", "1.0"), ("2026-06-14T08:00:00Z", "2.0"), ("5d", "1.0"), ("P4D", "2.0"), (timedelta(0), "3.0")],
)
def test_the_newest_release_that_is_old_enough_is_taken(project, releases, value, version):
    assert versions(resolve(ask(project, releases, "tool", **limit(value)))) == {"tool": version}


def test_a_requirement_that_only_newer_releases_satisfy_is_an_error(project, releases):
    with pytest.raises(
        Exception, match=r"every release that satisfies tool>1.* is newer than uploaded_prior_to, .* allows"
    ):
        resolve(ask(project, releases, "tool>1", **limit("2026-02-01")))


def test_the_stricter_of_pips_own_setting_and_the_option_counts(project, releases, monkeypatch):
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", "2026-02-01T00:00:00Z")
    assert versions(resolve(ask(project, releases, "tool", **limit("2026-06-12")))) == {"tool": "1.0"}
    monkeypatch.setenv("PIP_UPLOADED_PRIOR_TO", "2026-06-30T00:00:00Z")
    assert versions(resolve(ask(project, releases, "tool", **limit("2026-06-12")))) == {"tool": "2.0"}


def test_a_duration_stays_the_same_resolution_on_the_next_day_and_a_date_is_another_one(project, releases):
    today, tomorrow = (ask(project, releases, "tool", **limit("7d", NOW + timedelta(days=days))) for days in (0, 1))
    assert today.uploaded_prior_to != tomorrow.uploaded_prior_to
    assert resolution_key(today, {}) == resolution_key(tomorrow, {})
    dated = [ask(project, releases, "tool", **limit(f"2026-06-0{day}")) for day in (1, 2)]
    keys = {
        resolution_key(request, {}) for request in (today, *dated, dataclasses.replace(today, uploaded_prior_to=None))
    }
    assert len(keys) == 4


def test_a_resolution_under_a_duration_is_made_again_when_it_is_too_old(project, releases, store):
    found = []
    for days in (0, 2, 4):
        now = NOW + timedelta(days=days)
        request = ask(project, releases, "tool", **limit("5d", now))
        found.append(versions(resolved(request, store, now=now, max_lock_age=timedelta(days=3)))["tool"])
    assert found == ["1.0", "1.0", "2.0"]


def test_an_index_that_does_not_say_when_is_an_error_without_its_password(project, index):
    project.build("tool")
    index.password = PASSWORD
    project.write(f"--index-url {index.url(PASSWORD)}\ntool", local=False)
    with pytest.raises(SupplyChainError, match=rf"http://{index.host}/simple/tool/ doesn't say when") as raised:
        resolve(project.request(**limit("7d")))
    assert PASSWORD not in str(raised.value)


def test_a_folder_of_wheels_is_no_index(project):
    project.build("tool")
    assert versions(project.resolve("tool", **limit("2020-01-01"))) == {"tool": "1.0"}


@pytest.mark.network
def test_a_pip_that_is_too_old_is_an_error(project, releases, tmp_path):
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path, "pip==25.3"]
    subprocess.run(argv, check=True)
    (wheel,) = tmp_path.glob("pip-*.whl")

    def run(argv, directory, environment, **options):
        return run_process(argv, directory, {**environment, "PYTHONPATH": str(wheel)}, **options)

    with pytest.raises(RequirementsError, match=r"pip 25\.3 isn't supported.*python -m pip install 'pip>=26\.0,<27'"):
        resolve(ask(project, releases, "tool", **limit("7d")), runner=run)


def lock(project, *options):
    assert main(["lock", str(project.entry), "--runtime", "python3.13", *options]) == 0


def test_a_lock_has_upload_times_and_is_held_to_the_limit(project, releases, store):
    ask(project, releases, "tool==2.0")
    lock(project)
    text = (project.entry / "pylock.toml").read_text()
    assert "upload-time = 2026-06-10 08:00:00.123456+00:00" in text
    assert f'index = "{releases.url()}"' in text
    with pytest.raises(SupplyChainError, match=r"tool 2\.0 was uploaded 2026-06-10.*allows what was before 2026-06-01"):
        project.package(store, uploaded_prior_to="2026-06-01")
    assert project.package(store, uploaded_prior_to="2026-06-11").findings == ()


def test_a_lock_is_written_under_the_limit(project, releases, store):
    ask(project, releases, "tool")
    lock(project, "--uploaded-prior-to", "2026-06-01")
    assert 'version = "1.0"' in (project.entry / "pylock.toml").read_text()


def test_where_it_is_not_known_when_files_were_uploaded_a_warning_says_so(project, index, store):
    wheel = project.build("tool")
    ask(project, index, "tool")
    lock(project)
    assert project.package(store).findings == ()
    (finding,) = project.package(store, uploaded_prior_to="2026-06-01").findings
    assert finding.id == "upload-time-unknown"
    assert "tool 1.0 was uploaded" in finding.message
    assert project.package(store, uploaded_prior_to="2026-06-01", acknowledge=["upload-time-unknown"]).findings == ()
    (project.entry / "pylock.toml").unlink()
    project.write(f"tool @ http://{index.host}/files/{wheel.name} --hash=sha256:{sha256(wheel)}", local=False)
    (finding,) = project.package(store, uploaded_prior_to="2026-06-01").findings
    assert finding.id == "upload-time-unknown"


# -- only_index --


def test_an_index_on_another_host_is_never_asked(project, index, other, monkeypatch):
    project.build("tool")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://user:{PASSWORD}@{other.host}/links/?key={PASSWORD}")
    request = ask(project, index, f"--extra-index-url {other.url()}\ntool", only_index=(index.host,))
    with pytest.raises(SupplyChainError) as raised:
        resolve(request)
    assert f"{other.url()} would be asked, and only_index doesn't have that host" in str(raised.value)
    assert f"http://{other.host}/links/ would be asked" in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert index.requests == other.requests == []


def test_a_file_on_another_host_than_its_index_names_the_package_and_the_host(project, index, other):
    project.build("tool", requires_dist=["deep"])
    project.build("deep")
    index.files_at = f"http://user:{PASSWORD}@{other.host}/files/"
    with pytest.raises(
        SupplyChainError, match=rf"tool.* would come from http://{other.host}/files/tool-1\.0"
    ) as raised:
        resolve(ask(project, index, "tool", only_index=(index.host,)))
    assert other.requests == []
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("path", ["/simple/tool/", "/files/tool-1.0-py3-none-any.whl"])
def test_a_redirection_to_another_host_is_not_followed(project, index, other, path):
    build_wheel(other.directory, "tool")
    project.build("tool")
    index.redirects[path] = f"http://{other.host}{path}?signature={PASSWORD}"
    with pytest.raises(SupplyChainError, match=f"would come from http://{other.host}{path}, ") as raised:
        resolve(ask(project, index, "tool", only_index=(index.host,)))
    assert other.requests == []
    assert PASSWORD not in str(raised.value)


def test_a_file_that_another_build_got_from_anywhere_is_no_way_round_the_limit(project, index, other, store):
    project.build("tool")
    resolve(ask(project, index, "tool"), store=store)
    path = "/files/tool-1.0-py3-none-any.whl"
    index.redirects[path] = f"http://{other.host}{path}"
    with pytest.raises(SupplyChainError, match=f"would come from http://{other.host}{path}"):
        resolve(ask(project, index, "tool", only_index=(index.host,)), store=store)


def test_a_file_that_came_from_an_allowed_host_is_asked_for_once(project, index, store):
    project.build("tool")
    for _ in range(2):
        resolve(ask(project, index, "tool", only_index=(index.host,)), store=store)
    assert index.requests.count("/files/tool-1.0-py3-none-any.whl") == 1


def test_a_requirements_file_from_another_host_is_not_read(project, index, other):
    with pytest.raises(SupplyChainError, match=f"would come from http://{other.host}/more.txt"):
        resolve(ask(project, index, f"-r http://{other.host}/more.txt", only_index=(index.host,)))
    assert other.requests == []


@pytest.mark.parametrize("form", ["{}/files/tool-1.0-py3-none-any.whl", "git+{}/tool"])
def test_a_url_on_another_host_is_refused_where_it_stands(project, index, other, form):
    line = "tool @ " + form.format(f"http://{other.host}")
    with pytest.raises(SupplyChainError, match=rf"requirements\.txt:2: tool.* would come from .*{other.host}"):
        resolve(ask(project, index, line, only_index=(index.host,)))
    assert other.requests == []


def test_hosts_may_be_given_with_or_without_their_port(project, index):
    project.build("tool")
    for host in (index.host, "127.0.0.1"):
        assert versions(resolve(ask(project, index, "tool", only_index=(host,)))) == {"tool": "1.0"}


def test_what_lies_on_this_machine_comes_from_no_host(project, store):
    tool = project.build("tool")
    deep = project.build("deep")
    build_wheel(project.entry / "vendor", "own", requires_dist=["tool"])
    project.write(f"deep @ {deep.as_uri()}\ntool")
    project.package(store, only_index=[])
    lock(project)
    assert tool.name in (project.entry / "pylock.toml").read_text()
    project.package(store, only_index=[])


def test_a_lock_is_held_to_the_hosts_before_anything_is_fetched(project, index, store):
    project.build("tool")
    ask(project, index, "tool")
    lock(project)
    index.requests.clear()
    url = f"http://{index.host}/files/tool-1.0-py3-none-any.whl"
    with pytest.raises(SupplyChainError, match=rf"tool 1\.0 would come from {url}, and only_index") as raised:
        project.package(store, only_index=["packages.example.com"])
    assert "add 127.0.0.1" in str(raised.value)
    assert index.requests == []
    project.package(store, only_index=[index.url(PASSWORD)])


def test_what_an_earlier_run_resolved_is_held_to_the_hosts_too(project, index, other, store):
    project.build("tool")
    ask(project, index, "tool")
    project.package(store)
    with pytest.raises(SupplyChainError, match=f"{index.url()} would be asked"):
        project.package(store, only_index=[other.host])


def test_fetching_a_locks_files_asks_no_other_host(project, index, other, store):
    project.build("tool")
    ask(project, index, "tool")
    lock(project)
    project.write(f"--index-url {index.url()}\n--extra-index-url {other.url()}\ntool", local=False)
    with pytest.raises(SupplyChainError, match=f"{other.url()} would be asked"):
        project.package(store, only_index=[index.host])
    assert other.requests == []


# -- what builds need --

BACKEND = """
import os, zipfile
import helper

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "built-1.0-py3-none-any.whl"
    info = "built-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("built.py", "helper = " + repr(helper.__version__))
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "built.py,,\\n")
    return name
"""


@pytest.fixture
def built(project, index, tmp_path):
    """An sdist on the index whose build needs a distribution that was released twice."""
    pyproject = '[build-system]\nrequires = ["helper"]\nbuild-backend = "own"\nbackend-path = ["."]\n'
    files = {"own.py": BACKEND, "pyproject.toml": pyproject}
    sdist = build_sdist(project.wheels, "built", files=files)
    # The back end of the factory isn't what is wanted here.
    write_files(project.wheels / ".built-1.0", files)
    subprocess.run(
        ["tar", "-czf", sdist, "--transform", "s,^\\.built,built,", ".built-1.0"], cwd=project.wheels, check=True
    )
    index.upload_times = {sdist.name: "2026-01-01T00:00:00Z"}
    for version, time in {"1.0": "2026-01-10", "2.0": "2026-06-10"}.items():
        index.upload_times[project.build("helper", version).name] = f"{time}T08:00:00Z"
    return index


def helper_of(made, store):
    from zipfile import ZipFile

    (wheel,) = made.wheels
    with ZipFile(store.find_wheel(wheel.sha256, wheel.filename)) as archive:
        return archive.read("built.py").decode().partition("= ")[2].strip("'")


@pytest.mark.thorough
def test_what_a_build_needs_is_limited_too_and_what_was_built_without_the_limit_is_built_again(project, built, store):
    def build(value):
        made = resolve(ask(project, built, "built", **limit(value)), store=store)
        assert made.wheels[0].upload_time == "2026-01-01T00:00:00+00:00"
        return helper_of(made, store)

    assert build(None) == "2.0"
    assert build("2026-06-01") == "1.0"
    # Kept under a limit, it is right under any later one, and under none.
    built.requests.clear()
    assert build("2026-06-30") == build(None) == "1.0"
    assert not [path for path in built.requests if "helper" in path]


@pytest.mark.thorough
def test_a_build_that_took_something_from_another_host_is_not_packaged(project, built, other, store):
    build_wheel(other.directory, "helper", "2.0")
    built.redirects["/files/helper-2.0-py3-none-any.whl"] = f"http://{other.host}/files/helper-2.0-py3-none-any.whl"
    ask(project, built, "built")
    with pytest.raises(SupplyChainError, match=rf"built 1\.0 was built with something from {other.host}"):
        project.package(store, only_index=[built.host])
    # Neither is it from the store.
    with pytest.raises(SupplyChainError, match=rf"built 1\.0 was built with something from {other.host}"):
        project.package(store, only_index=[built.host])
    made = project.package(store, only_index=[built.host, other.host])
    assert json.dumps(made.manifest).count("built") > 1


@pytest.mark.thorough
def test_what_is_built_from_a_lock_is_held_to_the_same_rules(project, built, other, store):
    build_wheel(other.directory, "helper", "2.0")
    built.redirects["/files/helper-2.0-py3-none-any.whl"] = f"http://{other.host}/files/helper-2.0-py3-none-any.whl"
    ask(project, built, "built")
    lock(project)
    text = (project.entry / "pylock.toml").read_text()
    assert "upload-time = 2026-01-01 00:00:00+00:00" in text
    assert f'index = "{built.url()}"' in text
    made = project.package(store, uploaded_prior_to="2026-06-01")
    assert "upload-time-unknown" not in {finding.id for finding in made.findings}
    with pytest.raises(
        SupplyChainError, match=r"built 1\.0 was uploaded 2026-01-01.*allows what was before 2025-12-01"
    ):
        project.package(store, uploaded_prior_to="2025-12-01")
    assert project.package(store)
    # What the store has was built when nobody looked.
    with pytest.raises(SupplyChainError, match=rf"built 1\.0 was built with something from {other.host}"):
        project.package(store, only_index=[built.host])
    assert project.package(store, only_index=[built.host, other.host])


def test_what_a_lock_only_names_is_looked_up_before_anything_of_it_is_built(project, index, store, tmp_path):
    """As poetry.lock and Pipfile.lock do: when their files were uploaded, only the index says."""
    log = tmp_path / "builds.txt"
    sdist = build_sdist(project.wheels, "late", log=str(log))
    index.upload_times[sdist.name] = "2026-06-10T08:00:00Z"
    lock = LockFile(path=project.entry / "poetry.lock", format="poetry.lock")
    asked = ask(project, index, "", **limit("2026-06-01"))
    lines = read_pinned_lines(f"late==1.0 --hash=sha256:{sha256(sdist)}", lock, asked.target, renewal="poetry lock")
    with pytest.raises(SupplyChainError, match=r"late 1\.0 was uploaded 2026-06-10"):
        Format(lock, asked).look_up(lines, store)
    assert not log.exists()


@pytest.mark.thorough
def test_why_a_build_failed_is_said_where_its_hosts_are_watched_too(project, index, store):
    build_sdist(project.wheels, "broken", fail="the header zebra.h is missing")
    with pytest.raises(BuildError, match=r"the header zebra\.h is missing"):
        resolve(ask(project, index, "broken", only_index=(index.host,)), store=store)
