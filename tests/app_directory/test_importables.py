"""Modules and packages, as `import` will see them."""

import pytest

from cdk_lambda_package.app_directory import import_units, is_importable


@pytest.mark.parametrize(
    ("paths", "units"),
    [
        (["six.py"], {"six"}),
        (
            ["cffi/__init__.py", "cffi/api.py", "_cffi_backend.cpython-313-x86_64-linux-gnu.so"],
            {"_cffi_backend", "cffi"},
        ),
        (["psycopg2/__init__.py", "psycopg2_binary.libs/libpq-1.so.5"], {"psycopg2", "psycopg2_binary.libs"}),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/blob/x.py"], {"google/cloud/storage"}),
        (["google/cloud/x.py", "google/y.cpython-313.so"], {"google/cloud/x", "google/y"}),
        (["google/__init__.py", "google/x.py"], {"google"}),
        (["native/__init__.abi3.so"], {"native"}),
        (["psycopg2/_psycopg.so"], {"psycopg2/_psycopg"}),
        (["a-1.0.dist-info/x.py", "bin/run.py", "share/data.txt"], set()),
        (["only.pyc", "pkg/__init__.pyc"], {"only", "pkg"}),
        ([], set()),
    ],
)
def test_units_are_the_outermost_regular_packages_and_the_modules_outside_them(paths, units):
    assert import_units(paths) == units


@pytest.mark.parametrize(("path", "importable"), [("a.py", True), ("a.so", True), ("a.pyc", True), ("a.pyi", False), ("a.txt", False)])  # fmt: skip
def test_what_an_import_runs(path, importable):
    assert is_importable(path) is importable
