"""URLs, their hosts, and the secrets in them: used before they are compared, shown, stored or digested.

pip's own process imports this module too, so it imports only the standard library. A secret is the user name and password
in front of a host, and a query: access tokens and the signatures of signed URLs are there. Some indexes have a token in
the path; it is recognised by the variable that contains it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

MASK = "***"

T = TypeVar("T")

# `git@` is the name under which everybody clones by ssh, and part of the address.
_USER = re.compile(r"://(?!git@)[^/\s]*@")
# From the first URL of a word to the word's end. Like all patterns here, it never looks at a character again for each place
# where a match could begin: the text is that of others, and may have a million of them.
_URL_WORD = re.compile(r"https?://[^\s\"'`<>]*")
# In a setting, a secret may have any character.
_SETTING_WORD = re.compile(r"https?://\S*")
_QUOTE = re.compile("[\"']")
_SCHEME = re.compile(r"https?://")
_NAME = re.compile(r"[A-Z0-9_]+")
_VARIABLE = re.compile(rb"\$\{([A-Z0-9_]+)\}")
# Names of tokens and signatures: AWS's and Google's signed URLs, Azure's SAS, GitLab's private_token and so on.
_ROTATING = re.compile(
    r"\Ax-(?:amz|goog)-[\w-]+\Z|\As[eprtv]\Z|\Aspr\Z|\Asrt\Z"
    r"|token|secret|passw|pwd|auth|sig|key|credential|policy|expire",
    re.IGNORECASE,
)
_NAMED_VALUE = re.compile(r"(?<=[?&])([\w.-]++)=[^&\s#\"'`<>]*")
# Not PWD and OLDPWD, the shell's directories.
_SECRET_VARIABLE = re.compile(r"TOKEN|PASSW|_PWD$|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_SECRET_NAME = re.compile(rf"^.*(?:{_SECRET_VARIABLE.pattern}).*$", re.IGNORECASE | re.MULTILINE)
# A shorter value may be any word of a path.
_SHORTEST_IN_PATH = 8
_CREDENTIALS = re.compile(r"(?<=://)([^/\s@:]*)(?::([^/\s]*))?@")
_URL = re.compile(r"https?://[^\s\"'<>]+")
_VCS = re.compile(r"\w+\+\Z")
# Characters; the longest prefix of pip's is `git+`.
_LONGEST_VCS = 16
# Names that stand in front of a password, or in its place, and are none.
_KNOWN_USERS = frozenset({"", "git", "user", "token", "__token__", "oauth2", "aws", "x-access-token"})
# A shorter value would be found in every other word.
_SHORTEST = 4
_PORTS = {"http": 80, "https": 443, "ssh": 22}


def is_secret(variable: str) -> bool:
    """Tell whether a variable is called like what holds a password or a token."""
    return _SECRET_VARIABLE.search(variable) is not None


def name_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text with `${NAME}` in URLs where between two slashes the whole value of a secret variable stands.

    pip puts the value of the day back in requirements files, as it does where the user wrote it so. A value with a slash
    in it is a path, whatever its variable is called.
    """
    for name, value in sorted(find_variables(_SECRET_NAME, environ).items()) if "://" in text else ():
        long = len(value) >= _SHORTEST_IN_PATH and "/" not in value
        if long and f"/{value}/" in text and _NAME.fullmatch(name):
            text = text.replace(f"/{value}/", f"/${{{name}}}/")
    return text


