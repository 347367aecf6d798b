"""Write cdk_lambda_package/cdk/function_props.py, the types of the props of CDK's Function, from the installed aws-cdk-lib.

python tools/function_props.py           writes the module
python tools/function_props.py --check   writes nothing; exit status 1 if the module is out of date

Run it with the newest aws-cdk-lib that pyproject.toml allows. A checker at an older release treats types that the
release doesn't have as `Any`.
"""

from __future__ import annotations

import argparse
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from aws_cdk import aws_lambda

MODULE = Path(__file__).parents[1] / "cdk_lambda_package" / "cdk" / "function_props.py"

# Parameters that `PythonFunction` declares itself, or sets.
OWN = frozenset({"scope", "id", "code", "handler", "runtime", "architecture", "layers", "return"})

_TEMPLATE = '''"""The props that `PythonFunction` passes to CDK's `Function`, with their types.

Written by tools/function_props.py from aws-cdk-lib {release}. Don't edit it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
{imports}


class FunctionProps(TypedDict, total=False):
    """The props of `aws_lambda.Function` without the ones that `PythonFunction` declares itself.

    The types are those of the library's annotations. Import it for type checkers only: `**props: Unpack[FunctionProps]`.
    At run time a newer library may accept further props.
    """

{fields}
'''


def function_props() -> dict[str, typing.Any]:
    """Return the type of each prop of the installed library's `Function`, by name, in the library's order."""
    constructor = aws_lambda.Function.__init__
    hints = typing.get_type_hints(getattr(constructor, "__wrapped__", constructor))
    return {name: hint for name, hint in hints.items() if name not in OWN}


def written(hint: typing.Any) -> str:
    """Return a type as source text with full names: `aws_cdk.aws_ec2.IVpc | None`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(written(argument) for argument in arguments)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(written(argument) for argument in arguments)}]"
    if hint is type(None):
        return "None"
    if hint is typing.Any:
        return "Any"
    return hint.__name__ if hint.__module__ == "builtins" else f"{hint.__module__}.{hint.__name__}"


def modules_of(hints: Iterable[typing.Any]) -> Iterator[str]:
    """Yield the modules that define the classes in some types."""
    for hint in hints:
        yield from modules_of(typing.get_args(hint))
        if isinstance(hint, type) and hint.__module__.startswith("aws_cdk"):
            yield hint.__module__


def module_text() -> str:
    """Return the text of the module."""
    props = function_props()
    return _TEMPLATE.format(
        release=version("aws-cdk-lib"),
        imports="\n".join(f"    import {name}" for name in sorted(set(modules_of(props.values())))),
        fields="\n".join(f"    {name}: {written(hint)}" for name, hint in props.items()),
    )


def main() -> int:
    """Write or compare the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if the module is out of date"
    )
    if parser.parse_args().check:
        return 0 if MODULE.read_text(encoding="utf-8") == module_text() else 1
    MODULE.write_text(module_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
