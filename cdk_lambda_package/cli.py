"""The command line: the same core as the construct, for looking and trying."""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from cdk_lambda_package.entry import APP_FOLDER, VENDOR_FOLDER, find_index
from cdk_lambda_package.errors import OutputError, PackageError
from cdk_lambda_package.listing import SymlinkFollowMode
from cdk_lambda_package.manifest import describe_finding
from cdk_lambda_package.output import Form
from cdk_lambda_package.pipeline import DeploymentPackage, package
from cdk_lambda_package.progress import Status
from cdk_lambda_package.request import FULL, RESOLVER_VARIABLE, RESOLVERS, SLIM, PackageRequest
from cdk_lambda_package.store import CACHE_DIR_VARIABLE, Store

FAILED = 1
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
    build.set_defaults(command=_build)
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


def _add_entry(parser: argparse.ArgumentParser, *, required: bool = True, several: bool = False) -> None:
    parser.add_argument("entry", help="the app's directory" + ("" if required else ", or a .zip file archive"))
    action, more = ("append", " (repeatable)") if several else ("store", "")
    parser.add_argument(
        "--runtime", required=required, action=action, help=f"Lambda's identifier, such as python3.13{more}"
    )
    parser.add_argument("--architecture", action=action, help=f"x86_64 (the default) or arm64{more}")
    parser.add_argument("--index", help="the handler's module, relative to the entry directory (default: app.py, else "
                        "index.py)")  # fmt: skip
    parser.add_argument("--handler", help="the handler's name in that module (default: the one candidate there is)")
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
    parser.add_argument("--allow-build", action=argparse.BooleanOptionalAction, default=True,
                        help="whether sdists and local projects may be built (default: yes)")  # fmt: skip
    parser.add_argument("--build-constraint", metavar="FILE", help="a constraints file for what builds need, relative "
                        "to the entry directory")  # fmt: skip
    parser.add_argument("--build-image", metavar="IMAGE", help="the container image that builds wheels which can't be "
                        "had otherwise")  # fmt: skip
    for name, text in _COMMANDS.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar="COMMAND", type=shlex.split, help=text)
    parser.add_argument("--chalice", choices=(SLIM, FULL), default=SLIM, help="how much of an imported chalice goes in")
    parser.add_argument(
        "--resolver", choices=RESOLVERS, help=f"what resolves (default: ${RESOLVER_VARIABLE}, else pip)"
    )
    modes = [mode.value for mode in SymlinkFollowMode]
    parser.add_argument("--follow-symlinks", choices=modes, default=modes[0], help="what becomes of symbolic links")
    parser.add_argument("--max-lock-age", type=_hours, default=timedelta(days=1), metavar="HOURS",
                        help="how long an unpinned resolution is used again (default: 24)")  # fmt: skip
    _add_common(parser)


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
    "acknowledge": "the id of a finding that is known and accepted (repeatable)",
}
_COMMANDS = {
    "before-packaging": "a command to run in a copy of the entry directory before it is packaged (repeatable)",
    "after-packaging": "a command to run in the unpacked package; what it leaves is packaged (repeatable)",
}


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people, or for programs")
    parser.add_argument("--cache-dir", type=Path, help=f"the store's directory (default: ${CACHE_DIR_VARIABLE}, else "
                        "the user's cache directory)")  # fmt: skip


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


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
        build_constraint=arguments.build_constraint,
        build_image=arguments.build_image,
        before_packaging=tuple(arguments.before_packaging),
        after_packaging=tuple(arguments.after_packaging),
        acknowledge=tuple(arguments.acknowledge),
    )


