"""Who is calling: checks an access token, and the proof with it, on every call. No disk, no await."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.model import Caller
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import Unauthenticated
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.storage.model import ConsumeProof
from remit.tokens.dpop import Proof, ProofInvalid, check_proof

TYPE: Final = "at+jwt"
ALGORITHMS: Final = ("ES256",)
_MAX_TOKEN: Final = 8192
_CACHED: Final = 16_384
_CREDENTIALS: Final = re.compile(r"(?i:(Bearer|DPoP)) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\Z")
_TEXT_CLAIMS: Final = ("sub", "jti", "purpose", "run", "instance", "cred", "scope")


class TokenInvalid(Unauthenticated):
    """401 with a challenge: `error` is `invalid_token` or `invalid_dpop_proof`, `description` one of a fixed few.

    `error` is empty where no credential was sent at all: RFC 6750 section 3.1 then wants a bare challenge.
    """

    def __init__(self, error: str, description: str, scheme: str, *, detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.error = error
        self.description = description
        self.scheme = scheme  # "Bearer" or "DPoP": the scheme to challenge with


@dataclass(frozen=True, slots=True)
class Presented:
    """The claims of a token whose signature, type and issuer were checked."""

    caller: Caller
    audience: frozenset[str]
    jkt: str | None
    hash: str  # base64url SHA-256 of the token


class TokenChecker:
    """Checks access tokens of this deployment.

    A token's signature is checked once and remembered under the token's hash until it expires;
    everything that depends on the request or on the time is checked every time.

    Args:
        keys: The keys that tokens are signed with.
        issuer: This deployment's own URL.
        revoked: Whether the token of that id was revoked (RFC 7009), or the run of that id. In memory and quick.
    """

    def __init__(self, keys: TokenKeys, *, issuer: str, revoked: Callable[[str], bool] = lambda _token: False) -> None:
        self._keys = keys
        self._issuer = issuer
        self._revoked = revoked
        self._seen: OrderedDict[bytes, Presented] = OrderedDict()
        self._lock = threading.Lock()

    def check(
        self,
        *,
        authorization: str | None,
        dpop: str | None,
        method: str,
        url: str,
        audiences: Collection[str],
        now: Instant,
    ) -> tuple[Caller, ConsumeProof | None]:
        """Say who makes this request, and the proof that must be consumed with its decision.

        Args:
            authorization: The one `Authorization` header, or None.
            dpop: The one `DPoP` header, or None. A caller that got several must refuse them.
            method: The request's HTTP method.
            url: The request's target as the client sees it.
            audiences: The names this resource goes by; one of them must be in the token's `aud`.
            now: The time to judge at.

        Raises:
            TokenInvalid: A numbered step fails.
        """
        # (1) Credentials in the one form we issue.
        scheme, token = _credentials(authorization)
        # (2) A token this deployment signed (RFC 9068 section 4).
        verified = self._verified(token, scheme)
        # (3) Alive, and for this resource: a token for A is none at B.
        if verified.caller.expires <= now:
            self._forget(token)
            raise TokenInvalid("invalid_token", "the token has expired", scheme)
        if self._ended(verified.caller):
            raise TokenInvalid("invalid_token", "the token was revoked", scheme)
        if verified.audience.isdisjoint(audiences):
            raise TokenInvalid("invalid_token", "the token is for another resource", scheme)
        # (4) RFC 9449 section 7.2: a bound token under Bearer is a stolen one; an unbound one has nothing to prove.
        if verified.jkt is None:
            if scheme == "DPoP":
                raise TokenInvalid("invalid_token", "the token is not bound to a key", scheme)
            return verified.caller, None
        if scheme != "DPoP":
            raise TokenInvalid("invalid_token", "the token is bound to a key and needs a proof", "DPoP")
        # (5) The proof, made now, for this request and this token, by the key the token is bound to.
        return verified.caller, _proved(verified, dpop, method=method, url=url, now=now).use

    def still(self, caller: Caller, proof: ConsumeProof | None, *, now: Instant) -> None:
        """See that what `check` accepted holds at this later moment: a body may come long after its headers.

        A proof's use is remembered for somewhat longer than the proof is good for. Held back until after that, it
        could be used once more.

        Raises:
            TokenInvalid: The token has ended or was revoked since, or the proof is too old by now.
        """
        scheme = "DPoP" if proof is not None else "Bearer"
        if caller.expires <= now:
            raise TokenInvalid("invalid_token", "the token has expired", scheme)
        if self._ended(caller):
            raise TokenInvalid("invalid_token", "the token was revoked", scheme)
        if proof is not None and proof.expires <= now:
            raise TokenInvalid("invalid_dpop_proof", "the proof is too old", scheme)

    def read(self, token: str, *, now: Instant) -> Presented | None:
        """What a token says that is neither expired nor revoked, whoever holds it and wherever it is for; else None."""
        try:
            found = self._verified(_credentials(f"Bearer {token}")[1], "Bearer")
        except TokenInvalid:
            return None
        return None if found.caller.expires <= now or self._ended(found.caller) else found

    def _ended(self, caller: Caller) -> bool:
        """Whether the token was revoked, or its whole run ended before its time (`tokens/ending`)."""
        return self._revoked(caller.token) or self._revoked(caller.run)

    def _verified(self, token: str, scheme: str) -> Presented:
        digest = hashlib.sha256(token.encode("ascii")).digest()
        seen = self._seen.get(digest)
        if seen is not None:
            return seen
        try:
            _, claims = jose.verify(token, typ=TYPE, algorithms=ALGORITHMS, key=self._key, max_size=_MAX_TOKEN)
        except jose.JoseInvalid as error:
            raise TokenInvalid("invalid_token", "the token is not valid", scheme, detail=error.public) from error
        try:
            verified = _read(claims, issuer=self._issuer, digest=digest)
        except (KeyError, TypeError, ValueError) as error:
            raise TokenInvalid("invalid_token", "the token is not valid", scheme, detail=repr(error)) from error
        with self._lock:
            self._seen[digest] = verified
            while len(self._seen) > _CACHED:
                self._seen.popitem(last=False)
        return verified

    def _key(self, header: Mapping[str, Any]) -> jose.PublicKey | None:
        kid = header.get("kid")
        return self._keys.public(kid) if isinstance(kid, str) else None

    def _forget(self, token: str) -> None:
        with self._lock:
            self._seen.pop(hashlib.sha256(token.encode("ascii")).digest(), None)


def _credentials(authorization: str | None) -> tuple[str, str]:
    if authorization is None:
        raise TokenInvalid("", "a token is needed", "DPoP")
    match = _CREDENTIALS.match(authorization) if len(authorization) <= _MAX_TOKEN + 16 else None
    if match is None:
        raise TokenInvalid("invalid_token", "the token is not valid", "DPoP", detail="not Bearer or DPoP and a JWT")
    return ("DPoP" if match[1][0] in "dD" else "Bearer"), match[2]


def _proved(verified: Presented, dpop: str | None, *, method: str, url: str, now: Instant) -> Proof:
    if dpop is None:
        raise TokenInvalid("invalid_dpop_proof", "a DPoP proof is needed", "DPoP")
    try:
        proof = check_proof(dpop, method=method, url=url, now=now, token_hash=verified.hash)
    except ProofInvalid as error:
        raise TokenInvalid("invalid_dpop_proof", error.public, "DPoP", detail=error.detail) from error
    if proof.jkt != verified.jkt:
        # RFC 9449 section 4.3 step 12: a stolen token with the thief's own proof.
        raise TokenInvalid("invalid_dpop_proof", "the proof is by another key than the token is bound to", "DPoP")
    return proof


def _read(claims: Mapping[str, Any], *, issuer: str, digest: bytes) -> Presented:
    """The caller a verified token names; raises KeyError, TypeError or ValueError on any other claims than we issue."""
    if claims["iss"] != issuer or claims["client_id"] != claims["sub"]:
        raise ValueError("another issuer or subject")
    if any(not isinstance(claims[name], str) for name in _TEXT_CLAIMS):
        raise TypeError("a claim is not text")
    if claims["scope"] != f"purpose:{claims['purpose']}":
        raise ValueError("scope and purpose differ")
    if any(type(claims[name]) is not int for name in ("exp", "iat", "run_exp")):
        raise TypeError("a time is missing")
    audience = claims["aud"]
    names = frozenset([audience] if isinstance(audience, str) else audience)
    confirmation = claims.get("cnf")
    jkt = None if confirmation is None else confirmation["jkt"]
    if confirmation is not None and not isinstance(jkt, str):
        raise TypeError("cnf has no jkt")
    caller = Caller(
        agent=AgentName(claims["sub"]),
        instance=InstanceId(claims["instance"]),
        credential=claims["cred"],
        purpose=PurposeName(claims["purpose"]),
        run=RunId(claims["run"]),
        token=claims["jti"],
        expires=Instant(claims["exp"] * SECOND),
        bound=jkt is not None,
        attested=Instant(claims["iat"] * SECOND),
        run_ends=Instant(claims["run_exp"] * SECOND),
    )
    return Presented(caller, names, jkt, base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"))
