"""Write the reference from the code, so that it can't become untrue: options, Python API, commands, findings, manifest, variables.

python tools/reference.py           writes the pages
python tools/reference.py --check   writes nothing; exit status 1 if a page is out of date, with the names of these pages

Some pages are written whole. Others have text of their own around generated blocks, each between `<!-- generated: NAME -->` and
`<!-- /generated -->`. A command without a block gets one at the end of its page.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reference_commands import command_block, shared_block
from reference_python import CONSTRUCTS, props_block, python_page
from reference_schema import schema_page

from cdk_lambda_package.options import BESIDE, CONTEXT_PREFIX, OPTIONS, Group, Key, Option, option_help, variable_of
from cdk_lambda_package.requirements import TOOL

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by tools/reference.py. Don't edit it by hand. -->"

_BLOCK = re.compile(r"<!-- generated: (?P<name>.+?) -->\n.*?<!-- /generated -->", re.DOTALL)

_OPTIONS = f"""# Packaging options

{NOTE}

The options of `Packaging` are the same for the constructs, the command line and `package()`, except for those that only constructs use:

```python
PythonFunction(stack, "Orders", entry="orders", packaging=Packaging(exclude=["*.md"], smoke=True))
```

```console
$ cdk-lambda-package check orders --runtime python3.13 --exclude '*.md' --smoke
```

An option that isn't set, or is `None`, gets the nearest default. The places are, from the nearest:

1. the table `[tool.{TOOL}]` in the entry directory's pyproject.toml;
2. `PackagingDefaults` of the nearest scope;
3. the context of the CDK app (`cdk.json`, `--context`);
4. an environment variable;
5. the default on this page.

