"""Give git the credentials of a URL by variables, so that they are in no command line and in no clone.

Loaded by `target.py` in pip's process; imports only the standard library, pip, its siblings and `urls.py`. git writes the URL of a
clone into its .git/config, and passes it on to its own processes as an argument. A credential helper that is defined by
variables leaves both free of secrets (https://git-scm.com/docs/gitcredentials). It needs git 2.31.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pip._internal.vcs.git import Git

from cdk_lambda_package.inside_pip.target import replace

# Answers with the variables, whose names alone are in its command line; git asks it to store and erase things, too.
_HELPER = '!f() {{ test "$1" != get || printf "username=%s\\npassword=%s\\n" "${0}_USER" "${0}_PASSWORD"; }}; f'
_PREFIX = "_CDK_LAMBDA_PACKAGE_GIT"


class Checkouts:
    """The credentials of the URLs that were cloned so far."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the variables that git's processes get, which are changed in place."""
        self._environment = environment
        # A user's own settings by variables stay, before these.
        self._own = int(environment.get("GIT_CONFIG_COUNT") or 0)
        self._credentials: dict[str, tuple[str, str]] = {}

    def attach(self) -> None:
        """Take the credentials out of each URL before pip uses it."""
        replace(Git, "get_url_rev_and_auth", self._split)

    def _split(self, original: Callable[..., Any], *args: Any) -> Any:
        # Called on the class and on instances.
        url, revision, auth = original(args[-1])
        return self.without_credentials(url), revision, auth

    def without_credentials(self, url: str) -> str:
        """Return the URL without user and password, which git gets by variables.

        Submodules are mostly on the same host, where their relative URLs had the same credentials. So the whole host gets them.
        """
        scheme, netloc, path, *_ = urlsplit(url)
        userinfo, _, host = netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        if scheme == "ssh" and password:
            # ssh takes no password from a URL.
            return url.replace(f"{userinfo}@", f"{user}@", 1)
        if scheme not in ("http", "https") or not userinfo:
            return url
        plain = url.replace(f"{userinfo}@", "", 1)
        known = (unquote(user), unquote(password))
        self._credentials = {f"{scheme}://{host}/": known, **self._credentials, f"{scheme}://{host}{path}": known}
        self._write()
        return plain

    def _write(self) -> None:
        # An empty value resets the list, so what is said of a host comes before what is said of a repository.
        number = self._own
        for index, place in enumerate(sorted(self._credentials, key=len)):
            name = f"{_PREFIX}_{index}"
            self._environment[f"{name}_USER"], self._environment[f"{name}_PASSWORD"] = self._credentials[place]
            for value in ("", _HELPER.format(name)):
                self._environment[f"GIT_CONFIG_KEY_{number}"] = f"credential.{place}.helper"
                self._environment[f"GIT_CONFIG_VALUE_{number}"] = value
                number += 1
        self._environment["GIT_CONFIG_COUNT"] = str(number)


def visible_credentials(url: str) -> str:
    """Return the name of the program that would get the credentials of this URL in its command line, else "".

    Example:
        `visible_credentials("hg+https://me:secret@host/repo")` is `"hg"`.
    """
    program, _, scheme = urlsplit(url).scheme.rpartition("+")
    userinfo = urlsplit(url).netloc.rpartition("@")[0]
    # By ssh, a user is part of the address.
    secret = ":" in userinfo or (userinfo and scheme in ("http", "https"))
    return program if secret and program in ("hg", "svn", "bzr") else ""
