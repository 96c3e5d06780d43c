"""How the HTTP gateway says no: problems (RFC 9457), which a client's library does not try again by itself (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.enforcement.http_events import DENIAL
from remit.kernel import canonical

Headers = list[tuple[bytes, bytes]]

_PROBLEM: Final = (b"content-type", b"application/problem+json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_TYPE: Final = "urn:remit:error:"
MALFORMED, UNSUPPORTED, TOO_LARGE, GATEWAY, UNSURE = 400, 415, 413, 502, 502
NOT_FOUND, NOT_IMPLEMENTED = 404, 501
# What may not be seen, and what there is not: these bytes, and no others.
HIDDEN: Final = canonical.encode(
    {"type": f"{_TYPE}not_found", "title": "Not found", "status": NOT_FOUND, "code": "not_found"}
)


_BLOCKED: Final = "egress_blocked"
# A host that nobody registered, one that this agent may not see, an address that is never called: these bytes.
_NOWHERE: Final = canonical.encode(
    {
        "type": f"urn:remit:denial:{_BLOCKED}",
        "title": "That destination is not allowed",
        "status": 403,
        "code": _BLOCKED,
        "violations": [],
        "remedies": [{"kind": "stop"}],
        "retryable": False,
        "retry_after": None,
    }
)


def denied(told: Mapping[str, Any]) -> tuple[int, bytes, Headers]:
    """A denial as it travels here: status, body, headers."""
    headers = [_PROBLEM, _NO_STORE]
    retryable = bool(told.get("retryable"))
    if not retryable:
        # Libraries try 403 and 503 again by themselves; it would be the same question.
        headers.append((b"x-should-retry", b"false"))
    if (after := told.get("retry_after")) is not None:
        headers.append((b"retry-after", str(after).encode("ascii")))
    # An API's own header of that name does not come back: by this one a refusal is known to be Remit's.
    headers.append((b"remit-decision", str(told.get("decision_id") or "none").encode("ascii")))
    return int(told.get("status", 403)), canonical.encode(dict(told)), headers


def problem(
    status: int, code: str, title: str, *, try_: str = "", retry: bool = False, **more: object
) -> tuple[int, bytes, Headers]:
    """What is no denial: refused without a decision, or not answered by the server."""
    body: dict[str, Any] = {"type": _TYPE + code, "title": title, "status": status, "code": code, **more}
    if try_:
        body["try"] = try_
    headers = [_PROBLEM, _NO_STORE]
    if not retry:
        headers.append((b"x-should-retry", b"false"))
    return status, canonical.encode(body), headers


def hidden() -> tuple[int, bytes, Headers]:
    """Not visible, or not there: nobody outside can tell which."""
    return NOT_FOUND, HIDDEN, [_PROBLEM, _NO_STORE, (b"x-should-retry", b"false")]


def blocked() -> tuple[int, bytes, Headers]:
    """A destination that is not called: nothing was sent."""
    return 403, _NOWHERE, [_PROBLEM, _NO_STORE, (b"x-should-retry", b"false")]


def last_event(told: Mapping[str, Any]) -> bytes:
    """A denial as the last event of a stream that it ends."""
    return b"event: " + DENIAL + b"\ndata: " + canonical.encode(dict(told)) + b"\n\n"