def find_variables(name: re.Pattern[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose names a pattern for lines finds.

    All names are looked at in one go, and only the values of those that are found: a value of `os.environ` is decoded each time.

    Example:
        `find_variables(re.compile("^PIP_.*$", re.MULTILINE), os.environ)`
    """
    # A name may have a line's end.
    return {found: environ[found] for found in name.findall("\n".join(environ)) if found in environ}


def without_credentials(value: T) -> T:
    """Return text, or the texts in a dictionary or list, without the user names, passwords and queries of URLs.

    URLs are stored and shown in this form.

    Example:
        `without_credentials("https://me:secret@host/a.whl?token=x")` is `"https://host/a.whl"`.
    """
    plain: object = value
    if isinstance(value, str):
        plain = _URL_WORD.sub(_drop_queries, _USER.sub("://", name_secrets(value)))
    elif isinstance(value, dict):
        plain = {key: without_credentials(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        plain = [without_credentials(item) for item in value]
    return cast(T, plain)


def _drop_queries(word: re.Match[str]) -> str:
    """Return a word that begins with a URL without the queries of the URLs in it; what follows a `#` stays."""
    return "#".join(part[: _start_of_query(part)] for part in word[0].split("#"))


def _start_of_query(text: str) -> int | None:
    """Return where in a text without `#` the query of the first URL begins."""
    scheme = _SCHEME.search(text)
    # A URL has at least one character before its query.
    position = text.find("?", scheme.end() + 1) if scheme else -1
    return position if position >= 0 else None


def without_rotating(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text for a digest: without user names, passwords and tokens, but with what else a query says.

    `archive.tar.gz?sha=…` is another file with another `sha`, and the same with another `private_token`.
    """
    return _NAMED_VALUE.sub(_drop_rotating, _USER.sub("://", name_secrets(text, environ)))


def _drop_rotating(pair: re.Match[str]) -> str:
    return pair[1] if _ROTATING.search(pair[1]) else pair[0]


def input_digest(content: bytes, environ: Mapping[str, str] = os.environ) -> str:
    """Return the digest of a requirements file as pip reads it today: `${VAR}` expanded, without credentials."""
    expanded = _VARIABLE.sub(
        lambda match: environ.get(match[1].decode(), "").encode(errors="surrogateescape") or match[0], content
    )
    text = without_rotating(expanded.decode("utf-8", "surrogateescape"), environ)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def source_key(url: str) -> str:
    """Return what names a source: its URL without credentials, and of the fragment what says where the project is."""
    place, _, fragment = url.partition("#")
    match = re.search(r"(?:^|&)subdirectory=([^&]*)", fragment)
    return without_credentials(place) + (f"#subdirectory={match[1]}" if match else "")


def show_url(url: str) -> str:
    """Return a URL without credentials, query and fragment, which may be a signature: the form for messages."""
    return re.split(r"[?#]", without_credentials(url), maxsplit=1)[0]


def host_of(url: str) -> tuple[str, int | None] | None:
    """Return the host and port that a URL leads to; None for a file of this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Nowhere that anybody could have allowed.
        return url, None
    scheme = parts.scheme.rpartition("+")[2]
    # A lone letter is a drive.
    if len(scheme) < 2 or scheme == "file" or not host:
        return None
    return host, port or _PORTS.get(scheme)


def is_allowed(url: str, hosts: Iterable[str]) -> bool:
    """Tell whether a URL leads to one of the hosts, which are `name` or `name:port`, or to this machine's own files."""
    found = host_of(url)
    return found is None or not {_show(found[0]), f"{_show(found[0])}:{found[1]}"}.isdisjoint(hosts)


def _show(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def hide_credentials(text: str, environ: Mapping[str, str], *settings: str) -> str:
    """Return what another program said, without what is secret in URLs, in variables and in the texts of `settings`.

    For programs that run foreign code: a build may well print its environment.
    """
    shown = without_credentials(text)
    secrets = {form for secret in _secrets(environ, settings) for form in (secret, unquote(secret))}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            shown = shown.replace(secret, MASK)
    return shown


def hide_secrets(text: str, environ: Mapping[str, str]) -> str:
    """Return a message without the values of secret variables; values that could be any word stay."""
    secrets = (value for name, value in environ.items() if is_secret(name) and "/" not in value[:1])
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_IN_PATH:
            text = text.replace(secret, MASK)
    return text


def _secrets(environ: Mapping[str, str], settings: Iterable[str]) -> Iterator[str]:
    yield from (value for name, value in environ.items() if is_secret(name) and "/" not in value[:1])
    for text in (*environ.values(), *settings):
        for user, password in _CREDENTIALS.findall(text):
            yield password or ("" if user in _KNOWN_USERS else user)
        for part in (part for word in _SETTING_WORD.findall(text) for part in word.split("#")):
            if (start := _start_of_query(part)) is not None:
                yield from (pair.partition("=")[2] for pair in _QUOTE.split(part[start + 1 :], 1)[0].split("&"))


def full_urls(path: Path) -> dict[str, str]:
    """Return the URLs of a text file that have something secret in them, by what they are without; none for no file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {shown: url for url in _find_urls(text) if (shown := without_credentials(url)) != url}


def _find_urls(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        prefix = _VCS.search(text[max(match.start() - _LONGEST_VCS, 0) : match.start()])
        yield f"{prefix[0] if prefix else ''}{match[0]}"


def file_sha256(place: str | Path) -> str:
    """Return the sha256 of a file: that at a path, or the one that a file: URL stands for."""
    with (place if isinstance(place, Path) else local_path(place)).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def names_file(path: Path) -> bool:
    """Return whether a path that a foreign file names is a file's.

    `Path.is_file` raises for a path that is too long, before Python 3.14; for the reader of a lock, it names no file.

    Example:
        `not names_file(Path("a" * 5000))`
    """
    return os.path.isfile(path)  # noqa: PTH113


def names_folder(path: Path) -> bool:
    """Return whether a path that a foreign file names is a directory's, as `names_file` does for files."""
    return os.path.isdir(path)  # noqa: PTH112


def local_path(url: str) -> Path:
    """Return the path that a file: URL stands for."""
    path = urlsplit(url).path
    if os.name != "nt":
        return Path(unquote(path))
    # Imported here, and only there: it brings the whole of http along.
    from urllib.request import url2pathname

    return Path(url2pathname(path))
