"""Hold pip to where files may come from, of when, and by which hashes.

Loaded by `target.py` in pip's process; imports only the standard library, pip, its siblings and `urls.py`. Every request
that pip sends passes here, redirected ones too, so a host that isn't allowed is never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pip._internal.network.session import PipSession
from pip._internal.operations.prepare import RequirementPreparer

from cdk_lambda_package.inside_pip.record import describe_origin
from cdk_lambda_package.inside_pip.target import replace
from cdk_lambda_package.urls import is_allowed

Json = dict[str, Any]


class NotAllowed(Exception):
    """Something would come from where, or be asked in a way in which, it mustn't."""


class Supply:
    """The rules of a job: `only_index`, `uploaded_prior_to`, `require_hashes`; each may be None."""

    def __init__(self, job: Json, result: Json) -> None:
        self._hosts: list[str] | None = job["only_index"]
        self._limit: str | None = job["uploaded_prior_to"]
        self._require_hashes: bool | None = job["require_hashes"]
        self._result = result

    def attach(self) -> None:
        """Check every request before it is sent."""
        if self._hosts is not None:
            replace(PipSession, "send", self._send)
            replace(RequirementPreparer, "prepare_linked_requirement", self._prepare)

    def limit_options(self, options: Any) -> None:
        """Put the rules in the place of what the user's configuration says, unless that is stricter."""
        if self._require_hashes is not None:
            options.require_hashes = self._require_hashes
        if self._limit is not None:
            limit = datetime.fromisoformat(self._limit)
            options.uploaded_prior_to = min(limit, options.uploaded_prior_to or limit)

    def check_options(self, finder: Any, options: Any) -> None:
        """Refuse the indexes that requirements files, configuration and command line name, before any is asked."""
        if self._require_hashes is False:
            # A hash in a requirements file has switched it on.
            options.require_hashes = False
        places = [*finder.index_urls, *finder.find_links]
        refused = [url for url in dict.fromkeys(places) if not self._allows(url)]
        if refused:
            self._result["refused_indexes"] = refused
            raise NotAllowed(", ".join(refused))

    def _allows(self, url: str) -> bool:
        return self._hosts is None or is_allowed(url, self._hosts)

    def _send(self, original: Callable[..., Any], session: Any, request: Any, **options: Any) -> Any:
        if not self._allows(request.url):
            self._result.setdefault("refused_urls", []).append({"url": request.url, "requirement": None})
            raise NotAllowed(request.url)
        return original(session, request, **options)

    def _prepare(self, original: Callable[..., Any], preparer: Any, ireq: Any, *args: Any, **options: Any) -> Any:
        """Name who would come from a wrong host, and keep checkouts, which aren't pip's requests, from being made."""
        if ireq.link is not None and not self._allows(ireq.link.url):
            row = {**describe_origin(ireq), "url": ireq.link.url, "requirement": str(ireq.req or ireq.name or "")}
            self._result.setdefault("refused_urls", []).append(row)
            raise NotAllowed(ireq.link.url)
        return original(preparer, ireq, *args, **options)
