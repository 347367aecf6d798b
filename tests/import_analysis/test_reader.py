"""What a module's source says, read without running it."""

import ast
import sysconfig
import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.import_analysis.facts import ImportStatement, ModuleFacts, NameKind
from cdk_lambda_package.import_analysis.reader import read_module


def read(source, python=(3, 13)) -> ModuleFacts:
    return read_module(textwrap.dedent(source).encode(), python)


def show(facts: ModuleFacts) -> list[str]:
    """Show imports as they would be said: `a certain`, `b guarded`, `c perhaps, if a is missing`."""
    return [_show(statement, facts.imports) for statement in facts.imports]


def _show(statement: ImportStatement, imports: tuple[ImportStatement, ...]) -> str:
    words = [f"{'.' * statement.level}{statement.module}"]
    words += [f"({' '.join(statement.names)})"] if statement.names else []
    words += ["certain" if statement.certain else "perhaps"]
    words += ["guarded"] if statement.guarded else []
    words += [f"if {imports[index].module} is missing" for index in statement.if_missing]
    words += [f"if {imports[index].module} is found" for index in statement.if_found]
    return " ".join(words)


def kinds(source) -> dict[str, NameKind]:
    return {binding.name: binding.kind for binding in read(source).bindings}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("import a", ["a certain"]),
        ("import a.b.c", ["a.b.c certain"]),
        ("import a.b as c, d; import e", ["a.b certain", "d certain", "e certain"]),
        ("import a, \\\n    b", ["a certain", "b certain"]),
        ("from a.b import c", ["a.b (c) certain"]),
        ("from a import (  # why\n    b as c,\n    d,\n)", ["a (b d) certain"]),
        ("from . import a", [". (a) certain"]),
        ("from ... import a", ["... (a) certain"]),
        ("from ..a.b import c", ["..a.b (c) certain"]),
        ("from .a import *", [".a (*) certain"]),
        ("from __future__ import annotations", []),
        ("class A:\n    import a", ["a certain"]),
        ("class A:\n    class B:\n        from a import b", ["a (b) certain"]),
        ("with open('x') as f:\n    import a", ["a certain"]),
        ("while True:\n    import a\n    break", ["a certain"]),
        ("while False:\n    import a", []),
        ("try:\n    import a\nfinally:\n    import b", ["a certain", "b certain"]),
        ("try:\n    import a\nexcept KeyError:\n    import b", ["a certain", "b perhaps"]),
        ("def f():\n    import a", ["a perhaps"]),
        ("async def f():\n    import a", ["a perhaps"]),
        ("class A:\n    def f(self):\n        import a", ["a perhaps"]),
        ("def f():\n    class A:\n        import a", ["a perhaps"]),
        ("if x:\n    import a\nelse:\n    import b", ["a perhaps", "b perhaps"]),
        ("while x:\n    import a\nelse:\n    import b", ["a perhaps", "b perhaps"]),
        ("for x in y:\n    import a\nelse:\n    import b", ["a perhaps", "b perhaps"]),
        ("match x:\n    case 1:\n        import a", ["a perhaps"]),
        ("if __name__ == '__main__':\n    import uvicorn", []),
        ('# import a\n\'import b\'\n"""\nimport c\n"""', []),
        ("import café", ["café certain"]),
        ("import ﬁle", ["file certain"]),
    ],
)
def test_imports_are_read_with_whether_they_run(source, shown):
    assert show(read(source)) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("try:\n    import a\nexcept {}:\n    import b", ["a certain guarded", "b certain if a is missing"]),
        ("try:\n    import a\nexcept KeyError:\n    pass\nexcept {} as e:\n    import b",
         ["a certain guarded", "b certain if a is missing"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "caught",
    ["ImportError", "ModuleNotFoundError", "Exception", "BaseException", "(ValueError, ImportError)", "(ImportError)",
     "builtins.ImportError", "compat.ModuleNotFoundError", "IMPORT_ERRORS"],
)  # fmt: skip
def test_what_an_except_clause_catches_nobody_needs_to_know(source, shown, caught):
    assert show(read(source.format(caught))) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("try:\n    import a\nexcept:\n    import b", ["a certain guarded", "b certain if a is missing"]),
        ("try:\n    import a\nexcept* ImportError:\n    import b", ["a certain guarded", "b certain if a is missing"]),
        (
            "try:\n    import a\n    import b\nexcept ImportError:\n    import c\nelse:\n    import d\nimport e",
            ["a certain guarded", "b certain guarded", "c certain if a is missing if b is missing",
             "d certain if a is found if b is found", "e certain"],
        ),
        (
            "try:\n    import a\nexcept ImportError:\n    try:\n        import b\n    except ImportError:\n        b = None",
            ["a certain guarded", "b certain guarded if a is missing"],
        ),
        (
            "try:\n    try:\n        import a\n    except ImportError:\n        import b\nexcept ImportError:\n    import c",
            ["a certain guarded", "b certain guarded if a is missing", "c certain if b is missing"],
        ),
        (
            "try:\n    import a\n    def f():\n        import b\nexcept ImportError:\n    import c",
            ["a certain guarded", "b perhaps", "c certain if a is missing"],
        ),
        ("try:\n    x = f()\nexcept Exception:\n    import a", ["a perhaps"]),
        ("try:\n    if x:\n        import a\nexcept ImportError:\n    import b",
         ["a perhaps guarded", "b certain if a is missing"]),
        # What fails before the import may be what the handler is for.
        ("try:\n    import a\n    f()\n    import b\nexcept NameError:\n    import c",
         ["a certain", "b perhaps", "c perhaps"]),
        # An `else` is come to only if nothing before it has failed.
        ("try:\n    os.environ['DEBUG']\nexcept KeyError:\n    pass\nelse:\n    import a", ["a perhaps"]),
        ("try:\n    f()\nexcept KeyError:\n    raise\nelse:\n    import a", ["a certain"]),
        # It may be a tuple of classes.
        ("try:\n    import a\nexcept E:\n    pass", ["a certain guarded"]),
        ("try:\n    import a\nexcept json.JSONDecodeError:\n    pass", ["a certain"]),
        ("with suppress(ImportError):\n    import a", ["a certain guarded"]),
        ("with contextlib.suppress(ImportError), x:\n    import a", ["a certain guarded"]),
        ("import contextlib as c\nwith c.suppress(OSError, ImportError):\n    import a", ["contextlib certain", "a certain guarded"]),
        ("import contextlib\nwith contextlib.suppress(Exception):\n    import a", ["contextlib certain", "a certain guarded"]),
        ("import contextlib\nwith contextlib.suppress(*ERRORS):\n    import a", ["contextlib certain", "a certain guarded"]),
        ("import contextlib\nwith contextlib.suppress(KeyError):\n    import a", ["contextlib certain", "a certain"]),
        ("import contextlib\nwith contextlib.suppress():\n    import a", ["contextlib certain", "a certain"]),
        ("with try_import() as imports:\n    import a", ["a certain guarded"]),
        ("with open('imports.txt'):\n    import a", ["a certain"]),
        ("import warnings\nwith warnings.catch_warnings():\n    import a", ["warnings certain", "a certain"]),
        ("from .u import check\nwith check():\n    import a", [".u (check) certain", "a certain guarded"]),
        ("if importlib.util.find_spec('a'):\n    import a", ["a perhaps guarded"]),
    ],
)  # fmt: skip
def test_what_may_be_missing_is_guarded(source, shown):
    assert show(read(source)) == shown


