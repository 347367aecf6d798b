"""Which distribution has a module, and which modules a distribution has."""

import importlib.util

import pytest
from offline import PACKAGE, ROOT

from cdk_lambda_package.checks.distribution_names import (
    canonicalize,
    distribution_of,
    guessed_distribution,
    modules_of,
)


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("yaml", "PyYAML"),
        ("sklearn.svm", "scikit-learn"),
        ("cv2", "opencv-python-headless"),
        ("Crypto.Cipher", "pycryptodome"),
        ("google.protobuf", "protobuf"),
        ("google.cloud.storage.blob", "google-cloud-storage"),
        ("google.cloud.translate", "google-cloud-translate"),
        ("google.cloud.secret_manager_v1beta1.types", "google-cloud-secret-manager"),
        ("google.cloud", None),
        ("azure.storage.blob", "azure-storage-blob"),
        ("requests", None),
        ("yamlx", None),
    ],
)
def test_a_module_leads_to_its_distribution(module, distribution):
    assert distribution_of(module) == distribution


@pytest.mark.parametrize(
    ("distribution", "modules"),
    [
        ("PyYAML", {"yaml", "_yaml"}),
        ("pillow", {"PIL"}),
        ("opencv-python", {"cv2"}),
        ("opencv_python_headless", {"cv2"}),
        ("psycopg", {"psycopg"}),
        ("aws-lambda-powertools", {"aws_lambda_powertools"}),
        ("requests", {"requests"}),
    ],
)
def test_a_distribution_leads_to_its_modules(distribution, modules):
    assert modules_of(distribution) == modules


def test_names_are_compared_as_indexes_do():
    assert canonicalize("Flask_SQLAlchemy") == canonicalize("flask.sqlalchemy") == "flask-sqlalchemy"
    assert canonicalize("psycopg[binary]") == "psycopg"
    assert guessed_distribution("aws_xray_sdk.core") == "aws-xray-sdk"


@pytest.fixture(scope="module")
def script():
    """The script that writes the table."""
    path = ROOT / "tools" / "import_names.py"
    spec = importlib.util.spec_from_file_location("import_names", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_what_the_script_prefers_first(script):
    lines = dict(
        line.split(" ", 1)
        for line in (PACKAGE / "checks" / "data" / script.DATA.name).read_text().splitlines()
        if not line.startswith("#")
    )
    assert {module: lines[module].split()[0] for module in script.PREFERENCES} == script.PREFERENCES
    assert list(lines) == sorted(lines)
    assert len(lines) > 250


def test_the_script_reads_the_table_of_its_source(script):
    source = f"OTHER = 1\n{script.NAME} = {{'opencv-python': ('cv2',), 'cv-fork': ('cv2', 'cvf')}}\n"
    assert script.parse_table(source) == {"cv2": ["opencv-python", "cv-fork"], "cvf": ["cv-fork"]}
