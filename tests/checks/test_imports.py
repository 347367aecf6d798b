"""Imports that Lambda could not do: each is found, at its place and with the way out, and nothing else is."""

import pytest
from package_contents import layer, package_contents

from cdk_lambda_package.catalogue import find_rule
from cdk_lambda_package.checks.imports import check as check_imports
from cdk_lambda_package.splicing import Decision, Omission


def findings(files, **options):
    if isinstance(files, str):
        files = {"app.py": files}
    found = list(check_imports(package_contents(files, **options)))
    assert all(finding.severity is find_rule(finding.id).severity for finding in found)
    return found


def told(files, **options):
    return [f"{finding.id} {finding.path}:{finding.line}" for finding in findings(files, **options)]


def message(files, **options):
    [found] = findings(files, **options)
    return found.message


LIB = {"chalicelib/__init__.py": "", "chalicelib/utils.py": "def hi():\n    return 1\n\nGREETINGS = ['hi']\n"}


def test_a_module_that_nothing_provides_is_an_error_with_its_line_and_its_distribution():
    [found] = findings("import os\n\nimport yaml\n")
    assert (found.id, found.path, found.line) == ("import-not-found", "app.py", 3)
    assert found.message == (
        "'yaml' is imported, and neither the package nor python3.13 on Lambda has it. Add PyYAML to the requirements; "
        "vendor/, layers=[…] and packaging=Packaging(provided=[…]) are accepted too."
    )


@pytest.mark.parametrize(
    ("source", "precise_id"),
    [
        ("import yaml.nodes", "import-not-found:yaml"),
        ("from chalicelib.utils import hii", "name-not-found:chalicelib.utils.hii"),
        ("def f(): import bokeh.io", "import-uncertain:bokeh"),
        ("import cgi", "removed-from-standard-library:cgi"),
    ],
)
def test_a_finding_can_be_acknowledged_for_one_module(source, precise_id):
    assert [finding.precise_id for finding in findings({"app.py": source, **LIB})] == [precise_id]


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("cv2", "opencv-python-headless"),
        ("sklearn.linear_model", "scikit-learn"),
        ("PIL.Image", "Pillow"),
        ("bs4", "beautifulsoup4"),
        ("jwt", "PyJWT"),
        ("dotenv", "python-dotenv"),
        ("psycopg2", "psycopg2-binary"),
        ("google.protobuf.message", "protobuf"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("aws_lambda_powertools", "aws-lambda-powertools"),
        ("requests", "requests"),
    ],
)
def test_the_distribution_to_add_is_suggested(module, distribution):
    assert f" {distribution}" in message(f"import {module}")


def test_what_the_package_the_runtime_and_the_standard_library_have_is_fine():
    files = {
        "app.py": "import boto3, json, requests.adapters\nimport chalicelib.utils\nfrom six.moves import urllib\nimport lib",
        **LIB,
        "vendor: lib.abi3.so": "",
        "requests==2.32.5: requests/__init__.py": "",
        "requests==2.32.5: requests/adapters.py": "",
    }
    assert told(files) == []


def test_the_missing_part_of_a_dotted_name_is_named():
    assert "'chalicelib.database' is imported" in message({"app.py": "import chalicelib.database.models", **LIB})
    assert "'nothing' is imported" in message("import nothing.at.all")


def test_one_finding_names_all_the_places():
    files = {
        "app.py": "import yaml\nfrom yaml import load\nimport chalicelib.a",
        "chalicelib/a.py": "import yaml\nimport yaml\nimport yaml",
    }
    assert "It is imported in app.py:2, chalicelib/a.py:1, chalicelib/a.py:2 and 1 more too." in message(files)


def test_imports_deep_in_the_app_and_in_vendor_are_found():
    files = {
        "app.py": "from chalicelib import utils\nimport lib",
        "chalicelib/utils.py": "from .db import engine",
        "chalicelib/db.py": "import sqlalchemy\nengine = 1",
        "vendor: lib/__init__.py": "from . import http",
        "vendor: lib/http.py": "\nimport urllib4",
    }
    assert told(files) == ["import-not-found chalicelib/db.py:1", "import-not-found vendor/lib/http.py:2"]


def test_modules_that_nobody_imports_are_no_concern():
    assert told({"app.py": "", "chalicelib/old.py": "import gone", "vendor: lib.py": "import gone"}) == []


def test_an_import_in_a_function_is_a_warning_once():
    files = {"app.py": "def a():\n    import yaml\ndef b():\n    import yaml\n"}
    assert told(files) == ["import-uncertain app.py:2"]
    assert "is imported in a function or under a condition" in message(files)


def test_what_a_function_imports_of_the_app_may_lack_something():
    files = {"app.py": "def a():\n    from chalicelib import pdf", "chalicelib/pdf.py": "import weasyprint"}
    assert told(files) == ["import-uncertain chalicelib/pdf.py:1"]


def test_optional_imports_of_vendor_are_no_concern():
    optional = "def plot():\n    import matplotlib\nif plot.__doc__:\n    import bokeh\nimport json"
    assert told({"app.py": "import lib", "vendor: lib.py": optional}) == []
    assert told({"app.py": "def a():\n    import lib", "vendor: lib.py": "import matplotlib"}) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import ujson\nexcept ImportError:\n    ujson = None",
        "try:\n    import ujson as json\nexcept ModuleNotFoundError:\n    import json",
        "try:\n    import a\nexcept ImportError:\n    try:\n        import b\n    except ImportError:\n        b = None",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import ujson",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mypy_boto3_s3 import S3Client",
        "import sys\nif sys.version_info < (3, 9):\n    import importlib_metadata",
        "import sys\nif sys.platform == 'win32':\n    import winreg",
        "def f():\n    try:\n        import ujson\n    except ImportError:\n        return None",
    ],
)
def test_guarded_and_dead_imports_are_fine(source):
    assert told(source) == []


