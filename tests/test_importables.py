"""Top-level names, as `import` will see them."""

import pytest

from cdk_lambda_package.importables import classify_top_level, is_importable


@pytest.mark.parametrize(
    ("paths", "names", "namespaces"),
    [
        (["six.py"], ["six"], []),
        (
            ["cffi/__init__.py", "cffi/api.py", "_cffi_backend.cpython-313-x86_64-linux-gnu.so"],
            ["_cffi_backend", "cffi"],
            [],
        ),
        (["psycopg2/__init__.py", "psycopg2_binary.libs/libpq-1.so.5"], ["psycopg2", "psycopg2_binary.libs"], []),
        (["google/cloud/storage/__init__.py"], [], ["google"]),
        (["google/__init__.py", "google/x.py"], ["google"], []),
        (["native/__init__.abi3.so"], ["native"], []),
        (["a-1.0.dist-info/x.py", "bin/run.py", "share/data.txt"], [], []),
        (["only.pyc", "pkg/__init__.pyc"], ["only", "pkg"], []),
        ([], [], []),
    ],
)
def test_names_and_namespaces(paths, names, namespaces):
    assert classify_top_level(paths) == {"names": names, "namespaces": namespaces}


@pytest.mark.parametrize(("path", "importable"), [("a.py", True), ("a.so", True), ("a.pyc", True), ("a.pyi", False), ("a.txt", False)])  # fmt: skip
def test_what_an_import_runs(path, importable):
    assert is_importable(path) is importable
