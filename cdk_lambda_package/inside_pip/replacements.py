"""Make pip's process see the target: replace tags, the Python version, options and candidates, then run pip.

Loaded by `target.py` once the marker environment is that of the target, so pip's modules can be imported here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pip._internal.cli.index_command import SessionCommandMixin
from pip._internal.cli.main import main as pip_main
from pip._internal.commands.download import DownloadCommand
from pip._internal.commands.install import InstallCommand
from pip._internal.index.package_finder import CandidateEvaluator
from pip._internal.metadata import get_metadata_distribution
from pip._internal.models.format_control import FormatControl
from pip._internal.models.target_python import TargetPython
from pip._internal.network.auth import MultiDomainBasicAuth
from pip._internal.operations.prepare import RequirementPreparer
from pip._internal.resolution.resolvelib.candidates import RequiresPythonCandidate
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.misc import split_auth_netloc_from_url
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.tags import Tag
from pip._vendor.packaging.utils import canonicalize_name
from pip._vendor.packaging.version import Version

from cdk_lambda_package.inside_pip.building import keep_ssh_command, keyring_provider
from cdk_lambda_package.inside_pip.checkouts import Checkouts
from cdk_lambda_package.inside_pip.downloads import Downloads
from cdk_lambda_package.inside_pip.progress import report_progress
from cdk_lambda_package.inside_pip.record import Record, remove_harmful_features
from cdk_lambda_package.inside_pip.sizes import Sizes
from cdk_lambda_package.inside_pip.sources import Sources
from cdk_lambda_package.inside_pip.supply import Supply
from cdk_lambda_package.inside_pip.target import Job, UnsupportedPipError, replace

# Options that could lead to other packages than the target's, from whichever of PIP_* and pip.conf they come.
# Those that a newer pip doesn't have any more are skipped.
HARMLESS_VALUES: dict[str, Any] = {
    "abis": None,
    "build_constraints": [],
    "dependency_groups": [],
    "editables": [],
    "ignore_requires_python": False,
    "implementation": None,
    "only_dependencies": False,
    "platforms": None,
    "python_version": None,
    "requirements_from_scripts": [],
    "target_dir": None,
    "use_user_site": False,
}


def replace_tags(job: Job, proof: dict[str, Any]) -> None:
    """Make the compatible tags those of the target, in its order of preference."""
    tags = [Tag(*tag.split("-")) for tag in job["tags"]]
    for name, value in {"get_sorted_tags": tags, "get_unsorted_tags": set(tags)}.items():

        def answer(original: Callable[..., Any], self: Any, value: Any = value) -> Any:
            proof["tags"] += 1
            return value

        replace(TargetPython, name, answer)


def replace_python(job: Job, proof: dict[str, Any]) -> None:
    """Make Requires-Python ask for the target's version, in links and in metadata."""
    numbers = tuple(int(part) for part in job["python_full_version"].split("."))

    def target_python(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> None:
        original(self)
        require(self, "py_version", "py_version_info")
        self.py_version, self.py_version_info = ".".join(map(str, numbers[:2])), numbers
        proof["python"] += 1

    def requires_python(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        require(self, "_version")
        self._version = Version(job["python_full_version"])
        proof["requires_python"] += 1

    replace(TargetPython, "__init__", target_python)
    replace(RequiresPythonCandidate, "__init__", requires_python)


def require(instance: Any, *names: str) -> None:
    """Raise unless the attributes that are about to be replaced exist."""
    for name in names:
        if not hasattr(instance, name):
            raise UnsupportedPipError(f"it has no {type(instance).__name__}.{name}")


def sanitise(options: Any, job: Job) -> None:
    """Undo what the user's configuration could do to the result; index, network and release options stay."""
    forced = {
        **HARMLESS_VALUES,
        "ignore_dependencies": bool(job["only"]),
        "requirements": list(job["requirements"]),
        "format_control": FormatControl(set(), set() if job["sources"] else {":all:"}),
    }
    if job["sources"]:
        # An older wheel rather than a newer sdist: what needn't be built isn't.
        forced["prefer_binary"] = True
    if job["hashes_only"]:
        # The files are known by their hashes: what else limits the choice can only get in the way.
        forced |= {"constraints": [], "uploaded_prior_to": None, "no_require_hashes": False}
    for name, value in forced.items():
        if hasattr(options, name):
            setattr(options, name, value)
    remove_harmful_features(options)


def prepare(job: Job, record: Record, supply: Supply, sizes: Sizes) -> None:
    """Replace all that has to be replaced, and listen where something is worth writing down."""
    proof = record.result["proof"]
    replace_tags(job, proof)
    replace_python(job, proof)
    command: Any = InstallCommand if job["command"] == "install" else DownloadCommand
    command.ignore_require_venv = True

    def run(original: Callable[..., Any], self: Any, options: Any, args: list[str]) -> int:
        with record.listening():
            sanitise(options, job)
            supply.limit_options(options)
            proof["run"] += 1
            status: int = original(self, options, args)
        return status

    replace(command, "run", run)
    authenticate(job["credentials"])
    keep_ssh_command()
    filter_provided(frozenset(job["provided"]))
    prefer_versions(job["preferred"])
    use_known_metadata([Path(folder) for folder in job["known_metadata"]])
    record.attach()
    sizes.attach()
    Downloads(job, sizes).attach()
    report_progress(job)
    # Last, and so outermost: what isn't allowed goes no further.
    supply.attach()


def authenticate(credentials: list[str]) -> None:
    """Ask the keyring that pip's `auto` stands for, as pip does where it may ask the user, too; know the passwords in these URLs.

    They are for all URLs of their hosts, as pip takes those of an index. The indexes of these URLs aren't asked for any name.
    """
    known = {netloc: pair for _, netloc, pair in map(split_auth_netloc_from_url, credentials)}

    def build(original: Callable[..., Any], self: Any, options: Any, *args: Any, **more: Any) -> Any:
        session = original(self, options, *args, **more)
        if options.keyring_provider == "auto":
            session.auth.keyring_provider = keyring_provider()
        return session

    def find(original: Callable[..., Any], self: Any, url: str, **options: Any) -> Any:
        found = original(self, url, **options)
        return known.get(split_auth_netloc_from_url(url)[1], found) if found[1] is None else found

    replace(SessionCommandMixin, "_build_session", build)
    if known:
        replace(MultiDomainBasicAuth, "_get_new_credentials", find)


def prefer_versions(preferred: dict[str, str]) -> None:
    """Try these versions before newer ones, among those that satisfy: pip goes through candidates by their sort key."""

    def sort_key(original: Callable[..., Any], self: Any, candidate: Any) -> tuple[Any, ...]:
        first, *rest = original(self, candidate)
        # Behind the first, whether a demanded hash fits.
        return (first, preferred.get(canonicalize_name(candidate.name)) == str(candidate.version), *rest)

    if preferred:
        replace(CandidateEvaluator, "_sort_key", sort_key)


def filter_provided(provided: frozenset[str]) -> None:
    """Leave what vendor/ provides out of the dependencies of dependencies."""

    def make(original: Callable[..., Any], self: Any, specifier: str, *args: Any, **options: Any) -> Any:
        if provided and canonicalize_name(Requirement(specifier).name) in provided:
            return iter(())
        return original(self, specifier, *args, **options)

    replace(Factory, "make_requirements_from_spec", make)


def use_known_metadata(folders: list[Path]) -> None:
    """Read the metadata of wheels that were seen before, by their sha256, from where it was kept.

    Saves fetching whole wheels from indexes that don't serve metadata apart (PEP 658). A pip that lacks the method
    resolves without it, to the same result.
    """
    method = "_fetch_metadata_using_link_data_attr"
    if not folders or not hasattr(RequirementPreparer, method):
        return

    def fetch(original: Callable[..., Any], self: Any, ireq: Any) -> Any:
        content = read_known(folders, ireq.link)
        if content is None:
            return original(self, ireq)
        return get_metadata_distribution(content, ireq.link.filename, ireq.req.name)

    replace(RequirementPreparer, method, fetch)


def read_known(folders: list[Path], link: Any) -> bytes | None:
    """Return the kept metadata of a wheel, if it is whole: a line with its sha256, then itself."""
    if not link.is_wheel or link.hash_name != "sha256":
        return None
    for folder in folders:
        try:
            digest, _, content = folder.joinpath(str(link.hash)).read_bytes().partition(b"\n")
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest().encode() == digest:
            return content
    return None


def run_pip(job: Job, record: Record) -> int:
    """Run pip's command line in this process; its exit status comes back, whatever way it ends."""
    sys.argv = ["pip", *job["argv"]]
    try:
        return int(pip_main(job["argv"]))
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    except Exception as error:
        record.note_error(error)
        return 1
    finally:
        logging.shutdown()


def run(job: Job, result: dict[str, Any]) -> None:
    """Do the job, and complete the result."""
    supply, sources = Supply(job, result), Sources(job["sources"], result) if job["sources"] else None
    sizes = Sizes(job, result)
    record = Record(job, result, supply=supply, sources=sources, sizes=sizes)
    Checkouts(os.environ).attach()
    try:
        prepare(job, record, supply, sizes)
        result["status"] = run_pip(job, record)
    finally:
        record.finish()
        if sources is not None:
            # With their passwords, as nothing else in the result.
            result["settings"] = sources.settings