def test_a_fallback_that_is_missing_too_is_the_error():
    source = "try:\n    import ujson\nexcept ImportError:\n    import simple_json"
    assert told(source) == ["import-not-found app.py:4"]


def test_a_failure_inside_of_a_guarded_module_is_caught():
    files = {
        "app.py": "try:\n    from chalicelib import fast\nexcept ImportError:\n    fast = None",
        "chalicelib/fast.py": "import numba",
    }
    assert told(files) == []


@pytest.mark.parametrize(
    ("name", "near"), [("hii", "The nearest that it has is 'hi'."), ("xyz", "It has none that is similar.")]
)
def test_a_name_that_the_apps_module_lacks(name, near):
    files = {"app.py": f"from chalicelib.utils import {name}", **LIB}
    assert told(files) == ["name-not-found app.py:1"]
    assert message(files) == f"'{name}' is imported from chalicelib.utils, which has no such name. {near}"


def test_names_are_looked_for_behind_star_imports_as_far_as_these_can_be_read():
    files = {
        "app.py": "from chalicelib import hi, GREETINGS, _hidden",
        **LIB,
        "chalicelib/__init__.py": "from .utils import *\nfrom .utils import _hidden",
        "chalicelib/utils.py": "def hi(): pass\n_hidden = 1\n__all__ = ['hi']\nGREETINGS = []",
    }
    assert [finding.message.partition(" ")[0] for finding in findings(files)] == ["'GREETINGS'"]
    assert told({**files, "chalicelib/__init__.py": "from json import *\nfrom .utils import *"}) == []


@pytest.mark.parametrize(
    "source",
    [
        "def __getattr__(name):\n    return 1",
        "exec('more = 1')",
        "globals().update(more=1)",
        "from os import *",
        "import sys\nsys.modules[__name__] = object()",
    ],
)
def test_names_of_a_module_that_makes_them_up_are_not_judged(source):
    assert told({"app.py": "from chalicelib import more", "chalicelib/__init__.py": source}) == []


def test_names_made_up_behind_a_star_import_are_not_judged_either():
    files = {"app.py": "from chalicelib.more import more", **LIB, "chalicelib/more.py": "from .utils import *"}
    assert told(files) == ["name-not-found app.py:1"]
    files["chalicelib/more.py"] += "\nglobals().update(more=1)"
    assert told(files) == []


def test_submodules_and_the_attributes_of_every_module_count_as_names():
    files = {"app.py": "from chalicelib import utils, __name__, __file__, __path__", **LIB}
    assert told(files) == []


def test_a_package_does_not_find_its_own_import_of_what_it_lacks():
    files = {"app.py": "import chalicelib", "chalicelib/__init__.py": "from . import missing"}
    assert told(files) == ["name-not-found chalicelib/__init__.py:1"]


def test_names_of_vendored_modules_are_judged_in_all_code():
    files = {"app.py": "import other\nfrom lib import x", "vendor: lib.py": "", "vendor: other.py": "from lib import y"}
    assert sorted(told(files)) == ["name-not-found app.py:2", "name-not-found vendor/other.py:1"]


def test_a_name_in_a_function_is_a_warning():
    assert told({"app.py": "def f():\n    from chalicelib.utils import hii", **LIB}) == ["import-uncertain app.py:2"]


@pytest.mark.parametrize(
    ("module", "runtime", "expected"),
    [
        ("distutils.core", "python3.12", "since Python 3.12 (PEP 632)"),
        ("telnetlib", "python3.13", "Require standard-telnetlib"),
        ("cgi", "python3.13", "legacy-cgi"),
        ("imp", "python3.12", "Use importlib."),
    ],
)
def test_what_was_removed_from_the_standard_library_is_named_so(module, runtime, expected):
    assert told(f"import {module}", runtime=runtime) == ["removed-from-standard-library app.py:1"]
    assert expected in message(f"import {module}", runtime=runtime)


def test_what_was_removed_may_come_back_by_a_distribution():
    assert told({"app.py": "import cgi", "legacy-cgi==2.6: cgi.py": ""}) == []
    assert told("import cgi", runtime="python3.12") == []
    assert told("import telnetlib", provided=("standard-telnetlib",)) == ["import-uncertain app.py:1"]


def test_setuptools_has_distutils_once_it_is_imported():
    files = {"app.py": "import setuptools\nfrom distutils.version import LooseVersion",
             "setuptools==80: setuptools/__init__.py": ""}  # fmt: skip
    assert told(files) == ["import-uncertain app.py:2"]


def test_modules_of_other_systems_are_not_on_lambda():
    assert told("import winreg") == ["import-not-found app.py:1"]
    assert "It is part of Python on other systems only." in message("import winreg")


@pytest.mark.parametrize("module", ["tkinter", "simplejson", "curses"])
def test_what_lambda_may_have_or_not_is_a_warning(module):
    assert told(f"import {module}") == ["import-uncertain app.py:1"]
    assert "may have it or not" in message(f"import {module}")
    assert told({"app.py": "import lib", "vendor: lib.py": f"import {module}"}) == []


