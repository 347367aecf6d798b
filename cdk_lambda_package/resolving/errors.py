"""Failures of pip and of builds as errors in the user's terms.

Each error names all requirements that it is about, and says why no file of an index, and no build of a source, gives a wheel
that the target loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from cdk_lambda_package.errors import (
    ConflictingRequirementsError,
    HashMismatchError,
    IndexUnreachableError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    SupplyChainError,
    UnhashedError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.requirements import ResolutionRequest, explain_file, explain_index, lock_command, place_of
from cdk_lambda_package.target import UNKNOWABLE_VARIABLES, Target, manylinux_glibc
from cdk_lambda_package.urls import show_url

SUPPORTED_PIP = "pip>=26.0,<27"
SUPPORTED_PIP_HINT = f"Supported are {SUPPORTED_PIP}: run `python -m pip install '{SUPPORTED_PIP}'`."

# The exceptions with which various pips give up on a connection.
_NETWORK_ERRORS = frozenset(
    {
        "ChunkedEncodingError",
        "ConnectionError",
        "ConnectionFailedError",
        "ConnectionTimeoutError",
        "ConnectTimeout",
        "HTTPError",
        "IncompleteDownloadError",
        "IncompleteRead",
        "NetworkConnectionError",
        "ProtocolError",
        "ProxyConnectionError",
        "ProxyError",
        "ReadTimeout",
        "ReadTimeoutError",
        "SSLError",
        "SSLVerificationError",
    }
)
_FORMS = {
    "editable": "an editable install",
    "vcs": "a version control URL",
    "directory": "a local project",
    "sdist": "a source distribution",
}

Result = Mapping[str, Any]


def translate(result: Result, *, target: Target, entry: Path) -> RequirementsError:
    """Return the error that says why pip couldn't give the wheels for the target, all problems in one."""
    for find in (
        _pip_problems,
        _supply_problems,
        _syntax_problems,
        _refusals,
        _hash_problems,
        _unreachable_indexes,
        _unsatisfiable_requirements,
        _conflicts,
        _foreign_wheels,
    ):
        problems = list(dict.fromkeys(find(result, target, entry)))
        if problems:
            return _combine(problems, target)
    return RequirementsError(_describe_unknown(result, target))


def _combine(problems: Sequence[Problem], target: Target) -> RequirementsError:
    """Join the problems; the error is of their kind where they share one."""
    kinds = {problem.kind for problem in problems}
    kind = kinds.pop() if len(kinds) == 1 else RequirementsError
    if len(problems) == 1:
        return kind(f"{problems[0].message}.")
    lines = "".join(f"\n  - {problem.message}." for problem in problems)
    return kind(f"{len(problems)} requirements can't be packaged for {target}:{lines}")


def _pip_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    if error.get("kind") == "no-pip":
        message = f"pip isn't installed beside this library ({error['message']}), and pip resolves the requirements"
        yield Problem(kind=RequirementsError, message=f"{message}. {SUPPORTED_PIP_HINT}".rstrip("."))
    if error.get("kind") == "unsupported-pip":
        message = f"pip {result.get('pip')} isn't supported: it has no {error['message']}"
        yield Problem(kind=RequirementsError, message=f"{message}. {SUPPORTED_PIP_HINT}".rstrip("."))


def _supply_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    return supply_problems(result, entry)


def _syntax_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    for row in result.get("malformed", ()):
        text = row["requirement"]
        if re.match(r"\.{0,2}[/\\]|\.{1,2}$", text):
            reason = "is a path at which there is no project: no pyproject.toml and no setup.py"
        else:
            reason = f"is not a requirement; {_suggest(row)}"
        yield Problem(kind=RequirementSyntaxError, message=f"{_prefix(row, entry)}{text!r} {reason}")
    error = result.get("error", {})
    if error.get("type") == "RequirementsFileParseError":
        message = " ".join(error["message"].split("error: ")[-1].split())
        yield Problem(kind=RequirementSyntaxError, message=f"{_prefix(error, entry)}{message}".rstrip("."))
    if error.get("message", "").startswith(("Could not open requirements file", "Could not open constraint file")):
        yield Problem(kind=RequirementsError, message=error["message"])


