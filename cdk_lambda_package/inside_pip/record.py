"""Write down what pip reads, chooses and refuses, as values for JSON.

Loaded in pip's process; imports only the standard library, pip, its siblings and `urls.py`. Nothing leaves with
credentials in it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from pip._internal.cli import req_command
from pip._internal.exceptions import InstallationError
from pip._internal.index import collector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.installation_report import InstallationReport
from pip._internal.operations.prepare import RequirementPreparer
from pip._internal.req import req_file
from pip._internal.resolution.resolvelib.candidates import _InstallRequirementBackedCandidate
from pip._vendor.packaging.utils import canonicalize_name

from cdk_lambda_package.inside_pip.target import replace
from cdk_lambda_package.urls import input_digest, without_credentials

Json = dict[str, Any]


# They would resolve, or read metadata, by other rules than those that these scripts replace.
HARMFUL_FEATURES = frozenset({"fast-deps", "inprocess-build-deps", "legacy-resolver"})

# pip's names for what is wrong with a wheel's metadata.
_OF_METADATA = frozenset(
    {"MetadataInvalid", "MetadataInconsistent", "BadMetadata", "InvalidVersion", "InvalidWheel", "UnsupportedWheel"}
)

# What pip reads by its URL.
_URL = re.compile(r"(https?|file):", re.IGNORECASE)

# The name by which pip asks for the requirements that the job itself has.
ONLY = "requirements-of-the-job.txt"


class Refused(Exception):
    """Something was asked for that isn't to be done, whatever pip would make of it."""


