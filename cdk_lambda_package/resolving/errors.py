"""Failures of pip as errors in the user's terms.

Each error names all requirements that it is about, and says why no file of an index gives a wheel that the target loads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from cdk_lambda_package.errors import (
    ConflictingRequirementsError,
    HashMismatchError,
    IndexUnreachableError,
    LockError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    SupplyChainError,
    UnhashedError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
    join_problems,
)
from cdk_lambda_package.requirements import (
    ResolutionRequest,
    explain_file,
    explain_index,
    parse_requirement,
    place_of,
    relative_to_entry,
)
from cdk_lambda_package.target import UNKNOWABLE_VARIABLES, Target, manylinux_glibc
from cdk_lambda_package.urls import show_url, without_credentials

SUPPORTED_PIP = "pip>=26.0,<27"
SUPPORTED_PIP_HINT = f"Supported are {SUPPORTED_PIP}: run `python -m pip install '{SUPPORTED_PIP}'`"

# The exceptions with which various pips give up on a connection, by what is in their names.
_NETWORK_ERROR = re.compile(r"Connect|Timeout|Proxy|SSL|Protocol|HTTPError|Incomplete|ChunkedEncoding")
# pip's names for what a hash-checking run refuses, besides a hash that is wrong.
_UNHASHED = frozenset(
    {"HashErrors", "HashMissing", "HashUnpinned", "VcsHashUnsupported", "DirectoryUrlHashUnsupported"}
)
_KEYRING_SKIPPED = re.compile(r"Keyring is skipped due to an exception: (.*)")
_HASH_IN_URL = re.compile(r"#(?:.*&)?(?:sha256|sha384|sha512)=")
_FORMS = {
    "editable": "an editable install",
    "vcs": "a version control URL",
    "directory": "a local project",
    "sdist": "a source distribution",
}

Result = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """What pip wrote down about a run that failed; `result` is that of `inside_pip/record.py`."""

    result: Result
    target: Target
    entry: Path

    @property
    def error(self) -> Result:
        error: Result = self.result.get("error", {})
        return error

    def rows(self, name: str) -> Sequence[Any]:
        rows: Sequence[Any] = self.result.get(name, ())
        return rows

    def place(self, row: Result) -> str:
        return place_prefix(row.get("comes_from"), self.entry)


Problems = Iterator[RequirementsError]


def place_prefix(comes_from: str | None, entry: Path) -> str:
    """Return `file:line: ` for what pip says of where a requirement comes from, "" where that is no line of a file."""
    place = place_of(comes_from, entry)
    return f"{place[0]}:{place[1]}: " if place else ""


def translate(result: Result, *, target: Target, entry: Path) -> RequirementsError:
    """Return the error that says why pip couldn't give the wheels for the target, all problems in one."""
    failure = _Failure(result=result, target=target, entry=entry)
    for find in (
        _pip_problems,
        _supply_problems,
        _syntax_problems,
        _refusals,
        _hash_problems,
        _unreachable_indexes,
        _unreachable_repositories,
        _unsatisfiable_requirements,
        _unusable_wheels,
        _conflicts,
        _foreign_wheels,
    ):
        if problems := {str(problem): problem for problem in find(failure)}:
            return _combine(problems.values(), target)
    return RequirementsError(_describe_unknown(failure))


def _combine(problems: Collection[RequirementsError], target: Target) -> RequirementsError:
    """Join the problems; the error is of their kind where they share one."""
    kinds = {type(problem) for problem in problems}
    kind = kinds.pop() if len(kinds) == 1 else RequirementsError
    lines = [f"{problem}." for problem in problems]
    return kind(join_problems(lines, f"{len(lines)} requirements can't be packaged for {target}:"))


def _pip_problems(failure: _Failure) -> Problems:
    if failure.error.get("type") in ("UnsupportedPipError", "ImportError", "ModuleNotFoundError"):
        pip = failure.result.get("pip")
        problem = f"pip {pip} isn't supported" if pip else "pip isn't installed beside this library"
        yield RequirementsError(f"{problem} ({failure.error['message']}). {SUPPORTED_PIP_HINT}")


