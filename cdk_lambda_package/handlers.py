"""Which function Lambda calls: `index` and `handler` of the options, and the default for a handler that isn't given.

The default for `index` is `choose_index` in app_directory/app.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from cdk_lambda_package.app_directory import normalise_index
from cdk_lambda_package.errors import OptionError, nearest

ANY_HANDLER = "*"
"""Instead of a handler's name: several functions share the package, and each names its own."""

USUAL_NAMES = ("handler", "lambda_handler")
"""Names that a module without a Chalice app usually gives its handler."""

_MOST_NAMES = 20


def handler_candidates(names: Iterable[str], chalice_apps: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a module that may be the handler if none is given: its Chalice apps, and the usual names.

    Example:
        `handler_candidates(["app", "handler", "helper"], chalice_apps=["app"])` is `("app", "handler")`.
    """
    bound = frozenset(names)
    return tuple(dict.fromkeys((*chalice_apps, *(name for name in USUAL_NAMES if name in bound))))


def default_handler(names: Iterable[str], chalice_apps: Iterable[str]) -> str | None:
    """Return the only candidate for the handler of a module; None if there are several or none.

    Example:
        `default_handler(["app"], chalice_apps=["app"])` is "app".
    """
    candidates = handler_candidates(names, chalice_apps)
    return candidates[0] if len(candidates) == 1 else None


def read_handler(index: str | os.PathLike[str] | None, handler: str | None) -> tuple[str | None, str | None]:
    """Return the path of the handler's module and the function's name, each None if the options don't give it.

    Raises `OptionError` for two different modules, and for a name that Lambda can't import.

    Example:
        `read_handler(None, "api.main.handler")` is `("api/main.py", "handler")`.
    """
    module, name = split_handler(handler) if handler is not None else (None, None)
    if index is None:
        return module, name
    chosen = normalise_index(index)
    if module is not None and module_name(chosen) != module_name(module):
        raise OptionError(f"index {chosen!r} and handler= name two modules, the latter {module!r}; leave index out.")
    return chosen, name


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


def names_module(handler: str, index: str) -> bool:
    """Return whether the handler of a function, such as `api.main.run`, is in the module `index`."""
    # Lambda treats a slash in a module's name as a dot.
    return handler.rpartition(".")[0].replace("/", ".") == module_name(index)


def describe_wrong_handler(handler: str, names: Iterable[str], index: str) -> str | None:
    """Return why the handler of a function isn't in the module `index`, which has `names`; None if another module has it.

    Example:
        `describe_wrong_handler("app.rnu", ["run"], "app.py")` ends with "Did you mean 'run'?".
    """
    name = handler.rpartition(".")[2]
    return describe_absence(name, names, index) if names_module(handler, index) and name not in names else None


def describe_absence(handler: str, names: Iterable[str], index: str) -> str:
    """Return a sentence saying that the module `index`, which has `names`, doesn't have this one."""
    known = sorted(names)
    near = nearest(handler, known)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return f"handler {handler!r} is not defined in {index}; {list_names(known)}.{suggestion}"


def list_names(names: Iterable[str]) -> str:
    """Return a clause with the first names that a module defines."""
    known = sorted(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"it defines {', '.join(known[:_MOST_NAMES])}{more}" if known else "it defines nothing"