def _suggest(row: Result) -> str:
    """Suggest the operator that was meant, where that makes a requirement of the line, else give pip's reason."""
    text = row["requirement"]
    fixed = re.sub(r"=([<>])", r"\1=", text)
    fixed = re.sub(r"(?<![=<>!~])=(?![=<>])", "==", fixed)
    try:
        Requirement(fixed)
    except InvalidRequirement:
        return "accepted is a name with optional extras and version specifiers, such as 'requests>=2.31,<3'"
    return f"write {fixed!r}" if fixed != text else " ".join(row["message"].split())


def _refusals(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    for name in result.get("no_binary", ()):
        place = {"comes_from": result.get("no_binary_at")}
        message = (
            f"{_prefix(place, entry)}--no-binary asks to build {name} from source, but allow_build is False: "
            "remove one of them"
        )
        yield Problem(kind=UnsupportedRequirementError, message=message)
    for row in result.get("refused_settings", ()):
        message = (
            f"{_prefix(row, entry)}{row['requirement']} has to be built, and --config-settings behind a requirement isn't "
            "given to builds here: say it in the project's pyproject.toml, or by a variable in pip_environment"
        )
        yield Problem(kind=UnsupportedRequirementError, message=message)
    for row in (*result.get("requirements", ()), *result.get("refused", ())):
        if problem := _row_problem(row, target, entry, builds="sources" in result):
            yield problem
    error = result.get("error", {})
    # packaging raised a KeyError for some releases.
    unknowable = error.get("type") == "KeyError" and error["message"].strip("'") in UNKNOWABLE_VARIABLES
    if unknowable or error.get("type") in ("UndefinedEnvironmentName", "UndefinedComparison"):
        whose = f"{error['preparing']} has a dependency whose marker" if error["preparing"] else "A marker"
        message = f"{whose} can't be evaluated for {target}: {error['message']}. Require another version of it"
        yield Problem(kind=UnsupportedRequirementError, message=message)


def _row_problem(row: Result, target: Target, entry: Path, *, builds: bool) -> Problem | None:
    prefix, text = _prefix(row, entry), row["requirement"]
    if row["applies"] is None:
        accepted = ", ".join(sorted(target.environment))
        unknowable = [name for name in UNKNOWABLE_VARIABLES if name in row["marker"]]
        reason = f"{unknowable[0]} is known only when it runs there" if unknowable else row["marker_error"]
        message = (
            f"{prefix}the marker of '{text}; {row['marker']}' can't be evaluated for {target}: {reason}. Accepted "
            f"are {accepted}"
        )
        return Problem(kind=UnsupportedRequirementError, message=message)
    if row["applies"] and row["form"] in _FORMS and not builds:
        message = (
            f"{prefix}{text} is {_FORMS[row['form']]}, which must be built, but allow_build is False: set it to True, give it as a "
            "wheel, by its URL or in vendor/, or put its packages into vendor/"
        )
        return Problem(kind=UnsupportedRequirementError, message=message)
    return None


def _hash_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    for row in error.get("hashes", ()):
        for algorithm, expected in row["expected"].items():
            message = (
                f"{_prefix(row, entry)}{row['requirement']}: the file isn't the one that its hash promises: expected {algorithm} "
                f"{' or '.join(expected)}, got {row['actual'].get(algorithm)}. If you changed the version, update the "
                "hash; else find out who changed the file"
            )
            yield Problem(kind=HashMismatchError, message=message)


def _unreachable_indexes(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    for row in result.get("unreachable", ()):
        if row["status"] in (401, 403):
            advice = "It wants a user name and password, or doesn't know the package: see `pip config list`, netrc"
        else:
            advice = "Check the URL, the connection and the proxy"
        message = f"{row['url']} couldn't be read: {_shorten(row['reason'])}. {advice}"
        yield Problem(kind=IndexUnreachableError, message=message)
    if error.get("type") in _NETWORK_ERRORS:
        # Some of pip's messages have marks for colours in them.
        message = " ".join(re.sub(r"\[/?[a-z]*\]", "", error["message"]).split()).rstrip(".")
        yield Problem(kind=IndexUnreachableError, message=f"An index couldn't be read: {message}")


def _unsatisfiable_requirements(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    """Look at each requirement by itself: pip names only the first that it can't satisfy."""
    links = {name: read_index_files(name, rows) for name, rows in result.get("links", {}).items()}
    for row in result.get("requirements", ()):
        if row["applies"] and row["form"] == "index" and row["name"] in links:
            problem = explain(Requirement(row["requirement"]), links[row["name"]], target)
            if problem:
                problem = name_cause(problem, row["name"], result)
                yield Problem(kind=problem.kind, message=f"{_prefix(row, entry)}{problem.message}")
    causes = result.get("error", {}).get("causes", ())
    for cause in causes:
        if cause["parent"] and cause["name"] in links and len(causes) == 1:
            problem = explain(_parse(cause["requirement"], cause["name"]), links[cause["name"]], target)
            if problem:
                problem = name_cause(problem, cause["name"], result)
                whose = f"{cause['parent']} {cause['parent_version']} requires {cause['requirement']}"
                yield Problem(kind=problem.kind, message=f"{whose}, but {problem.message}")


def _conflicts(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    causes = result.get("error", {}).get("causes", ())
    demands: dict[tuple[str, str | None], list[str]] = {}
    for cause in causes:
        parent = cause["parent"] or _prefix(cause, entry).rstrip(": ") or None
        demands.setdefault((cause["requirement"], parent), []).append(cause["parent_version"] or "")
    if demands:
        lines = "; ".join(_describe_demand(*demand, versions) for demand, versions in demands.items())
        message = f"No set of versions satisfies all requirements for {target}: {lines}. Change or drop one of them"
        yield Problem(kind=ConflictingRequirementsError, message=message)


def _describe_demand(requirement: str, parent: str | None, versions: list[str]) -> str:
    known = [version for version in versions if version]
    if not known:
        return f"{parent or 'the app'} requires {requirement}"
    span = known[0] if len(known) == 1 else f"{known[-1]} … {known[0]}"
    return f"{parent} {span} requires {requirement}"


def _foreign_wheels(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    match = re.search(r"(\S+\.whl) is not a supported wheel", error.get("message", ""))
    if match:
        tags = ", ".join(sorted(map(str, parse_wheel_filename(match[1])[3])))
        message = f"{match[1]} can't be loaded by {target}: it is for {tags}. Give the wheel that is for {target}"
        yield Problem(kind=NoWheelError, message=message)


def _describe_unknown(result: Result, target: Target) -> str:
    error = result.get("error", {})
    reason = f"{error['type']}: {error['message']}" if error else f"exit status {result.get('status')}"
    output = "\n".join(result.get("output", "").strip().splitlines()[-20:])
    # Signed URLs carry their secret behind the question mark.
    reason, output = (re.sub(r"(https?://[^\s?#]+)\?[^\s#]+", r"\1", text) for text in (reason, output))
    return f"pip {result.get('pip') or ''} couldn't resolve for {target}: {reason}\n{output}".rstrip()


def _shorten(reason: str) -> str:
    """Leave out of a connection's failure what only urllib3's authors need."""
    match = re.search(r"\[Errno[^'\")]*", reason)
    return match[0] if match else reason.rstrip(".")


def _parse(text: str, name: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return Requirement(name)


def _prefix(row: Result, entry: Path) -> str:
    place = place_of(row.get("comes_from"), entry)
    return f"{place[0]}:{place[1]}: " if place else ""


# pip's names for what a hash-checking run refuses, besides a hash that is wrong.
_UNHASHED = frozenset(
    {"HashErrors", "HashMissing", "HashUnpinned", "VcsHashUnsupported", "DirectoryUrlHashUnsupported"}
)


def supply_problems(result: Result, entry: Path) -> Iterator[Problem]:
    """Yield what the rules of the supply chain kept pip from."""
    yield from _host_problems(result, entry)
    yield from _upload_time_problems(result)
    error = result.get("error", {})
    if error.get("type") in _UNHASHED and not error["hashes"]:
        yield from _unhashed_problems(result, entry)


def _host_problems(result: Result, entry: Path) -> Iterator[Problem]:
    for url in result.get("refused_indexes", ()):
        yield Problem(kind=SupplyChainError, message=explain_index(url))
    for row in result.get("refused_urls", ()):
        what = row["requirement"] or result["error"]["preparing"] or "Something"
        place = place_of(row.get("comes_from"), entry)
        prefix = f"{place[0]}:{place[1]}: " if place else ""
        yield Problem(kind=SupplyChainError, message=prefix + explain_file(what, row["url"]))


def _upload_time_problems(result: Result) -> Iterator[Problem]:
    message = result.get("error", {}).get("message", "")
    if match := re.match(r"Index (\S+) does not provide upload-time metadata", message):
        message = (
            f"{show_url(match[1])} doesn't say when files were uploaded (PEP 700), so uploaded_prior_to can't be "
            "kept to: use an index that does, or leave uploaded_prior_to out and commit a lock"
        )
        yield Problem(kind=SupplyChainError, message=message)


def _unhashed_problems(result: Result, entry: Path) -> Iterator[Problem]:
    rows = [row for row in result["requirements"] if row["applies"] and not is_hashed(row)]
    for row in rows:
        place = place_of(row["comes_from"], entry)
        unable = {"directory": ", a local project, which can't have one", "vcs": ", a checkout, which can't have one"}
        message = (
            f"{f'{place[0]}:{place[1]}: ' if place else ''}{row['requirement']} isn't pinned by a hash"
            f"{unable.get(row['form'], '')}"
        )
        yield Problem(
            kind=UnhashedError, message=f"{message}, which require_hashes or another requirement's hash asks for"
        )
    if not rows:
        message = (
            f"{result['error']['preparing']} isn't pinned by a hash, and everything has to be once one hash is given"
        )
        yield Problem(kind=UnhashedError, message=message)


_HASH_IN_URL = re.compile(r"#(?:.*&)?(?:sha256|sha384|sha512)=")


def unhashed_names(result: Mapping[str, Any], bare: Iterable[str]) -> tuple[str, ...]:
    """Return what pip chose without being told a hash, as name and version; `bare` is what the app only imports."""
    hashed = {row["name"] for row in result["requirements"] if is_hashed(row)}
    chosen = {canonicalize_name(row["name"]): row["version"] for row in result["install"]}
    unhashed = [f"{name} {version}" for name, version in chosen.items() if name not in hashed]
    return tuple(sorted([*unhashed, *(name for name in bare if canonicalize_name(name) not in chosen)]))


def is_hashed(row: Mapping[str, Any]) -> bool:
    """Tell whether a requirement says which file is meant: by `--hash`, or in its URL."""
    return bool(row["hashed"] or _HASH_IN_URL.search(row["url"] or ""))


def explain_unhashed(names: Iterable[str], request: ResolutionRequest) -> UnhashedError:
    """Return the error that names what isn't pinned, and says how it can be."""
    listed = ", ".join(names)
    command = lock_command(request.entry, (request.target,), requirements=request.requirements)
    return UnhashedError(
        f"Not pinned by a hash, as require_hashes or a hash elsewhere in the requirements asks of everything: {listed}. "
        f"Write a lock with `{command}`, or add '--hash=sha256:…' to each of them "
        "in the requirements file. A local project or a checkout can't have one: build it, and put its wheel into vendor/."
    )


def untrusted_hosts(messages: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that pip doesn't ask because they aren't trusted, from its warnings."""
    found = (re.search(r"The repository located at (\S+) is not a trusted or secure host", text) for text in messages)
    return tuple(dict.fromkeys(match[1] for match in found if match))


def explain_untrusted(host: str) -> str:
    """Return what to say of a host that pip doesn't ask."""
    return f"{host} isn't asked: it has no HTTPS, and isn't trusted. Use its https URL, or give --trusted-host {host}"


def name_cause(problem: Problem, name: str, result: Mapping[str, Any]) -> Problem:
    """Say of an unknown package what kept pip from asking for it, if something did."""
    if problem.kind is not UnknownPackageError:
        return problem
    if hosts := untrusted_hosts(result.get("messages", ())):
        return Problem(kind=IndexUnreachableError, message="; ".join(map(explain_untrusted, hosts)))
    if not result.get("no_index"):
        return problem
    message = (
        f"no file of {name!r} is where --find-links leads, and no index is asked: --no-index says so, in the "
        "requirements, as PIP_NO_INDEX or in pip.conf. Put a wheel there, or let an index be asked"
    )
    return Problem(kind=UnknownPackageError, message=message)


WHEELS_ELSEWHERE = {"psycopg2": "psycopg2-binary"}
"""Distributions that publish their wheels under another name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """A file that an index lists, and whether pip takes it for a candidate on the target, else why not."""

    filename: str
    version: Version
    tags: frozenset[Tag]
    requires_python: str | None
    yanked: bool
    accepted: bool
    detail: str

    @property
    def is_wheel(self) -> bool:
        """False for an sdist."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with the requirements, and the kind of error that it is."""

    kind: type[RequirementsError]
    message: str


def read_index_files(name: str, rows: Iterable[Mapping[str, Any]]) -> tuple[IndexFile, ...]:
    """Read what `inside_pip/record.py` wrote about the files of a distribution; others and unreadable names are left out."""
    return tuple(file for row in rows if (file := _read_file(name, row)) is not None)


def explain(requirement: Requirement, files: Sequence[IndexFile], target: Target) -> Problem | None:
    """Say why nothing satisfies a requirement, or None where something does.

    `files` are all that the indexes list for its distribution.
    """
    if not files:
        message = (
            f"no index knows {requirement.name!r}. Check the spelling, or name the index that has it with "
            "--index-url or --extra-index-url"
        )
        return Problem(kind=UnknownPackageError, message=message)
    matching = [file for file in files if requirement.specifier.contains(file.version, prereleases=True)]
    accepted = [file for file in matching if file.accepted]
    if not matching:
        return _unknown_version(requirement, files)
    if not accepted:
        return _no_file(requirement, matching, files, target)
    if not requirement.specifier.prereleases and all(file.version.is_prerelease for file in accepted):
        return _only_prereleases(requirement, accepted, files)
    if all(file.yanked for file in accepted) and not _is_pin(requirement):
        message = f"every release that satisfies {_show(requirement)} was yanked; require another version"
        return Problem(kind=UnknownVersionError, message=message)
    return None


def _read_file(name: str, row: Mapping[str, Any]) -> IndexFile | None:
    filename = row["filename"]
    tags: frozenset[Tag] = frozenset()
    try:
        if filename.endswith(".whl"):
            found, version, _, tags = parse_wheel_filename(filename)
        else:
            found, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    if found != name:
        return None
    return IndexFile(
        filename=filename,
        version=version,
        tags=tags,
        requires_python=row["requires_python"],
        yanked=row["yanked"],
        accepted=row["accepted"],
        detail=row["detail"],
    )


def _unknown_version(requirement: Requirement, files: Sequence[IndexFile]) -> Problem:
    usable = sorted({file.version for file in files if file.accepted} or {file.version for file in files})
    message = f"no release satisfies {_show(requirement)}; there are {_list_versions(usable, requirement)}"
    return Problem(kind=UnknownVersionError, message=message)


def _only_prereleases(
    requirement: Requirement, accepted: list[IndexFile], files: Sequence[IndexFile]
) -> Problem | None:
    finals = [file for file in files if file.accepted and not file.version.is_prerelease]
    if not finals:
        # Without any final release, pre-releases are taken as they are (PEP 440).
        return None
    newest = max(file.version for file in accepted)
    message = (
        f"only pre-releases satisfy {_show(requirement)}; require one by name, such as "
        f"{requirement.name}=={newest}, or add --pre to the requirements file"
    )
    return Problem(kind=UnknownVersionError, message=message)


def _no_file(
    requirement: Requirement, matching: list[IndexFile], files: Sequence[IndexFile], target: Target
) -> Problem:
    """Say why releases that satisfy the requirement have no file for the target."""
    wheels = [file for file in matching if file.is_wheel]
    fitting = [file for file in wheels if not file.tags.isdisjoint(target.tags)]
    # Of sdists, where none are let in, pip doesn't look at the time.
    if all(_is_late(file) for file in fitting or matching):
        message = f"every release that satisfies {_show(requirement)} is newer than uploaded_prior_to, or pip's --uploaded-prior-to, allows"
        return Problem(kind=UnknownVersionError, message=message)
    if fitting:
        reason = _explain_python(fitting, target)
    elif wheels:
        reason = f"has wheels, but none that {target} loads: {_explain_tags(wheels, target)}"
    elif not any(target.accepts_python(file.requires_python) for file in matching):
        reason = _explain_python(matching, target)
    else:
        reason = "has no wheel, only an sdist, and allow_build is False"
    return Problem(kind=NoWheelError, message=f"{_show(requirement)} {reason}. {_ways_out(requirement, files)}")


def _is_late(file: IndexFile) -> bool:
    return file.detail.startswith("Upload time ")


def _explain_python(wheels: list[IndexFile], target: Target) -> str:
    demands = sorted({file.requires_python for file in wheels if file.requires_python})
    if demands and not any(target.accepts_python(demand) for demand in demands):
        return f"requires Python {' or '.join(demands)}, but {target} has {target.runtime.full_version}"
    details = {"newer than uploaded_prior_to allows" if _is_late(file) else file.detail for file in wheels}
    return f"has wheels, but pip takes none for {target}: {'; '.join(sorted(details))}"


def _explain_tags(wheels: list[IndexFile], target: Target) -> str:
    machine = target.architecture.machine
    glibcs = [
        glibc
        for file in wheels
        for tag in file.tags
        if target.accepts_tag(f"{tag.interpreter}-{tag.abi}-linux_{machine}")
        and (glibc := manylinux_glibc(tag.platform, machine))
    ]
    if glibcs:
        needed, system = min(glibcs), target.runtime.system
        return "they need glibc {}.{}, ".format(*needed) + "{} has {}.{} ({})".format(
            target.runtime.name, *system.glibc, system.name
        )
    tags = {tag for file in wheels for tag in file.tags}
    platforms = {tag.platform for tag in target.tags}
    if pythons := {tag.interpreter for tag in tags if tag.platform in platforms}:
        return f"theirs are for {_list_some(pythons)}"
    return f"theirs are for {_list_some({tag.platform for tag in tags})}"


def _list_some(names: Iterable[str], most: int = 8) -> str:
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {rest} more" if rest > 0 else "")


def _ways_out(requirement: Requirement, files: Sequence[IndexFile]) -> str:
    ways = []
    usable = [file.version for file in files if file.accepted and file.is_wheel and not file.yanked]
    finals = [version for version in usable if not version.is_prerelease] or usable
    if finals:
        ways.append(f"require a version with such a wheel: the newest is {max(finals)}")
    if other := WHEELS_ELSEWHERE.get(requirement.name.lower()):
        ways.append(f"require {other}, the same with wheels")
    ways.append("put the package, built for the target, into vendor/")
    return f"Either {', or '.join(ways)}" if len(ways) > 1 else f"A way out: {ways[0]}"


def _list_versions(versions: list[Version], requirement: Requirement) -> str:
    """Name the newest versions, and those next to the one that was asked for."""
    chosen = {*versions[-3:]}
    pin = next((spec.version for spec in requirement.specifier if spec.operator == "=="), None)
    if pin and not pin.endswith("*"):
        chosen |= {*[version for version in versions if version < Version(pin)][-1:]}
        chosen |= {*[version for version in versions if version > Version(pin)][:1]}
    text = ", ".join(map(str, sorted(chosen)))
    return text if len(chosen) == len(versions) else f"{len(versions)}, among them {text}"


def _is_pin(requirement: Requirement) -> bool:
    return any(
        spec.operator == "===" or (spec.operator == "==" and not spec.version.endswith("*"))
        for spec in requirement.specifier
    )


def _show(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
