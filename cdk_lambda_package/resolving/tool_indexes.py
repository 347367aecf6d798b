"""The private indexes of the tool that resolved or locked, with their credentials, for pip, which downloads and builds.

uv, poetry and pipenv have ways of their own to say a password, and their locks hold none.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cdk_lambda_package.requirements.lock_file import LockFile, LockKind

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
        from cdk_lambda_package.requirements.uv_settings import pip_variables

        return tuple({**given, **pip_variables(entry, environ, hosts)}.items())
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
