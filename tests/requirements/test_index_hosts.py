"""Which hosts an option names, and which URLs lead to them."""

import pytest

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.requirements.supply_chain_values import allowed_hosts, default_index, read_hosts
from cdk_lambda_package.urls import is_allowed, show_url


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("packages.example.com", "packages.example.com"),
        ("Packages.Example.com/", "packages.example.com"),
        ("packages.example.com:8443", "packages.example.com:8443"),
        ("https://user:secret@packages.example.com:8443/team/simple/?a=b", "packages.example.com:8443"),
        ("http://[::1]:8080/simple", "[::1]:8080"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_can_be_given_alone_or_in_a_url(value, host):
    assert read_hosts([value]) == (host,)


def test_the_default_index_brings_the_host_of_its_files_along():
    index = default_index()
    assert index is not None
    assert index.host != index.file_host
    assert allowed_hosts([index.url]) == (index.host, index.file_host)
    assert allowed_hosts(["packages.example.com"]) == ("packages.example.com",)


@pytest.mark.parametrize(
    "value", ["", "*", "*.example.com", "https://", "a b", "example.com/simple", "file:///opt", "http://[::1"]
)
def test_what_names_no_host_is_refused_with_what_is_accepted(value):
    with pytest.raises(OptionError, match=r"^only_index has .*; accepted are hosts, such as packages\.example\.com"):
        read_hosts([value])


def test_a_refusal_shows_no_password():
    with pytest.raises(OptionError) as raised:
        read_hosts(["https://user:secret@exa mple.com/simple"])
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://packages.test/simple/", True),
        ("https://user:secret@Packages.TEST:443/simple/", True),
        ("http://packages.test:8080/simple/", True),
        ("https://packages.test.example.com/simple/", False),
        ("https://example.com/packages.test/", False),
        ("https://packages.test@example.com/", False),
        ("https://own:8443/simple", True),
        ("https://own/simple", False),
        ("git+https://own:8443/repository@main", True),
        ("git+ssh://git@own/repository", False),
        ("http://[::1]:8080/simple", True),
        ("http://[::1]/simple", False),
        ("file:///opt/wheels", True),
        ("git+file:///opt/repository", True),
        ("/opt/wheels", True),
        ("wheels/own-1.0-py3-none-any.whl", True),
        ("C:\\wheels", True),
        ("https://[::1/simple", False),
        ("https://packages.test:port/simple", False),
    ],
)
def test_a_url_is_judged_by_its_host_and_a_file_of_this_machine_has_none(url, allowed):
    assert is_allowed(url, ("packages.test", "own:8443", "[::1]:8080")) is allowed


def test_a_url_is_shown_without_credentials_and_signatures():
    assert show_url("https://user:secret@example.com/a.whl?X-Signature=secret#sha256=00") == "https://example.com/a.whl"