def test_the_module_beside_app_is_recognised():
    assert told("import helpers", unpackaged=("helpers.py",)) == ["import-not-found app.py:1"]
    assert (
        "helpers.py is in the entry directory, but isn't packaged: set packaging=Packaging(include=['helpers.py']), or move it into "
        in (message("import helpers", unpackaged=("helpers.py",)))
    )
    assert "set packaging=Packaging(include=['shared/**'])" in message(
        "from shared.db import x", unpackaged=("shared/",)
    )
    assert "exclude leaves it out" in message(
        {"app.py": "import chalicelib.seeds", **LIB}, unpackaged=("chalicelib/seeds.py",)
    )


def test_a_project_that_is_installed_and_lacks_a_module_is_not_told_to_be_installed():
    files = {"app.py": "import acme.nope", "acme-orders==1.0: acme/orders.py": ""}
    for unpackaged in (("src/", "src/acme/"), ("../src/acme/",)):
        assert "src/acme/" not in message(files, unpackaged=unpackaged, built=frozenset({"acme-orders==1.0"}))
        assert "src/acme/" in message(files, unpackaged=unpackaged)


@pytest.mark.parametrize("path", ["../src/package_b/", "../src/package_b.py", "../../src/package_b/"])
def test_a_module_of_a_project_above_is_recognised(path):
    said = message({"app.py": "from package_b.db import engine"}, unpackaged=(path,))
    assert f"{path} is in a project that the entry directory is below: add '{path.partition('/src')[0]}' to the" in said
    assert "distribution" not in said


@pytest.mark.parametrize("path", ["src/package_b/", "src/package_b.py"])
def test_a_module_of_a_project_that_is_not_installed_is_recognised(path):
    """It was mistaken for another distribution with a similar name."""
    files = {"app.py": "from package_b.db import engine", "package-a==1.0: package_a/__init__.py": ""}
    assert told(files, unpackaged=("src/", path)) == ["import-not-found app.py:1"]
    said = message(files, unpackaged=("src/", path))
    assert (
        f"{path} is in the entry directory, of a project that isn't installed: add '.' to requirements.txt; or give"
        in said
    )
    assert "Did you mean" not in said


def test_a_sibling_in_the_folder_of_the_index_is_recognised():
    files = {"api/main.py": "import responses", "api/responses.py": ""}
    assert "The package has it as api.responses, in api/responses.py" in message(files, index="api/main.py")
    files = {"app.py": "import utils", **LIB}
    assert "The package has it as chalicelib.utils" in message(files)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import chalicelib.util", "Did you mean chalicelib.utils, which the package has?"),
        ("import Chalicelib", "Did you mean chalicelib, which the package has?"),
        ("import json.encode", "The standard library's json has no such module."),
        ("import python_dateutil", "python-dateutil==2.9 is packaged, and its module is called dateutil."),
    ],
)
def test_slips_of_the_pen_are_recognised(source, expected):
    files = {"app.py": source, **LIB, "python-dateutil==2.9: dateutil/__init__.py": ""}
    assert expected in message(files)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (("distribution-left-out", "requests==2.32.5", ""), "exclude_distributions leaves out requests==2.32.5"),
        (("distribution-replaced-by-vendor", "requests==2.32.5", "vendor/ provides x"), "since vendor/ provides x"),
    ],
)
def test_a_distribution_that_was_left_out_is_named(decision, expected):
    assert expected in message("import requests", decisions=(Decision(*decision),))


def test_of_a_slim_chalice_only_the_runtime_is_there():
    files = {
        "app.py": "from chalice import Chalice\nfrom chalice.test import Client",
        "chalice==1.34.0: chalice/__init__.py": "from chalice.app import Chalice",
        "chalice==1.34.0: chalice/app.py": "class Chalice: ...",
    }
    slim = Decision("chalice-runtime-only", "chalice==1.34.0", "")
    assert told(files, decisions=(slim,)) == ["import-not-found app.py:2"]
    assert "packaging=Packaging(chalice='full')" in message(files, decisions=(slim,))


def test_a_module_that_a_distribution_lacks_is_an_error_unless_compiled_code_may_make_it():
    files = {"app.py": "import demo.missing", "demo==1.0: demo/__init__.py": ""}
    assert told(files) == ["import-not-found app.py:1"]
    assert told({**files, "demo==1.0: demo/fast.abi3.so": ""}) == ["import-uncertain app.py:1"]
    made = "import sys\nsys.modules['demo.missing'] = sys"
    files = {**files, "app.py": "import other, demo.missing", "other==1.0: other.py": made}
    assert told(files) == ["import-uncertain app.py:1"]
    assert "demo is there, from demo==1.0, and has no such module. Require another release, or" in message(files)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("demo/__init__.py", "import sys\nsys.modules['demo.missing'] = sys"),
        ("demo/__init__.py", "__path__.append(elsewhere())"),
        ("demo.abi3.so", ""),
        ("demo.pyc", ""),
    ],
)
def test_a_distribution_may_make_modules_itself(path, source):
    assert told({"app.py": "import demo.missing", f"demo==1.0: {path}": source}) == []
    assert told({"app.py": "import lib", "vendor: lib.py": "import demo.missing", f"demo==1.0: {path}": source}) == []


def test_a_namespace_lacks_a_portion_for_certain():
    files = {
        "app.py": "from google.cloud import storage, bigquery",
        "google-x==1: google/cloud/storage/__init__.py": "",
    }
    assert told(files) == ["import-not-found app.py:1"]
    assert "'google.cloud.bigquery' is imported" in message(files)
    assert "Add google-cloud-bigquery to the requirements" in message(files)
    assert len(findings("from google.cloud import storage\nfrom google.protobuf import message")) == 2


