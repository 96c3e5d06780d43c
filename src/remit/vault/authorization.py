"""Asking a person for access to their own account: the request that leaves, and what comes back. Pure.

RFC 6749 section 4.1, PKCE with S256 (RFC 7636), the issuer in the response (RFC 9207), as RFC 9700 sections 2.1 and
4 want it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from remit.catalog.injection import OauthUser
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.errors import Malformed
from remit.keys.base64url import encode

LIFETIME: Final = 10 * MINUTE  # from the request until its answer
_MAX_CODE: Final = 2048
_ERROR: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}\Z")  # RFC 6749 section 4.1.2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A request whose answer is awaited: who asked, for which secret, as that was then, and until when."""

    person: str
    secret: str
    credential: OauthUser
    verifier: str
    redirect_uri: str
    ends: Instant


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return encode(sha256(verifier.encode("ascii")).digest())


def lent_to(credential: OauthUser) -> str:
    """Whose client a refresh token is lent to, as a digest: it is shown to no other address and as no other client."""
    said = (
        credential.authorize_url,
        credential.token_url,
        credential.client_id,
        credential.issuer,
        credential.revoke_url,
    )
    return encode(sha256("\n".join(said).encode("ascii")).digest())


def request_url(pending: Pending, *, state: str) -> str:
    """Where the person is sent (RFC 6749 section 4.1.1); the endpoint's own query stays (section 3.1)."""
    credential = pending.credential
    asked = {
        "response_type": "code",
        "client_id": credential.client_id,
        "redirect_uri": pending.redirect_uri,
        **({"scope": credential.scope} if credential.scope else {}),
        "state": state,
        "code_challenge": challenge(pending.verifier),
        "code_challenge_method": "S256",
    }
    joined = "&" if urlsplit(credential.authorize_url).query else "?"
    return f"{credential.authorize_url}{joined}{urlencode(asked)}"


def answered(query: str) -> dict[str, str]:
    """The parameters of an authorization response.

    Raises:
        Malformed: One stands there twice (RFC 6749 section 3.1), or it is no query.
    """
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a parameter of the answer stands there twice")
    return found


def code_of(pending: Pending, fields: Mapping[str, str], *, secret: str, person: str, now: Instant) -> str:
    """The authorization code of a response to `pending`. The checks in their order; each names what it stops.

    Args:
        pending: The request that the response's `state` belongs to; it was used up by finding it.
        fields: The response's parameters.
        secret: The secret whose redirect URI the response came to.
        person: Who is signed in at the browser that brings it.
        now: The present.

    Raises:
        Malformed: The first that fails.
    """
    # (1) In time: an answer that lay around somewhere.
    if now >= pending.ends:
        raise Malformed("this took longer than ten minutes", try_=f"remit secret connect {pending.secret}")
    # (2) At the redirect URI that the request named: another server's answer (RFC 9700 section 4.4.2).
    if secret != pending.secret:
        raise Malformed("this answer belongs to another secret")
    # (3) By the person who asked: a link that was sent to somebody else, whose account it would lend (CSRF).
    if not hmac.compare_digest(person.encode(), pending.person.encode()):
        raise Malformed("somebody else asked for this; nothing was connected")
    # (4) From the server that was asked (RFC 9207 section 2.4); what says an issuer that nobody named is not believed.
    if fields.get("iss", "") != pending.credential.issuer:
        raise Malformed("the answer does not come from the authorization server that was asked", detail="iss")
    # (5) A yes.
    if "error" in fields:
        error = fields["error"]
        raise Malformed(f"the other system says {error if _ERROR.match(error) else 'no'}")
    code = fields.get("code", "")
    if not 0 < len(code) <= _MAX_CODE:
        raise Malformed("the answer carries no code")
    return code