def _supply_problems(failure: _Failure) -> Problems:
    """Yield what the rules of the supply chain kept pip from."""
    error = failure.error
    for url in failure.rows("refused_indexes"):
        yield SupplyChainError(explain_index(url))
    for row in failure.rows("refused_urls"):
        what = row["requirement"] or error["preparing"] or "Something"
        yield SupplyChainError(f"{failure.place(row)}{explain_file(what, row['url'])}")
    if match := re.match(r"Index (\S+) does not provide upload-time metadata", error.get("message", "")):
        yield SupplyChainError(
            f"{show_url(match[1])} doesn't say when files were uploaded (PEP 700), so uploaded_prior_to can't be "
            "kept to: use an index that does, or leave uploaded_prior_to out and commit a lock"
        )
    if error.get("type") in _UNHASHED and not error["hashes"]:
        rows = [row for row in failure.rows("requirements") if row["applies"] and not _is_hashed(row)]
        unable = {"directory": ", a local project, which can't have one", "vcs": ", a checkout, which can't have one"}
        whats = [(failure.place(row) + row["requirement"], unable.get(row["form"], "")) for row in rows]
        for what, why in whats or [(error["preparing"], "")]:
            yield UnhashedError(
                f"{what} isn't pinned by a hash{why}, which require_hashes or another requirement's hash asks for"
            )


def _syntax_problems(failure: _Failure) -> Problems:
    yield from _once(
        (failure.place(row), RequirementSyntaxError(f"{row['requirement']!r} {_reason_malformed(row)}"))
        for row in failure.rows("malformed")
    )
    yield from _once(
        (failure.place(row), RequirementsError(_reason_missing(row)))
        for row in failure.rows("requirements")
        if row["applies"] and row.get("missing")
    )
    if unreadable := failure.result.get("unreadable"):
        yield _explain_unreadable(unreadable, failure)
        return
    error, said = failure.error, failure.error.get("message", "")
    if error.get("type") == "RequirementsFileParseError":
        message = " ".join(said.split("error: ")[-1].split())
        yield RequirementSyntaxError(f"{failure.place(error)}{message}".rstrip("."))


def _once(problems: Iterable[tuple[str, RequirementsError]]) -> Problems:
    """Yield each problem once, with the place of the first line that has it, and those of the others at its end."""
    places: dict[tuple[type[RequirementsError], str], list[str]] = {}
    for place, problem in problems:
        places.setdefault((type(problem), str(problem)), []).append(place)
    for (kind, text), (first, *others) in places.items():
        further = [place.rstrip(": ") for place in dict.fromkeys(others) if place and place != first]
        also = f" (the same at {', '.join(further)})" if further else ""
        yield kind(f"{first}{text}{also}")


# A line of `conda list --export`: name, version and build.
_CONDA_LINE = re.compile(r"([\w.-]+)=([^=\s]+)=[^=\s]+")


def _reason_malformed(row: Result) -> str:
    if "\0" in row["requirement"]:
        return "has NUL characters, as a file in UTF-16 without a byte order mark does. Save the file as UTF-8"
    if conda := _CONDA_LINE.fullmatch(row["requirement"]):
        return (
            f"is a line of `conda list --export`, not a requirement; write '{conda[1]}=={conda[2]}', or remove it if it is no "
            "Python package. `python -m pip list --format=freeze` prints such lines in that environment"
        )
    if re.search(r"\.whl(#.*)?$", row["requirement"]):
        return "doesn't name a wheel as wheels are named, NAME-VERSION-PYTHON-ABI-PLATFORM.whl: don't rename wheels"
    if re.match(r"\.{0,2}[/\\]|\.{1,2}$", row["requirement"]):
        return "is a path at which there is no project: no pyproject.toml and no setup.py"
    return f"is not a requirement; {_suggest(row)}"


# Where conda builds its packages: `pip freeze` in an environment of conda's writes such paths.
_OF_CONDA = re.compile(r"/croots?/|/feedstock_root/|/conda-bld/|/tmp/build/80754af9/|/ci_\d+/work|_\d{10,}/work(/|$)")


