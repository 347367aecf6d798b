"""The command line: the same core as the construct, for looking and trying.

Here are the options; what a command does is in a module of its own, imported when it is asked for.
"""

from __future__ import annotations

import argparse
import io
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from cdk_lambda_package.app_directory.listing import SymlinkFollowMode
from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.defaults import name_variable
from cdk_lambda_package.errors import PackageError, Severity
from cdk_lambda_package.request import FULL, RESOLVERS, SLIM, PackageRequest
from cdk_lambda_package.store import CACHE_DIR_VARIABLE

# As shells say it of a process that SIGINT ended.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, or 1 with the reason on stderr."""
    # A name that the terminal or pipe can't encode is shown escaped, rather than not at all.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = _build_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        return FAILED
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than all other options together."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(version("cdk-lambda-package"))
        parser.exit()


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cdk-lambda-package",
        description="Package Python for AWS Lambda: no Docker, any host, right for the target.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="make the deployment package of an entry directory")
    _add_entry(build)
    build.add_argument("-o", "--output", required=True, help="the .zip to write; with a slash at its end, or of a "
                       "directory that exists, the package is unpacked there")  # fmt: skip
    build.add_argument("--manifest", type=Path, help="also write the manifest (JSON) to this file")
    build.add_argument(
        "--sbom", type=Path, help="also write a software bill of materials (CycloneDX, JSON) to this file"
    )
    build.set_defaults(command=_build)
    check = commands.add_parser("check", help="show all that would fail on Lambda, or that somebody should know")
    _add_entry(check, formats=("text", "json", "sarif"))
    check.add_argument("--fail-on", choices=[severity.value for severity in Severity], default=Severity.ERROR.value,
                       help="the severity from which the exit status is 1 (default: error)")  # fmt: skip
    check.set_defaults(command=_check)
    findings = commands.add_parser("findings", help="list what there is to be found, or show the page of an id")
    findings.add_argument("id", nargs="?", metavar="ID", help="the id of a finding")
    _add_format(findings)
    findings.set_defaults(command=_findings)
    lock = commands.add_parser("lock", help="write a lock (pylock.toml) of an entry directory's requirements")
    _add_entry(lock, several=True)
    lock.add_argument(
        "-o", "--output", type=Path, help="the lock to write (default: pylock.toml in the entry directory)"
    )
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions, whatever the lock has")
    lock.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the lock is out of date")
    lock.set_defaults(command=_lock)
    listing = commands.add_parser("ls", help="show what is in a package, with sizes and owners")
    _add_entry(listing, required=False)
    listing.set_defaults(command=_list)
    cache = commands.add_parser("cache", help="show or clear the store of wheels, segments and resolutions")
    cache.add_argument("action", choices=("info", "clear"))
    _add_common(cache)
    cache.set_defaults(command=_cache)
    return parser


def _add_entry(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    several: bool = False,
    formats: Sequence[str] = ("text", "json"),
) -> None:
    parser.add_argument("entry", help="the app's directory" + ("" if required else ", or a .zip file archive"))
    action, more = ("append", " (repeatable)") if several else ("store", "")
    parser.add_argument(
        "--runtime", required=required, action=action, help=f"Lambda's identifier, such as python3.13{more}"
    )
    parser.add_argument("--architecture", action=action, help=f"x86_64 (the default) or arm64{more}")
    parser.add_argument("--index", help="the handler's module, relative to the entry directory (default: app.py, else "
                        "index.py)")  # fmt: skip
    parser.add_argument("--handler", help="the handler's name in that module, or package.module.name; '*' where "
                        "functions share the package (default: the one candidate there is)")  # fmt: skip
    parser.add_argument("--layers", action="append", default=[], metavar="LAYER", help="a layer of the function, for the "
                        "checks: a directory, a .zip file or an ARN (repeatable)")  # fmt: skip
    parser.add_argument("--requirements", help="the requirements file or lock, relative to the entry directory")
    for name, text in _PATTERNS.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar="PATTERN", help=text)
    for name, text in _NAMES.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=text)
    parser.add_argument("--pip-args", action="append", default=[], metavar="ARG",
                        help="a further argument for pip, as in --pip-args=--pre (repeatable)")  # fmt: skip
    parser.add_argument("--pip-environment", action="append", default=[], metavar="NAME=VALUE", type=_variable,
                        help="a further environment variable for pip (repeatable)")  # fmt: skip
    _add_supply(parser)
    parser.add_argument("--build-constraint", metavar="FILE", help="a constraints file for what builds need, relative "
                        "to the entry directory")  # fmt: skip
    parser.add_argument("--build-image", metavar="IMAGE", help="the container image that builds wheels which can't be "
                        "had otherwise")  # fmt: skip
    for name, text in _COMMANDS.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar="COMMAND", type=shlex.split, help=text)
    parser.add_argument("--chalice", choices=(SLIM, FULL), default=SLIM, help="how much of an imported chalice goes in")
    parser.add_argument(
        "--resolver", choices=RESOLVERS, help=f"what resolves (default: ${name_variable('resolver')}, else pip)"
    )
    parser.add_argument("--smoke", action="store_true", help="import the handler's module from the package, where this "
                        "machine has the target's Python")  # fmt: skip
    parser.add_argument("--smoke-timeout", type=_seconds, default=timedelta(seconds=10), metavar="SECONDS",
                        help="how long that may take (default: 10)")  # fmt: skip
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=VALUE", type=_variable,
                        help="an environment variable of the function, for --smoke (repeatable)")  # fmt: skip
    modes = [mode.value for mode in SymlinkFollowMode]
    parser.add_argument("--follow-symlinks", choices=modes, default=modes[0], help="what becomes of symbolic links")
    parser.add_argument("--max-lock-age", type=_hours, metavar="HOURS",
                        help=f"how long an unpinned resolution is used again (default: ${name_variable('max_lock_age')}, "
                        "else 24)")  # fmt: skip
    _add_common(parser, formats)


