"""What an installation takes: `python -m benchmarks.installed [--rounds N] [--page PAGE]`.

The library is installed from the checkout into a new virtual environment, with what it requires and no more. Measured are the bytes of each
distribution, compiled modules included, as its RECORD lists them; what each extra adds; and the seconds of imports in a new process, whose
start isn't counted. Modules are compiled, and in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.environments import CHECKOUT, Tools, find_python, install_ours
from benchmarks.measure import tool_environment
from benchmarks.report import describe_host, format_table, replace_generated

PART = "installed"
OURS = "cdk-lambda-package"
EXTRAS = ("sbom", "uv")

# The modules that stand for a distribution, as we import them; a distribution without one is a program or comes with another.
MODULES = {
    "aws-cdk-lib": "aws_cdk",
    "constructs": "constructs",
    "jsii": "jsii",
    "msgspec": "msgspec",
    "packaging": "packaging.pylock",
    "pathspec": "pathspec",
    "platformdirs": "platformdirs",
    "deflate": "deflate",
    "filelock": "filelock",
    "pyelftools": "elftools.elf.elffile",
    "stdlib-list": "stdlib_list",
    "tomli-w": "tomli_w",
    "tree-sitter": "tree_sitter",
    "tree-sitter-python": "tree_sitter_python",
}
# A statement, or one and another that goes before it and isn't timed.
Code = str | tuple[str, str]
IMPORTS: Mapping[str, Code] = {
    "`import cdk_lambda_package`": "import cdk_lambda_package",
    "`from cdk_lambda_package import Packaging`": "from cdk_lambda_package import Packaging",
    "`from cdk_lambda_package import package`": "from cdk_lambda_package import package",
    "`import aws_cdk`": "import aws_cdk",
    "`from cdk_lambda_package import PythonFunction`": "from cdk_lambda_package import PythonFunction",
    "`from cdk_lambda_package import PythonFunction`, after `aws_cdk` and `aws_lambda`": (
        "from cdk_lambda_package import PythonFunction",
        "import aws_cdk.aws_lambda",
    ),
}

_LISTING = """
import json, re
from importlib.metadata import distributions
rows = {}
for one in distributions():
    paths = [path for file in one.files or () if (path := one.locate_file(file)).exists()]
    needs = [re.match(r"[\\w.-]+", line)[0] for line in one.requires or () if "extra ==" not in line]
    rows[one.name] = [one.version, sum(path.stat().st_size for path in paths), len(paths), needs]
