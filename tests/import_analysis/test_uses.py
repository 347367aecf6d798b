"""What runs at import because of what a module does with names: functions that it calls, and names that it asks for."""

import pytest
from package_contents import package_contents

LIB = {
    "lib/__init__.py": "",
    "lib/setup.py": "def init():\n    import lib.rare\n",
    "lib/rare.py": "",
    "lib/other.py": "",
}


def perhaps(app, **files):
    """What may run: a call that is a part of an expression isn't one that certainly does."""
    return sorted(package_contents({"app.py": app, **LIB, **files}).graph.perhaps)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import lib.rare\nvalue = [f()]",
        "def f():\n    import lib.rare\ndef g():\n    f()\n[g()]",
        "def f():\n    import lib.rare\nif len(f()):\n    pass",
        "def f():\n    import lib.rare\nclass C:\n    value = f()",
        "def f():\n    import lib.rare\ndef g(value=f()):\n    pass",
        "def f(function):\n    import lib.rare\n@f\ndef g():\n    pass",
        "def f(function):\n    import lib.rare\nclass C:\n    @f\n    def g(self):\n        pass",
        "class C:\n    def __init__(self):\n        import lib.rare\n[C()]",
        "class C:\n    def __init__(self):\n        self.m()\n    def m(self):\n        import lib.rare\n[C()]",
        "class B:\n    def __init__(self):\n        import lib.rare\nclass C(B):\n    pass\nC()",
        "class B:\n    def __init_subclass__(cls):\n        import lib.rare\nclass C(B):\n    pass",
        "class M(type):\n    def __new__(cls, *rest):\n        import lib.rare\nclass C(metaclass=M):\n    pass",
        "class C:\n    def m(self):\n        import lib.rare\nc = C()\nc.m()",
    ],
)
def test_imports_of_a_function_that_the_module_calls_may_run(source):
    assert perhaps(f"import lib\n{source}") == ["lib/rare.py"]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import lib.rare",
        "def f():\n    import lib.rare\ndef g():\n    f()",
        "class C:\n    def m(self):\n        import lib.rare\nc = C()",
        "def f():\n    import lib.rare\nhandler = f",
    ],
)
def test_imports_of_a_function_that_nothing_calls_come_later(source):
    contents = package_contents({"app.py": f"import lib\n{source}", **LIB})
    assert (contents.graph.perhaps, contents.graph.later) == (frozenset(), {"lib/rare.py"})


@pytest.mark.parametrize(
    "source",
    [
        "from lib.setup import init\n[init()]",
        "from lib.setup import init as start\n[start()]",
        "import lib.setup\n[lib.setup.init()]",
        "from lib import setup\n[setup.init()]",
        "import lib.setup as s\n[s.init()]",
        "from lib.setup import init\n@init\ndef f():\n    pass",
        "from lib.setup import init\ndef f():\n    init()\nf()",
    ],
)
def test_imports_of_a_function_that_another_module_calls_may_run(source):
    assert perhaps(source) == ["lib/rare.py"]


def test_a_function_is_followed_through_the_modules_that_pass_it_on():
    files = {"lib/__init__.py": "from .setup import init"}
    assert perhaps("from lib import init\n[init()]", **files) == ["lib/rare.py"]


def test_a_function_may_call_another_one_of_its_module():
    files = {
        "lib/setup.py": "def init():\n    more()\ndef more():\n    import lib.rare\ndef other():\n    import lib.other"
    }
    assert perhaps("from lib.setup import init\n[init()]", **files) == ["lib/rare.py"]


def test_a_class_that_another_module_calls_runs_the_init_of_its_imported_base():
    files = {
        "lib/setup.py": "from lib.base import Base\nclass C(Base):\n    pass",
        "lib/base.py": "class Base:\n    def __init__(self):\n        import lib.rare",
    }
    assert perhaps("from lib.setup import C\nC()", **files) == ["lib/rare.py"]


def test_a_subclass_runs_the_metaclass_of_its_imported_base():
    files = {
        "lib/setup.py": "from lib.meta import M\nclass C(metaclass=M):\n    pass",
        "lib/meta.py": "class M(type):\n    def __new__(cls, *rest):\n        import lib.rare",
    }
    assert perhaps("from lib.setup import C\nclass D(C):\n    pass", **files) == ["lib/rare.py"]


TABLE = "def __getattr__(name):\n    if name == 'Name':\n        from .rare import Name\n        return Name\n    raise AttributeError(name)\n"


@pytest.mark.parametrize(
    "app",
    ["import lib\nlib.Name", "import lib\nlib.Name()", "import lib\nclass C(lib.Name):\n    pass",
     "import lib\n@lib.Name\ndef f():\n    pass", "import lib\nlib.rare.x" ],
)  # fmt: skip
def test_a_package_that_is_asked_for_a_name_imports_what_its_function_does_for_it(app):
    assert perhaps(app, **{"lib/__init__.py": TABLE}) == ["lib/rare.py"]


def test_an_import_from_a_package_asks_for_its_names():
    contents = package_contents({"app.py": "from lib import Name", **LIB, "lib/__init__.py": TABLE})
    assert "lib/rare.py" in contents.graph.certain
    assert package_contents({"app.py": "import lib", **LIB, "lib/__init__.py": TABLE}).graph.perhaps == frozenset()


def test_a_star_import_asks_for_all_names_of_a_computed_list():
    files = {"lib/__init__.py": f"__all__ = list(names)\n{TABLE}"}
    assert perhaps("from lib import *", **files) == ["lib/rare.py"]


@pytest.mark.parametrize(
    "source",
    [
        "for name in ('rare', 'other'):\n    importlib.import_module('lib.' + name)",
        "for name in ('rare', 'other'):\n    importlib.import_module(f'.{name}', __package__)",
        "names = ['lib.rare', 'lib.other']\nfor name in names:\n    __import__(name)",
        "def load(name):\n    importlib.import_module(name)\nload('lib.rare')\nload('lib.other')",
    ],
)
def test_texts_name_the_modules_that_are_imported_by_a_computed_name(source):
    assert perhaps("import lib", **{"lib/__init__.py": f"import importlib\n{source}"}) == [
        "lib/other.py",
        "lib/rare.py",
    ]
