"""`build`: the deployment package of an entry directory."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER
from cdk_lambda_package.commands.arguments import add_entry, print_findings, request_of
from cdk_lambda_package.errors import OutputError, explain_os_errors
from cdk_lambda_package.manifest import describe_finding
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.pipeline import DeploymentPackage, package
from cdk_lambda_package.progress import show_progress
from cdk_lambda_package.store import Store, replacing
from cdk_lambda_package.urls import file_sha256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="the .zip file archive to write; a path that ends with a slash, or a directory, gets the unpacked package",
    )
    parser.add_argument("--manifest", type=Path, help="also write the manifest (JSON) to this file")
    parser.add_argument(
        "--sbom", type=Path, help="also write a software bill of materials (CycloneDX JSON) to this file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the package, and print what was made. Raises the kinds of `PackageError`."""
    request = request_of(arguments)
    output = Path(arguments.output)
    unpacked = arguments.output.endswith(("/", "\\")) or output.is_dir()
    store = Store.open(arguments.cache_dir)
    _refuse_output_among_inputs(output, request)
    _check_files(output, manifest=arguments.manifest, sbom=arguments.sbom)
    with show_progress() as progress:
        made = package(request, lambda _: output, store=store, unpacked=unpacked, progress=progress)
    print_findings(made.findings)
    _write_files(made, arguments)
    if arguments.format == "json":
        print(json.dumps(_describe(made), indent=2))
    else:
        print(f"{made.path}: {made.files:,} files, {made.size:,} bytes unzipped, for {made.target}")
    return 0


def _refuse_output_among_inputs(output: Path, request: PackageRequest) -> None:
    """Refuse to write where the next build would read: it would package its own output."""
    entry = request.entry_path.resolve()
    place = output.absolute().parent.resolve() / output.name
    if not place.is_relative_to(entry):
        return
    packaged = {APP_FOLDER, VENDOR_FOLDER, request.own_module(entry).index.partition("/")[0]}
    if request.packaging.include or not packaged.isdisjoint(place.relative_to(entry).parts[:1]):
        raise OutputError(
            f"{str(output)!r} is among the files that are packaged; the next package would have this one in it. "
            "Write it outside the entry directory."
        )


def _check_files(output: Path, **files: Path | None) -> None:
    """Refuse files that couldn't be written beside the package, before there is one."""
    taken = {output.resolve(): "output"}
    for option, file in files.items():
        if file is None:
            continue
        other = taken.setdefault(file.resolve(), option)
        if other != option:
            raise OutputError(f"--{option} and --{other} are both {str(file)!r}; give each a name of its own.")
        if file.is_dir():
            raise OutputError(f"--{option} is {str(file)!r}, a directory; give the name of a file.")
    if files.get("sbom") is not None:
        # The import is an error if the library that makes SBOMs isn't installed.
        import_module("cdk_lambda_package.sbom")


def _write_files(made: DeploymentPackage, arguments: argparse.Namespace) -> None:
    if arguments.manifest is not None:
        manifest = made.manifest
        if made.path is not None and made.path.is_file():
            manifest["zip"] = {"sha256": file_sha256(made.path), "size": made.path.stat().st_size}
        _write_json(manifest, arguments.manifest)
    if arguments.sbom is not None:
        _write_json(made.sbom, arguments.sbom)


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    with explain_os_errors(path), replacing(path) as stream:
        stream.write(json.dumps(content, indent=1, ensure_ascii=False).encode())


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
