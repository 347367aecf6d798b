"""Pipfile.lock, read by pipenv."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.locks.lookup import PinnedFormat
from cdk_lambda_package.toml_files import read_toml

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class _Pipfile(TypedDict, total=False):
    """A Pipfile, as far as it says which indexes there are."""

    source: list[dict[str, Any]]


class Format(PinnedFormat):
    """A lock with versions and hashes in categories, of which `packages` is the default."""

    command = "pipenv lock"
    project = "Pipfile"

    def export(self, copy: Path) -> str:
        """Return the requirements that `pipenv requirements` prints."""
        lock, groups, extras = self.lock, self.request.groups, self.request.extras
        if extras:
            raise LockError(
                f"{lock.path} knows no extras, so extras {', '.join(extras)} aren't available; name its package "
                "categories with packaging=Packaging(groups=[…])."
            )
        known = read_toml(lock.folder / self.project, dict[str, Any])
        if missing := [name for name in groups if name not in known]:
            names = sorted(name for name, value in known.items() if isinstance(value, dict) and name != "requires")
            raise LockError(f"groups {', '.join(missing)}: {lock.folder / self.project} has only {', '.join(names)}.")
        pipenv = self.find_tool("pipenv", "pipx install pipenv")
        variables = {"PIPENV_DONT_LOAD_ENV": "1", "PIPENV_VERBOSITY": "-1"}
        if self.run([pipenv, "verify"], copy, **variables).status:
            raise LockError(f"{lock.path} is out of date against Pipfile; run `pipenv lock`.")
        # pipenv takes several categories only together with the default one.
        argv = [pipenv, "requirements", "--hash", "--categories", " ".join(["packages", *groups])]
        return self.checked(self.run(argv, copy, **variables), argv).output

    def own_names(self) -> frozenset[str]:
        """Return the normalised names in the categories that are packaged."""
        settings = self.settings(dict[str, Any])
        tables = [settings.get(key) for key in ("packages", *self.request.groups)]
        return frozenset(canonicalize_name(name) for table in tables if isinstance(table, dict) for name in table)

    def index_urls(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the sources with credentials, whose variables pipenv expands (https://pipenv.pypa.io/en/latest/credentials.html)."""
        for source in self.settings(_Pipfile).get("source", ()):
            url = _VARIABLE.sub(lambda match: environ.get(match[1] or match[2], match[0]), str(source.get("url")))
            yield from [url] if "@" in url else []