@pytest.mark.parametrize(
    "ending",
    [
        "raise",
        "raise RuntimeError('install a') from e",
        "print('install a')\n    sys.exit(1)",
        "exit()",
        "if x:\n        raise\n    else:\n        raise ValueError",
    ],
)
def test_a_handler_that_always_raises_guards_nothing(ending):
    assert show(read(f"try:\n    import a\nexcept ImportError as e:\n    {ending}")) == ["a certain"]


@pytest.mark.parametrize(
    "ending",
    ["if e.name != 'a':\n        raise", "a = None", "def f():\n        raise ValueError", "logging.exception(e)"],
)
def test_a_handler_that_may_go_on_guards(ending):
    assert show(read(f"try:\n    import a\nexcept ImportError as e:\n    {ending}")) == ["a certain guarded"]


def test_it_is_the_first_fitting_handler_that_counts():
    source = "try:\n    import a\nexcept ModuleNotFoundError:\n    pass\nexcept ImportError:\n    raise"
    assert show(read(source)) == ["a certain guarded"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("importlib.import_module('a.b')", ["a.b certain"]),
        (
            "from importlib import import_module as load\nx = load('a')",
            ["importlib (import_module) certain", "a certain"],
        ),
        ("__import__('a')", ["a certain"]),
        ("def f():\n    return __import__('a')", ["a perhaps"]),
        ("x = [importlib.import_module('a') for _ in y]", ["a perhaps"]),
        ("f = lambda: __import__('a')", ["a perhaps"]),
        ("@register(__import__('a'))\ndef f(): ...", ["a certain"]),
        ("importlib.import_module('.a', __package__)", [".a perhaps"]),
        ("importlib.import_module('..a', package=__name__)", ["..a perhaps"]),
        ("importlib.import_module('..a', package='x.y.z')", ["x.y.a certain"]),
        ("try:\n    __import__('a')\nexcept ImportError:\n    pass", ["a certain guarded"]),
        ("importlib.import_module(name)", []),
        ("importlib.import_module(f'a.{name}')", []),
        ("importlib.import_module('.a', package)", []),
    ],
)
def test_a_module_imported_by_a_name_that_stands_there_is_read(source, shown):
    assert show(read(source)) == shown


