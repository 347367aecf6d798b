"""Which modules are run when the handler's is imported, and for certain or perhaps."""

import subprocess
import sys
import zipfile

import pytest
from entries import write_files
from package_contents import package_contents

from cdk_lambda_package.import_analysis import Runs
from cdk_lambda_package.layers import read_layers


def reached(files, **options):
    graph = package_contents(files, **options).graph
    return sorted(graph.certain), sorted(graph.perhaps)


def later(files, **options):
    return sorted(package_contents(files, **options).graph.later)


def test_imports_are_followed_from_module_to_module():
    files = {
        "app.py": "import chalicelib.a",
        "chalicelib/__init__.py": "",
        "chalicelib/a.py": "from . import b",
        "chalicelib/b.py": "from .deep.c import name",
        "chalicelib/deep/__init__.py": "",
        "chalicelib/deep/c.py": "name = 1",
        "chalicelib/unused.py": "import nothing",
    }
    assert reached(files) == (sorted(files.keys() - {"chalicelib/unused.py"}), [])


def test_the_packages_around_the_handlers_module_come_first():
    files = {"api/__init__.py": "from api import setup", "api/setup.py": "", "api/v1/main.py": ""}
    assert reached(files, index="api/v1/main.py")[0] == sorted(files)


def test_conditions_are_only_perhaps_and_functions_that_nothing_calls_come_later():
    files = {
        "app.py": """
def handler(event, context):
    import chalicelib.a
if handler.__doc__:
    import chalicelib.c
""",
        "chalicelib/a.py": "import chalicelib.b",
        "chalicelib/b.py": "",
        "chalicelib/c.py": "",
    }
    assert reached(files) == (["app.py"], ["chalicelib/c.py"])
    assert later(files) == ["chalicelib/a.py", "chalicelib/b.py"]


def test_a_module_that_is_reached_both_ways_is_certain():
    files = {"app.py": "def handler():\n    import a\nimport b", "a.py": "", "b.py": "import a"}
    assert reached(files) == (["a.py", "app.py", "b.py"], [])


def test_a_name_that_a_package_binds_is_no_submodule():
    files = {"app.py": "from x import y", "x/__init__.py": "y = 1", "x/y.py": "import nothing"}
    assert reached(files)[0] == ["app.py", "x/__init__.py"]


@pytest.mark.parametrize(
    "source",
    [
        "from . import (\n    y,\n    z,\n)",
        "from . import y, \\\n    z",
        "try:\n    from . import (\n        y,\n        z,\n    )\nexcept ImportError:\n    y = z = None",
    ],
)
def test_a_package_imports_its_submodules_by_a_statement_of_several_lines(source):
    files = {"app.py": "import x", "x/__init__.py": source, "x/y.py": "", "x/z.py": ""}
    assert reached(files)[0] == sorted(files)


def test_a_package_that_has_bound_a_name_doesnt_import_the_submodule():
    files = {"app.py": "import x", "x/__init__.py": "y = 1\nfrom . import y", "x/y.py": ""}
    assert reached(files)[0] == ["app.py", "x/__init__.py"]


def test_a_star_import_imports_the_submodules_that_all_names():
    files = {"app.py": "from x import *", "x/__init__.py": "__all__ = ['y']", "x/y.py": "", "x/z.py": ""}
    assert reached(files)[0] == ["app.py", "x/__init__.py", "x/y.py"]


def test_circles_end():
    files = {"app.py": "import a", "a.py": "import b", "b.py": "import a\nfrom b import c", "c.py": ""}
    assert reached(files)[0] == ["a.py", "app.py", "b.py"]


def test_a_fallback_is_run_only_if_what_it_stands_in_for_fails():
    tried = "try:\n    import {}\nexcept ImportError:\n    import fallback\nelse:\n    import luxury\n"
    others = {"fast.py": "", "fallback.py": "", "luxury.py": ""}
    assert reached({"app.py": tried.format("fast"), **others})[0] == ["app.py", "fast.py", "luxury.py"]
    assert reached({"app.py": tried.format("nothing"), **others})[0] == ["app.py", "fallback.py"]
    assert reached({"app.py": tried.format("tkinter"), **others}) == (["app.py"], ["fallback.py", "luxury.py"])


def test_a_module_that_fails_inside_counts_as_missing():
    files = {
        "app.py": "try:\n    import fast\nexcept ImportError:\n    import slow",
        "fast.py": "import helper",
        "helper.py": "import numba",
        "slow.py": "",
    }
    graph = package_contents(files).graph
    assert sorted(graph.certain) == sorted(files)
    # What fails there is caught, so that it is nobody's concern.
    assert sorted(graph.exposed) == ["app.py", "slow.py"]
    assert sorted(graph.exposed_perhaps) == ["app.py", "slow.py"]


def test_a_relative_import_of_a_script_falls_back():
    files = {
        "app.py": "try:\n    from .local import x\nexcept ImportError:\n    from local import x",
        "local.py": "x = 1",
    }
    graph = package_contents(files).graph
    assert [step.runs for step in graph.steps["app.py"]] == [Runs.ALWAYS, Runs.ALWAYS]
    assert sorted(graph.certain) == ["app.py", "local.py"]