def _reason_missing(row: Result) -> str:
    """Say of a requirement that names a file or folder which isn't there what to write in its place."""
    name = row["name"] or "the package's name"
    if _OF_CONDA.search(row["url"] or ""):
        return (
            f"{row['requirement']} is a folder of the machine on which conda built {name}, and isn't here. Write "
            f"'{name}==VERSION'; `python -m pip list --format=freeze` prints such lines in that environment"
        )
    return f"{row['requirement']} names a file or folder that doesn't exist. Correct the path, or write {name} and a version"


def _explain_unreadable(row: Result, failure: _Failure) -> RequirementsError:
    """Say why a requirements or constraints file can't be read, and where it is included."""
    file = relative_to_entry(Path(row["file"]), failure.entry)
    if "encoding" not in row:
        relative = "" if Path(file).is_absolute() else ". The path is relative to the file that includes it"
        return RequirementsError(f"{failure.place(row)}the file {file!r} can't be read: {row['reason']}{relative}")
    if "byte" in row:
        reason = f"the byte {row['byte']} isn't {row['encoding']}"
    else:
        reason = f"{row['encoding']!r} is no encoding that Python knows"
    return RequirementSyntaxError(
        f"{file}:{row['line']}: {reason}. Save the file as UTF-8, or name its encoding in its first line, as in "
        "'# -*- coding: latin-1 -*-'"
    )


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


def _refusals(failure: _Failure) -> Problems:
    error, target = failure.error, failure.target
    for name in failure.rows("no_binary"):
        place = place_prefix(failure.result.get("no_binary_at"), failure.entry)
        yield UnsupportedRequirementError(
            f"{place}--no-binary asks to build {name} from source, but allow_build is False: remove one of them"
        )
    for row in failure.rows("refused_settings"):
        yield UnsupportedRequirementError(
            f"{failure.place(row)}{row['requirement']} has to be built, and --config-settings behind a requirement isn't "
            "given to builds here: say it in the project's pyproject.toml, or by a variable in pip_environment"
        )
    for row in failure.rows("refused_credentials"):
        yield UnsupportedRequirementError(
            f"{failure.place(row)}{row['requirement']} has credentials in its URL, which hg, svn and bzr would show to all "
            "users of this machine in a command line: take them out of the URL, and put them into the program's own "
            "configuration ([auth] of ~/.hgrc, Subversion's or Bazaar's authentication files)"
        )
    for row in (*failure.rows("requirements"), *failure.rows("refused")):
        if row["applies"] is None:
            variable = next((name for name in UNKNOWABLE_VARIABLES if name in row["marker"]), None)
            reason = f"{variable} is known only when it runs there" if variable else row["marker_error"]
            yield UnsupportedRequirementError(
                f"{failure.place(row)}the marker of '{row['requirement']}; {row['marker']}' can't be evaluated for "
                f"{target}: {reason}. Accepted are {', '.join(sorted(target.environment))}"
            )
        elif row["applies"] and row["form"] in _FORMS and "sources" not in failure.result:
            yield UnsupportedRequirementError(
                f"{failure.place(row)}{row['requirement']} is {_FORMS[row['form']]}, which must be built, but allow_build "
                "is False: set it to True, give it as a wheel, by its URL or in vendor/, or put its packages into vendor/"
            )
    # packaging raised a KeyError for some releases.
    unknowable = error.get("type") == "KeyError" and error["message"].strip("'") in UNKNOWABLE_VARIABLES
    if unknowable or error.get("type") in ("UndefinedEnvironmentName", "UndefinedComparison"):
        whose = f"{error['preparing']} has a dependency whose marker" if error["preparing"] else "A marker"
        yield UnsupportedRequirementError(
            f"{whose} can't be evaluated for {target}: {error['message']}. Require another version of it"
        )


