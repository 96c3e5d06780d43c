"""One token has one spelling: no padding, no other base64, no spaces, no trailing bits."""

from __future__ import annotations

from typing import Any

import pytest

from remit.tokens.check import TokenInvalid

TOOLS_URL = "http://remit.test/mcp/payments"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def other_spellings(token: str) -> list[str]:
    head, body, signature = token.split(".")
    last = ALPHABET.index(signature[-1])
    loose = signature[:-1] + ALPHABET[last ^ 1]  # differs only in bits that are no part of the signature
    return [
        f"{token}=",
        f"{token}==",
        f"{head}=.{body}.{signature}",
        f"{head}.{body}=.{signature}",
        f"{head}.{body}.{loose}",
        f"{token}.",
        f".{token}",
        f"{token}\n",
        f"{token} ",
        f"{head}.{body}.{signature[:10]}\n{signature[10:]}",
        f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}+",
        f"{head}..{signature}",
        f"{token}, {token}",
        token + "\u00a0",
    ]


@pytest.mark.requirement("jose:grammar")
def test_another_spelling_of_a_good_token_is_no_token(world: Any, resource: Any) -> None:
    token = world.token()
    for text in other_spellings(token):
        with pytest.raises(TokenInvalid) as caught:
            world.check(token, authorization=f"DPoP {text}")
        assert caught.value.error == "invalid_token", text
        if text.strip(" \n") != token:  # RFC 9110 section 5.5: white space at its ends is no part of a field's value
            resource.refuses(authorization=f"DPoP {text}", proof=world.proof(url=TOOLS_URL, token=token))
    assert world.check(token)


def test_another_spelling_of_a_used_assertion_is_no_second_one(world: Any) -> None:
    assertion = world.assertion()
    assert world.post(world.form(client_assertion=assertion)).status_code == 200
    spellings = [text for text in other_spellings(assertion) if text.isascii()]
    for text in spellings:
        answer = world.post(world.form(client_assertion=text))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), text
    assert len(world.entries("token")) == 1
    assert len(world.entries("refused")) == len(spellings)


def test_another_spelling_of_a_used_proof_is_no_second_one(world: Any) -> None:
    proof = world.proof()
    assert world.post(proof=proof).status_code == 200
    for text in other_spellings(proof):
        if text.isascii() and text.isprintable() and text == text.strip():
            before = len(world.entries("refused"))
            assert world.post(proof=text).status_code == 400, text
            (entry,) = world.entries("refused")[before:]
            assert (entry["error"], entry["agent"]) == ("invalid_dpop_proof", "invoice-bot")
    assert len(world.entries("token")) == 1
