"""Hold uv to where files may come from and of when. Pure.

uv can't be watched while it asks indexes, as pip is. So what it would ask is looked at first, and its own configuration
files, which may name more, aren't read; what came of it is looked at behind (see `supply_chain`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from cdk_lambda_package.errors import OptionError, SupplyChainError
from cdk_lambda_package.inside_pip.supply import is_allowed
from cdk_lambda_package.requirements.default_index import find_default_index
from cdk_lambda_package.requirements.requirements_file import RequirementLine, read_index_options
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.requirements.upload_limit import read_upload_limit
from cdk_lambda_package.resolving.supply_errors import explain_file, explain_index

# A requirement that says where it is, with its name or without.
_FILE = re.compile(
    r"(?:(?:-e|--editable)[ =]+)?(?:(?P<name>[\w.-]+)\s*(?:\[[^\]]*\])?\s*@\s*)?(?P<url>(?:\w+\+)?\w+://[^\s;]+)"
)
_DEFAULTS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_FURTHER = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def limit_uv(request: ResolutionRequest, environment: Mapping[str, str], now: datetime) -> list[str]:
    """Return the options that hold uv to the request's rules; a limit that the user set besides counts if stricter."""
    options = [] if request.only_index is None else ["--no-config"]
    if request.uploaded_prior_to is None:
        return options
    limits = [request.uploaded_prior_to.instant]
    try:
        own = read_upload_limit(environment.get("UV_EXCLUDE_NEWER"), now)
    except OptionError:
        # In a form that only uv knows; ours is the one that was asked for here.
        own = None
    limits += [own.instant] if own else []
    return [*options, f"--exclude-newer={min(limits).isoformat()}"]


def refuse_places(request: ResolutionRequest, environment: Mapping[str, str], lines: Iterable[RequirementLine]) -> None:
    """Raise `SupplyChainError` naming each index and file that uv would ask for on a host that isn't allowed."""
    hosts = request.only_index
    if hosts is None:
        return
    problems = [
        explain_index(url) for url in dict.fromkeys(_find_places(request, environment)) if not is_allowed(url, hosts)
    ]
    for text in (*(line.text for line in lines), *request.extra):
        match = _FILE.match(text)
        if match and not is_allowed(match["url"], hosts):
            problems.append(explain_file(match["name"] or "A requirement", match["url"]))
    if problems:
        raise SupplyChainError("\n".join(f"{problem}." for problem in problems))


def _find_places(request: ResolutionRequest, environment: Mapping[str, str]) -> Iterator[str]:
    lines = read_index_options(request.requirements) if request.requirements else ()
    options = [tuple(line.partition(" ")[::2]) for line in lines]
    named = [value for option, value in options if option in ("-i", "--index-url")]
    named += [environment[name] for name in _DEFAULTS if environment.get(name)]
    if not environment.get("UV_NO_INDEX") and ("--no-index", "") not in options:
        yield from named or [find_default_index().url]
    yield from (value for option, value in options if option in ("--extra-index-url", "-f", "--find-links"))
    for name in _FURTHER:
        separator = "," if name == "UV_FIND_LINKS" else None
        # An index may have a name of its own in front.
        yield from (word.partition("=")[2] or word for word in environment.get(name, "").split(separator))
