"""Asking the gateway with the run's token: a fresh proof, a newer nonce, a newer token, each as the answer wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import h11

from remit.kernel.errors import Unauthenticated
from remit.runner import headers
from remit.runner.model import Issued
from remit.runner.tally import Asked, refused, wants_new_token
from remit.runner.tokens import Tokens
from remit.runner.upstream import Upstream
from remit.sdk.grant import wants_nonce

UNDECIDED: Final = "enforcement_unavailable"
_INTERNAL: Final = -32603
_JUDGED: Final = 256 * 1024  # bytes of a JSON answer that are looked at
_JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"  # RFC 9457
_UNAUTHENTICATED: Final = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One request of the command that may pass."""

    method: str
    path: str  # at the gateway
    headers: headers.Headers
    body: bytes
    asked: Asked
    http: bool = False  # of an HTTP API, and not MCP


class Asking:
    """Asks for one run.

    Args:
        tokens: The run's token.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def answer(self, upstream: Upstream, way: Way) -> tuple[h11.Response, bytes, bool]:
        """The gateway's answer: its head, the beginning of its body, and whether that is all of it.

        A proof that needs a newer nonce is made again, once. A token that is no longer good is renewed
        once, and so is one whose key must be proved again for what lapsed to start: the command, which
        has no key, could do none of it.

        Raises:
            RemitError: There is no token, or the gateway cannot be reached.
            Broken: It did not answer.
        """
        token = await self._tokens.usable()
        found = await _sent(upstream, way, token)
        if _turned_away(found[0]) and _nonce_wanted(found[0]):
            found = await _sent(upstream, way, token)
        if _turned_away(found[0]) or (found[2] and _again(found[1])):
            token = await self._tokens.renewed(token)
            found = await _sent(upstream, way, token)
        if _turned_away(found[0]):
            raise Unauthenticated("Remit does not take this run's token", detail=_description(found[1]))
        return found


async def _sent(upstream: Upstream, way: Way, token: Issued) -> tuple[h11.Response, bytes, bool]:
    body = way.body if way.method == "POST" or way.body else None
    head = await upstream.send(way.method, way.path, way.headers, body, token)
    if media_type(head) != (PROBLEM if way.http else _JSON) or (way.http and not _decided(head)):
        return head, b"", False
    return head, *await upstream.upto(_JUDGED)


def media_type(head: h11.Response) -> bytes:
    """What kind of body an answer has."""
    found = next((value for name, value in head.headers if name == b"content-type"), b"")
    return bytes(found).partition(b";")[0].strip().lower()


def failure(id: Any, code: str, public: str, detail: str) -> bytes:  # noqa: A002, ANN401 - JSON-RPC's own name, any id
    """What went wrong on the way, as MCP's own error."""
    error = {"code": _INTERNAL, "message": public, "data": _told(code, public, detail)}
    return json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode("utf-8")


def problem(code: str, public: str, detail: str) -> bytes:
    """The same, as an API's client reads it (RFC 9457)."""
    said = {"type": f"urn:remit:error:{code}", "title": public, "status": 503}
    return json.dumps(said | _told(code, public, detail)).encode("utf-8")


def _told(code: str, public: str, detail: str) -> dict[str, Any]:
    data: dict[str, Any] = {"code": code, "detail": detail, "retryable": code == UNDECIDED}
    if code == UNDECIDED:  # what the gateway says of itself in the same case
        wait = {"kind": "wait", "retry_after": 1}
        data |= {"type": f"urn:remit:denial:{code}", "title": public, "status": 503}
        data |= {"violations": [], "remedies": [wait], "retry_after": 1}
    return data


def _turned_away(head: h11.Response) -> bool:
    """Whether the gateway itself did not take token or proof: an API's own 401 comes without a challenge."""
    return head.status_code == _UNAUTHENTICATED and any(name == b"www-authenticate" for name, _ in head.headers)


def _decided(head: h11.Response) -> bool:
    """Whether an answer is the gateway's refusal: an API's own headers of that name do not come through."""
    return any(name == b"remit-decision" for name, _ in head.headers)


def _nonce_wanted(head: h11.Response) -> bool:
    """RFC 9449 section 9: the same again, with the nonce that came with this answer."""
    challenge = b", ".join(value for name, value in head.headers if name == b"www-authenticate")
    return wants_nonce(head.status_code, challenge.decode("latin-1"), b"")


def _again(body: bytes) -> bool:
    found = refused(body)
    return found is not None and wants_new_token(found)


def _description(body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    return str(said.get("error_description", "")) if isinstance(said, dict) else ""