def test_relative_imports_need_a_package_around_them():
    assert told("from . import utils") == ["import-not-found app.py:1"]
    assert "app.py is at the package's top level" in message("from .utils import x")
    files = {"app.py": "import chalicelib.utils", **LIB, "chalicelib/utils.py": "from ..shared import x"}
    assert told(files) == ["import-not-found chalicelib/utils.py:1"]
    assert "leads out of chalicelib" in message(files)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"layers": [layer(known=False)]}, "It may be in layer layer, whose files are unknown here."),
        ({"provided": ("awswrangler",)}, "It may come with awswrangler, which provided names."),
        ({"runtime": "python3.15"}, "It may be new in python3.15"),
    ],
)
def test_what_can_not_be_looked_into_makes_an_error_a_warning(options, why):
    assert told("import yaml", **options) == ["import-uncertain app.py:1"]
    assert why in message("import yaml", **options)


def test_a_layer_that_is_known_makes_it_certain():
    assert told("import yaml", layers=[layer("python/yaml/__init__.py")]) == []
    assert told("import yaml", layers=[layer("python/x.py")]) == ["import-not-found app.py:1"]


def test_a_provided_distribution_that_is_vendored_hides_nothing():
    files = {"app.py": "import psycopg2\nimport yaml", "vendor: psycopg2/__init__.py": ""}
    assert told(files, provided=("psycopg2",)) == ["import-not-found app.py:2"]


def test_names_of_the_apps_own_modules_are_certain_whatever_the_layers():
    files = {"app.py": "from chalicelib.utils import hii", **LIB}
    assert told(files, layers=[layer(known=False)]) == ["name-not-found app.py:1"]


def test_a_changed_path_makes_it_uncertain_unless_the_module_is_in_the_package():
    source = "import sys\nsys.path.insert(0, find('lib'))\nimport tiny\nimport yaml"
    assert told({"app.py": source, "lib/tiny.py": ""}) == ["import-uncertain app.py:4"]
    [found] = findings({"app.py": source, "lib/tiny.py": ""})
    assert "It may be found where app.py has Python search." in found.message


@pytest.mark.parametrize(
    "folder",
    [
        "'lib'",
        "'/var/task/lib'",
        "os.path.join(os.path.dirname(__file__), 'lib')",
        "os.path.abspath(os.path.join(__file__, '..', 'lib'))",
        "str(Path(__file__).resolve().parent / 'lib')",
        "os.path.join(here, 'lib')",
    ],
)
def test_a_folder_on_the_path_provides_what_it_has_and_nothing_else(folder):
    start = "import os, sys\nfrom pathlib import Path\nhere = os.path.dirname(os.path.realpath(__file__))\n"
    source = f"{start}sys.path.insert(0, {folder})\nimport tiny\nimport yaml\nimport other"
    files = {"app.py": source, "lib/tiny.py": "", "elsewhere/other.py": ""}
    assert told(files) == ["import-not-found app.py:6", "import-not-found app.py:7"]


@pytest.mark.parametrize("folder", ["'/opt/lib'", "os.path.join(root(), 'lib')", "folder"])
def test_a_folder_outside_of_the_package_may_have_anything(folder):
    source = f"import os, sys\nsys.path.insert(0, {folder})\nimport yaml"
    assert told({"app.py": source}) == ["import-uncertain app.py:3"]


def test_what_a_requirement_computes_is_about_its_own_files():
    files = {
        "app.py": "import lib\nimport requests",
        "vendor: lib/__init__.py": "import sys\nsys.modules[name] = sys.modules[__name__]",
        "demo==1.0: demo/requests.py": "",
    }
    assert told(files) == ["import-not-found app.py:2"]


def test_a_vendored_packages_ways_with_the_path_are_its_own():
    files = {
        "app.py": "import lib\nimport yaml",
        "vendor: lib/__init__.py": "import sys\nsys.path.append(x)\nimport bundled\nimport gone",
        "vendor: lib/_vendor/bundled/__init__.py": "",
    }
    assert told(files) == ["import-not-found app.py:2"]


@pytest.mark.parametrize("name", ["fast.cpython-311-x86_64-linux-gnu.so", "fast.cp313-win_amd64.pyd"])
def test_a_binary_for_another_python_is_told_by_the_check_of_binaries(name):
    assert told({"app.py": "import lib.fast", "vendor: lib/__init__.py": "", f"vendor: lib/{name}": ""}) == []


def test_a_module_that_cannot_be_parsed_accuses_nobody():
    assert told({"app.py": "import chalicelib.a\nfrom chalicelib.a import x", "chalicelib/a.py": "def (:"}) == []


def test_a_name_that_another_module_assigns_is_there():
    files = {"app.py": "import chalicelib.n\nfrom chalicelib.m import z", "chalicelib/m.py": ""}
    for source in (
        "from chalicelib import m\nm.z = 1",
        "import chalicelib.m\ndef f():\n    chalicelib.m.z: int = 1",
        "from . import m as other\nsetattr(other, name, 1)",
        "import sys\nsys.modules['chalicelib.m'].y, sys.modules['chalicelib.m'].z = 1, 2",
    ):
        assert told({**files, "chalicelib/n.py": source}) == []


@pytest.mark.parametrize(
    "source",
    ["from chalicelib import m\nm.y = 1", "from chalicelib import m\nm.z == 1", "m = object()\nm.z = 1",
     "from chalicelib import m\nm.table['z'] = 1"],
)  # fmt: skip
def test_what_is_assigned_elsewhere_gives_no_name_to_a_module(source):
    files = {
        "app.py": "import chalicelib.n\nfrom chalicelib.m import z",
        "chalicelib/m.py": "",
        "chalicelib/n.py": source,
    }
    assert told(files) == ["name-not-found app.py:2"]


