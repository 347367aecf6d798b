"""Why something is in a package: of a distribution, a file or a folder, what brought it there. The manifest alone is read.

The JSON of an explanation has the schema docs/reference/explain.schema.json.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import PackageError, count, nearest
from cdk_lambda_package.requirements import find_chains

EXPLANATION_FORMAT = 1

_OWN, _VENDOR, _LAYER = "app", "vendor", "layer"
_KB = 1_000
_MOST_SHOWN = 8
_LOADED = {
    "certain": "at every start",
    "perhaps": "perhaps at start, under a condition or by a call that can't be decided",
    "later": "by functions that nothing is known to call at start",
}
# Where a layer has modules.
_MODULES = re.compile(r"^python/(?:lib/python3\.\d+/site-packages/)?")
_OWNERS = {_OWN: "the app", _VENDOR: "vendor/"}
_SOURCES = {
    _OWN: "It is from the entry directory: the handler's module or its folder, chalicelib/, or selected by `include`.",
    _VENDOR: "It is from vendor/, whose content is at the top level of the package.",
}

Manifest = Mapping[str, Any]


def explain(manifest: Manifest, subject: str) -> dict[str, Any]:
    """Return why a distribution, a file or a folder is in the package of a manifest, or why a distribution isn't.

    Raises `PackageError` if the package has nothing of this name.

    Example:
        `explain(made.manifest, "urllib3")["required_by"]`
    """
    name = canonicalize_name(subject.partition("==")[0])
    path = subject.strip("/").removeprefix("./")
    for found in (
        _explain_file(manifest, path),
        _explain_distribution(manifest, name),
        _explain_folder(manifest, path),
        _explain_absent(manifest, subject, name),
    ):
        if found is not None:
            return {"format": EXPLANATION_FORMAT, "subject": subject, **found}
    raise PackageError(_unknown(manifest, subject))


def _files(manifest: Manifest) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield each file, and whether it is in the layer of the dependencies."""
    yield from ((file, False) for file in manifest["files"])
    yield from ((file, True) for file in manifest.get(_LAYER, {}).get("files", ()))


def _explain_file(manifest: Manifest, path: str) -> dict[str, Any] | None:
    for file, in_layer in _files(manifest):
        if path in (file["path"], _MODULES.sub("", file["path"]) if in_layer else None):
            owner = file["owner"]
            distribution = _explain_distribution(manifest, owner.partition("==")[0]) if "==" in owner else None
            return {
                "kind": "file",
                **{name: file[name] for name in ("path", "owner", "size", "mode", "sha256")},
                "in_layer": in_layer,
                "compiled": "identity" in file,
                "import": _import_of(manifest, owner),
                "distribution": distribution,
            }
    return None


def _explain_folder(manifest: Manifest, path: str) -> dict[str, Any] | None:
    inside = [file for file, _ in _files(manifest) if file["path"].startswith(f"{path}/")]
    if not inside:
        return None
    sizes: Counter[str] = Counter()
    for file in inside:
        sizes[file["owner"]] += file["size"]
    return {
        "kind": "folder",
        "path": path,
        "files": len(inside),
        "size": sum(sizes.values()),
        "owners": [{"owner": owner, "size": size} for owner, size in sizes.most_common()],
    }


def _explain_distribution(manifest: Manifest, name: str) -> dict[str, Any] | None:
    row = next((one for one in manifest["distributions"] if one["name"] == name), None)
    if row is None:
        return _explain_vendored(manifest, name)
    owner = f"{name}=={row['version']}"
    requirers = {
        one["name"]: (*one["required_by"], *([""] if one["requested"] else [])) for one in manifest["distributions"]
    }
    rows = [{"requirement": one["requirement"], **_place(one)} for one in row.get("requirements", ())]
    stated = {one.get("by") for one in rows}
    return {
        "kind": "distribution",
        **{key: row[key] for key in ("name", "version", "wheel", "sha256", "origin", "requested", "required_by")},
        "index": row.get("index"),
        "requirements": rows,
        # Those of which only the fact is known, as of a requirement that pip-compile wrote into the requirements file.
        "required_otherwise": [one for one in row["required_by"] if one not in stated],
        "chain": [*find_chains(requirers).get(name, ()), name],
        "lock": manifest.get("lock"),
        "import": _import_of(manifest, owner),
        "decisions": list(_decisions(manifest, name)),
        "files": row["files"],
        "size": row["size"],
        "omitted": row.get("omitted", {}),
    }


def _place(row: Mapping[str, str]) -> dict[str, str]:
    return {key: row[key] for key in ("place", "by") if key in row}


def _explain_vendored(manifest: Manifest, name: str) -> dict[str, Any] | None:
    row = next((one for one in manifest["vendored"] if one["name"] == name), None)
    if row is None:
        return None
    return {
        "kind": "vendored",
        "name": name,
        "version": row["version"],
        "import": _import_of(manifest, _VENDOR),
        "decisions": list(_decisions(manifest, name)),
    }


def _explain_absent(manifest: Manifest, subject: str, name: str) -> dict[str, Any] | None:
    """Return why a distribution isn't there, if a decision says it."""
    decisions = list(_decisions(manifest, name)) or [
        one for one in manifest["decisions"] if subject in one["subject"].split()
    ]
    return {"kind": "absent", "name": name, "decisions": decisions} if decisions else None


