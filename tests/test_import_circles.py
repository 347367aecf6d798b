"""Modules of the app that import names of each other, and which of them come too early."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.checks.imports import check_imports

A = {"app.py": "import chalicelib.a", "chalicelib/__init__.py": "", "chalicelib/a.py": "from .b import y\nx = 1\n"}
CIRCLE = {**A, "chalicelib/b.py": "y = 1\nfrom .a import x\n"}


def findings(files, **options):
    return list(check_imports(package_contents(files, **options)))


def told(files, **options):
    return [f"{finding.id} {finding.path}:{finding.line}" for finding in findings(files, **options)]


def test_a_name_that_is_bound_too_late_is_an_error_that_says_where_and_why():
    [found] = findings(CIRCLE)
    assert (found.id, found.path, found.line) == ("name-not-found", "chalicelib/b.py", 2)
    assert found.subject == "chalicelib.a.x"
    assert found.message.startswith(
        "'x' is imported from chalicelib.a, which is being imported itself just then: chalicelib/a.py has come to line 1, "
        "and binds the name in line 2. Import the module in place of the name"
    )


def test_longer_circles_and_those_through_packages_are_found():
    files = {**A, "chalicelib/b.py": "from .c import z\ny = 1\n", "chalicelib/c.py": "z = 1\nfrom .a import x\n"}
    assert told(files) == ["name-not-found chalicelib/c.py:2"]
    files = {"app.py": "import api.main", "api/__init__.py": "from .main import run\nSTAGE = 1\n",
             "api/main.py": "from . import STAGE\nrun = 1\n"}  # fmt: skip
    assert told(files) == ["name-not-found api/main.py:1"]
    assert told({**files, "app.py": ""}, index="api/main.py") == ["name-not-found api/main.py:1"]


@pytest.mark.parametrize(
    "files",
    [
        {"chalicelib/a.py": "x = 1\nfrom .b import y\n"},
        {"chalicelib/a.py": "from . import b\nx = 1\n", "chalicelib/b.py": "from . import a\n"},
        {"chalicelib/a.py": "import chalicelib.b as b\nx = 1\n", "chalicelib/b.py": "import chalicelib.a as a\n"},
        {"chalicelib/b.py": "y = 1\ndef f():\n    from .a import x\n"},
        {"chalicelib/b.py": "y = 1\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x\n"},
        # The first to be imported decides.
        {"app.py": "import chalicelib.b\nimport chalicelib.a"},
        {"app.py": "import sys\nif sys.argv:\n    import chalicelib.b\nimport chalicelib.a"},
        {"app.py": "def f():\n    import chalicelib.b\nf()\nimport chalicelib.a"},
        {"app.py": "import importlib, sys\nimportlib.import_module(sys.argv[0])\nimport chalicelib.a"},
        {"app.py": "import pkgutil, sys\npkgutil.resolve_name(sys.argv[0])\nimport chalicelib.a"},
        # It may be bound otherwise.
        {"chalicelib/a.py": "from .c import *\nfrom .b import y\nx = 1\n", "chalicelib/c.py": "x = 1\n"},
        {"chalicelib/a.py": "def __getattr__(name): ...\nfrom .b import y\nx = 1\n"},
        {"chalicelib/a.py": "if y:\n    x = 2\nfrom .b import y\nx = 1\n"},
        {"chalicelib/b.py": "y = 1\nfrom . import a\na.x = 2\nfrom .a import x\n"},
        {"chalicelib/a.py": "from .b import y; x = 1\n"},
        # Somebody outlives it.
        {"app.py": "try:\n    import chalicelib.a\nexcept ImportError:\n    pass"},
        {"chalicelib/b.py": "y = 1\ntry:\n    from .a import x\nexcept ImportError:\n    pass\n"},
        {"app.py": "def f():\n    import chalicelib.a"},
    ],
)
def test_what_is_bound_in_time_or_may_be_is_no_finding(files):
    assert told({**CIRCLE, **files}) == []


def test_what_is_only_imported_later_has_no_say():
    assert told({**CIRCLE, "app.py": "import chalicelib.a\ndef f():\n    import chalicelib.b"}) == [
        "name-not-found chalicelib/b.py:2"
    ]


def test_a_submodule_is_there_before_its_package_is():
    files = {"app.py": "import chalicelib", "chalicelib/__init__.py": "from .a import x\nb = 1\n",
             "chalicelib/a.py": "from . import b\nx = 1\n", "chalicelib/b.py": ""}  # fmt: skip
    assert told(files) == []
