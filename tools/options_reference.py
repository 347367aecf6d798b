"""Write docs/reference/options.md, the reference of every packaging option, from the declarations in `Packaging`.

python tools/options_reference.py           writes the page
python tools/options_reference.py --check   writes nothing; exit status 1 if the page is out of date
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.options import CONTEXT_PREFIX, OPTIONS, Group, Key, Option, option_help, variable_of
from cdk_lambda_package.requirements import TOOL

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "options.md"

_INTRODUCTION = f"""# Packaging options

<!-- Written by tools/options_reference.py from cdk_lambda_package/options/packaging.py. Don't edit it by hand. -->

The options of `Packaging` are the same for the constructs, the command line and `package()`, except for those that only constructs use:

```python
PythonFunction(stack, "Orders", entry="orders", packaging=Packaging(exclude=["*.md"], smoke=True))
```

```console
$ cdk-lambda-package check orders --runtime python3.13 --exclude '*.md' --smoke
```

An option that isn't set, or is `None`, gets the nearest default: of the table `[tool.{TOOL}]` in the entry directory's
pyproject.toml, then of `PackagingDefaults` of the nearest scope, then of the CDK app's context (`cdk.json`, `--context`), then of an
environment variable, then of this page. [The how-to](../how-to/platform-defaults.md) shows each. `()` and `False` are set, and override
a default, a stricter one too. Lists of a function replace those of a default, except for `acknowledge`, which adds to it. Patterns are
those of [.gitignore](https://git-scm.com/docs/gitignore), relative to the entry directory.

The name of an option is its key in the table. The context's keys have the prefix `{CONTEXT_PREFIX}`, and the variables have the
prefix `{variable_of("")}`, in capitals. The context may have JSON or text, and a variable has text. In the text of a list, commas or
spaces separate items; one that has either stands in quotation marks. Arguments for pip and its variables are separated by spaces, and
commands by line breaks. JSON is accepted as text too.

A default runtime can be set too: `{CONTEXT_PREFIX}runtime` in the context, or `${variable_of("runtime")}`. It applies to a
`PythonFunction` without `runtime=`.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_INTRODUCTION, *(line for group in Group for line in _section(group))]).rstrip() + "\n"


def _section(group: Group) -> Iterator[str]:
    yield f"## {group.value}\n"
    for name, declared in OPTIONS.items():
        if declared.group is group:
            yield from _entry(name, declared)


def _entry(name: str, declared: Option) -> Iterator[str]:
    flag = name.replace("_", "-")
    if declared.kind.is_flag:
        shown = f"--{flag}`, `--no-{flag}"
    elif declared.kind.choices:
        shown = f"--{flag} {'|'.join(declared.kind.choices)}"
    else:
        shown = f"--{flag} {declared.kind.metavar}"
    yield f"### `{name}`\n"
    yield f"{option_help()[name]}\n"
    yield f"- Accepted: {declared.kind.accepted}."
    yield f"- Default: {declared.default}."
    yield f"- Example: `Packaging({name}={declared.example})`"
    if declared.constructs_only:
        yield "- Flag: none, since only constructs use it."
    else:
        yield f"- Flag: `{shown}`{' (repeatable)' if declared.kind.repeatable else ''}"
    yield f"- Default for many functions: `{CONTEXT_PREFIX}{name}` in the context, `${variable_of(name)}`"
    if declared.guarded:
        yield f"- The table of an entry directory sets it only where `PackagingDefaults` allows that, since {declared.guarded}."
    if declared.stricter:
        yield f"- The stricter of two values: {declared.stricter.words}."
    if declared.key is Key.NONE:
        yield f"- A change makes no other resolution or package by itself: {declared.outside_key}."
    else:
        yield f"- A change makes another {declared.key.value}."
    yield ""


def main() -> int:
    """Write or compare the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    if parser.parse_args().check:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
