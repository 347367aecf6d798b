"""Which distribution has a module, and which modules a distribution has."""

import pytest

from cdk_lambda_package.distribution_names import canonicalize, find_distribution, find_modules, guess_distribution


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("yaml", "PyYAML"),
        ("sklearn.svm", "scikit-learn"),
        ("cv2", "opencv-python-headless"),
        ("Crypto.Cipher", "pycryptodome"),
        ("google.protobuf", "protobuf"),
        ("google.cloud.storage.blob", "google-cloud-storage"),
        ("google.cloud", None),
        ("azure.storage.blob", "azure-storage-blob"),
        ("requests", None),
        ("yamlx", None),
    ],
)
def test_a_module_leads_to_its_distribution(module, distribution):
    assert find_distribution(module) == distribution


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
    assert find_modules(distribution) == modules


def test_names_are_compared_as_indexes_do():
    assert canonicalize("Flask_SQLAlchemy") == canonicalize("flask.sqlalchemy") == "flask-sqlalchemy"
    assert canonicalize("psycopg[binary]") == "psycopg"
    assert guess_distribution("aws_xray_sdk.core") == "aws-xray-sdk"
