"""Let pip resolve with sources, without running any of their code.

Loaded by `target.py` in pip's process; imports only the standard library, pip, its siblings and `urls.py`. pip would run a
source's build back end here, for its metadata, and in the user's own directory. Instead each source is written down, and
stands for what was built of it before; one that wasn't yet gets a stand-in, and the library builds it and asks again.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Callable, Mapping
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from pip._internal.metadata import get_metadata_distribution
from pip._internal.operations import prepare
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.direct_url_helpers import direct_url_from_link
from pip._internal.vcs import vcs
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.utils import canonicalize_name, parse_sdist_filename
from pip._vendor.packaging.version import Version

from cdk_lambda_package.inside_pip.checkouts import visible_credentials
from cdk_lambda_package.inside_pip.record import Refused, describe_origin
from cdk_lambda_package.inside_pip.target import replace
from cdk_lambda_package.urls import source_key

Json = dict[str, Any]

# pip's configuration that builds need besides indexes; the rest, such as `target=`, isn't meant for them.
_OPTIONS = ("cache_dir", "cert", "client_cert", "keyring_provider", "proxy", "retries", "timeout", "uploaded_prior_to")
_RESOLUTION_FIELDS = frozenset({"requires-dist", "provides-extra", "requires-python"})


# What these read of a project is data, in tables of their own too (tool.poetry, tool.flit).
_STATIC_BACKENDS = ("poetry.core.masonry.api", "poetry.masonry.api", "flit_core.buildapi")


class NeedsBuild(Exception):
    """The resolution can't go on before the sources that were written down are built."""


def is_dynamic(project: Path) -> bool:
    """Tell whether the dependencies of an unpacked project depend on who builds it (PEP 621, core metadata 2.2)."""
    headers = _read_info(project)
    try:
        if Version(headers.get("Metadata-Version", "1.0")) >= Version("2.2"):
            dynamic = {name.strip().lower() for name in headers.get_all("Dynamic", [])}
            return not dynamic.isdisjoint(_RESOLUTION_FIELDS)
        content: Any = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        system = content.get("build-system", {})
        if system.get("build-backend") in _STATIC_BACKENDS and "backend-path" not in system:
            return False
        fields = frozenset(content["project"].get("dynamic", ()))
    except (OSError, ValueError, LookupError, RecursionError, TypeError, AttributeError):
        # Nothing that can be relied on.
        return True
    return not {"dependencies", "optional-dependencies"}.isdisjoint(fields)