def _hash_problems(failure: _Failure) -> Problems:
    for row in failure.error.get("hashes", ()):
        for algorithm, expected in row["expected"].items():
            yield HashMismatchError(
                f"{failure.place(row)}{row['requirement']}: the file isn't the one that its hash promises: expected "
                f"{algorithm} {' or '.join(expected)}, got {row['actual'].get(algorithm)}. If you changed the version, "
                "update the hash; else find out who changed the file"
            )


def _unreachable_indexes(failure: _Failure) -> Problems:
    for row in failure.rows("unreachable"):
        advice = "Check the URL, the connection and the proxy"
        if row["status"] in (401, 403):
            advice = (
                "It wants a user name and password, or they have expired, or it doesn't know the package: see `pip config list`, netrc "
                "and keyring"
            )
            if skipped := _KEYRING_SKIPPED.search("\n".join(failure.rows("messages"))):
                advice = f"{advice}. The keyring wasn't asked: {skipped[1].rstrip('.')}"
        # Of a connection's failure, what only urllib3's authors need is left out.
        match = re.search(r"\[Errno[^'\")]*", row["reason"])
        reason = match[0] if match else row["reason"].rstrip(".")
        yield IndexUnreachableError(f"{row['url']} couldn't be read: {reason}. {advice}")
    if _NETWORK_ERROR.search(failure.error.get("type", "")):
        # Some of pip's messages have marks for colours in them.
        message = " ".join(re.sub(r"\[/?[a-z]*\]", "", failure.error["message"]).split()).rstrip(".")
        yield IndexUnreachableError(f"An index couldn't be read: {message}")


# What to do about a repository that git can't read, by git's or ssh's words; the last fits all.
_REPOSITORY_ADVICE = (
    (r"Host key verification failed", "Add the host's key to ~/.ssh/known_hosts, as ssh does when it is asked once"),
    (r"Permission denied", "Give ssh a key that may read it, for example GIT_SSH_COMMAND='ssh -i deploy.key'"),
    (
        r"could not read (Username|Password)|Authentication failed|terminal prompts disabled",
        "Give git a credential helper, or write the token into the URL as a variable: git+https://${TOKEN}@…",
    ),
    (r"pathspec '|couldn't find remote ref", "Name a branch, a tag or a commit of it after the @ of the URL"),
    (r"", "Check the URL, the connection and the access rights"),
)


def _unreachable_repositories(failure: _Failure) -> Problems:
    """Yield the requirement whose repository a version-control program couldn't read, or isn't there to read."""
    message = failure.error.get("message", "")
    if match := re.match(r"Cannot find command '(\w+)'", message):
        yield RequirementsError(
            f"{failure.error['preparing'] or 'A requirement'} needs {match[1]}, which isn't on PATH. Install it"
        )
    match = re.match(r"Failed to build '([^']+)' when (git|hg|svn|bzr) ", message)
    if match is None:
        return
    name, program = match.groups()
    rows = [
        row for row in failure.rows("requirements") if row["form"] == "vcs" and row["name"] == canonicalize_name(name)
    ]
    what = f"{failure.place(rows[0])}{show_url(rows[0]['url'])}" if rows else failure.error["preparing"]
    # Its own words are between the command and pip's summary of that.
    output = failure.result.get("output", "").partition("error: subprocess-exited-with-error")[0]
    lines = [line.strip() for line in output.rpartition(f"Running command {program} ")[2].splitlines()[1:]]
    said = [line for line in lines if line and not line.startswith(("warning:", "Cloning into", "Please make sure"))]
    told = without_credentials("; ".join(said).removesuffix("; and the repository exists.").rstrip("."))
    advice = next(advice for pattern, advice in _REPOSITORY_ADVICE if re.search(pattern, told))
    yield RequirementsError(f"{what} can't be read by {program}: {told}. {advice}")


def _unsatisfiable_requirements(failure: _Failure) -> Problems:
    """Look at each requirement by itself: pip names only the first that it can't satisfy."""
    asked = [
        (failure.place(row), row) for row in failure.rows("requirements") if row["applies"] and row["form"] == "index"
    ]
    causes = failure.error.get("causes", ())
    if len(causes) == 1 and (parent := causes[0]["parent"]):
        whose = f"{parent} {causes[0]['parent_version']} requires {causes[0]['requirement']}"
        asked.append((f"{whose}, but ", causes[0]))
    yield from _once((prefix, problem) for prefix, row in asked if (problem := _reason_unsatisfied(row, failure)))


