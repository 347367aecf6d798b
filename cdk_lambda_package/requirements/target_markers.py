"""Markers that tell targets apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cdk_lambda_package.target import Target


def tell_apart(chosen: Iterable[Target], targets: Sequence[Target]) -> str | None:
    """Return the marker that holds for the chosen ones among the targets, as short as it can be; None for all."""
    wanted = set(chosen)
    if wanted == set(targets):
        return None
    for name in (_name_python, _name_machine):
        whole = {name(target) for target in wanted} - {name(target) for target in targets if target not in wanted}
        if all(name(target) in whole for target in wanted):
            return " or ".join(dict.fromkeys(name(target) for target in targets if target in wanted))
    both = [f"{_name_python(target)} and {_name_machine(target)}" for target in targets if target in wanted]
    return both[0] if len(both) == 1 else " or ".join(f"({one})" for one in both)


def _name_python(target: Target) -> str:
    return f"python_version == '{target.environment['python_version']}'"


def _name_machine(target: Target) -> str:
    return f"platform_machine == '{target.architecture.machine}'"


def name_target(target: Target) -> str:
    """Return the marker that holds for a target and for no other."""
    return f"{_name_python(target)} and {_name_machine(target)} and sys_platform == 'linux'"
