"""Passwords and tokens: kept out of what other programs say, and put back into URLs where a file is fetched. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from cdk_lambda_package.inside_pip.urls import is_secret, without_credentials

MASK = "***"

_USER = re.compile(r"(?<=://)([^/\s@:]*)(?::([^/\s]*))?@")
_QUERY_VALUE = re.compile(r"https?://[^\s?#]+\?([^\s#\"']*)")
_URL = re.compile(r"(?:\w+\+)?https?://[^\s\"'<>]+")
# Names that stand in front of a password, or in its place, and are none.
_KNOWN_USERS = frozenset({"", "git", "user", "token", "__token__", "oauth2", "aws", "x-access-token"})
# What is shorter would be found in every other word.
_SHORTEST = 4


def hide_credentials(text: str, environ: Mapping[str, str], *settings: str) -> str:
    """Return what another program said, without what is secret in URLs, in variables and in the texts of `settings`.

    For programs that run foreign code: a build may well print its environment.
    """
    shown: str = without_credentials(text)
    for secret in sorted(set(_find_secrets(environ, settings)), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            shown = shown.replace(secret, MASK)
    return shown


def _find_secrets(environ: Mapping[str, str], settings: Iterable[str]) -> Iterator[str]:
    yield from (value for name, value in environ.items() if is_secret(name) and "/" not in value[:1])
    for text in (*environ.values(), *settings):
        for user, password in _USER.findall(text):
            yield from _spellings(password or user if user not in _KNOWN_USERS or password else "")
        for query in _QUERY_VALUE.findall(text):
            yield from (value for pair in query.split("&") for value in _spellings(pair.partition("=")[2]))


def _spellings(secret: str) -> tuple[str, str]:
    return secret, unquote(secret)


def find_full_urls(path: Path) -> dict[str, str]:
    """Return the URLs of a text file that have something secret in them, by what they are without; none for no file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {shown: url for url in _URL.findall(text) if (shown := str(without_credentials(url))) != url}
