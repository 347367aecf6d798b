"""What a package imports when one of its names is asked for."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.import_analysis import Reason
from cdk_lambda_package.store import Store

TABLES = {
    "pydantic": "_dynamic_imports: dict = {'Name': (__spec__.parent, '.sub'), 'Other': (__spec__.parent, '.other')}\n",
    "langchain": "_dynamic_imports = {'Name': 'sub', 'Other': 'other'}\n",
    "stripe": "if not X:\n    _import_map = {'Name': ('lib.sub', False), 'Other': ('lib.other', False)}\n",
    "huggingface": "_SUBMOD_ATTRS = {'sub': ['Name'], 'other': ['Other']}\n__getattr__, __dir__ = _attach(__name__, [], _SUBMOD_ATTRS)\n",
    "lazy_loader": "import lazy_loader as lazy\n__getattr__, _, _ = lazy.attach(__name__, submod_attrs={'sub': ['Name']})\n",
    "transformers": "_import_structure = {'other': ['Other']}\n_import_structure['sub'] = ['Name']\nsys.modules[__name__] = _LazyModule(_import_structure)\n",
    "extended": "_import_structure = {'sub': []}\n_import_structure['sub'].extend(['Name'])\nsys.modules[__name__] = _LazyModule(_import_structure)\n",
    "celery": "a, b = local.recreate_module(__name__, by_module={'lib.sub': ['Name'], 'lib.other': ['Other']})\n",
}
GETATTR = "def __getattr__(name):\n    return load(name)\n"


def reached(source, statement="from lib import Name", **files):
    files = {"lib/sub.py": "Name = 1", "lib/other.py": "Other = 1", **files}
    files = {f"vendor: {path}": text for path, text in files.items()}
    return package_contents({"app.py": statement, "vendor: lib/__init__.py": source, **files}).graph.certain


@pytest.mark.parametrize("table", TABLES)
def test_a_name_is_imported_from_the_submodule_of_the_table(table):
    assert reached(TABLES[table] + GETATTR) == {"app.py", "lib/__init__.py", "lib/sub.py"}


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_imported_that_isnt_asked_for(table):
    assert reached(TABLES[table] + GETATTR, "import lib") == {"app.py", "lib/__init__.py"}


def test_a_module_in_the_table_may_be_lazy_itself():
    files = {"lib/sub/__init__.py": TABLES["langchain"].replace("'sub'", "'deep'") + GETATTR, "lib/sub/deep.py": ""}
    assert reached(TABLES["pydantic"] + GETATTR, **files) >= {"lib/sub/__init__.py", "lib/sub/deep.py"}


def test_a_dictionary_of_a_module_without_lazy_names_is_no_table():
    assert reached("table = {'Name': 'sub'}\nName = 1") == {"app.py", "lib/__init__.py"}


def test_a_name_that_the_package_binds_isnt_lazy():
    assert reached(TABLES["langchain"] + GETATTR + "Name = 1") == {"app.py", "lib/__init__.py"}


def test_a_name_that_the_package_binds_for_static_analysis_only_is_lazy():
    # https://github.com/celery/kombu/blob/v4.6.11/kombu/__init__.py
    hidden = "globals()['CITATS'[::-1]] = False\nif STATIC:\n    from lib.sub import Name\n"
    assert "lib/sub.py" in reached(hidden + TABLES["langchain"] + GETATTR)


STUB = "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n"
STUBS = {"lib/__init__.pyi": "from .sub import Name as Name\nfrom . import other\n__all__ = ['Name', 'other']"}


@pytest.mark.parametrize(
    ("statement", "modules"),
    [
        ("from lib import Name", {"lib/sub.py"}),
        ("from lib import other", {"lib/other.py"}),
        ("import lib\nfrom lib.other import Other", {"lib/other.py"}),
        ("import lib", set()),
    ],
)
def test_the_stub_that_a_package_reads_is_its_table(statement, modules):
    assert reached(STUB, statement, **STUBS) == {"app.py", "lib/__init__.py", *modules}


def test_a_stub_that_no_module_reads_is_no_table():
    assert reached("from typing import attach\nX = attach(__name__, __file__)\n" + GETATTR, **STUBS) == {
        "app.py",
        "lib/__init__.py",
    }


def lacks(source, **files):
    files = {f"vendor: {path}": text for path, text in {"lib/sub.py": "Name = 1", **files}.items()}
    contents = package_contents({"app.py": "import lib", "vendor: lib/__init__.py": source, **files})
    return [(lack.reason, lack.module, step.is_exposed) for _, step in contents.reach.lacking for lack in step.lacks
            if lack.module != "lazy_loader"]  # fmt: skip


def test_a_module_fails_without_the_stub_that_it_reads():
    assert lacks(STUB) == [(Reason.NO_STUB, "lib/__init__.pyi", True)]
    assert lacks(STUB, **STUBS) == []


@pytest.mark.parametrize(
    "source",
    [
        "from lazy_loader import attach_stub\ntry:\n    a, b, c = attach_stub(__name__, __file__)\nexcept ValueError:\n    pass",
        "from lazy_loader import attach_stub\ndef f():\n    a, b, c = attach_stub(__name__, __file__)",
        "def attach_stub(name, file): return 1\na = attach_stub(__name__, __file__)",
    ],
)
def test_a_module_that_may_survive_without_a_stub_isnt_said_to_fail(source):
    assert lacks(source) == []


def test_an_edit_of_a_stub_is_noticed(tmp_path):
    store = Store(tmp_path)
    names = []
    for name in ("Name", "Other", "Name"):
        files = {"app.py": "from chalicelib import Name", "chalicelib/__init__.py": STUB, "chalicelib/sub.py": "import json",
                 "chalicelib/__init__.pyi": f"from .sub import {name}", "lazy_loader==1: lazy_loader/__init__.py": ""}  # fmt: skip
        contents = package_contents(files, store=store)
        names.append("chalicelib/sub.py" in contents.reach.certain)
        contents.imports.save()
    assert names == [True, False, True]
