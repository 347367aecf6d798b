"""Locks of what has to be built: sdists, archives, directories and commits, in whatever lock they are."""

import shutil
import tomllib

import pytest
from entries import package_request
from index_server import serve_index
from source_projects import build_sdist, commit, write_project
from wheel_factory import sha256

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import (
    BuildError,
    HashMismatchError,
    LockError,
    RequirementsError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.pipeline import package

pytestmark = pytest.mark.thorough


def sdist_entry(repository, name, version="1.0", digest=None, **plan):
    file = build_sdist(repository.wheels, name, version, **plan)
    return {"name": file.name, "url": file.as_uri(), "hashes": {"sha256": digest or sha256(file)}}


def built(log):
    return [line.split()[0] for line in log.read_text().splitlines()]


def test_an_sdist_is_built_once_and_for_targets_with_a_wheel_not_at_all(repository, log):
    wheel = repository.wheel("tool", tags="cp312-cp312-manylinux_2_34_x86_64")
    row = repository.package("tool", wheels=[wheel], sdist=sdist_entry(repository, "tool", log=str(log)))
    repository.lock(row, repository.package("deep"))
    request = package_request(entry=repository.entry, runtime="python3.12")
    assert {row["wheel"] for row in package(request, store=repository.store).manifest["distributions"]} == {
        wheel.name,
        "deep-1.0-py3-none-any.whl",
    }
    assert built(log) == []
    for architecture in ("x86_64", "arm64", "x86_64"):
        assert repository.build(architecture=architecture) == {"tool": "1.0", "deep": "1.0"}
    assert built(log) == ["tool"]


@pytest.mark.parametrize("digest", ["0" * 64])
def test_an_sdist_with_another_hash_is_refused_before_its_code_runs(repository, log, digest):
    repository.lock(
        {"name": "tool", "version": "1.0", "sdist": sdist_entry(repository, "tool", digest=digest, log=str(log))}
    )
    with pytest.raises(HashMismatchError, match=f"expected sha256 {digest}, got "):
        repository.build()
    assert built(log) == []


def test_without_allow_build_all_sources_are_named_and_nothing_runs(repository, log):
    write_project(repository.entry / "own", "own", log=str(log))
    repository.lock(
        {"name": "tool", "version": "1.0", "sdist": sdist_entry(repository, "tool", log=str(log))},
        {"name": "own", "directory": {"path": "own"}},
    )
    with pytest.raises(UnsupportedRequirementError, match=r"own, tool 1\.0 .* allow_build is False"):
        repository.build(allow_build=False)
    assert built(log) == []
    assert repository.build() == {"tool": "1.0", "own": "1.0"}
    with pytest.raises(UnsupportedRequirementError):
        repository.build(allow_build=False)


def test_a_directory_is_packaged_as_it_is_on_the_day(repository, log):
    own = write_project(repository.root / "shared", "own", log=str(log))
    repository.lock({"name": "own", "directory": {"path": "../shared"}})

    def digest():
        return package(
            package_request(entry=repository.entry, runtime="python3.13"), store=repository.store
        ).content_digest

    first = digest()
    (own / "own.py").touch()
    assert (digest(), built(log)) == (first, ["own"])
    (own / "own.py").write_text("changed = True\n")
    assert digest() != first
    assert built(log) == ["own", "own"]


def test_a_directory_that_requires_what_the_lock_lacks_makes_it_outdated(repository):
    own = {"name": "own", "directory": {"path": "../shared"}}
    write_project(repository.root / "shared", "own", requires=["tool", "more; extra == 'x'", "win; os_name == 'nt'"])
    repository.lock(own, repository.package("tool", "1.0"))
    assert repository.build() == {"own": "1.0", "tool": "1.0"}
    write_project(repository.root / "shared", "own", requires=["tool>=2", "deep"])
    with pytest.raises(LockError) as raised:
        repository.build()
    said = str(raised.value)
    assert "../shared asks for tool>=2, but it has 1.0; ../shared asks for deep, which it doesn't have" in said
    assert f"cdk-lambda-package lock {repository.entry}" in said
    assert repository.build(provided=("deep", "tool")) == {"own": "1.0"}


def test_an_extra_of_a_directory_counts_as_it_was_locked(repository):
    write_project(repository.root / "shared", "own", requires=["tool; extra == 'x'"], extras=["x"])
    repository.wheel("tool")
    repository.write("svc/requirements.txt", f"--no-index\n--find-links {repository.wheels}\n../shared[x]\n")
    assert main(["lock", str(repository.entry), "--runtime=python3.13"]) == 0
    assert repository.build() == {"own": "1.0", "tool": "1.0"}
    write_project(repository.root / "shared", "own", requires=["tool>=2; extra == 'x'"], extras=["x"])
    with pytest.raises(LockError, match=r"shared asks for tool>=2, but it has 1\.0"):
        repository.build()


def test_what_pip_environment_gives_a_build_is_no_less_for_a_lock(repository, log):
    write_project(repository.root / "shared", "own", log=str(log))
    repository.lock({"name": "own", "directory": {"path": "../shared"}})
    for wish in ("a", "b", "b"):
        repository.build(pip_environment={"WISH": wish})
    assert built(log) == ["own", "own"]


@pytest.mark.needs("git")
def test_a_commit_is_packaged_as_it_was(repository):
    checkout = write_project(repository.root / "other", "unused")
    write_project(checkout / "part", "tool", "1.0")
    first = commit(checkout)
    write_project(checkout / "part", "tool", "2.0")
    commit(checkout)
    row = {"type": "git", "url": checkout.as_uri(), "commit-id": first, "subdirectory": "part"}
    repository.lock({"name": "tool", "vcs": row})
    assert repository.build() == {"tool": "1.0"}
    repository.lock({"name": "tool", "vcs": {**row, "commit-id": "main"}})
    with pytest.raises(LockError, match="tool has the commit-id 'main', which isn't the id of a commit"):
        repository.build()


def test_a_directory_that_is_not_there_is_named(repository):
    repository.lock({"name": "own", "directory": {"path": "../nowhere"}})
    with pytest.raises(LockError, match=r"own is the directory '\.\./nowhere', which isn't there\. Renew it by"):
        repository.build()


def test_an_archive_and_a_part_of_it_are_built(repository):
    write_project(repository.root.parent / "mono-1.0" / "part", "part")
    archive = shutil.make_archive(str(repository.root / "mono"), "gztar", repository.root.parent, "mono-1.0")
    path = repository.root / "mono.tar.gz"
    assert str(path) == archive
    row = {"path": "../mono.tar.gz", "hashes": {"sha256": sha256(path)}, "subdirectory": "part"}
    repository.lock({"name": "part", "archive": row})
    assert repository.build() == {"part": "1.0"}


def test_all_that_cannot_be_built_is_named_in_one_error(repository):
    repository.lock(
        *({"name": name, "version": "1.0", "sdist": sdist_entry(repository, name, fail="no zebra.h")} for name in "ab")
    )
    with pytest.raises(BuildError) as caught:
        repository.build()
    assert str(caught.value).startswith(
        f"{repository.entry / 'pylock.toml'}: 2 packages can't be built for python3.13 x86_64:"
    )


def test_what_turns_out_to_be_another_package_is_refused(repository):
    write_project(repository.entry / "own", "other")
    repository.lock({"name": "own", "directory": {"path": "own"}})
    with pytest.raises(RequirementsError, match=r"is other 1\.0, not own"):
        repository.build()


def test_a_lock_cannot_claim_that_something_was_built(repository, log):
    made = {"filename": "tool-1.0-py3-none-any.whl", "sha256": "0" * 64, "source": "1" * 64, "url": "file:///x"}
    row = {"name": "tool", "version": "1.0", "sdist": sdist_entry(repository, "tool", log=str(log))}
    repository.lock({**row, "tool": {"cdk-lambda-package": {"built": made}}})
    assert repository.build() == {"tool": "1.0"}
    assert built(log) == ["tool"]


def test_an_index_whose_links_have_passwords_of_their_own_is_asked_by_name(repository):
    file = build_sdist(repository.wheels, "tool")
    with serve_index(repository.wheels) as index:
        index.link_password = "canary"
        url = index.url().replace("simple", f"files/{file.name}")
        sdist = {"name": file.name, "url": url, "hashes": {"sha256": sha256(file)}}
        repository.lock({"name": "tool", "version": "1.0", "sdist": sdist})
        assert repository.build(pip_args=["--index-url", index.url()]) == {"tool": "1.0"}


# -- the lock command --


@pytest.mark.needs("git")
def test_what_has_to_be_built_is_locked_by_what_it_is_built_of(repository, log, capsys):
    repository.wheel("web", requires_dist=["tool>=1"])
    sdist = build_sdist(repository.wheels, "tool", requires=["deep"], log=str(log))
    repository.wheel("deep")
    write_project(repository.entry / "own", "own")
    write_project(repository.root / "shared", "shared", requires=["deep"])
    checkout = write_project(repository.root.parent / "checkout", "pinned")
    revision = commit(checkout)
    archive = build_sdist(repository.root, "packed")
    lines = [
        "web",
        "./own",
        "../shared",
        f"pinned @ git+{checkout.as_uri()}@{revision}",
        f"packed @ {archive.as_uri()}",
    ]
    repository.write("svc/requirements.txt", "\n".join([f"--no-index --find-links {repository.wheels}", *lines, ""]))
    argv = ["lock", str(repository.entry), "--runtime=python3.13", "--runtime=python3.11"]
    assert main(argv) == 0, capsys.readouterr().err
    text = (repository.entry / "pylock.toml").read_text()
    rows = {row.pop("name"): row for row in tomllib.loads(text)["packages"]}
    assert rows["own"] == {"directory": {"path": "own"}}
    assert rows["shared"] == {"directory": {"path": "../shared"}, "dependencies": [{"name": "deep"}]}
    assert rows["pinned"]["vcs"]["commit-id"] == revision
    assert rows["tool"]["sdist"]["hashes"] == {"sha256": sha256(sdist)}
    assert rows["packed"]["archive"]["hashes"] == {"sha256": sha256(archive)}
    assert rows["deep"]["wheels"][0]["name"] == "deep-1.0-py3-none-any.whl"
    assert main([*argv, "--check"]) == 0
    expected = dict.fromkeys(["web", "tool", "deep", "own", "shared", "pinned", "packed"], "1.0")
    assert repository.build() == expected
    (repository.wheels / "web-9.0-py3-none-any.whl").write_bytes(b"no resolution would do without reading this")
    assert repository.build(runtime="python3.11") == expected
