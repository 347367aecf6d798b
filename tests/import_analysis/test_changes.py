"""What a module adds to what Python finds."""

import textwrap

import pytest

from cdk_lambda_package.import_analysis.facts import ChangeKind
from cdk_lambda_package.import_analysis.reader import read_module


def changes(source, python=(3, 13)) -> list[str]:
    """Return the names that are known, and the kinds of what isn't."""
    found = read_module(textwrap.dedent(source).encode(), python).changes
    return [name if kind in (ChangeKind.FOLDER, ChangeKind.MODULE) else kind.name.lower() for kind, name in found]


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("'lib'", "/var/task/lib"),
        ("'/opt/x/'", "/opt/x"),
        ("'.'", "/var/task"),
        ("os.path.join(os.getcwd(), 'lib')", "/var/task/lib"),
        ("os.path.dirname(__file__)", "."),
        ("os.path.dirname(os.path.dirname(os.path.abspath(__file__)))", ".."),
        ("os.path.join(os.path.dirname(__file__), '_vendor')", "_vendor"),
        ("os.path.join(os.path.dirname(__file__), os.pardir, 'x', 'y')", "../x/y"),
        ("str(pathlib.Path(__file__).parent.parent / 'x')", "../x"),
        ("pathlib.Path(__file__).resolve().parents[1].joinpath('x').as_posix()", "../x"),
        ("os.path.join(__path__[0], 'x')", "x"),
        ("here", "computed"),
        ("__file__", "computed"),
        ("os.path.join(find(), 'x')", "computed"),
        ("os.environ['X']", "computed"),
    ],
)
def test_a_folder_is_known_if_the_source_shows_it(folder, known):
    for change in (f"sys.path.insert(0, {folder})", f"sys.path += [{folder}]", f"sys.path = [{folder}] + sys.path"):
        assert changes(f"import os, pathlib, sys\n{change}") == [known]


def test_a_folder_may_have_a_name():
    assert changes("import os, sys\nhere = os.path.dirname(__file__)\nsys.path.append(here)") == ["."]


@pytest.mark.parametrize(
    "source",
    [
        "here = os.path.dirname(__file__)\ndef add(here):\n    sys.path.append(here)",
        "here = os.path.dirname(__file__)\nfor here in find():\n    sys.path.append(here)",
        "here = os.path.dirname(__file__)\nif x:\n    here = y\nsys.path.append(here)",
        "os.chdir('x')\nsys.path.append('lib')",
    ],
)
def test_a_name_with_several_values_is_not_known(source):
    assert changes(f"import os, sys\n{source}") == ["computed"]


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("'a.b'", "a.b"),
        ("__name__ + '.moves'", ".moves"),
        ("f'{__name__}.moves'", ".moves"),
        ("__name__ + '.' + name", ".*"),
        ("f'{__name__}.{name}'", ".*"),
        ("'requests.packages.' + name", "requests.packages.*"),
        ("name", "computed"),
        ("name + '.x'", "computed"),
        ("__name__ + name", "computed"),
        ("'_made_%s' % name", "_made_*"),
        ("'%s_made' % name", "computed"),
    ],
)
def test_an_entry_is_known_if_the_source_shows_its_key(key, known):
    for change in (f"sys.modules[{key}] = x", f"sys.modules.setdefault({key}, x)", f"sys.modules.update({{{key}: x}})"):
        assert changes(f"import sys\n{change}") == [known]


@pytest.mark.parametrize(
    ("function", "known"),
    [
        # Jinja2's ModuleLoader.
        ("def f(self, path):\n    name = f'_made_{id(self)}'\n    sys.modules[name] = x", "_made_*"),
        ("def f(name):\n    name = 'made'\n    sys.modules[name] = x", "computed"),
        ("def f(name: str, other: str):\n    sys.modules[name] = x", "computed"),
        ("def f():\n    name = 'made'\n    if x:\n        name = y\n    sys.modules[name] = x", "computed"),
        ("name = 'made'\ndef f():\n    sys.modules[name] = x", "computed"),
    ],
)
def test_the_key_of_an_entry_may_have_a_name_in_a_function(function, known):
    assert changes(f"import sys\n{function}") == [known]


SIX = """
import sys
class Importer(object):
    def find_module(self, fullname, path=None):
        return self
    def load_module(self, fullname):
        sys.modules[fullname] = self.known[fullname]
__path__ = []
importer = Importer(__name__)
for i, one in enumerate(sys.meta_path):
    del sys.meta_path[i]
sys.meta_path.append(importer)
"""


def test_an_importer_without_find_spec_finds_nothing_on_new_pythons():
    assert changes(SIX, (3, 12)) == changes(SIX, (3, 13)) == []
    assert changes(SIX, (3, 11)) == ["computed", "finder"]


def test_an_importer_that_may_inherit_find_spec_counts():
    assert changes(SIX.replace("(object)", "(Base)")) == ["computed", "finder"]
    assert changes(SIX.replace("def load_module", "find_spec = x\n    def load_module")) == ["computed", "finder"]
    assert changes("import sys\nfrom x import importer\nsys.meta_path.append(importer)") == ["finder"]
