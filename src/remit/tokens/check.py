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

from remit.attestation.model import Caller, Link
from remit.kernel.canonical import canonical
from remit.kernel.clock import EPOCH, SECOND, Instant
from remit.kernel.errors import Unauthenticated
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId
from remit.keys import jose
from remit.keys.model import TOKEN_ALGORITHMS, TokenKeys
from remit.storage.model import ConsumeProof
from remit.tokens.certificate import thumbprint
from remit.tokens.dpop import NonceWanted, Proof, ProofInvalid, check_proof
from remit.tokens.nonce import Nonces

TYPE: Final = "at+jwt"
ALGORITHMS: Final = TOKEN_ALGORITHMS  # each key is for one of them, and `jose.verify` holds it to that
_MAX_TOKEN: Final = 8192
# How the credential of a client begins that shows no key: what asks for one does not take a token for it.
_KEYLESS: Final = ("client_metadata:", "client_secret:")
_CACHED: Final = 16_384
_CREDENTIALS: Final = re.compile(r"(?i:(Bearer|DPoP)) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\Z")
_TEXT_CLAIMS: Final = ("sub", "client_id", "jti", "purpose", "run", "instance", "cred", "scope")


class TokenInvalid(Unauthenticated):
    """401 with a challenge: `error` is `invalid_token`, `invalid_dpop_proof` or `use_dpop_nonce`, `description` one of
    a fixed few.

    `error` is empty where no credential was sent at all: RFC 6750 section 3.1 then wants a bare challenge.
    """

    token = ""  # the id of the token that was shown, where it is one of ours: for the log alone
    agent = ""  # whose that token is: who shows it need not be that one

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
    x5t: str | None  # SHA-256 of the certificate it is bound to (RFC 8705 section 3.1)
    hash: str  # base64url SHA-256 of the token
    may_act: frozenset[str] = frozenset()  # agents that may act for it
    issued: Instant = EPOCH


