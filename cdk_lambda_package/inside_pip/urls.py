"""URLs without what is secret in them.

Used in pip's process too, so it imports only the standard library. A secret is the user name and password in front of a
host, and whatever is behind the question mark: access tokens and the signatures of signed URLs stand there. Some indexes
have a token in the path: it is known by the variable that it comes from.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# `git@` is the name under which everybody clones by ssh, and part of the address.
_USER = re.compile(r"(?<=://)(?!git@)[^/\s]*@")
_QUERY = re.compile(r"(https?://[^\s?#\"'`<>]+)\?[^\s#\"'`<>]*")
_NAME = re.compile(r"[A-Z0-9_]+")
_VARIABLE = re.compile(rb"\$\{([A-Z0-9_]+)\}")
# What tokens and signatures are called: AWS's and Google's signed URLs, Azure's SAS, GitLab's private_token and so on.
_ROTATING = (
    r"(?:x-(?:amz|goog)-[\w-]+|s[eprtv]|spr|srt"
    r"|[\w.-]*(?:token|secret|passw|pwd|auth|sig|key|credential|policy|expire)[\w.-]*)"
)
_ROTATING_VALUE = re.compile(rf"(?<=[?&])({_ROTATING})=[^&\s#\"'`<>]*", re.IGNORECASE)


# Not PWD and OLDPWD, the shell's directories.
_SECRET_VARIABLE = re.compile(r"TOKEN|PASSW|_PWD$|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE)
# What is shorter may be any word of a path.
_SHORTEST_IN_PATH = 8


def is_secret(variable: str) -> bool:
    """Tell whether a variable is called like what holds a password or a token."""
    return _SECRET_VARIABLE.search(variable) is not None


def name_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text with `${NAME}` in URLs where between two slashes the whole value of a secret variable stands.

    pip puts the value of the day back in requirements files, as it does where the user wrote it so. A value with a slash
    in it is a path, whatever its variable is called.
    """
    for name, value in sorted(environ.items()) if "://" in text else ():
        long = len(value) >= _SHORTEST_IN_PATH and "/" not in value
        if long and f"/{value}/" in text and is_secret(name) and _NAME.fullmatch(name):
            text = text.replace(f"/{value}/", f"/${{{name}}}/")
    return text


def without_credentials(value: Any) -> Any:
    """Return the value with user name, password and query removed from every URL in it: so it is kept and shown."""
    if isinstance(value, str):
        return _QUERY.sub(r"\1", _USER.sub("", name_secrets(value)))
    if isinstance(value, dict):
        return {key: without_credentials(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_credentials(item) for item in value]
    return value


def without_rotating(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text for a digest: without user names, passwords and tokens, but with what else a query says.

    `archive.tar.gz?sha=…` is another file with another `sha`, and the same with another `private_token`.
    """
    return _ROTATING_VALUE.sub(r"\1", _USER.sub("", name_secrets(text, environ)))


def input_digest(content: bytes, environ: Mapping[str, str] = os.environ) -> str:
    """Return the digest of a requirements file as pip reads it today: `${VAR}` expanded, without credentials."""
    expanded = _VARIABLE.sub(lambda match: environ.get(match[1].decode(), "").encode() or match[0], content)
    text = without_rotating(expanded.decode("utf-8", "surrogateescape"), environ)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def source_key(url: str) -> str:
    """Return what names a source: its URL without credentials, and of the fragment what says where the project is."""
    place, _, fragment = url.partition("#")
    match = re.search(r"(?:^|&)subdirectory=([^&]*)", fragment)
    return str(without_credentials(place)) + (f"#subdirectory={match[1]}" if match else "")


def with_whole_path(requirement: str) -> str:
    """Return the requirement with the whole path in a file: URL: `file:../pkg` means something in this directory only."""

    def complete(match: re.Match[str]) -> str:
        # As a URL, so that what is quoted in it stays so.
        return "file://" + posixpath.normpath(urlsplit(f"{Path.cwd().as_uri()}/{match[1]}").path)

    return re.sub(r"(?:(?<=@)|(?<=@ )|^)file:(?!/)([^\s;#]+)", complete, requirement)


def complete_urls(path: Path, urls: Iterable[str]) -> None:
    """Put what is secret in the URLs of the user's requirements back into a file of requirements: no lock keeps it."""
    full = {str(without_credentials(place)): place for place in map(_without_revision, urls)}

    def complete(match: re.Match[str]) -> str:
        known = _without_revision(match[0])
        return full.get(known, known) + match[0][len(known) :]

    path.write_text(re.sub(r"(?<= @ )[^\s#]+", complete, path.read_text(encoding="utf-8")), encoding="utf-8")


def _without_revision(url: str) -> str:
    # A lock has the commit where the requirement may have a branch.
    return re.sub(r"@[^/@]*$", "", url) if re.match(r"\w+\+", url) else url
