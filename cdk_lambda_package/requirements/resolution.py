"""The request for a resolution, and the result, as values.

Kept apart from the resolving itself: a cached resolution is read in each synth, and must not cost the import of what
only a new one needs.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import Finding
from cdk_lambda_package.keys import outside_key
from cdk_lambda_package.requirements.lock_file import LOCK_APP, LockFile, lock_command, lock_of
from cdk_lambda_package.requirements.supply_chain_values import UploadLimit
from cdk_lambda_package.target import Target

if TYPE_CHECKING:
    from packaging.pylock import Pylock

# The name of our table in a lock (PEP 751, `tool` and `packages.tool`).
TOOL = "cdk-lambda-package"


_CONTENT = outside_key("its content is in the key instead: `resolution_cache.RequestContent`, `committed_lock`")
_ADVICE = outside_key("it is said in messages only")
_REFUSAL = outside_key("it decides whether there is a result, not which")
_UNBUILT = outside_key("a build doesn't get them, whatever they are")
_OWN = outside_key("`committed_lock.LockContent` has what follows from it")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolutionRequest:
    """The requirements to resolve, and the target.

    `entry` is the directory in which pip runs: relative paths in requirements begin there. `requirements` is the
    requirements file, which may be absent. `extra` are further requirements, such as `name @ file:///…/x.whl` for a
    wheel in vendor/; its `#sha256=…` behind the URL is what hash-checking mode asks for. `bare` are requirements whose
    dependencies stay out, unless something else needs them. `provided` are distributions that vendor/ holds, so that
    nothing of theirs is resolved. `pip_args` and `pip_environment` are given to pip besides its configuration.
    `known_metadata` are folders with the metadata of wheels by their sha256; these spare pip a fetch, and change nothing.
    `preferred` are versions to keep where they satisfy. `lock` is the lock file that applies, of which `groups` and
    `extras` are wanted. With `require_hashes` the user has to pin everything by a hash;
    `uploaded_prior_to` limits when it was uploaded; `only_index` has the hosts that it may come from, None for any.
    Without `allow_build` nothing of a source is run. `build_constraint` is a constraints file for what builds need;
    `build_image` the container image that builds sources that can't be built otherwise. `libraries` are the paths in the package of
    the user's own shared libraries, where the target's loader looks: what is built may need them. `own_modules` are the names that
    the app's own files have at the package's top level, without suffixes; `own_files` are those of its files and folders that a
    project in the entry directory is built without, unless its build settings name them. `lock_options` are what
    the command that writes a lock has besides the entry directory and the target; for an entry directory `of_app`, one command writes all
    locks of the app. `credentials` are URLs of indexes that aren't asked, with the passwords for files of their hosts. Wheels of more than `size_limit` bytes in all
    aren't downloaded, None for any; the `excluded` distributions and what only they need don't count.
    """

    entry: Path = field(metadata=outside_key("places are relative to it"))
    target: Target
    requirements: Path | None = field(default=None, metadata=_CONTENT)
    extra: tuple[str, ...] = field(default=(), metadata=_CONTENT)
    bare: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    pip_args: tuple[str, ...] = field(default=(), metadata=_CONTENT)
    pip_environment: tuple[tuple[str, str], ...] = field(default=(), metadata=_CONTENT)
    known_metadata: tuple[Path, ...] = field(default=(), metadata=outside_key("it spares pip a fetch"))
    preferred: tuple[tuple[str, str], ...] = ()
    lock: LockFile | None = field(default=None, metadata=_CONTENT)
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    require_hashes: bool = False
    uploaded_prior_to: UploadLimit | None = None
    only_index: tuple[str, ...] | None = None
    allow_build: bool = True
    build_constraint: Path | None = field(default=None, metadata=_CONTENT)
    build_image: str | None = None
    libraries: tuple[str, ...] = ()
    own_modules: tuple[str, ...] = field(default=(), metadata=_OWN)
    own_files: tuple[str, ...] = field(default=(), metadata=_UNBUILT)
    of_app: bool = field(default=False, metadata=_ADVICE)
    lock_options: tuple[str, ...] = field(default=(), metadata=_ADVICE)
    credentials: tuple[str, ...] = field(
        default=(), repr=False, metadata=outside_key("they open files, whose hashes say what is in them")
    )
    size_limit: int | None = field(default=None, metadata=_REFUSAL)
    excluded: tuple[str, ...] = field(default=(), metadata=_REFUSAL)

    @property
    def lock_advice(self) -> str:
        """How the entry directory gets a lock, as the beginning of a sentence."""
        return f"Write a lock with `{self.lock_command()}`"

    def lock_command(
        self, targets: Iterable[Target] = (), *, output: Path | None = None, requirements: Path | None = None
    ) -> str:
        """Return the command that writes this entry directory's lock for the target, and for further `targets`.

        `output` and the `requirements` file are those of a lock that exists.
        """
        if self.of_app:
            return LOCK_APP
        every, options = dict.fromkeys([*targets, self.target]), [*self.lock_options]
        own = self.entry / "requirements.txt"
        output = None if output == lock_of(requirements or own) else output
        if requirements not in (None, own):
            options.append(f"--requirements={shlex.quote(os.path.relpath(requirements, self.entry))}")
        return lock_command(self.entry, every, output=output, options=options)


def relative_to_entry(path: Path, entry: Path) -> str:
    """Return the path as the user would write it: relative inside the entry directory, else as it is."""
    return path.relative_to(entry).as_posix() if path.is_relative_to(entry) else str(path)


def place_of(comes_from: str | None, entry: Path) -> tuple[str, int] | None:
    """Return the file, relative to the entry directory where it is inside, and the line that pip names."""
    match = re.search(r"-[rc] (.*) \(line (\d+)\)$", comes_from or "")
    if match is None:
        return None
    return relative_to_entry(Path(match[1]), entry), int(match[2])


_PROVENANCE = outside_key("it says where the wheel is from; `sha256` says what is in it")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedWheel:
    """One wheel of a lock, chosen for a target.

    `name` is normalised. `direct` tells that the requirement named the URL itself, not an index. `requested` tells
    that a requirement of the app's own names the distribution; `required_by` are the distributions that do. `source`
    is the digest of what the wheel was built of here, "" where it wasn't. Of what the index says, `index` is
    its URL and `upload_time` in ISO 8601; "" where that isn't known. `build_hosts` are those that the build asked. `size` is the
    file's in bytes, 0 where neither an index nor a lock says it.
    """

    name: str
    version: str
    filename: str
    url: str = field(metadata=_PROVENANCE)
    sha256: str
    direct: bool = field(default=False, metadata=_PROVENANCE)
    requested: bool = field(default=False, metadata=_PROVENANCE)
    required_by: tuple[str, ...] = field(default=(), metadata=_PROVENANCE)
    source: str = field(default="", metadata=_PROVENANCE)
    index: str = field(default="", metadata=_PROVENANCE)
    upload_time: str = field(default="", metadata=_PROVENANCE)
    build_hosts: tuple[str, ...] = field(default=(), metadata=_PROVENANCE)
    size: int = field(default=0, metadata=_PROVENANCE)


class InputKind(enum.StrEnum):
    """How a local input is read."""

    TEXT = "text"
    """A requirements or constraints file, without credentials and with its variables expanded."""
    FILE = "file"
    """A wheel or an sdist."""
    PROJECT = "project"
    """The directory of a project that is built."""
    LINKS = "links"
    """A folder or page of --find-links."""
    INDEX = "index"
    """A folder that is an index, with all that is below it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalInput:
    """A local file or folder: `place` is its path from the entry directory, `digest` what is in it, "" if not yet read.

    `without` are files and folders, the latter with a slash at the end, of a project that its build doesn't get.

    Example:
        `LocalInput(kind=InputKind.FILE, place="../wheels/tool-1.0-py3-none-any.whl", digest="9f86d0…")`
    """

    kind: InputKind
    place: str
    digest: str = ""
    without: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """Exact files for a target, and what they rest on.

    `lock` is a PEP 751 lock as JSON, `wheels` its summary. `inputs` are the local
    files and folders that it was made of, besides those that the request names and its local wheels.
    `pinned` tells that every file was demanded by its hash, so that resolving again can't choose another.
    """

    lock: str
    wheels: tuple[LockedWheel, ...]
    pinned: bool
    # Compared as part of the key; a remembered resolution doesn't repeat them.
    inputs: tuple[LocalInput, ...] = field(default=(), compare=False)
    findings: tuple[Finding, ...] = ()

    @property
    def pylock(self) -> Pylock:
        """The lock, validated. Parsed on each access: the unchanged path of a synth doesn't need it."""
        from packaging.pylock import Pylock

        return Pylock.from_dict(json.loads(self.lock, object_hook=read_times))