def _decisions(manifest: Manifest, name: str) -> Iterator[Mapping[str, str]]:
    for one in manifest["decisions"]:
        about = one["subject"].partition(" ")[0].rstrip(":").partition("==")[0]
        if canonicalize_name(about) == name:
            yield one


def _import_of(manifest: Manifest, owner: str) -> Mapping[str, Any] | None:
    return next((one for one in manifest["imports"] if one["owner"] == owner), None)


def _unknown(manifest: Manifest, subject: str) -> str:
    names = [one["name"] for one in chain(manifest["distributions"], manifest["vendored"])]
    paths = [file["path"] for file, _ in _files(manifest)]
    tails = [path for path in paths if path.rpartition("/")[2] == subject.rpartition("/")[2]]
    near = nearest(subject, names) or tails or nearest(subject, paths)
    advice = (
        f"Did you mean {near[0]!r}?"
        if near
        else "`cdk-lambda-package ls` lists the files, and `check` says which modules are missing."
    )
    return f"{subject!r} is neither a distribution nor a file or folder of the package. {advice}"


def format_explanation(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of an explanation for people.

    Example:
        `print(*format_explanation(explain(made.manifest, "urllib3")), sep=os.linesep)`
    """
    yield from _FORMATS[found["kind"]](found)


def _format_distribution(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['name']} {found['version']}: {_amount(found)}"
    yield ""
    yield from _table(
        [
            ("required by", _requirers(found)),
            ("chain", [" → ".join(found["chain"])]),
            ("version", [_version(found)]),
            ("wheel", [found["wheel"]]),
            ("from", [found["index"] or found["origin"]]),
            ("imported", [_imported(found["import"])]),
            ("decided", _reasons(found["decisions"])),
        ]
    )


def _requirers(found: Mapping[str, Any]) -> list[str]:
    own = [f"{one['place']}: {one['requirement']}" for one in found["requirements"] if "place" in one]
    if found["requested"] and not own:
        own = ["the app's own requirements"]
    others = [f"{one['by']}: {one['requirement']}" for one in found["requirements"] if "by" in one]
    return [*own, *others, *found["required_otherwise"]]


def _version(found: Mapping[str, Any]) -> str:
    if found["lock"]:
        return f"{found['version']}, which {found['lock']} pins"
    if any(_is_pin(one["requirement"]) for one in found["requirements"]):
        return f"{found['version']}, which a requirement pins"
    if any("@" in one["requirement"] for one in found["requirements"]):
        return f"{found['version']}, that of the URL or path which is required"
    return f"{found['version']}, the version that pip chose for these requirements; no lock pins it"


def _is_pin(text: str) -> bool:
    try:
        specifiers = Requirement(text).specifier
    except InvalidRequirement:
        return False
    return any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in specifiers)


def _imported(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "never: no import leads to it, and it may be loaded by name"
    ways = " → ".join(f"{link['path']}:{link['line']}" for link in _shortened(found["chain"]))
    return f"{_LOADED[found['loaded']]}{ways and f': {ways}'}"


def _shortened(links: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return links if len(links) <= _MOST_SHOWN else (*links[: _MOST_SHOWN // 2], *links[-_MOST_SHOWN // 2 :])


def _format_vendored(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['name']} {found['version']}"
    yield ""
    yield from _table(
        [
            ("from", [_SOURCES[_VENDOR]]),
            ("imported", [f"vendor/ is imported {_imported(found['import'])}"] if found["import"] else []),
            ("decided", _reasons(found["decisions"])),
        ]
    )


def _format_absent(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['name']} isn't in the package."
    yield ""
    yield from _table([("decided", _reasons(found["decisions"]))])


def _format_folder(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['path']}/: {_amount(found)}"
    yield ""
    owners = [f"{one['owner']}, {one['size'] / _KB:,.1f} KB" for one in found["owners"]]
    more = [f"{len(owners) - _MOST_SHOWN} more"] if len(owners) > _MOST_SHOWN else []
    yield from _table([("of", [*owners[:_MOST_SHOWN], *more])])


def _format_file(found: Mapping[str, Any]) -> Iterator[str]:
    where = " in the layer" if found["in_layer"] else ""
    yield f"{found['path']}{where}: {found['size']:,} bytes, mode {found['mode']}, of {found['owner']}"
    yield ""
    if found["compiled"]:
        yield "It is the bytecode of a module, which `bytecode` added."
    if found["distribution"] is not None:
        yield from _format_distribution(found["distribution"])
        return
    owner = _OWNERS.get(found["owner"], found["owner"])
    imported = [f"{owner} is imported {_imported(found['import'])}"] if found["import"] is not None else []
    yield from _table([("from", [_SOURCES.get(found["owner"], found["owner"])]), ("imported", imported)])


def _reasons(decisions: Iterable[Mapping[str, str]]) -> list[str]:
    return [f"{one['subject']}: {one['reason']} [{one['decision']}]" for one in decisions]


def _amount(found: Mapping[str, Any]) -> str:
    omitted = sum(found.get("omitted", {}).values())
    more = f"; `slim` left out {count(omitted, 'file')}" if omitted else ""
    return f"{count(found['files'], 'file')} with {found['size'] / _KB:,.1f} KB{more}"


def _table(rows: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    for heading, lines in rows:
        for number, line in enumerate(lines):
            yield f"  {heading if number == 0 else '':<12} {line}"


_FORMATS = {
    "distribution": _format_distribution,
    "vendored": _format_vendored,
    "absent": _format_absent,
    "folder": _format_folder,
    "file": _format_file,
}
