"""Functions that a module calls while it is imported: which of their imports certainly run."""

import pytest

from cdk_lambda_package.import_analysis.reader import read_module


def certain(source):
    return [one.module for one in read_module(source.encode(), (3, 13)).imports if one.certain]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import x\nf()",
        "def f():\n    from x import y\nvalue = f()",
        "import importlib\ndef f():\n    module = importlib.import_module('x')\nf()",
        "def f():\n    if wrong():\n        raise ImportError\n    def inner():\n        return 1\n    import x\nf()",
        # As OpenCV's loader: it binds names of the module when it was called.
        "def f():\n    names = globals()\n    import x\n    for one in dir(x):\n        names[one] = 1\nf()",
    ],
)
def test_what_a_called_function_imports_at_its_top_is_certain(source):
    assert "x" in certain(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import x",
        "f()\ndef f():\n    import x",
        "def f():\n    if g():\n        import x\nf()",
        "def f():\n    if g():\n        return\n    import x\nf()",
        "def f():\n    import x\n    yield\nf()",
        "async def f():\n    import x\nf()",
        "@lazy\ndef f():\n    import x\nf()",
        "def f():\n    import x\nf = lazy(f)\nf()",
        "def f():\n    import x\nif g():\n    f()",
        "def f():\n    import x\ntry:\n    f()\nexcept ImportError:\n    pass",
        "def f():\n    import x\nclass A:\n    f()",
        "def f():\n    try:\n        import x\n    except ImportError:\n        x = None\nf()",
        # The name may be bound anew in other ways.
        "def f():\n    import x\nfrom other import *\nf()",
        "def f():\n    import x\nglobals().update(f=print)\nf()",
        "def f():\n    import x\nexec('f = print')\nf()",
        "def f():\n    import x\ndef g():\n    globals().update(f=print)\n    f()\ng()",
        "def f():\n    import x\nf.__code__ = g.__code__\nf()",
        # In the function that calls it, it may be another one.
        "def f():\n    import x\ndef g(f):\n    f()\ng(print)",
        "def f():\n    import x\ndef g(*f):\n    f()\ng(print)",
        "def f():\n    import x\ndef g():\n    f = print\n    f()\ng()",
        "def f():\n    import x\ndef g():\n    from other import f\n    f()\ng()",
        "def f():\n    import x\ndef g():\n    def f(): pass\n    f()\ng()",
        "def f():\n    import x\ndef g():\n    match print:\n        case f: pass\n    f()\ng()",
        "from importlib import import_module\ndef f(import_module):\n    import_module('x')\nf(print)",
        # An argument of those that the function takes besides.
        "def f(*args, on=None):\n    if on:\n        import x\nf(1, True)",
        "def f(*args: int, on=None):\n    if on:\n        import x\nf(True)",
        "def f(**off):\n    if not off:\n        import x\nf(off=False)",
        # Another import in the same line.
        "def f(on=None):\n    import os; return lambda: __import__('x')\nf()",
    ],
)
def test_what_a_function_may_not_import_isnt_certain(source):
    facts = read_module(source.encode(), (3, 13))
    assert not any(one.certain and not one.guarded for one in facts.imports if one.module == "x")


def runs(source):
    facts = read_module(source.encode(), (3, 13))
    return [(run.function, facts.imports[index].module, run.unless) for run in facts.runs for index in run.imports]


def started(source):
    return [(call.name, call.given) for call in read_module(source.encode(), (3, 13)).started]


CLIENT = """
class Client:
    {body}
    def __init__(self, url=None, quiet=False):
        {init}
    def _load(self):
        import x
        return x.load()
"""


def client(init, body="pass"):
    return CLIENT.format(init=init, body=body)


@pytest.mark.parametrize(
    "source",
    [
        client("import x") + "c = Client()",
        client("self.loaded = self._load()") + "c = Client()",
        client("self.loaded = url or self._load()") + "c = Client(quiet=True)",
        client("self.loaded = self._load() if url is None or not quiet else 1").replace("url is None or ", "")
        + "Client()",
        client("return super().__init__(self._load())") + "c = Client()",
        "def g():\n    import x\ndef f(on):\n    if on:\n        g()\nf(True)",
        "def g():\n    import x\ndef f(on):\n    if on:\n        pass\n    else:\n        g()\nf(on=None)",
        "def g():\n    import x\ndef f(off=False):\n    if not off:\n        g()\nvalue = f()",
    ],
)
def test_what_a_call_leads_to_through_functions_of_the_module_is_certain(source):
    assert "x" in certain(source)


