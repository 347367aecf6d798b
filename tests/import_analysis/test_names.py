"""Names of modules: which are known, and where the list is complete, so that a name can be missing from it."""

import pytest

from cdk_lambda_package.binaries import BinaryFacts, BinaryKind, Format
from cdk_lambda_package.checks import check
from cdk_lambda_package.import_analysis.reader import read_module
from tests.package_contents import package_contents


def names_of(path, files, **more):
    return package_contents({"app.py": "", **files}, **more).imports.names(path)


def missing(files, **more):
    found = check(package_contents(files, **more))
    return [finding.subject for finding in found if finding.id == "name-not-found"]


@pytest.mark.parametrize(
    ("source", "answered"),
    [
        # flask 2.3, markupsafe 3, jinja2 3.1.
        ("def __getattr__(name: str):\n    if name == 'old':\n        import x\n        return x.y('old')\n    raise AttributeError(name)", {"old"}),
        ("def __getattr__(name):\n    if name in ('a', 'b'):\n        return 1\n    elif 'c' == name:\n        return 2\n    raise AttributeError", {"a", "b", "c"}),
        ("def __getattr__(name):\n    if name not in TABLE:\n        raise AttributeError(name)\n    return load(TABLE[name])\nTABLE = {'a': 1}", {"a"}),
        ("T: dict = {'a': 1}\ndef __getattr__(n):\n    try:\n        return T[n]\n    except KeyError:\n        raise AttributeError(n) from None", {"a"}),
        ("T = {'a': 1}\ndef __getattr__(n):\n    new = T.get(n)\n    if new is None:\n        raise AttributeError(n)\n    return new", {"a"}),
        ("T = {'a': 1}\ndef __getattr__(n):\n    if new := T.get(n):\n        return new\n    raise AttributeError(n)", {"a"}),
        ("T = {'a': 1}\ndef __getattr__(n):\n    if n in T:\n        globals()[n] = load(n)\n        return globals()[n]\n    raise AttributeError(n)", {"a"}),
        ("def __getattr__(n):\n    if n == 'a' and x:\n        return 1\n    elif n == 'b':\n        warn()\n    else:\n        raise AttributeError(n)\n    raise X", {"a"}),
    ],
)  # fmt: skip
def test_a_module_getattr_that_lists_its_names_leaves_the_list_complete(source, answered):
    facts = read_module(source.encode(), (3, 13))
    assert facts.complete
    assert set(facts.names) - {"__getattr__", "T", "TABLE"} == answered


@pytest.mark.parametrize(
    "source",
    [
        "def __getattr__(name): return x",
        "def __getattr__(name):\n    if name == 'a': return 1",
        "def __getattr__(name):\n    if name.startswith('a'):\n        return 1\n    raise AttributeError",
        "def __getattr__(name):\n    if name == 'a' or x:\n        return 1\n    raise AttributeError",
        "def __getattr__(name):\n    if name == 'a':\n        x = 1\n    return x",
        "def __getattr__(name):\n    try:\n        return getattr(other, name)\n    except X:\n        raise AttributeError",
        "T = {'a': 1}\nT['b'] = 2\ndef __getattr__(n):\n    return T[n]",
        "T = {'a': 1}\nT.update(x)\ndef __getattr__(n):\n    return T[n]",
        "T = {'a': 1, **x}\ndef __getattr__(n):\n    return T[n]",
        "T = {'a': 1}\nfill(T)\ndef __getattr__(n):\n    return T[n]",
        "from x import T\ndef __getattr__(n):\n    return T[n]",
        "def __getattr__(n):\n    globals().update(load())\n    raise AttributeError(n)",
        "def __getattr__(n):\n    raise AttributeError(n)\n__getattr__ = lazy(x)\nexec(x)",
        "T = {'a': 1}\ndef __getattr__(n):\n    n = NEW.get(n, n)\n    return T[n]",
        "@wrap\ndef __getattr__(n):\n    raise AttributeError(n)",
    ],
)
def test_any_other_module_getattr_leaves_the_list_incomplete(source):
    assert not read_module(source.encode(), (3, 13)).complete


