"""What a request accepts."""

import argparse
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from cdk_lambda_package import PackageRequest, Packaging
from cdk_lambda_package.commands.lock import add_arguments
from cdk_lambda_package.errors import OptionError, PackageError


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("entry", None),
        ("entry", ""),
        ("entry", b"svc"),
        ("index", 1),
        ("index", b"app.py"),
        ("runtime", None),
        ("architecture", None),
        ("environment", {"A": 1}),
        ("layers", "layers/common"),
        ("packaging", ["smoke"]),
        ("packaging", {"smok": True}),
    ],
)
def test_a_value_of_another_kind_is_an_error_that_names_the_option(option, value):
    with pytest.raises(OptionError, match=f"^{option} "):
        PackageRequest(**{"entry": "svc", "runtime": "python3.13", option: value})


@pytest.mark.parametrize(
    "index", ["app.js", "../app.py", Path("/app.py"), "vendor/app.py", "", "a.b.py", "a.b/c.py", "my svc/a.py"]
)
def test_an_index_that_cant_be_a_module_is_refused_whatever_there_is(index):
    with pytest.raises(PackageError, match="^index "):
        PackageRequest(entry="nowhere", runtime="python3.13", index=index)


def test_what_can_be_meant_is_accepted():
    request = PackageRequest(
        entry="svc",
        runtime="python3.13",
        index=Path("api/main.py"),
        packaging={
            "include": ["a"],
            "provided": ("Zope.Interface", "x"),
            "max_lock_age": 0,
            "before_packaging": [("make", "assets")],
            "requirements": Path("lambda.txt"),
            "build_constraint": "limits.txt",
            "pip_environment": {"PIP_INDEX_URL": "https://example.org/simple"},
        },
    )
    assert request.packaging.before_packaging == (("make", "assets"),)
    assert request.with_packaging(smoke=True).packaging == request.packaging.over(Packaging(smoke=True))


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        ("services/orders", "services/orders (python3.13, arm64)"),
        ("./services/../orders/", "orders (python3.13, arm64)"),
        ("../elsewhere/orders", "orders (python3.13, arm64)"),
        (".", "work (python3.13, arm64)"),
    ],
)
def test_a_request_is_called_by_its_directory_and_target(entry, title, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert PackageRequest(entry=entry, runtime="python3.13", architecture="arm64").title == title


def test_the_arguments_of_a_lock_are_the_options_that_change_it_for_a_shell_and_without_secrets():
    packaging = Packaging(
        before_packaging=[["sh", "-c", "echo a > b.txt"]],
        pip_args=["--extra-index-url=https://me:secret@packages.example.com/simple", "--pre"],
        pip_environment={"PIP_CERT": "my ca.pem", "INDEX_TOKEN": "hidden"},
        uploaded_prior_to=timedelta(days=7),
        allow_build=False,
        requirements="prod.txt",
        require_hashes=True,
        smoke=True,
    )
    request = PackageRequest(entry="orders", runtime="python3.13", handler="api.main.run", packaging=packaging)
    words = shlex.split(" ".join(request.lock_options))
    assert sorted(words) == [
        "--before-packaging=sh -c 'echo a > b.txt'",
        "--handler=api.main.run",
        "--no-allow-build",
        "--pip-args=--extra-index-url=https://packages.example.com/simple",
        "--pip-args=--pre",
        "--pip-environment=INDEX_TOKEN=$INDEX_TOKEN",
        "--pip-environment=PIP_CERT=my ca.pem",
        "--requirements=prod.txt",
        "--uploaded-prior-to=7d",
    ]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    read = parser.parse_args(["orders", "--runtime=python3.13", *words])
    assert (read.before_packaging, read.allow_build) == ([["sh", "-c", "echo a > b.txt"]], False)


def test_a_lock_command_has_no_handler_that_changes_nothing(tmp_path):
    assert PackageRequest(entry=tmp_path, runtime="python3.13", handler="*").lock_options == ()
