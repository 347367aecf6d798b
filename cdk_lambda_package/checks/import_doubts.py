"""Why a module that is nowhere to be seen may be found on Lambda nevertheless. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_graph import ImportGraph
from cdk_lambda_package.checks.import_resolution import Lack, Reason
from cdk_lambda_package.modules.distribution_names import find_modules
from cdk_lambda_package.modules.index import Origin
from cdk_lambda_package.modules.standard_library import is_known


def find_doubt(lack: Lack, path: str, contents: PackageContents, graph: ImportGraph) -> str | None:
    """Return a sentence on what may provide a module that the one at `path` imports; None if nothing can."""
    if lack.reason is not Reason.NO_MODULE:
        return None
    return next(_list_doubts(lack.module, path, contents, graph), None)


def searches_elsewhere(graph: ImportGraph) -> bool:
    """Tell whether any module that is run changes where Python looks for modules."""
    return bool(graph.changers)


def may_come_about(module: str, contents: PackageContents, graph: ImportGraph) -> bool:
    """Tell whether a package could make its submodule itself, as six does with six.moves."""
    package = module.rpartition(".")[0]
    while package:
        found = graph.modules.find(package)
        if found is not None and found.path is not None:
            # What is compiled can't be read, nor what lies in a layer.
            if found.path not in contents.entries or not found.path.endswith(".py"):
                return True
            if contents.module_facts(found.path).changes_path:
                return True
        package = package.rpartition(".")[0]
    return False


def is_given(lack: Lack, contents: PackageContents, graph: ImportGraph) -> bool:
    """Tell whether a module gets a name that it lacks from another one, as plugins and settings do."""
    last = lack.module.rpartition(".")[2]
    given = {name for path in graph.certain | graph.perhaps for name in contents.module_facts(path).given}
    return not given.isdisjoint((f"{last}.{lack.name}", f"{last}.*"))


def may_be_made(lack: Lack, contents: PackageContents, graph: ImportGraph) -> bool:
    """Tell whether what a package lacks may be a submodule that it makes itself, as setuptools.extern does."""
    found = graph.modules.find(lack.module)
    if found is None or found.path is None or not found.folders or found.path not in contents.entries:
        return False
    return found.path.endswith(".py") and contents.module_facts(found.path).changes_path


def _list_doubts(module: str, path: str, contents: PackageContents, graph: ImportGraph) -> Iterator[str]:
    unknown = [layer.name for layer in contents.layers if not layer.known]
    if unknown:
        yield f"It may be in layer {unknown[0]}, which can't be looked into."
    outside = [name for name in contents.provided if not _is_inside(name, graph)]
    if outside:
        yield f"It may come with {outside[0]}, which provided= names."
    if not is_known(contents.target.runtime.version):
        yield f"It may be new in {contents.target.runtime.name}, whose standard library isn't known here."
    tops = {path.partition("/")[0], module.partition(".")[0]}
    for changer in graph.changers:
        # A vendored package's ways with sys.path are its own.
        if contents.is_app(changer) or changer.partition("/")[0] in tops:
            yield f"It may be found where {contents.place(changer)} has Python search."


def _is_inside(distribution: str, graph: ImportGraph) -> bool:
    """Tell whether a distribution's module is one that can be looked into, with all that it needs."""
    found = (graph.modules.find(module) for module in find_modules(distribution))
    return any(module is not None and module.origin in (Origin.PACKAGE, Origin.LAYER) for module in found)