def test_lines_count_as_editors_do_whatever_ends_them():
    for end in ("\n", "\r\n", "\r"):
        source = end.join(["\ufeff'''", "'''", "\x0c", "import a", "x = (1,", "     2)", "def f():", "  import b"])
        facts = read_module(source.encode(), (3, 13))
        assert [(statement.module, statement.line) for statement in facts.imports] == [("a", 4), ("b", 8)]
        assert [(binding.name, binding.line) for binding in facts.bindings] == [("a", 4), ("x", 5), ("f", 7)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(event, context): ...", {"f": NameKind.FUNCTION}),
        ("def f(*args): ...", {"f": NameKind.FUNCTION}),
        ("def f(event: dict, context: object = None, *, x=1, **k) -> dict: ...", {"f": NameKind.FUNCTION}),
        ("def f(event, context, /, x=1): ...", {"f": NameKind.FUNCTION}),
        ("def f(): ...", {"f": NameKind.MISFIT}),
        ("def f(event): ...", {"f": NameKind.MISFIT}),
        ("def f(event, context, x): ...", {"f": NameKind.MISFIT}),
        ("def f(event, *, context): ...", {"f": NameKind.MISFIT}),
        ("def f(event, context, *, x): ...", {"f": NameKind.MISFIT}),
        ("def f(event, **k): ...", {"f": NameKind.MISFIT}),
        ("f = lambda event, context: event", {"f": NameKind.FUNCTION}),
        ("f = lambda: 1", {"f": NameKind.MISFIT}),
        ("async def f(e, c): ...", {"f": NameKind.COROUTINE}),
        ("class F: ...", {"F": NameKind.CLASS}),
        ("class F:\n    def __init__(self): ...", {"F": NameKind.MISFIT}),
        ("class F:\n    def __init__(self, event): ...\ng = F", dict.fromkeys("Fg", NameKind.MISFIT)),
        ("class F:\n    def __init__(self, event, context): ...", {"F": NameKind.CLASS}),
        ("class F:\n    def __init__(*args): ...", {"F": NameKind.CLASS}),
        ("class F:\n    def __init__(self, event, *more, stage='dev'): ...", {"F": NameKind.CLASS}),
        ("class F(Base): ...", {"F": NameKind.CLASS}),
        ("class F(metaclass=Meta): ...", {"F": NameKind.CLASS}),
        ("class F:\n    def __new__(cls, *args): ...", {"F": NameKind.CLASS}),
        ("class F:\n    __init__ = make()", {"F": NameKind.CLASS}),
        ("class F:\n    @x\n    def __init__(self): ...", {"F": NameKind.CLASS}),
        ("class F:\n    if x:\n        def __init__(self, *a): ...", {"F": NameKind.CLASS}),
        ("@x\ndef f(): ...\n@x.y(1)\nasync def g(): ...", {"f": NameKind.DECORATED, "g": NameKind.DECORATED}),
        ("import a.b, c.d as e", {"a": NameKind.MODULE, "e": NameKind.MODULE}),
        ("from a import b as c, d", {"c": NameKind.IMPORTED, "d": NameKind.IMPORTED}),
        ("a = 1\nb = 'x' 'y'\nc = [1]\nd = None\ne = 1, 2\nf = {}", dict.fromkeys("abcdef", NameKind.VALUE)),
        ("a = b = f()", {"a": NameKind.OTHER, "b": NameKind.OTHER}),
        ("(a, [b, *c]), d.e, f[0] = x", dict.fromkeys("abc", NameKind.OTHER)),
        ("a: int = 1\nb: int", {"a": NameKind.VALUE}),
        ("a = 1\na += 1", {"a": NameKind.OTHER}),
        ("for a, b in x: pass", {"a": NameKind.OTHER, "b": NameKind.OTHER}),
        ("with x as a, y() as (b, c), z as d.e: pass", dict.fromkeys("abc", NameKind.OTHER)),
        ("if (a := f()) and [b := i for i in x]: pass", {"a": NameKind.OTHER, "b": NameKind.OTHER}),
        ("def f(x=(a := 1)): ...", {"a": NameKind.VALUE, "f": NameKind.MISFIT}),
        ("match x:\n    case {'k': a, **b} | [c, *_, A.B, C(d, e=f)] as g if (h := 1): pass",
         {**dict.fromkeys("abcdefgABC", NameKind.OTHER), "h": NameKind.VALUE}),
        ("type A[T] = int", dict.fromkeys("AT", NameKind.OTHER)),
        ("def f(e, c):\n    global a, b\n    a = 1", {"f": NameKind.FUNCTION, "a": NameKind.OTHER, "b": NameKind.OTHER}),
        ("try: pass\nexcept E as a: pass", {}),
        ("a = 1\nb = 2\ndel a", {"b": NameKind.VALUE}),
        ("lambda a: (b := 1)\n[c for c in x]", {}),
        ("class A(B):\n    x = 1\n    def f(self): y = 1", {"A": NameKind.CLASS}),
        ("ﬁ = 1", {"fi": NameKind.VALUE}),
    ],
)  # fmt: skip
def test_a_bound_name_is_known_with_its_kind(source, expected):
    assert kinds(source) == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(e, c): ...\nh = f", NameKind.FUNCTION),
        ("async def f(e, c): ...\nh = f", NameKind.COROUTINE),
        ("h = 1\ndef h(e, c): ...", NameKind.FUNCTION),
        ("def h(e, c): ...\nh = wrap(h)", NameKind.OTHER),
        ("h = None\nif x:\n    def h(e, c): ...", NameKind.OTHER),
        ("if x:\n    h = 1\nelse:\n    h = 2", NameKind.VALUE),
        ("try:\n    from x import h\nexcept ImportError:\n    h = None", NameKind.OTHER),
        ("h = None\ndef f():\n    global h\n    h = g", NameKind.OTHER),
        ("h = None\nfor h in x: pass", NameKind.OTHER),
        ("h = f if x else g", NameKind.OTHER),
        ("h = (lambda e, c: e) if x else (lambda e, c: c)", NameKind.FUNCTION),
    ],
)
def test_a_name_has_one_kind_only_where_every_way_leads_to_it(source, kind):
    assert kinds(source)["h"] is kind


