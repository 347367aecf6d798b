"""TOML files, read with the types that are used of them."""

import time

import pytest

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.toml_files import PyProject, parse_toml, read_settings, read_toml


def test_what_a_shape_names_is_all_that_is_read(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'svc'\nversion = 1\n[tool.other]\nx = 1\n")
    assert read_toml(path, PyProject) == {"project": {"name": "svc"}, "tool": {}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tool = 'x'", "tool should be a table, not a string"),
        ("[tool]\nuv = []", "tool.uv should be a table, not a list"),
        ("[tool.uv.workspace]\nmembers = [true]", "tool.uv.workspace.members[0] should be a string, not true or false"),
        ("[dependency-groups]\ndev = [1]", "dependency-groups.*[0] should be a string or a table, not an integer"),
    ],
)
def test_another_type_is_an_error_with_the_key_and_what_should_be_there(tmp_path, text, told):
    with pytest.raises(LockError, match="Correct it") as caught:
        parse_toml(text, PyProject, tmp_path / "pyproject.toml")
    assert f"pyproject.toml: {told}." in str(caught.value)
    (tmp_path / "pyproject.toml").write_text(text)
    assert read_settings(tmp_path / "pyproject.toml", PyProject) == {}


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a = " * 3000 + "1" + "}" * 3000,
        "a." * 100_000 + "a = 1",
        "[" + '"a" . ' * 100_000 + "a]",
        "x = {" + "a." * 100_000 + "a = 1}",
        "a = " + "[1, " * 3000 + "]" * 3000,
    ],
    ids=["lists", "inline tables", "dotted key", "quoted key of a table", "dotted key inside", "lists with values"],
)
def test_what_is_nested_thousands_of_times_is_an_error_at_once(text):
    began = time.process_time()
    with pytest.raises(LockError, match="nested more than 100 deep"):
        parse_toml(text, dict, "x.toml")
    assert time.process_time() - began < 5


def test_dots_in_texts_and_many_tables_are_no_nesting():
    text = "x = '" + "1.2 " * 200 + "'\n" + "".join(f"[a.b{number}.c]\nd = [[1], [2]]\n" for number in range(500))
    assert len(parse_toml(text, dict, "x.toml")["a"]) == 500