def _reason_unsatisfied(row: Result, failure: _Failure) -> RequirementsError | None:
    name, links = row["name"], failure.result.get("links", {})
    if name not in links:
        return None
    try:
        requirement = parse_requirement(row["requirement"], name)
    except LockError:
        requirement = Requirement(name)
    files, direct = read_index_files(name, links[name]), row.get("parent") is None
    problem = explain(requirement, files, failure.target, direct=direct)
    if problem is not None and name == "pkg-resources":
        return UnknownPackageError(
            f"{requirement} is no package: `pip freeze` of Debian and Ubuntu writes this line. Remove it"
        )
    if isinstance(problem, UnknownPackageError):
        # pip may have failed before it came to ask an index.
        known = failure.error.get("type") == "DistributionNotFound"
        return _reason_not_asked(name, failure) or (problem if known else None)
    return problem


def _reason_not_asked(name: str, failure: _Failure) -> RequirementsError | None:
    """Return what kept pip from asking an index for a package, if something did."""
    if hosts := explain_untrusted(failure.rows("messages")):
        return IndexUnreachableError("; ".join(hosts.values()))
    if failure.result.get("no_index"):
        return UnknownPackageError(
            f"no file of {name!r} is where --find-links leads, and no index is asked: --no-index says so, in the "
            "requirements, as PIP_NO_INDEX or in pip.conf. Put a wheel there, or let an index be asked"
        )
    return None


def _unusable_wheels(failure: _Failure) -> Problems:
    """Yield the wheels whose metadata kept pip from taking them, as far as they are what pip failed at."""
    causes = {cause["name"] for cause in failure.error.get("causes", ())}
    yield from _once(
        (
            failure.place(row),
            RequirementsError(
                f"{row['file']} can't be used: {_reason_unusable(row)}. Require another release, or report it to its authors"
            ),
        )
        for row in failure.rows("unusable")
        if not causes or row["name"] in causes
    )


def _reason_unusable(row: Result) -> str:
    said = row["message"]
    match row["type"]:
        case "InvalidWheel":
            return "it isn't a .zip file archive"
        case "UnsupportedWheel" if "decod" in said:
            return "its METADATA isn't UTF-8"
        case "InvalidVersion":
            return f"its METADATA has no valid Version ({said.removeprefix('Invalid version: ')})"
        case "BadMetadata":
            entry = re.search(r"invalid metadata entry '(\w+)'", said)
            return f"its METADATA has no valid {entry[1].title() if entry else 'entries'}"
        case "MetadataInconsistent":
            return f"its METADATA isn't that of its file name: {said.rpartition(' has inconsistent ')[2]}"
        case "UnsupportedWheel":
            return f"its WHEEL is invalid: {said.rpartition(' has an invalid wheel, ')[2]}"
    return f"its METADATA is invalid: {said.rpartition('invalid metadata: ')[2].rstrip('.')}"


def _conflicts(failure: _Failure) -> Problems:
    demands: dict[tuple[str, str], list[str]] = {}
    for cause in failure.error.get("causes", ()):
        parent = cause["parent"] or failure.place(cause).rstrip(": ") or "the app"
        demands.setdefault((parent, cause["requirement"]), []).append(cause["parent_version"] or "")
    if demands:
        lines = "; ".join(
            f"{f'{parent} {_span(versions)}'.strip()} requires {requirement}"
            for (parent, requirement), versions in demands.items()
        )
        yield ConflictingRequirementsError(
            f"No set of versions satisfies all requirements for {failure.target}: {lines}. Change or drop one of them"
        )


def _span(versions: list[str]) -> str:
    return f"{versions[-1]} … {versions[0]}" if len(versions) > 1 else versions[0]


