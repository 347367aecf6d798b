"""The CDK face: a Lambda function whose code is packaged while it is constructed."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from aws_cdk import Annotations, BundlingOptions, DockerImage, Stack, Stage, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_lambda_package.errors import EntryError, Finding, OptionError
from cdk_lambda_package.pipeline import DeploymentPackage, package
from cdk_lambda_package.request import PackageRequest

# What stands for the code of a stack that isn't deployed in this run; CDK neither reads nor copies it.
_UNBUNDLED = Path(__file__).parent / "unbundled"

# Names that a module without a Chalice app usually gives its handler, the preferred first.
_USUAL_HANDLERS = ("handler", "lambda_handler")


class PythonFunction(lambda_.Function):
    """A Lambda function from a directory laid out like a Chalice app.

    The .zip holds the module that `index` names, `chalicelib/`, the requirements' wheels for exactly this runtime and
    architecture, and the content of `vendor/`. It is made here, in the constructor, so that an error is a Python
    exception with its own type and text, and it is named by its content, so that the same content never redeploys.

    A stack that this run of the CDK CLI doesn't bundle (`Stack.bundling_required`) costs nothing: the entry directory
    isn't even looked at.

    Raises `PackageError` where the package can't be made or couldn't work on Lambda.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's own name for it
        *,
        entry: str | Path,
        runtime: lambda_.Runtime,
        index: str = "app.py",
        handler: str | None = None,
        architecture: lambda_.Architecture | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        provided: Sequence[str] = (),
        exclude_distributions: Sequence[str] = (),
        exclude_from_requirements: Sequence[str] = (),
        chalice: str = "slim",
        follow_symlinks: str = "block_external",
        max_lock_age: timedelta = timedelta(days=1),
        requirements: str | Path | None = None,
        acknowledge: Sequence[str] = (),
        **function_props: Any,
    ) -> None:
        """Package `entry` and define the function.

        Args:
            scope: The construct that this one belongs to.
            id: Its name there.
            entry: The app's directory, relative to the working directory as all paths in CDK.
            runtime: The Lambda runtime; the requirements are resolved for its Python and its glibc.
            index: The module with the handler, relative to `entry`.
            handler: The handler's name in that module. By default what a Chalice app is bound to, else `handler` or
                `lambda_handler`.
            architecture: X86_64 if not given, as in CDK.
            include: Further files of `entry`, as gitignore-style patterns.
            exclude: Files of `app.py`, `chalicelib/`, `vendor/` or `include` to leave out; wins over `include`.
            provided: Distributions that the runtime, a layer or `vendor/` provides: they leave the resolution.
            exclude_distributions: Distributions that are resolved but not packaged.
            exclude_from_requirements: Files of requirements to leave out, as gitignore-style patterns.
            chalice: `slim` packages what Chalice itself would, `full` the whole distribution.
            follow_symlinks: One of CDK's `SymlinkFollowMode` names, in lower case.
            max_lock_age: How long a resolution that isn't pinned by hashes is used again.
            requirements: The requirements file, relative to `entry`; requirements.txt if there is one.
            acknowledge: Ids of findings that are known and accepted.
            function_props: Everything else that `aws_lambda.Function` takes.
        """
        architecture = architecture or lambda_.Architecture.X86_64
        request = PackageRequest(
            entry=_resolved(entry, "entry"),
            runtime=runtime.name,
            architecture=architecture.name,
            index=_resolved(index, "index"),
            include=_listed(include),
            exclude=_listed(exclude),
            provided=_listed(provided),
            exclude_distributions=_listed(exclude_distributions),
            exclude_from_requirements=_listed(exclude_from_requirements),
            chalice=chalice,
            follow_symlinks=follow_symlinks,
            max_lock_age=max_lock_age,
            acknowledge=_listed(acknowledge),
            requirements=requirements,
        )
        bundled = Stack.of(scope).bundling_required
        name = _choose_handler(Path(entry) / index, handler) if bundled else handler or _USUAL_HANDLERS[0]
        deployment_package = package(request, _destination(scope)) if bundled else None
        super().__init__(
            scope,
            id,
            code=_code(deployment_package),
            handler=f"{_module_name(index)}.{name}",
            runtime=runtime,
            architecture=architecture,
            **function_props,
        )
        _annotate(self, deployment_package.findings if deployment_package else ())


