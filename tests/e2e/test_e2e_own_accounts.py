"""People lend their own accounts to agents that act for them: a real Remit and a real authorization server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from tests.e2e.own_accounts import REDIRECT, Place, standing
from tests.e2e.running import PATIENCE, Home

from remit.keys.base64url import digest


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Iterator[Place]:
    with standing(home, tmp_path) as found:
        yield found


def refused(said: tuple[int, Any]) -> str:
    """The title of a denial that says that a person has to do something."""
    status, body = said
    assert (status, body["code"], body["retryable"]) == (403, "step_up_required", False), body
    return str(body["title"])


def test_an_agent_acts_with_the_account_of_the_person_behind_it(place: Place) -> None:
    assert refused(place.mail()) == "dana must connect their own account"
    assert place.got("called") == []
    page = place.connect("dana", "dana.reyes")
    assert "Connected, as dana" in page
    place.connect("lee", "lee.okafor")
    assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.mail("lone") == (200, {"user": "lee.okafor"})
    assert refused(place.mail(server="strict")) == "no person stands behind this call"
    listed = place.remit("secret", "list", "--json")
    (row,) = (each for each in listed.json["secrets"] if each["secret"] == "mail-client")
    assert [(each["person"], each["state"], each["scope"]) for each in row["people"]] == [
        ("dana", "live", "mail"), ("lee", "live", "mail")
    ]  # fmt: skip
    done = place.remit("secret", "disconnect", "mail-client", "--as", "dana")
    assert done.out == "disconnected: dana from mail-client\n"
    assert "the other system has ended it too\n" in done.err
    assert place.got("revoked") == ["dana.reyes"]
    assert refused(place.mail()) == "dana must connect their own account"
    assert place.mail("lone") == (200, {"user": "lee.okafor"})  # hers alone is over
    place.remit("secret", "disconnect", "mail-client", "--as", "dana", code=2)
    place.remit("audit", "verify")


def test_fifty_calls_at_once_refresh_once_and_each_refresh_token_is_used_once(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    with place.agent() as client, ThreadPoolExecutor(50) as pool:
        client.get(f"{place.api}/v1/me")  # one token for all of them

        def fifty() -> Counter[int]:
            calls = pool.map(lambda _: client.get(f"{place.api}/http/mail/mail").status_code, range(50))
            return Counter(calls)

        assert fifty() == {200: 50}
        assert place.got("grant") == ["authorization_code", "refresh_token"]
        # What the service takes no more: young, its word stands; and nobody asks again and again.
        place.forget()
        assert fifty() == {401: 50}
        assert place.got("grant") == ["authorization_code", "refresh_token"]
    assert place.got("refused") == []


def test_what_the_other_system_ended_is_ended_here_until_it_is_connected_again(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    place.forget("/all")
    assert refused(place.mail()) == "dana must connect their own account again"
    assert place.got("refused") == ["refresh_token"]
    assert refused(place.mail()) == "dana must connect their own account again"
    assert place.got("refused") == ["refresh_token"], "it was not asked again"
    assert "dana (ended)" in place.remit("secret", "list").out
    place.connect("dana", "dana.reyes")
    assert place.mail() == (200, {"user": "dana.reyes"})


def test_it_outlives_a_restart_and_the_newest_refresh_token_with_it(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.up.end() == 0
    with place.home.up("--dev") as again:
        place.up = again
        assert place.mail() == (200, {"user": "dana.reyes"})
    assert place.got("grant") == ["authorization_code", "refresh_token", "refresh_token"]
    assert place.got("refused") == [], "each time the newest refresh token, which was stored before"


def consented(place: Place, person: str) -> str:
    """An access token that a client gets because that person lets it act as `desk`."""
    verifier = "v" * 64
    asked = {
        "response_type": "code", "client_id": "my-editor", "redirect_uri": REDIRECT, "scope": "purpose:work",
        "resource": f"{place.api}/http/mail", "code_challenge_method": "S256",
        "code_challenge": digest(verifier.encode()),
    }  # fmt: skip
    browser = place.browser(person)
    status, _, page = browser.open(f"{place.api}/oauth2/authorize?{urlencode(asked)}")
    assert status == 200, page
    code = dict(parse_qsl(urlsplit(browser.answer(page, "yes")).query))["code"]
    form = {
        "grant_type": "authorization_code", "client_id": "my-editor", "redirect_uri": REDIRECT, "code": code,
        "code_verifier": verifier,
    }  # fmt: skip
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as client:
        answer = client.post(f"{place.api}/oauth2/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_who_consented_is_the_person_behind_it_and_the_owner_does_not_stand_in(place: Place) -> None:
    place.connect("dana", "dana.reyes")
    with httpx2.Client(trust_env=False, timeout=PATIENCE) as client:

        def asked(token: str) -> tuple[int, Any]:
            answer = client.get(f"{place.api}/http/mail/mail", headers={"Authorization": f"Bearer {token}"})
            return answer.status_code, answer.json()

        hers, his = consented(place, "dana"), consented(place, "lee")
        assert asked(hers) == (200, {"user": "dana.reyes"})
        assert refused(asked(his)) == "lee must connect their own account"
        place.connect("lee", "lee.okafor")
        assert asked(his) == (200, {"user": "lee.okafor"})
        assert asked(hers) == (200, {"user": "dana.reyes"})