def _foreign_wheels(failure: _Failure) -> Problems:
    if match := re.search(r"(\S+\.whl) is not a supported wheel", failure.error.get("message", "")):
        tags = ", ".join(sorted(map(str, parse_wheel_filename(match[1])[3])))
        yield NoWheelError(
            f"{match[1]} can't be loaded by {failure.target}: it is for {tags}. "
            f"Give the wheel that is for {failure.target}"
        )


def _describe_unknown(failure: _Failure) -> str:
    error, result = failure.error, failure.result
    reason = f"{error['type']}: {error['message']}" if error else f"exit status {result.get('status')}"
    lines = result.get("output", "").strip().splitlines()
    if any(line.startswith("Traceback ") for line in lines):
        # Where in pip something failed helps no user; the reason says what.
        lines = [line for line in lines if line and not line.startswith((" ", "Traceback "))]
    output = "\n".join(lines[-20:])
    # Signed URLs carry their secret behind the question mark.
    reason, output = map(without_credentials, (reason, output))
    return f"pip {result.get('pip') or ''} couldn't resolve for {failure.target}: {reason}\n{output}".rstrip()


def _is_hashed(row: Result) -> bool:
    """Tell whether a requirement says which file is meant: by `--hash`, or in its URL."""
    return bool(row["hashed"] or _HASH_IN_URL.search(row["url"] or ""))


def explain_unhashed(result: Result, request: ResolutionRequest) -> UnhashedError:
    """Return the error that names what pip chose without being told a hash, and says how it can be pinned."""
    hashed = {row["name"] for row in result["requirements"] if _is_hashed(row)}
    chosen = {canonicalize_name(row["name"]): row["version"] for row in result["install"]}
    unhashed = [f"{name} {version}" for name, version in chosen.items() if name not in hashed]
    listed = sorted([*unhashed, *(name for name in request.bare if canonicalize_name(name) not in chosen)])
    return UnhashedError(
        f"Not pinned by a hash, as require_hashes or a hash elsewhere in the requirements asks of everything: "
        f"{', '.join(listed)}. {request.lock_advice}, or add '--hash=sha256:…' to each of them "
        "in the requirements file. A local project or a checkout can't have one: build it, and put its wheel into vendor/."
    )


def explain_untrusted(messages: Iterable[str]) -> dict[str, str]:
    """Return the hosts that pip doesn't ask because they aren't trusted, from its warnings, each with what to say of it."""
    hosts = re.findall(r"The repository located at (\S+) is not a trusted or secure host", "\n".join(messages))
    advice = "isn't asked: it has no HTTPS, and isn't trusted. Use its https URL, or give --trusted-host"
    return {host: f"{host} {advice} {host}" for host in hosts}


