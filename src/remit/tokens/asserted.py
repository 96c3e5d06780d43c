"""What an authorization assertion says: RFC 7523 section 3, and ID-JAG section 4.4.1 (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.agents.bindings.id_jag import ID_JAG, JWT_BEARER
from remit.attestation.assertion import AssertionRefused, claimed
from remit.attestation.oidc import MAX_SIZE
from remit.kernel.clock import Instant
from remit.storage.model import ConsumeProof
from remit.tokens.details import TYPE as DETAILS
from remit.tokens.form import one
from remit.tokens.model import Form, OAuthError, TokenRefused

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TYPE_ID_JAG: Final = "oauth-id-jag+jwt"
PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"
_MOST: Final = 1024
_PREFIX: Final = "purpose:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A good assertion."""

    profile: str  # ID_JAG or JWT_BEARER
    issuer: str
    subject: str
    client: str | None  # the client it was made for
    jkt: str | None  # the key it is bound to
    purposes: frozenset[str] | None  # that its scope and details name; None: it names none
    resources: tuple[str, ...] | None  # likewise
    use: ConsumeProof


def peek(assertion: str) -> tuple[Mapping[str, Any], str]:
    """The header, its `typ` in the plain spelling, and the issuer that it claims to be from. Nothing is verified.

    Raises:
        AssertionRefused: It is no such thing.
    """
    header, claims = claimed(assertion, most=MAX_SIZE)
    issuer, typ = claims.get("iss"), header.get("typ", "")
    if not isinstance(issuer, str) or not isinstance(typ, str):
        raise AssertionRefused("the assertion names no issuer")
    return {**header, "typ": typ.lower().removeprefix("application/")}, issuer


def said(claims: Mapping[str, Any], *, header: Mapping[str, Any], issuer: str, audience: str, ends: Instant) -> Said:
    """What the verified claims say.

    Args:
        claims: The payload; its times were checked.
        header: With `typ`.
        issuer: The trusted issuer's own identifier.
        audience: This deployment's issuer identifier.
        ends: When it need not be remembered any more.

    Raises:
        AssertionRefused: It is not for this server, or lacks what it must say.
    """
    # (3) By the issuer whose keys signed it, for this authorization server and no other (RFC 7523 section 3 item 3).
    if claims.get("iss") != issuer or claims.get("aud") not in (audience, [audience]):
        raise AssertionRefused("iss is not the trust's issuer, or aud not this deployment alone")
    # (4) Whom it is about, and that it can be told from every other: it is used once.
    subject, jti = _text(claims, "sub"), _text(claims, "jti")
    digest = hashlib.sha256(f"{issuer} {jti}".encode("utf-8", "surrogatepass")).hexdigest()
    # (5) The client, the key and the reach, where it says them. What is said and not understood is refused.
    profile = ID_JAG if header["typ"] == TYPE_ID_JAG else JWT_BEARER
    return Said(
        profile=profile,
        issuer=issuer,
        subject=subject,
        client=_text(claims, "client_id") if profile == ID_JAG else None,
        jkt=_key(claims.get("cnf")),
        purposes=_purposes(claims),
        resources=_resources(claims.get("resource")),
        use=ConsumeProof(f"grant:{digest}", ends),
    )


def narrowed(form: Form, found: Said) -> Form:
    """The request, with what it left open taken from the assertion.

    Raises:
        TokenRefused: It asks for something that the assertion is not for.
    """
    filled = dict(form)
    if found.resources is not None:
        wanted = filled.setdefault("resource", found.resources)
        if not set(wanted) <= set(found.resources):
            raise TokenRefused(OAuthError.INVALID_TARGET, "the assertion is for another resource")
    if found.purposes is not None:
        scope = one(form, "scope")
        if scope is None and len(found.purposes) == 1:
            (only,) = found.purposes
            filled["scope"] = (_PREFIX + only,)
        elif scope is None or scope.removeprefix(_PREFIX) not in found.purposes:
            raise TokenRefused(OAuthError.INVALID_SCOPE, "the assertion is for another purpose")
    return filled


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MOST:
        raise AssertionRefused(f"{name} is missing, or too long")
    return value


def _key(confirmation: object) -> str | None:
    if confirmation is None:
        return None
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jkt"} or not isinstance(confirmation["jkt"], str):
        raise AssertionRefused("cnf is not a key's thumbprint")
    found: str = confirmation["jkt"]
    return found


def _purposes(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """The purposes that both `scope` and `authorization_details` name, as far as the assertion has them."""
    scope, details = claims.get("scope"), claims.get("authorization_details")
    named = []
    if scope is not None:
        if not isinstance(scope, str):
            raise AssertionRefused("scope is not text")
        named.append({each.removeprefix(_PREFIX) for each in scope.split() if each.startswith(_PREFIX)})
    if details is not None:
        if not isinstance(details, list) or not all(isinstance(each, dict) for each in details):
            raise AssertionRefused("authorization_details is not a list of objects")
        named.append({str(each.get("purpose")) for each in details if each.get("type") == DETAILS})
    return frozenset(set.intersection(*named)) if named else None


def _resources(resource: object) -> tuple[str, ...] | None:
    if resource is None:
        return None
    found = [resource] if isinstance(resource, str) else resource
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise AssertionRefused("resource is not a URI")
    return tuple(found)