@pytest.mark.parametrize(
    "source",
    [
        "import chalice\napp = chalice.Chalice('x')",
        "from chalice import Chalice\napp = Chalice('x')",
        "from chalice import Chalice as C\napp: C = C('x')",
        "from chalice.app import Chalice\napp = (Chalice('x'))",
        "from chalice import Chalice\nif (app := Chalice('x')): pass",
        "from chalice import Chalice\napp = Chalice('x') if x else Chalice('y')",
        "from chalice import Chalice\nclass Mine(Chalice): ...\nclass Other(Mine): ...\napp = Other('x')",
        "from chalice import Chalice\napp = None\ntry:\n    app = Chalice('x')\nexcept E: pass",
    ],
)
def test_a_chalice_app_is_known(source):
    assert kinds(source)["app"] is NameKind.CHALICE


def test_a_second_name_of_a_chalice_app_is_no_second_app():
    assert kinds("app = Chalice('x')\napplication = app")["application"] is NameKind.OTHER


@pytest.mark.parametrize(
    "source",
    [
        "from x import *",
        "def __getattr__(name): ...",
        "__getattr__, __dir__, __all__ = attach(__name__)",
        "exec('a = 1')",
        "def f():\n    exec(code, globals())",
        "eval(compile(code, 'x', 'exec'))",
        "globals().update(x)",
        "def f():\n    globals()[x] = 1",
        "locals().update(x)",
        "setattr(sys.modules[__name__], 'a', 1)",
        "import sys as s\ns.modules[__name__] = Lazy()",
        "apipkg.initpkg(__name__, {})",
        "IntEnum._convert_('A', __name__, f)",
        "def f(:",
        "a = (",
    ],
)
def test_where_names_may_be_made_up_the_list_is_not_complete(source):
    assert not read(source).complete


