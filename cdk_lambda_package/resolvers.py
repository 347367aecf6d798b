"""The resolvers: pip, and uv for those who ask for it."""

from __future__ import annotations

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.requirements.resolution import Resolution, ResolutionRequest
from cdk_lambda_package.resolving.tool_indexes import UV
from cdk_lambda_package.store import Store

PIP, RESOLVERS = "pip", ("pip", UV)


def resolve_with(request: ResolutionRequest, *, store: Store | None = None) -> Resolution:
    """Resolve with the resolver that the request names; what has to be built is kept in the store.

    Raises `OptionError` for an unknown one, and what the resolver raises.
    """
    if request.resolver == UV:
        from cdk_lambda_package.uv.resolve_uv import resolve_with_uv

        return resolve_with_uv(request, store=store)
    if request.resolver != PIP:
        raise OptionError(f"resolver is {request.resolver!r}; accepted are {', '.join(RESOLVERS)}.")
    from cdk_lambda_package.resolving.resolve import resolve

    return resolve(request, store=store)
