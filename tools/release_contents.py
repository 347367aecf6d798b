"""The facts about a release that its files show: the version, the changelog's section, and the content of the wheel and the sdist.

Each `check_…` returns what is right in a few words, or raises `ReleaseError` with what is wrong and its fix.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Collection, Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

PROJECT = "cdk-lambda-package"
PACKAGE = "cdk_lambda_package"
UNRELEASED = "unreleased"

# Where the pages of findings are in a checkout, and in a wheel.
_PAGES = "docs/reference/checks", f"{PACKAGE}/checks/pages"
_SBOM = f"{PROJECT}.cdx.json"
# What hatchling writes into .dist-info, beside the licence and the SBOM.
_METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", f"sboms/{_SBOM}")
# How many names a message shows.
_SHOWN = 5


class ReleaseError(Exception):
    """Something that a release must not have."""


class Section(NamedTuple):
    """A version's section of the changelog: the date or `unreleased`, and the text below the heading."""

    dated: str
    body: str


def read_version(root: Path) -> str:
    """Return the version that pyproject.toml has; there is no other place."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def read_section(changelog: str, version: str) -> Section:
    r"""Return the section of a version. Raises `ReleaseError` if there is none.

    Example:
        `read_section("## 0.1.0 (2026-12-01)\\n\\n- First.\\n", "0.1.0").dated` is `"2026-12-01"`.
    """
    found = re.search(rf"^## {re.escape(version)} \(([^)]*)\)\n(.*?)(?=^## |\Z)", changelog, re.M | re.S)
    if found is None:
        raise ReleaseError(f"CHANGELOG.md has no section '## {version} (unreleased)', nor one with a date: add it")
    return Section(found[1], found[2].strip())


def check_changelog(changelog: str, version: str, *, release: bool) -> str:
    """Require a section with a text for the version: dated if it is released, else `unreleased` or dated."""
    section = read_section(changelog, version)
    if not re.search(r"^- ", section.body, re.M):
        raise ReleaseError(f"the section of {version} in CHANGELOG.md has no entry")
    if section.dated == UNRELEASED:
        if release:
            raise ReleaseError(f"CHANGELOG.md says '## {version} (unreleased)': write the date, such as (2026-12-01)")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", section.dated):
        raise ReleaseError(f"CHANGELOG.md dates {version} with '{section.dated}': write 2026-12-01, or unreleased")
    return f"{version} ({section.dated})"


def check_version(root: Path, dist: Path) -> str:
    """Require the version of pyproject.toml in the names and the metadata of the built files, and nowhere else in the library."""
    version = read_version(root)
    for path in (root / PACKAGE).rglob("*.py"):
        if re.search(r"^__version__\b", path.read_text(encoding="utf-8"), re.M):
            raise ReleaseError(f"{path.relative_to(root)} has a version of its own: read it by importlib.metadata")
    wheel, sdist = find_files(dist)
    wanted = [f"{PACKAGE}-{version}-py3-none-any.whl", f"{PACKAGE}-{version}.tar.gz"]
    if [wheel.name, sdist.name] != wanted:
        raise ReleaseError(f"the files are {wheel.name} and {sdist.name}, not {' and '.join(wanted)}")
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{PACKAGE}-{version}.dist-info/METADATA").decode()
    found = HeaderParser().parsestr(metadata)["Version"]
    if found != version:
        raise ReleaseError(f"the wheel's metadata has version {found}, and pyproject.toml {version}")
    return f"{version}, from pyproject.toml"


def find_files(dist: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist. Raises `ReleaseError` if the folder has others, or not both."""
    files = sorted(dist.glob("*"), key=lambda path: path.suffix != ".whl")
    if [path.suffix for path in files] != [".whl", ".gz"]:
        raise ReleaseError(
            f"{dist} has {_list([path.name for path in files])}, and should have one wheel and one sdist"
        )
    return files[0], files[1]


def check_wheel(wheel: Path, tracked: Collection[str]) -> str:
    """Require in a wheel the library's files that git tracks, the pages of findings, the metadata, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        content = {name: archive.read(name) for name in names}
    if len(content) != len(names):
        raise ReleaseError(f"{wheel.name} has two files of one name")
    info = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    source, place = _PAGES
    wanted = {name for name in tracked if name.startswith(f"{PACKAGE}/")}
    wanted |= {f"{place}/{name.removeprefix(f'{source}/')}" for name in tracked if name.startswith(f"{source}/")}
    wanted |= {f"{info}/{name}" for name in _METADATA}
    _compare(wheel.name, content.keys(), wanted)
    if f"{PACKAGE}/py.typed" not in content:
        raise ReleaseError(f"{wheel.name} has no {PACKAGE}/py.typed, without which type checkers ignore its types")
    _check_record(content, info)
    return f"{len(content)} files, {wheel.stat().st_size / 1e3:,.0f} kB"


def _check_record(content: dict[str, bytes], info: str) -> None:
    rows = [line.rsplit(",", 2) for line in content[f"{info}/RECORD"].decode().splitlines()]
    said = {name: digest for name, digest, _ in rows}
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if name != f"{info}/RECORD" and said.get(name) != f"sha256={digest}":
            raise ReleaseError(f"RECORD doesn't have the hash of {name}")


def check_sdist(sdist: Path, tracked: Collection[str]) -> str:
    """Require in an sdist each file that git tracks, its metadata, and nothing else: what it takes to run the tests."""
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.removeprefix(f"{top}/") for member in archive if not member.isdir()}
    _compare(sdist.name, names, {*tracked, "PKG-INFO"})
    return f"{len(names)} files, {sdist.stat().st_size / 1e3:,.0f} kB"


def _compare(name: str, found: Collection[str], wanted: Collection[str]) -> None:
    if missing := sorted(set(wanted) - set(found)):
        raise ReleaseError(f"{name} lacks {_list(missing)}")
    if further := sorted(set(found) - set(wanted)):
        raise ReleaseError(f"{name} has files that git doesn't track: {_list(further)}")


def _list(names: Sequence[str]) -> str:
    if not names:
        return "no file"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def check_sbom(wheel: Path, version: str) -> str:
    """Require a valid SBOM of the wheel in it: CycloneDX 1.6, of this version, with the licence of each component."""
    # Imported here: the tool may run where only the suite is run.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if PurePosixPath(name).parent.name == "sboms")
        text = archive.read(name).decode()
    if (problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ReleaseError(f"{name} isn't valid CycloneDX 1.6: {problem}")
    sbom = json.loads(text)
    own = sbom["metadata"]["component"]
    if (own["name"], own["version"]) != (PROJECT, version):
        raise ReleaseError(f"{name} is of {own['name']} {own['version']}, not of {PROJECT} {version}")
    return f"{name.rpartition('/')[2]}: {', '.join(_describe(sbom)) or 'nothing of others'}"


def _describe(sbom: dict[str, Any]) -> Iterator[str]:
    for component in sbom["components"]:
        yield f"{component['name']} {component['version']}"


def check_equal(first: Path, second: Path) -> str:
    """Require the same bytes in the files of two builds."""
    for one, other in zip(find_files(first), find_files(second), strict=True):
        if one.read_bytes() != other.read_bytes():
            raise ReleaseError(f"{one.name} has other bytes in a second build: compare {one} and {other}")
    return "two builds, in other folders and time zones, have the same bytes"
