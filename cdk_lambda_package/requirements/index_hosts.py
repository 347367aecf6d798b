"""The hosts that files may come from, as `only_index` names them, and URLs as they may be shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.requirements.default_index import find_default_index
from cdk_lambda_package.urls import without_credentials

ACCEPTED = "hosts, such as packages.example.com or packages.example.com:8443, or index URLs, whose host is what counts"

_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?"
)


def read_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that values name, in lower case; the default index's brings along that of its files.

    Raises `OptionError` for what names none, without the credentials that a URL may have.
    """
    hosts = [_read_host(value) for value in values]
    default = find_default_index()
    file_hosts = {default.host: (default.file_host,)}
    return tuple(dict.fromkeys(name for host in hosts for name in (host, *file_hosts.get(host, ()))))


def _read_host(value: str) -> str:
    text = value.strip().lower()
    # Not urlsplit, which has errors of its own for what is none.
    host = re.split(r"[/?#]", text.partition("://")[2])[0].rpartition("@")[2] if "://" in text else text.rstrip("/")
    if not _HOST.fullmatch(host):
        raise OptionError(f"only_index has {without_credentials(value)!r}; accepted are {ACCEPTED}.")
    return host
