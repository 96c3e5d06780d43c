"""The mandate in the SDK: verified offline, and asked before a call."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from remit.keys import jose
from remit.keys.base64url import encode
from remit.sdk.mandate import MandateInvalid, closed, verify

KEY = jose.private_key(jose.generate("ES256"))
ISSUER = "https://remit.example.test"
NOW = 1_800_000_000
JWKS = {"keys": [dict(KEY.public.jwk)]}
SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number", "maximum": Decimal("500.5")}, "currency": {"enum": ["EUR", "USD"]}},
    "required": ["amount"],
}


def grant(**changes: Any) -> dict[str, Any]:
    return {"limits": [], "approval": [], "approval_each_call": False} | changes


def action(**changes: Any) -> dict[str, Any]:
    found = {"action": "payments/transfer", "refused": None, "usable": True, "state": "active", "starts": None,
             "input_schema": SCHEMA, "granted_by": [grant()]}  # fmt: skip
    return found | changes


def claims(*actions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = {"iss": ISSUER, "sub": "bot", "iat": NOW, "exp": NOW + 300, "freeze": {"frozen": False, "on": []},
             "actions": list(actions or [action()])}  # fmt: skip
    return found | changes


def signed(said: dict[str, Any], typ: str = "remit-mandate+jwt") -> str:
    return jose.sign(said, typ=typ, key=KEY)


def problems(said: dict[str, Any], arguments: dict[str, Any], name: str = "payments/transfer") -> list[str]:
    mandate = verify(signed(said), JWKS, issuer=ISSUER, now=NOW)
    found = mandate.problems(name, arguments, now=NOW)
    assert mandate.allows(name, arguments, now=NOW) == (not found)
    return found


def test_a_good_one_says_what_is_allowed() -> None:
    assert problems(claims(), {"amount": Decimal("500.5"), "currency": "EUR"}) == []
    assert problems(claims(), {"amount": Decimal("500.51")})
    assert problems(claims(), {"amount": 5, "currency": "CHF"})
    assert problems(claims(), {"currency": "EUR"})
    assert problems(claims(), {"amount": 5, "unknown": 1})
    assert problems(claims(), {"amount": 5}, "payments/delete_all")


@pytest.mark.parametrize(
    "said",
    [
        claims(freeze={"frozen": True, "on": ["agent"]}),
        claims(action(refused="tool_definition_changed")),
        claims(action(usable=False, state="new", starts="owner")),
        claims(action(alternatives=[{"properties": {"amount": {"maximum": 1}}}, {"required": ["currency"]}])),
        claims(action(granted_by=[grant(approval_each_call=True)])),
        claims(action(flow={"returns": [], "carries_out": True, "tainted": True})),
        claims(action(granted_by=[grant(limits=[{"kind": "volume", "per": "day", "max": 3, "left": 0}])])),
        claims(action(granted_by=[grant(approval=[{"argument": "amount", "above": "4.99"}])])),
        claims(action(granted_by=[grant(limits=[{"kind": "rate", "per": "min", "max": 3, "left": 0}])])),
        claims(
            action(
                granted_by=[
                    grant(limits=[{"kind": "budget", "argument": "amount", "per": "day", "max": "9", "left": "4.99"}])
                ]
            )
        ),
    ],
)
def test_what_speaks_against_a_call_is_said(said: dict[str, Any]) -> None:
    assert problems(said, {"amount": 5})


@pytest.mark.parametrize(
    "said",
    [
        claims(action(usable=False, state="lapsed", starts="by_itself")),
        claims(action(alternatives=[{"properties": {"amount": {"maximum": 1}}}, {"required": ["amount"]}])),
        claims(action(granted_by=[grant(approval_each_call=True), grant()])),
        claims(action(flow={"returns": ["private"], "carries_out": False, "tainted": True})),
        claims(action(flow={"returns": [], "carries_out": True, "tainted": None})),
        claims(action(granted_by=[grant(limits=[{"kind": "volume", "per": "day", "max": 3, "left": 1}])])),
        claims(action(granted_by=[grant(limits=[{"kind": "rate", "per": "min", "max": 3, "left": None}])])),
        claims(action(granted_by=[grant(approval=[{"argument": "amount", "above": "5.00"}])])),
    ],
)
def test_what_does_not_speak_against_it_lets_it_pass(said: dict[str, Any]) -> None:
    assert problems(said, {"amount": 5}) == []


def test_numbers_are_read_exactly() -> None:
    mandate = verify(signed(claims()), JWKS, issuer=ISSUER, now=NOW)
    assert mandate.claims["actions"][0]["input_schema"]["properties"]["amount"]["maximum"] == Decimal("500.5")
    assert mandate.actions == ("payments/transfer",)


def test_an_old_one_allows_nothing() -> None:
    mandate = verify(signed(claims()), JWKS, issuer=ISSUER, now=NOW + 299)
    assert mandate.allows("payments/transfer", {"amount": 5}, now=NOW + 299)
    assert not mandate.allows("payments/transfer", {"amount": 5}, now=NOW + 300)


def forged(**header: Any) -> str:
    named = encode(json.dumps({"alg": "ES256", "typ": "remit-mandate+jwt", "kid": KEY.kid} | header).encode())
    return ".".join((named, *signed(claims()).split(".")[1:]))


OTHER = jose.private_key(jose.generate("ES256"))
HEAD, BODY, SIGNATURE = signed(claims()).split(".")


@pytest.mark.parametrize(
    ("token", "moment"),
    [
        (signed(claims()), NOW + 300),
        (signed(claims()), NOW - 61),
        (signed(claims(), typ="at+jwt"), NOW),
        (signed(claims(iss="https://other.example.test")), NOW),
        (signed(claims(exp="soon")), NOW),
        (jose.sign(claims(), typ="remit-mandate+jwt", key=OTHER), NOW),
        (f"{HEAD}.{encode(json.dumps(claims(sub='boss'), default=float).encode())}.{SIGNATURE}", NOW),
        (f"{HEAD}.{BODY}.{SIGNATURE[:-4]}", NOW),
        (f"{HEAD}.{BODY}.", NOW),
        (f"{HEAD}.{BODY}", NOW),
        (forged(alg="none"), NOW),
        (forged(alg="HS256"), NOW),
        (forged(crit=["b64"], b64=False), NOW),
        (forged(jku="https://evil.example"), NOW),
        (forged(kid=None), NOW),
        ("", NOW),
        ("a.b.c", NOW),
    ],
)
def test_anything_else_is_refused(token: str, moment: int) -> None:
    with pytest.raises(MandateInvalid):
        verify(token, JWKS, issuer=ISSUER, now=moment)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [dict(KEY.public.jwk) | {"x": "AA"}]}])
def test_without_the_right_key_nothing_is_believed(keys: dict[str, Any]) -> None:
    with pytest.raises(MandateInvalid):
        verify(signed(claims()), keys, issuer=ISSUER, now=NOW)


def test_it_closes_schemas_as_the_server_does() -> None:
    from remit.policy.arguments import _closed  # noqa: PLC0415 - the SDK may not import it, so a test compares them

    nested = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}, "c": {"anyOf": []}}}
    for schema in (SCHEMA, nested, nested | {"allOf": []}, {"type": "object"}, nested | {"additionalProperties": {}}):
        assert closed(schema) == _closed(schema)