@pytest.mark.parametrize(
    "source",
    [
        client("self.loaded = url or self._load()") + "c = Client('http://')",
        client("self.loaded = url or self._load()") + "c = Client(url=find())",
        client("self.loaded = url or self._load()") + "c = Client(**options)",
        client("self.loaded = self.loaded or self._load()", "loaded = None") + "c = Client()",
        client("self.load = lambda: self._load()") + "c = Client()",
        client("self.loaded = [self._load() for _ in names]") + "c = Client()",
        client("url = find()\n        self.loaded = url or self._load()") + "c = Client()",
        client("self.loaded = self._load()", "_load = find()") + "c = Client()",
        client("self.loaded = self._load()") + "Client._load = find\nc = Client()",
        client("self.loaded = self._load()").replace("class Client", "class Client(Base)") + "c = Client()",
        client("self.loaded = self._load()").replace("class Client", "@final\nclass Client") + "c = Client()",
        client("self.loaded = self._load()", "def __new__(cls): return cls.one") + "c = Client()",
        client("self.loaded = self._load()", "__new__ = lambda cls: cls.one") + "c = Client()",
        client("self.loaded = self._load()", "@staticmethod\n    def __new__(cls): return cls.one") + "c = Client()",
        client("self.loaded = self._load()", "from other import _load") + "c = Client()",
        client("self.loaded = self._load()", "first = _load = find()") + "c = Client()",
        client("self.loaded = self._load()", "if wrong():\n        def _load(self): pass") + "c = Client()",
        client("self.loaded = self._load()", "for _load in found: pass") + "c = Client()",
        client("import x", "try:\n        def __init__(self): pass\n    finally: pass") + "c = Client()",
        client("import x") + "del Client.__init__, Client.x\nc = Client()",
        client("import x") + "    del __init__\nc = Client()",
        client("self._load = find()\n        self.loaded = self._load()") + "c = Client()",
        client("setattr(self, '_load', find())\n        self.loaded = self._load()") + "c = Client()",
        client("self.__dict__.update(_load=find())\n        self.loaded = self._load()") + "c = Client()",
        client("self.loaded = self._load()", "def __getattribute__(self, name): return find") + "c = Client()",
        client("self = find()\n        self.loaded = self._load()") + "c = Client()",
        client("import x") + "Client.__init__, y = find(), 1\nc = Client()",
        client("import x") + "patch(Client)\nc = Client()",
        client("self.loaded = self._load()").replace("    def _load", "    @replaced\n    def _load") + "c = Client()",
        client("self.loaded = self._load()"),
    ],
)
def test_what_a_call_may_not_lead_to_isnt_certain(source):
    assert "x" not in certain(source)


def test_functions_that_call_each_other_are_followed_to_an_end():
    assert certain("def f():\n    g()\ndef g():\n    f()\n    import x\nf()") == ["x"]


@pytest.mark.parametrize(
    ("init", "body", "unless"),
    [
        ("import x", "pass", ()),
        ("self.loaded = self._load()", "pass", ()),
        ("self.loaded = url or self._load()", "pass", ("0", "url")),
        ("self.loaded = (None if quiet else self._load())", "pass", ("1", "quiet")),
        ("self.loaded = url or self.loaded or self._load()", "loaded = None", ("0", "url")),
        ("self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None}", ()),
        ("self.kept['a'] = self.kept['a'] or self._load()", "first = {'a': None}\n    kept = first.copy()", None),
        ("self.kept['a'] = self.kept['a'] or self._load()", "first = {'a': None}\n    kept = copy(first)", ()),
        ("self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': find()}", None),
        ("self.kept['a'] = self.kept['a'] or self._load()", "kept = {'b': None}", None),
        ("self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None}\n    kept.update(b=1)", None),
        ("self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None, **more}", None),
        ("self.kept['a'] = 1\n        self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None}", None),
        ("self.kept.update(url)\n        self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None}", None),
        ("self.kept = url\n        self.kept['a'] = self.kept['a'] or self._load()", "kept = {'a': None}", None),
        ("self.loaded = self.other or self._load()", "other = None", None),
    ],
)
def test_the_first_call_without_arguments_runs_what_a_class_has_no_value_for(init, body, unless):
    assert runs(client(init, body)) == ([("Client", "x", unless)] if unless is not None else [])


def test_arguments_that_decide_after_an_import_dont_matter_to_it():
    source = "def f(a=None, b=None):\n    if not a:\n        import x\n    if not b:\n        import y"
    assert runs(source) == [("f", "x", ("0", "a")), ("f", "y", ("0", "1", "a", "b"))]


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("from a import f\nf()", [("a.f", ())]),
        ("from a import f as g\nvalue: int = g(1, key=2)", [("a.f", ("0", "key"))]),
        ("import a.b\na.b.f()", [("a.b.f", ())]),
        ("from . import b\nx = y = b.f(*z)", [(".b.f", ("*",))]),
        ("from a import f\nf()\ndef g(): return f(key=1)", [("a.f", ("key",))]),
        ("from a import f\nf()  # f(1)", [("a.f", ())]),
        ("from a import f\nif wrong():\n    f()", []),
        ("from a import f\ntry:\n    f()\nexcept ImportError:\n    pass", []),
        ("from a import f\ntry:\n    import b\nexcept ImportError:\n    f()", []),
        ("from a import f\ndef g(): f()", []),
        ("from logging import getLogger\nlogger = getLogger()", []),
        ("from a import f\nf = 1\nf()", []),
        ("import a.b\nimport a.c\na.b.f()", [("a.b.f", ())]),
        ("from a import f\nexec('f = print')\nf()", []),
        ("from a import f\nglobals().update(f=print)\nf()", []),
        ("from a import f\nfrom b import *\nf()", []),
        ("from b import f\ndef g():\n    from a import f\nf()", [("b.f", ())]),
        ("from b import f\nclass C:\n    from a import f\nf()", [("b.f", ())]),
        ("if wrong():\n    from b import f\nelse:\n    from a import f\nf()", []),
        ("from a import f\ntry:\n    f()\nexcept ValueError:\n    pass", []),
        ("from a import f\nf", []),
        ("x: int", []),
    ],
)
def test_calls_that_certainly_run_are_noted_with_the_arguments_of_all_calls(source, calls):
    assert started(source) == calls
