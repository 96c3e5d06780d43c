"""Proofs of possession: RFC 9449 section 4.3, as far as one request shows it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import RemitError
from remit.keys import jose
from remit.storage.model import ConsumeProof
from remit.tokens.model import PROOF_WINDOW

ALGORITHMS: Final = ("ES256", "Ed25519")
_MAX_PROOF: Final = 4096
_MAX_JTI: Final = 256
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class ProofInvalid(RemitError):
    """A proof that proves nothing. The reason names the step, and is safe to show to the prover."""

    code = "unauthenticated"


class NonceWanted(ProofInvalid):
    """It would do, but that it has no nonce of ours, or an old one: the prover makes another, with the one it is given.

    RFC 9449 sections 8 and 9.
    """

    def __init__(self) -> None:
        super().__init__("the proof needs the nonce that this answer gives in DPoP-Nonce")


@dataclass(frozen=True, slots=True)
class Proof:
    """A good proof: which key made it, and the effect that lets it be used once."""

    jkt: str  # RFC 7638 thumbprint of the proof's key
    use: ConsumeProof


def check_proof(
    proof: str,
    *,
    method: str,
    url: str,
    now: Instant,
    token_hash: str | None,
    fresh: Callable[[object], bool] | None = None,
) -> Proof:
    """Check a proof against the request it came with.

    The caller must make `use` commit with whatever the request causes (step 11 of the RFC's
    list, the single use of `jti`), and compare `jkt` with what the token is bound to (step 12).

    Args:
        proof: The one value of the `DPoP` header.
        method: The request's HTTP method.
        url: The request's target as the client sees it: scheme, host, port and path.
        now: The time to judge at.
        token_hash: base64url SHA-256 of the access token the proof accompanies; None at the token endpoint.
        fresh: Judges the proof's nonce (`tokens/nonce`); None where none is asked for.

    Raises:
        NonceWanted: The nonce is missing or old, and all else is good.
        ProofInvalid: A step fails; its number is the RFC's.
    """
    # (2)-(7) One well-formed JWT, typ dpop+jwt, a signature algorithm we take, a public key in `jwk`, its signature.
    try:
        _, claims = jose.verify(proof, typ=jose.PROOF, algorithms=ALGORITHMS, key=_never, max_size=_MAX_PROOF)
    except jose.JoseInvalid as error:
        raise ProofInvalid("the proof is not a DPoP proof, or its signature is wrong", detail=error.public) from error
    # (3) All required claims are there.
    jti, htm, htu, iat = claims.get("jti"), claims.get("htm"), claims.get("htu"), claims.get("iat")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI or not isinstance(iat, int):
        raise ProofInvalid("the proof lacks jti or iat")
    # (8) The method it was made for. (9) The URI, without query and fragment, after normalisation.
    if htm != method:
        raise ProofInvalid("the proof is for another method")
    if not isinstance(htu, str) or (htu != url and not _same(htu, url)):
        raise ProofInvalid("the proof is for another URI")
    # (11) Made now: within the window either way, because clocks differ and a proof made ahead is a stolen future.
    made = iat * SECOND
    if not now - PROOF_WINDOW < made <= now + PROOF_WINDOW:
        raise ProofInvalid("the proof is too old or from the future")
    # (12) Made for this token: else a proof seen with one token would open another.
    if token_hash is not None and claims.get("ath") != token_hash:
        raise ProofInvalid("the proof is for another token")
    # (10) The nonce, last of all: who is told to make another proof with it can then be sure that it will do.
    if fresh is not None and not fresh(claims.get("nonce")):
        raise NonceWanted
    jkt = jose.proof_key(proof).thumbprint
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
    return Proof(jkt, ConsumeProof(f"dpop:{jkt}:{digest}", Instant(made + PROOF_WINDOW)))


def _never(_header: object) -> None:
    return None


def _same(left: str, right: str) -> bool:
    one, other = normalise(left), normalise(right)
    return one is not None and one == other


@lru_cache(maxsize=1024)
def normalise(url: str) -> str | None:
    """`url` after RFC 3986 sections 6.2.2 and 6.2.3, without query and fragment; None if it is no absolute http URL.

    Case of scheme and host, the default port, an empty path and needless percent-encoding do
    not count. Dot segments are left alone: a path that has them is no path of ours.
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
    path = _ESCAPE.sub(_decoded, parts.path) or "/"
    return f"{parts.scheme}://{host}{shown}{path}"


def _decoded(match: re.Match[str]) -> str:
    char = chr(int(match[0][1:], 16))
    return char if char in _UNRESERVED else match[0].upper()
