"""Where uv's settings say that packages are, for pip, which downloads and builds what uv has resolved.

https://docs.astral.sh/uv/concepts/configuration-files/ and https://docs.astral.sh/uv/concepts/indexes/.
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

from cdk_lambda_package.inside_pip.supply import is_allowed

_Table = Mapping[str, Any]


def pip_variables(entry: Path, environ: Mapping[str, str], hosts: Iterable[str] | None = None) -> dict[str, str]:
    """Return the variables that tell pip of the indexes that uv would ask in the entry directory, credentials included.

    What pip itself is told of in `environ` stays besides. With `hosts`, what is on others is left out: uv, which reads
    no configuration file then, doesn't ask it either.
    """
    tables = [*_read_tables(configuration_files(entry, environ))]
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or next(_defaults(tables), None)
    further = [*_words(environ, "UV_INDEX"), *_words(environ, "UV_EXTRA_INDEX_URL"), *_further(tables)]
    links = [*environ.get("UV_FIND_LINKS", "").split(","), *_listed(tables, "find-links")]
    names = [("PIP_EXTRA_INDEX_URL", further), ("PIP_FIND_LINKS", links)]

    def complete(urls: Iterable[str]) -> list[str]:
        return [url for url in _complete(urls, environ) if hosts is None or is_allowed(url, hosts)]

    found = {name: " ".join(dict.fromkeys([*_words(environ, name), *complete(urls)])) for name, urls in names}
    found["PIP_INDEX_URL"] = "".join(complete([default] if default else []))
    return {name: value for name, value in found.items() if value}


def configuration_files(entry: Path, environ: Mapping[str, str]) -> list[Path]:
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


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # uv itself says what is wrong with it.
        return {}


def _defaults(tables: Iterable[_Table]) -> Iterator[str]:
    for table in tables:
        yield from (_name(row) for row in table.get("index", ()) if row.get("default"))
        yield from (table[key] for key in ("index-url",) if key in table)


def _further(tables: Iterable[_Table]) -> Iterator[str]:
    for table in tables:
        # Explicit ones are for what a project pins to them.
        yield from (_name(row) for row in table.get("index", ()) if not row.get("default") and not row.get("explicit"))
    yield from _listed(tables, "extra-index-url")


def _listed(tables: Iterable[_Table], key: str) -> Iterator[str]:
    for table in tables:
        yield from table.get(key, ())


def _name(row: _Table) -> str:
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
