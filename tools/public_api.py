"""Write tests/public_api.txt, which pins the public API: each name, signature, flag and finding that users may rely on.

python tools/public_api.py           writes the file, after a change that is meant
python tools/public_api.py --check   writes nothing; exit status 1 and the difference if the file is out of date

The API is that of the library that Python imports: a checkout's, or an installed one's. One line for each thing, so that a
difference shows what became another. Docstrings, helps and what a name inherits from CDK are no part of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import enum
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import cdk_lambda_package
from cdk_lambda_package.catalogue import rules
from cdk_lambda_package.cli import COMMANDS, PROGRAM

_STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
FILE = Path(__file__).parents[1] / "tests" / "public_api.txt"
RENEW = "python tools/public_api.py"

_PACKAGE = cdk_lambda_package.__name__
_HEAD = (
    f"# The public API. A change here is one for users: write it into CHANGELOG.md, and renew this file by `{RENEW}`."
)


def text() -> str:
    """Return the content of the file for the library that Python imports."""
    parts = (_distribution(), _names(), _command_line(), _findings())
    return "\n".join([_HEAD, *(line for part in parts for line in ("", *part))]) + "\n"


def difference() -> str:
    """Return how the file differs from the library, as a unified diff; "" if it doesn't."""
    pinned = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    return "\n".join(difflib.unified_diff(pinned, text().splitlines(), "pinned", "the library's", lineterm=""))


def _distribution() -> Iterator[str]:
    distribution = metadata.distribution(PROGRAM)
    yield f"distribution {PROGRAM}"
    yield f"  requires Python {distribution.metadata['Requires-Python']}"
    for extra in sorted(distribution.metadata.get_all("Provides-Extra") or ()):
        yield f"  extra {extra}"
    for point in sorted(distribution.entry_points):
        yield f"  {point.group} {point.name} = {point.value}"


def _names() -> Iterator[str]:
    for number, name in enumerate(sorted(cdk_lambda_package.__all__)):
        yield from [""] if number else []
        value = getattr(cdk_lambda_package, name)
        if inspect.isclass(value):
            yield from _class(name, value)
        elif callable(value):
            yield f"def {name}"
            yield from _parameters(value)
        else:
            yield f"constant {name} = {value!r}"


def _class(name: str, cls: type) -> Iterator[str]:
    foreign = [base for base in cls.__mro__ if not _is_ours(base) and base is not object]
    bases = [f"{base.__module__}.{base.__qualname__}" for base in foreign[:1]]
    yield f"class {name}({', '.join(bases)})"
    members = {key: value for base in reversed(cls.__mro__) if _is_ours(base) for key, value in vars(base).items()}
    maker = members.get("__init__") or members.get("__new__")
    if inspect.isfunction(maker):
        yield from _parameters(maker)
    for key in sorted(key for key in members if not key.startswith("_")):
        yield from _member(cls, key, members[key])


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == _PACKAGE


def _member(cls: type, name: str, value: Any) -> Iterator[str]:
    fields = {field.name for field in dataclasses.fields(cls) if field.init} if dataclasses.is_dataclass(cls) else set()
    if name in fields:
        # A parameter of the class.
        return
    if isinstance(value, property | cached_property):
        getter = value.fget if isinstance(value, property) else value.func
        yield f"  {name}: {_annotation(inspect.signature(getter).return_annotation) if getter else ''}"
    elif isinstance(value, classmethod | staticmethod):
        yield f"  {type(value).__name__} {name}"
        yield from _parameters(value.__func__, indent="    ")
    elif inspect.isfunction(value):
        yield f"  def {name}"
        yield from _parameters(value, indent="    ")
    elif isinstance(value, enum.Enum):
        yield f"  {name} = {value.value!r}"
    else:
        yield f"  {name}"


def _parameters(function: Any, *, indent: str = "  ") -> Iterator[str]:
    """Yield a line for each parameter, and one for what is returned."""
    signature = inspect.signature(function)
    marked = False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            marked = True
            yield f"{indent}*"
        stars = _STARS.get(parameter.kind.name, "")
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        yield f"{indent}{stars}{parameter.name}: {_annotation(parameter.annotation)}{default}"
    if (returned := _annotation(signature.return_annotation)) not in ("", "None"):
        yield f"{indent}-> {returned}"


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(value: Any) -> str:
    if inspect.isfunction(value) or inspect.isclass(value):
        return value.__qualname__
    # The address of an object is another one in each run.
    return re.sub(r"<[\w.]*?(\w+) object at \w+>", r"\1()", repr(value))


def _command_line() -> Iterator[str]:
    for number, command in enumerate(COMMANDS):
        yield from [""] if number else []
        yield f"command {command}"
        parser = argparse.ArgumentParser(prog=command, add_help=False)
        import_module(f"{_PACKAGE}.commands.{command}").add_arguments(parser)
        for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
            yield f"  {_argument(action)}"


def _argument(action: argparse.Action) -> str:
    """Return an argument as a usage shows it: `--runtime RUNTIME (required, repeatable)`."""
    names = ", ".join(action.option_strings) or action.dest.upper()
    value = "|".join(map(str, action.choices)) if action.choices else action.metavar
    takes = action.nargs != 0 and bool(action.option_strings or action.choices)
    # Most defaults are None or derived; a stated one is part of what a command does.
    facts = ["required"] if action.option_strings and action.required else []
    facts += ["optional"] if not action.option_strings and action.nargs in ("?", "*") else []
    facts += ["several"] if action.nargs in ("*", "+") else []
    facts += ["repeatable"] if "append" in type(action).__name__.lower() else []
    facts += [f"default {action.default}"] if isinstance(action.default, str | int) and action.nargs != 0 else []
    shown = f" {value or action.dest.upper()}" if takes else ""
    said = f" ({', '.join(facts)})" if facts else ""
    return f"{names}{shown}{said}"


def _findings() -> Iterator[str]:
    for rule in rules():
        yield f"finding {rule.id}: {rule.severity.value}{'' if rule.acknowledgeable else ', not acknowledgeable'}"


def main() -> int:
    """Write or compare the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the file is out of date")
    if parser.parse_args().check:
        if changed := difference():
            print(f"{changed}\nThe public API is another one. If that is meant, run: {RENEW}")
        return int(bool(changed))
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