# pydantic/_migration.py
MIGRATION = """import sys
MOVED = {'lib:Old': 'lib.types:New', 'lib.tools:parse': 'lib:parse'}
REDIRECTED = {f'lib.tools:{name}': f'lib.v1.tools:{name}' for name in ('one', 'two')}
REMOVED = {'lib:Settings'}
def migration(module):
    from .errors import GoneError
    def answer(name: str) -> object:
        if name == '__path__':
            raise AttributeError(name)
        path = f'{module}:{name}'
        if path in MOVED.keys():
            return find(MOVED[path])
        if path in REDIRECTED:
            return find(REDIRECTED[path])
        if path in REMOVED:
            raise GoneError(path)
        globals = sys.modules[module].__dict__
        if name in globals:
            return globals[name]
        raise AttributeError(name)
    return answer
"""
# pydantic/__init__.py
TAIL = """from ._migration import migration
TABLE = {'Model': ('lib', '.main'), 'v1': ('lib', '__module__')}
_migration = migration(__name__)
def __getattr__(name):
    found = TABLE.get(name)
    if found is None:
        return _migration(name)
    if found[1] == '__module__':
        result = import_module(name)
        globals()[name] = result
        return result
    g = globals()
    for k, (_, one) in TABLE.items():
        g[k] = getattr(found, k)
    return g[name]
"""
WHOLE = "from ._migration import migration\nx = 1\n__getattr__ = migration(__name__)"
ANSWERING = {"lib/__init__.py": TAIL, "lib/tools.py": WHOLE, "lib/_migration.py": MIGRATION, "lib/errors.py": ""}


def test_a_getattr_that_a_function_makes_has_the_answers_of_its_tables_for_the_module():
    names = names_of("lib/__init__.py", ANSWERING)
    assert names.complete
    assert {"Model", "v1", "Old"} < names.names
    assert names.names.isdisjoint({"Settings", "one", "parse", "lib:Old"})
    names = names_of("lib/tools.py", ANSWERING)
    assert names.complete
    assert names.names == {"__getattr__", "migration", "x", "one", "two", "parse"}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("REMOVED = {", "MOVED['lib:More'] = 'x'\nREMOVED = {"),
        (
            "            raise GoneError(path)",
            "            return find(path)\n        if x:\n            return find(path)",
        ),
        ("path = f'{module}:{name}'", "path = f'{module}:{name}'\n        name = find(name)"),
        ("path = f'{module}:{name}'", "path = f'{module}:{name}'\n        path = find(path)"),
        ("path = f'{module}:{name}'", "path = find(module)"),
        ("globals = sys.modules[module].__dict__", "globals = load(module)"),
        ("for name in ('one', 'two')", "for name in load()"),
        ("    return answer\n", "    return wrap(answer)\n"),
    ],
)
def test_a_function_whose_tables_dont_list_all_answers_leaves_the_lists_incomplete(was, becomes):
    assert was in MIGRATION
    files = {**ANSWERING, "lib/_migration.py": MIGRATION.replace(was, becomes)}
    assert not names_of("lib/__init__.py", files).complete
    assert not names_of("lib/tools.py", files).complete


@pytest.mark.parametrize(
    "source",
    [
        f"{WHOLE}\nother = migration(__name__)\nmore = fill(__name__)\nfrom y import fill",
        f"from y import fill\n{WHOLE}\nmore = fill(__name__)",
        f"{WHOLE}\nif x:\n    __getattr__ = y",
        TAIL.replace("g[k] =", "g[find(k)] ="),
        TAIL.replace("for k, (_, one) in TABLE.items()", "for k, (_, one) in load().items()"),
        TAIL.replace("g = globals()", "g = globals()\n    g.update(x)"),
        TAIL.replace("return _migration(name)", "return _migration(find(name))"),
        "from y import migration\n__getattr__ = migration(__name__)",
    ],
)
def test_a_module_with_more_than_a_known_getattr_is_not_complete(source):
    assert not names_of("lib/__init__.py", {**ANSWERING, "lib/__init__.py": source}).complete


