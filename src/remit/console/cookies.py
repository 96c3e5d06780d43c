"""The console's cookies: the session, and the page that somebody wanted before they were signed in.

Both are for the console alone: a cookie for the whole of this host would come along with agents' requests, too. For
that reason `__Secure-` stands before their names under TLS, and not `__Host-`, which needs the path `/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from starlette.responses import Response

from remit.console.paths import PATH
from remit.console.returning import inside
from remit.console.sessions import LINK_LIFETIME, SESSION_LIFETIME, Sessions
from remit.kernel.clock import SECOND

_WANTED: Final = "remit_then"
_LONGEST: Final = 1024


def set_session(answer: Response, sessions: Sessions, cookie: str) -> None:
    """The browser has this session from now on."""
    answer.set_cookie(
        sessions.cookie, cookie, max_age=SESSION_LIFETIME // SECOND, path=PATH, secure=sessions.secure, httponly=True,
        samesite="strict",
    )  # fmt: skip


def drop_session(answer: Response, sessions: Sessions) -> None:
    """The browser has no session any more."""
    answer.delete_cookie(sessions.cookie, path=PATH, secure=sessions.secure, httponly=True, samesite="strict")


def remember(answer: Response, then: str, *, secure: bool) -> None:
    """Somebody who is not signed in wanted this page; a link that signs them in within ten minutes leads there."""
    if then != PATH and len(then) <= _LONGEST:
        answer.set_cookie(
            _WANTED, quote(then, safe=""), max_age=LINK_LIFETIME // SECOND, path=PATH, secure=secure, httponly=True,
            samesite="strict",
        )  # fmt: skip


def wanted(cookies: Mapping[str, str]) -> str:
    """The page that was wanted, or the first one."""
    return inside(unquote(cookies.get(_WANTED, "")))


def forget(answer: Response, cookies: Mapping[str, str], *, secure: bool) -> None:
    """It has been led to."""
    if _WANTED in cookies:
        answer.delete_cookie(_WANTED, path=PATH, secure=secure, httponly=True, samesite="strict")
