"""A console's session ends with the token that it was opened with, over a real server."""

from __future__ import annotations

import http.client

from tests.e2e.browsing import Browser, csrf, link, signed_in
from tests.e2e.running import Home, Up, ok


def test_a_revoked_persons_console_shows_nothing_and_does_nothing(home: Home, served: Up) -> None:
    sam, lee = (signed_in(home, served, person, "security") for person in ("sam", "lee"))
    word = csrf(sam.ask("GET", "/console")[2])
    waiting = http.client.HTTPConnection(sam.base.netloc, timeout=30)
    waiting.request("GET", "/console/live/stream", headers={"Cookie": sam.cookie})
    stream = waiting.getresponse()
    assert stream.status == 200
    ok(home.remit("operator", "revoke", "sam"))
    assert sam.ask("GET", "/console")[0] == 401
    assert sam.ask("GET", "/console/agents?format=json")[0] == 401
    assert sam.ask("GET", "/console/consents")[0] == 401
    assert sam.ask("POST", "/console/freeze", f"name=payments&kind=server&csrf={word}")[0] == 401
    assert ok(home.remit("freeze", "--json")).json["freezes"] == []
    stream.read()  # to its end: it has one
    waiting.close()
    assert lee.ask("GET", "/console")[0] == 200


def test_another_role_of_the_same_person_does_not_keep_the_old_session(home: Home, served: Up) -> None:
    sam = signed_in(home, served, "sam", "security")
    ok(home.remit("operator", "revoke", "sam"))
    viewer = signed_in(home, served, "sam", "viewer")
    assert sam.ask("GET", "/console")[0] == 401
    word = csrf(viewer.ask("GET", "/console")[2])
    assert viewer.ask("POST", "/console/freeze", f"name=payments&kind=server&csrf={word}")[0] == 403


def test_a_link_that_was_not_followed_yet_ends_too(home: Home, served: Up) -> None:
    token = ok(home.remit("operator", "token", "sam", "--role", "security")).out.strip()
    made = link(home, token)
    ok(home.remit("operator", "revoke", "sam"))
    assert Browser(served.ready["api"]).sign_in(made)[0] == 401