@pytest.mark.parametrize(
    ("source", "runtime", "said"),
    [
        ("import tkinter.ttk", "python3.13", "It depends on the runtime's image."),
        ("import bootstrap", "python3.13", "It depends on the runtime's image."),
        ("import pip", "python3.13", "Add pip to the requirements to be sure."),
        ("import setuptools", "python3.11", "Add setuptools to the requirements to be sure."),
        ("import pkg_resources", "python3.11", "importlib.metadata and importlib.resources; or add setuptools<82"),
        ("import pkg_resources", "python3.13", "importlib.metadata and importlib.resources; or add setuptools<82"),
        ("import awscrt", "python3.13", "Add botocore[crt] to the requirements"),
        ("import tomllib", "python3.10", "The standard library has it since Python 3.11 only. Require tomli,"),
        ("import compression.zstd", "python3.13", "The standard library has it since Python 3.14 only."),
    ],
)
def test_what_the_runtime_and_the_standard_library_may_have_is_told_apart(source, runtime, said):
    assert said in message(source, runtime=runtime)


@pytest.mark.parametrize(
    "call",
    ["importlib.import_module('gone')", "__import__('gone.b')", "importlib.__import__('gone')"],
)
@pytest.mark.parametrize("where", ["{}", "def f():\n    return {}"])
def test_what_is_imported_by_its_name_may_be_missing(call, where):
    text = message(f"import importlib\n{where.format(call)}")
    assert text.startswith("'gone' is imported by a call, and neither")


def test_a_module_that_is_imported_by_its_name_is_found():
    calls = ("importlib.import_module('json')", "runpy.run_module('json.tool')", "pkgutil.resolve_name('json:dumps')",
             "pkgutil.resolve_name('json.dumps')", "pkgutil.resolve_name('xml.dom:Node')")  # fmt: skip
    assert told("\n".join(("import importlib, pkgutil, runpy", *calls))) == []


def test_a_module_may_import_its_own_names_from_itself():
    own = {"app.py": "import chalicelib.m", "chalicelib/__init__.py": ""}
    assert told({**own, "chalicelib/m.py": "class P: ...\nfrom chalicelib.m import P\n"}) == []
    assert told({**own, "chalicelib/m.py": "from chalicelib.m import P\n"}) == ["name-not-found chalicelib/m.py:1"]


def test_a_folder_that_a_package_adds_to_its_path_has_submodules_of_it():
    source = "import os\n__path__.append(os.path.join(os.path.dirname(__file__), 'extra'))\n"
    files = {"app.py": "import lib.sub\n", "lib==1.0: lib/__init__.py": source, "lib==1.0: lib/extra/sub.py": ""}
    assert told(files) == []
    assert told({**files, "app.py": "import lib.other\n"}) == ["import-not-found app.py:1"]


def test_a_decorator_may_bind_names_in_the_module_that_uses_it_by_the_name_of_its_own():
    meddler = "def register(f):\n    f.__globals__['RED'] = 1\n    return f\n"
    files = {"app.py": "from lib import RED\n", "lib==1.0: lib/u.py": meddler}
    use = "@{}u.register\ndef x(): ...\n"
    assert told({**files, "lib==1.0: lib/__init__.py": f"from . import u\n{use.format('')}"}) == []
    assert told({**files, "lib==1.0: lib/__init__.py": f"import lib.u\n{use.format('lib.')}"}) == []
    assert told({**files, "lib==1.0: lib/__init__.py": "from . import u\n"}) == ["name-not-found app.py:1"]


def test_an_enumeration_may_bind_its_members_in_the_module():
    source = "import enum\n@enum.global_enum\nclass Colour(enum.Enum):\n    RED = 1\n"
    assert told({"app.py": "from lib import RED\n", "lib==1.0: lib.py": source}) == []


def test_a_module_has_the_attributes_of_every_object():
    assert told({"app.py": "from lib import __class__, __doc__\n", "lib==1.0: lib.py": ""}) == []


def test_a_finder_of_a_distribution_does_not_find_the_modules_of_others_by_new_names():
    # wrapt's import hooks, and opentelemetry/instrumentation/requests/ that imports requests.
    files = {
        "app.py": "import instrumentation.requests\n",
        "instrumentation==1.0: instrumentation/__init__.py": "import wrapt\n",
        "instrumentation==1.0: instrumentation/requests/__init__.py": "import requests\n",
        "instrumentation==1.0: instrumentation/requests/py.typed": "",
        "wrapt==2.0: wrapt.py": "import sys\nsys.meta_path.insert(0, Finder())\n",
    }
    assert told(files) == ["import-not-found app.py:1"]
    assert told({**files, "wrapt==2.0: wrapt/vendored/requests.py": ""}) == []
    assert told({**files, "plugins/requests.py": ""}) == []


def test_a_package_may_make_its_submodules_and_others_may_not():
    finder = "import sys\nsys.meta_path.append(object())\n"
    files = {"app.py": "from lib.extern import packaging\nimport chalicelib.m", "vendor: lib/__init__.py": "",
             "vendor: lib/extern/__init__.py": finder, "chalicelib/__init__.py": "", "chalicelib/m.py": ""}  # fmt: skip
    assert told(files) == []
    files |= {"chalicelib/m.py": f"{finder}from .n import x", "chalicelib/n.py": ""}
    assert told(files) == ["name-not-found chalicelib/m.py:3"]


