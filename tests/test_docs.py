"""The documentation: its examples use what exists, and its links lead somewhere. test_english.py has the rules of its language."""

import argparse
import ast
import importlib
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from offline import ROOT

from cdk_lambda_package.catalogue import find_rule
from cdk_lambda_package.cli import COMMANDS
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import OPTIONS, Packaging, read_context, read_environment

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("examples/*/README.md")])
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page's text without code, and without headings."""
    text = BLOCK.sub("\n", text_of(page))
    return "\n".join("" if line.startswith("#") else line for line in text.splitlines())


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for _, kind, code in BLOCK.findall(text_of(page)):
            if kind == language:
                yield page, textwrap.dedent(code)


def python_trees() -> Iterator[tuple[Path, ast.Module]]:
    """Yield the syntax trees of all Python blocks, and of calls in inline code such as `packaging=Packaging(…)`."""
    for page, code in blocks("python"):
        yield page, ast.parse(code, str(page))
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", text_of(page)):
            if "Packaging(" in code or "PythonFunction(" in code or "PythonCode(" in code:
                plain = re.sub(r"^\w+=(?=Packaging)", "", code.replace("…", "..."))
                try:
                    yield page, ast.parse(plain)
                except SyntaxError:
                    # A signature, such as `PythonCode(scope, *, entry, ...)`.
                    assert "*, entry" in code, f"{page.name}: {code}"


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for page, tree in python_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield page, node


def test_python_examples_are_python():
    found = list(python_trees())
    assert len(found) > 20
    for page, code in blocks("python"):
        compile(code, str(page), "exec")


def test_every_packaging_option_in_an_example_exists_and_accepts_its_value():
    found = list(calls("Packaging"))
    assert len(found) > 20
    for page, call in found:
        for keyword in call.keywords:
            assert keyword.arg in OPTIONS, f"{page.name}: {ast.unparse(call)}"
            try:
                value = ast.literal_eval(keyword.value)
            except ValueError:
                continue
            if value not in (..., [...]):
                Packaging(**{keyword.arg: value})


def test_every_prop_in_an_example_exists():
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    from aws_cdk import aws_lambda as lambda_

    from cdk_lambda_package import PythonCode, PythonFunction

    own = {
        *inspect.signature(PythonFunction.__init__).parameters,
        *inspect.signature(lambda_.Function.__init__).parameters,
    }
    props = {
        "PythonFunction": own - OPTIONS.keys(),
        "PythonCode": inspect.signature(PythonCode.__init__).parameters.keys() - OPTIONS.keys(),
    }
    for name, known in props.items():
        found = list(calls(name))
        assert found
        for page, call in found:
            unknown = {keyword.arg for keyword in call.keywords if keyword.arg} - known
            assert not unknown, f"{page.name}: {ast.unparse(call)} has {unknown}"


def test_every_public_name_has_an_example():
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    import cdk_lambda_package

    # A constant has no docstring that Python knows.
    names = [name for name in cdk_lambda_package.__all__ if not name.isupper()]
    public = {name: inspect.getdoc(getattr(cdk_lambda_package, name)) for name in names}
    assert [name for name, text in public.items() if "Example:" not in (text or "")] == []


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command)
    importlib.import_module(f"cdk_lambda_package.commands.{command}").add_arguments(parser)
    return parser


def console_commands() -> Iterator[tuple[Path, list[str]]]:
    for page, code in blocks("console"):
        for line in code.replace("\\\n", " ").splitlines():
            if line.startswith("$ cdk-lambda-package "):
                yield page, shlex.split(line.removeprefix("$ ").partition(" > ")[0], comments=True)[1:]


def test_console_examples_are_command_lines():
    found = list(console_commands())
    assert len(found) > 5
    for page, (command, *arguments) in found:
        try:
            parser_of(command).parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{page.name}: {command} {arguments}")


def test_flags_of_commands_in_a_sentence_exist():
    for page in PAGES:
        for code in re.findall(r"`(cdk-lambda-package [a-z][^`]*)`", BLOCK.sub("", text_of(page))):
            _, command, *words = shlex.split(code)
            if command in COMMANDS:
                known = parser_of(command)._option_string_actions
                assert [word for word in words if word.startswith("-") and word not in known] == [], (
                    f"{page.name}: {code}"
                )


def test_context_keys_and_variables_exist():
    for page in PAGES:
        text = text_of(page)
        for key in re.findall(r"cdk-lambda-package:([a-z_-]+[a-z])", text):
            if find_rule(key) is None:
                assert _is_known(read_context, f"cdk-lambda-package:{key}"), f"{page.name}: {key}"
        for variable in re.findall(r"CDK_LAMBDA_PACKAGE_[A-Z_]*[A-Z]\b", text):
            assert _is_known(read_environment, variable), f"{page.name}: {variable}"


def _is_known(read, key: str) -> bool:
    # A known key with a value that it doesn't accept names the key; an unknown one "sets no option".
    try:
        read({key: "python3.13"})
    except OptionError as error:
        return "sets no option" not in str(error)
    return True


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text_of(page)), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def links() -> Iterator[tuple[Path, str, str]]:
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", BLOCK.sub("", text_of(page))):
            place, _, anchor = link.partition("#")
            yield page, place, anchor


def test_links_lead_to_files_and_headings():
    for page, place, anchor in links():
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name}: {place}"
        assert not anchor or anchor in slugs(target), f"{page.name}: {place}#{anchor}"


def test_a_finding_is_called_by_its_severity():
    """Where a sentence says "the warning [id](…)", the finding is one."""
    said = [
        (page.name, kind, finding_id)
        for page in PAGES
        for kind, finding_id in re.findall(r"\b(error|warning|note)\s+\[`?([a-z-]+)`?\]\(", prose_of(page))
        if find_rule(finding_id) is not None
    ]
    assert len(said) > 10
    assert [one for one in said if find_rule(one[2]).severity.name.lower() != one[1]] == []


def test_uv_is_no_resolver():
    # The design lists the behaviours that were dropped.
    assert [page.name for page in PAGES if "resolver=" in text_of(page) and page.name != "design.md"] == []


def test_installs_are_of_a_named_python():
    assert [page.name for page in PAGES if re.search(r"(?<!-m )\bpip install (?!--)", text_of(page))] == []
