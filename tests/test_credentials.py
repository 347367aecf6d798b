"""What is secret in URLs, variables and other programs' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_lambda_package.locks import with_indexes
from cdk_lambda_package.locks.uv import uv_files, uv_variables
from cdk_lambda_package.requirements import ResolutionRequest
from cdk_lambda_package.requirements.lock_file import name_lock
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import (
    full_urls,
    hide_credentials,
    hide_secrets,
    input_digest,
    source_key,
    without_credentials,
    without_rotating,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:canary@host/simple", "https://host/simple"),
        ("https://canary@host:8080/simple", "https://host:8080/simple"),
        ("tool @ https://host/x.whl?token=canary#sha256=00", "tool @ https://host/x.whl#sha256=00"),
        ("git+https://canary@host/repo.git@main", "git+https://host/repo.git@main"),
        ("git+ssh://git@host/repo.git@main", "git+ssh://git@host/repo.git@main"),
        ("<a href='https://host/x.whl?canary'>", "<a href='https://host/x.whl'>"),
        ("Is it there? See `https://host/x.whl?a=canary`.", "Is it there? See `https://host/x.whl`."),
    ],
)
def test_a_url_is_kept_and_shown_without_what_is_secret_in_it(text, shown):
    assert without_credentials({"rows": [text]}) == {"rows": [shown]}


@given(password=st.text("abc/?#@:%", min_size=1).map(lambda text: f"canary{text}canary"))
def test_no_password_survives_in_a_url(password):
    from urllib.parse import quote

    assert "canary" not in without_credentials(f"see https://user:{quote(password, safe='')}@host/simple/ for more")


@pytest.mark.parametrize(
    "url",
    [
        "https://{}@host/simple",
        "https://user:{}@host/simple",
        "https://host/x.whl?token={}",
        "https://host/x.tar.gz?sha=1&private_token={}",
        "https://bucket.host/x.whl?X-Amz-Signature={0}&X-Amz-Date={0}",
        "https://host/x.whl?sv=2026&sig={}&se={}",
    ],
)
def test_rotating_a_token_changes_no_digest(url):
    one, two = (url.format(token, token) for token in ("one", "two"))
    assert without_rotating(one) == without_rotating(two)
    assert input_digest(f"tool @ {one}".encode()) == input_digest(f"tool @ {two}".encode())
    assert source_key(one) == source_key(two)


def test_what_a_query_says_besides_is_part_of_the_digest():
    """GitLab's archives are chosen by `sha`."""
    one, two = (f"https://host/archive.tar.gz?sha={sha}&private_token=t" for sha in ("1", "2"))
    assert input_digest(one.encode()) != input_digest(two.encode())


def test_what_programs_say_is_rid_of_what_the_environment_knows():
    environ = {
        "INDEX_TOKEN": "canary1",
        "PIP_INDEX_URL": "https://user:c%40nary2@host/simple",
        "MODE": "release",
        "SHORT_TOKEN": "no",
        "TOKEN_FILE": "/run/token",
    }
    said = "canary1 c%40nary2 c@nary2 canary3 canary4 release no /run/token user https://user:canary5@host?x"
    settings = "--index-url https://canary3@host/simple\n--find-links https://host/links?key=canary4\n"
    shown = hide_credentials(said, environ, settings)
    assert shown == "*** *** *** *** *** release no /run/token user https://host"


def test_a_message_is_rid_of_the_values_of_secret_variables():
    environ = {
        "INDEX_TOKEN": "canary-value",
        "SHORT_TOKEN": "pytest",
        "TOKEN_FILE": "/run/token-file",
        "BASE64_TOKEN": "abc/def+gh12345=",
        "LONGER_TOKEN": "canary-value-2",
        "MODE": "release",
    }
    said = "six==canary-value: no pytest in /run/token-file of release, abc/def+gh12345= and canary-value-2"
    assert hide_secrets(said, environ) == "six==***: no pytest in /run/token-file of release, *** and ***"


def test_a_variable_that_is_not_unicode_has_a_digest():
    environ = {"VALUE": "caf\udce9"}
    assert input_digest(b"# ${VALUE}", environ) == input_digest(b"# caf\xe9", {})


def test_the_full_urls_of_a_file_are_found_by_what_they_are_without_credentials(tmp_path):
    lock = tmp_path / "pylock.toml"
    lock.write_text('[[packages]]\nurl = "https://host/a.whl?token=canary"\nurl = "https://host/b.whl"\n')
    assert full_urls(lock) == {"https://host/a.whl": "https://host/a.whl?token=canary"}
    assert full_urls(tmp_path / "none") == {}


# -- uv's settings, for pip --