def test_a_package_that_makes_modules_of_another_name_lacks_a_name_all_the_same():
    # from jinja2 import escape
    loader = "import sys\nclass Loader:\n    def load(self):\n        name = f'{}_made_{{id(self)}}'\n        sys.modules[name] = self"
    files = {"app.py": "import web", "web==1: web/__init__.py": "from lib import escape",
             "lib==3: lib/__init__.py": "from .loaders import Loader", "lib==3: lib/loaders.py": loader.format("")}  # fmt: skip
    assert told(files) == ["name-not-found app.py:1"]
    assert told({**files, "lib==3: lib/loaders.py": loader.format("lib.")}) == ["name-not-found app.py:1"]
    assert told({**files, "lib==3: lib/loaders.py": loader.format("lib.").replace("_made_", "")}) == []


def test_settings_that_left_pydantic_are_named_with_the_distribution_that_has_them():
    files = {
        "app.py": "from pydantic import BaseSettings",
        "pydantic==2.11.7: pydantic/__init__.py": "from ._migration import made\n__getattr__ = made(__name__)",
        "pydantic==2.11.7: pydantic/_migration.py": "T = {'pydantic:Old': 1}\ndef made(module):\n    def answer(name):\n"
        "        path = f'{module}:{name}'\n        if path in T:\n            return T[path]\n        raise AttributeError\n    return answer\n",
    }  # fmt: skip
    assert told(files) == ["name-not-found app.py:1"]
    assert "it is in pydantic-settings: add that to the requirements" in message(files)
    assert told({**files, "app.py": "from pydantic import Old"}) == []


def test_an_import_hook_doesnt_bring_back_what_the_standard_library_lost():
    files = {"app.py": "import lib", "vendor: lib.py": "import sys\nsys.meta_path.append(Hook())\nimport cgi"}
    assert told(files) == ["removed-from-standard-library vendor/lib.py:3"]


def test_of_two_modules_that_replace_each_other_the_first_is_named_with_its_fix_too():
    source = "try:\n    from shared.db import connect\nexcept ImportError:\n    from layer_db import connect\n"
    [finding] = findings(source, unpackaged=("shared/",))
    assert (finding.id, finding.line, finding.subject) == ("import-not-found", 4, "layer_db")
    assert (
        "It replaces 'shared' of app.py:2, which is missing too. shared/ is in the entry directory" in finding.message
    )
    assert "include=['shared/**']" in finding.message


def test_a_module_that_is_missing_for_certain_and_perhaps_is_one_finding_at_the_certain_place():
    files = {
        "app.py": "def lazy():\n    import shared.late\n\n\nfrom chalicelib import work\n",
        "chalicelib/work.py": "import shared.db\n",
    }
    [finding] = findings(files)
    assert (finding.id, finding.path, finding.subject) == ("import-not-found", "chalicelib/work.py", "shared")
    assert "It is imported in app.py:2 too." in finding.message


@pytest.mark.parametrize(("module", "owner"), [("yaml", "PyYAML==3.0"), ("plainly", "plainly==1.0")])
def test_a_release_without_the_module_is_named_instead_of_a_requirement_to_add(module, owner):
    files = {"app.py": f"import {module}\n", f"{owner}: something_else.py": ""}
    [finding] = findings(files)
    assert f"{owner} is packaged, and this release has no module '{module}'. Require another" in finding.message
    assert "Add " not in finding.message


OLD = {
    "botocore==1.10.84: botocore/__init__.py": "",
    "botocore==1.10.84: botocore/session.py": "import os\nimport cgi\n",
    "botocore==1.10.84: botocore/utils.py": "import cgi\n",
}


def test_what_fails_inside_a_requirement_is_reported_where_the_apps_code_leads_there():
    files = {"app.py": "import json\n\nimport botocore.session\nimport botocore.utils", **OLD}
    [found] = findings(files)
    assert (found.precise_id, found.path, found.line) == ("removed-from-standard-library:cgi", "app.py", 3)
    assert found.message == (
        "'cgi' isn't in the standard library since Python 3.13 (PEP 594), and nowhere else. The chain of imports is app.py:3 → "
        "botocore/session.py:2 → cgi. It is imported in botocore/utils.py:1 too. Require a newer botocore."
    )


def test_the_statement_nearest_to_the_requirement_is_the_place_and_the_chain_begins_at_the_handler():
    [found] = findings({"app.py": "import chalicelib.x", "chalicelib/x.py": "\nimport botocore.session", **OLD})
    assert (found.path, found.line) == ("chalicelib/x.py", 2)
    assert "app.py:1 → chalicelib/x.py:2 → botocore/session.py:2 → cgi." in found.message


def test_all_that_a_distribution_lacks_is_one_finding_if_one_change_fixes_it():
    files = {
        "app.py": "import demo, other",
        "demo==1.0: demo/__init__.py": "from demo import late\nimport cgi\nfrom collections import Mapping\nimport yaml",
        "demo==1.0: demo/late.py": "import imp",
        "other==1.0: other.py": "import imp, cgi",
    }
    first, missing, second = findings(files)
    assert (first.subject, missing.subject, second.subject) == ("imp", "yaml", "imp")
    assert (first.distribution, second.distribution) == ("demo==1.0", "other==1.0")
    assert (
        "demo==1.0 also asks for cgi and collections.Mapping, which are missing too. Require a newer demo."
        in first.message
    )
    assert "other==1.0 also asks for cgi, which is missing too. Require a newer other." in second.message


