"""Proofs of possession at a resource server: RFC 9449 sections 4.3, 7 and 9."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from remit.sdk import jws
from remit.sdk.access_token import TokenInvalid

WINDOW: Final = 60  # seconds that a proof's iat may be off, either way
_MAX_PROOF: Final = 4096
_MAX_JTI: Final = 256
_MOST: Final = 200_000  # proofs remembered: over 1,600 a second
_BUCKET: Final = 300  # seconds
_NONCE_SIZE: Final = 16
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class MemoryFull(Exception):
    """More proofs came than can be remembered, so no other is taken: 503."""


def check_proof(
    proof: str | None, *, method: str, url: str, now: int, token: str, jkt: str,
    fresh: Callable[[object], bool] | None = None,
) -> tuple[str, int]:  # fmt: skip
    """Check the proof that came with a token; what to remember of it, and until when (seconds since the epoch).

    Args:
        proof: The one value of the `DPoP` header, or None.
        method: The request's HTTP method.
        url: The request's target as the client sees it: scheme, host, port and path.
        now: Seconds since the epoch.
        token: The access token, which the proof's `ath` must be made for.
        jkt: What the token is bound to.
        fresh: Judges the proof's nonce; None where none is asked for.

    Raises:
        TokenInvalid: A step of section 4.3 fails; its number is the RFC's.
    """
    if proof is None:
        raise _invalid("a DPoP proof is needed")
    # (2)-(7) One well-formed JWT, typ dpop+jwt, a signature algorithm we take, a public key in `jwk`, its signature.
    try:
        claims, key = jws.verify(proof, typ=jws.PROOF, key=lambda _kid: None, max_size=_MAX_PROOF)
    except jws.JwsInvalid as error:
        raise _invalid("the proof is not a DPoP proof, or its signature is wrong") from error
    # (3) All required claims are there.
    jti, htu, iat = claims.get("jti"), claims.get("htu"), claims.get("iat")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI or type(iat) is not int:
        raise _invalid("the proof lacks jti or iat")
    # (8) The method it was made for. (9) The URI, without query and fragment, after normalisation.
    if claims.get("htm") != method:
        raise _invalid("the proof is for another method")
    if not isinstance(htu, str) or (wanted := normalise(url)) is None or normalise(htu) != wanted:
        raise _invalid("the proof is for another URI")
    # (11) Made now: within the window either way, because clocks differ and a proof made ahead is a stolen future.
    if not now - WINDOW < iat <= now + WINDOW:
        raise _invalid("the proof is too old or from the future")
    # (12) Made for this token, by the key it is bound to: a stolen token with the thief's own proof is refused.
    if claims.get("ath") != jws.base64url(hashlib.sha256(token.encode("ascii")).digest()):
        raise _invalid("the proof is for another token")
    if key.thumbprint != jkt:
        raise _invalid("the proof is by another key than the token is bound to")
    # (10) The nonce, last of all: who is told to make another proof with it can then be sure that it will do.
    if fresh is not None and not fresh(claims.get("nonce")):
        raise TokenInvalid("use_dpop_nonce", "the proof needs the nonce that this answer gives in DPoP-Nonce")
    seen = hashlib.sha256(f"{key.thumbprint} {jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return seen, iat + WINDOW


@dataclass(slots=True)
class Seen:
    """Which proofs were used (section 11.1). Of one process: several behind one address each have their own."""

    most: int = _MOST
    _until: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self, proof: str, until: int, *, now: int) -> None:
        """Note that a proof is used.

        Raises:
            TokenInvalid: It was used before.
            MemoryFull: It could not be remembered.
        """
        with self._lock:
            if proof in self._until:
                raise _invalid("the proof was used before")
            # The oldest stand first, near enough: one made ahead keeps those behind it for twice the window at most.
            while self._until and next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)
            if len(self._until) >= self.most:
                raise MemoryFull("more proofs came than can be remembered")
            self._until[proof] = until


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces of a resource server (section 9): a MAC over the stretch of time it was given out in. Nothing is stored.

    Args:
        key: At least 16 bytes; the same in every process that answers at one address.
    """

    key: bytes = field(repr=False)

    def current(self, now: int) -> str:
        """The newest one, for an answer's `DPoP-Nonce`."""
        return self._mac(now // _BUCKET)

    def fresh(self, presented: object, *, now: int) -> bool:
        """Whether it was given out within this stretch or the one before."""
        if not isinstance(presented, str) or not presented.isascii():
            return False
        buckets = {now // _BUCKET, (now - _BUCKET) // _BUCKET, (now + WINDOW) // _BUCKET}
        return sum(hmac.compare_digest(self._mac(bucket), presented) for bucket in buckets) > 0

    def _mac(self, bucket: int) -> str:
        return jws.base64url(hmac.digest(self.key, bucket.to_bytes(8, "big"), "sha256")[:_NONCE_SIZE])


def normalise(url: str) -> str | None:
    """`url` after RFC 3986 sections 6.2.2 and 6.2.3, without query and fragment; None if it is no absolute http URL.

    Dot segments are left alone: a path that has them is no path of anybody's.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or "@" in parts.netloc:
        return None
    shown = "" if port in (None, _DEFAULT_PORT[parts.scheme]) else f":{port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{shown}{_ESCAPE.sub(_decoded, parts.path) or '/'}"


def _decoded(match: re.Match[str]) -> str:
    char = chr(int(match[0][1:], 16))
    return char if char in _UNRESERVED else match[0].upper()


def _invalid(description: str) -> TokenInvalid:
    return TokenInvalid("invalid_dpop_proof", description)
