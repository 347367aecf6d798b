"""Which function Lambda calls, as `index` and `handler` of the options name it, and which module of the app that is.

Lambda imports the handler's module by its dotted name: from the package, where it may be the app's own or one of a
requirement, else from a layer. A program of a layer that AWS_LAMBDA_EXEC_WRAPPER names may do anything else with the handler;
the Lambda Web Adapter starts it as a script of the package
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper,
https://github.com/awslabs/aws-lambda-web-adapter). The default for `index` is `choose_index` in app_directory/app.py, that for
`handler` `find_candidates` in checks/handler.py.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cdk_lambda_package.app_directory import choose_index, normalise_index
from cdk_lambda_package.errors import OptionError, nearest

ANY_HANDLER = "*"
"""Instead of a handler's name: several functions share the package, and each names its own."""

USUAL_NAMES = ("handler", "lambda_handler")
"""Names that a module without a Chalice app usually gives its handler."""

WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
"""The environment variable with the program that Lambda starts instead of Python."""

_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class OwnModule:
    """The module of an entry directory that is packaged, and in which the checks begin.

    Attributes:
        index: Its path. It may be missing if it isn't `needed`.
        needed: False if the handler is somewhere else, so that the app needs no module of its own.
        script: The path of the handler if that is a file which isn't a Python module, such as `run.sh`; else None.
    """

    index: str
    needed: bool = True
    script: str | None = None


def find_own_module(entry: Path, index: str | os.PathLike[str] | None, handler: str | None) -> OwnModule:
    """Return the app's own module for the options `index` and `handler`.

    It is the module that they name. If `handler` alone names one that the entry directory doesn't have, a requirement or a layer
    may have it, and the app's own module is the default.

    Example:
        `find_own_module(entry, None, "datadog_lambda.handler.handler")` is `OwnModule("app.py", needed=False)`.
    """
    module, _ = read_handler(index, handler)
    if index is not None or handler is None or module is None:
        return OwnModule(choose_index(entry, module))
    script = elsewhere = False
    with contextlib.suppress(OSError):  # reported when the entry directory is read
        script = not handler.endswith(".py") and (entry / handler).is_file()
        top = module.partition("/")[0].removesuffix(".py")
        elsewhere = not any(os.path.lexists(entry / name) for name in (top, f"{top}.py"))
    if script or elsewhere:
        return OwnModule(choose_index(entry, None), needed=False, script=handler if script else None)
    return OwnModule(choose_index(entry, module))


def read_handler(index: str | os.PathLike[str] | None, handler: str | None) -> tuple[str | None, str | None]:
    """Return the path of the handler's module and the function's name, each None if the options don't give it.

    With both options, the module is `index`; a handler that names another module is called there, see `names_module`.
    Raises `OptionError` for a name that Lambda can't import.

    Example:
        `read_handler(None, "api.main.handler")` is `("api/main.py", "handler")`.
    """
    module, name = split_handler(handler) if handler is not None else (None, None)
    return (normalise_index(index) if index is not None else module), name


def split_handler(handler: str) -> tuple[str | None, str]:
    """Return the module's path and the name in it: `pkg.mod.fn` is `pkg/mod.py` and `fn`, a bare name has no module.

    Raises `OptionError` for a name that Lambda can't import.
    """
    if handler == ANY_HANDLER:
        return None, handler
    *modules, name = handler.replace("/", ".").split(".")
    # A module's name needn't be an identifier: Lambda's runtime client imports it by importlib.
    if not name.isidentifier() or not all(re.fullmatch(r"\S+", part) for part in modules):
        raise OptionError(
            f"handler {handler!r} is not the name of a function; give the bare name, such as 'handler', or the module's "
            "dotted path and the name, such as 'api.main.handler'."
        )
    return (f"{'/'.join(modules)}.py" if modules else None), name


def module_name(index: str) -> str:
    """Return Lambda's name for the module at a path: `inner/custom.py` is `inner.custom`, `pkg/__init__.py` is `pkg`."""
    return index.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def in_full(handler: str, index: str) -> str:
    """Return a handler as Lambda has it: a bare name is one of the module `index`, any other is in full already.

    Example:
        `in_full("run", "api/main.py")` is `"api.main.run"`; `"datadog_lambda.handler.handler"` stays the same.
    """
    return f"{module_name(index)}.{handler}" if handler.isidentifier() else handler


def module_of(handler: str) -> str:
    """Return the dotted name of the module in a handler in full; "" for a bare name. Lambda treats a slash as a dot.

    Example:
        `module_of("api/main.run")` is `"api.main"`.
    """
    return handler.rpartition(".")[0].replace("/", ".")


def names_module(handler: str, index: str) -> bool:
    """Return whether a handler in full, such as `api.main.run`, is in the module `index`."""
    return module_of(handler) == module_name(index)


def describe_absence(handler: str, names: Iterable[str], functions: Iterable[str], index: str) -> str:
    """Return a sentence saying that the module `index`, which has `names` and among them `functions`, doesn't have this one.

    Example:
        `describe_absence("rnu", ["run", "json"], ["run"], "app.py")` ends with "it defines run. Did you mean 'run'?".
    """
    near = nearest(handler, sorted(names))
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return f"handler {handler!r} is not defined in {index}; {list_functions(functions)}.{suggestion}"


def list_functions(names: Iterable[str]) -> str:
    """Return a clause with the first functions of a module that could be the handler."""
    known = sorted(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return (
        f"it defines {', '.join(known[:_MOST_NAMES])}{more}" if known else "it defines no function that could be called"
    )