_WHEELS_ELSEWHERE = {"psycopg2": "psycopg2-binary"}
"""Distributions that publish their wheels under another name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """A file that an index lists, and whether pip takes it for a candidate on the target, else why not.

    An sdist has no `tags`.
    """

    filename: str
    version: Version
    tags: frozenset[Tag]
    requires_python: str | None
    yanked: bool
    accepted: bool
    detail: str

    @property
    def is_late(self) -> bool:
        """True if it was uploaded later than is allowed."""
        return self.detail.startswith("Upload time ")


def read_index_files(name: str, rows: Iterable[Result]) -> tuple[IndexFile, ...]:
    """Read what `inside_pip/record.py` wrote about the files of a distribution; others and unreadable names are left out."""
    files = []
    for row in rows:
        tags: frozenset[Tag] = frozenset()
        try:
            if row["filename"].endswith(".whl"):
                found, version, _, tags = parse_wheel_filename(row["filename"])
            else:
                found, version = parse_sdist_filename(row["filename"])
        except ValueError:
            continue
        if found == name:
            files.append(IndexFile(version=version, tags=tags, **row))
    return tuple(files)


def explain(
    requirement: Requirement, files: Sequence[IndexFile], target: Target, *, direct: bool = True
) -> RequirementsError | None:
    """Return why nothing satisfies a requirement, or None where something does.

    `files` are all that the indexes list for its distribution; `direct` tells that the app itself requires it.
    """
    if not files:
        return UnknownPackageError(
            f"no index knows {requirement.name!r}. Check the spelling, or name the index that has it with "
            "--index-url or --extra-index-url"
        )
    asked = f"{requirement.name}{requirement.specifier}"
    matching = [file for file in files if requirement.specifier.contains(file.version, prereleases=True)]
    accepted = [file for file in matching if file.accepted]
    if not matching:
        usable = sorted({file.version for file in files if file.accepted} or {file.version for file in files})
        advice = _explain_local_version(requirement)
        return UnknownVersionError(
            f"no release satisfies {asked}; there are {_list_versions(usable, requirement)}{advice}"
        )
    if not accepted:
        # Of sdists, where none are let in, pip doesn't look at the time.
        if all(file.is_late for file in _fitting(matching, target) or matching):
            return UnknownVersionError(
                f"every release that satisfies {asked} is newer than uploaded_prior_to, or pip's --uploaded-prior-to, allows"
            )
        omission = _suggest_omission(requirement, matching, direct=direct)
        after = max(file.version for file in matching)
        ways = ways_out(requirement.name, files, first=omission, after=after)
        return NoWheelError(f"{asked} {_reason_unfit(matching, target)}. {ways}")
    # Without any final release, pre-releases are taken as they are (PEP 440).
    has_final = any(file.accepted and not file.version.is_prerelease for file in files)
    if has_final and not requirement.specifier.prereleases and all(file.version.is_prerelease for file in accepted):
        return UnknownVersionError(
            f"only pre-releases satisfy {asked}; require one by name, such as "
            f"{requirement.name}=={max(file.version for file in accepted)}, or add --pre to the requirements file"
        )
    if all(file.yanked for file in accepted) and _pinned_version(requirement) is None:
        return UnknownVersionError(f"every release that satisfies {asked} was yanked; require another version")
    return None


# The systems of wheels, by how their platform tags begin, with `sys_platform` there.
_OTHER_SYSTEMS = {"win": "win32", "macosx_": "darwin"}
_SYSTEM_NAMES = {"win32": "Windows", "darwin": "macOS"}


def _suggest_omission(requirement: Requirement, matching: Iterable[IndexFile], *, direct: bool) -> list[str]:
    """Return how a distribution that is for another system alone is left out for Lambda; a marker, if it is `direct`."""
    system = _other_system(matching)
    if system is None:
        return []
    marked = [f"add a marker, as in '{requirement}; sys_platform == \"{system}\"'"] if direct else []
    return [*marked, f"leave it out with packaging=Packaging(provided=['{requirement.name}'])"]


def suggest_omission_of(release: str, version: str, files: Iterable[IndexFile], *, direct: bool) -> list[str]:
    """Return how a release is left out whose sources can't be built, if all of its wheels are for one other system.

    Example:
        `suggest_omission_of("pyobjc-core", "10.0", files, direct=True)` names a marker for macOS.
    """
    matching = [file for file in files if str(file.version) == version]
    system = _other_system(matching)
    ways = _suggest_omission(Requirement(f"{release}=={version}"), matching, direct=direct)
    return [f"if it is for {_SYSTEM_NAMES[system]} alone, {' or '.join(ways)}"] if system else []


def _other_system(files: Iterable[IndexFile]) -> str | None:
    """Return the one other system that all wheels of these files are for, as `sys_platform` names it."""
    platforms = {tag.platform for file in files for tag in file.tags}
    for start, system in _OTHER_SYSTEMS.items():
        if platforms and all(platform.startswith(start) for platform in platforms):
            return system
    return None


def _explain_local_version(requirement: Requirement) -> str:
    """Return what to do about a pin of a local version (PEP 440), which public indexes don't have; "" for none."""
    pin = _pinned_version(requirement)
    local = Version(pin).local if pin else None
    if local is None:
        return ""
    public = f"{requirement.name}=={Version(pin).public}" if pin else ""
    if re.match("ubuntu|debian|deb", local):
        return f". '+{local}' marks a package of the operating system, which pip freeze lists too: remove the line"
    return f". Only the index that it was from has '+{local}': name it with --extra-index-url, or write '{public}'"


