"""The page of a JSON schema, as tables of keys; tools/reference.py writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_Schema = Mapping[str, Any]


def schema_page(path: Path, note: str, introduction: str) -> str:
    """Return the page of a schema: a table for each object, and the example of the schema.

    Example:
        `schema_page(Path("docs/reference/manifest.schema.json"), "<!-- … -->", "`build --manifest` writes it.")`
    """
    schema = json.loads(path.read_text(encoding="utf-8"))
    lines = [f"# {schema['title']}", "", note, "", schema["description"], "", introduction, ""]
    lines += [f"[{path.name}]({path.name}) is its JSON schema.", "", "| key | type | meaning |", "|---|---|---|"]
    lines += [*_rows(schema, schema, ""), ""]
    for place, found in _objects(schema, schema, ""):
        lines += [f"## `{place}`", "", found.get("description", ""), "", "| key | type | meaning |", "|---|---|---|"]
        lines += [*_rows(found, schema, place), ""]
    for example in schema.get("examples", ()):
        lines += ["## Example", "", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


def _rows(found: _Schema, root: _Schema, place: str) -> Iterator[str]:
    required = found.get("required", ())
    for name, value in found["properties"].items():
        described = _resolved(value, root)
        meaning = value.get("description") or described.get("description", "")
        optional = "" if name in required else " (optional)"
        yield f"| `{name}`{optional} | {_type_of(value, root, _below(place, name))} | {meaning.replace('|', chr(92) + '|')} |"


def _objects(found: _Schema, root: _Schema, place: str) -> Iterator[tuple[str, _Schema]]:
    """Yield the objects inside of one, with their places; what a reference leads to is yielded where it is defined."""
    for name, value in found.get("properties", {}).items():
        yield from _object(value, root, _below(place, name))
    if found is root:
        for name, value in root.get("$defs", {}).items():
            yield from _object(value, root, name)


def _object(value: _Schema, root: _Schema, place: str) -> Iterator[tuple[str, _Schema]]:
    items = value.get("items", {})
    for inner, where in ((value, place), (items, f"{place}[]")):
        if "properties" in inner:
            yield where, {"description": value.get("description", ""), **inner}
            yield from _objects(inner, root, where)


def _type_of(value: _Schema, root: _Schema, place: str) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return _type_of(_resolved(value, root), root, name)
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    items = value.get("items")
    if items is not None:
        return f"list of {_plural(items, root, f'{place}[]')}"
    if "properties" in value:
        return f"[object]({_anchor(place)})"
    further = value.get("additionalProperties")
    if isinstance(further, dict):
        return f"object of {_plural(further, root, place)}"
    return str(value["type"])


def _plural(value: _Schema, root: _Schema, place: str) -> str:
    return f"[objects]({_anchor(place)})" if "properties" in value else f"{_type_of(value, root, place)}s"


def _resolved(value: _Schema, root: _Schema) -> _Schema:
    found: Any = root
    for part in value.get("$ref", "").split("/")[1:]:
        found = found[part]
    return found if "$ref" in value else value


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _anchor(place: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return f"#{''.join(character for character in place if character.isalnum() or character in '_-')}"