class Record:
    """What is written down while pip works."""

    def __init__(self, job: Json, result: Json, *, supply: Any, sources: Any, sizes: Any) -> None:
        self.result = result
        self._job, self._supply, self._sources, self._sizes = job, supply, sources, sizes
        self._finder: Any = None
        self._texts: dict[str, str] = {}
        self._line: Any = None
        self._pages: dict[str, list[tuple[Any, list[Any]]]] = {}
        self._candidate: Any = None
        self._report: Json | None = None
        # The lines that take the place of the user's requirements; they have URLs with passwords, so no file has them.
        self._only: list[str] = [*(job["only"] or ())]

    # -- listening ---------------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Listen where pip reads requirements, judges links and prepares candidates."""
        replace(req_command.RequirementCommand, "get_requirements", self._get_requirements)
        replace(req_command, "install_req_from_parsed_requirement", self._parse_requirement)
        replace(req_file, "get_file_content", self._read_file)
        replace(req_file.RequirementsFileParser, "_parse_file", self._parse_lines)
        replace(PackageFinder, "evaluate_links", self._evaluate_links)
        replace(collector, "_handle_get_simple_fail", self._fail_page)
        if self._sources is None:
            replace(RequirementPreparer, "prepare_linked_requirement", self._prepare_requirement)
        else:
            self._sources.attach()
        replace(_InstallRequirementBackedCandidate, "_prepare", self._prepare_candidate)
        replace(InstallationReport, "to_dict", self._take_report)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Keep pip's warnings, and the exception that ends its command."""
        logger = logging.getLogger("pip")
        # A user's PIP_QUIET must not hide the reason of a failure.
        if logger.getEffectiveLevel() > logging.WARNING:
            logger.setLevel(logging.WARNING)
        handler = _Handler(self.result["messages"])
        logger.addHandler(handler)
        try:
            yield
        except BaseException as error:
            self.note_error(error)
            raise
        finally:
            logger.removeHandler(handler)

    def _read_file(self, original: Callable[..., Any], url: str, *args: Any, **options: Any) -> Any:
        if url == ONLY:
            return url, "".join(f"{line}\n" for line in self._only)
        try:
            answer = original(url, *args, **options)
        except (InstallationError, UnicodeError, LookupError) as error:
            self.result["unreadable"] = {
                "file": url,
                "comes_from": self._find_include(url),
                **describe_unreadable(error),
            }
            raise
        self._texts[url] = answer[1]
        is_url = _URL.match(url)
        self.result["files"].append([url, None if is_url else input_digest(Path(url).read_bytes())])
        return answer

    def _parse_requirement(self, original: Callable[..., Any], parsed: Any, *args: Any, **options: Any) -> Any:
        """Go on behind a malformed line, so that all of them are named."""
        parsed = dataclasses.replace(parsed, requirement=with_whole_path(parsed.requirement))
        try:
            return original(parsed, *args, **options)
        except InstallationError as error:
            row = {"requirement": parsed.requirement, "comes_from": parsed.comes_from, "message": str(error)}
            self.result.setdefault("malformed", []).append(row)
            return _Malformed()

    def _evaluate_links(self, original: Callable[..., Any], finder: Any, evaluator: Any, links: Any) -> Any:
        """Keep what a page lists: what pip thought of it is asked again where a reason for a failure is wanted."""
        listed = list(links)
        self._pages.setdefault(canonicalize_name(evaluator.project_name), []).append((evaluator, listed))
        return original(finder, evaluator, listed)

    def _fail_page(self, original: Callable[..., Any], link: Any, reason: Any, *args: Any, **options: Any) -> None:
        status = getattr(getattr(reason, "response", None), "status_code", None)
        if status not in (404, 410):
            self.result["unreachable"].append({"url": str(link), "status": status, "reason": str(reason)})
        original(link, reason, *args, **options)

    def _prepare_requirement(
        self, original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **opts: Any
    ) -> Any:
        """Refuse whatever isn't a wheel before anything of it runs; by here it can only be a dependency's."""
        if ireq.link is None or not ireq.link.is_wheel:
            self.result.setdefault("refused", []).append(describe(ireq))
            raise Refused(f"{ireq} is not a wheel")
        return original(preparer, ireq, *args, **opts)

    def _prepare_candidate(self, original: Callable[..., Any], candidate: Any) -> Any:
        self._candidate = candidate
        try:
            return original(candidate)
        except Exception as error:
            # pip goes on without a release whose metadata is wrong, and says of the rest only that nothing satisfies.
            if type(error).__name__ in _OF_METADATA:
                self.result.setdefault("unusable", []).append(describe_unusable(candidate, error))
            raise

    # -- requirements ------------------------------------------------------------------------------------------------

    def _get_requirements(
        self, original: Callable[..., Any], command: Any, args: list[str], options: Any, finder: Any, session: Any
    ) -> list[Any]:
        self._finder = finder
        require_hashes = options.require_hashes
        ireqs = original(command, args, options, finder, session) if args or options.requirements else []
        remove_harmful_features(options)
        self._supply.check_options(finder, options)
        self.result["no_index"] = not finder.index_urls
        self.result["find_links"] = [*finder.find_links]
        # An index of the user's settings is asked again when a resolution is too old, be it in a folder or not.
        settings = {options.index_url, *options.extra_index_urls}
        self.result["indexes"] = [url for url in finder.index_urls if url not in settings]
        if self._sources is None:
            self._refuse_no_binary(finder)
        else:
            self._sources.read_options(finder, options)
        if self._job["only"]:
            urls = [ireq.link.url_without_fragment for ireq in ireqs if ireq.link is not None]
            self._only = complete_urls(self._only, urls)
            # The first reading has set the index options; now what is really wanted.
            options.require_hashes = require_hashes
            options.requirements, options.constraints = [ONLY], []
            kept = [] if self._job["hashes_only"] else [ireq for ireq in ireqs if ireq.constraint]
            self.result.pop("malformed", None)
            wanted = original(command, [], options, finder, session)
            self._supply.check_options(finder, options)
            for ireq in wanted:
                # A file that the user never saw is no place to name.
                ireq.comes_from = None
            ireqs = kept + wanted
        if "malformed" in self.result:
            raise Refused("lines that aren't requirements")
        ireqs = self._select(ireqs)
        self.result["require_hashes"] = bool(options.require_hashes)
        return ireqs

    def _refuse_no_binary(self, finder: Any) -> None:
        """A `--no-binary` in a requirements file asks for builds."""
        names = sorted(finder.format_control.no_binary)
        if names and not self._job["only"]:
            self.result["no_binary"], self.result["no_binary_at"] = names, self._find_line("--no-binary")
            raise Refused(f"--no-binary {','.join(names)}")
        finder.format_control.no_binary.clear()
        finder.format_control.only_binary.add(":all:")

    def _find_line(self, start: str) -> str | None:
        """Return where a line begins so, in pip's own words for it."""
        for name, text in self._texts.items():
            for number, line in enumerate(text.splitlines(), start=1):
                if line.strip().startswith(start):
                    return f"-r {name} (line {number})"
        return None

    def _parse_lines(self, original: Callable[..., Any], parser: Any, *args: Any, **options: Any) -> Iterator[Any]:
        """Keep the line that pip is at: what it reads next is included there."""
        for line in original(parser, *args, **options):
            self._line = line
            yield line

    def _find_include(self, url: str) -> str | None:
        """Return where a requirements or constraints file is included, in pip's own words for it; None for the first one."""
        line = self._line
        included = next(iter((line.opts.requirements or line.opts.constraints or ()) if line else ()), None)
        if included is None:
            return None
        # As pip does: from the place of the file that includes it.
        if _URL.match(line.filename):
            found = urljoin(line.filename, included) == url
        else:
            found = os.path.abspath(Path(line.filename).parent / included) == os.path.abspath(url)
        return f"-r {line.filename} (line {line.lineno})" if found or included == url else None

    def _select(self, ireqs: list[Any]) -> list[Any]:
        selected = []
        for ireq in ireqs:
            if ireq.constraint:
                selected.append(ireq)
            elif ireq.name is None or canonicalize_name(ireq.name) not in self._job["provided"]:
                selected.append(ireq)
                self.result["requirements"].append(describe(ireq))
        rows = [row for row in self.result["requirements"] if row["applies"] is not False]
        if any(row["applies"] is None for row in rows):
            raise Refused("requirements whose markers can't be evaluated")
        if self._sources is None and any(row["form"] not in ("index", "wheel") for row in rows):
            raise Refused("requirements that have to be built")
        for ireq in selected:
            # What is packaged is a copy; an editable one would be cloned into the entry directory.
            ireq.editable = False
        return selected

    # -- the end -----------------------------------------------------------------------------------------------------

    def note_error(self, error: BaseException) -> None:
        """Write down why pip's command failed, and what there was to choose from."""
        if "error" in self.result:
            return
        self.result["error"] = {
            "type": type(error).__name__,
            "message": str(getattr(error, "message", "") or error),
            "causes": list(describe_causes(error)),
            "hashes": list(describe_hashes(error)),
            "preparing": describe_candidate(self._candidate),
        }
        if match := re.match(r"Invalid requirement: (.*)", self.result["error"]["message"]):
            self.result["error"]["comes_from"] = self._find_line(match[1])
        # What was refused needs no other candidates, and no index learns the names of local projects.
        if type(error).__name__ not in ("Refused", "NeedsBuild", "NotAllowed", "TooLarge"):
            self._note_links()

    def _note_links(self) -> None:
        wanted = [row["name"] for row in self.result["requirements"] if row["form"] == "index" and row["applies"]]
        if self._finder is not None and not self.result["unreachable"]:
            for name in [name for name in wanted if name not in self._pages]:
                with contextlib.suppress(Exception):
                    self._finder.find_all_candidates(name)
        wanted += [cause["name"] for cause in self.result["error"]["causes"]]
        self.result["links"] = {
            name: [
                describe_link(link, evaluator.evaluate_link(link))
                for evaluator, links in self._pages.get(name, [])
                for link in links
            ]
            for name in dict.fromkeys(wanted)
        }

    def finish(self) -> None:
        """Complete the result with the parts of pip's report that count, and take credentials out of it."""
        if self.result["status"] == 0 and self._report is not None:
            self.result["environment"] = self._report["environment"]
            self.result["install"] = [self._describe_chosen(row) for row in self._report["install"]]
        self.result.update(without_credentials(self.result))

    def _take_report(self, original: Callable[..., Any], report: Any) -> Any:
        self._report = original(report)
        return self._report

    def _describe_chosen(self, item: Json) -> Json:
        row = describe_installation(item)
        links = (link for _, links in self._pages.get(canonicalize_name(row["name"]), ()) for link in links)
        return {**row, **describe_file(row, links, self._sizes)}