[The how-to](../how-to/platform-defaults.md) shows each. `()` and `False` are set, and override a default, a stricter one too. Lists of a
function replace those of a default, except for `acknowledge`, which adds to it. Patterns are those of
[.gitignore](https://git-scm.com/docs/gitignore), relative to the entry directory.

The name of an option is its key in the table. The context's keys have the prefix `{CONTEXT_PREFIX}`, and the variables have the
prefix `{variable_of("")}`, in capitals. The context may have JSON or text, and a variable has text. In the text of a list, commas or
spaces separate items; one that has either stands in quotation marks. Arguments for pip and its variables are separated by spaces, and
commands by line breaks. JSON is accepted as text too. [All variables and keys](environment.md) are on one page.

A default runtime can be set too: `{CONTEXT_PREFIX}runtime` in the context, or `${variable_of("runtime")}`. It applies to a
`PythonFunction` without `runtime=`.
"""

_ENVIRONMENT = f"""# Environment variables and context keys

{NOTE}

These are all environment variables and context keys that the constructs and the command line read. A variable or a key with one of the
prefixes below and another name is an error, so that a misspelt rule can't be ignored. A variable that is empty isn't set.

## Options

Each option has a context key and a variable, for the functions that don't set it themselves. [Packaging options](options.md) describes
the options, the order of the places, and the text of lists.

`cdk synth --context {CONTEXT_PREFIX}slim=true` sets an option for one synthesis. A variable sets it for a command:

```console
$ {variable_of("slim")}=true cdk-lambda-package check orders --runtime python3.13
```
"""

_MANIFEST = """These write or return a manifest:

- `build --manifest orders.json`, beside the archive;
- `Packaging(manifest=True)`, which writes it into the cloud assembly at synthesis;
- `function.deployment_package.manifest`, after `app.synth()`;
- `package(request).manifest`, in Python."""


def options_page() -> str:
    """Return the page of the packaging options."""
    return "\n".join([_OPTIONS, *(line for group in Group for line in _section(group))])


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


def environment_page() -> str:
    """Return the page of the environment variables and context keys."""
    return "\n".join([_ENVIRONMENT, *_option_rows(), *_outside_sections()])


def _option_rows() -> Iterator[str]:
    yield "| option | context key | variable |"
    yield "|---|---|---|"
    for name in OPTIONS:
        yield f"| [`{name}`](options.md#{name}) | `{CONTEXT_PREFIX}{name}` | `{variable_of(name)}` |"
    yield ""
    yield "Two defaults are no packaging options:\n"
    for name, declared in BESIDE.items():
        yield f"- `{CONTEXT_PREFIX}{name}` and `{variable_of(name)}`: {declared.meaning} Default: {declared.default}."
    yield ""


def _outside_sections() -> Iterator[str]:
    # Imported here: it imports the constructs, and so aws_cdk.
    from reference_python import outside_names

    from cdk_lambda_package.variables import ReadBy

    names = outside_names()
    for heading in ReadBy:
        yield f"## {heading}\n"
        yield "| name | meaning | default |"
        yield "|---|---|---|"
        for name in sorted(one for one in names if one.read_by is heading):
            yield f"| `{name}{'…' if name.endswith('_') else ''}` | {name.meaning} | {name.default} |"
        yield ""


def findings_block() -> str:
    """Return the list of all findings, by severity."""
    from cdk_lambda_package.catalogue import rules
    from cdk_lambda_package.errors import Severity

    fixed, parts = {True: "", False: " (can't be acknowledged)"}, []
    for severity in Severity:
        found = [one for one in rules() if one.severity is severity]
        rows = [f"- [{one.id}]({one.id}.md){fixed[one.acknowledgeable]}: {one.title}." for one in found]
        parts.append("\n".join([f"### {severity.value.capitalize()}s\n", *rows]))
    return "\n\n".join(parts)


def whole_pages() -> Mapping[str, Callable[[], str]]:
    """Return the pages that are written whole, with the functions that return their text."""
    return {
        "api.md": lambda: python_page(NOTE),
        "environment.md": environment_page,
        "manifest.md": lambda: schema_page(REFERENCE / "manifest.schema.json", NOTE, _MANIFEST),
        "options.md": options_page,
    }


def blocks() -> Mapping[str, Mapping[str, str]]:
    """Return the generated blocks by the page that has them, and by their names."""
    from cdk_lambda_package.cli import COMMANDS

    return {
        "checks/README.md": {"findings": findings_block()},
        "cli.md": {
            "options of functions": shared_block("Function"),
            "options of apps": shared_block("Whole app"),
            **{f"command {name}": command_block(name) for name in COMMANDS},
        },
        "construct.md": {f"props of {name}": props_block(name) for name in CONSTRUCTS},
    }


def fill(page: str, generated: Mapping[str, str]) -> str:
    r"""Return a page with the text of its blocks; raises `KeyError` for a block that doesn't exist.

    A block that the page lacks is added at the end, with a heading.

    Example:
        `fill("<!-- generated: one -->\\n<!-- /generated -->", {"one": "text"})`
    """

    def write(name: str) -> str:
        return f"<!-- generated: {name} -->\n\n{generated[name]}\n\n<!-- /generated -->"

    filled = _BLOCK.sub(lambda block: write(block["name"]), page)
    missing = [name for name in generated if f"<!-- generated: {name} -->" not in page]
    added = [f"\n## `{name.rpartition(' ')[2]}`\n\n{write(name)}\n" for name in missing]
    return "".join([filled, *added])


def pages() -> dict[Path, str]:
    """Return the text of every page that has generated parts.

    Example:
        `[path for path, text in pages().items() if path.read_text() != text]`
    """
    made = {REFERENCE / name: f"{write().rstrip()}\n" for name, write in whole_pages().items()}
    for name, generated in blocks().items():
        made[REFERENCE / name] = fill((REFERENCE / name).read_text(encoding="utf-8"), generated)
    return made


def main() -> int:
    """Write or compare the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page is out of date")
    outdated = []
    check = parser.parse_args().check
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            outdated.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in outdated:
        print(
            f"{path.relative_to(REFERENCE.parents[1])} {'is out of date: run tools/reference.py' if check else 'was written'}"
        )
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
