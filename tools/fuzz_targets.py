"""The readers of foreign files, each as a function of the file's content, for tools/fuzz.py and the replay of the corpus."""

import io
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from cdk_lambda_package.binaries import examine_file
from cdk_lambda_package.carried_sboms import read_sbom
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.source import UndecodableError, decode_source
from cdk_lambda_package.layers import read_layers
from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.locks.lookup import read_pinned_lines
from cdk_lambda_package.locks.uv import uv_variables, with_edges
from cdk_lambda_package.manifest import as_json
from cdk_lambda_package.requirements import (
    LockFile,
    ResolutionRequest,
    has_requirements,
    read_requirements,
)
from cdk_lambda_package.requirements.resolution_cache import DatedResolution
from cdk_lambda_package.requirements.unlocked_project import find_unlocked_project
from cdk_lambda_package.resolving import read_dependencies, select_files, select_wheels, unbuilt
from cdk_lambda_package.sbom import make_inventory
from cdk_lambda_package.splicing.segment_format import SegmentError, read_segment
from cdk_lambda_package.splicing.wheels import splice
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import (
    full_urls,
    hide_credentials,
    host_of,
    is_allowed,
    show_url,
    source_key,
    without_credentials,
    without_rotating,
)

Allowed = (PackageError, SegmentError, UndecodableError)
LONGEST_MESSAGE = 2_000
LIMIT = 5.0
"""Seconds of CPU time that an input may take."""

MEMORY = "/dev/shm"  # noqa: S108 - the directory in it is private

TARGET = Target.parse("python3.13")

# What is needed of a manifest with one distribution.
_MANIFEST: dict[str, Any] = {
    "distributions": [
        {
            "name": "demo",
            "version": "1.0",
            "wheel": "demo-1.0-py3-none-any.whl",
            "origin": "file:demo",
            "sha256": "0" * 64,
            "files": 1,
            "requested": True,
            "required_by": [],
        }
    ],
    "vendored": [],
    "decisions": [],
}


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@cache
def folder() -> Path:
    """A directory of this process for the files to read."""
    # In memory where there is such a place: the readers' files are written anew ten thousand times a minute.
    place = tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY if Path(MEMORY).is_dir() else None)
    _KEPT.append(place)
    return Path(place.name)


def written(name: str, content: bytes) -> Path:
    """Write a file for a reader, and return its path."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read_wheel(content: bytes) -> None:
    """Read a wheel and the binaries in it."""
    splice(written("demo-1.0-py3-none-linux_x86_64.whl", content), io.BytesIO())


def read_layer(content: bytes) -> None:
    """Read the .zip file archive of a layer."""
    read_layers([written("layer.zip", content)])


def read_segment_file(content: bytes) -> None:
    """Read a segment of the store."""
    for verify in (False, True):
        read_segment(written("segment", content), verify=verify)


def read_record(content: bytes) -> None:
    """Read a record of the store."""
    store = Store(folder() / "store")
    # The digest is right, as that of a record that another version or program wrote.
    store.write(content, "resolutions", f"key-{4}")
    store.recall(DatedResolution, "key")


def read_elf(content: bytes) -> None:
    """Read a binary."""
    examine_file("pkg/_x.so", io.BytesIO(content))


def read_source(content: bytes) -> None:
    """Read a module's source."""
    read_module(content, (3, 13))
    decode_source(content)


def request_with(lock: LockFile) -> ResolutionRequest:
    """Return a request with this lock."""
    return ResolutionRequest(entry=lock.folder, target=TARGET, lock=lock, extras=(), groups=("dev",))


def lock_in(name: str, content: bytes, kind: str | None = None) -> LockFormat:
    """Return a lock with this content."""
    path = written(f"{name}.d/{name}", content)
    lock = LockFile(path=path, format=kind or name)
    return LockFormat.of(lock, request_with(lock))


def read_pylock(content: bytes) -> None:
    """Read a pylock.toml, and select from it."""
    lock = lock_in("pylock.toml", content)
    lock.direct()
    pylock, _ = lock.read(Store(folder() / "store"))
    full_urls(lock.lock.path)
    # Sources are built between the two.
    if not unbuilt(select_files(pylock, TARGET)):
        select_wheels(pylock, TARGET)