print(json.dumps(rows))
"""
_TIMING = """
import json, sys, time
{before}
loaded, began = len(sys.modules), time.perf_counter()
{code}
print(json.dumps([time.perf_counter() - began, len(sys.modules) - loaded]))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A distribution in an environment; `size` is in bytes."""

    name: str
    version: str
    size: int
    files: int
    needs: tuple[str, ...]


class Import(NamedTuple):
    """What an import takes, and how many modules it loads."""

    seconds: float
    modules: int


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each import is timed (default: 5)")
    parser.add_argument("--python", default=find_python(), help="the Python to install for (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the tables between")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tools = install_ours(Path(folder), python=arguments.python)
        python = tools.python("ours")
        rows = list_installed(python)
        codes: list[Code] = [*IMPORTS.values(), *_alone()]
        timed = {code: time_import(python, code, rounds=arguments.rounds) for code in codes}
        added = dict(_measure_extras(tools, rows))
        lines = list(format_report(rows, timed, added, python=tools.python_version(), rounds=arguments.rounds))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines, part=PART)


def _alone() -> Iterator[str]:
    yield from (f"import {module}" for module in MODULES.values())


def list_installed(python: Path) -> dict[str, Installed]:
    """Return the distributions of an environment by their normalized names."""
    rows = json.loads(_run(python, "-c", _LISTING))
    return {
        normalize(name): Installed(
            name=normalize(name), version=version, size=size, files=files, needs=tuple(map(normalize, needs))
        )
        for name, (version, size, files, needs) in rows.items()
    }


def normalize(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def time_import(python: Path, code: Code, *, rounds: int) -> Import:
    """Return what an import takes in a new process, as the median of some; of a pair, the second statement goes before."""
    statement, before = code if isinstance(code, tuple) else (code, "")
    script = _TIMING.format(before=before, code=statement)
    samples = [json.loads(_run(python, "-c", script)) for _ in range(rounds + 1)]
    # The first one may have read the disk.
    return Import(median(seconds for seconds, _ in samples[1:]), samples[0][1])


def _measure_extras(tools: Tools, rows: Mapping[str, Installed]) -> Iterator[tuple[str, list[Installed]]]:
    """Yield the distributions that each extra adds to those that are there; each is removed again."""
    python = tools.python("ours")
    for extra in EXTRAS:
        _run(python, "-m", "pip", "install", "--quiet", f"{CHECKOUT}[{extra}]")
        new = {name: one for name, one in list_installed(python).items() if name not in rows}
        yield extra, sorted(new.values(), key=lambda one: -one.size)
        _run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *new)


def requirers(rows: Mapping[str, Installed], name: str) -> list[str]:
    """Return which of our own requirements a distribution comes with, without those that need another of them.

    Example:
        `requirers(rows, "attrs")` is `["jsii"]`, though constructs needs jsii too; of one of our own requirements it is `[]`.
    """
    ours = rows[OURS].needs
    found = [] if name in ours else [one for one in ours if name in _closure(rows, one)]
    return sorted(one for one in found if not (_closure(rows, one) - {one}) & {*found})


def _closure(rows: Mapping[str, Installed], name: str) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        if one in rows and one not in found:
            found.add(one)
            waiting += rows[one].needs
    return found


def format_report(
    rows: Mapping[str, Installed],
    timed: Mapping[Code, Import],
    added: Mapping[str, Sequence[Installed]],
    *,
    python: str,
    rounds: int,
) -> Iterator[str]:
    """Yield the lines of the generated part: distributions by their size, extras, and imports."""
    machine = describe_host(python)
    yield f"Sizes and medians of {rounds} imports on {machine['machine']}, {machine['system']}, Python {machine['python']}."
    yield ""
    yield from format_table(
        ("distribution", "version", "MB", "files", "import, ms"),
        (
            (
                _label(rows, one.name),
                one.version,
                _megabytes(one.size),
                f"{one.files:,}",
                _milliseconds(timed, one.name),
            )
            for one in sorted(rows.values(), key=lambda one: -one.size)
        ),
    )
    yield from (
        "",
        f"Together, {_megabytes(sum(one.size for one in rows.values()))} MB in {len(rows)} distributions.",
        "",
    )
    yield from format_table(
        ("extra", "adds", "MB"),
        (
            (
                f"`{extra}`",
                ", ".join(f"{one.name} {one.version}" for one in found),
                _megabytes(sum(o.size for o in found)),
            )
            for extra, found in added.items()
        ),
    )
    yield ""
    yield from format_table(
        ("import", "ms", "modules"),
        ((label, f"{timed[code].seconds * 1000:.0f}", f"{timed[code].modules:,}") for label, code in IMPORTS.items()),
    )


def _label(rows: Mapping[str, Installed], name: str) -> str:
    if name == OURS:
        return f"**{name}**"
    found = requirers(rows, name)
    return f"{name} (of {', '.join(found)})" if found else name


def _milliseconds(timed: Mapping[Code, Import], name: str) -> str:
    module = MODULES.get(name)
    return f"{timed[f'import {module}'].seconds * 1000:.0f}" if module else ""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}" if size >= 50_000 else f"{size / 1e6:.2f}"


def _run(python: Path, *arguments: str | Path) -> str:
    # Outside of the checkout, so that no module of it is found.
    command = [str(python), *map(str, arguments)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=tool_environment(), cwd=tempfile.gettempdir()
    ).stdout


if __name__ == "__main__":
    main()
