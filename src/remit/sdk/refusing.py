"""What a resource server answers instead of a result: 401 with a challenge, 403 and its kin as problem documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from remit.sdk import strict_json
from remit.sdk.access_token import TokenInvalid
from remit.sdk.decision import Decision

_ALGORITHMS: Final = 'algs="ES256 Ed25519"'
_WAITING: Final = frozenset({"rate_limited", "budget_exhausted"})
_QUOTED: Final = str.maketrans({'"': " ", "\\": " "})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]], *, nonce: str | None) -> None:
        """Send it; with the newest nonce, where proofs need one (RFC 9449 section 8.2)."""
        more = () if nonce is None else (("dpop-nonce", nonce),)
        fixed = (("content-type", "application/problem+json"), ("cache-control", "no-store"))
        shown = (*fixed, *self.headers, *more, ("content-length", str(len(self.body))))
        headers = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in shown]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def denied(decision: Decision) -> Answer:
    """A denial (RFC 9457): 403, 429 where waiting helps, 503 where nothing was decided."""
    denial = decision.denial
    if denial is None:
        raise ValueError("that was allowed")
    status = 503 if denial.code == "enforcement_unavailable" else 429 if denial.code in _WAITING else 403
    headers = [] if denial.retryable else [("x-should-retry", "false")]
    if denial.retry_after is not None:
        headers.append(("retry-after", str(denial.retry_after)))
    body = {**denial.body, "status": status}
    return Answer(status, strict_json.encode(body), tuple(headers))


def challenged(error: TokenInvalid, *, issuer: str, server: str) -> Answer:
    """A 401 (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1): where tokens are had, and for what."""
    parts = urlsplit(issuer)
    where = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}/mcp/{server}"
    said = f', error="{error.error}", error_description="{error.description.translate(_QUOTED)}"' if error.error else ""
    algorithms = f"{_ALGORITHMS}, " if error.scheme == "DPoP" else ""
    challenges = [f'{error.scheme} {algorithms}resource_metadata="{where}"{said}']
    if not error.error:
        challenges.insert(0, f'Bearer resource_metadata="{where}"')
    body = strict_json.encode({
        "type": "urn:remit:error:unauthenticated", "title": error.description, "status": 401, "code": "unauthenticated",
        **({"error": error.error} if error.error else {}),
    })  # fmt: skip
    return Answer(401, body, tuple(("www-authenticate", each) for each in challenges))


def plain(status: int, code: str, title: str) -> Answer:
    """An error that is no decision."""
    said = {"type": f"urn:remit:error:{code}", "title": title, "status": status, "code": code}
    return Answer(status, strict_json.encode(said))
