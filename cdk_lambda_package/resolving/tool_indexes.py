"""The private indexes of the tool that resolved or locked, with their credentials, for pip, which downloads and builds.

uv, poetry and pipenv have ways of their own to say a password, and their locks hold none.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cdk_lambda_package.requirements import LockFile, LockKind
from cdk_lambda_package.urls import is_allowed

_Table = Mapping[str, Any]
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def index_variables(
    lock: LockFile | None,
    entry: Path,
    given: Mapping[str, str],
    *,
    hosts: tuple[str, ...] | None = None,
) -> tuple[tuple[str, str], ...]:
    """Return the variables for pip: those `given`, and those that the tool's own settings come to.

    With `hosts`, an index of uv's on another one is left out.
    """
    environ = {**os.environ, **given}
    if lock is not None and lock.kind is LockKind.UV:
        return tuple({**given, **uv_variables(entry, environ, hosts)}.items())
    urls = [*_find_urls(lock, environ)] if lock is not None else []
    if not urls:
        return tuple(given.items())
    # A hash says which file is meant, so that one index more has no say in what is packaged.
    further = " ".join(dict.fromkeys([*environ.get("PIP_EXTRA_INDEX_URL", "").split(), *urls]))
    return tuple({**given, "PIP_EXTRA_INDEX_URL": further}.items())


def _find_urls(lock: LockFile, environ: Mapping[str, str]) -> Iterator[str]:
    if lock.kind is LockKind.PIPENV:
        # https://pipenv.pypa.io/en/latest/credentials.html: variables in the URL, which pipenv expands.
        for source in _read(lock.folder / "Pipfile").get("source", ()):
            url = _VARIABLE.sub(lambda match: environ.get(match[1] or match[2], match[0]), str(source.get("url")))
            yield from [url] if "@" in url else []
    if lock.kind is LockKind.POETRY:
        # https://python-poetry.org/docs/repositories/#configuring-credentials
        for source in _read(lock.folder / "pyproject.toml").get("tool", {}).get("poetry", {}).get("source", ()):
            prefix = f"POETRY_HTTP_BASIC_{re.sub(r'[-.]', '_', str(source.get('name'))).upper()}"
            user, password = (environ.get(f"{prefix}_{what}", "") for what in ("USERNAME", "PASSWORD"))
            if (user or password) and "url" in source:
                yield source["url"].replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # The tool itself says what is wrong with it.
        return {}


def uv_variables(entry: Path, environ: Mapping[str, str], hosts: Iterable[str] | None = None) -> dict[str, str]:
    """Return the variables that tell pip of the indexes that uv would ask in the entry directory, credentials included.

    https://docs.astral.sh/uv/concepts/configuration-files/ and https://docs.astral.sh/uv/concepts/indexes/. What pip
    itself is told of in `environ` stays besides. With `hosts`, what is on others is left out.
    """
    tables = [*_read_tables(uv_files(entry, environ))]
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or next(_defaults(tables), None)
    further = [*_words(environ, "UV_INDEX"), *_words(environ, "UV_EXTRA_INDEX_URL"), *_further(tables)]
    links = [*environ.get("UV_FIND_LINKS", "").split(","), *_listed(tables, "find-links")]
    names = [("PIP_EXTRA_INDEX_URL", further), ("PIP_FIND_LINKS", links)]

    def complete(urls: Iterable[str]) -> list[str]:
        return [url for url in _complete(urls, environ) if hosts is None or is_allowed(url, hosts)]

    found = {name: " ".join(dict.fromkeys([*_words(environ, name), *complete(urls)])) for name, urls in names}
    found["PIP_INDEX_URL"] = "".join(complete([default] if default else []))
    return {name: value for name, value in found.items() if value}


def uv_files(entry: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the configuration files that uv reads in the entry directory, the strongest first."""
    if environ.get("UV_NO_CONFIG"):
        return []
    if named := environ.get("UV_CONFIG_FILE"):
        return [Path(named)]
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.expanduser raises where there is no home directory
    if sys.platform == "win32":
        folders = [Path(environ.get("APPDATA", home)), Path(environ.get("PROGRAMDATA", "C:\\ProgramData"))]
    else:
        shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        folders = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config"), *map(Path, shared), Path("/etc")]
    own = [*_project_files(entry)][:1]
    return own + [path for folder in folders if (path := folder / "uv" / "uv.toml").is_file()]


def _project_files(entry: Path) -> Iterator[Path]:
    for folder in (entry, *entry.parents):
        if (folder / "uv.toml").is_file():
            yield folder / "uv.toml"
        elif "uv" in _read(folder / "pyproject.toml").get("tool", {}):
            yield folder / "pyproject.toml"


def _read_tables(paths: Iterable[Path]) -> Iterator[_Table]:
    for path in paths:
        content = _read(path)
        table = content.get("tool", {}).get("uv", {}) if path.name == "pyproject.toml" else content
        yield table
        yield table.get("pip", {})


def _defaults(tables: Iterable[_Table]) -> Iterator[str]:
    for table in tables:
        yield from (_index_text(row) for row in table.get("index", ()) if row.get("default"))
        yield from (table[key] for key in ("index-url",) if key in table)


def _further(tables: Iterable[_Table]) -> Iterator[str]:
    for table in tables:
        # Explicit ones are for what a project pins to them.
        yield from (
            _index_text(row) for row in table.get("index", ()) if not row.get("default") and not row.get("explicit")
        )
    yield from _listed(tables, "extra-index-url")


def _listed(tables: Iterable[_Table], key: str) -> Iterator[str]:
    for table in tables:
        yield from table.get(key, ())


def _index_text(row: _Table) -> str:
    return f"{row['name']}={row['url']}" if "name" in row else str(row["url"])


def _words(environ: Mapping[str, str], name: str) -> list[str]:
    return environ.get(name, "").split()


def _complete(places: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the URLs of `name=URL`, with the credentials that variables have for the name."""
    for place in filter(None, places):
        match = re.match(r"([\w.-]+)=(.+)", place)
        name, url = (re.sub(r"\W", "_", match[1]).upper(), match[2]) if match else ("", place)
        user, password = (environ.get(f"UV_INDEX_{name}_{what}", "") for what in ("USERNAME", "PASSWORD"))
        if (user or password) and "@" not in url.partition("://")[2].partition("/")[0]:
            url = url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)
        yield url