@pytest.mark.parametrize("source", ["globals()['a'] = 1", "vars()['a'] = 1", "def f():\n    globals()['a'] = 1"])
def test_a_name_that_is_bound_by_a_literal_key_is_known(source):
    facts = read_module(source.encode(), (3, 13))
    assert facts.complete
    assert "a" in facts.names


@pytest.mark.parametrize(
    "change",
    [
        "globals()['X'] = y",
        "globals().update(y)",
        "vars()[n] = y",
        "for n in y:\n    globals()[n] = y",
        "def f():\n    globals()['X'] = y\nX = True\nf()",
        "def f():\n    global X\n    X = y\nX = True\nf()",
        "from y import *",
        "exec(y)",
    ],
)
def test_a_value_that_may_have_changed_decides_no_condition(change):
    facts = read_module(f"X = True\n{change}\nif X:\n    import a\nelse:\n    import b".encode(), (3, 13))
    found = {statement.module: statement.certain for statement in facts.imports}
    assert (found["a"], found["b"]) == (False, False)


@pytest.mark.parametrize(
    "source",
    [
        # celery/local.py
        "old, new = recreate_module(__name__, by_module={})",
        "__getattr__, __dir__, _ = lazy.attach(__name__, [])",
        "result = fill(module=__name__)",
    ],
)
def test_a_module_that_gives_its_name_to_a_function_is_not_complete(source):
    assert not read_module(source.encode(), (3, 13)).complete


@pytest.mark.parametrize(
    "source",
    [
        "app = Flask(__name__)",
        "log = get_logger(__name__)",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "v = importlib.metadata.version(__name__)",
    ],
)
def test_a_module_that_gives_its_name_to_what_only_reads_it_is_complete(source):
    assert read_module(source.encode(), (3, 13)).complete


@pytest.mark.parametrize(
    "helper",
    [
        "def export(f):\n    sys._getframe(1).f_globals['made'] = f",
        "def export(f):\n    f.__globals__['made'] = f",
        "def export(f):\n    vars(sys.modules[f.__module__])['made'] = f",
        "def change(f):\n    f.__globals__['made'] = f\ndef export(f):\n    change(f)",
        "class Export:\n    def __call__(self, f):\n        f.__globals__['made'] = f\nexport = Export()",
    ],
)
def test_a_module_that_uses_a_function_which_changes_its_caller_is_not_complete(helper):
    files = {"pkg/__init__.py": "from .tools import export", "pkg/tools.py": helper,
             "pkg/a.py": "from pkg import export\n@export\ndef f(): ..."}  # fmt: skip
    assert not names_of("pkg/a.py", files).complete


def test_a_function_that_asks_for_its_callers_name_changes_nothing():
    files = {"tools.py": "def make(n):\n    return n, sys._getframe(1).f_globals.get('__name__', '')",
             "a.py": "from tools import make\nx = make('x')"}  # fmt: skip
    assert names_of("a.py", files).complete


@pytest.mark.parametrize(
    "target",
    [
        "__all__ = ['a']\na = b = 1\ndef fill():\n    __all__.append('b')\nfill()",
        "__all__ = ['a']\na = b = 1\nfill(__all__)",
        "__all__ = []\n@export\ndef b(): ...",
        "__all__ = []\n@export\nclass b: ...",
        "__all__ = ['a']\nb = 1\nname = __all__\nname.append('b')",
    ],
)
def test_a_name_that_may_be_added_to_all_is_passed_on_by_a_star_import(target):
    assert names_of("x.py", {"x.py": "from y import *", "y.py": target}).has("b")


def test_a_star_import_passes_submodules_on():
    files = {"x.py": "from pkg import *", "pkg/__init__.py": "import pkg.sub", "pkg/sub.py": "", "pkg/c.abi3.so": ""}
    assert names_of("x.py", files).names >= {"sub", "c"}


