"""An authorization request that leaves out PKCE, or would have its answer sent elsewhere; an answer without `iss`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.tokens.consent_world import BACK, EDITOR, PORTED, URL, VERIFIER, WEB, ConsentWorld

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def people(world: Any) -> ConsentWorld:
    return ConsentWorld(world)


@pytest.mark.requirement("authorize:pkce")
@pytest.mark.requirement("authorize:iss")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "code_challenge is missing: PKCE is needed"),
        ({"code_challenge": None}, "code_challenge is missing: PKCE is needed"),
        ({"code_challenge_method": None}, "the code_challenge_method is S256"),
        ({"code_challenge_method": "plain"}, "the code_challenge_method is S256"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "the code_challenge_method is S256"),
        ({"code_challenge_method": "s256"}, "the code_challenge_method is S256"),
        ({"code_challenge": "x" * 42}, "code_challenge is not the base64url of a SHA-256"),
    ],
)
def test_without_pkce_there_is_no_question(people: ConsentWorld, changes: dict[str, Any], reason: str) -> None:
    told = people.returned(people.ask(**changes))
    assert told == {
        "error": "invalid_request", "error_description": reason, "state": "af0ifjsldkj", "iss": people.world.base
    }  # fmt: skip
    (entry,) = people.entries("refused")
    assert (entry["door"], entry["error"], entry["reason"]) == ("authorize", "invalid_request", reason)
    assert entry["by"] == "dana"
    assert people.entries("change", what="consent") == []


@pytest.mark.requirement("authorize:redirect-exact")
@pytest.mark.parametrize(
    ("client", "redirect"),
    [
        (EDITOR, f"{BACK}/x"), (EDITOR, f"{BACK}?next=https://evil.test"), (EDITOR, "http://127.0.0.1:1@evil.test/callback"),
        (EDITOR, "http://127.0.0.1.evil.test/callback"), (EDITOR, "http://localhost/callback"),
        (EDITOR, "https://127.0.0.1/callback"), (EDITOR, "http://127.0.0.1:50123/callback/../x"), (EDITOR, WEB),
        (URL, f"{WEB}x"), (URL, f"{WEB}/.."), (URL, "https://client.example:444/callback"),
        (URL, "https://CLIENT.example/callback"), (URL, "https://client.example"), (URL, f"{WEB}#x"),
        (EDITOR, "javascript:alert(1)"),
    ],
)  # fmt: skip
def test_nothing_is_sent_where_the_client_did_not_say(people: ConsentWorld, client: str, redirect: str) -> None:
    answer = people.ask(client_id=client, redirect_uri=redirect)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    (entry,) = people.entries("refused")
    reason = "the redirect_uri is not one that this client registered"
    assert (entry["error"], entry["reason"]) == ("invalid_request", reason)


@pytest.mark.requirement("authorize:iss")
@pytest.mark.requirement("authorize:state")
def test_every_answer_says_who_gives_it(people: ConsentWorld) -> None:
    """RFC 9207: a client of two servers is never made to send one's code to the other."""
    given = people.returned(people.press(people.ask()))
    denied = people.returned(people.press(people.ask(), "no"))
    refused = people.returned(people.ask(scope="purpose:other"))
    for told in (given, denied, refused):
        assert (told["iss"], told["state"]) == (people.world.base, "af0ifjsldkj")
    assert given.keys() == {"code", "state", "iss"}
    assert (denied["error"], refused["error"]) == ("access_denied", "invalid_scope")


@pytest.mark.requirement("code:verifier")
@pytest.mark.parametrize("verifier", [None, "", VERIFIER[:-1], VERIFIER + "x", "x" * 43, "\u00e9" * 43])
def test_a_stolen_code_is_worth_nothing_without_its_verifier(people: ConsentWorld, verifier: str | None) -> None:
    code = people.code()
    answer = people.redeem(code, code_verifier=verifier)
    assert answer.status_code == 400
    assert answer.json()["error"] == ("invalid_grant" if verifier else "invalid_request")
    (entry,) = people.entries("refused")
    assert entry["reason"] == ("wrong code_verifier" if verifier else "code_verifier is missing")
    assert people.redeem(code).status_code == 200  # and its owner has lost nothing


@pytest.mark.requirement("code:redirect")
@pytest.mark.parametrize("redirect", [None, BACK, f"{PORTED}/x", WEB])
def test_a_code_is_redeemed_with_the_address_it_was_sent_to(people: ConsentWorld, redirect: str | None) -> None:
    answer = people.redeem(people.code(), redirect_uri=redirect)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    (entry,) = people.entries("refused")
    assert entry["reason"] == "another redirect_uri"