def test_uvs_indexes_are_pips_with_their_credentials(tmp_path):
    (tmp_path / "uv.toml").write_text(
        'extra-index-url = ["https://old/simple"]\nfind-links = ["https://files/"]\n'
        '[[index]]\nname = "my-own"\nurl = "https://own/simple"\n'
        '[[index]]\nurl = "https://main/simple"\ndefault = true\n'
        '[[index]]\nname = "pinned"\nurl = "https://pinned/simple"\nexplicit = true\n'
    )
    environ = {
        "UV_INDEX": "named=https://named/simple",
        "UV_INDEX_MY_OWN_USERNAME": "me",
        "UV_INDEX_MY_OWN_PASSWORD": "c@nary",
        "UV_INDEX_NAMED_PASSWORD": "p",
        "PIP_EXTRA_INDEX_URL": "https://already/simple",
        "XDG_CONFIG_HOME": str(tmp_path / "none"),
    }
    assert uv_variables(tmp_path, environ) == {
        "PIP_INDEX_URL": "https://main/simple",
        "PIP_EXTRA_INDEX_URL": "https://already/simple https://:p@named/simple https://me:c%40nary@own/simple "
        "https://old/simple",
        "PIP_FIND_LINKS": "https://files/",
    }
    assert uv_variables(tmp_path, {"UV_NO_CONFIG": "1"}) == {}


def test_an_explicit_index_of_a_workspaces_root_gives_its_password_to_members_and_is_no_index_of_pips(
    tmp_path, monkeypatch
):
    member, lock = tmp_path / "member", tmp_path / "uv.lock"
    member.mkdir()
    (member / "pyproject.toml").write_text("[tool.uv.sources]\nmoney = { workspace = true }\n")
    root = '[tool.uv.workspace]\nmembers = ["member"]\n[[tool.uv.index]]\nname = "own"\nurl = "https://own/simple"\n'
    (tmp_path / "pyproject.toml").write_text(f"{root}explicit = true\n")
    lock.write_text("version = 1\n")
    monkeypatch.setenv("UV_INDEX_OWN_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "canary")
    request = ResolutionRequest(entry=member, target=Target.parse("python3.13", "x86_64"), lock=name_lock(lock))
    found = with_indexes(request)
    assert found.credentials == ("https://me:canary@own/simple",)
    assert "own/simple" not in str(found.pip_environment)
    assert "canary" not in repr(found)
    # Of an index that isn't explicit, pip is told as of any other.
    (tmp_path / "pyproject.toml").write_text(root)
    assert "https://me:canary@own/simple" in dict(with_indexes(request).pip_environment)["PIP_EXTRA_INDEX_URL"].split()


def test_the_nearest_configuration_of_uv_counts_and_then_the_users(tmp_path):
    entry = tmp_path / "repo" / "app"
    entry.mkdir(parents=True)
    (entry / "pyproject.toml").write_text('[project]\nname = "app"\n')
    (tmp_path / "repo" / "pyproject.toml").write_text('[tool.uv]\nindex-url = "https://main/simple"\n')
    (tmp_path / "home" / "uv").mkdir(parents=True)
    (tmp_path / "home" / "uv" / "uv.toml").write_text("")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    found = uv_files(entry, environ)
    assert found[:2] == [tmp_path / "repo" / "pyproject.toml", tmp_path / "home" / "uv" / "uv.toml"]
    assert uv_variables(entry, environ) == {"PIP_INDEX_URL": "https://main/simple"}
    assert uv_files(entry, {"UV_CONFIG_FILE": "x.toml"})[0].name == "x.toml"


def test_a_token_in_a_path_is_known_by_its_variable(monkeypatch):
    monkeypatch.setenv("OWN_TOKEN", "s3cret-value")
    monkeypatch.setenv("BRANCH", "main-branch")
    monkeypatch.setenv("TINY_TOKEN", "simple")
    url = "https://127.0.0.1/s3cret-value/simple/main-branch/"
    shown = "https://127.0.0.1/${OWN_TOKEN}/simple/main-branch/"
    assert without_credentials(url) == without_rotating(url) == shown
    assert without_credentials(shown) == shown
    assert without_credentials("https://127.0.0.1/s3cret-value-2/") == "https://127.0.0.1/s3cret-value-2/"
    assert without_credentials("a/s3cret-value/b") == "a/s3cret-value/b"


@pytest.mark.parametrize("variable", ["PWD", "OLDPWD", "SECRETS_FILE"])
def test_a_directory_is_no_token(monkeypatch, variable):
    monkeypatch.setenv(variable, "/home/somebody/app")
    url = "file:///home/somebody/app/wheels/tool-1.0-py3-none-any.whl"
    assert without_credentials(url) == url
