"""The resolution of a request: the one that the store remembers while it holds, else a new one.

The key of a remembered resolution covers the request and the content of every local file and folder that it was made of.
Most of these are known only after pip has read the requirements. So two records are kept: under the request's key, which
local inputs there were; under that key and these inputs' content, the resolution. Then no process starts, and nothing is
imported that only pip's results need.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import posixpath
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cdk_lambda_package.app_directory import (
    FactsReader,
    FileFacts,
    FoundFile,
    StatCache,
    SymlinkFollowMode,
    list_files,
    open_listed,
)
from cdk_lambda_package.errors import (
    ChangedFileError,
    ContentError,
    Finding,
    IndexUnreachableError,
    OptionError,
    RequirementsError,
    Severity,
)
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.requirements.history import find_history
from cdk_lambda_package.requirements.lock_file import NOT_LOCKED
from cdk_lambda_package.requirements.requirements_file import decode_requirements, has_requirements
from cdk_lambda_package.requirements.resolution import InputKind, LocalInput, Resolution, ResolutionRequest
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.urls import (
    file_sha256,
    find_variables,
    host_of,
    input_digest,
    is_secret,
    local_path,
    without_rotating,
)
from cdk_lambda_package.variables import OutsideName, ReadBy

# The suffixes that pip looks at in a folder of --find-links.
_LINKED = re.compile(r"\.(?:whl|zip|gz|tgz|tar|bz2|tbz|xz|txz|tlz|lz|lzma|html|htm)\Z", re.IGNORECASE)
# What earlier builds left in a project; setuptools would package stale modules from its build folder.
_LEFTOVERS = re.compile(r"build/(lib|bdist\.|temp\.)|dist/[^/]+\.(whl|tar\.gz)$|([^/]+/)*[^/]+\.egg-info/")
_URL = re.compile(r"""file://(/[^\s#;"'\\]*)""")
_ENTRY = "file:${ENTRY}/"
_PLACE = re.compile(r"""file:\$\{ENTRY\}/([^\s#;"'\\]*)""")


def relative_place(path: str | Path, entry: Path) -> str:
    """Return a path, or that of a `file:` URL, from the entry directory; the path itself if it is on another drive.

    Example:
        `relative_place("/app/shared", Path("/app/orders"))` is `"../shared"`.
    """
    path = local_path(path) if isinstance(path, str) and path.startswith("file:") else Path(path)
    if path.is_relative_to(entry):
        return path.relative_to(entry).as_posix()
    try:
        # `..` leads to where a directory really is, whatever links lead to it.
        return Path(os.path.relpath(_real(entry) / path, _real(entry))).as_posix()
    except ValueError:
        return str(path)


class _Places:
    """Moves the `file:` URLs in a text between an entry directory, and the same directory in any checkout."""

    def __init__(self, entry: Path) -> None:
        self._entry = entry

    def removed(self, text: str) -> str:
        """Return the text with every `file:` URL in it relative to the entry directory."""
        return _URL.sub(self._relate, text) if "file://" in text else text

    def restored(self, text: str) -> str:
        """Return the text that `removed` made, for this entry directory."""
        return _PLACE.sub(self._complete, text) if _ENTRY in text else text

    @cached_property
    def _own(self) -> str:
        return self._entry.as_uri().removeprefix("file://")

    @cached_property
    def _base(self) -> str:
        return _real(self._entry).as_uri().removeprefix("file://")

    def _relate(self, match: re.Match[str]) -> str:
        path, own = match[1], f"{self._own}/"
        place = path.removeprefix(own) if path.startswith(own) else posixpath.relpath(path, self._base)
        return f"{_ENTRY}{place}{'/' if path.endswith('/') and not place.endswith('/') else ''}"

    def _complete(self, match: re.Match[str]) -> str:
        return f"file://{posixpath.normpath(f'{self._base}/{match[1]}')}{'/' if match[1].endswith('/') else ''}"


