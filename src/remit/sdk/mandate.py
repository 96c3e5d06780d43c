"""The mandate: what an agent may do now, read once, verified offline, and asked before each call.

    mandate = fetch(url, auth)              # or: verify(token, jwks, issuer=url)
    if mandate.allows("payments/transfer", {"amount": Decimal("125.50"), "currency": "EUR"}): ...

It plans; it does not decide. Remit still decides each call, and may say no where this says yes:
a freeze, a spent budget, a policy that asks for more than arguments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import httpx2
import jsonschema_rs

from remit.sdk import jws
from remit.sdk.arguments import NotTellable
from remit.sdk.climbing import KEYWORDS
from remit.sdk.exact import as_sent, inexact
from remit.sdk.grant import base_url

TYPE: Final = "remit-mandate+jwt"
_SECONDS: Final = 30.0
_SKEW: Final = 60  # seconds that this machine's clock may be behind
_MAX_SIZE: Final = 8 << 20
_OK: Final = 200
# Beside one of these words an object's properties are not all it may have; else Remit takes no others.
_OPEN: Final = frozenset({
    "additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "$dynamicRef", "allOf", "anyOf",
    "oneOf", "if", "dependentSchemas", "dependencies",
})  # fmt: skip


class MandateInvalid(ValueError):
    """It is no mandate of that Remit, or not of now."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """A verified mandate. `claims` keep to the schema at `/schemas/mandate.json`; numbers are exact."""

    claims: Mapping[str, Any]
    token: str = field(repr=False)

    @property
    def expires(self) -> int:
        """When it has to be read again, in seconds since the epoch."""
        return int(self.claims["exp"])

    @property
    def actions(self) -> tuple[str, ...]:
        """All actions in it, usable now or not."""
        return tuple(each["action"] for each in self.claims["actions"])

    def allows(self, action: str, arguments: Mapping[str, Any], *, now: float | None = None) -> bool:
        """Whether nothing in the mandate speaks against the call."""
        return not self.problems(action, arguments, now=now)

    def problems(self, action: str, arguments: Mapping[str, Any], *, now: float | None = None) -> list[str]:
        """What speaks against the call; empty if nothing does.

        Args:
            action: `server/tool`.
            arguments: The call's arguments; numbers as int or Decimal. They are looked at as they would be sent.
            now: Seconds since the epoch; None reads the clock.
        """
        if (time.time() if now is None else now) >= self.expires:
            return ["the mandate has expired: read it again"]
        if self.claims["freeze"]["frozen"]:
            return ["frozen: " + ", ".join(self.claims["freeze"]["on"])]
        found = next((each for each in self.claims["actions"] if each["action"] == action), None)
        if found is None:
            return [f"{action} is not in the mandate"]
        if found["refused"] is not None:
            return [f"every call is refused: {found['refused']}"]
        if not found["usable"] and found["starts"] not in ("by_itself", "attest"):
            return [f"the entitlement is {found['state']} and waits for: {found['starts']}"]
        return _against_arguments(found, arguments)


def verify(token: str, jwks: Mapping[str, Any], *, issuer: str, now: float | None = None) -> Mandate:
    """Check a mandate with Remit's public keys, without asking anybody.

    Args:
        token: The JWS, as `GET /v1/me/mandate` answers it.
        jwks: The keys at `/oauth2/jwks`, kept from before.
        issuer: Remit's own URL.
        now: Seconds since the epoch; None reads the clock.

    Raises:
        MandateInvalid: Wrong form, type, key, signature, issuer or time.
    """
    moment = time.time() if now is None else now
    # (1) Of the type asked for (RFC 8725 section 3.11). (2) The signature, before the claims are looked at.
    try:
        claims, _ = jws.verify(token, typ=TYPE, key=lambda kid: _key(jwks, kid), max_size=_MAX_SIZE)
    except jws.JwsInvalid as error:
        raise MandateInvalid(str(error)) from error
    # (3) Whose, and when.
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("iss") != issuer:
        raise MandateInvalid("the mandate is another Remit's")
    if type(issued) is not int or type(expires) is not int or not issued - _SKEW <= moment < expires:
        raise MandateInvalid("the mandate is not of now")
    return Mandate(claims, token)


def fetch(url: str | None, auth: httpx2.Auth) -> Mandate:
    """Read and verify one's own mandate.

    Args:
        url: Remit's URL; None means `REMIT_URL`.
        auth: The agent's `AgentAuth`, for no single server.

    Raises:
        MandateInvalid: What came is none.
        httpx2.HTTPError: Remit cannot be reached, or refused.
    """
    base = base_url(url)
    with httpx2.Client(auth=auth, timeout=_SECONDS, trust_env=False) as client:
        answer = client.get(f"{base}/v1/me/mandate")
        keys = client.get(f"{base}/oauth2/jwks")
    answer.raise_for_status()
    keys.raise_for_status()
    if answer.status_code != _OK:
        raise MandateInvalid(f"HTTP status {answer.status_code}")
    return verify(answer.text, keys.json(), issuer=base)


def _against_arguments(action: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    try:
        sent = as_sent(arguments)
    except NotTellable as error:
        return [str(error)]
    limits = "no exponent, at most 4 digits after the point, at most 18 digits"
    unread = [f"{path} is no exact number: {limits}" for path in inexact(sent)]
    return unread or _misfits(action, sent) or _over(action, sent)


def _misfits(action: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    schema, others = action["input_schema"], action.get("alternatives", ())
    said = [error.message for error in _validator(schema).iter_errors(arguments)]
    fits = not others or any(_validator(each).is_valid(arguments) for each in others)
    return said or ([] if fits else ["the arguments fit none of the alternatives"])


def _validator(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the library's, which has no common type
    return jsonschema_rs.validator_for(closed(schema), keywords=KEYWORDS, offline=True)


def _over(action: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What every boundary has against arguments that fit: a limit that is used up, a person who must approve."""
    flow = action.get("flow")
    if flow and flow["carries_out"] and flow["tainted"]:
        return ["untrusted or private content was read for this purpose, and this carries data out"]
    against = [list(_against(grant, arguments)) for grant in action["granted_by"]]
    return [] if any(not found for found in against) else [text for found in against for text in found]


def _against(grant: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[str]:
    if grant["approval_each_call"]:
        yield "a person must approve each call"
    for each in grant["approval"]:
        value = _decimal(arguments.get(each["argument"]))
        if value is None or value > Decimal(each["above"]):
            yield f"a person must approve {each['argument']} above {each['above']}"
    for limit in grant["limits"]:
        asked = _decimal(arguments.get(limit["argument"])) if limit["kind"] == "budget" else Decimal(1)
        if limit["left"] is not None and (asked is None or asked > Decimal(limit["left"])):
            yield f"{limit['left']} of {limit['max']} left per {limit['per']}"


def closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON Schema
    """`schema` as Remit reads it: an object that lists its properties takes no others, unless it says so."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return schema
    found = schema | {"properties": {name: closed(member) for name, member in schema["properties"].items()}}
    return found | ({"additionalProperties": False} if _OPEN.isdisjoint(schema) else {})


def _key(jwks: Mapping[str, Any], kid: str) -> jws.PublicKey | None:
    """The key that a header names; of several by one name, the first."""
    for jwk in jwks.get("keys", ()):
        if isinstance(jwk, Mapping) and jwk.get("kid") == kid:
            return jws.public_key(jwk)
    raise jws.JwsInvalid("the mandate's key is unknown: read /oauth2/jwks again")


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
