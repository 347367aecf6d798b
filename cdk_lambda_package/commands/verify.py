"""`verify`: are .zip file archives the package that an entry directory gives, and its layer?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, add_layer, print_findings, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import UsageError, count
from cdk_lambda_package.pipeline import DeploymentPackage
from cdk_lambda_package.store import Store
from cdk_lambda_package.verification import Part, Verification, read_compiler, verify

EXAMPLES = (
    "verify orders --runtime python3.13 --zip deployed.zip",
    "verify orders --runtime python3.13 --zip deployed.zip --manifest orders.json",
)

_NAMES = {Part.FUNCTION: "package", Part.LAYER: "layer"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    add_layer(parser)
    parser.add_argument("--zip", type=Path, help="the .zip file archive to compare, such as a deployed one")
    parser.add_argument(
        "--layer-zip", type=Path, help="the .zip file archive of the layer that --dependencies=layer makes, to compare"
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="the manifest of that archive; it names the interpreter that compiled its bytecode, which then compiles again",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print what differs; the status says whether anything does. Raises the kinds of `PackageError`."""
    request = request_of(arguments)
    given = {Part.FUNCTION: arguments.zip, Part.LAYER: arguments.layer_zip}
    archives = {part: path for part, path in given.items() if path is not None}
    if not archives:
        raise UsageError(
            "Nothing is to be compared. Name a .zip file archive with --zip, or that of a layer with --layer-zip."
        )
    named = read_compiler(arguments.manifest) if arguments.manifest is not None else None
    with terminal_line() as progress:
        made, found = verify(request, archives, named, Store.open(arguments.cache_dir), progress)
    print_findings(made.findings, request.entry_path)
    if arguments.format == "json":
        print(json.dumps(_describe(archives, found), indent=2))
    else:
        for part, one in found.items():
            print("\n".join(_format(one, archives[part], part, arguments.entry)))
        for line in (*_format_uncompared(made, archives), *_format_sharing(made, found)):
            print(line)
    return FAILED if any(one.differences for one in found.values()) else 0


def _describe(archives: Mapping[Part, Path], found: Mapping[Part, Verification]) -> dict[str, Any]:
    described = {part: _describe_one(archives[part], one) for part, one in found.items()}
    layer = described.pop(Part.LAYER, None)
    return {**described.get(Part.FUNCTION, {}), **({"layer": layer} if layer is not None else {})}


def _describe_one(archive: Path, found: Verification) -> dict[str, Any]:
    return {
        "zip": str(archive),
        "same": not found.differences,
        "content_digest": found.content_digest,
        "files": found.files,
        "differences": [one._asdict() for one in found.differences],
        "compared_by_source": {"files": list(found.by_source), "reason": found.why_by_source},
    }


def _format(found: Verification, archive: Path, part: Part, entry: str) -> Iterator[str]:
    files, name = count(found.files, "file"), _NAMES[part]
    if found.differences:
        yield f"{archive} isn't the {name} of {entry}, of {files}: {count(len(found.differences), 'difference')}"
    else:
        yield f"{archive} is the {name} of {entry}: {files}"
    # The names are those of an archive that anybody may have made.
    for one in found.differences:
        shown = one.path if one.path.isprintable() else repr(one.path)
        yield f"  {one.kind:<8} {shown}{one.reason and f': {one.reason}'}"
    if found.by_source:
        files = count(len(found.by_source), ".pyc file")
        yield f"{files} compared by magic number and source hash alone: {found.why_by_source}."


def _format_uncompared(made: DeploymentPackage, archives: Mapping[Part, Path]) -> Iterator[str]:
    """Yield a line about an archive of the package that wasn't named."""
    if made.layer is not None and Part.LAYER not in archives:
        yield f"The layer of its dependencies, of {count(made.layer.files, 'file')}, wasn't compared: name it with --layer-zip."
    if Part.FUNCTION not in archives:
        yield f"The function's package, of {count(made.files, 'file')}, wasn't compared: name it with --zip."


def _format_sharing(made: DeploymentPackage, found: Mapping[Part, Verification]) -> Iterator[str]:
    """Yield a line about differences of a layer that other functions may cause."""
    value = made.request.packaging.value
    shares = value("slim") or (value("bytecode") != "off" and value("bytecode_scope") == "reached")
    if shares and Part.LAYER in found and found[Part.LAYER].differences:
        yield (
            "A layer that several functions share has what any of them needs, and here it is that of one function: with slim or "
            "bytecode, they may differ for this reason."
        )
