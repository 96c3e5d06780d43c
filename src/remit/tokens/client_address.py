"""Where a request came from: the other end of its connection, or what a trusted proxy says that was (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

CLIENT: Final = "remit.client"
"""Where a request's scope (ASGI) keeps what a trusted proxy said; "" if it said nothing."""
_PORT: Final = re.compile(r"\[([^\[\]]*)\](?::\d{1,5})?|([^:]*):\d{1,5}", re.ASCII)


def forwarded(values: Sequence[str], *, ours: Callable[[str], bool]) -> str:
    """The client by `X-Forwarded-For`: each proxy adds whom it heard, so the last one that is no proxy of ours.

    What stands before it was written by that client itself, and may be anything. Some proxies add the port of the
    connection (`192.0.2.1:4711`, `[2001:db8::1]:4711`), which is another one each time and says nothing.

    Args:
        values: Of the headers, in their order.
        ours: Whether an address is a trusted proxy's.
    """
    heard = [_address(each.strip()) for value in values for each in value.split(",")]
    return next((each for each in reversed(heard) if not ours(each)), "")


def _address(heard: str) -> str:
    found = _PORT.fullmatch(heard)
    return heard if found is None else found[1] or found[2] or ""


def client_address(scope: Mapping[str, Any]) -> str:
    """The client's address; "" if it is not known."""
    found = scope.get(CLIENT)
    if isinstance(found, str):
        return found
    client = scope.get("client")
    return str(client[0]) if client else ""
