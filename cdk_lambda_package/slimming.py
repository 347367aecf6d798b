"""Which files of distributions a function never needs: what the option `slim` leaves out.

Tests inside packages that nothing imports, files for compilers and for type checkers that nothing opens, and the data of AWS
services for which no module makes a client. Each rule keeps whatever it isn't sure of.

What a distribution's own modules say is read once (`read_uses`). What a function needs of all distributions is a value (`Needs`),
and several functions that share distributions need the union.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cdk_lambda_package.errors import count
from cdk_lambda_package.import_analysis import Maker, NamedCall, named_calls
from cdk_lambda_package.paths import is_cache
from cdk_lambda_package.splicing import Decision
from cdk_lambda_package.store import remembered

_TEST_FOLDERS = ("test", "tests")
_BUILD_SUFFIXES = (".pyx", ".pxd", ".h", ".hh", ".hpp", ".hxx")
_ARCHIVE_SUFFIXES = (".a", ".lib")
_STUB_SUFFIX = ".pyi"
_SUFFIXES = (*_BUILD_SUFFIXES, *_ARCHIVE_SUFFIXES, _STUB_SUFFIX)
# https://man7.org/linux/man-pages/man5/ar.5.html - .lib is the suffix of other data, too.
_ARCHIVE = b"!<arch>\n"
# https://scientific-python.org/specs/spec-0001/#type-checkers
_STUB_READER = b"attach_stub"

# botocore finds a service's data by the name of its folder; boto3's is for resources.
_SERVICE_DATA = re.compile(r"(?:botocore|boto3)/data/([^/]+)/.")
_SDK_MODULES = ("boto3/", "botocore/", "s3transfer/")
# The one module of the SDK that makes a client without being given one, or a service's name.
_SDK_CALLS = {"s3transfer/processpool.py": (NamedCall("s3", 1),)}
# botocore's own clients: for credentials.
_ALWAYS = frozenset({"signin", "sso", "sso-oidc", "sts"})
_CLIENTS = Maker(
    functions=frozenset({"client", "create_client", "resource"}),
    keyword="service_name",
    modules=frozenset({"boto3"}),
    holders=r"session",
)

# A literal ends with the name, whatever path is in front of it: the last part of "include/api.h", and ".h" of f"{name}.h".
# A run of signs is read once, from its beginning on, however long it is.
_END_OF_LITERAL = re.compile(rb"(?<![\w.+-])([\w.+-]++)[\"']")
# Imports and quoted names in which a folder of tests may be named: it decides which modules are parsed.
_MAY_IMPORT = re.compile(rb"\b(?:from|import)\b(?:[^\n(\\]|\\\r?\n)*+(?:\([^)]{0,20000}+\))?|[\"'][\w.]++[\"']")
# A literal that ends with the name of a folder of tests, alone or in a path: "tests", "data/tests", "demo.plugins.test".
_TEST_LITERAL = re.compile(rb"[\"']((?:[\w-]++[./])*tests?)/?[\"']")
# Bytecode and extension modules that name the SDK may make any client.
_COMPILED_SUFFIXES = (".pyc", ".so")
_SDK_NAMES = (b"boto3", b"botocore")
# https://github.com/boto/botocore/blob/develop/botocore/handlers.py (SERVICE_NAME_ALIASES)
_SERVICE_ALIASES = {"runtime.sagemaker": "sagemaker-runtime"}
_TEST_WORD = re.compile(rb"\btests?\b")


@remembered("uses", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class Uses:
    """What the modules of a segment say of files and services, whether they are imported or not.

    Attributes:
        imports: The full names of modules in folders of tests that are imported, by the folder of tests that the importing
            module is in; "" for all modules that are in none.
        files: The ends of literals that may name a file that a rule leaves out, in modules that are no tests: names and suffixes.
        reads_stubs: A module reads the .pyi file beside it when it is imported.
        archives: The paths of static libraries.
        services: The calls that make clients of AWS services, by the module's path.
        folders: Literals that may name a folder of tests, with slashes, in modules that are no tests.
    """

    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    reads_stubs: bool = False
    archives: tuple[str, ...] = ()
    services: dict[str, tuple[NamedCall, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


def read_uses(
    paths: Collection[str], read: Callable[[str], bytes], imported_by: Callable[[str], Iterable[str]]
) -> Uses:
    """Return what the modules among the files of one owner say; `read` returns a file's content.

    `imported_by` returns the full names of the modules that a module imports, by its path.

    Example:
        `read_uses(["demo.py"], read, analysis.imported_by).services["demo.py"][0].text` is "s3".
    """
    tests = _test_folders(paths)
    candidates = {_name(path) for path in paths if path.endswith(_SUFFIXES) or path in tests}
    imports: defaultdict[str, set[str]] = defaultdict(set)
    files: set[str] = set()
    folders: set[str] = set()
    services: dict[str, tuple[NamedCall, ...]] = {}
    reads_stubs = False
    for path in paths:
        # A cache of bytecode says what its source says.
        if path.endswith(_COMPILED_SUFFIXES) and not path.startswith(_SDK_MODULES) and not is_cache(path):
            content = read(path)
            if any(name in content for name in _SDK_NAMES):
                services[path] = (NamedCall(None, 1),)
        if not path.endswith(".py"):
            continue
        source, folder = read(path), tests.get(path, "")
        if any(_TEST_WORD.search(match[0]) for match in _MAY_IMPORT.finditer(source)):
            imports[folder].update(filter(_is_test_module, imported_by(path)))
        if not folder:
            ends = {end.decode(errors="replace") for end in _END_OF_LITERAL.findall(source)}
            files |= {end for end in ends if end in candidates or end.endswith(_SUFFIXES)}
            reads_stubs |= _STUB_READER in source
            folders |= {name.decode(errors="replace").replace(".", "/") for name in _TEST_LITERAL.findall(source)}
        if calls := client_calls(path, source):
            services[path] = calls
    return Uses(
        imports={folder: tuple(sorted(names)) for folder, names in imports.items() if names},
        files=tuple(sorted(files)),
        reads_stubs=reads_stubs,
        archives=tuple(path for path in paths if path.endswith(_ARCHIVE_SUFFIXES) and read(path).startswith(_ARCHIVE)),
        services=services,
        folders=tuple(sorted(folders)),
    )


def client_calls(path: str, source: bytes) -> tuple[NamedCall, ...]:
    """Return the calls in a module that make clients or resources of AWS services, by its path below a folder of modules.

    The SDK's own make clients of whatever they are asked for, and aren't calls of a user.

    Example:
        `client_calls("app.py", b"boto3.client('s3')")[0].text` is "s3".
    """
    return _SDK_CALLS.get(path, ()) if path.startswith(_SDK_MODULES) else named_calls(source, _CLIENTS)


class Needs(NamedTuple):
    """What functions need of distributions.

    Attributes:
        modules: The paths of the modules that may be imported, extension modules among them.
        imports: The full names of modules in folders of tests that the users' own modules import.
        files: The ends of literals in the users' own modules.
        services: The AWS services for which clients are made.
        any_service: Why the service may be any, "" if it is one of `services`.
        folders: Literals in the users' own modules that may name a folder of tests.

    Example:
        `Needs.union(orders, invoices)` is what a layer of both has to have.
    """

    modules: frozenset[str]
    imports: frozenset[str]
    files: frozenset[str]
    services: frozenset[str]
    any_service: str = ""
    folders: frozenset[str] = frozenset()

    @classmethod
    def union(cls, *needs: Needs) -> Needs:
        """Return what several functions need together."""
        none = frozenset[str]()
        return cls(
            modules=none.union(*(one.modules for one in needs)),
            imports=none.union(*(one.imports for one in needs)),
            files=none.union(*(one.files for one in needs)),
            services=none.union(*(one.services for one in needs)),
            any_service=min((one.any_service for one in needs if one.any_service), default=""),
            folders=none.union(*(one.folders for one in needs)),
        )


@remembered("layer-needs", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class LayerNeeds:
    """What a function needs of a layer that it shares: the modules that it reaches there, by path, and what `slim` has to keep.

    `imported` are those that the handler's import may load.
    """

    reached: tuple[str, ...]
    imported: tuple[str, ...]
    needs: Needs


def needs_of(modules: Collection[str], own: Iterable[Uses], distributions: Iterable[Uses]) -> Needs:
    """Return what a function needs; `modules` are the paths of those that it may import.

    Of its `own` modules all count, of those of `distributions` the ones that may be imported.
    """
    own, modules = tuple(own), frozenset(modules)
    calls = [(path, call) for uses in own for path, found in uses.services.items() for call in found]
    calls += [
        (path, call)
        for uses in distributions
        for path, found in uses.services.items()
        if path in modules
        for call in found
    ]
    unknown = min(((path, call.line) for path, call in calls if call.text is None), default=None)
    return Needs(
        modules=modules,
        imports=frozenset(name for uses in own for names in uses.imports.values() for name in names),
        files=frozenset(name for uses in own for name in uses.files),
        services=frozenset(_SERVICE_ALIASES.get(call.text, call.text) for _, call in calls if call.text is not None),
        any_service=f"{unknown[0]}:{unknown[1]} makes a client whose service isn't a literal" if unknown else "",
        folders=frozenset(name for uses in own for name in uses.folders),
    )


class Distribution(NamedTuple):
    """A distribution: the paths of its files, and what its modules say."""

    paths: tuple[str, ...]
    uses: Uses


class Omissions(NamedTuple):
    """The paths of the files that are left out, each with the kind of the decision about it, and the decisions."""

    rules: dict[str, str]
    decisions: tuple[Decision, ...]


def omissions(distributions: Mapping[str, Distribution], needs: Needs) -> Omissions:
    """Return what is left out of distributions, by owner, for functions with these needs.

    Example:
        `omissions({"demo==1.0": Distribution(paths, uses)}, needs).rules`
    """
    kept_tests = _imported_tests(distributions, needs)
    rules: dict[str, str] = {}
    decisions: list[Decision] = []
    for owner, distribution in sorted(distributions.items()):
        for left_out, decision in _apply_rules(owner, distribution, needs, kept_tests):
            rules |= dict.fromkeys(left_out, decision.decision)
            decisions.append(decision)
    return Omissions(rules, tuple(decisions))


def may_be_unneeded(paths: Iterable[str]) -> frozenset[str]:
    """Return those files of distributions that a rule may leave out, whatever the function needs: no more than these are.

    Example:
        `may_be_unneeded(["demo/__init__.py", "demo/tests/test_demo.py"])` has the second one.
    """
    paths = tuple(paths)
    tests = _test_folders(paths)
    return frozenset(path for path in paths if path in tests or path.endswith(_SUFFIXES) or _SERVICE_DATA.match(path))


def _apply_rules(
    owner: str, distribution: Distribution, needs: Needs, kept_tests: Collection[str]
) -> Iterator[tuple[set[str], Decision]]:
    """Yield for each rule that applies to a distribution what it leaves out, and why."""
    paths, uses = distribution
    opened = {*uses.files, *needs.files}
    tests = _test_folders(paths)
    named = {*uses.folders, *needs.folders}
    kept_tests = {*kept_tests, *(folder for folder in tests.values() if any(_is_named(folder, name) for name in named))}
    spared = {path for path, folder in tests.items() if folder in kept_tests} | needs.modules
    left_out = {path for path in tests if path not in spared and (path.endswith(".py") or _name(path) not in opened)}
    if left_out:
        folders = len({tests[path] for path in left_out})
        reason = f"{_files(left_out)} in {count(folders, 'folder')} of tests, which nothing imports"
        yield left_out, Decision("slim-tests", owner, reason)
    spared |= left_out
    suffixes = {*_BUILD_SUFFIXES} - opened
    archives = {*uses.archives} if opened.isdisjoint(_ARCHIVE_SUFFIXES) else set[str]()
    builds = {
        path
        for path in paths
        if path not in spared and _name(path) not in opened and (_suffix(path) in suffixes or path in archives)
    }
    if builds:
        yield builds, Decision("slim-build-files", owner, f"{_files(builds)} for compilers, which no module opens")
    if not uses.reads_stubs and _STUB_SUFFIX not in opened:
        stubs = {
            path for path in paths if path.endswith(_STUB_SUFFIX) and path not in spared and _name(path) not in opened
        }
        if stubs:
            yield stubs, Decision("slim-types", owner, f"{_files(stubs)} for type checkers, which no module reads")
    yield from _apply_service_rule(owner, paths, needs)


def _apply_service_rule(owner: str, paths: Iterable[str], needs: Needs) -> Iterator[tuple[set[str], Decision]]:
    services = {path: match[1] for path in paths if (match := _SERVICE_DATA.match(path))}
    if not services:
        return
    if needs.any_service:
        yield set(), Decision("slim-services", owner, f"the data of all services is kept: {needs.any_service}")
        return
    kept = (needs.services | _ALWAYS) & set(services.values())
    left_out = {path for path, service in services.items() if service not in kept}
    if left_out:
        gone = len(set(services.values()) - kept)
        named = f"kept: {', '.join(sorted(kept)) or 'none'}"
        reason = f"{_files(left_out)} of {count(gone, 'service')}, for which no module makes a client; {named}"
        yield left_out, Decision("slim-services", owner, reason)


def _imported_tests(distributions: Mapping[str, Distribution], needs: Needs) -> set[str]:
    """Return the folders of tests that a module outside of them imports, or a module in such a one."""
    folders = {folder for one in distributions.values() for folder in _test_folders(one.paths).values()}
    imports: defaultdict[str, set[str]] = defaultdict(set)
    for one in distributions.values():
        for folder, names in one.uses.imports.items():
            imports[folder].update(names)
    found = {path for path in folders if any(module.startswith(f"{path}/") for module in needs.modules)}
    new = {*found, ""}
    imports[""] |= needs.imports
    while new:
        named = {name.replace(".", "/") for folder in new for name in imports[folder]}
        new = {one for one in folders - found if any(name == one or name.startswith(f"{one}/") for name in named)}
        found |= new
    return found


def _test_folders(paths: Iterable[str]) -> dict[str, str]:
    """Return for each file in a folder of tests of a package that folder: the outermost one."""
    paths = tuple(paths)
    packages = {path.removesuffix("/__init__.py") for path in paths if path.endswith("/__init__.py")}
    found = {}
    for path in paths:
        parts = path.split("/")
        for index, part in enumerate(parts[1:-1], 1):
            if part in _TEST_FOLDERS and "/".join(parts[:index]) in packages:
                found[path] = "/".join(parts[: index + 1])
                break
    return found


def _is_named(folder: str, literal: str) -> bool:
    return folder == literal or folder.endswith(f"/{literal}")


def _is_test_module(module: str) -> bool:
    return not {*module.split(".")[1:]}.isdisjoint(_TEST_FOLDERS)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _suffix(path: str) -> str:
    return f".{_name(path).rpartition('.')[2]}"


def _files(paths: Collection[str]) -> str:
    return count(len(paths), "file")