def test_vendored_modules_are_followed_like_the_apps():
    files = {
        "app.py": "import lib",
        "vendor: lib/__init__.py": "from lib import core\ndef go():\n    import lib.more",
        "vendor: lib/core.py": "",
        "vendor: lib/more.py": "import lib.most",
        "vendor: lib/most.py": "",
    }
    assert reached(files) == (["app.py", "lib/__init__.py", "lib/core.py"], [])
    assert later(files) == ["lib/more.py", "lib/most.py"]


def test_what_a_command_changed_counts_as_the_apps_where_it_lies_there():
    contents = package_contents(
        {"after_packaging: app.py": "", "after_packaging: chalicelib/x.py": "", "after_packaging: boto3/x.py": ""}
    )
    assert [contents.is_app(path) for path in ("app.py", "chalicelib/x.py", "boto3/x.py")] == [True, True, False]


def test_distributions_are_followed_like_the_app():
    files = {
        "app.py": "import demo",
        "demo==1.0: demo.py": "import other\ndef late():\n    import rare",
        "other==1.0: other.py": "",
        "rare==1.0: rare.py": "",
        "rare==1.0: unused.py": "",
    }
    assert reached(files) == (["app.py", "demo.py", "other.py"], [])
    assert later(files) == ["rare.py"]


def test_modules_of_layers_are_followed_too(tmp_path):
    write_files(tmp_path, {"python/shared/__init__.py": "from . import http", "python/shared/http.py": "import demo"})
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
        archive.writestr("./python/shared/http.py", "import json")
    files = {"app.py": "import shared", "demo==1.0: demo.py": ""}
    [folder] = read_layers([tmp_path])
    layered = ["/opt/python/shared/__init__.py", "/opt/python/shared/http.py", "app.py"]
    assert reached(files, layers=[folder]) == ([*layered, "demo.py"], [])
    # Lambda unpacks layers in their order, so that a later one's file is there.
    both = [folder, *read_layers([tmp_path / "layer.zip"])]
    assert reached(files, layers=both) == (layered, [])


def test_a_chain_of_imports_may_be_long():
    files = {f"m{number}.py": f"import m{number + 1}" for number in range(1000)}
    certain, _ = reached({"app.py": "import m0", **files, "m1000.py": ""})
    assert len(certain) == 1002


def test_the_graph_is_made_once():
    contents = package_contents({"app.py": ""})
    assert contents.graph is contents.graph


REAL = {
    "app.py": """
import a.b.c
from a import late, named
from a.stars import *
try:
    import missing_one
except ImportError:
    from a import fallback
try:
    from a import missing_name
except ImportError:
    missing_name = None
if True:
    import a.conditional
class Body:
    from a import in_class
def function():
    import a.in_function
""",
    "a/__init__.py": "from .named_source import named\nfrom . import late as also",
    "a/named_source.py": "named = 1",
    "a/late.py": "",
    "a/fallback.py": "",
    "a/conditional.py": "",
    "a/in_class.py": "",
    "a/in_function.py": "",
    "a/unused.py": "",
    "a/stars.py": "__all__ = ['x']\nx = 1",
    "a/b/c.py": "from ..relative import x",
    "a/relative.py": "x = 1",
}


def test_the_certain_modules_are_those_that_python_runs(tmp_path):
    root = write_files(tmp_path, REAL)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True; import app\n"
        "print(*sorted(m.__file__ for m in sys.modules.values() if sys.argv[1] in (getattr(m, '__file__', None) or '')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, str(root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = sorted(path.removeprefix(f"{root}/") for path in done.stdout.split())
    certain, perhaps = reached(REAL)
    assert certain == run
    assert perhaps == []
    assert later(REAL) == ["a/in_function.py"]


def test_the_chain_to_a_module_is_the_shortest_way_that_certainly_runs():
    files = {
        "app.py": "import a\n\ndef handler(event, context):\n    import c\n",
        "a.py": "\nimport b",
        "b.py": "import c\nif input():\n    import d",
        "c.py": "",
        "d.py": "",
    }
    graph = package_contents(files).graph
    assert graph.chain_to("c.py") == (("app.py", 1), ("a.py", 2), ("b.py", 1))
    assert graph.chain_to("d.py") == (("app.py", 1), ("a.py", 2), ("b.py", 3))
    assert graph.chain_to("app.py") == ()


def test_statements_come_in_the_order_in_which_python_executes_them():
    files = {
        "app.py": "def f():\n    import last\nimport a, z",
        "vendor: a.py": "import b\nimport gone_a",
        "vendor: b.py": "import a\nimport gone_b",
        "vendor: last.py": "import gone_last",
        "vendor: z.py": "import gone_z",
    }
    order = [step.statement.module for _, step in package_contents(files).graph.in_order()]
    assert [module for module in order if module.startswith("gone")] == ["gone_b", "gone_a", "gone_z", "gone_last"]