def _destination(scope: Construct) -> Callable[[str], Path]:
    """Return where CDK would copy an asset of a given hash: what is written there at once isn't copied again."""
    stage = Stage.of(scope)
    if stage is None:
        raise OptionError("A PythonFunction needs a Stack that belongs to an App or a Stage; this scope has neither.")
    folder = Path(stage.asset_outdir)
    # `AssetStaging` hashes the text of a custom asset hash, and leaves alone what is there under that name.
    return lambda digest: folder / f"asset.{hashlib.sha256(digest.encode()).hexdigest()}.zip"


def _code(deployment_package: DeploymentPackage | None) -> lambda_.Code:
    if deployment_package is None:
        # With `bundling`, CDK stages nothing in a stack that isn't bundled, and never comes to start the image.
        unused = BundlingOptions(image=DockerImage.from_registry("scratch"))
        return lambda_.Code.from_asset(str(_UNBUNDLED), asset_hash="unbundled", bundling=unused)
    return lambda_.Code.from_asset(str(deployment_package.path), asset_hash=deployment_package.content_digest)


def _annotate(scope: Construct, findings: Iterable[Finding]) -> None:
    for finding in findings:
        # CDK appends how to acknowledge it; the id needn't stand there twice.
        text = str(finding).removesuffix(f" [{finding.id}]")
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{finding.id}", text)


def _resolved(value: str | Path, option: str) -> str:
    """Return the option's text; a token has none before deployment."""
    text = str(value)
    if Token.is_unresolved(text):
        raise OptionError(f"{option} is a token, known only at deployment; give a path that is known at synthesis.")
    return text


def _listed(values: Sequence[str]) -> tuple[str, ...]:
    # A lone string is left for the request to refuse: its letters are no patterns.
    return values if isinstance(values, str) else tuple(values)  # type: ignore[return-value]


def _module_name(index: str) -> str:
    """Return Lambda's name for the module: `inner/custom.py` is `inner.custom` in a handler."""
    return index.removesuffix(".py").replace("\\", "/").strip("/").replace("/", ".")


def _choose_handler(path: Path, handler: str | None) -> str:
    """Return the handler's name in the module at `path`, found there if not given.

    Raises `OptionError` for a name that the module doesn't bind, and `EntryError` if none can be worked out.
    """
    if handler is not None and not handler.isidentifier():
        raise OptionError(
            f"handler {handler!r} is not the name of a function in {path.name}; give the bare name, "
            f"such as {handler.rpartition('.')[2]!r}: the module is what index says."
        )
    module = _parse(path)
    if module is None:
        return handler or _USUAL_HANDLERS[0]
    names = set(_bound_names(module.body))
    if handler is not None:
        return _require_bound(handler, names, path)
    return _default_handler(module, names, path)


def _parse(path: Path) -> ast.Module | None:
    """Return the module's syntax, or None where it says nothing: the pipeline reports a missing or broken file."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _require_bound(handler: str, names: set[str], path: Path) -> str:
    if handler in names or "*" in names:
        return handler
    raise OptionError(
        f"handler {handler!r} is not defined in {path}; it defines {', '.join(sorted(names)) or 'nothing'}."
    )


def _default_handler(module: ast.Module, names: set[str], path: Path) -> str:
    for candidate in (*_chalice_apps(module), *_USUAL_HANDLERS):
        if candidate in names:
            return candidate
    raise EntryError(
        f"No handler was found in {path}: it binds no Chalice app and defines none of {', '.join(_USUAL_HANDLERS)}. "
        f"Say handler='name' with the function that Lambda should call."
    )


def _chalice_apps(module: ast.Module) -> Iterator[str]:
    """Yield the names bound to `Chalice(...)` at the top level: calling the object is how Lambda reaches its routes."""
    for statement in module.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="Chalice") | ast.Attribute(attr="Chalice")),
            ):
                yield name


def _bound_names(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind in their own scope; `*` stands for those of a star import."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case _:
                yield from _names_within(statement)


def _names_within(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that an assignment, or a compound statement with its blocks, binds."""
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            yield from _bound_names([node])
        elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
            yield from _bound_names(node.body)
        else:
            yield from (
                name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            )
