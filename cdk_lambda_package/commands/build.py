"""`build`: the deployment package of an entry directory."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from cdk_lambda_package.app_directory import APP_FOLDER, VENDOR_FOLDER
from cdk_lambda_package.commands.arguments import (
    add_entry,
    add_layer,
    check_single,
    planned_app,
    print_findings,
    request_of,
)
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import OutputError, PackageError, UsageError, count, describe_error
from cdk_lambda_package.manifest import as_json, describe_finding
from cdk_lambda_package.options import PackageRequest, with_defaults
from cdk_lambda_package.outputs import Output, check_outputs, replacing_file
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.pipeline import DependencyLayer, DeploymentPackage, package
from cdk_lambda_package.stages import refuse_foreign_files
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import file_sha256

EXAMPLES = (
    "build orders --runtime python3.13 --output orders.zip",
    "build orders --runtime python3.13 --architecture arm64 --output unpacked/",
    "build --app --output packages",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, app=True)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="the .zip file archive to write; a path that ends with a slash, or a directory, gets the unpacked package. With --app, the "
        "directory that gets an archive of each function and layer, named by its construct's path",
    )
    add_layer(parser)
    parser.add_argument(
        "--layer-output",
        metavar="OUTPUT",
        help="where --dependencies=layer writes the layer (default: NAME-layer.zip beside --output=NAME.zip)",
    )
    parser.add_argument("--manifest", type=Path, help="also write the manifest (JSON) to this file")
    parser.add_argument(
        "--sbom", type=Path, help="also write a software bill of materials (CycloneDX JSON) to this file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the package, or those of an app, and print what was made. Raises the kinds of `PackageError`."""
    if arguments.app is not None:
        return _run_app(arguments)
    check_single(arguments)
    request = with_defaults(request_of(arguments))
    store = Store.open(arguments.cache_dir)
    divided = request.packaging.value("dependencies") == "layer"
    outputs, layer_output = _outputs(arguments, divided=divided)
    # Before there is a package: it would be made for nothing.
    check_outputs(outputs)
    for one in outputs:
        _refuse_output_among_inputs(one, request)
    output = outputs[0]
    for one in outputs:
        if one.folder:
            refuse_foreign_files(one.path, store)
    if arguments.sbom is not None:
        # The import is an error if the library that makes SBOMs isn't installed.
        import_module("cdk_lambda_package.sbom")
    with terminal_line() as progress:
        made = package(
            request,
            lambda _: output.path,
            layer_destination=lambda _: layer_output,
            store=store,
            unpacked=output.folder,
            progress=progress,
        )
    print_findings(made.findings, request.entry_path)
    if divided and made.layer is None and layer_output.exists():
        print(f"warning: {layer_output} is of an earlier build: this package has no layer. Remove it.", file=sys.stderr)
    _write_files(made, arguments)
    if arguments.format == "json":
        print(json.dumps(_describe(made), indent=2))
    else:
        print("\n".join(_format(made)))
        if divided and made.layer is None:
            print("no layer: the package has no dependencies, or no file of its own")
    return 0


def _run_app(arguments: argparse.Namespace) -> int:
    """Make the packages of all functions and layers of an app; nothing is written unless all can be made."""
    # Imported here: a single function needs nothing of it.
    from cdk_lambda_package.app_packages import make_app

    for name in ("layer_output", "manifest", "sbom"):
        if getattr(arguments, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} names one file, and --app makes several packages. Leave it out."
            )
    folder, store = Path(arguments.output), Store.open(arguments.cache_dir)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {str(folder)!r} is a file; --app writes into a directory.")
    with terminal_line() as progress, planned_app(arguments, progress) as plan:
        _refuse([(one.construct, one.error) for one in plan.packages if one.error])
        made = make_app(plan, folder, store, progress)
        _refuse([(one.construct, describe_error(result)) for one, result in made if isinstance(result, PackageError)])
    packages = [(one, result) for one, result in made if isinstance(result, DeploymentPackage)]
    for one, package_made in packages:
        print_findings(package_made.findings, one.requests[0].entry_path)
    if arguments.format == "json":
        described = [{"construct": one.construct, **_describe(result)} for one, result in packages]
        print(json.dumps({"packages": described}, indent=2))
        return 0
    print("\n".join(line for _, result in packages for line in _format(result)))
    return 0


