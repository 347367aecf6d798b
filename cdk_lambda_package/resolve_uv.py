"""Resolve requirements for a target with uv, the second resolver. Opt-in.

`uv pip compile` knows foreign platforms itself, but not manylinux_2_26, that of Amazon Linux 2: its 2_28 takes wheels
that don't load there, its 2_17 leaves out some that do. So it resolves with the next newer one that it knows, and what
has no wheel for the target is excluded until everything has. uv's own configuration counts, and of pip's the PIP_*
variables that say where and of what date packages are.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package._pip_urls import input_digest, without_credentials
from cdk_lambda_package.credentials import hide_credentials
from cdk_lambda_package.errors import (
    ConflictingRequirementsError,
    IndexUnreachableError,
    NoWheelError,
    RequirementsError,
    RequirementSyntaxError,
    UnknownPackageError,
    UnknownVersionError,
)
from cdk_lambda_package.lock_export import find_uv
from cdk_lambda_package.requirements_file import (
    RequirementLine,
    has_requirements,
    read_index_options,
    read_requirements,
)
from cdk_lambda_package.resolution import TOOL, Resolution, ResolutionRequest, relative_to_entry
from cdk_lambda_package.resolve import Finished, Runner, run_process
from cdk_lambda_package.selection import select_wheels
from cdk_lambda_package.target import Target

# What `uv pip compile --python-platform` knows of glibc, behind manylinux_2_; `uv pip compile --help` lists it.
_KNOWN_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
# Releases in a row that lack a wheel, before we give up.
_MOST_RUNS = 100
_VARIABLES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_UPLOADED_PRIOR_TO": "UV_EXCLUDE_NEWER",
}
# uv's words for what went wrong, in the order in which they are looked for.
_KINDS: tuple[tuple[str, type[RequirementsError]], ...] = (
    (r"Couldn't parse requirement|Expected .* after|Unexpected '", RequirementSyntaxError),
    (r"error sending request|Failed to fetch|dns error|[Cc]onnection refused", IndexUnreachableError),
    (r"was not found in the (package registry|provided)", UnknownPackageError),
    (r"no usable wheels|no wheels with a matching|no matching (Python|platform)", NoWheelError),
    (r"there (is|are) no versions? of .* and you require \S+, we can conclude that your req", UnknownVersionError),
    (r"No solution found", ConflictingRequirementsError),
)


def resolve_with_uv(request: ResolutionRequest, *, runner: Runner = run_process) -> Resolution:
    """Return the wheels that the requirements come to on the target.

    Raises the kinds of `RequirementsError` in uv's words, and `ToolError` where uv isn't installed.
    """
    lines = _read_lines(request)
    excluded: dict[str, None] = {}
    unfit: list[str] = []
    sure = request.target.runtime.system.glibc[1] in _KNOWN_GLIBC
    for _ in range(_MOST_RUNS):
        try:
            content = _compile(request, tuple(excluded), runner, edges=sure)
        except (ConflictingRequirementsError, UnknownVersionError) as error:
            if not excluded:
                raise
            releases = ", ".join(excluded).replace("!=", " ")
            raise NoWheelError(
                f"{error}\nLeft out were {releases}, which have no wheel for {request.target}."
            ) from error
        unfit = _find_unfit(content, request.target, lines)
        if not unfit and not sure:
            # Now that all fits, once more for who needs what.
            sure = True
            continue
        if not unfit:
            return _make_resolution(request, content, lines)
        excluded |= dict.fromkeys(unfit)
    raise NoWheelError(f"No release that uv found has a wheel for {request.target} of {', '.join(sorted(unfit))}.")


def _read_lines(request: ResolutionRequest) -> tuple[RequirementLine, ...]:
    path = request.requirements
    lines = read_requirements(path) if path is not None and has_requirements(path) else ()
    for line in lines:
        if (requirement := _parse(line.text)) is not None:
            # Raises for a marker that nobody can evaluate; uv would evaluate it to nothing.
            request.target.accepts_marker(requirement.marker)
    return lines


def _parse(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _compile(request: ResolutionRequest, excluded: tuple[str, ...], runner: Runner, *, edges: bool) -> dict[str, Any]:
    """Return uv's lock, with `edges` also who needs what."""
    content = _run(request, [*map(_plain, request.extra)], excluded, runner, edges=edges)
    names = {package["name"] for package in content["packages"]} | set(map(canonicalize_name, request.provided))
    bare = [line for line in request.bare if canonicalize_name(Requirement(line).name) not in names]
    if bare:
        options = read_index_options(request.requirements) if request.requirements else ()
        alone = _run(request, [*options, *bare], excluded, runner, alone=True)
        content["packages"] += alone["packages"]
        content["bare"] = [package["name"] for package in alone["packages"]]
    return content