def read_uv_lock(content: bytes) -> None:
    """Read a uv.lock, with a project beside it that has something of everything."""
    written("uv.lock.d/pyproject.toml", PYPROJECT)
    lock: Any = lock_in("uv.lock", content)
    lock.direct()
    lock.project_files()
    lock.changes()
    lock.overridden()
    with_edges({"packages": []}, lock.uv_lock, ["a"], TARGET)


PYPROJECT = b"""
[project]
name = "demo"
version = "1"
dependencies = ["tool>=1; python_version > '3'", "other[x]==2.*"]
[project.optional-dependencies]
x = ["more"]
[dependency-groups]
dev = ["check", {include-group = "test"}]
test = [{include-group = "dev"}]
"""


def read_pyproject(content: bytes) -> None:
    """Read a pyproject.toml by everything that reads it: also as the project of locks."""
    written("uv.lock.d/pyproject.toml", content)
    written("poetry.lock.d/pyproject.toml", content)
    path = written("project/pyproject.toml", content)
    locks = [
        lock_in("uv.lock", b"[[package]]\nname = 'demo'\n[package.metadata]\nrequires-dist = [{name='tool'}]\n"),
        lock_in("poetry.lock", b""),
    ]
    failures = []
    variables = {"POETRY_HTTP_BASIC_A_USERNAME": "u"}
    for lock in locks:
        for ask in (lock.direct, lock.own_names, lock.changes, partial(lock.index_urls, variables)):
            try:
                list(ask())
            except PackageError as error:
                failures.append(error)
    uv_variables(path.parent, {})
    find_unlocked_project(ResolutionRequest(entry=path.parent, target=TARGET))
    if failures:
        raise max(failures, key=lambda error: len(str(error)))
    read_dependencies(path)


def read_pipfile(content: bytes) -> None:
    """Read a Pipfile, as the project of a lock."""
    written("Pipfile.lock.d/Pipfile", content)
    lock = lock_in("Pipfile.lock", b"{}")
    lock.own_names()
    list(lock.index_urls({"A": "b"}))
    find_unlocked_project(ResolutionRequest(entry=lock.lock.folder, target=TARGET))


def read_exported(content: bytes) -> None:
    """Read what poetry and pipenv export."""
    text = content.decode("utf-8", "replace")
    lock = LockFile(path=folder() / "poetry.lock", format="poetry.lock")
    read_pinned_lines(text, lock, TARGET, renewal="`poetry lock`")


def read_requirements_file(content: bytes) -> None:
    """Read a requirements file, and compare what it asks for."""
    path = written("requirements.txt", content)
    has_requirements(path)
    for direct in read_requirements(path, path.parent):
        requirement = direct.requirement
        if requirement is not None:
            TARGET.accepts_marker(requirement.marker)
            requirement.specifier.contains("1.0", prereleases=True)


def read_urls(content: bytes) -> None:
    """Read a text with URLs."""
    text = content.decode("utf-8", "replace")
    environment = {"TOKEN": "secret-token-1", "URL": text[:1000]}
    for read in (without_credentials, show_url, source_key, host_of):
        read(text)
    without_rotating(text, environment)
    hide_credentials(text, environment)
    is_allowed(text, ["example.com"])
    full_urls(written("urls.txt", content))


def read_carried_sbom(content: bytes) -> None:
    """What a wheel says of the software in it, and the SBOM that it is merged into."""
    sbom = read_sbom("demo-1.0.dist-info/sboms/demo.cdx.json", "0" * 64, content)
    merged = make_inventory(_MANIFEST, {"demo": [sbom]})
    refs = [row["ref"] for row in merged["dependencies"]]
    assert len(refs) == len(set(refs))
    as_json(merged)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "wheel": read_wheel,
    "layer": read_layer,
    "segment": read_segment_file,
    "record": read_record,
    "elf": read_elf,
    "source": read_source,
    "pylock": read_pylock,
    "uv-lock": read_uv_lock,
    "pyproject": read_pyproject,
    "pipfile": read_pipfile,
    "exported": read_exported,
    "requirements": read_requirements_file,
    "urls": read_urls,
    "sbom": read_carried_sbom,
}
