"""A refresh token that was rotated away comes again: who has the newer one, the client or a thief, nobody can tell."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from tests.at_once import Ask, at_once
from tests.interaction.tokens.consent_world import EDITOR, ConsentWorld

from remit.kernel.clock import SECOND
from remit.tokens.form import MEDIA_TYPE, parse_form

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def people(world: Any) -> ConsentWorld:
    return ConsentWorld(world)


@pytest.mark.requirement("refresh:reuse")
def test_the_second_use_ends_the_whole_family(people: ConsentWorld) -> None:
    first = people.tokens()
    second = people.renew(first["refresh_token"]).json()
    other = people.tokens()  # of the same consent, on another machine
    assert people.good(first["access_token"])
    assert people.good(second["access_token"])
    answer = people.renew(first["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.json()["error_description"] == "the refresh token is not valid"
    assert not people.good(first["access_token"])
    assert not people.good(second["access_token"])
    assert people.renew(second["refresh_token"]).status_code == 400
    assert people.good(other["access_token"])
    assert people.renew(other["refresh_token"]).status_code == 200
    (ended,) = people.entries("change", what="token_family")
    assert (ended["change"], ended["reason"], ended["agent"]) == ("revoke", "refresh token used twice", "editor-bot")
    assert len(ended["tokens"]) == 2
    (refused,) = people.entries("refused", reason="refresh token used twice")
    assert (refused["error"], refused["agent"]) == ("invalid_grant", "editor-bot")


@pytest.mark.requirement("refresh:reuse")
def test_of_fifty_at_once_one_succeeds_and_its_family_ends(people: ConsentWorld) -> None:
    """Two services that share nothing but the database, fifty threads, one refresh token."""
    tokens = people.tokens()
    services = [people.service, people.serve()]
    body = urlencode(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": EDITOR}
    ).encode()
    form = parse_form(body, media_type=MEDIA_TYPE)

    def question(number: int) -> Ask:
        return lambda: services[number % 2].token(form, dpop=None, url=f"{people.world.base}/oauth2/token")

    won, lost = at_once(50, question)
    assert (len(won), len(lost)) == (1, 49)
    assert {refused.error.value for refused in lost} == {"invalid_grant"}
    assert not people.good(won[0]["access_token"])
    assert people.renew(won[0]["refresh_token"]).status_code == 400
    (ended,) = people.entries("change", what="token_family")
    assert ended["reason"] == "refresh token used twice"
    assert len(people.entries("token", grant="refresh_token")) == 1


@pytest.mark.requirement("code:once")
def test_a_code_used_twice_ends_what_came_of_its_first_use(people: ConsentWorld) -> None:
    code = people.code()
    tokens = people.redeem(code).json()
    renewed = people.renew(tokens["refresh_token"]).json()
    answer = people.redeem(code, code_verifier="x" * 43)  # a thief has no verifier, and is noticed all the same
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    for each in (tokens, renewed):
        assert not people.good(each["access_token"])
        assert people.renew(each["refresh_token"]).status_code == 400
    (ended,) = people.entries("change", what="token_family")
    assert ended["reason"] == "authorization code used twice"
    assert len(people.entries("refused", reason="authorization code used twice")) == 1


@pytest.mark.requirement("code:expires")
def test_a_code_lives_a_minute(people: ConsentWorld) -> None:
    code = people.code()
    people.world.clock.at += 60 * SECOND
    answer = people.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    (entry,) = people.entries("refused")
    assert entry["reason"] == "the code has expired"


def test_another_client_gains_nothing_and_ends_nothing(people: ConsentWorld) -> None:
    """What is issued to another is refused before it is used; else any client could end any other's family."""
    code = people.code()
    assert people.redeem(code, client_id="https://client.example/metadata.json").status_code == 400
    tokens = people.redeem(code).json()
    assert people.renew(tokens["refresh_token"], client_id="https://client.example/metadata.json").status_code == 400
    assert [each["reason"] for each in people.entries("refused")] == ["issued to another client"] * 2
    assert people.good(tokens["access_token"])
    assert people.renew(tokens["refresh_token"]).status_code == 200