def _plain(line: str) -> str:
    return line.partition("#sha256=")[0]


def _run(
    request: ResolutionRequest,
    more: list[str],
    excluded: tuple[str, ...],
    runner: Runner,
    *,
    edges: bool = False,
    alone: bool = False,
) -> dict[str, Any]:
    uses_file = request.requirements is not None and has_requirements(request.requirements) and not alone
    if not uses_file and not more:
        return {"packages": []}
    with tempfile.TemporaryDirectory(prefix="cdk-lambda-package-") as directory:
        folder = Path(directory)
        argv = _make_argv(request, folder, excluded, more, alone=alone)
        argv += [relative_to_entry(request.requirements, request.entry)] if uses_file and request.requirements else []
        outputs = folder / "pylock.toml", folder / "edges.txt"
        forms = ["--format=pylock.toml"], ["--format=requirements.txt", "--annotation-style=line"]
        # uv's lock has no edges, and its list no files: both at once cost hardly more than one.
        with ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(runner, [*argv, *form, f"--output-file={output}"], request.entry, _environment(request))
                for form, output in [*zip(forms, outputs, strict=True)][: 1 + edges]
            ]
        for run in runs:
            _check(run.result(), request)
        needs = _read_edges(outputs[1].read_text(encoding="utf-8")) if edges else {}
        content = without_credentials(tomllib.loads(outputs[0].read_text(encoding="utf-8")))
    packages = [{**row, "dependencies": needs.get(row["name"], [])} for row in content.get("packages", ())]
    return {"packages": packages}


def _make_argv(
    request: ResolutionRequest, folder: Path, excluded: tuple[str, ...], more: list[str], *, alone: bool
) -> list[str]:
    version = request.target.runtime.full_version
    argv = [find_uv(), "pip", "compile", "--quiet", "--no-header", "--only-binary=:all:", "--no-python-downloads"]
    argv += [
        f"--python={sys.executable}",
        f"--python-version={version}",
        f"--python-platform={_platform(request.target)}",
    ]
    argv += ["--no-deps"] if alone else []
    never = [f"{name} ; python_version < '0'" for name in request.provided]
    kept = [f"{name}=={version}" for name, version in request.preferred]
    for name, option, lines in (
        ("more.in", "", more),
        ("x.txt", "--constraint", excluded),
        ("no.txt", "--override", never),
    ):
        if lines:
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
            argv += [option] * bool(option) + [str(folder / name)]
    # uv prefers the versions that its output file has already.
    for name in ("pylock.toml", "edges.txt") if kept else ():
        (folder / name).write_text(_existing(request.preferred, name), encoding="utf-8")
    return argv


def _existing(preferred: Iterable[tuple[str, str]], name: str) -> str:
    if name == "edges.txt":
        return "".join(f"{name}=={version}\n" for name, version in preferred)
    rows = (f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in preferred)
    return 'lock-version = "1.0"\ncreated-by = "uv"\n' + "".join(rows)


def _platform(target: Target) -> str:
    """Return uv's name for the target, or for the next newer C library that it knows."""
    minor = next(known for known in _KNOWN_GLIBC if known >= target.runtime.system.glibc[1])
    return f"{target.architecture.machine}-manylinux_2_{minor}"


