"""The rules of the import graph and of what modules may do, read from the source. `tools/structure.py` prints the figures."""

import ast
import re
import subprocess
import sys

import pytest
from offline import PACKAGE, ROOT
from structure import Structure, longest_path, part_of

STRUCTURE = Structure.read(PACKAGE.parent)
MODULES = STRUCTURE.trees

# The longest import chain that is allowed, in modules.
CHAIN = 20

# Folders that others still import modules of. Every other folder has a door: others import from its `__init__` only.
WITHOUT_DOOR: set[str] = set()

# Packages, and the only folders and modules that import them.
CONFINED = {
    "subprocess": {"processes"},
    "aws_cdk": {"cdk"},
    "constructs": {"cdk"},
    "jsii": {"cdk"},
    "pip": {"inside_pip"},
}

# Scripts that run in processes of their own: those that end commands, import a function's module, and invoke it.
STAND_ALONE = {"supervisor", "smoke.script", "invocation.script"}

# What these scripts import besides each other, all with the standard library alone.
FOR_SCRIPTS = {"file_locks", "urls"}

# What a module that claims to be pure neither imports nor calls.
EFFECTS = {"asyncio", "os", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time"}
EFFECTFUL_CALLS = {
    *("exists", "getenv", "glob", "is_dir", "is_file", "iterdir", "mkdir", "now", "open", "read_bytes", "read_text"),
    *("rglob", "stat", "today", "unlink", "urlopen", "utcnow", "write_bytes", "write_text"),
}


def is_script(module: str) -> bool:
    return module in STAND_ALONE or part_of(module) == "inside_pip"


def called_names(module: str) -> set[str]:
    """The names of all functions and methods that a module calls."""
    calls = (node.func for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call))
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def names_in_door(folder: str) -> set[str]:
    """The names that a folder's `__init__` defines or imports."""
    body = MODULES[folder].body
    imported = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = {target.id for node in body if isinstance(node, ast.Assign) for target in node.targets}
    return imported | defined | assigned


def test_neither_modules_nor_folders_import_in_a_cycle():
    assert longest_path(STRUCTURE.graph)
    assert longest_path(STRUCTURE.parts)


def test_the_longest_import_chain_has_a_limit():
    chain = longest_path(STRUCTURE.graph)
    assert len(chain) <= CHAIN, " → ".join(chain)


def test_other_folders_import_what_a_door_has():
    wrong = []
    for found in STRUCTURE.imports:
        target = STRUCTURE.own_module(found.imported)
        if target is None or part_of(target) == part_of(found.importer):
            continue
        folder = part_of(target)
        if folder not in STRUCTURE.folders or folder in WITHOUT_DOOR:
            continue
        if target != folder or found.imported.rpartition(".")[2] not in names_in_door(folder):
            wrong.append(
                f"{found.importer}:{found.line} imports {found.imported}, which {folder}/__init__ doesn't have"
            )
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_the_package_itself():
    package = STRUCTURE.package
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in STRUCTURE.imports
        if found.imported == package
        or (found.imported.rpartition(".")[0] == package and not STRUCTURE.own_module(found.imported))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("confined", CONFINED)
def test_confined_packages_are_imported_where_they_belong(confined):
    users = {found.importer for found in STRUCTURE.imports if found.imported.split(".")[0] == confined}
    assert users, "no module imports it"
    allowed = CONFINED[confined]
    wrong = {module for module in users if part_of(module) not in allowed and not is_script(module)}
    assert not wrong


def test_only_the_command_line_prints():
    printers = {part_of(module) for module in MODULES if not is_script(module) and "print" in called_names(module)}
    assert printers == {"cli", "commands"}


def test_scripts_of_other_processes_import_little_of_ours():
    for module in filter(is_script, MODULES):
        assert all(is_script(name) or name in FOR_SCRIPTS for name in STRUCTURE.graph[module]), module


def test_modules_that_claim_to_be_pure_are():
    wrong = []
    for module, tree in MODULES.items():
        if re.search(r"\bPure\b(?! but for)", ast.get_docstring(tree) or ""):
            imported = {name.imported.split(".")[0] for name in STRUCTURE.imports if name.importer == module}
            if effects := (imported & EFFECTS) | (called_names(module) & EFFECTFUL_CALLS):
                wrong.append(f"{module}: {', '.join(sorted(effects))}")
    assert not wrong, "\n".join(wrong)


def test_the_figures_of_the_structure_are_printed():
    command = [sys.executable, str(ROOT / "tools" / "structure.py"), "--chain", "--root", str(PACKAGE.parent)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| modules |" in shown
    assert "Longest import chain:" in shown
