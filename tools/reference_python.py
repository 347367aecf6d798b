"""The reference of the public Python names, from their signatures and docstrings; tools/reference.py writes it."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple, get_args, get_origin

import cdk_lambda_package
from cdk_lambda_package.variables import OutsideName

CONSTRUCTS: Mapping[str, str] = {
    "PythonFunction": "__init__",
    "PackagingDefaults": "set",
    "PythonCode": "__init__",
    "PythonLayerVersion": "__init__",
}
"""The names whose page is construct.md, each with the function whose arguments are its props."""

_INTRODUCTION = """These names are public: `from cdk_lambda_package import …`. All other names may change in any release.
[The constructs](construct.md) have a page of their own, and so have [the options](options.md) of `Packaging`.

A program that packages without CDK imports `package` and `PackageRequest`. It never imports `aws_cdk`, and needs no node:

```python
from pathlib import Path

from cdk_lambda_package import PackageRequest, package

made = package(PackageRequest(entry="orders", runtime="python3.13"), lambda digest: Path("orders.zip"))
print(made.function_handler, made.size)
```"""

# The members of a class that users call; others serve the library itself.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "DeploymentPackage": ("function_handler", "manifest", "sbom"),
    "Finding": ("precise_id",),
    "Packaging": ("of", "given", "over", "value"),
    "Store": ("open", "read_only"),
    "Target": ("parse",),
}
# Attributes that only the library reads.
_INTERNAL: Mapping[str, tuple[str, ...]] = {
    "DeploymentPackage": ("manifest_key", "content_key", "store", "sharing"),
    "PackageRequest": ("called", "of_app", "outputs", "defaults", "completed", "entry_path"),
}
# Types that a reader knows by another name.
_TYPES: Mapping[str, str] = {
    "Destination": "a function of the content digest that returns a `Path`",
    "LayerVersions": "list of `ILayerVersion`, directories, .zip file archives or ARNs",
    "Sequence[LayerSource]": "list of directories, .zip file archives or ARNs",
}
# Standalone scripts of other processes, and what a test run imports.
_NOT_IMPORTED = ("inside_pip", "smoke.script", "pytest_plugin", "__main__")


class Described(NamedTuple):
    """A docstring: its sentences, its entries by name, and its example."""

    text: str
    entries: Mapping[str, str]
    example: str


class Argument(NamedTuple):
    """An argument or an attribute, as Markdown."""

    name: str
    type: str
    meaning: str
    default: str


def describe(docstring: str | None) -> Described:
    r"""Return the parts of a docstring in Google's form.

    Example:
        `describe("Do it.\\n\\nExample:\\n    `do()`").example == "`do()`"`
    """
    parts: dict[str, list[str]] = {"": []}
    section = ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        heading = re.fullmatch(r"(Args|Attributes|Example):", line)
        if heading or (line and not line.startswith(" ")):
            section = heading[1] if heading else ""
        if not heading:
            parts.setdefault(section, []).append(line)
    listed = "\n".join([*parts.get("Args", ()), *parts.get("Attributes", ())])
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", listed, re.MULTILINE)
    return Described(
        re.sub(r"\n{3,}", "\n\n", "\n".join(parts[""])).strip(),
        {name: " ".join(text.split()) for name, text in entries},
        inspect.cleandoc("\n".join(parts.get("Example", ()))).strip(),
    )


def arguments_of(function: Any) -> list[Argument]:
    """Return the arguments of a function, in the order of its signature.

    Raises `LookupError` for one that the docstring doesn't describe.

    Example:
        `[argument.name for argument in arguments_of(package)]`
    """
    described, namespace = describe(function.__doc__), vars(sys.modules[function.__module__])
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or (parameter.kind is parameter.VAR_KEYWORD and name == "unknown"):
            continue
        if name not in described.entries:
            raise LookupError(f"the docstring of {function.__qualname__} has no entry for {name}")
        meaning, default = _divided(described.entries[name], parameter.default)
        if parameter.kind is parameter.VAR_KEYWORD:
            found.append(Argument("others", "", meaning, "that of CDK"))
        else:
            found.append(Argument(f"`{name}`", _type_text(parameter.annotation, namespace), meaning, default))
    return found


def attributes_of(cls: Any) -> list[Argument]:
    """Return the attributes of a dataclass, in their order; those that only the library reads aren't among them.

    Raises `LookupError` for one that the docstring doesn't describe.

    Example:
        `[attribute.name for attribute in attributes_of(Finding)]`
    """
    described, namespace = describe(cls.__doc__), vars(sys.modules[cls.__module__])
    found = []
    for field in dataclasses.fields(cls):
        if field.name not in described.entries:
            raise LookupError(f"the docstring of {cls.__qualname__} has no entry for {field.name}")
        missing = inspect.Parameter.empty
        has_none = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = missing if has_none else None if field.default is dataclasses.MISSING else field.default
        meaning, shown = _divided(described.entries[field.name], default)
        if field.name not in _INTERNAL.get(cls.__name__, ()):
            found.append(Argument(f"`{field.name}`", _type_text(str(field.type), namespace), meaning, shown))
    return found


def _divided(text: str, default: object) -> tuple[str, str]:
    """Return the meaning and the default: that of the text, else that of the signature."""
    meaning, _, said = text.partition("Default: ")
    if said:
        return meaning.strip(), said.rstrip(".")
    if default is inspect.Parameter.empty:
        return meaning, "required"
    return meaning, "none" if default in (None, ()) else f"`{default!r}`"


def _type_text(annotation: str, namespace: Mapping[str, Any]) -> str:
    """Return an annotation for readers: the alternatives but None, and the values of literal types."""
    shown = []
    for part in _alternatives(annotation):
        alias = namespace.get(part)
        if get_origin(alias) is Literal:
            shown += [f'`"{value}"`' for value in get_args(alias)]
        elif part != "None":
            shown.append(_TYPES.get(part) or f"`{part.replace('lambda_.', 'aws_lambda.')}`")
    return " or ".join(shown)


def _alternatives(annotation: str) -> Iterator[str]:
    depth, part = 0, ""
    for character in f"{annotation}|":
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "|" and not depth:
            yield part.strip()
            part = ""
        else:
            part += character


def _table(heading: str, rows: list[Argument], *, with_default: bool = True) -> Iterator[str]:
    columns = 4 if with_default else 3
    yield f"| {' | '.join((heading, 'type', 'meaning', 'default')[:columns])} |"
    yield f"|{'---|' * columns}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row[:columns])} |"


def props_block(name: str) -> str:
    """Return the table of a construct's props.

    Example:
        `print(props_block("PythonFunction"))`
    """
    function = getattr(getattr(cdk_lambda_package, name), CONSTRUCTS[name])
    heading = "prop" if CONSTRUCTS[name] == "__init__" else "argument"
    rows = [row for row in arguments_of(function) if row.name not in ("`scope`", "`id`")]
    return "\n".join(_table(heading, rows))


def python_page(note: str) -> str:
    """Return the page of the public names that aren't constructs.

    Example:
        `print(python_page("<!-- … -->"))`
    """
    lines = ["# The Python API", "", note, "", _INTRODUCTION, ""]
    # Functions come first, then classes, then constants.
    names = sorted(set(cdk_lambda_package.__all__) - CONSTRUCTS.keys(), key=lambda name: (_order(name), name))
    for name in names:
        lines += [f"## `{name}`", "", *_section(name), ""]
    return "\n".join(lines)


def _order(name: str) -> int:
    return 2 if name.isupper() else 1 if name[0].isupper() else 0


def _section(name: str) -> Iterator[str]:
    value = getattr(cdk_lambda_package, name)
    if name.isupper():
        yield _constant_text(name)
        return
    described = describe(value.__doc__)
    yield f"{described.text}\n"
    if name == "Packaging":
        yield "The arguments are [the packaging options](options.md).\n"
    elif dataclasses.is_dataclass(value):
        yield from _table("attribute", attributes_of(value), with_default=name == "PackageRequest")
        yield ""
    elif not inspect.isclass(value) and inspect.signature(value).parameters:
        yield from _table("argument", arguments_of(value))
        yield ""
    for member in _MEMBERS.get(name, ()):
        yield f"- {_member(value, member)}"
    if name in _MEMBERS:
        yield ""
    if name == "PackageError":
        yield from _errors(value)
    yield from _example(described.example)


def _member(cls: Any, name: str) -> str:
    raw = inspect.getattr_static(cls, name)
    function: Any = raw.fget if isinstance(raw, property) else getattr(raw, "__func__", raw)
    described = describe(function.__doc__)
    names = [one for one in inspect.signature(function).parameters if one not in ("self", "cls")]
    call = name if isinstance(raw, property) else f"{name}({', '.join(names)})"
    owner = f"{cls.__name__}." if isinstance(raw, classmethod) else ""
    text = re.sub(r"\(docs/reference/([\w.-]+)\)", r"([\1](\1))", " ".join(described.text.split()))
    example = f" Example: {' '.join(described.example.split())}" if described.example else ""
    return f"`{owner}{call}`: {text}{example}"


def _errors(base: Any) -> Iterator[str]:
    yield "These are its kinds, in `cdk_lambda_package.errors`. Each is caught by `except PackageError`, too.\n"
    yield "| error | kind of | meaning | finding |"
    yield "|---|---|---|---|"
    for error in _kinds_of(base):
        finding = f"[{error.id}](checks/{error.id}.md)" if error.id else ""
        meaning = " ".join(describe(error.__doc__).text.split())
        yield f"| `{error.__name__}` | `{error.__base__.__name__}` | {meaning} | {finding} |"
    yield ""


def _kinds_of(base: Any) -> Iterator[Any]:
    for error in base.__subclasses__():
        if error.__module__ == base.__module__:
            yield error
            yield from _kinds_of(error)


def _example(example: str) -> Iterator[str]:
    if example.startswith("```"):
        yield f"{example}\n"
    elif example:
        yield f"Example: {example}\n"


def _constant_text(name: str) -> str:
    """Return the text after the assignment of a constant, as documentation tools read it."""
    home = next(module for module, names in cdk_lambda_package._HOMES.items() if name in names)  # noqa: SLF001
    source = inspect.getsource(import_module(f"cdk_lambda_package.{home}"))
    found = re.search(rf'^{name}\b[^\n]*= .*?\n"""(.+?)"""', source, re.MULTILINE | re.DOTALL)
    described = describe(found[1] if found else "")
    return f"{described.text}\n\nExample: {described.example}\n"


def outside_names() -> frozenset[OutsideName]:
    """Return every environment variable and context key that a module of the library declares.

    Example:
        `sorted(outside_names())`
    """
    found = set()
    prefix = f"{cdk_lambda_package.__name__}."
    for info in pkgutil.walk_packages(cdk_lambda_package.__path__, prefix):
        if not info.name.removeprefix(prefix).startswith(_NOT_IMPORTED):
            found |= set(_declared(info.name))
    return frozenset(found)


def _declared(module: str) -> Iterator[OutsideName]:
    for value in vars(import_module(module)).values():
        several = value if isinstance(value, tuple | list) else (value,)
        yield from (one for one in several if isinstance(one, OutsideName))
