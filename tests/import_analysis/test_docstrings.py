"""Docstrings are left out of what is read, and nothing else is."""

import io
import sys
import tokenize
from pathlib import Path

import pytest

from cdk_lambda_package.import_analysis.source import without_docstrings

STRINGS = {tokenize.STRING, *(getattr(tokenize, f"FSTRING_{part}", -1) for part in ("START", "MIDDLE", "END"))}


def code_tokens(code):
    """All tokens with their lines, without the texts of strings."""
    tokens = tokenize.generate_tokens(io.StringIO(code.decode()).readline)
    return [(one.type, "" if one.type in STRINGS else one.string, one.start[0]) for one in tokens]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('"""Doc."""\nimport a', '""""""\nimport a'),
        ('def f():\n    """One\n    two.\n    """\n', 'def f():\n    """\n\n"""\n'),
        ('r"""Raw \\d."""\n', 'r""""""\n'),
        ('x = """kept"""\n"""gone"""', 'x = """kept"""\n""""""'),
        ('"""gone""" + """kept"""', '"""""" + """kept"""'),
        # From the first doubt on, all is kept.
        ('# a """ in a comment\n"""doc"""', None),
        ('x = \'"""\'\n"""doc"""', None),
        ("'''other'''\n\"\"\"doc\"\"\"", None),
        ('x = \'a \\\n"""\'\n"""doc"""', None),
        ('"""a \\""" b"""\n', None),
        ('f"""{x}"""\n"""doc"""', None),
        ('x = f"""{y}"""\n"""doc"""', None),
        ('"""never closed', None),
    ],
)
def test_docstrings_are_emptied(code, expected):
    assert without_docstrings(code.encode()).decode() == (code if expected is None else expected)


def test_the_code_of_real_modules_stays_the_same():
    folders = [Path(tokenize.__file__).parent, *(Path(path) for path in sys.path if path.endswith("site-packages"))]
    shorter = 0
    for path in sorted(path for folder in folders for path in folder.rglob("*.py"))[::60]:
        code = path.read_bytes()
        try:
            expected = code_tokens(code)
        except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
            continue
        short = without_docstrings(code)
        assert code_tokens(short) == expected, path
        shorter += len(short) < len(code)
    assert shorter > 10