def _format(made: DeploymentPackage) -> Iterator[str]:
    compiled = f" ({made.bytecode_size:,} of bytecode)" if made.bytecode_size else ""
    yield f"{made.path}: {count(made.files, 'file')}, {count(made.size, 'byte')} unzipped{compiled}, for {made.target}"
    if layer := made.layer:
        yield f"{layer.path}: {count(layer.files, 'file')}, {count(layer.size, 'byte')} unzipped, the layer of its dependencies"
    if saved := made.saved:
        files, size, archive_size = saved.files, count(saved.size, "byte"), count(saved.archive_size, "byte")
        yield f"slim left out {count(files, 'file')}: {size} unzipped, {archive_size} zipped"


def _refuse(errors: Sequence[tuple[str, str]]) -> None:
    if errors:
        raise PackageError("\n".join(f"{name}: {text}" for name, text in errors))


def _outputs(arguments: argparse.Namespace, *, divided: bool) -> tuple[list[Output], Path]:
    """Return the outputs that are asked for, the package first, and where a layer of dependencies belongs.

    `divided` tells that the package has one, if it has dependencies. Raises `UsageError` for a place of a layer if none is made.
    """
    path = Path(arguments.output)
    folder = arguments.output.endswith(("/", "\\")) or path.is_dir()
    layer = (
        Path(arguments.layer_output) if arguments.layer_output else path.with_name(f"{path.stem}-layer{path.suffix}")
    )
    if arguments.layer_output and not divided:
        raise UsageError("--layer-output is the place of the layer that --dependencies=layer makes; give both.")
    files = (("--manifest", arguments.manifest), ("--sbom", arguments.sbom))
    layers = [Output(path=layer, name="--layer-output", folder=folder, unless_current=True)] if divided else []
    outputs = [
        Output(path=path, name="--output", folder=folder, unless_current=True),
        *layers,
        *(Output(path=file, name=name) for name, file in files if file is not None),
    ]
    return outputs, layer


def _refuse_output_among_inputs(output: Output, request: PackageRequest) -> None:
    """Refuse to write where the next build would read: it would package its own output."""
    entry, place = request.entry_path.resolve(), output.check()
    if not place.is_relative_to(entry):
        return
    path = place.relative_to(entry)
    packaged = {APP_FOLDER, VENDOR_FOLDER, request.own_module(entry).index.partition("/")[0]}
    include = request.packaging.include or ()
    included = bool(include) and (output.folder or Patterns(include).match(path.as_posix()))
    if included or not packaged.isdisjoint(path.parts[:1]):
        raise OutputError(
            f"{str(output.path)!r} is among the files that are packaged; the next package would have this one in it. "
            "Write it outside the entry directory."
        )


def _write_files(made: DeploymentPackage, arguments: argparse.Namespace) -> None:
    if arguments.manifest is not None:
        manifest = made.manifest
        manifest |= _describe_zip(made.path)
        if made.layer is not None:
            manifest["layer"] |= _describe_zip(made.layer.path)
        _write_json(manifest, arguments.manifest, "--manifest")
    if arguments.sbom is not None:
        _write_json(made.sbom, arguments.sbom, "--sbom")


def _describe_zip(path: Path | None) -> dict[str, Any]:
    """Return what a manifest says of a .zip file archive, nothing of an unpacked package."""
    return (
        {"zip": {"sha256": file_sha256(path), "size": path.stat().st_size}}
        if path is not None and path.is_file()
        else {}
    )


def _write_json(content: Mapping[str, Any], path: Path, name: str) -> None:
    with replacing_file(path, name=name) as stream:
        stream.write(as_json(content))


def _describe(made: DeploymentPackage) -> dict[str, Any]:
    return {
        "path": str(made.path),
        # A layer has none, and neither has a package whose functions have handlers of their own.
        **({"handler": made.function_handler} if made.function_handler and not made.request.root else {}),
        "package_key": made.package_key,
        "content_digest": made.content_digest,
        "runtime": made.target.runtime.name,
        "architecture": made.target.architecture.value,
        "files": made.files,
        "size": made.size,
        "bytecode_size": made.bytecode_size,
        **({"layer": _describe_layer(made.layer)} if made.layer is not None else {}),
        **({"saved": made.saved._asdict()} if made.saved is not None else {}),
        "findings": [describe_finding(finding) for finding in made.findings],
    }


def _describe_layer(layer: DependencyLayer) -> dict[str, Any]:
    return {
        "path": str(layer.path),
        "content_digest": layer.content_digest,
        "files": layer.files,
        "size": layer.size,
    }