def read_inputs(
    inputs: Iterable[LocalInput], entry: Path, environ: Mapping[str, str], store: Store
) -> tuple[LocalInput, ...]:
    """Return the inputs with the digests of what is at their places now; "absent" for what isn't there.

    The store remembers digests of files by their stat results. Raises `RequirementsError` for a project that can't be
    read, and `OSError` for any other file or folder.
    """
    inputs = tuple(inputs)
    if all(one.digest for one in inputs):
        return inputs
    cache, real = StatCache(store, entry, purpose="*inputs"), _real(entry)
    read = cache.reader(_read_facts)
    found = tuple(
        one if one.digest else replace(one, digest=_digest(one, real / one.place, environ, store, read))
        for one in inputs
    )
    cache.save()
    return found


def _digest(one: LocalInput, path: Path, environ: Mapping[str, str], store: Store, read: FactsReader) -> str:
    kind = one.kind
    if not path.exists():
        return "absent"
    if kind is InputKind.TEXT:
        return input_digest(path.read_bytes(), environ)
    if kind is InputKind.PROJECT:
        return digest_project(path, store, without=one.without)
    if kind is InputKind.FILE or not path.is_dir():
        return read(FoundFile.of(path)).digest
    if kind is InputKind.LINKS:
        rows = [(one.name, read(FoundFile.of(one)).digest) for one in _linked_files(path)]
    else:
        listed = list_files(path, starts=None, wanted=lambda _: True, mode=SymlinkFollowMode.ALWAYS).files
        rows = [(one.path, read(one).digest) for one in listed]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def changed_since(inputs: Iterable[LocalInput], entry: Path, time: float) -> bool:
    """Tell whether a folder of links changed since a time in seconds: then pip may have seen it otherwise than it is."""
    return any(
        max(found.st_mtime, found.st_ctime) > time
        for one in inputs
        if one.kind is InputKind.LINKS
        for found in _stats(_real(entry) / one.place)
    )


def _stats(path: Path) -> Iterator[os.stat_result]:
    if path.exists():
        yield path.stat()
        yield from (one.stat() for one in _linked_files(path))


def _linked_files(path: Path) -> list[Path]:
    """Return what pip looks at in a folder of links, sorted; nothing for a file."""
    return sorted(one for one in path.glob("*") if _LINKED.search(one.name) and one.is_file())


def links_of(locations: Iterable[str], entry: Path, kind: InputKind) -> Iterator[LocalInput]:
    """Yield the local ones of pip's locations of links or indexes: paths, or `file:` URLs."""
    for location in locations:
        if host_of(location) is None:
            yield LocalInput(kind=kind, place=relative_place(location, entry))


def digest_project(project: Path, store: Store | None = None, *, without: tuple[str, ...] = ()) -> str:
    """Return the digest of a project's files, `without` some: of their paths, x bits and content, and of no times.

    If git's tags decide on its version, what git says of it is part of the digest. What the store remembers of a file isn't read again. Raises `RequirementsError` for a project that can't be read.

    Example:
        `digest_project(Path("../shared"), store)`
    """
    cache = StatCache(store, project, purpose="*project") if store is not None else None
    read = cache.reader(_read_facts) if cache else _read_facts
    rows = [[file.path, bool(file.stat.st_mode & 0o111), read(file).digest] for file in project_files(project, without)]
    if cache is not None:
        cache.save()
    if history := find_history(project):
        rows.append(["", False, history.digest()])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def project_files(project: Path, without: tuple[str, ...] = ()) -> tuple[FoundFile, ...]:
    """Return the files of a project that a build sees; raises `RequirementsError` for one that can't be read."""
    folders = tuple(name for name in without if name.endswith("/"))

    def wanted(path: str) -> bool:
        return not (_LEFTOVERS.match(path) or path in without or path.startswith(folders))

    try:
        return list_files(project, starts=None, wanted=wanted, mode=_FOLLOW).checked()
    except ChangedFileError:
        raise  # all is listed again
    except ContentError as error:
        raise RequirementsError(f"The local project {project} can't be copied: {error}") from error


_FOLLOW = SymlinkFollowMode.ALWAYS