def _add_supply(parser: argparse.ArgumentParser) -> None:
    """Add what says which files may be taken, each with a variable as its default."""
    parser.add_argument("--allow-build", action=argparse.BooleanOptionalAction,
                        help=f"whether sdists and local projects may be built (default: ${name_variable('allow_build')}, "
                        "else yes)")  # fmt: skip
    parser.add_argument("--require-hashes", action=argparse.BooleanOptionalAction,
                        help="whether everything has to be pinned by a hash (default: "
                        f"${name_variable('require_hashes')}, else no)")  # fmt: skip
    parser.add_argument("--uploaded-prior-to", metavar="WHEN",
                        help="take only what was uploaded before a date, or so many days ago, as 7d (default: "
                        f"${name_variable('uploaded_prior_to')}, else whatever there is)")  # fmt: skip
    parser.add_argument("--only-index", action="append", metavar="HOST",
                        help="a host, or the URL of an index on it, that anything may be fetched from (repeatable; "
                        f"default: ${name_variable('only_index')}, else any)")  # fmt: skip


_PATTERNS = {
    "include": "further files of the entry directory (gitignore-style; repeatable)",
    "exclude": "files of your own to leave out; wins over --include",
    "exclude-from-requirements": "files of requirements to leave out",
}
_NAMES = {
    "provided": "a distribution that vendor/ or the environment provides (repeatable)",
    "exclude-distributions": "a distribution to leave out, with what only it needs (repeatable)",
    "groups": "a dependency group of the lock (repeatable)",
    "extras": "an extra of the lock's project (repeatable)",
    "acknowledge": "the id of a finding that is known and accepted, or id:subject (repeatable)",
}
_COMMANDS = {
    "before-packaging": "a command to run in a copy of the entry directory before it is packaged (repeatable)",
    "after-packaging": "a command to run in the unpacked package; what it leaves is packaged (repeatable)",
}


def _add_format(parser: argparse.ArgumentParser, formats: Sequence[str] = ("text", "json")) -> None:
    parser.add_argument("--format", choices=formats, default="text", help="for people, or for programs")


def _add_common(parser: argparse.ArgumentParser, formats: Sequence[str] = ("text", "json")) -> None:
    _add_format(parser, formats)
    parser.add_argument("--cache-dir", type=Path, help=f"the store's directory (default: ${CACHE_DIR_VARIABLE}, else "
                        "the user's cache directory)")  # fmt: skip


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _seconds(text: str) -> timedelta:
    try:
        return timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


def _hours(text: str) -> timedelta:
    try:
        return timedelta(hours=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours") from None


def _request(arguments: argparse.Namespace) -> PackageRequest:
    return PackageRequest(
        entry=arguments.entry,
        runtime=arguments.runtime,
        architecture=arguments.architecture or "x86_64",
        index=arguments.index,
        handler=arguments.handler,
        layers=tuple(arguments.layers),
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        provided=tuple(arguments.provided),
        exclude_distributions=tuple(arguments.exclude_distributions),
        exclude_from_requirements=tuple(arguments.exclude_from_requirements),
        chalice=arguments.chalice,
        follow_symlinks=arguments.follow_symlinks,
        max_lock_age=arguments.max_lock_age,
        requirements=arguments.requirements,
        groups=tuple(arguments.groups),
        extras=tuple(arguments.extras),
        resolver=arguments.resolver,
        pip_args=tuple(arguments.pip_args),
        pip_environment=dict(arguments.pip_environment),
        allow_build=arguments.allow_build,
        require_hashes=arguments.require_hashes,
        uploaded_prior_to=arguments.uploaded_prior_to,
        only_index=arguments.only_index,
        build_constraint=arguments.build_constraint,
        build_image=arguments.build_image,
        before_packaging=tuple(arguments.before_packaging),
        after_packaging=tuple(arguments.after_packaging),
        acknowledge=tuple(arguments.acknowledge),
        smoke=arguments.smoke,
        smoke_timeout=arguments.smoke_timeout,
        environment=dict(arguments.environment),
    )


def _build(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.build import build

    return build(arguments, _request(arguments))


def _check(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.check import check

    return check(arguments, _request(arguments))


def _findings(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.findings import findings

    return findings(arguments)


def _lock(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.lock import lock

    pairs = [(name, machine) for name in arguments.runtime for machine in arguments.architecture or ["x86_64"]]
    requests = [
        _request(argparse.Namespace(**{**vars(arguments), "runtime": runtime, "architecture": architecture}))
        for runtime, architecture in pairs
    ]
    return lock(arguments, requests)


def _list(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.ls import ls

    return ls(arguments, _request(arguments) if arguments.runtime is not None else None)


def _cache(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.commands.cache import cache

    return cache(arguments)


if __name__ == "__main__":
    sys.exit(main())