class _Malformed:
    """Stands in pip's list for a line that it couldn't read."""

    has_hash_options = False
    constraint = False


class _Handler(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            self._messages.append(record.getMessage())


def remove_harmful_features(options: Any) -> None:
    """Take the features away that resolve by other rules; requirements files can switch some on, too."""
    for name in ("features_enabled", "deprecated_features_enabled"):
        setattr(options, name, [feature for feature in getattr(options, name, []) if feature not in HARMFUL_FEATURES])


def describe_candidate(candidate: Any) -> str:
    """Return the name and version of what pip was preparing, or its requirement where these aren't known yet."""
    try:
        return f"{candidate.name} {candidate.version}"
    except AttributeError:
        return str(getattr(candidate, "_ireq", ""))


def describe_unusable(candidate: Any, error: Exception) -> Json:
    """Describe a distribution whose metadata pip can't take."""
    ireq = candidate._ireq
    name = canonicalize_name(ireq.name) if ireq.name else ""
    # What marks a place in the line above means nothing in a single line.
    kind, said = type(error).__name__, " ".join(re.sub(r"^[\s~^]+$", "", str(error), flags=re.MULTILINE).split())
    return {"name": name, "file": ireq.link.filename, "type": kind, "message": said, **describe_origin(ireq)}


def describe(ireq: Any) -> Json:
    """Describe a requirement; `applies` is None where its marker can't be evaluated for the target."""
    row = {
        "name": canonicalize_name(ireq.name) if ireq.name else None,
        "marker": str(ireq.markers or ""),
        "extras": sorted(ireq.extras),
        "url": ireq.link.url if ireq.link is not None else None,
        "form": describe_form(ireq),
        "missing": ireq.link is not None and ireq.link.is_file and not Path(ireq.link.file_path).exists(),
        "hashed": bool(ireq.hash_options),
        **describe_origin(ireq),
    }
    try:
        row["applies"] = bool(ireq.match_markers())
    except Exception as error:
        row |= {"applies": None, "marker_error": str(error)}
    return row


def describe_origin(ireq: Any) -> dict[str, str]:
    """Return a requirement's text, and where it comes from in pip's own words."""
    text = ireq.req if ireq.req is not None else ireq.link.url
    return {"requirement": str(text), "comes_from": str(ireq.comes_from or "")}


def describe_unreadable(error: Exception) -> Json:
    """Describe why a requirements file can't be read: `line` is that of the first byte that isn't of its encoding."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return {"encoding": error.encoding, "line": line, "byte": f"0x{error.object[error.start]:02x}"}
    if isinstance(error, InstallationError):
        cause = error.__cause__ or error.__context__
        return {"reason": getattr(cause, "strerror", None) or str(error)}
    return {"encoding": str(error).rpartition(": ")[2], "line": 1}


def describe_form(ireq: Any) -> str:
    """Tell where a requirement's distribution would come from."""
    if ireq.editable:
        return "editable"
    if ireq.link is None:
        return "index"
    if ireq.link.is_vcs:
        return "vcs"
    if ireq.link.is_existing_dir():
        return "directory"
    return "wheel" if ireq.link.is_wheel else "sdist"


def describe_link(link: Any, outcome: Any) -> Json:
    """Describe a file of an index and what pip thought of it."""
    return {
        "filename": link.filename,
        "requires_python": link.requires_python,
        "yanked": link.is_yanked,
        "accepted": outcome[0].name == "candidate",
        "detail": str(outcome[1]),
    }


def describe_causes(error: BaseException | None) -> Iterator[Json]:
    """Describe the requirements that can't hold together, from the ResolutionImpossible behind an error."""
    while error is not None:
        for requirement, parent in getattr(error, "causes", ()):
            ireq = requirement.get_candidate_lookup()[1]
            yield {
                "name": canonicalize_name(requirement.project_name),
                "requirement": str(requirement),
                "parent": parent.name if parent is not None else None,
                "parent_version": str(parent.version) if parent is not None else None,
                "comes_from": str(ireq.comes_from or "") if parent is None and ireq is not None else "",
            }
        error = error.__cause__


def describe_hashes(error: BaseException) -> Iterator[Json]:
    """Describe the hash errors behind an error: the file, what was promised and what came."""
    for one in getattr(error, "errors", [error]):
        if hasattr(one, "allowed") and hasattr(one, "gots"):
            yield {
                "requirement": str(getattr(one.req, "req", None) or one.req),
                "comes_from": str(getattr(one.req, "comes_from", None) or ""),
                "expected": one.allowed,
                "actual": {name: value.hexdigest() for name, value in one.gots.items()},
            }


def describe_installation(row: Json) -> Json:
    """Keep what the lock needs of an item of pip's installation report."""
    metadata = row["metadata"]
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "requires_dist": metadata.get("requires_dist", []),
        "requires_python": metadata.get("requires_python"),
        "url": row["download_info"]["url"],
        "hashes": row["download_info"].get("archive_info", {}).get("hashes", {}),
        "is_direct": row["is_direct"],
    }


