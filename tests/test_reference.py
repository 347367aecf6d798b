"""The reference that is made from the code: it is current, complete, and each public name is described."""

import dataclasses
import inspect
import json
import re

import pytest
import reference
import reference_schema
from offline import ROOT

import cdk_lambda_package
from cdk_lambda_package.cli import COMMANDS, command_parser
from cdk_lambda_package.options import BESIDE, OPTIONS, variable_of

PACKAGE = ROOT / "cdk_lambda_package"
# The base directories of a system, which any program reads.
OF_THE_SYSTEM = {"APPDATA", "HOME", "PATH", "PROGRAMDATA", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_HOME"}


@pytest.fixture
def constructs():
    return pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or its node, isn't here", exc_type=ImportError)


def page(name: str) -> str:
    return (reference.REFERENCE / name).read_text(encoding="utf-8")


def test_the_reference_is_current(constructs):
    outdated = [path.name for path, text in reference.pages().items() if path.read_text(encoding="utf-8") != text]
    assert outdated == [], "run: python tools/reference.py"


def test_every_public_name_is_described(constructs):
    api = page("api.md")
    headings = set(re.findall(r"^## `(\w+)`$", api, re.M))
    assert headings | reference.CONSTRUCTS.keys() == set(cdk_lambda_package.__all__)
    assert not headings & reference.CONSTRUCTS.keys()


def test_every_argument_of_a_public_name_has_a_meaning_and_a_default(constructs):
    from reference_python import arguments_of, attributes_of

    functions = [
        getattr(getattr(cdk_lambda_package, name), function) for name, function in reference.CONSTRUCTS.items()
    ]
    rows = [row for function in (*functions, cdk_lambda_package.package) for row in arguments_of(function)]
    for name in cdk_lambda_package.__all__:
        value = getattr(cdk_lambda_package, name)
        if dataclasses.is_dataclass(value) and name != "Packaging":
            rows += attributes_of(value)
    assert len(rows) > 60
    assert [row.name for row in rows if not row.meaning or not row.default] == []
    assert [row.name for row in rows if not row.type and row.name != "others"] == []


def test_an_argument_without_an_entry_is_refused(constructs):
    from reference_python import arguments_of

    def paint(colour: str) -> None:
        """Paint."""

    with pytest.raises(LookupError, match="has no entry for colour"):
        arguments_of(paint)


def test_docstrings_have_text_entries_and_an_example():
    from reference_python import describe

    found = describe(
        "Do it.\n\nArgs:\n    one: The first,\n        in words. Default: none.\n    two: The other.\n\nRaises `E`.\n\nExample:\n    `do()`"
    )
    assert found.text == "Do it.\n\nRaises `E`."
    assert found.entries == {"one": "The first, in words. Default: none.", "two": "The other."}
    assert found.example == "`do()`"


def test_every_command_and_each_of_its_own_arguments_is_on_the_page():
    cli = page("cli.md")
    blocks = dict(re.findall(r"<!-- generated: command (\w+) -->\n(.*?)<!-- /generated -->", cli, re.S))
    assert blocks.keys() == COMMANDS.keys()
    for name, block in blocks.items():
        (own,) = (group for group in command_parser(name)._action_groups if group.title == "options")
        flags = [action.option_strings[-1] for action in own._group_actions if "--help" not in action.option_strings]
        assert [flag for flag in flags if not re.search(rf"`{flag}\b", block)] == []


def test_a_command_without_a_block_gets_one_at_the_end():
    filled = reference.fill(
        "# Page\n\n<!-- generated: command a -->\nold\n<!-- /generated -->\n", {"command a": "A", "command b": "B"}
    )
    assert filled == (
        "# Page\n\n<!-- generated: command a -->\n\nA\n\n<!-- /generated -->\n"
        "\n## `b`\n\n<!-- generated: command b -->\n\nB\n\n<!-- /generated -->\n"
    )
    assert reference.fill(filled, {"command a": "A", "command b": "B"}) == filled


def test_a_block_of_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="command c"):
        reference.fill("<!-- generated: command c -->\n<!-- /generated -->\n", {})


def test_every_option_and_every_declared_name_is_on_the_page_of_variables():
    text = page("environment.md")
    assert [name for name in (*OPTIONS, *BESIDE) if f"`{variable_of(name)}`" not in text] == []
    assert "| `CDK_LAMBDA_PACKAGE_CACHE_DIR` | " in text
    assert "| `UV_INDEX_…` | " in text
    assert "| `aws:cdk:bundling-stacks` | " in text


def test_no_variable_is_read_that_isnt_declared():
    """A name in the source that is asked of an environment, without an `OutsideName`, would be missing in the reference."""
    asked = re.compile(
        r"""(?:environ\w*|known)(?:\.get\(|\[)f?["']([A-Z]\w+)|["'](\w+)["'] (?:not )?in os\.environ|getenv\(["'](\w+)"""
    )
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        # Standalone scripts of other processes; the imports of foreign code.
        if path.parent.name not in ("inside_pip", "import_analysis") and path.name != "script.py"
        for names in asked.findall(path.read_text(encoding="utf-8"))
        for name in names
        if name and name not in OF_THE_SYSTEM and not name.startswith("PIP_")
    }
    assert found == set()


def test_a_schema_becomes_tables(tmp_path):
    schema = {
        "title": "Paint",
        "description": "All paint.",
        "required": ["pots"],
        "properties": {
            "pots": {
                "description": "The pots.",
                "type": "array",
                "items": {
                    "required": ["colour"],
                    "properties": {"colour": {"enum": ["red", "blue"], "description": "Its colour."}},
                },
            },
            "size": {"$ref": "#/$defs/litres"},
        },
        "$defs": {"litres": {"type": "integer", "description": "In litres."}},
    }
    path = tmp_path / "paint.schema.json"
    path.write_text(json.dumps(schema))
    text = reference_schema.schema_page(path, "<!-- note -->", "Mix it.")
    assert "| `pots` | list of [objects](#pots) | The pots. |" in text
    assert "| `size` (optional) | integer | In litres. |" in text
    assert "## `pots[]`" in text
    assert "| `colour` | `red` or `blue` | Its colour. |" in text


def test_every_key_of_the_manifest_has_a_meaning():
    rows = re.findall(r"^\| `(\w+)`(?: \(optional\))? \| .*? \| (.*) \|$", page("manifest.md"), re.M)
    assert len(rows) > 50
    assert [name for name, meaning in rows if not meaning] == []


def test_the_example_of_the_manifest_is_one():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(page("manifest.schema.json"))
    (example,) = schema["examples"]
    jsonschema.validate(example, schema)
    assert example["size"] == sum(file["size"] for file in example["files"])
    assert '"package_key": "' in page("manifest.md").partition("## Example")[2]


def test_every_finding_is_listed_once():
    names = re.findall(r"^- \[([a-z0-9-]+)\]\(\1\.md\)", page("checks/README.md"), re.M)
    files = [path.stem for path in (reference.REFERENCE / "checks").glob("*.md") if path.stem != "README"]
    assert sorted(names) == sorted(files)


def test_the_fixture_is_described():
    from cdk_lambda_package import pytest_plugin

    assert "Example:" in (inspect.getdoc(pytest_plugin.unbundled) or inspect.getsource(pytest_plugin))
