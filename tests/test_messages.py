"""The messages: an option that a message shows exists, and is written as a user of the constructs writes it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from english import AVOIDED

import cdk_lambda_package
from cdk_lambda_package.options import OPTIONS

PACKAGE = Path(cdk_lambda_package.__file__).parent
# Props of the constructs and of `PackageRequest` that aren't packaging options.
PROPS = {
    "architecture",
    "entries_may_set",
    "asset_hash",
    "bundling",
    "code",
    "entry",
    "environment",
    "handler",
    "index",
    "layers",
    "on_error",
    "packaging",
    "runtime",
}
# `name=` as a word of its own: no flag, no part of a URL, no comparison.
SHOWN = re.compile(r"(?:^|(?<=[ (,`'\"]))([a-z]+(?:_[a-z]+)*)=(?=[^=]|$)")
PACKAGING = re.compile(r"Packaging\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)")


def docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def text_of(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "option" for part in node.values)
    return node.value if isinstance(node.value, str) else ""


def messages() -> Iterator[tuple[str, str]]:
    """Yield every string that may be part of a message, with its place; what is inserted is `option`. A shell's function is none."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        skipped = {*docstrings(tree), *parts}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant | ast.JoinedStr)
                and node not in skipped
                and " " in text_of(node)
                and "() {" not in text_of(node)
            ):
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}", text_of(node)


def test_options_in_messages_exist_and_are_shown_in_packaging():
    shown = 0
    for place, text in messages():
        for match in PACKAGING.finditer(text):
            for name in SHOWN.findall(match["inside"]):
                shown += 1
                assert name in OPTIONS or name == "option", f"{place}: {text}"
        outside = PACKAGING.sub("", text)
        flat = [name for name in SHOWN.findall(outside) if name in OPTIONS]
        assert not flat, f"{place}: write packaging=Packaging({flat[0]}=…): {text}"
    assert shown > 5


def test_props_in_messages_exist():
    for place, text in messages():
        for name in SHOWN.findall(PACKAGING.sub("", text)):
            assert name in PROPS or name in OPTIONS or name == "option", f"{place}: {text}"


def test_flags_in_messages_exist():
    known = {f"--{name.replace('_', '-')}" for name in OPTIONS}
    for place, text in messages():
        for command in re.findall(r"`cdk-lambda-package ([^`]*)`", text):
            for flag in re.findall(r"--[a-z-]+", command):
                assert flag in known | {"--runtime", "--architecture", "--format", "--output", "--help"}, (
                    f"{place}: {text}"
                )


def test_installs_in_messages_are_of_a_named_python():
    assert [place for place, text in messages() if re.search(r"(?<!-m )\bpip install ", text)] == []


def test_words_in_messages_are_plain():
    assert [(place, word) for place, text in messages() for word in AVOIDED.findall(text)] == []


def test_words_in_sources_are_plain():
    found = ((path.name, AVOIDED.findall(path.read_text(encoding="utf-8"))) for path in sorted(PACKAGE.rglob("*.py")))
    assert [(name, words) for name, words in found if words] == []