def _read_facts(file: FoundFile) -> FileFacts:
    # A build decides what is executable, so nothing else is asked.
    try:
        with open_listed(file.root, file.source, file.stat) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RequirementsError(f"{file.source} can't be read: {error.strerror}.") from error
    return FileFacts(digest, executable=False, imports_chalice=False)


def _real(entry: Path) -> Path:
    return Path(os.path.realpath(entry))


DEFAULT_MAX_LOCK_AGE = timedelta(days=1)

_EMPTY_LOCK = '{"lock-version": "1.0", "created-by": "cdk-lambda-package", "packages": []}'
# Branches and services with the same requirements may have been made of other inputs.
_MOST_SETS = 8


@remembered("resolutions", version=5, shared=True)
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DatedResolution:
    """A resolution, and when it was made."""

    created: datetime
    resolution: Resolution


@remembered("resolution-inputs", version=1, shared=True)
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _InputSets:
    """The sets of local inputs, without digests, that resolutions of a request were made of, the newest first."""

    sets: tuple[tuple[LocalInput, ...], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestContent:
    """What the fields of a request that aren't part of its key stand for: content in place of paths, no credentials."""

    requirements: tuple[str, str] = ("", "")
    extra: tuple[str, ...] = ()
    pip_args: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    build_variables: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    build_constraint: str = ""

    @classmethod
    def read(cls, request: ResolutionRequest, environ: Mapping[str, str]) -> RequestContent:
        """Read the files that a request names."""
        path = request.requirements
        return cls(
            requirements=(relative_place(path, request.entry), input_digest(path.read_bytes(), environ))
            if path
            else ("", ""),
            extra=tuple(map(identify, request.extra)),
            pip_args=tuple(without_rotating(word, environ) for word in request.pip_args),
            variables=tuple(read_variables(environ)),
            build_variables=tuple(read_build_variables(request.pip_environment, environ)),
            configuration=tuple(digest_configuration(environ)),
            build_constraint=constraint_digest(request, environ),
        )


def current_resolution(
    request: ResolutionRequest,
    store: Store,
    *,
    resolve: Callable[[ResolutionRequest], Resolution],
    max_lock_age: timedelta = DEFAULT_MAX_LOCK_AGE,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Resolution:
    """Return the resolution that applies: the remembered one while it holds, else that of `resolve`.

    A resolution whose files are all pinned by hashes holds as long as its inputs are the same, any other for
    `max_lock_age`, or longer, with a finding, while the index can't be reached. Raises the kinds of `RequirementsError`.

    Example:
        `current_resolution(request, store, resolve=lambda request: resolve(request, store=store)).wheels`
    """
    path, now = request.requirements, now or datetime.now(UTC)
    asks = path is not None and has_requirements(path)
    if not (asks or request.extra or request.bare):
        return Resolution(lock=_EMPTY_LOCK, wheels=(), pinned=True)
    # Index options count even if the file has no requirement.
    request = dataclasses.replace(request, requirements=path if path is not None and path.is_file() else None)
    environ = {**environ, **dict(request.pip_environment)}
    key, began = resolution_key(request, environ), time.time()
    with store.claims.alone(("resolutions", key)):
        known = recalled_resolution(key, request.entry, environ, store)
        if known is not None and (known.resolution.pinned or timedelta(0) <= now - known.created <= max_lock_age):
            return _with_pinning_finding(known.resolution, request)
        try:
            resolution = resolve(request)
        except IndexUnreachableError:
            if known is None:
                raise
            return _with_pinning_finding(_with_age_finding(known, now), request)
        if not any(finding.id == "index-not-read" for finding in resolution.findings):
            dated = DatedResolution(created=now, resolution=resolution)
            remember_resolution(dated, key, request.entry, environ, store, began=began)
    return _with_pinning_finding(resolution, request)


def resolution_key(request: ResolutionRequest, environ: Mapping[str, str]) -> str:
    """Return the key of a request, without credentials and the place of the checkout."""
    return key_of("resolution", request, RequestContent.read(request, environ))


def constraint_digest(request: ResolutionRequest, environ: Mapping[str, str] = os.environ) -> str:
    """Return the digest of the request's build constraints, "" for none. Raises `OptionError` if they can't be read."""
    path = request.build_constraint
    if path is None:
        return ""
    try:
        content = path.read_bytes()
        decode_requirements(content)
    except (OSError, UnicodeError, LookupError) as error:
        raise OptionError(
            f"build_constraint {str(path)!r} can't be read: {error}. Accepted is a constraints file of pip's: save it as UTF-8."
        ) from error
    return input_digest(content, environ)


def identify(requirement: str) -> str:
    """Return a requirement of `ResolutionRequest.extra` with a local wheel's content in the place of its path."""
    name, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:"):
        return without_rotating(requirement)
    match = re.search(r"#sha256=([0-9a-f]{64})", url)
    return f"{name} @ {match[1] if match else file_sha256(url)}"


def recalled_resolution(key: str, entry: Path, environ: Mapping[str, str], store: Store) -> DatedResolution | None:
    """Return the resolution that was made of what the local inputs are now; None if the store has none."""
    for inputs in (store.recall(_InputSets, key) or _InputSets()).sets:
        try:
            found = store.recall(DatedResolution, key_of(key, read_inputs(inputs, entry, environ, store)))
        except (OSError, RequirementsError):
            continue
        # No index has a wheel that was built here, so it must still be in the store.
        built = (wheel for wheel in found.resolution.wheels if wheel.source) if found else ()
        if found is not None and all(store.find_wheel(wheel.sha256, wheel.filename) for wheel in built):
            return dataclasses.replace(found, resolution=_move(found.resolution, _Places(entry).restored))
    return None


def remember_resolution(
    dated: DatedResolution, key: str, entry: Path, environ: Mapping[str, str], store: Store, *, began: float
) -> None:
    """Remember a resolution under a request's key and its local inputs, unless they changed since it `began`."""
    try:
        inputs = read_inputs(_all_inputs(dated.resolution, entry), entry, environ, store)
        if changed_since(inputs, entry, began):
            return
    except (OSError, RequirementsError):
        return
    places = tuple(dataclasses.replace(one, digest="") for one in inputs)
    others = (one for one in (store.recall(_InputSets, key) or _InputSets()).sets if one != places)
    store.remember(_InputSets(sets=(places, *others)[:_MOST_SETS]), key)
    moved = dataclasses.replace(_move(dated.resolution, _Places(entry).removed), inputs=())
    store.remember(dataclasses.replace(dated, resolution=moved), key_of(key, inputs))


def _all_inputs(resolution: Resolution, entry: Path) -> tuple[LocalInput, ...]:
    """Return the local inputs of a resolution, its local wheels among them, sorted."""
    wheels = {
        LocalInput(kind=InputKind.FILE, place=relative_place(one.url, entry), digest=one.sha256)
        for one in resolution.wheels
        if not one.source and host_of(one.url) is None
    }
    return tuple(sorted({*resolution.inputs, *wheels}, key=lambda one: (one.kind, one.place)))


def _move(resolution: Resolution, move: Callable[[str], str]) -> Resolution:
    wheels = (
        dataclasses.replace(one, url=move(one.url), index=move(one.index)) if "file:" in one.url + one.index else one
        for one in resolution.wheels
    )
    findings = (dataclasses.replace(one, message=move(one.message)) for one in resolution.findings)
    lock = move(resolution.lock)
    return dataclasses.replace(resolution, lock=lock, wheels=tuple(wheels), findings=tuple(findings))


def _with_pinning_finding(resolution: Resolution, request: ResolutionRequest) -> Resolution:
    if resolution.pinned or not resolution.wheels:
        return resolution
    path = request.requirements
    name = relative_place(path, request.entry) if path is not None and has_requirements(path) else None
    subject = f"{name} doesn't" if name else "The requirements don't"
    message = (
        f"{subject} pin every file by its hash, so a later build may package other versions. {request.lock_advice}."
    )
    finding = Finding(id=NOT_LOCKED, severity=Severity.NOTE, message=message, path=name)
    return dataclasses.replace(resolution, findings=(*resolution.findings, finding))


def _with_age_finding(known: DatedResolution, now: datetime) -> Resolution:
    message = (
        f"The index can't be reached, so the versions of {known.created:%Y-%m-%d %H:%M} UTC are used, "
        f"{(now - known.created).days} days old. Check the connection, or raise max_lock_age."
    )
    finding = Finding(id="index-unreachable", severity=Severity.WARNING, message=message)
    return dataclasses.replace(known.resolution, findings=(*known.resolution.findings, finding))


# Where git says the version, these say it for a copy without history: setuptools-scm, hatch-vcs, pbr.
def _of_version(name: str, *, further: str = "") -> OutsideName:
    meaning = f"The version of a local project that is built. A change of the value builds again.{further}"
    return OutsideName(name, read_by=ReadBy.TOOLS, meaning=meaning, default="the version that git's tags give")


_OF_SCM = [
    _of_version(name, further=" `_FOR_NAME` after it is for one distribution.")
    for name in ("SETUPTOOLS_SCM_PRETEND_VERSION", "VCS_VERSIONING_PRETEND_VERSION")
]
_OF_PBR = _of_version("PBR_VERSION")
_VERSION = re.compile(rf"^(?:(?:{'|'.join(_OF_SCM)}).*|{_OF_PBR})$", re.MULTILINE)


_OF_PIP = OutsideName(
    "PIP_",
    read_by=ReadBy.TOOLS,
    meaning="The settings of pip, such as `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL`. Those that would make another package of a build "
    "aren't given to builds. A change resolves again, except for a change of credentials alone.",
    default="pip's configuration files",
)


def read_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that pip would read, without credentials."""
    names = sorted(name for name in environ if name.startswith(_OF_PIP))
    return [f"{name}={without_rotating(environ[name], environ)}" for name in names]


def read_build_variables(given: Iterable[tuple[str, str]], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what of `pip_environment` a build may read, and which version the environment says that it is to have.

    What else the environment has, a build may read as well, but it isn't meant as an input. Without credentials: of
    variables that are called like a token only the name.
    """
    found = find_variables(_VERSION, environ)
    found |= {name: value for name, value in given if not name.startswith(("PIP_", "UV_"))}
    return [f"{name}={'' if is_secret(name) else without_rotating(found[name])}" for name in sorted(found)]


def digest_configuration(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the digest of each configuration file that pip would read."""
    paths = [] if environ.get("PIP_CONFIG_FILE") == os.devnull else configuration_paths(environ)
    for path in paths:
        try:
            yield input_digest(path.read_bytes(), environ)
        except OSError:
            continue


def configuration_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return where pip looks for configuration files.

    https://pip.pypa.io/en/stable/topics/configuration/#location; what pip says it has read is compared as well.
    """
    home, (own, shared) = home_folder(), configuration_folders(environ)
    user, name = (home / "pip", "pip.ini") if sys.platform == "win32" else (home / ".pip", "pip.conf")
    folders = [*(folder / "pip" for folder in (*shared, Path("/Library/Application Support"))), Path("/etc"), user]
    folders += [home / "Library" / "Application Support" / "pip", own / "pip", Path(sys.prefix)]
    named = environ.get("PIP_CONFIG_FILE")
    return [*(folder / name for folder in folders), *([Path(named)] if named else [])]


def configuration_folders(environ: Mapping[str, str]) -> tuple[Path, list[Path]]:
    """Return the folder with the user's configuration files, and those with the machine's."""
    if sys.platform == "win32":
        own, shared = environ.get("APPDATA"), [environ.get("PROGRAMDATA", "C:\\ProgramData")]
        return Path(own or home_folder() / "AppData" / "Roaming"), [*map(Path, shared)]
    shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    return Path(environ.get("XDG_CONFIG_HOME") or home_folder() / ".config"), [*map(Path, shared)]


def home_folder() -> Path:
    """Return the user's home directory, `~` if there is none."""
    # Not Path.expanduser: it raises where there is no home directory, as for an arbitrary user in a container.
    return Path(os.path.expanduser("~"))  # noqa: PTH111
