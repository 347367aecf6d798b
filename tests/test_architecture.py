"""The direction of imports, held by reading them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdk_lambda_package

PACKAGE = Path(cdk_lambda_package.__file__).parent
NAME = PACKAGE.name

# Every folder and every module beside them has its place; it imports only from the layers above its own.
LAYERS = (
    ("errors", "keys", "chalice", "processes", "progress", "urls"),
    ("inside_pip",),
    ("target", "store"),
    ("import_analysis",),
    ("app_directory", "binaries"),
    ("requirements",),
    ("splicing",),
    ("handlers", "layers"),
    ("checks",),
    # What is asked for, and what a package is a function of.
    ("catalogue",),
    ("options", "manifest"),
    # From requirements to exact files.
    ("building",),
    ("resolving",),
    ("locks",),
    # From exact files to a package.
    ("hooks",),
    ("stages", "output"),
    ("locking",),
    ("smoke",),
    ("sbom",),
    ("pipeline",),
    # The faces.
    ("reports", "cdk"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
RANKS = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# Only these may import the name.
CONFINED_IMPORTS = {"subprocess": {"processes"}, "aws_cdk": {"cdk"}, "constructs": {"cdk"}, "jsii": {"cdk"}}
# Scripts that live in processes of their own: pip's, and that which imports a function's module.
STAND_ALONE = {"smoke.script"}


def read_modules() -> dict[str, ast.Module]:
    """Every module below the package, by its dotted name there."""
    paths = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    del paths["__init__"]  # its lazy names lead everywhere
    return {
        name.removesuffix("/__init__").replace("/", "."): ast.parse(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
    }


MODULES = read_modules()


def imports(module: str) -> Iterator[str]:
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    """The modules of ours that a module imports: of `a.b.name`, `a.b` unless `name` is a module too."""
    names = {name.removeprefix(f"{NAME}.") for name in imports(module) if name.startswith(f"{NAME}.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} & MODULES.keys()


def part_of(module: str) -> str:
    return module.partition(".")[0]


def is_script(module: str) -> bool:
    return module in STAND_ALONE or part_of(module) == "inside_pip"


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_from_earlier_layers(module):
    own = part_of(module)
    later = {name for name in own_imports(module) if part_of(name) != own and RANKS[part_of(name)] >= RANKS[own]}
    assert not later, f"{module} imports {later}, which aren't from an earlier layer"


def test_each_part_has_its_place():
    assert {part_of(module) for module in MODULES} == RANKS.keys()


def test_no_imports_go_in_a_circle():
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module in done:
            return
        for name in own_imports(module):
            visit(name, (*trail, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("confined", CONFINED_IMPORTS)
def test_confined_imports_stay_where_they_belong(confined):
    users = {module for module in MODULES if any(name.split(".")[0] == confined for name in imports(module))}
    assert users, "nobody imports it: this test would hold nothing"
    assert {part_of(module) for module in users if not is_script(module)} <= CONFINED_IMPORTS[confined]


def test_only_the_command_line_prints():
    printers = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {part_of(module) for module in printers if not is_script(module)} == {"cli", "commands"}


def test_scripts_of_other_processes_import_nothing_of_ours_but_scripts_and_urls():
    for module in filter(is_script, MODULES):
        assert all(is_script(name) or name == "urls" for name in own_imports(module)), module
