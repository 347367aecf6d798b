"""Turn what pip couldn't do into errors in the user's terms. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import parse_wheel_filename

from cdk_lambda_package.errors import (
    ConflictingRequirementsError,
    HashMismatchError,
    IndexUnreachableError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.requirements.availability import Problem, explain, read_index_files
from cdk_lambda_package.requirements.resolution import find_place
from cdk_lambda_package.resolving.supply_errors import find_supply_problems
from cdk_lambda_package.resolving.unasked_indexes import name_cause
from cdk_lambda_package.target import UNKNOWABLE_VARIABLES, Target

SUPPORTED_PIP = "pip>=23.2,<27"
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
        _find_pip_problems,
        _find_forbidden,
        _find_malformed,
        _find_refused,
        _find_hash_problems,
        _find_unreachable,
        _find_unsatisfiable,
        _find_conflict,
        _find_unloadable,
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


def _find_pip_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    if error.get("kind") == "no-pip":
        message = f"pip isn't installed beside this library ({error['message']}), and pip resolves the requirements"
        yield Problem(kind=RequirementsError, message=f"{message}. {SUPPORTED_PIP_HINT}".rstrip("."))
    if error.get("kind") == "unsupported-pip":
        message = f"pip {result.get('pip')} isn't supported: it has no {error['message']}"
        yield Problem(kind=RequirementsError, message=f"{message}. {SUPPORTED_PIP_HINT}".rstrip("."))


def _find_forbidden(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    return find_supply_problems(result, entry)


def _find_malformed(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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


def _find_refused(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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
        if problem := _find_row_problem(row, target, entry, builds="sources" in result):
            yield problem
    error = result.get("error", {})
    # packaging raised a KeyError for some releases.
    unknowable = error.get("type") == "KeyError" and error["message"].strip("'") in UNKNOWABLE_VARIABLES
    if unknowable or error.get("type") in ("UndefinedEnvironmentName", "UndefinedComparison"):
        whose = f"{error['preparing']} has a dependency whose marker" if error["preparing"] else "A marker"
        message = f"{whose} can't be evaluated for {target}: {error['message']}. Require another version of it"
        yield Problem(kind=UnsupportedRequirementError, message=message)


def _find_row_problem(row: Result, target: Target, entry: Path, *, builds: bool) -> Problem | None:
    prefix, text = _prefix(row, entry), row["requirement"]
    if row["applies"] is None:
        accepted = ", ".join(sorted(target.environment))
        unknowable = [name for name in UNKNOWABLE_VARIABLES if name in row["marker"]]
        reason = f"nobody can know {unknowable[0]} before it runs there" if unknowable else row["marker_error"]
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


def _find_hash_problems(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
    error = result.get("error", {})
    for row in error.get("hashes", ()):
        for algorithm, expected in row["expected"].items():
            message = (
                f"{_prefix(row, entry)}{row['requirement']}: the file isn't the one that its hash promises: expected {algorithm} "
                f"{' or '.join(expected)}, got {row['actual'].get(algorithm)}. If you changed the version, update the "
                "hash; else find out who changed the file"
            )
            yield Problem(kind=HashMismatchError, message=message)


def _find_unreachable(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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


def _find_unsatisfiable(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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


def _find_conflict(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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


def _find_unloadable(result: Result, target: Target, entry: Path) -> Iterator[Problem]:
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
    place = find_place(row.get("comes_from"), entry)
    return f"{place[0]}:{place[1]}: " if place else ""