def _build(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    unpacked = arguments.output.endswith(("/", "\\")) or output.is_dir()
    request, store = _request(arguments), Store.open(arguments.cache_dir)
    _refuse_output_among_inputs(output, request)
    _check_manifest(arguments.manifest, output)
    with Status() as status:
        made = package(
            request,
            lambda _: output,
            store=store,
            form=Form.DIRECTORY if unpacked else Form.ZIP,
            progress=status.update,
        )
    _warn(made)
    if arguments.manifest:
        from cdk_lambda_package import zip_report

        zip_report.write_manifest(made, arguments.manifest)
    if arguments.format == "json":
        print(json.dumps(_describe(made), indent=2))
    else:
        print(f"{made.path}: {made.files:,} files, {made.size:,} bytes unzipped, for {made.target}")
    return 0


def _lock(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package.locking import make_lock, write_lock
    from cdk_lambda_package.resolvers import resolve_with

    pairs = [(name, machine) for name in arguments.runtime for machine in arguments.architecture or ["x86_64"]]
    requests = [
        _request(argparse.Namespace(**{**vars(arguments), "runtime": runtime, "architecture": architecture}))
        for runtime, architecture in pairs
    ]
    store = Store.open(arguments.cache_dir)
    with Status() as status:
        made = make_lock(requests, output=arguments.output, upgrade=arguments.upgrade, store=store, resolve=resolve_with,
                         progress=status.update)  # fmt: skip
    if arguments.check and not made.current:
        print(f"error: {made.path} is out of date; run the same command without --check.", file=sys.stderr)
        return FAILED
    write_lock(made)
    what = {"path": str(made.path), "changed": not made.current, "packages": made.packages,
            "targets": [str(target) for target in made.targets]}  # fmt: skip
    text = f"{made.path}: {made.packages} packages for {', '.join(map(str, made.targets))}" + (
        ", unchanged" if made.current else ""
    )
    print(json.dumps(what, indent=2) if arguments.format == "json" else text)
    return 0


def _refuse_output_among_inputs(output: Path, request: PackageRequest) -> None:
    """Refuse to write where the next build would read: it would package its own output."""
    entry = request.entry_path.resolve()
    place = output.absolute().parent.resolve() / output.name
    if not place.is_relative_to(entry):
        return
    top = place.relative_to(entry).parts[:1]
    if request.include or top in (
        (APP_FOLDER,),
        (VENDOR_FOLDER,),
        (find_index(entry, request.handler_module).split("/", 1)[0],),
    ):
        raise OutputError(
            f"{str(output)!r} is among the files that are packaged; the next package would have this one in it. "
            "Write it outside the entry directory."
        )


def _check_manifest(manifest: Path | None, output: Path) -> None:
    """Refuse a manifest that couldn't be written beside the package, before there is one."""
    if manifest is None:
        return
    if manifest.resolve() == output.resolve():
        raise OutputError(f"--manifest and --output are both {str(output)!r}; give the manifest another name.")
    if manifest.is_dir():
        raise OutputError(f"{str(manifest)!r} is a directory; give the name of a file for the manifest.")


def _describe(made: DeploymentPackage) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "package_key": made.package_key,
        "content_digest": made.content_digest,
        "runtime": made.target.runtime.name,
        "architecture": made.target.architecture.value,
        "files": made.files,
        "size": made.size,
        "findings": [describe_finding(finding) for finding in made.findings],
    }


def _list(arguments: argparse.Namespace) -> int:
    from cdk_lambda_package import zip_report

    if Path(arguments.entry).is_file():
        rows = zip_report.read_rows(Path(arguments.entry))
    elif not Path(arguments.entry).exists():
        raise PackageError(f"{arguments.entry!r} doesn't exist; give an entry directory or a .zip file archive.")
    elif arguments.runtime is None:
        raise PackageError("--runtime is missing: to list the package of a directory, say for which runtime, such as "
                           "python3.13.")  # fmt: skip
    else:
        with Status() as status:
            made = package(_request(arguments), store=Store.open(arguments.cache_dir), progress=status.update)
        _warn(made)
        rows = zip_report.rows_of(made.manifest)
    if arguments.format == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        print("\n".join(zip_report.format_rows(rows)))
    return 0


def _cache(arguments: argparse.Namespace) -> int:
    store = Store.open(arguments.cache_dir)
    if arguments.action == "clear":
        store.clear()
    sizes = store.sizes()
    if arguments.action == "clear" and sizes and store.read_only:
        raise OutputError(f"{str(store.root)!r} can't be cleared: it can't be written to. Mend its permissions.")
    if arguments.format == "json":
        kinds = {kind: {"files": files, "bytes": size} for kind, (files, size) in sizes.items()}
        print(json.dumps({"directory": str(store.root), "kinds": kinds}, indent=2))
        return 0
    print(store.root)
    for kind, (files, size) in sizes.items():
        print(f"  {kind:<12} {files:>8,} files {size:>15,} bytes")
    return 0


def _warn(made: DeploymentPackage) -> None:
    for finding in made.findings:
        print(f"warning: {finding}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