def dump_pylock(pylock: Pylock) -> str:
    """Return a lock as a resolution keeps it: JSON, in which times are text."""
    return json.dumps(pylock.to_dict(), default=datetime.isoformat)


def read_times(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of such a lock with its times; to be given to `json.loads` as the `object_hook`."""
    if "upload-time" in table:
        table["upload-time"] = datetime.fromisoformat(table["upload-time"])
    return table


def reachable_names(
    roots: Iterable[str], required_by: Mapping[str, Collection[str]], *, exclude: Collection[str]
) -> frozenset[str]:
    """Return what is needed, directly or not, by roots that aren't excluded and through none that is."""
    needs: dict[str, set[str]] = defaultdict(set)
    for name, parents in required_by.items():
        for parent in parents:
            needs[parent].add(name)
    reached: set[str] = set()
    pending = [root for root in roots if root not in exclude]
    while pending:
        name = pending.pop()
        if name not in reached and name not in exclude:
            reached.add(name)
            pending += needs[name]
    return frozenset(reached)


def exclude(
    wheels: Sequence[LockedWheel], distributions: Collection[str], *, bare: Collection[str] = ()
) -> tuple[LockedWheel, ...]:
    """Return the wheels without the named distributions and without what only they need.

    What only `bare` distributions need is left out too, but not these themselves.
    """
    if not distributions and not bare:
        return tuple(wheels)

    names = frozenset(canonicalize_name(name) for name in distributions)
    roots = [wheel.name for wheel in wheels if wheel.requested or wheel.name in bare]
    needed_by = {wheel.name: [name for name in wheel.required_by if name not in bare] for wheel in wheels}
    reachable = reachable_names(roots, needed_by, exclude=names)
    return tuple(wheel for wheel in wheels if wheel.name in reachable)
