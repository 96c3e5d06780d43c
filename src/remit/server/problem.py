"""The one place that maps an error's code to an HTTP status, and its shape on the wire (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from starlette.responses import Response

from remit.kernel.canonical import encode
from remit.kernel.errors import RemitError

STATUS: Final[Mapping[str, int]] = {
    "malformed": 400,
    "too_large": 413,
    "unsupported_media_type": 415,
    "unauthenticated": 401,
    "forbidden": 403,
    "step_up_required": 403,
    "approval_denied": 403,
    "not_found": 404,
    "session_unknown": 404,
    "conflict": 409,
    "config_invalid": 422,
    "storage_unavailable": 503,
    "integrity_failed": 500,
    "overloaded": 503,
    # An error of HTTP itself, which has no code of its own in Remit.
    "method_not_allowed": 405,
    "not_implemented": 501,
    "unexpected": 500,
}
_RETRY_AFTER: Final = {"storage_unavailable": "1", "overloaded": "1"}
_TYPE: Final = "urn:remit:error:"


def status_of(code: str) -> int:
    """The HTTP status of an error's code; 500 for one that no caller should ever meet."""
    return STATUS.get(code, 500)


def body_of(code: str, title: str, *, try_: str = "", more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The problem as JSON. `title` is the error's public sentence; its private detail never comes here."""
    body: dict[str, Any] = {"type": _TYPE + code, "title": title, "status": status_of(code), "code": code}
    if try_:
        body["try"] = try_
    return {**body, **(more or {})}


def answer(
    code: str,
    title: str,
    *,
    try_: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """The problem as an HTTP response."""
    extra = dict(headers or {})
    if code in _RETRY_AFTER:
        extra["Retry-After"] = _RETRY_AFTER[code]
    if code == "unauthenticated":
        # RFC 9110 section 11.6.1: a 401 names the scheme that would have been accepted.
        extra["WWW-Authenticate"] = 'Bearer realm="remit"'
    body = body_of(code, title, try_=try_, more=more)
    return Response(encode(body), status_of(code), headers=extra, media_type="application/problem+json")


def of(error: RemitError) -> Response:
    """The response to `error`: its code, public sentence and advice, and all that is wrong with a document."""
    found = [asdict(each) for each in getattr(error, "problems", ())]
    return answer(error.code, error.public, try_=error.try_, more={"problems": found} if found else None)