def test_the_modules_of_an_old_six_are_missing_since_python_calls_find_spec_alone():
    six = (
        "import sys\nclass _Importer(object):\n    def find_module(self, name, path=None): ...\n"
        "sys.meta_path.append(_Importer())\n"
    )
    files = {
        "app.py": "import demo",
        "demo==1.0: demo/__init__.py": "from .six.moves import urllib\nimport imp",
        "demo==1.0: demo/six.py": six,
    }
    assert "demo.six makes it by an importer without find_spec" in message(files)
    assert message(files).endswith("demo==1.0 also asks for imp, which is missing too. Require a newer demo.")
    assert told(files, runtime="python3.11") == []
    assert "Require six>=1.16." in message({"app.py": "import six.moves", "six==1.11: six.py": six})


def test_doubts_inside_requirements_say_nothing():
    doubts = "def late():\n    import yaml\ntry:\n    import ujson\nexcept ImportError:\n    pass\n"
    assert told({"app.py": "import demo", "demo==1.0: demo/__init__.py": doubts}) == []
    assert told({"app.py": "def f():\n    import demo", "demo==1.0: demo/__init__.py": "import yaml"}) == []
    unknown = layer(known=False)
    assert told({"app.py": "import demo", "demo==1.0: demo.py": "import yaml"}, layers=[unknown]) == []


def test_an_extra_that_has_the_missing_distribution_is_the_fix():
    metadata = (
        "Metadata-Version: 2.1\nName: demo\nProvides-Extra: tracer\nProvides-Extra: all\n"
        "Requires-Dist: other; extra == 'all'\n"
        "Requires-Dist: aws-xray-sdk<3,>=2.8; extra == 'tracer' or extra == 'all'\n\nText\n"
    )
    files = {"app.py": "import demo", "demo==1.0: demo.py": "import aws_xray_sdk.core"}
    assert message(files, metadata=lambda owner: metadata).endswith("Require demo[tracer].")
    assert "aws-xray-sdk" in message(files)


def test_a_requirement_without_setuptools_lacks_pkg_resources():
    files = {"app.py": "import demo", "demo==1.0: demo.py": "import pkg_resources"}
    assert "app.py:1 → demo.py:1 → pkg_resources. Add setuptools<82 to the requirements" in message(files)


def test_a_removed_module_is_an_error_beside_an_import_hook_of_the_same_package():
    hook = "import sys\nsys.meta_path.append(object())\nimport cgi"
    assert told({"app.py": "import demo", "demo==1.0: demo/__init__.py": hook}) == [
        "removed-from-standard-library app.py:1"
    ]


def test_a_file_of_that_name_counts_only_below_a_package_that_changes_pythons_search():
    files = {
        "app.py": "import requests\nimport changer",
        "changer==1.0: changer/__init__.py": "import sys\nsys.path.append(computed())",
        "authlib==1.0: authlib/requests.py": "",
    }
    assert told(files) == ["import-not-found app.py:1"]
    assert told({**files, "changer==1.0: changer/_vendor/requests.py": ""}) == []


# A class whose object needs the missing module, unless it is given a loader, or another object was.
STARTED = """
class Client:
    _kept = None

    def __init__(self, loader=None):
        self._find(loader=loader)

    def _find(self, loader):
        self._kept = loader or self._kept or self._load()

    def _load(self):
        from gone.core import load
        return load
"""


@pytest.mark.parametrize(
    ("app", "errors"),
    [
        ("from demo import Client\nclient = Client()", ["import-not-found app.py:2"]),
        ("import demo.client as c\n\nclient = c.Client()", ["import-not-found app.py:1"]),
        ("from demo import Client as C\nif True:\n    C()", ["import-not-found app.py:3"]),
        ("import helper", ["import-not-found helper.py:2"]),
        ("from helper import setup\nclient = setup()", ["import-not-found helper.py:2"]),
        ("from demo import Client", []),
        ("from demo import Client\ndef handler(event, context):\n    Client()", []),
        ("from demo import Client\ntry:\n    Client()\nexcept ImportError:\n    pass", []),
        ("try:\n    import helper\nexcept ImportError:\n    pass", []),
        ("from demo import Client\nif wrong():\n    Client()", []),
        ("from demo import Client\nclient = Client(json.loads)", []),
        ("from demo import Client\nclient = Client(loader=json.loads)", []),
        ("from demo import Client\nclient = Client(**options)", []),
        # The first object may be one with a loader: of this module, of another one, or of a subclass.
        ("from demo import Client\ndef first(): return Client(loader=json.loads)\nfirst()\nclient = Client()", []),
        ("import giver\nfrom demo import Client\nclient = Client()", []),
        ("import subclass\nfrom demo import Client\nclient = Client()", []),
        ("import calls\nfrom demo import Client\nclient = Client()", []),
        # The name may be another one by then.
        ("import demo\nimport demo.patched\nclient = demo.Client()", []),
        ("from twice import Client\nclient = Client()", []),
        ("from renamed import Client\nclient = Client()", []),
        ("from starred import Client\nclient = Client()", []),
        # So may a function on the way to the import.
        ("from demo import Client\nClient._load = print\nclient = Client()", []),
        ("from demo import Client\nsetattr(Client, '_find', print)\nclient = Client()", []),
        ("from demo import Client\nClient.__init__.__code__ = print\nclient = Client()", []),
        ("import demo.client\nfrom helpers import patch\npatch(demo.client)\nclient = demo.client.Client()", []),
        ("import demo.client\nvars(demo.client).update(Client=print)\nclient = demo.client.Client()", []),
    ],
)
def test_what_an_object_of_another_module_certainly_imports_when_it_is_made_is_an_error(app, errors):
    files = {
        "app.py": app,
        "helper.py": "from demo import Client\nclient = Client()\ndef setup(): pass",
        "giver.py": "from demo import Client\nclient = Client(loader=print)",
        "subclass.py": "from demo import Client\nclass Own(Client):\n    pass",
        "calls.py": "from demo import Client\ndef first(): return Client(loader=print)\nitems = [first()]",
        "twice.py": "from demo import Client\nClient = print",
        "renamed.py": "from demo.client import Other as Client, Client as Real",
        "starred.py": "from demo import Client\nfrom helpers import *",
        "helpers.py": "Client = print\ndef patch(module): module.Client = print",
        "demo==1.0: demo/__init__.py": "from .client import Client",
        "demo==1.0: demo/client.py": f"{STARTED}\nOther = print",
        "demo==1.0: demo/patched.py": "from demo import client\nclient.Client = print",
    }
    assert [one for one in told(files) if one.startswith("import-not-found")] == errors


