import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from packaging.pylock import Pylock
from pip_projects import Project, resolved, versions
from wheel_factory import build_wheel, sha256

from cdk_lambda_package.errors import (
    IndexUnreachableError,
    LockError,
    NoWheelError,
    TargetError,
    UnknownPackageError,
)
from cdk_lambda_package.requirements.resolution import ResolutionRequest, exclude
from cdk_lambda_package.requirements.resolution_cache import configuration_paths, resolution_key
from cdk_lambda_package.resolving import resolve, select_wheels
from cdk_lambda_package.target import Target

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TARGET = Target.parse("python3.13", "x86_64")


class Resolver:
    """Resolves with pip, and counts how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, request):
        self.calls += 1
        return resolve(request)


def refuse(request):
    raise AssertionError("pip was started")


def unreachable(request):
    raise IndexUnreachableError("the index is away")


# -- without requirements --


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "\n \n",
        "# only a comment\n",
        "--index-url https://host/simple\n",
        "-c limits.txt\n--pre \\\n --no-index",
    ],
)
def test_without_any_requirement_pip_is_not_started(project, store, text):
    if text is not None:
        project.write(text, local=False)
    lock = resolved(project.request(), store, resolve=refuse)
    assert (lock.wheels, lock.findings, lock.pylock.packages) == ((), (), [])


@pytest.mark.parametrize(
    "text",
    [
        *("tool", "\ufefftool", "-r other.txt", "--requirement=other.txt", "-e .", "./tool.whl"),
        *("--pre -r other.txt", "--no-index --editabl=.", "# a comment isn't continued \\\ntool", "--pre \\\n-e ."),
    ],
)
def test_any_requirement_starts_pip(project, store, text):
    project.write(text, local=False)
    with pytest.raises(AssertionError, match="pip was started"):
        resolved(project.request(), store, resolve=refuse)


# -- the cache --


def test_the_second_time_no_process_starts(project, store):
    project.build("web", requires_dist=["deep"])
    project.build("deep")
    first = resolved(project.request("web"), store)
    second = resolved(project.request(), store, resolve=refuse)
    assert first == second
    assert second.pylock == first.pylock


def test_a_resolution_is_used_for_a_day_unless_it_is_pinned(project, store):
    project.build("tool")
    request, resolver = project.request("tool"), Resolver()
    for later in (timedelta(0), timedelta(hours=24), timedelta(hours=25)):
        resolved(request, store, now=NOW + later, resolve=resolver)
    assert resolver.calls == 2
    resolved(request, store, now=NOW + timedelta(hours=26), max_lock_age=timedelta(minutes=30), resolve=resolver)
    assert resolver.calls == 3


def test_a_pinned_resolution_is_used_for_as_long_as_its_inputs_are_the_same(project, store):
    wheel = project.build("tool")
    request = project.request(f"tool==1.0 --hash=sha256:{sha256(wheel)}")
    assert resolved(request, store, now=NOW).findings == ()
    later = resolved(request, store, now=NOW + timedelta(days=400), resolve=refuse)
    assert (later.pinned, later.findings) == (True, ())


def test_requirements_without_hashes_are_warned_about_each_time(project, store):
    project.build("tool")
    for resolver in (None, refuse):
        [finding] = resolved(project.request("tool"), store, resolve=resolver).findings
        assert (finding.id, finding.path) == ("requirements-not-locked", "requirements.txt")


def test_an_old_resolution_stands_in_while_the_index_is_away(project, store):
    project.build("tool")
    request = project.request("tool")
    resolved(request, store, now=NOW)
    lock = resolved(request, store, now=NOW + timedelta(days=3), resolve=unreachable)
    assert versions(lock) == {"tool": "1.0"}
    assert [finding.id for finding in lock.findings] == ["index-unreachable", "requirements-not-locked"]


def test_without_an_old_resolution_an_index_that_is_away_is_an_error(project, store):
    with pytest.raises(IndexUnreachableError):
        resolved(project.request("tool"), store, resolve=unreachable)


def test_a_failure_is_not_kept(project, store):
    with pytest.raises(UnknownPackageError):
        resolved(project.request("tool"), store)
    project.build("tool")
    assert versions(resolved(project.request("tool"), store)) == {"tool": "1.0"}


@pytest.mark.parametrize("name", ["requirements.txt", "more/base.txt", "more/limits.txt"])
def test_a_change_in_any_file_that_pip_read_resolves_again(project, store, name):
    project.build("tool")
    project.write("tool", name="more/base.txt", local=False)
    project.write("tool<2", name="more/limits.txt", local=False)
    request, resolver = project.request("-r more/base.txt\n-c more/limits.txt"), Resolver()
    resolved(request, store, resolve=resolver)
    resolved(request, store, resolve=resolver)
    assert resolver.calls == 1
    with (project.entry / name).open("a") as stream:
        stream.write("# changed\n")
    resolved(request, store, resolve=resolver)
    assert resolver.calls == 2


def test_an_included_file_that_is_gone_is_an_error_not_an_old_answer(project, store):
    project.build("tool")
    base = project.write("tool", name="base.txt", local=False)
    request, resolver = project.request("-r base.txt"), Resolver()
    resolved(request, store, resolve=resolver)
    base.unlink()
    with pytest.raises(Exception, match="base.txt"):
        resolved(request, store, resolve=resolver)


def test_another_value_of_a_variable_in_the_file_resolves_again(project, store, monkeypatch):
    project.build("tool", "1.0")
    project.build("tool", "2.0")
    for version in ("1.0", "2.0"):
        monkeypatch.setenv("TOOL_VERSION", version)
        assert versions(resolved(project.request("tool==${TOOL_VERSION}"), store)) == {"tool": version}


def test_an_altered_record_is_a_miss(project, store):
    project.build("tool")
    resolver = Resolver()
    resolved(project.request("tool"), store, resolve=resolver)
    for path in (store.root / "v1" / "resolutions").iterdir():
        path.write_bytes(path.read_bytes().replace(b"tool", b"evil"))
    assert versions(resolved(project.request("tool"), store, resolve=resolver)) == {"tool": "1.0"}
    assert resolver.calls == 2


def test_a_cached_resolution_imports_neither_pip_nor_what_starts_it(project, store):
    project.build("tool")
    resolved(project.request("tool"), store)
    code = (
        "import sys; from pathlib import Path; from cdk_lambda_package.requirements.resolution_cache import current_resolution;"
        "from cdk_lambda_package.requirements.resolution import ResolutionRequest; from cdk_lambda_package.store import Store;"
        "from cdk_lambda_package.target import Target;"
        "entry = Path(sys.argv[1]);"
        "request = ResolutionRequest(entry=entry, requirements=entry / 'requirements.txt',"
        " target=Target.parse('python3.13'));"
        "assert current_resolution(request, Store(Path(sys.argv[2])), resolve=lambda _: 1 / 0).wheels;"
        "print([name for name in ('pip', 'packaging.pylock', 'cdk_lambda_package.resolving.resolver') if name in sys.modules])"
    )
    argv = [sys.executable, "-c", code, str(project.entry), str(store.root)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# -- the key --


def key(request, **environ):
    return resolution_key(request, {"HOME": str(request.entry), "PIP_CONFIG_FILE": os.devnull, **environ})


def test_the_key_depends_on_everything_that_counts(project):
    wheel = build_wheel(project.root, "own")
    other = build_wheel(project.root / "other", "own", files={"own.py": b"# other"})
    keys = {
        key(project.request("tool")),
        key(project.request("tool<2")),
        key(project.request("tool", target="python3.12 x86_64")),
        key(project.request("tool", target="python3.13 arm64")),
        key(project.request("tool", bare=("own",))),
        key(project.request("tool", provided=("own",))),
        key(project.request("tool", extra=("own",))),
        key(project.request("tool", extra=(f"own @ {wheel.as_uri()}",))),
        key(project.request("tool", extra=(f"own @ {other.as_uri()}",))),
        key(project.request("tool"), PIP_INDEX_URL="https://host/simple"),
        key(project.request("tool"), PIP_UPLOADED_PRIOR_TO="2026-01-01"),
    }
    assert len(keys) == 11


def test_a_rotated_token_does_not_change_the_key(project):
    def rotated(token):
        project.write(f"--index-url https://user:{token}@host/simple\ntool", local=False)
        return key(project.request(), PIP_EXTRA_INDEX_URL=f"https://{token}@other/simple")

    assert rotated("one") == rotated("two")


def test_a_token_in_a_variable_does_not_change_the_key(project, monkeypatch):
    def rotated(token):
        monkeypatch.setenv("TOKEN", token)
        project.write("--index-url https://user:${TOKEN}@host/simple\ntool", local=False)
        return key(project.request())

    assert rotated("one") == rotated("two")


def test_the_place_of_the_checkout_does_not_change_the_key(tmp_path):
    def elsewhere(name):
        (tmp_path / name).mkdir()
        project = Project(tmp_path / name)
        wheel = build_wheel(project.entry / "vendor", "own")
        project.write("tool", local=False)
        return key(project.request(extra=(f"own @ {wheel.as_uri()}",)), HOME="/home")

    assert elsewhere("here") == elsewhere("there")


def test_a_hash_in_the_url_of_a_local_wheel_stands_for_its_content(project):
    wheel = build_wheel(project.root, "own")
    plain = project.request("tool", extra=(f"own @ {wheel.as_uri()}",))
    hashed = project.request("tool", extra=(f"own @ {wheel.as_uri()}#sha256={sha256(wheel)}",))
    assert key(plain) == key(hashed)


def test_a_configuration_file_counts_without_its_credentials(project, store):
    configuration = project.root / "pip.conf"

    def configured(text):
        configuration.write_text(f"[global]\n{text}\n")
        return resolution_key(project.request("tool"), {"PIP_CONFIG_FILE": str(configuration)})

    first = configured("index-url = https://user:one@host/simple")
    assert first == configured("index-url = https://user:two@host/simple")
    assert first != configured("index-url = https://user:two@other/simple")


def test_the_record_holds_no_credentials(project, store, monkeypatch):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://user:secret@127.0.0.1:9/simple")
    project.build("tool")
    project.write("--no-index\ntool", local=False)
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.wheels))
    resolved(project.request(), store)
    records = list((store.root / "v1" / "resolutions").iterdir())
    assert records
    assert not any(b"secret" in record.read_bytes() for record in records)


# -- selecting --


def lock_of(*packages, **fields):
    return Pylock.from_dict({"lock-version": "1.0", "created-by": "test", "packages": list(packages), **fields})


def package(name, *tags, **fields):
    wheels = [
        {"name": f"{name}-1.0-{tag}.whl", "url": f"https://host/{name}-1.0-{tag}.whl", "hashes": {"sha256": "AB"}}
        for tag in tags or ("py3-none-any",)
    ]
    return {"name": name, "version": "1.0", "wheels": wheels, **fields}


def names(wheels):
    return [wheel.name for wheel in wheels]


def test_a_foreign_lock_gives_the_targets_wheels():
    lock = lock_of(
        package("native", "cp313-cp313-manylinux_2_35_x86_64", "cp313-cp313-manylinux_2_34_x86_64"),
        package("windows", marker="sys_platform == 'win32'"),
        package("arm", marker="platform_machine == 'aarch64'"),
    )
    [wheel] = select_wheels(lock, TARGET)
    assert wheel.filename == "native-1.0-cp313-cp313-manylinux_2_34_x86_64.whl"
    assert wheel.sha256 == "ab"
    assert names(select_wheels(lock_of(package("arm", marker="platform_machine == 'aarch64'")), TARGET)) == []


def test_a_lock_without_a_wheel_for_the_target_is_an_error():
    with pytest.raises(NoWheelError, match="python3.13 x86_64"):
        select_wheels(lock_of(package("native", "cp313-cp313-win_amd64")), TARGET)


def test_a_source_in_a_lock_is_no_wheel():
    sdist = {"name": "own-1.0.tar.gz", "url": "https://host/own-1.0.tar.gz", "hashes": {"sha256": "ab"}}
    with pytest.raises(LockError, match=r"own has a file that isn't named as wheels are"):
        select_wheels(lock_of({"name": "own", "version": "1.0", "sdist": sdist}), TARGET)


def test_a_marker_in_a_lock_that_nobody_can_evaluate_is_an_error():
    with pytest.raises(TargetError, match="platform_release"):
        select_wheels(lock_of(package("tool", marker="platform_release >= '5'")), TARGET)


def test_what_is_excluded_takes_along_what_only_it_needed():
    lock = lock_of(
        package("boto3", dependencies=[{"name": "botocore"}, {"name": "six"}]),
        package("botocore"),
        package("six"),
        package("tool", dependencies=[{"name": "six"}]),
    )
    assert names(select_wheels(lock, TARGET)) == ["boto3", "botocore", "six", "tool"]
    assert names(exclude(select_wheels(lock, TARGET), frozenset({"Boto3"}))) == ["six", "tool"]


def test_a_cycle_in_a_foreign_lock_stays():
    lock = lock_of(
        package("one", dependencies=[{"name": "two"}]),
        package("two", dependencies=[{"name": "one"}]),
    )
    assert names(select_wheels(lock, TARGET)) == ["one", "two"]


def test_a_lock_without_edges_loses_only_what_is_named():
    lock = lock_of(package("boto3"), package("botocore"))
    assert names(exclude(select_wheels(lock, TARGET), frozenset({"boto3"}))) == ["botocore"]


def test_our_own_lock_follows_the_requirements_of_the_metadata(project):
    project.build("web", requires_dist=["deep", "shared"])
    project.build("deep", requires_dist=["web"])
    project.build("shared")
    project.build("tool", requires_dist=["shared; python_version > '3'"])
    lock = project.resolve("web\ntool").pylock
    assert names(exclude(select_wheels(lock, TARGET), frozenset({"web"}))) == ["shared", "tool"]


def test_a_local_wheel_that_was_built_anew_under_its_old_name_is_resolved_again(tmp_path, store):
    wheel = build_wheel(tmp_path, "internal", "1.0", files={"internal.py": "V = 1"})
    (tmp_path / "requirements.txt").write_text(f"./{wheel.name}\n")
    asked = ResolutionRequest(
        entry=tmp_path, target=Target.parse("python3.13"), requirements=tmp_path / "requirements.txt"
    )
    (first,) = resolved(asked, store).wheels
    build_wheel(tmp_path, "internal", "1.0", files={"internal.py": "V = 22"})
    (second,) = resolved(asked, store).wheels
    assert second.sha256 != first.sha256


def test_a_host_without_a_home_directory_has_configuration_files_all_the_same(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert configuration_paths({})