def describe_file(row: Json, links: Iterable[Any], sizes: Any) -> Json:
    """Return the index of a chosen file, its size and when it was uploaded, by the link that leads to it; {} for no link."""
    url, name = without_credentials(row["url"]), re.escape(canonicalize_name(row["name"]))
    file = urlsplit(url).path.rsplit("/", 1)[-1]
    # Text first: indexes list thousands of files, and only one is looked for.
    for link in (link for link in links if file in link.url):
        if without_credentials(link.url_without_fragment) == url:
            # A project's page (PEP 503), not a page of links or a folder.
            index = re.fullmatch(rf"(https?://.+)/{name}/?", str(link.comes_from or ""))
            time = link.upload_time.isoformat() if link.upload_time is not None else ""
            return {"index": index[1] if index else "", "upload_time": time, "size": sizes.of(link)}
    return {}


def with_whole_path(requirement: str) -> str:
    """Return the requirement with the whole path in a file: URL: `file:../pkg` means something in this directory only."""

    def complete(match: re.Match[str]) -> str:
        # As a URL, so that what is quoted in it stays so.
        return "file://" + posixpath.normpath(urlsplit(f"{Path.cwd().as_uri()}/{match[1]}").path)

    return re.sub(r"(?:(?<=@)|(?<=@ )|^)file:(?!/)([^\s;#]+)", complete, requirement)


def complete_urls(lines: Iterable[str], urls: Iterable[str]) -> list[str]:
    """Put what is secret in the URLs of the user's requirements back into lines of requirements: no lock keeps it."""
    full = {without_credentials(place): place for place in map(_without_revision, urls)}

    def complete(match: re.Match[str]) -> str:
        known = _without_revision(match[0])
        return full.get(known, known) + match[0][len(known) :]

    return [re.sub(r"(?<= @ )[^\s#]+", complete, line) for line in lines]


def _without_revision(url: str) -> str:
    # A lock has the commit where the requirement may have a branch.
    return re.sub(r"@[^/@]*$", "", url) if re.match(r"\w+\+", url) else url
