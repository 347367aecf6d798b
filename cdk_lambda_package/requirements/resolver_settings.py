"""The user's settings for pip that a resolution depends on."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cdk_lambda_package.urls import input_digest, is_secret, without_rotating

# Where git says the version, these say it for a copy without history: setuptools-scm, hatch-vcs, pbr.
_VERSION = re.compile(r"(SETUPTOOLS_SCM|VCS_VERSIONING)_PRETEND_VERSION|PBR_VERSION$")


def read_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that pip would read, without credentials."""
    found = [(name, value) for name, value in sorted(environ.items()) if name.startswith("PIP_")]
    return [f"{name}={without_rotating(value, environ)}" for name, value in found]


def read_build_variables(given: Iterable[tuple[str, str]], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what of `pip_environment` a build may read, and which version the environment says that it is to have.

    What else the environment has, a build may read as well, but it isn't meant as an input. Without credentials: of
    variables that are called like a token only the name.
    """
    found = {name: value for name, value in environ.items() if _VERSION.match(name)}
    found |= {name: value for name, value in given if not name.startswith(("PIP_", "UV_"))}
    return [f"{name}={'' if is_secret(name) else without_rotating(found[name])}" for name in sorted(found)]


def digest_configuration(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the digest of each configuration file that pip would read."""
    paths = [] if environ.get("PIP_CONFIG_FILE") == os.devnull else configuration_paths(environ)
    for path in paths:
        try:
            yield input_digest(path.read_bytes(), environ)
        except OSError:
            continue


def configuration_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return where pip looks for configuration files.

    https://pip.pypa.io/en/stable/topics/configuration/#location; what pip says it has read is compared as well.
    """
    # Not Path.expanduser: it raises where there is no home directory, as for an arbitrary user in a container.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    if sys.platform == "win32":
        shared, user, name = [Path(environ.get("PROGRAMDATA", "C:\\ProgramData"))], home / "pip", "pip.ini"
        own = Path(environ.get("APPDATA", home / "AppData" / "Roaming"))
    else:
        shared = [Path(part) for part in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)]
        shared, user, name = [*shared, Path("/Library/Application Support")], home / ".pip", "pip.conf"
        own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [*(directory / "pip" / name for directory in shared), Path("/etc", name), user / name]
    paths += [home / "Library" / "Application Support" / "pip" / name, own / "pip" / name, Path(sys.prefix, name)]
    if named := environ.get("PIP_CONFIG_FILE"):
        paths.append(Path(named))
    return paths
