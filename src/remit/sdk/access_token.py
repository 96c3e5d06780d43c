"""An access token of Remit, as a resource server reads it: who calls, for which purpose, until when (RFC 9068)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.sdk import jws
from remit.sdk.jws import JwsInvalid, PublicKey

TYPE: Final = "at+jwt"
MAX_SIZE: Final = 8192
_CREDENTIALS: Final = re.compile(r"(?i:(Bearer|DPoP)) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\Z")
_TEXTS: Final = ("iss", "sub", "client_id", "jti", "purpose", "run", "instance", "cred", "scope")


class TokenInvalid(Exception):
    """401 with a challenge: `error` is a code of RFC 6750 section 3.1 or RFC 9449 section 7.1, or empty where no
    credential was sent.
    """

    def __init__(self, error: str, description: str, scheme: str = "DPoP") -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.scheme = scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls, by a token that was verified. Handed to the application as `scope["remit"]`."""

    agent: str
    instance: str  # the running copy: thumbprint of its key
    purpose: str
    run: str
    token: str  # the token's id
    expires: int  # seconds since the epoch
    acts_for: tuple[str, ...] = ()  # agents whose access it uses, the first is whose it is
    audience: frozenset[str] = frozenset()
    jkt: str | None = None  # the key the token is bound to; None: to none
    decision_id: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


def credentials(authorization: str | None) -> tuple[str, str]:
    """The scheme, `Bearer` or `DPoP`, and the token of an `Authorization` header. Raises TokenInvalid."""
    if authorization is None:
        raise TokenInvalid("", "a token is needed")
    match = _CREDENTIALS.match(authorization) if len(authorization) <= MAX_SIZE + 16 else None
    if match is None:
        raise TokenInvalid("invalid_token", "the token is not valid")
    return ("DPoP" if match[1][0] in "dD" else "Bearer"), match[2]


def read(
    token: str, *, scheme: str, issuer: str, audiences: frozenset[str], key: Callable[[str], PublicKey | None], now: int
) -> Identity:
    """Verify a token as far as it says itself (RFC 9068 section 4); the proof with it is another matter.

    Args:
        token: Compact form.
        scheme: How it was shown.
        issuer: Remit's own URL.
        audiences: The names that this resource goes by; one of them must be in the token's `aud`.
        key: Remit's key of a `kid`, or None.
        now: Seconds since the epoch.

    Raises:
        TokenInvalid: A numbered step fails.
    """
    # (1) One that this Remit signed.
    try:
        claims, _ = jws.verify(token, typ=TYPE, key=key, max_size=MAX_SIZE)
        found = _identity(claims, issuer)
    except (JwsInvalid, KeyError, TypeError, ValueError) as error:
        raise TokenInvalid("invalid_token", "the token is not valid", scheme) from error
    # (2) Alive, and for this resource: a token for A is none at B.
    if found.expires <= now:
        raise TokenInvalid("invalid_token", "the token has expired", scheme)
    if found.audience.isdisjoint(audiences):
        raise TokenInvalid("invalid_token", "the token is for another resource", scheme)
    # (3) RFC 8705 section 3: what binds it to a certificate cannot be seen here.
    if "x5t#S256" in claims.get("cnf", {}):
        raise TokenInvalid("invalid_token", "the token is bound to a certificate that is not shown here", scheme)
    # (4) RFC 9449 section 7.2: a bound token under Bearer is a stolen one; an unbound one has nothing to prove.
    if (found.jkt is None) != (scheme == "Bearer"):
        said = "is not bound to a key" if found.jkt is None else "is bound to a key and needs a proof"
        raise TokenInvalid("invalid_token", f"the token {said}", "DPoP")
    return found


def _identity(claims: Mapping[str, Any], issuer: str) -> Identity:
    """Raises KeyError, TypeError or ValueError on any other claims than Remit issues."""
    if any(not isinstance(claims[name], str) for name in _TEXTS):
        raise TypeError("a claim is not text")
    delegation = claims.get("delegation", {"links": ()})
    if not isinstance(delegation, Mapping) or not all(isinstance(each, Mapping) for each in delegation["links"]):
        raise TypeError("a delegation is no object")
    links = [str(each["agent"]) for each in delegation["links"]]
    if "delegation" in claims and not links:
        raise ValueError("a delegation by nobody")
    if claims["iss"] != issuer or claims["sub"] != (links[0] if links else claims["client_id"]):
        raise ValueError("another issuer or subject")
    if claims["scope"] != f"purpose:{claims['purpose']}":
        raise ValueError("scope and purpose differ")
    if any(type(claims[name]) is not int for name in ("exp", "iat", "run_exp")):
        raise TypeError("a time is missing")
    audience = claims["aud"]
    names = frozenset([audience] if isinstance(audience, str) else audience)
    return Identity(
        agent=claims["client_id"], instance=claims["instance"], purpose=claims["purpose"], run=claims["run"],
        token=claims["jti"], expires=claims["exp"], acts_for=tuple(links), audience=names, jkt=_bound(claims),
        claims=claims,
    )  # fmt: skip


def _bound(claims: Mapping[str, Any]) -> str | None:
    """The thumbprint of the key a token is bound to. A `cnf` that names no key is none of Remit's."""
    if "cnf" not in claims:
        return None
    if not isinstance(claims["cnf"], Mapping):
        raise TypeError("cnf is no object")
    names = {name: claims["cnf"].get(name) for name in ("jkt", "x5t#S256")}
    found = [value for value in names.values() if value is not None]
    if not found or any(not isinstance(value, str) for value in found):
        raise TypeError("cnf names no key")
    jkt: str | None = names["jkt"]
    return jkt
