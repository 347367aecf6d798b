"""The direction of imports, held by reading them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdk_lambda_package

PACKAGE = Path(cdk_lambda_package.__file__).parent
NAME = PACKAGE.name

# A module imports only from the layers before its own, and within its layer without a cycle.
LAYERS = (
    ("errors",),
    ("target",),
    ("app", "tree", "checks", "resolution_errors"),
    ("lock_file",),
    ("resolve", "lock", "fetch", "wheels", "archive", "store"),
    ("pipeline", "asset_place", "props", "validations", "layer_versions"),
    ("construct", "cli", "commands"),
    ("__main__",),
)
RANKS = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
LAST = len(LAYERS)

# The constructs, and what is only theirs.
FACE = {"construct", "props", "asset_place", "validations", "layer_versions"}
# Only these may import the name, or call it.
CONFINED_IMPORTS = {"subprocess": {"processes"}, "aws_cdk": FACE, "constructs": FACE, "jsii": FACE}
# Scripts that live in processes of their own: pip's, uv's interpreter, and that which imports a function's module.
STAND_ALONE = {
    "_pip_target",
    "_pip_describe",
    "_pip_record",
    "_pip_sources",
    "_pip_supply",
    "_pip_urls",
    "_uv_interpreter",
    "_smoke",
}


def modules() -> dict[str, list[ast.Module]]:
    """Every module below the package by its first name: `checks` stands for the files in that folder."""
    found: dict[str, list[ast.Module]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        first = path.relative_to(PACKAGE).with_suffix("").parts[0]
        found.setdefault(first, []).append(ast.parse(path.read_text(encoding="utf-8")))
    del found["__init__"]  # its lazy names lead everywhere
    return found


def imports(trees: list[ast.Module]) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, "imports are absolute"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    names = (name.split(".") for name in imports(MODULES[module]))
    return {parts[1] for parts in names if parts[0] == NAME} - {module}


MODULES = modules()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_import_only_from_earlier_layers(module):
    # A module without a place in the layers is private to its importers, and may use no more than the rim may.
    rank = RANKS.get(module, LAST - 3)
    later = {name for name in own_imports(module) if RANKS.get(name, -1) > rank}
    assert not later, f"{module} imports {later} from a later layer"


def test_the_faces_do_not_know_each_other():
    assert not {"cli", "commands"} & own_imports("construct")
    assert "construct" not in own_imports("cli") | own_imports("commands")
    assert "cli" not in own_imports("commands")


def test_no_imports_go_in_a_circle():
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module in done or module not in MODULES:
            return
        for name in own_imports(module):
            visit(name, (*trail, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("confined", CONFINED_IMPORTS)
def test_confined_imports_stay_where_they_belong(confined):
    users = {module for module in MODULES if any(name.split(".")[0] == confined for name in imports(MODULES[module]))}
    assert users - STAND_ALONE <= CONFINED_IMPORTS[confined]


def test_only_the_command_line_prints():
    printers = {
        module
        for module, trees in MODULES.items()
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printers - STAND_ALONE <= {"cli", "commands"}


def test_scripts_of_other_processes_import_nothing_of_ours():
    assert not {module for module in STAND_ALONE & MODULES.keys() if own_imports(module) - STAND_ALONE}


def test_the_core_never_imports_aws_cdk():
    assert {module for module in MODULES if own_imports(module) & FACE} <= FACE
