"""What `dependencies="layer"` makes impossible: one name in two places, and one layer more than a function can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.loading import module_stem
from cdk_lambda_package.paths import is_importable

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_LAYERS = 5
_INIT = "/__init__.py"


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each package that is divided or hidden, and for too many layers."""
    if contents.in_layer is None:
        return
    if len(contents.layers) >= _MOST_LAYERS:
        yield Finding(
            id="too-many-layers",
            severity=Severity.ERROR,
            message=f"The function has {len(contents.layers)} layers, and packaging=Packaging(dependencies='layer') adds one. Lambda takes {_MOST_LAYERS}. "
            "Remove a layer, or write packaging=Packaging(dependencies='package').",
        )
    yield from _divided(contents)
    yield from _hidden(contents)


def _divided(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each regular package with files on both sides.

    Python takes a regular package from one folder of `sys.path`; only a namespace package may be in several
    (https://docs.python.org/3/reference/import.html#regular-packages).
    """
    assert contents.in_layer is not None
    shared = {path for path, entry in contents.entries.items() if contents.in_layer(entry)}
    packages = {path.removesuffix(_INIT) for path in contents.entries if path.endswith(_INIT)}
    in_layer = _first_below(packages, sorted(shared))
    for package, path in _first_below(packages, (path for path in contents.entries if path not in shared)).items():
        if package in in_layer:
            other = in_layer[package]
            yield Finding(
                id="package-divided",
                severity=Severity.ERROR,
                message=f"{package}/ is a package with files in the function's package ({contents.place(path)}) and in the layer of its "
                f"dependencies ({contents.place(other)}, of {contents.entries[other].owner}). Python imports a package from one place, so the "
                "files of the other place are missing. Move yours to a package of your own, or write "
                "packaging=Packaging(dependencies='package').",
                path=path,
                subject=package,
            )


def _hidden(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each regular package of the layer that a module of the function hides.

    In one folder, the package would be found before the module.
    """
    assert contents.in_layer is not None
    for path, entry in contents.entries.items():
        if contents.in_layer(entry) or not is_importable(path):
            continue
        module = module_stem(path)
        package = contents.entries.get(f"{module}{_INIT}")
        if package is not None and contents.in_layer(package):
            yield Finding(
                id="package-divided",
                severity=Severity.ERROR,
                message=f"{path} is in the function's package, and {module}/ of {package.owner} in the layer of its dependencies. Python imports "
                f"{module.replace('/', '.')} from the function's package, so the other one can't be imported. Rename yours.",
                path=path,
                subject=module,
            )


def _first_below(packages: set[str], paths: Iterable[str]) -> dict[str, str]:
    """Return the outermost packages that some files are in, each with its first file."""
    found: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        package = next((folder for folder in folders if folder in packages), None)
        if package is not None:
            found.setdefault(package, path)
    return found