def test_names_that_another_module_of_the_package_binds_are_known():
    # sqlalchemy/sql/sqltypes.py
    files = {"pkg/__init__.py": "from . import b", "pkg/b.py": "from . import a\na.MADE = 1", "pkg/a.py": "x = 1"}
    names = names_of("pkg/a.py", files)
    assert (names.has("MADE"), names.complete) == (True, True)


@pytest.mark.parametrize(
    "source",
    [
        "from . import a\npatch(a)",
        "from . import a\ndef f():\n    tools.patch('x', g(1), module=a, more=2)",
        "import pkg.a\npatch(pkg.a)",
        "from . import a\ndef f(x):\n    a.y = g(a=1)\n    patch(a)",
        "from . import a as m\nvars(m).update(x)",
        "from . import a\nvars(a)['X'] = 1",
        "from . import a\nnamespace = vars(a)",
        "from . import a\na.__dict__[n] = 1",
        "from . import a\na.__dict__.update(x)",
        "from . import a\nexec(code, a.__dict__)",
        "from . import a, c\nfor m in (c, a):\n    setattr(m, n, 1)",
        "import sys\nsetattr(sys.modules['pkg.a'], n, 1)",
        "import importlib\nm = importlib.import_module('pkg.a')\nsetattr(m, n, 1)",
    ],
)
def test_a_module_that_another_one_passes_whole_is_not_complete(source):
    files = {"pkg/__init__.py": "from . import b", "pkg/b.py": source, "pkg/a.py": "x = 1", "pkg/c.py": "x = 1"}
    assert not names_of("pkg/a.py", files).complete


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('pkg.a').X = 1",
        "import importlib\nm = importlib.import_module('pkg.a')\nm.X = 1",
        "from . import a, c\nfor m in (c, a):\n    m.X = 1",
        "from . import a, c\nfor m in [c, a]:\n    setattr(m, 'X', 1)",
    ],
)
def test_a_name_that_another_module_binds_by_a_variable_or_a_call_is_known(source):
    files = {"pkg/__init__.py": "from . import b", "pkg/b.py": source, "pkg/a.py": "x = 1", "pkg/c.py": "x = 1"}
    names = names_of("pkg/a.py", files)
    assert (names.has("X"), names.complete) == (True, True)


@pytest.mark.parametrize(
    "use",
    [
        "importlib.reload(a)",
        "isinstance(x, a)",
        "hasattr(a, 'x') and getattr(a, 'x', None)",
        "inspect.getmembers(a, inspect.isclass)",
        "print(a, repr(a))",
        "logging.getLogger(a.__name__)",
        "x = a.__dict__['x'], vars(a).get('x')",
        "for k, v in vars(a).items(): ...",
        "for k in a.__dict__: ...",
        "x = {**vars(a)}, 'x' in vars(a), sorted(vars(a))",
        "def f(a): ...",
        "class A(a): ...",
        "x = [a, 1]",
        "f(a.x, a())",
        "def f(x, a=None):\n    patch(a)",
        "def f():\n    a = 1\n    patch(a)",
        "def f():\n    for a in x:\n        patch(a)",
        "def f():\n    with x as a:\n        patch(a)",
        "x = lambda a: patch(a)",
        "x = [patch(a) for a in y]",
    ],
)
def test_a_module_that_another_one_only_looks_at_is_complete(use):
    files = {"pkg/__init__.py": "from . import b", "pkg/b.py": f"from . import a\n{use}", "pkg/a.py": "x = 1"}
    assert names_of("pkg/a.py", files).complete


def test_a_function_or_class_with_the_name_of_a_module_is_no_module_that_is_passed():
    files = {
        "pkg/__init__.py": "from . import b",
        "pkg/b.py": "from .a import a, B\nf(a)\nf(B)",
        "pkg/a.py": "def a(): ...",
    }
    assert names_of("pkg/a.py", files).complete