def _fitting(files: Iterable[IndexFile], target: Target) -> list[IndexFile]:
    return [file for file in files if not file.tags.isdisjoint(target.tags)]


def _reason_unfit(matching: list[IndexFile], target: Target) -> str:
    """Return why releases that satisfy the requirement have no file for the target."""
    wheels = [file for file in matching if file.tags]
    fitting = _fitting(wheels, target)
    if wheels and not fitting:
        return f"has wheels, but none that {target} loads: {_explain_tags(wheels, target)}"
    demands = sorted({file.requires_python for file in fitting or matching if file.requires_python})
    if demands and not any(target.accepts_python(file.requires_python) for file in fitting or matching):
        return f"requires Python {' or '.join(demands)}, but {target} has {target.runtime.full_version}"
    if not wheels:
        return "has no wheel, only an sdist, and allow_build is False"
    details = {"newer than uploaded_prior_to allows" if file.is_late else file.detail for file in fitting}
    return f"has wheels, but pip takes none for {target}: {'; '.join(sorted(details))}"


def _explain_tags(wheels: list[IndexFile], target: Target) -> str:
    machine, system = target.architecture.machine, target.runtime.system
    tags = {tag for file in wheels for tag in file.tags}
    glibcs = [
        glibc
        for tag in tags
        if target.accepts_tag(f"{tag.interpreter}-{tag.abi}-linux_{machine}")
        and (glibc := manylinux_glibc(tag.platform, machine))
    ]
    if glibcs:
        needed, has = ("{}.{}".format(*glibc) for glibc in (min(glibcs), system.glibc))
        return f"they need glibc {needed}, {target.runtime.name} has {has} ({system.name})"
    platforms = {tag.platform for tag in target.tags}
    pythons = {tag.interpreter for tag in tags if tag.platform in platforms}
    names = sorted(pythons or {tag.platform for tag in tags})
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"theirs are for {', '.join(names[:8])}{more}"


def ways_out(
    name: str,
    files: Iterable[IndexFile],
    *further: str,
    first: Iterable[str] = (),
    after: Version | None = None,
) -> str:
    """Return what to do about a distribution without a wheel for the target.

    The `first` ways come before what an index offers, and `further` ones after it. `after` is the version that has none.
    """
    usable = [file.version for file in files if file.accepted and file.tags and not file.yanked]
    finals = [version for version in usable if not version.is_prerelease] or usable
    ways = [*first, *([f"require a version with such a wheel: {_name_first(finals, after)}"] if finals else [])]
    if other := _WHEELS_ELSEWHERE.get(name.lower()):
        ways.append(f"require {other}, the same with wheels")
    ways += ["put the package, built for the target, into vendor/", *further]
    return f"Either {', or '.join(ways)}" if len(ways) > 1 else f"A way out: {ways[0]}"


def _name_first(versions: Collection[Version], after: Version | None) -> str:
    """Name the newest of the versions, and the first after another one, which is the smallest step from there."""
    newest, later = max(versions), [version for version in versions if after is not None and version > after]
    if not later or min(later) == newest:
        return f"the newest is {newest}"
    return f"the first after {after} is {min(later)}, the newest {newest}"


def _list_versions(versions: list[Version], requirement: Requirement) -> str:
    """Name the newest versions, and those next to the one that was asked for."""
    chosen = {*versions[-3:]}
    if pin := _pinned_version(requirement):
        chosen |= {*[version for version in versions if version < Version(pin)][-1:]}
        chosen |= {*[version for version in versions if version > Version(pin)][:1]}
    text = ", ".join(map(str, sorted(chosen)))
    return text if len(chosen) == len(versions) else f"{len(versions)}, among them {text}"


def _pinned_version(requirement: Requirement) -> str | None:
    exact = (spec.version for spec in requirement.specifier if spec.operator == "==")
    return next((version for version in exact if not version.endswith("*")), None)
