"""Where an agent may be called back (pure): judged before anything is stored, and again when it is dialled."""

from __future__ import annotations

from collections.abc import Collection

from remit.catalog.url import check_url, endpoint
from remit.kernel.errors import Malformed

_MOST = 1000


def check_callback(url: object, allowed: Collection[tuple[str, int]]) -> str:
    """The URL, if Remit may call it: https, or a host and port that an operator opened for callbacks.

    The URL is the agent's word, so nothing else that an operator wrote is open to it: not the servers behind the
    gateway, nor the systems that are told of withdrawals (server-side request forgery).

    Raises:
        Malformed: It may not be called.
    """
    found = check_url(url)
    if len(found) > _MOST:
        raise Malformed(f"a callback has at most {_MOST} characters")
    if not found.startswith("https://") and endpoint(found) not in allowed:
        raise Malformed("a callback is an https URL", try_="remit up --callback-host HOST:PORT opens another")
    return found