def test_a_star_import_makes_no_names_up_but_the_list_is_not_complete():
    facts = read("from x import *")
    assert (facts.opaque, facts.complete) == (False, False)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "log = logging.getLogger(__name__)",
        "logger.info('%s', __name__)",
        "def f():\n    return vars(), locals()",
        "vars(x)",
        "'from x import *'",
        "re.compile('x')",
        "x.exec('a')",
        "print 'a'",
    ],
)
def test_what_makes_no_names_leaves_the_list_complete(source):
    assert read(source).complete


@pytest.mark.parametrize(
    "source",
    [
        "sys.path.insert(0, 'x')",
        "sys.path.append('x')",
        "def f():\n    sys.path.append('x')",
        "from sys import path\npath.append('x')",
        "import sys as s\ns.path += ['x']",
        "sys.path = ['x']",
        "sys.path[0:0] = ['x']",
        "places = sys.path\nplaces.append('x')",
        "extend(sys.path)",
        "site.addsitedir('x')",
        "sys.meta_path.append(Finder())",
        "sys.path_hooks.insert(0, x)",
        "sys.modules['a'] = b",
        "sys.path[:] = paths",
        "__path__.append('x')",
        "__path__ = ['x']",
    ],
)
def test_a_changed_path_is_noted(source):
    assert read(source).changes


@pytest.mark.parametrize(
    "source",
    [
        "print(sys.path)",
        "first = sys.path[0]",
        "for p in sys.path: pass",
        "x in sys.path",
        "sys.path.index('x')",
        "len(sys.path)",
        "os.path.join('a', 'b')",
        "sys.modules[__name__]",
        "sys.modules.get('a')",
        "sys.modules.pop('a')",
        "sys.modules[__name__] = Lazy()",
        "del sys.modules['a']",
        "del sys.path[0]",
        "sys.path.remove('x')",
        "sys.path[:] = []",
        "__path__ = []",
        "x.path = 1",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)",
    ],
)
def test_a_path_that_is_only_read_is_not_changed(source):
    assert not read(source).changes


@pytest.mark.parametrize(
    ("source", "exported"),
    [
        ("__all__ = ['a', 'b']", ("a", "b")),
        ("__all__ = ('a',)", ("a",)),
        ("__all__ = 'a', 'b'", ("a", "b")),
        ("__all__ = []", ()),
        ("__all__ = ['a'] + ['b']", ("a", "b")),
        ("__all__ = ['a']\n__all__ += ['b']\n__all__.extend(('c',))\n__all__.append('d')", ("a", "b", "c", "d")),
        ("__all__: list[str] = ['a']", ("a",)),
        ("", None),
        ("__all__ = x.__all__", None),
        ("__all__ = ['a', b]", None),
        ("__all__ = ['a']\n__all__ += x.__all__", None),
        ("__all__ = ['a']\n__all__.remove('a')", None),
        ("__all__ = ['a']\nif x:\n    __all__ += ['b']", None),
        ("__all__ = [n for n in dir()]", None),
        ("from x import __all__", None),
    ],
)
def test_exported_names_are_those_of_a_plain_list(source, exported):
    assert read(source).exported == exported