@pytest.mark.parametrize("error", ["KeyError", "RuntimeError", "SystemExit", "ValueError as error"])
def test_a_module_that_may_end_by_another_error_which_is_caught_may_not_come_to_its_imports(error):
    files = {
        "app.py": f"try:\n    import demo\nexcept {error}:\n    demo = None",
        "demo==1.0: demo.py": "import os\nname = os.environ['NAME']\nimport gone",
    }
    assert told(files) == []
    assert told({**files, "app.py": f"try:\n    import demo\nexcept {error}:\n    raise"}) == [
        "import-not-found app.py:2"
    ]
    assert told({"app.py": files["app.py"]}) == ["import-not-found app.py:2"]


def test_what_replaces_a_module_isnt_certain_if_that_may_end_by_another_error_which_is_caught():
    app = "try:\n    import demo\nexcept ImportError:\n    import other\nexcept KeyError:\n    demo = None"
    files = {"app.py": app, "demo==1.0: demo.py": "import os\nname = os.environ['NAME']\nimport gone"}
    assert told(files) == ["import-uncertain app.py:4"]


def test_the_chain_to_what_an_object_imports_goes_by_the_statement_that_makes_it():
    metadata = "Name: demo\nProvides-Extra: core\nRequires-Dist: gone>=1; extra == 'core'\n"
    files = {
        "app.py": "from demo import Client\n\nclient = Client()",
        "demo==1.0: demo/__init__.py": "from .client import Client",
        "demo==1.0: demo/client.py": STARTED,
    }
    found = message(files, metadata=lambda owner: metadata)
    assert "The chain of imports is app.py:3 → demo/client.py:12 → gone. " in found
    assert found.endswith("Require demo[core].")


def test_what_a_called_function_of_the_app_certainly_lacks_is_an_error():
    helper = "def setup():\n    import gone\ndef other():\n    import missing"
    files = {
        "app.py": "from chalicelib.a import setup\nsetup()",
        "chalicelib/__init__.py": "",
        "chalicelib/a.py": helper,
    }
    assert told(files) == ["import-not-found chalicelib/a.py:2", "import-uncertain chalicelib/a.py:4"]


def test_a_module_that_a_called_function_imports_is_followed_as_one_that_certainly_runs():
    files = {
        "app.py": "from demo import start\nstart()",
        "demo==1.0: demo/__init__.py": "def start():\n    from demo.first import run\n    run()",
        "demo==1.0: demo/first.py": "from demo.second import Second\nSecond()\ndef run(): pass",
        "demo==1.0: demo/second.py": "class Second:\n    def __init__(self):\n        import gone",
    }
    assert told(files) == ["import-not-found app.py:1"]


def test_a_stub_that_was_left_out_is_the_error_of_the_module_that_reads_it():
    source = "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n"
    files = {
        "app.py": "import demo",
        "demo==1.0: demo/__init__.py": source,
        "lazy==1.0: lazy_loader.py": "def attach_stub(name, file): ...",
    }
    (finding,) = findings(files)
    assert (finding.id, finding.path, finding.line) == ("import-not-found", "app.py", 1)
    assert finding.message.startswith(
        "demo/__init__.pyi isn't in the package, and attach_stub at demo/__init__.py:2 reads"
    )
    assert "Keep it" in finding.message
    assert findings({**files, "demo==1.0: demo/__init__.pyi": ""}) == []


@pytest.mark.parametrize(
    ("source", "gone", "found"),
    [
        ("import lib.tests.helper\n", "lib/tests/helper.py", "import-not-found"),
        ("import lib.tests\n", "lib/tests/__init__.py", "import-not-found"),
        ("from lib import tests\n", "lib/tests/__init__.py", "name-not-found"),
    ],
)
def test_what_slim_left_out_is_said_with_its_rule(source, gone, found):
    omitted = {gone: Omission(gone, "lib==1.0", "slim-tests")}
    (finding,) = findings({"app.py": source, "lib==1.0: lib/__init__.py": ""}, omitted=omitted)
    assert finding.id == found
    assert "slim left it out of lib==1.0: rule slim-tests. Set packaging=Packaging(slim=False)." in finding.message


def test_a_requirements_import_of_what_slim_left_out_is_said_too():
    omitted = {"lib/tests/__init__.py": Omission("lib/tests/__init__.py", "lib==1.0", "slim-tests")}
    files = {"app.py": "import lib\n", "lib==1.0: lib/__init__.py": "import lib.tests\n"}
    assert "rule slim-tests" in message(files, omitted=omitted)
