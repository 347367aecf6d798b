"""Resolve where wheels alone don't do: pip says which sources it met, they are built, and it is asked again.

pip's own process runs nothing of a source (see `inside_pip/sources.py`). Each round knows the wheels of what the rounds
before it met, so the last one resolves with nothing but what really is in the wheels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building.build_outcomes import BuiltWheel, FailedBuild
from cdk_lambda_package.building.sources import Source, find_members, read_source
from cdk_lambda_package.errors import RequirementsError
from cdk_lambda_package.processes import Runner
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import source_key

Result = dict[str, Any]

# Sources that only other sources lead to: nobody has seen a chain of this length.
_MOST_ROUNDS = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What pip is to be told: the wheels `built` of sources by the source's key, and projects that are `members`."""

    workspace: Path
    built: Mapping[str, tuple[Source, BuiltWheel]] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)

    @property
    def index_options(self) -> Path:
        """The file for the index options that the user's settings come to."""
        return self.workspace / "index-options.txt"

    @property
    def network_options(self) -> Path:
        """The file for the network options, as environment variables of pip's."""
        return self.workspace / "network-options.json"

    def as_job(self) -> dict[str, Any]:
        """Return it as `inside_pip/sources.py` reads it."""
        return {
            "workspace": str(self.workspace),
            "index_options": str(self.index_options),
            "network_options": str(self.network_options),
            "members": {name: path.as_uri() for name, path in self.members.items()},
            "built": {
                key: {
                    "name": wheel.name,
                    "filename": wheel.filename,
                    "metadata": wheel.metadata,
                    "path": str(source.path),
                }
                for key, (source, wheel) in self.built.items()
            },
        }


def wants_sources(result: Mapping[str, Any]) -> bool:
    """Tell whether a resolution of wheels alone failed where one that may build could succeed."""
    rows = (*result.get("requirements", ()), *result.get("refused", ()))
    if result.get("no_binary") or any(row["applies"] and row["form"] not in ("index", "wheel") for row in rows):
        return all(row["applies"] is not None for row in rows)
    links = (link for rows in result.get("links", {}).values() for link in rows)
    return not result.get("unreachable") and any(link["detail"].startswith("No sources permitted") for link in links)


def resolve_with_sources(
    request: ResolutionRequest,
    wheels_only: Mapping[str, Any],
    ask: Callable[[Known], Result],
    *,
    store: Store,
    runner: Runner,
) -> Result:
    """Return pip's result, with all sources in it built; `ask` runs pip, `wheels_only` is what it said before.

    The result's `built` has the wheels by their sources' keys. Raises `BuildError` naming every source of which no
    wheel can be built that the target loads.
    """
    with store.workspace() as workspace:
        known = Known(workspace=workspace)
        for _ in range(_MOST_ROUNDS):
            result = ask(known)
            met = [row for row in _find_needed(result) if row["key"] not in known.built]
            built = build_all(met, request, known, store=store, runner=runner, links=wheels_only.get("links", {}))
            known = _learn(known, built)
            result["install"] = _find_settled(result, built, request.target)
            if result["install"] is not None:
                return {**result, "built": dict(known.built)}
    raise RequirementsError(f"The sources of {request.requirements} lead to ever more sources; nothing is packaged.")


def _find_needed(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources that have to be built: where pip came to an end, not those that it considered on the way."""
    rows: list[Mapping[str, Any]] = list(result.get("sources", ()))
    if result["status"] != 0:
        return rows
    chosen = {(canonicalize_name(row["name"]), Version(row["version"])) for row in result["install"]}
    return [row for row in rows if (row["name"], Version(row["version"])) in chosen]


def build_all(
    met: Iterable[Mapping[str, Any]],
    request: ResolutionRequest,
    known: Known,
    *,
    store: Store,
    runner: Runner,
    links: Mapping[str, Any],
) -> dict[str, tuple[Source, BuiltWheel]]:
    """Build the sources that pip met, and return them with their wheels by key; `links` are what indexes have, by name.

    Raises `BuildError` naming every source of which no wheel can be built that the target loads.
    """
    sources = {row["key"]: read_source(row, store) for row in met}
    if not sources:
        return {}
    # Imported here: most resolutions build nothing.
    from cdk_lambda_package.building.build_errors import explain_failures
    from cdk_lambda_package.building.builds import Builder

    builder = Builder(request, store, (known.index_options, known.network_options), runner)
    outcomes = {key: (source, builder.build(source)) for key, source in sources.items()}
    failures = [outcome for _, outcome in outcomes.values() if isinstance(outcome, FailedBuild)]
    if failures:
        raise explain_failures(failures, request, links)
    return {key: (source, wheel) for key, (source, wheel) in outcomes.items() if isinstance(wheel, BuiltWheel)}


def _find_settled(
    result: Mapping[str, Any], built: Mapping[str, tuple[Source, BuiltWheel]], target: Target
) -> list[dict[str, Any]] | None:
    """Return what pip chose if what was built since leaves nothing to ask; else None, and pip is asked again.

    pip chose with stand-ins that need nothing. If the wheels need nothing either, it would choose the same again.
    """
    wheels = {(wheel.name, Version(wheel.version)): wheel for _, wheel in built.values()}
    rows = []
    for row in result.get("install", ()) if result["status"] == 0 else ():
        wheel = wheels.pop((canonicalize_name(row["name"]), Version(row["version"])), None)
        headers = HeaderParser().parsestr(wheel.metadata if wheel else "")
        if {"Requires-Dist", "Provides-Extra"} & set(headers) or not target.accepts_python(headers["Requires-Python"]):
            return None
        rows.append({**row, "requires_python": headers["Requires-Python"]} if wheel else row)
    return rows if result["status"] == 0 and not wheels else None


def _learn(known: Known, built: Mapping[str, tuple[Source, BuiltWheel]]) -> Known:
    everything = {**known.built, **built}
    projects = [source.path for source, _ in everything.values() if source.kind == "directory"]
    return Known(workspace=known.workspace, built=everything, members=find_members(projects))


def find_built(built: Mapping[str, tuple[Source, BuiltWheel]], url: str | None) -> tuple[Source, BuiltWheel] | None:
    """Return the source of a requirement's URL, and its wheel."""
    return built.get(source_key(url)) if url else None
