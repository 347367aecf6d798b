"""Print the size and the import graph of the package: its modules, code lines, import layers and longest import chain.

python tools/structure.py                    the package of this repository, beside the figures before the redesign
python tools/structure.py --root ../other    of another checkout
python tools/structure.py --chain            the modules of the longest import chain, and the imports inside functions

- Code lines: without blank lines, comments and docstrings.
- Import layers: the number of folders (and modules outside of folders) on the longest path in their import graph.
- Longest import chain: the number of modules on the longest path in the import graph. Imports inside functions count,
  imports under TYPE_CHECKING too.
- Imports inside functions: the import statements that a function contains, of any package.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "cdk_lambda_package"

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (ast.Module, ast.ClassDef, *_FUNCTIONS)

Graph = Mapping[str, AbstractSet[str]]

# The commit before the redesign, and the figures that this command prints there.
BASE = "2afa623"
BASE_FIGURES = {
    "modules": 197,
    "lines": 22_677,
    "code lines": 15_697,
    "folders": 16,
    "import layers": 22,
    "longest import chain": 33,
    "imports inside functions": 141,
}


def code_lines(text: str) -> int:
    """Return the number of lines of Python source that contain code."""
    docstrings = {line for node in ast.walk(ast.parse(text)) for line in _docstring_lines(node)}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def _docstring_lines(node: ast.AST) -> range:
    if isinstance(node, _DOCUMENTED) and node.body and ast.get_docstring(node, clean=False) is not None:
        first = node.body[0]
        return range(first.lineno, (first.end_lineno or first.lineno) + 1)
    return range(0)


def longest_path(graph: Graph) -> tuple[str, ...]:
    """Return the longest path of a graph without cycles; the first in alphabetical order of several.

    Raises:
        ValueError: The graph has a cycle; the message shows it.
    """
    longest: dict[str, tuple[str, ...]] = {}

    def visit(node: str, trail: tuple[str, ...]) -> tuple[str, ...]:
        if node in trail:
            raise ValueError(" → ".join((*trail[trail.index(node) :], node)))
        if node not in longest:
            below = [visit(target, (*trail, node)) for target in sorted(graph[node])]
            longest[node] = (node, *max(below, key=len, default=()))
        return longest[node]

    return max((visit(node, ()) for node in sorted(graph)), key=len, default=())


@dataclass(frozen=True)
class Import:
    """A name that a module imports.

    `imported` is its full dotted name: `a.b.name` for `from a.b import name`. `line` is the statement's line.
    `inside_function` is the name of the function around the statement, "" for an import of the module itself.
    """

    importer: str
    imported: str
    line: int
    inside_function: str


@dataclass(frozen=True)
class Structure:
    """A package's modules: their source text by dotted name below the package. The package itself isn't included.

    A folder's `__init__` has the folder's name: `splicing`; its modules `splicing.wheels`.
    """

    texts: Mapping[str, str]
    package: str = PACKAGE

    @classmethod
    def read(cls, root: Path = ROOT, package: str = PACKAGE) -> Structure:
        """Return the structure of the package in a checkout."""
        base = root / package
        names = {path: path.relative_to(base).with_suffix("").as_posix() for path in sorted(base.rglob("*.py"))}
        return cls(
            {
                name.removesuffix("/__init__").replace("/", "."): path.read_text(encoding="utf-8")
                for path, name in names.items()
            },
            package,
        )

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The parsed modules, by name; without the package's own `__init__`, whose lazy names lead everywhere."""
        return {name: ast.parse(text) for name, text in self.texts.items() if name != "__init__"}

    @cached_property
    def folders(self) -> set[str]:
        """The folders directly below the package."""
        return {name.partition(".")[0] for name in self.texts if "." in name}

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All imports of all modules, of other packages too."""
        return tuple(found for name in self.trees for found in self._imports_of(name))

    def _imports_of(self, module: str) -> Iterator[Import]:
        def visit(node: ast.AST, function: str) -> Iterator[Import]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Import):
                    yield from (Import(module, alias.name, child.lineno, function) for alias in child.names)
                elif isinstance(child, ast.ImportFrom):
                    for alias in child.names:
                        yield Import(module, f"{child.module}.{alias.name}", child.lineno, function)
                else:
                    yield from visit(child, child.name if isinstance(child, _FUNCTIONS) else function)

        yield from visit(self.trees[module], "")

    def own_module(self, imported: str) -> str | None:
        """Return the module of this package that an import names; None for another package's.

        `a.b.name` is `a.b` unless `name` is a module too. The package's own `__init__` is None.
        """
        if not imported.startswith(f"{self.package}."):
            return None
        name = imported.removeprefix(f"{self.package}.")
        name = name if name in self.trees else name.rpartition(".")[0]
        return name if name in self.trees else None

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        """The modules of this package that each of its modules imports."""
        graph: dict[str, set[str]] = {name: set() for name in self.trees}
        for found in self.imports:
            if (target := self.own_module(found.imported)) and target != found.importer:
                graph[found.importer].add(target)
        return graph

    @cached_property
    def parts(self) -> dict[str, set[str]]:
        """The same between folders, and modules outside of folders."""
        graph: dict[str, set[str]] = {part_of(name): set() for name in self.trees}
        for name, targets in self.graph.items():
            graph[part_of(name)] |= {part_of(target) for target in targets} - {part_of(name)}
        return graph

    @cached_property
    def inner_imports(self) -> tuple[Import, ...]:
        """The import statements inside functions, one entry for each."""
        inner = (found for found in self.imports if found.inside_function)
        return tuple({(found.importer, found.line): found for found in inner}.values())


def part_of(module: str) -> str:
    """Return the folder that a module is in, or the module itself outside of folders."""
    return module.partition(".")[0]


def table(structure: Structure) -> str:
    """Return the figures as a table in Markdown."""
    code = {name: code_lines(text) for name, text in structure.texts.items()}
    figures = {
        "modules": len(structure.texts),
        "lines": sum(len(text.splitlines()) for text in structure.texts.values()),
        "code lines": sum(code.values()),
        "folders": len(structure.folders),
        "import layers": len(longest_path(structure.parts)),
        "longest import chain": len(longest_path(structure.graph)),
        "imports inside functions": len(structure.inner_imports),
    }
    rows = [f"| figure | {BASE} | now |", "|---|---:|---:|"]
    rows += [f"| {name} | {BASE_FIGURES[name]:,} | {value:,} |" for name, value in figures.items()]
    modules, lines = Counter(part_of(name) for name in code), Counter[str]()
    for name, count in code.items():
        lines[part_of(name)] += count
    rows += ["", "| folder | modules | code lines |", "|---|---:|---:|"]
    rows += [f"| {name} | {modules[name]} | {count:,} |" for name, count in lines.most_common()]
    return "\n".join(rows)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to look at")
    parser.add_argument("--chain", action="store_true", help="list the longest chain and the imports inside functions")
    arguments = parser.parse_args()
    structure = Structure.read(arguments.root)
    print(table(structure))
    if arguments.chain:
        print("\nLongest import chain:", *longest_path(structure.graph), sep="\n  ")
        print("\nImports inside functions:")
        for found in structure.inner_imports:
            print(f"  {found.importer}:{found.line} {found.inside_function}: {found.imported}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
