"""Which function Lambda calls: what the options say, else what the facts about the handler's module say. Pure."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable

from cdk_lambda_package.app_directory.entry import normalise_index
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.modules.facts import Kind, ModuleFacts

# Names that a module without a Chalice app usually gives its handler.
USUAL_NAMES = ("handler", "lambda_handler")

ANY_HANDLER = "*"
"""In place of a handler's name: several functions share the package, and each says which is its own."""

_MOST_NAMES = 20


def read_handler(index: str | os.PathLike[str] | None, handler: str | None) -> tuple[str | None, str | None]:
    """Return the module and the name of the function in it, each None where the options don't say it.

    Raises `OptionError` for two modules, and for what Lambda couldn't import.
    """
    module, name = split_handler(handler) if handler is not None else (None, None)
    if index is None:
        return module, name
    chosen = normalise_index(index)
    if module is not None and name_module(chosen) != name_module(module):
        raise OptionError(f"index {chosen!r} and handler= name two modules, the latter {module!r}; leave index out.")
    return chosen, name


def split_handler(handler: str) -> tuple[str | None, str]:
    """Return the module's path and the name in it: `pkg.mod.fn` is `pkg/mod.py` and `fn`, a bare name has no module.

    Raises `OptionError` for what Lambda couldn't import.
    """
    if handler == ANY_HANDLER:
        return None, handler
    *modules, name = handler.replace("/", ".").split(".")
    # A module needs no name that Python's grammar has: Lambda's runtime client imports it by importlib.
    if not name.isidentifier() or not all(re.fullmatch(r"\S+", part) for part in modules):
        raise OptionError(
            f"handler {handler!r} is not the name of a function; give the bare name, such as 'handler', or the module's "
            "dotted path and the name, such as 'api.main.handler'."
        )
    return (f"{'/'.join(modules)}.py" if modules else None), name


def name_module(index: str) -> str:
    """Return Lambda's name for the module at a path: `inner/custom.py` is `inner.custom`, `pkg/__init__.py` is `pkg`."""
    return index.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def find_handler(facts: ModuleFacts, handler: str | None) -> str | None:
    """Return the handler's name: the one given, else the only candidate; None where there are several or none.

    Candidates are `handler`, `lambda_handler` and what `Chalice(...)` is bound to.
    """
    if handler is not None:
        return handler
    candidates = _list_candidates(facts)
    return candidates[0] if len(candidates) == 1 else None


def describe_doubt(facts: ModuleFacts, index: str) -> str:
    """Say why the handler in the module `index` isn't known, and what to do."""
    candidates = _list_candidates(facts)
    if candidates:
        return f"{index} has several handlers, {' and '.join(candidates)}. Set handler= to the one to call."
    if not facts.complete:
        return f"The handler in {index} can't be told without running it. Set handler= to the name of the function to call."
    return (
        f"{index} has no handler: it binds none of {', '.join(USUAL_NAMES)} and no Chalice app; "
        f"{list_names(binding.name for binding in facts.bindings)}. "
        "Set handler= to the name of the function to call, or index= to another module."
    )


def describe_absence(handler: str, names: Iterable[str], index: str) -> str:
    """Say that the module `index`, which has `names`, doesn't have this one."""
    known = sorted(names)
    near = difflib.get_close_matches(handler, known, n=1)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return f"handler {handler!r} is not defined in {index}; {list_names(known)}.{suggestion}"


def list_names(names: Iterable[str]) -> str:
    """Say which names a module defines, as many as one may want to read."""
    known = sorted(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"it defines {', '.join(known[:_MOST_NAMES])}{more}" if known else "it defines nothing"


def _list_candidates(facts: ModuleFacts) -> list[str]:
    kinds = {binding.name: binding.kind for binding in facts.bindings}
    apps = [name for name, kind in kinds.items() if kind is Kind.CHALICE]
    return list(dict.fromkeys((*apps, *(name for name in USUAL_NAMES if name in kinds))))