class TokenChecker:
    """Checks access tokens of this deployment.

    A token's signature is checked once and remembered under the token's hash until it expires;
    everything that depends on the request or on the time is checked every time.

    Args:
        keys: The keys that tokens are signed with.
        issuer: This deployment's own URL.
        revoked: Whether the token of that id was revoked (RFC 7009), or the run of that id. In memory and quick.
        nonces: What a proof's nonce is judged by; None if none is ever asked for.
    """

    def __init__(
        self, keys: TokenKeys, *, issuer: str, revoked: Callable[[str], bool] = lambda _token: False,
        nonces: Nonces | None = None,
    ) -> None:  # fmt: skip
        self._keys = keys
        self._issuer = issuer
        self._revoked = revoked
        self._nonces = nonces
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
        certificate: bytes | None = None,
    ) -> tuple[Caller, ConsumeProof | None]:
        """Say who makes this request, and the proof that must be consumed with its decision.

        Args:
            authorization: The one `Authorization` header, or None.
            dpop: The one `DPoP` header, or None. A caller that got several must refuse them.
            method: The request's HTTP method.
            url: The request's target as the client sees it.
            audiences: The names this resource goes by; one of them must be in the token's `aud`.
            now: The time to judge at.
            certificate: The client's end of this connection (DER), where it showed one.

        Raises:
            TokenInvalid: A numbered step fails.
        """
        # (1) Credentials in the one form we issue.
        scheme, token = _credentials(authorization)
        # (2) A token this deployment signed (RFC 9068 section 4).
        verified = self._verified(token, scheme)
        if verified.caller.expires <= now:
            self._forget(token)
        try:
            return self._fits(
                verified, scheme, dpop=dpop, method=method, url=url, audiences=audiences, now=now,
                certificate=certificate,
            )  # fmt: skip
        except TokenInvalid as error:
            error.token, error.agent = verified.caller.token, verified.caller.agent
            raise

    def _fits(  # noqa: PLR0913 - all that a request shows
        self, verified: Presented, scheme: str, *, dpop: str | None, method: str, url: str, audiences: Collection[str],
        now: Instant, certificate: bytes | None,
    ) -> tuple[Caller, ConsumeProof | None]:  # fmt: skip
        # (3) Alive, and for this resource: a token for A is none at B.
        if verified.caller.expires <= now:
            raise TokenInvalid("invalid_token", "the token has expired", scheme)
        if self._ended(verified.caller):
            raise TokenInvalid("invalid_token", "the token was revoked", scheme)
        if verified.audience.isdisjoint(audiences):
            raise TokenInvalid("invalid_token", "the token is for another resource", scheme)
        # (4) RFC 8705 section 3: a token that is bound to a certificate is good on that client's connections alone.
        if verified.x5t is not None and (certificate is None or thumbprint(certificate) != verified.x5t):
            raise TokenInvalid("invalid_token", "the token is bound to a certificate that is not shown here", scheme)
        # (5) RFC 9449 section 7.2: a bound token under Bearer is a stolen one; an unbound one has nothing to prove.
        if verified.jkt is None:
            if scheme == "DPoP":
                raise TokenInvalid("invalid_token", "the token is not bound to a key", scheme)
            return verified.caller, None
        if scheme != "DPoP":
            raise TokenInvalid("invalid_token", "the token is bound to a key and needs a proof", "DPoP")
        # (6) The proof, made now, for this request and this token, by the key the token is bound to.
        fresh = None if self._nonces is None else self._nonces.at_resource(now)
        return verified.caller, _proved(verified, dpop, method=method, url=url, now=now, fresh=fresh).use

    def still(self, caller: Caller, proof: ConsumeProof | None, *, now: Instant) -> None:
        """See that what `check` accepted holds at this later moment: a body may come long after its headers.

        A proof's use is remembered for somewhat longer than the proof is good for. Held back until after that, it
        could be used once more.

        Raises:
            TokenInvalid: The token has ended or was revoked since, or the proof is too old by now.
        """
        scheme = "DPoP" if proof is not None else "Bearer"
        wrong = None
        if caller.expires <= now:
            wrong = TokenInvalid("invalid_token", "the token has expired", scheme)
        elif self._ended(caller):
            wrong = TokenInvalid("invalid_token", "the token was revoked", scheme)
        elif proof is not None and proof.expires <= now:
            wrong = TokenInvalid("invalid_dpop_proof", "the proof is too old", scheme)
        if wrong is not None:
            wrong.token, wrong.agent = caller.token, caller.agent
            raise wrong

    def read(self, token: str, *, now: Instant) -> Presented | None:
        """What a token says that is neither expired nor revoked, whoever holds it and wherever it is for; else None."""
        try:
            found = self._verified(_credentials(f"Bearer {token}")[1], "Bearer")
        except TokenInvalid:
            return None
        return None if found.caller.expires <= now or self._ended(found.caller) else found

    def _ended(self, caller: Caller) -> bool:
        """Whether the token was revoked, its run ended before its time (`tokens/ending`), or its key is distrusted."""
        revoked = self._revoked
        if revoked(caller.token) or revoked(caller.run) or (caller.consent and revoked(caller.consent)):
            return True
        # What was handed on ends with the token and the run that handed it on (RFC 7009 section 2.1).
        for link in caller.links:
            if revoked(link.token) or revoked(link.run):
                return True
        return caller.key != "" and self._keys.distrusts(caller.key)

    def _verified(self, token: str, scheme: str) -> Presented:
        digest = hashlib.sha256(token.encode("ascii")).digest()
        seen = self._seen.get(digest)
        # A key that was retired verifies nothing more, and least what it verified before.
        if seen is not None and self._keys.public(seen.caller.key) is not None:
            return seen
        try:
            header, claims = jose.verify(token, typ=TYPE, algorithms=ALGORITHMS, key=self._key, max_size=_MAX_TOKEN)
        except jose.JoseInvalid as error:
            raise TokenInvalid("invalid_token", "the token is not valid", scheme, detail=error.public) from error
        try:
            verified = _read(claims, issuer=self._issuer, digest=digest, key=header["kid"])
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


def _proved(
    verified: Presented, dpop: str | None, *, method: str, url: str, now: Instant,
    fresh: Callable[[object], bool] | None,
) -> Proof:  # fmt: skip
    if dpop is None:
        raise TokenInvalid("invalid_dpop_proof", "a DPoP proof is needed", "DPoP")
    try:
        proof = check_proof(dpop, method=method, url=url, now=now, token_hash=verified.hash, fresh=fresh)
    except NonceWanted as error:
        raise TokenInvalid("use_dpop_nonce", error.public, "DPoP") from error
    except ProofInvalid as error:
        raise TokenInvalid("invalid_dpop_proof", error.public, "DPoP", detail=error.detail) from error
    if proof.jkt != verified.jkt:
        # RFC 9449 section 4.3 step 12: a stolen token with the thief's own proof.
        raise TokenInvalid("invalid_dpop_proof", "the proof is by another key than the token is bound to", "DPoP")
    return proof


