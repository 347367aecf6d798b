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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cdk_lambda_package.app_directory import choose_index, normalise_index
from cdk_lambda_package.errors import OptionError, nearest
from cdk_lambda_package.variables import OutsideName, ReadBy

ANY_HANDLER = "*"
"""Instead of a handler's name: several functions share the package, and each names its own."""

USUAL_NAMES = ("handler", "lambda_handler")
"""Names that a module without a Chalice app usually gives its handler."""

WRAPPER_VARIABLE = OutsideName(
    "AWS_LAMBDA_EXEC_WRAPPER",
    read_by=ReadBy.FUNCTION,
    meaning="The program that Lambda starts in place of Python. The handler may then be a script of the package.",
    default="Lambda imports the handler's module",
)

_WRAPPING_VARIABLES = tuple(
    OutsideName(
        name,
        read_by=ReadBy.FUNCTION,
        meaning="The app's own handler, for a handler of the monitoring service. Its module is packaged and checked.",
        default="the module of `index`",
    )
    for name in ("DD_LAMBDA_HANDLER", "NEW_RELIC_LAMBDA_HANDLER", "SENTRY_INITIAL_HANDLER", "LUMIGO_ORIGINAL_HANDLER")
)
"""The variables from which the handlers of monitoring services, which a requirement or a layer has, read the app's own handler."""

_STARTED = re.compile(
    r"(?<!\S)-m[ \t]+([A-Za-z_][\w.]*\w)|(?<![\w./:$-])([A-Za-z_][\w.]*):[A-Za-z_]\w*(?![\w/])|(?<![\w.$-])([A-Za-z_][\w/-]*)\.py\b"
)

_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class OwnModule:
    """The module of an entry directory that is packaged, and in which the checks begin.

    Attributes:
        index: Its path. It may be missing if it isn't `needed`.
        needed: False if the handler is somewhere else, so that the app needs no module of its own.
        handler_file: The path of the file that has the handler if that isn't a module in source: a script such as `run.sh`,
            or a compiled module. Else None.
    """

    index: str
    needed: bool = True
    handler_file: str | None = None


def find_own_module(
    entry: Path, index: str | os.PathLike[str] | None, handler: str | None, wrapped: str | None = None
) -> OwnModule:
    """Return the app's own module for the options `index` and `handler`.

    It is the module that they name. If `handler` alone names one that the entry directory doesn't have, a requirement or a layer
    may have it, and the app's own module is that of the handler which it wraps (see `find_wrapped`), else the default.

    Example:
        `find_own_module(entry, None, "datadog_lambda.handler.handler")` is `OwnModule("app.py", needed=False)`.
    """
    module, _ = read_handler(index, handler)
    named = split_handler(handler)[0] if handler is not None else None
    if handler is None or named is None:
        return OwnModule(choose_index(entry, module))
    elsewhere, file = False, None
    with contextlib.suppress(OSError):  # reported when the entry directory is read
        file = _handler_file(entry, handler, named)
        top = named.partition("/")[0].removesuffix(".py")
        elsewhere = not any(os.path.lexists(entry / name) for name in (top, f"{top}.py"))
    if index is not None:
        return OwnModule(choose_index(entry, index), handler_file=file)
    if file is not None:
        return OwnModule(choose_index(entry, None), needed=False, handler_file=file)
    if elsewhere:
        return find_own_module(entry, None, wrapped) if wrapped else OwnModule(choose_index(entry, None), needed=False)
    return OwnModule(choose_index(entry, module))


def _handler_file(entry: Path, handler: str, module: str) -> str | None:
    """Return the path of a script that is the handler, or of a compiled module that has it; None if there is neither."""
    if (entry / handler).is_file():
        return handler
    folder, slash, name = module.removesuffix(".py").rpartition("/")
    if any((entry / path).is_file() for path in (module, f"{folder}{slash}{name}/__init__.py")):
        return None
    found = sorted(path.name for path in (entry / folder).glob("*.so") if path.name.partition(".")[0] == name)
    return f"{folder}{slash}{found[0]}" if found else None


def find_wrapped(environment: Mapping[str, str]) -> str | None:
    """Return the app's own handler in full, if a variable of a monitoring service names it.

    Example:
        `find_wrapped({"DD_LAMBDA_HANDLER": "main.handler"})` is `"main.handler"`.
    """
    for name in _WRAPPING_VARIABLES:
        # A value may be a token of CDK.
        if re.fullmatch(r"[\w/-]+(\.[\w/-]+)*\.[^\W\d]\w*", value := environment.get(name, "")):
            return value
    return None


def modules_started(script: str) -> tuple[str, ...]:
    """Return the modules that a script starts, as far as its text shows: `-m module`, `module:app` and `module.py`.

    Example:
        `modules_started("exec python -m uvicorn main:app")` is `("uvicorn", "main")`.
    """
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("#"))
    found = (match for line in lines for match in _STARTED.finditer(line))
    return tuple(dict.fromkeys(next(filter(None, one.groups())).replace("/", ".") for one in found))


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
