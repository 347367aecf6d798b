"""CONTRIBUTING: the files that it names exist, and the changes that it describes touch no more than it says."""

import ast
import importlib
import pkgutil
import re

from offline import PACKAGE, ROOT

from cdk_lambda_package import commands
from cdk_lambda_package.cli import COMMANDS

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_files_and_folders_in_the_text_exist():
    named = re.findall(r"`([\w./-]+(?:\.py|\.md|\.txt|/))`", TEXT)
    assert len(named) > 40
    assert [
        name for name in named if not any((folder / name).exists() for folder in (ROOT, PACKAGE, PACKAGE.parent))
    ] == []


def test_every_folder_is_in_the_table():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(re.findall(r"`(\w+)/`", TEXT))


def test_targets_of_make_in_documents_and_workflows_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set()
    for path in (*ROOT.glob("*.md"), *ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".ci/run")):
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"(?:`|\$ |run: )make ([a-z][a-z-]*)", text)) | set(
            re.findall(r"^ *step (\S+)", text, re.M)
        )
        named |= {name for listed in re.findall(r"target: \[(.*)\]", text) for name in listed.split(", ")}
    assert len(named) > 6
    assert named <= targets


def test_classes_of_the_glossary_exist():
    defined = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    named = re.findall(r"^\| [\w ,]+ \| `([A-Z]\w+)`:", TEXT, re.M)
    assert len(named) > 8
    assert set(named) <= defined


def test_a_command_is_one_module_and_one_line():
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    found = {name for name in modules if hasattr(importlib.import_module(f"{commands.__name__}.{name}"), "run")}
    assert found == set(COMMANDS)


def test_a_remembered_value_has_a_kind_of_its_own():
    kinds = re.findall(
        r'^@remembered\("([\w-]+)", version=\d+\)$',
        "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))),
        re.M,
    )
    assert len(kinds) > 5
    assert len(kinds) == len(set(kinds))
