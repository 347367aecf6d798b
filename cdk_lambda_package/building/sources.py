"""Sources that a wheel has to be built of: sdists, local projects and checkouts, each with its content's digest."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs

from cdk_lambda_package.app_directory import OpenFolder
from cdk_lambda_package.requirements import (
    InputKind,
    LocalInput,
    ResolutionRequest,
    digest_project,
    find_history,
    project_files,
    relative_place,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import file_sha256

# What may tell a build of a file that isn't where the back end looks by itself.
_SETTINGS = ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "hatch_build.py", "build.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A source as pip found it.

    `key` is its URL without credentials, `kind` is `archive`, `directory` or `vcs`, and `path` where it is now.
    `subdirectory` is where in it the project lies. `digest` is the sha256 of an archive, else that of the tree.
    `without` are files and folders of it that the build doesn't get. `dynamic` tells that its dependencies may depend on the Python
    that builds it, `for_linux` that its authors name Linux or every system among those that it is for; `commit` is that of a
    checkout. `name` is normalised, and made up where only the build knows it.
    """

    key: str
    kind: str
    path: Path
    subdirectory: str
    filename: str
    name: str
    version: str
    requirement: str
    comes_from: str | None
    dynamic: bool
    for_linux: bool
    commit: str
    digest: str
    without: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How errors call it."""
        if self.kind == "archive":
            return self.filename
        return self.requirement if self.kind == "vcs" else f"the local project {self.path}"

    @property
    def label(self) -> str:
        """Its name and version in few words, as far as they are known before it is built."""
        if self.name.startswith("unbuilt-"):
            return self.path.name if self.kind == "directory" else self.title
        return self.name if self.version == "0" else f"{self.name} {self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedSource:
    """A source that can't be another one: `url` is that of an archive, a directory or a commit.

    `sha256` is an archive's, else "". With a `version`, an index has it under its name, too. `name` is "" where only
    the build knows it.
    """

    url: str = ""
    name: str = ""
    version: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        """How errors call it."""
        return f"{self.name} {self.version}".strip() or self.url


def read_source(row: Mapping[str, Any], request: ResolutionRequest, store: Store) -> Source:
    """Read what `inside_pip/sources.py` wrote about a source, and digest its content.

    Raises `RequirementsError` for a project that can't be read.
    """
    path = Path(row["path"])
    without = _unneeded_files(path, request) if row["kind"] == "directory" and not row["subdirectory"] else ()
    # A checkout is a copy that isn't used again, so the store needn't remember its files.
    remembering = store if row["kind"] == "directory" else None
    digest = file_sha256(path) if row["kind"] == "archive" else digest_project(path, remembering, without=without)
    return Source(**{**row, "path": path, "digest": digest, "without": without})


def _unneeded_files(project: Path, request: ResolutionRequest) -> tuple[str, ...]:
    """Return which of the app's own files a project's build doesn't need: those that it isn't told of.

    They are in the package in any case. So an edit of them needs no build of the project in the entry directory.
    """
    # Of a checkout's files, git tells whether they differ, and that may be a part of the version.
    if not request.own_files or os.path.realpath(project) != os.path.realpath(request.entry) or find_history(project):
        return ()
    settings = [path.read_bytes() for name in _SETTINGS if (path := project / name).is_file()]
    return tuple(name for name in request.own_files if not any(_names(text, name) for text in settings))


def _names(settings: bytes, name: str) -> bool:
    """Tell whether a file or folder may be meant by build settings, by its own name or as a module."""
    # The module of the project my-orders is my_orders.
    stem = re.escape(name.removesuffix("/").removesuffix(".py")).replace("_", "[-_.]")
    return re.search(rf"(?<![\w-]){stem}(?![\w-])".encode(), settings, re.IGNORECASE) is not None


def source_inputs(source: Source, entry: Path) -> Iterator[LocalInput]:
    """Yield what a source is as an input of a resolution, unless it is from the network."""
    place = source.key.partition("#")[0]
    if source.kind == "directory":
        place = relative_place(source.path, entry)
        yield LocalInput(kind=InputKind.PROJECT, place=place, digest=source.digest, without=source.without)
    elif source.kind == "archive" and place.startswith("file:"):
        yield LocalInput(kind=InputKind.FILE, place=relative_place(place, entry), digest=source.digest)


def copy_project(project: Path, target: Path, *, without: tuple[str, ...] = (), keep_history: bool = False) -> None:
    """Copy a project, `without` some files, to where a build may write to it; `keep_history` is for versions that git tells."""
    with OpenFolder() as folder:
        for file in project_files(project, without):
            copy = target / file.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            with folder.open(file.root, file.source, file.stat) as source, copy.open("wb") as stream:
                shutil.copyfileobj(source, stream)
            copy.chmod(0o755 if file.stat.st_mode & 0o111 else 0o644)
    if keep_history and (project / ".git").is_dir():
        shutil.copytree(project / ".git", target / ".git", symlinks=True)


def describe_origin(source: Source, entry: Path, *, direct: bool, listed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field of a lock's package (PEP 751) that says where its source is; `direct` if not from an index.

    Of what is from one, `listed` may have the `upload_time`.
    """
    subdirectory = source.subdirectory or None
    if source.kind == "directory":
        return {"directory": PackageDirectory(path=relative_place(source.path, entry), subdirectory=subdirectory)}
    if source.kind == "vcs":
        kind, url, revision = _read_checkout(source)
        asked = {"requested_revision": revision or None, "subdirectory": subdirectory}
        return {"vcs": PackageVcs(type=kind, url=url, commit_id=source.commit, **asked)}
    url, hashes = source.key.partition("#")[0], {"sha256": source.digest}
    if direct:
        return {"archive": PackageArchive(url=url, hashes=hashes, subdirectory=subdirectory)}
    time = read_upload_time(listed)
    return {"sdist": PackageSdist(name=source.filename, url=url, hashes=hashes, upload_time=time)}


def name_source(source: Source) -> str:
    """Return the URL of a source, without credentials; of a checkout, at the very commit that was built."""
    if source.kind != "vcs":
        return source.key
    subdirectory = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    kind, url, _ = _read_checkout(source)
    return f"{kind}+{url}@{source.commit}{subdirectory}"


def _read_checkout(source: Source) -> tuple[str, str, str]:
    """Return what a checkout was made with, from where, and the branch, tag or commit that was asked for, or ""."""
    kind, _, place = source.key.partition("#")[0].partition("+")
    url, _, revision = place.rpartition("@") if re.search(r"@[^/]+$", place) else (place, "", "")
    return kind, url, revision


def read_upload_time(row: Mapping[str, Any]) -> datetime | None:
    """Return when a file of an index was uploaded, as far as that is known."""
    return datetime.fromisoformat(row["upload_time"]) if row.get("upload_time") else None