def _environment(request: ResolutionRequest) -> dict[str, str]:
    environment = {**os.environ, **dict(request.pip_environment), "UV_PYTHON_DOWNLOADS": "never"}
    for theirs, ours in _VARIABLES.items():
        if environment.get(theirs):
            separator = "," if ours == "UV_FIND_LINKS" else " "
            environment.setdefault(ours, separator.join(environment[theirs].split()))
    for name in ("UV_PYTHON", "UV_UNIVERSAL", "UV_NO_BINARY", "VIRTUAL_ENV"):
        environment.pop(name, None)
    return environment


def _check(finished: Finished, request: ResolutionRequest) -> None:
    if finished.status == 0:
        return
    said = hide_credentials(finished.output, os.environ).strip()
    # uv wraps its sentences.
    plain = " ".join(said.split())
    kind = next((kind for words, kind in _KINDS if re.search(words, plain)), RequirementsError)
    raise kind(f"uv can't resolve the requirements for {request.target}: {said.removeprefix('error: ')}")


def _read_edges(text: str) -> dict[str, list[dict[str, str]]]:
    """Return by name what each package needs, from uv's list, where each line says who needs it."""
    needs: dict[str, list[dict[str, str]]] = {}
    for line in text.splitlines():
        what, _, parents = line.partition("# via ")
        name = canonicalize_name(re.split(r"[=\s@]", what.strip())[0])
        for parent in parents.split(","):
            if parent.strip() and not re.match(r"\s*(-|/|\w:)", parent):
                needs.setdefault(canonicalize_name(parent.strip()), []).append({"name": name})
    return needs


def _find_unfit(content: Mapping[str, Any], target: Target, lines: Iterable[RequirementLine]) -> list[str]:
    """Return what to exclude: releases none of whose wheels the target loads, or that have a hash nobody asked for."""
    hashes = _hashes(lines)
    unfit = []
    for row in content["packages"]:
        if "wheels" not in row:
            continue
        allowed = hashes.get(row["name"])
        row["wheels"] = [one for one in row["wheels"] if allowed is None or one["hashes"].get("sha256") in allowed]
        names = [one.get("name") or re.split(r"[/\\]", one.get("url") or one["path"])[-1] for one in row["wheels"]]
        if not any(target.accepts_wheel(name.replace("%2B", "+")) for name in names):
            unfit.append(f"{row['name']}!={row['version']}")
    return unfit


def _hashes(lines: Iterable[RequirementLine]) -> dict[str, set[str]]:
    named = ((requirement, line) for line in lines if (requirement := _parse(line.text)) is not None)
    return {canonicalize_name(requirement.name): set(line.hashes) for requirement, line in named if line.hashes}


def _make_resolution(
    request: ResolutionRequest, content: Mapping[str, Any], lines: tuple[RequirementLine, ...]
) -> Resolution:
    asked = [_parse(text) for text in (*(line.text for line in lines), *request.extra, *request.bare)]
    rows = [
        {"name": canonicalize_name(one.name), "extras": sorted(one.extras)}
        for one in asked
        if one is not None and request.target.accepts_marker(one.marker)
    ]
    packages = [{**row, "wheels": row["wheels"]} if "wheels" in row else row for row in content["packages"]]
    for row in packages:
        row.pop("sdist", None) if row.get("wheels") else None
    tool = {"target": str(request.target), "requirements": rows, "bare": content.get("bare", [])}
    pylock = Pylock.from_dict({"lock-version": "1.0", "created-by": TOOL, "packages": packages, "tool": {TOOL: tool}})
    wheels = select_wheels(pylock, request.target)
    pinned = bool(wheels) and {wheel.name for wheel in wheels} <= _hashes(lines).keys()
    files = {line.path for line in lines} | ({request.requirements} if request.requirements else set())
    return Resolution(
        lock=json.dumps(pylock.to_dict(), default=str),
        wheels=wheels,
        pinned=pinned,
        files=tuple(
            sorted((relative_to_entry(path, request.entry), input_digest(path.read_bytes())) for path in files)
        ),
    )
