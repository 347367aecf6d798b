"""The catalogue of findings: it has all that the code can find, and each has its page."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from offline import ROOT

import cdk_lambda_package
from cdk_lambda_package import catalogue
from cdk_lambda_package.errors import Severity

PACKAGE = Path(cdk_lambda_package.__file__).parent
PAGES = ROOT / "docs" / "reference" / "checks"
INDEX = PAGES / "README.md"

RULES = catalogue.rules()
BY_ID = {rule.id: rule for rule in RULES}


def strings(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def named_ids() -> Iterator[tuple[Path, str]]:
    """Yield each id that is written where a finding is made: `id=` of Finding, in whatever expression."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                for keyword in node.keywords:
                    if keyword.arg == "id":
                        yield from ((path, text) for text in strings(keyword.value))


def test_ids_are_unique_and_stable_in_form():
    assert len(BY_ID) == len(RULES)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id) for rule in RULES)


def test_every_finding_that_is_made_is_in_the_catalogue():
    found = list(named_ids())
    assert found
    assert [(path.name, name) for path, name in found if name not in BY_ID] == []


def test_every_finding_in_the_catalogue_is_reported_somewhere():
    used = {text for _, tree in trees() for text in strings(tree)}
    assert [rule.id for rule in RULES if rule.id not in used] == []


def test_every_page_has_a_head_with_id_severity_and_title():
    pages = {path.stem for path in PAGES.glob("*.md")} - {INDEX.stem}
    assert pages == set(BY_ID)
    for path in PAGES.glob("*.md"):
        assert path == INDEX or path.read_text(encoding="utf-8").startswith(f"# {path.stem}\n\n**")


def test_a_rule_is_read_from_the_head_of_its_page():
    assert catalogue.find_rule("command-failed") == catalogue.Rule(
        "command-failed", Severity.ERROR, "A command before or after packaging failed", acknowledgeable=False
    )
    assert catalogue.find_rule("archive-over-50-mb").severity is Severity.NOTE


@pytest.mark.parametrize("text", ["README", "../README", "import-not-fond", "", "import-not-found.md"])
def test_unknown_ids_have_no_rule_and_no_page(text):
    assert catalogue.find_rule(text) is None
    assert catalogue.read_page(text) is None


def test_links_between_pages_lead_somewhere():
    for page in PAGES.glob("*.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (PAGES / link).is_file(), f"{page.name}: {link}"


def test_the_pages_come_with_the_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (place,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items()
    assert place == ("docs/reference/checks", "cdk_lambda_package/checks/pages")
    assert PACKAGE.parent / place[1] in catalogue.FOLDERS


def test_what_cant_be_acknowledged_is_an_error():
    assert all(rule.severity is Severity.ERROR for rule in RULES if not rule.acknowledgeable)