def test_a_module_with_the_last_name_of_one_that_is_passed_whole_is_complete():
    files = {
        "pkg/__init__.py": "from . import b",
        "pkg/b.py": "from . import a\npatch(a)",
        "pkg/a.py": "",
        "pkg/c/a.py": "",
    }
    assert names_of("pkg/c/a.py", files).complete


def test_a_name_of_a_module_that_is_passed_whole_in_another_package_is_no_error():
    files = {"app.py": "import patches\nfrom lib import X", "patches.py": "import lib\nfill(lib)", "lib.py": ""}
    assert missing(files) == []
    assert missing({**files, "patches.py": "import lib\nprint(lib)"}) == ["lib.X"]
    assert missing({**files, "app.py": "from lib import X"}) == ["lib.X"]


def test_a_getattr_that_a_star_import_passes_on_leaves_the_list_incomplete():
    files = {"x.py": "from y import *", "y.py": "__all__ = ['a', '__getattr__']\na = 1\ndef __getattr__(n): return n"}
    assert not names_of("x.py", files).complete


def test_a_module_that_an_import_hook_of_its_package_fills_is_not_complete():
    # toolz's tlz
    files = {"tlz/__init__.py": "from . import _build", "tlz/_build.py": "import sys\nload(sys.modules['tlz'])"}
    assert not names_of("tlz/__init__.py", files).complete


def test_a_module_that_an_extension_module_fills_is_not_complete():
    # psycopg2
    facts = BinaryFacts(format=Format.ELF, kind=BinaryKind.LIBRARY, fills=("psycopg2.errors",))
    files = {"app.py": "from psycopg2.errors import UniqueViolation", "vendor: psycopg2/__init__.py": "",
             "vendor: psycopg2/errors.py": "def lookup(code): ...", "vendor: psycopg2/_psycopg.abi3.so": ""}  # fmt: skip
    assert missing(files) == ["psycopg2.errors.UniqueViolation"]
    assert missing(files, binaries={"psycopg2/_psycopg.abi3.so": facts}) == []


def test_a_name_that_one_distribution_lacks_for_another_is_an_error():
    files = {
        "app.py": "import jinja2",
        "vendor: jinja2/__init__.py": "from markupsafe import soft_unicode",
        "vendor: markupsafe/__init__.py": "def __getattr__(name):\n    if name == '__version__':\n        return '3'\n    raise AttributeError(name)",
    }
    assert missing(files) == ["markupsafe.soft_unicode"]


def test_a_submodule_that_an_import_hook_beside_its_package_may_make_is_no_error():
    # dask imports tlz.functoolz, which toolz's tlz._build_tlz makes.
    files = {"app.py": "from tlz.functoolz import Compose", "vendor: tlz/__init__.py": "from . import _build",
             "vendor: tlz/_build.py": "import sys\nsys.meta_path.insert(0, Loader())"}  # fmt: skip
    assert [one for one in check(package_contents(files)) if one.id == "import-not-found"] == []


def test_a_package_that_fills_modules_by_computed_names_has_no_complete_one():
    # cv2/__init__.py
    files = {"cv2/__init__.py": "def load(n):\n    m = importlib.import_module(n)\n    setattr(m, '_native', 1)",
             "cv2/gapi.py": ""}  # fmt: skip
    assert names_of("cv2/gapi.py", files).has("_native")


@pytest.mark.parametrize(
    "giving",
    [
        "import lib\nmodule = lib\nmodule.late = 1",
        "import lib, sys\nsys.modules.get('lib').late = 1",
        "import lib, sys\nmodule = sys.modules.get('lib')\nmodule.late = 1",
    ],
)
def test_a_name_that_a_module_gets_by_another_name_of_it_counts(giving):
    files = {"app.py": f"{giving}\nfrom lib import late", "lib.py": ""}
    assert missing(files) == []
    assert missing({**files, "app.py": "import lib\nfrom lib import late"}) == ["lib.late"]


def test_the_answers_of_a_getattr_that_is_bound_anew_are_unknown():
    source = "def __getattr__(name):\n    raise AttributeError(name)\n__getattr__ = find()"
    assert not read_module(source.encode(), (3, 13)).complete