@pytest.mark.parametrize(
    "source",
    [
        "match x:\n    case 1: import a",
        "try:\n    import a\nexcept* E: pass",
        "def f[T](x: T) -> T: ...\nimport a",
        "type X[T] = list[T]\nimport a",
        "x = f'{d['a']}'\nimport a",
        "x = f'{'\\n'.join(y)}'\nimport a",
        "x = t'{y}'\nimport a",
        "try: pass\nexcept A, B: pass\nimport a",
        "with (x as y, z): import a",
        "a[*b]\nimport a",
        "print 'two'\nimport a",
        "exec 'two' in x\nimport a",
        "raise E, 'two'\nimport a",
    ],
)
def test_syntax_of_every_version_is_read_on_every_host(source):
    assert [statement.module for statement in read(source).imports] == ["a"]


def test_what_follows_an_error_is_certain_only_at_a_lines_beginning():
    facts = read("import a\ndef f(:\n    import b\nimport c\n")
    assert not facts.complete
    assert {statement.module: statement.certain for statement in facts.imports} == {"a": True, "b": False, "c": True}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"# -*- coding: latin-1 -*-\n\xe9 = 1", "é"),
        (b"#!/x\n# vim: set fileencoding=cp1252 :\n\xe9 = 1", "é"),
        ("\ufeffé = 1".encode(), "é"),
        ("# coding: utf-8\né = 1".encode(), "é"),
        ("# coding: shift_jis\n漢 = 1".encode("shift_jis"), "漢"),
    ],
)
def test_a_source_is_decoded_as_it_says(source, name):
    assert [binding.name for binding in read_module(source, (3, 13)).bindings] == [name]


@pytest.mark.parametrize(
    "source",
    [b"a = 1\0", b"\xff = 1", b"# coding: nonsense\na = 1", b"# coding: rot13\na = 1", b"# coding: ascii\n\xe9"],
)
def test_what_nobody_can_decode_says_nothing(source):
    assert read_module(source, (3, 13)) == ModuleFacts(opaque=True)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 20_000,
        "[" * 5_000 + "]" * 5_000,
        "x = " + "-" * 20_000 + "1",
        "x = " + "not " * 20_000 + "1",
        "x = " + " + ".join(["1"] * 20_000),
        "x = " + " or ".join(["a"] * 20_000),
        "if " + " or ".join(["a"] * 20_000) + ": pass",
        "x = " + "(" * 5_000 + "1" + ")" * 5_000,
        "x" + ".a" * 20_000 + " = 1",
        "x = " + "1 if a else " * 5_000 + "2",
        "".join(" " * depth + "if a:\n" for depth in range(2_000)),
        "".join(" " * depth + "def f():\n" for depth in range(1_000)) + " " * 1_000 + "import a",
        "if a: pass\n" + "elif b: pass\n" * 20_000,
        "a = '''" + "x" * 5_000_000 + "'''",
    ],
    ids=lambda source: f"{source[:12]!r} and so on",
)
def test_no_source_is_too_deep_or_too_long(source):
    assert isinstance(read_module(source.encode(), (3, 13)), ModuleFacts)


_FRAGMENTS = st.sampled_from(
    ["import a", "from .b import *", "try:", "except ImportError:", "else:", "if x:", "def f(", "):", "class A:", "\n",
     "\n    ", "\n\t", "a = ", "Chalice()", "global g", "__all__ = [", "'", '"""', "(", "]", "\\", "match x:", "case {",
     "with y as ", "lambda: ", ":=", "sys.version_info >= (3,", "\x0c", "é", "#", "@", "*"]
)  # fmt: skip


@given(st.lists(_FRAGMENTS, max_size=40).map(" ".join).map(str.encode) | st.binary(max_size=200))
def test_reading_never_fails_and_always_says_the_same(source):
    facts = read_module(source, (3, 13))
    assert facts == read_module(source, (3, 13))
    count = len(facts.imports)
    assert all(index < count for statement in facts.imports for index in (*statement.if_missing, *statement.if_found))