class Sources:
    """The sources that a resolution meets, and what stands for them."""

    def __init__(self, job: Json, result: Json) -> None:
        self._built: Mapping[str, Json] = job["built"]
        self._members: Mapping[str, str] = job["members"]
        self._folder = Path(job["workspace"])
        self._result = result
        self._rows: list[Json] = result.setdefault("sources", [])
        self.settings: dict[str, str] = {}

    def attach(self) -> None:
        """Stand between pip and every source."""
        replace(prepare.RequirementPreparer, "prepare_linked_requirement", self._prepare)
        replace(prepare, "_get_prepared_distribution", self._get_distribution)
        replace(Factory, "collect_root_requirements", self._collect_roots)
        # pip's own cache has wheels that were built on this machine, and takes their tags for proof enough.
        replace(Factory, "get_wheel_cache_entry", lambda original, factory, *args, **options: None)
        if self._members:
            replace(Factory, "make_requirements_from_spec", self._make_requirements)

    def read_options(self, finder: Any, options: Any) -> None:
        """Keep the index and network options, as pip's variables for the builds; they may hold passwords."""
        values = {name: getattr(options, name, None) for name in _OPTIONS}
        self.settings = _index_variables(finder) | {
            f"PIP_{name.upper()}": getattr(value, "isoformat", value.__str__)()
            for name, value in values.items()
            if value
        }

    def _collect_roots(self, original: Callable[..., Any], factory: Any, ireqs: list[Any]) -> Any:
        """Stop before any index is asked: who names a project's path means that project, whatever its name is."""
        collected = original(factory, ireqs)
        if self._rows:
            raise NeedsBuild(", ".join(row["key"] for row in self._rows))
        return collected

    def _make_requirements(
        self, original: Callable[..., Any], factory: Any, specifier: str, *args: Any, **options: Any
    ) -> Any:
        """Take the members of a workspace from where they are."""
        requirement = Requirement(specifier)
        url = self._members.get(canonicalize_name(requirement.name))
        # poetry writes the path itself into the metadata, that of the copy which was built.
        if url is not None and (requirement.url or "file:").startswith("file:"):
            requirement.url, requirement.specifier = url, SpecifierSet()
            specifier = str(requirement)
        return original(factory, specifier, *args, **options)

    def _prepare(self, original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **options: Any) -> Any:
        """Neither download nor clone again what is built already, unless hashes are to be compared."""
        if visible_credentials(ireq.link.url):
            self._result.setdefault("refused_credentials", []).append(describe_origin(ireq))
            raise Refused("credentials that a command line would show")
        known = None if ireq.link.is_wheel else self._built.get(source_key(ireq.link.url))
        if known is None or preparer.require_hashes or ireq.hash_options:
            return original(preparer, ireq, *args, **options)
        if ireq.download_info is None:
            ireq.download_info = direct_url_from_link(ireq.link, known["path"])
        return _use(ireq, known)

    def _get_distribution(self, original: Callable[..., Any], ireq: Any, *args: Any, **options: Any) -> Any:
        """Take the place of what would run the build back end."""
        if ireq.link.is_wheel:
            return original(ireq, *args, **options)
        return _use(ireq, self._built.get(source_key(ireq.link.url)) or self._stand_in(ireq))

    def _stand_in(self, ireq: Any) -> Json:
        """Write a source down, and return a wheel of it without dependencies: asking for less asks for nothing wrong."""
        row = self._note(ireq)
        metadata = f"Metadata-Version: 2.1\nName: {row['name']}\nVersion: {row['version']}\n\n"
        return {**row, "metadata": metadata, "filename": f"{row['name']}-{row['version']}-py3-none-any.whl"}

    def _note(self, ireq: Any) -> Json:
        if getattr(ireq, "config_settings", None):
            # The wheel is built separately, for every requirement of that source.
            self._result.setdefault("refused_settings", []).append(describe_origin(ireq))
            raise NeedsBuild(f"{ireq} has settings of its own")
        project = Path(ireq.unpacked_source_directory)
        kind, path = self._keep(ireq)
        name, version = _identify(ireq, project)
        backend: Any = vcs.get_backend_for_scheme(ireq.link.scheme) if kind == "vcs" else None
        row = {
            "key": source_key(ireq.link.url),
            "kind": kind,
            "path": str(path),
            "subdirectory": ireq.link.subdirectory_fragment or "",
            "filename": ireq.link.filename,
            "name": canonicalize_name(name) if name else f"unbuilt-{len(self._rows)}",
            "version": version or "0",
            "dynamic": is_dynamic(project),
            "for_linux": _is_for_linux(project),
            "commit": backend.get_revision(ireq.source_dir) if backend else "",
            **describe_origin(ireq),
        }
        self._rows.append(row)
        return row

    def _keep(self, ireq: Any) -> tuple[str, Path]:
        """Keep what was downloaded or cloned until it is built; pip removes its own copy."""
        if ireq.link.is_existing_dir():
            return "directory", Path(ireq.link.file_path)
        folder = self._folder / hashlib.sha256(source_key(ireq.link.url).encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        if ireq.link.is_vcs:
            checkout = folder / "checkout"
            shutil.copytree(ireq.source_dir, checkout, symlinks=True, dirs_exist_ok=True)
            return "vcs", checkout
        return "archive", Path(shutil.copyfile(ireq.local_file_path, folder / ireq.link.filename))


def _identify(ireq: Any, project: Path) -> tuple[str | None, str | None]:
    """Return name and version as far as they can be read without running anything."""
    headers = _read_info(project)
    try:
        found, version = parse_sdist_filename(ireq.link.filename)
    except ValueError:
        return ireq.name or headers.get("Name"), headers.get("Version")
    return ireq.name or found, str(version)


def _is_for_linux(project: Path) -> bool:
    """Tell whether the authors say that Linux is among the systems that a source is for, by PyPI's classifiers."""
    systems = (line.partition("Operating System :: ")[2] for line in _read_info(project).get_all("Classifier", []))
    return any(system.startswith(("POSIX", "Unix", "OS Independent")) for system in systems)


def _read_info(project: Path) -> Message:
    """Return the metadata of an sdist (PKG-INFO); without headers where there is none."""
    info = project / "PKG-INFO"
    text = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    return HeaderParser().parsestr(text)


def _use(ireq: Any, wheel: Json) -> Any:
    distribution = get_metadata_distribution(wheel["metadata"].encode(), wheel["filename"], wheel["name"])
    ireq.set_dist(distribution)
    if ireq.req is None:
        # Only a path or a URL was given; pip takes the name from the metadata, as here.
        ireq.req = Requirement(f"{distribution.raw_name}=={distribution.version}")
    return distribution


def _index_variables(finder: Any) -> dict[str, str]:
    """Return pip's variables for the places that it searches; empty ones take the place of the user's own."""
    first, *others = finder.index_urls or [""]
    values = {
        "PIP_NO_INDEX": ["" if finder.index_urls else "1"],
        "PIP_INDEX_URL": [first],
        "PIP_EXTRA_INDEX_URL": others,
        "PIP_FIND_LINKS": [_absolute(place) for place in finder.find_links],
        "PIP_TRUSTED_HOST": finder.trusted_hosts,
    }
    # pip splits them at spaces.
    return {name: " ".join(place.replace(" ", "%20") for place in value) for name, value in values.items()}


def _absolute(place: str) -> str:
    """Return a path as a URL, which means the same in the directory of the build."""
    return place if not Path(place).exists() else Path(place).absolute().as_uri()