def _read(claims: Mapping[str, Any], *, issuer: str, digest: bytes, key: str) -> Presented:
    """The caller a verified token names; raises KeyError, TypeError or ValueError on any other claims than we issue."""
    links, delegation = _links(claims.get("delegation"))
    if claims["iss"] != issuer or claims["sub"] != (links[0].agent if links else claims["client_id"]):
        raise ValueError("another issuer or subject")
    if any(not isinstance(claims[name], str) for name in _TEXT_CLAIMS):
        raise TypeError("a claim is not text")
    if any(not isinstance(claims.get(name, ""), str) for name in ("txn", "consent", "person")):
        raise TypeError("a claim is not text")
    if claims["scope"] != f"purpose:{claims['purpose']}":
        raise ValueError("scope and purpose differ")
    if any(type(claims[name]) is not int for name in ("exp", "iat", "run_exp")):
        raise TypeError("a time is missing")
    audience = claims["aud"]
    names = frozenset([audience] if isinstance(audience, str) else audience)
    jkt, x5t = _bound(claims.get("cnf"))
    bound = jkt is not None or x5t is not None
    caller = Caller(
        agent=AgentName(claims["client_id"]),
        instance=InstanceId(claims["instance"]),
        credential=claims["cred"],
        purpose=PurposeName(claims["purpose"]),
        run=RunId(claims["run"]),
        token=claims["jti"],
        expires=Instant(claims["exp"] * SECOND),
        bound=bound,
        attested=min((_proved_at(claims), *(link.attested for link in links))),
        run_ends=Instant(claims["run_exp"] * SECOND),
        key=key,
        txn=claims.get("txn", ""),
        consent=claims.get("consent", ""),
        person=claims.get("person", ""),
        delegation=delegation,
        links=links,
    )
    issued = Instant(claims["iat"] * SECOND)
    own = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return Presented(caller, names, jkt, x5t, own, _may_act(claims.get("may_act")), issued)


def _proved_at(claims: Mapping[str, Any]) -> Instant:
    """When a registered key was proved for the token; never, for who showed a secret, or stands on a person's consent.

    That such a token is bound to a key says nothing: anybody makes one at the moment of asking.
    """
    return Instant(0 if claims["cred"].startswith(_KEYLESS) else claims["iat"] * SECOND)


def _seconds(value: object) -> Instant:
    if type(value) is not int:
        raise TypeError("a time is no whole number of seconds")
    return Instant(value * SECOND)


def _may_act(said: Mapping[str, Any] | None) -> frozenset[str]:
    """Whom the token lets act for its holder (RFC 8693 section 4.4); several names, where there are several."""
    named = () if said is None else said["sub"]
    return frozenset((named,) if isinstance(named, str) else named)


def _links(said: Mapping[str, Any] | None) -> tuple[tuple[Link, ...], str]:
    """For whom the caller acts, and the delegation's id."""
    if said is None:
        return (), ""
    links = tuple(
        Link(
            agent=AgentName(each["agent"]), instance=InstanceId(each["instance"]), credential=each["cred"],
            run=RunId(each["run"]), token=each["token"], attested=_seconds(each.get("attested", 0)),
            allow=canonical(each["allow"]).decode("utf-8") if "allow" in each else "",
        )
        for each in said["links"]
    )  # fmt: skip
    if not links:
        raise ValueError("a delegation by nobody")
    return links, said["id"]


def _bound(confirmation: object) -> tuple[str | None, str | None]:
    """What a token is bound to: the key, the certificate, or both. A `cnf` that says neither is none of ours."""
    if confirmation is None:
        return None, None
    if not isinstance(confirmation, Mapping):
        raise TypeError("cnf is no object")
    jkt, x5t = confirmation.get("jkt"), confirmation.get("x5t#S256")
    found = [each for each in (jkt, x5t) if each is not None]
    if not found or any(not isinstance(each, str) for each in found):
        raise TypeError("cnf names no key")
    return jkt, x5t