# An independent reading of real files, by the host's own parser.

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DOUBTED = (*_FUNCTIONS, ast.If, ast.While, ast.For, ast.AsyncFor, ast.Match, ast.ExceptHandler)


def _walk(node: ast.AST, ancestors: tuple[ast.AST, ...] = ()) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    for child in ast.iter_child_nodes(node):
        yield child, ancestors
        yield from _walk(child, (*ancestors, child))


def _imports_in(tree: ast.Module) -> Iterator[tuple[tuple[object, ...], tuple[ast.AST, ...]]]:
    for node, ancestors in _walk(tree):
        if isinstance(node, ast.Import):
            yield from (((alias.name, 0, (), node.lineno), ancestors) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            yield (node.module or "", node.level, tuple(alias.name for alias in node.names), node.lineno), ancestors


def _names_in(tree: ast.Module) -> Iterator[tuple[str, tuple[ast.AST, ...]]]:
    """Yield what is bound at the top level, and by `global` in functions."""
    inner = (*_FUNCTIONS, ast.ClassDef)
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    for node, ancestors in _walk(tree):
        if isinstance(node, ast.Global):
            yield from ((name, (node,)) for name in node.names)
        if any(isinstance(ancestor, inner) for ancestor in ancestors):
            continue
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, ancestors
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (
                    (alias.asname or alias.name.split(".")[0], ancestors) for alias in aliases if alias.name != "*"
                )
            case ast.NamedExpr(target=ast.Name(id=name)):
                yield name, ancestors
            case ast.Name(id=name, ctx=ast.Store()) if not any(isinstance(one, comprehensions) for one in ancestors):
                # An annotation alone binds nothing.
                if not (isinstance(ancestors[-1], ast.AnnAssign) and ancestors[-1].value is None):
                    yield name, ancestors
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name, ancestors


def _standard_library() -> list[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    files = [*folder.glob("*.py"), *folder.glob("*/*.py")]
    return sorted(path for path in files if path.parent.name not in ("site-packages", "test"))[::3]


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in (1, 2, 3))])
def test_the_standard_library_reads_as_by_the_hosts_own_parser(part):
    files = _standard_library()[part::4]
    assert files
    for path in files:
        source = path.read_bytes()
        try:
            tree = ast.parse(source)
        except SyntaxError:  # on purpose, in the fixtures of lib2to3 and the like
            continue
        facts = read_module(source, (3, 13))
        _compare_imports(tree, facts, path)
        _compare_names(tree, facts, path)


def _compare_imports(tree: ast.Module, facts: ModuleFacts, path: Path) -> None:
    read_ones = {(one.module, one.level, one.names, one.line): one for one in facts.imports}
    for key, ancestors in _imports_in(tree):
        one = read_ones.pop(key, None)
        conditional = any(isinstance(ancestor, ast.If | ast.While) for ancestor in ancestors)
        assert one is not None or conditional, (path, key)
        if one is not None and not any(isinstance(ancestor, _DOUBTED) for ancestor in ancestors):
            assert one.certain, (path, key)
        if one is not None and any(isinstance(ancestor, _FUNCTIONS) for ancestor in ancestors):
            assert not one.certain, (path, key)
    # What is left are imports by name.
    assert all(not one.certain and not one.names for one in read_ones.values()), (path, read_ones)


def _compare_names(tree: ast.Module, facts: ModuleFacts, path: Path) -> None:
    bound = {binding.name for binding in facts.bindings}
    named = [(unicodedata.normalize("NFKC", name), ancestors) for name, ancestors in _names_in(tree)]
    deleted = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)}
    always = {
        name for name, above in named if not any(isinstance(one, ast.If | ast.While | ast.IfExp) for one in above)
    }
    # A module's __getattr__ may have a name that nothing binds, such as CapsuleType in types.
    answering = (one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "__getattr__")
    answered = {node.value for one in answering for node in ast.walk(one) if isinstance(node, ast.Constant)}
    assert bound <= {name for name, _ in named} | answered, path
    assert always - deleted <= bound, path
