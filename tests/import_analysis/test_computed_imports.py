"""Modules that a source names in part, or that it gives to a function which imports them."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.checks import check
from cdk_lambda_package.import_analysis.facts import ComputedImport
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.store import Store

HANDLER = "\ndef handler(event, context): pass"
LAZY = "from importlib import import_module\ndef lazy(full_name, **more):\n    def call():\n        module, name = full_name.rsplit('.', 1)\n        return getattr(import_module(module), name)\n    return call\n"  # fmt: skip
LIBRARY = {
    "lib/__init__.py": "",
    "lib/utils.py": LAZY,
    "lib/session.py": "import lib.utils\ndef start():\n    lib.utils.lazy('lib.orders.find')",
    "lib/orders.py": "from lib import more",
    "lib/more.py": "",
}


def read(source):
    return read_module(source.encode(), (3, 13))


def graph_of(files):
    return package_contents(files).graph


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("    return importlib.import_module(name)", True),
        ("    module, _, attribute = name.rpartition('.')\n    return importlib.import_module(module)", True),
        ("    path = name.replace(':', '.')\n    part = path\n    return __import__(part)", True),
        ("    return importlib.import_module(name.split(':')[0])", True),
        ("    def call():\n        return importlib.import_module(name)\n    return call", True),
        ("    return importlib.import_module(other)", False),
        ("    return importlib.import_module('lib')", False),
        ("    return load.import_module(name)", False),
    ],
)
def test_a_function_that_imports_its_first_argument_is_known(body, found):
    source = f"import importlib, load\ndef find(name: str, other=None):\n{body}\nfind('lib.orders')"
    facts = read(source)
    assert facts.importers == (("find",) if found else ())
    line = source.count("\n") + 1
    assert facts.computed == ((ComputedImport("lib.orders", line, deferred=False),) if found else ())


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ('f"lib.backends._{x}"', "lib.backends._*"),
        ('"lib.dialects.%s" % (x,)', "lib.dialects.*"),
        ('"lib.dialects." + x', "lib.dialects.*"),
        ('"lib.{}_io".format(x)', "lib.*_io"),
        ("computed", "lib.by_name.*"),
        ('f"{x}.lib"', None),
        ("x", None),
        ('x + ".lib"', None),
        ('f".{x}", __name__', ".*"),
        ('".sub." + x, package=__package__', ".sub.*"),
        ('f".{x}", package', None),
    ],
)
def test_the_parts_of_a_computed_name_are_known(name, pattern):
    facts = read(
        f'from importlib import import_module\ndef find(package, x):\n    computed = f"lib.by_name.{{x}}"\n    import_module({name})'
    )
    assert facts.computed == ((ComputedImport(pattern, 4, deferred=True),) if pattern else ())


def test_lazy_tables_say_what_a_module_imports_for_a_name():
    facts = read("import importlib\ndef __getattr__(name):\n    return importlib.import_module('.' + name, __name__)")
    assert facts.computed == ()


def test_a_name_that_an_imported_function_imports_is_followed():
    graph = graph_of({**LIBRARY, "app.py": "import lib.session" + HANDLER})
    assert graph.later == {"lib/orders.py", "lib/more.py"}
    chain = [(link.path, link.line) for link in graph.chain_to("lib/more.py")]
    assert chain == [("app.py", 1), ("lib/session.py", 3), ("lib/orders.py", 1)]


def test_a_name_that_is_given_while_the_module_is_imported_is_perhaps_followed():
    graph = graph_of({**LIBRARY, "app.py": "from lib.utils import lazy\nfind = lazy('lib.orders.find')" + HANDLER})
    assert graph.perhaps == {"lib/orders.py", "lib/more.py"}


def test_a_text_that_another_function_gets_imports_nothing():
    graph = graph_of({**LIBRARY, "lib/utils.py": "def lazy(name): pass", "app.py": "import lib.session" + HANDLER})
    assert "lib/orders.py" not in graph.steps


def test_modules_that_a_computed_name_may_be_are_followed_later():
    source = "import importlib\ndef run(name):\n    importlib.import_module(f'lib.backends._{name}')" + HANDLER
    files = {
        "app.py": source,
        "lib/__init__.py": "",
        "lib/backends/__init__.py": "",
        "lib/backends/_one.py": "",
        "lib/backends/_two/__init__.py": "from lib.backends import base",
        "lib/backends/_two/inner.py": "",
        "lib/backends/base.py": "",
        "lib/backends/other.py": "",
    }
    graph = graph_of(files)
    assert graph.later == files.keys() - {"app.py", "lib/backends/_two/inner.py", "lib/backends/other.py"}
    assert graph.certain == {"app.py"}


@pytest.mark.parametrize(("count", "followed"), [(10, True), (11, False)])
def test_a_package_with_many_such_modules_is_a_collection(count, followed):
    files = {f"lib/kind_{number}.py": "" for number in range(count)}
    source = "def run(name):\n    __import__('lib.kind_%s' % name)" + HANDLER
    graph = graph_of({**files, "lib/__init__.py": "", "app.py": source})
    assert bool(graph.later) is followed


def test_names_with_an_underscore_are_left_out_unless_it_is_in_the_source():
    files = {"lib/__init__.py": "", "lib/_own.py": "", "lib/__main__.py": "", "lib/one.py": ""}
    run = "def run(name):\n    __import__({!r} + name)" + HANDLER
    assert graph_of({**files, "app.py": run.format("lib.")}).later == {"lib/__init__.py", "lib/one.py"}
    assert graph_of({**files, "app.py": run.format("lib._")}).later == {"lib/__init__.py", "lib/_own.py"}


@pytest.mark.parametrize("name", ["lib.orders.find", "nowhere.at.all"])
def test_no_finding_follows_from_computed_names(name):
    broken = {**LIBRARY, "lib/orders.py": "import nowhere"}
    source = f"from lib.utils import lazy\nimport importlib\nfind = lazy({name!r})\ndef run(name):\n    importlib.import_module(f'lib.{{name}}')"
    assert check(package_contents({**broken, "app.py": source + HANDLER})) == ()


def test_an_edit_of_a_module_that_only_a_computed_name_leads_to_counts(tmp_path):
    store = Store(tmp_path)
    library = {f"lib==1.0: {path}": content for path, content in LIBRARY.items()}
    run = "import lib\ndef run(name):\n    __import__(f'chalicelib.{name}')\n" + HANDLER
    own = {"app.py": run, "chalicelib/__init__.py": "", "chalicelib/one.py": ""}
    contents = package_contents({**library, **own}, store=store)
    assert "lib/more.py" not in contents.reach.all
    contents.imports.save()
    edited = package_contents({**library, **own, "chalicelib/one.py": "import lib.more"}, store=store)
    assert "lib/more.py" in edited.reach.all
    named = package_contents({**library, **own, "app.py": run + "\nfrom lib.utils import lazy\nlazy('lib.more')"}, store=store)  # fmt: skip
    assert "lib/more.py" in named.reach.perhaps
