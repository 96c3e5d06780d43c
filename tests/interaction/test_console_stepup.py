"""The console's own steps before an act, with a clock of the test: who, from where, a fresh proof, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from remit.console.desk import Look
from remit.console.http import Console
from remit.console.live import Tail
from remit.console.pages.model import Act, Filled, Page
from remit.console.sessions import IDLE_LIFETIME, SESSION_LIFETIME, Sessions
from remit.console.site import Site
from remit.console.stepup import RECENT
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import RemitError
from remit.policy.view import View
from remit.server.problem import status_of

NOON = Instant(1_795_608_000_000_000)
BASE = "http://testserver"


@dataclass(frozen=True)
class Person:
    person: str


@dataclass
class House:
    """A console of one page with a grave act and one that is not, and what was done and refused."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    done: list[str] = field(default_factory=list)
    refusals: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def carry(_look: Look, form: Mapping[str, str]) -> str:
            self.done.append(form["act"])
            return "Done."

        acts = (Act(name="grave", carry=carry, grave=True), Act(name="light", carry=carry))
        page = Page(path="/things", slug="", template="plain.html", fill=lambda _: Filled(title="Things"), acts=acts)
        first = Page(path="", slug="", template="plain.html", fill=lambda _: Filled(title="First"))
        self.sessions = Sessions(self.clock.now, lambda _: True)
        self.console = Console(
            sessions=self.sessions, tail=cast("Tail", None), authorize=lambda *_: None, secure=False
        )  # fmt: skip
        site = Site(
            pages=(first, page), sessions=self.sessions, desk=self,
            view=lambda: cast("View", SimpleNamespace(freezes={})), clock=self.clock,
            status=status_of, sign_in=self.console.sign_in, dev=False, secure=False,
        )  # fmt: skip
        self.client = TestClient(Starlette(routes=[*self.console.routes(), *site.routes()]), follow_redirects=False)

    def ask(self, *_args: Any, **_more: Any) -> Mapping[str, Any]:
        return {}

    def refused(self, operator: Person, what: str, error: RemitError) -> None:
        self.refusals.append((operator.person, what, error.code))

    def comes(self, person: str = "dana") -> Any:
        return self.client.get(f"/console?login={self.sessions.link(Person(person))}")

    def sends(self, act: str, **more: str) -> Any:
        page = self.client.get("/console/things?q=x")
        found = re.search(r'data-csrf="([^"]+)"', page.text)
        return self.client.post("/console/things?q=x", data={"csrf": found[1] if found else "", "act": act, **more})

    def later(self, by: int) -> None:
        self.clock.at = Instant(self.clock.at + by)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    with made.client:
        yield made


def test_what_is_grave_waits_for_a_proof_and_a_new_link_is_one(house: House) -> None:
    house.comes()
    assert house.sends("grave").status_code == 303
    house.later(RECENT - 1)
    assert house.sends("grave").status_code == 303
    house.later(1)
    held = house.sends("grave")
    assert held.status_code == 403
    assert "nothing was done" in held.text
    assert "step_up_required" in held.text
    assert "remit console" in held.text
    assert house.done == ["grave", "grave"]
    assert house.refusals == [("dana", "POST /console/things grave", "step_up_required")]
    assert house.sends("light").status_code == 303
    old = house.client.cookies["remit_session"]
    back = house.comes()
    assert back.headers["location"] == "/console/things?q=x", "back to the page"
    assert house.client.cookies["remit_session"] != old
    assert house.sessions.find(old) is None
    assert house.sends("grave").status_code == 303
    assert len(house.refusals) == 1


def test_a_form_that_is_sent_twice_is_carried_out_once(house: House) -> None:
    house.comes()
    assert house.sends("light", once="a").status_code == 303
    again = house.sends("light", once="a")
    assert again.status_code == 409
    assert "was not done a second time" in again.text
    assert house.done == ["light"]
    assert house.sends("light", once="b").status_code == 303


def test_a_form_after_the_end_does_nothing_and_says_so(house: House) -> None:
    house.comes()
    page = house.client.get("/console/things")
    word = re.search(r'data-csrf="([^"]+)"', page.text)
    assert word is not None
    house.later(IDLE_LIFETIME)
    sent = house.client.post("/console/things?q=1", data={"csrf": word[1], "act": "light"})
    assert sent.status_code == 401
    assert "Nothing was done." in sent.text
    assert 'href="/console/things?q=1"' in sent.text
    assert house.done == []


def test_what_a_page_asks_by_itself_keeps_no_session_open(house: House) -> None:
    house.comes()
    house.later(IDLE_LIFETIME - 1)
    assert house.client.get("/console/things", headers={"HX-Request": "true"}).status_code == 200
    house.later(1)
    assert house.client.get("/console/things").status_code == 401
    house.comes()
    for _ in range(0, SESSION_LIFETIME - IDLE_LIFETIME, IDLE_LIFETIME - 1):
        house.later(IDLE_LIFETIME - 1)
        assert house.client.get("/console/things").status_code == 200
    house.later(IDLE_LIFETIME - 1)
    assert house.client.get("/console/things").status_code == 401, "eight hours are the end in any case"


def test_what_a_page_does_not_do_and_a_foreign_word_do_nothing(house: House) -> None:
    house.comes()
    assert house.sends("other").status_code == 404
    refused = house.client.post("/console/things", data={"csrf": "x" * 43, "act": "light"})
    assert refused.status_code == 403
    assert "not from a page of your session" in refused.text
    assert house.done == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_signs_a_person_in_as_somebody_else(house: House, site: str) -> None:
    house.comes("dana")
    theirs = house.sessions.link(Person('"><b>mallory'))
    before = house.client.cookies["remit_session"]
    asked = house.client.get(f"/console?login={theirs}", headers={"Sec-Fetch-Site": site})
    assert asked.status_code == 200
    assert "set-cookie" not in asked.headers
    assert "signs you in as" in asked.text
    assert "&gt;&lt;b&gt;mallory" in asked.text
    assert house.client.cookies["remit_session"] == before
    assert f'href="/console?login={theirs}"' in asked.text
    went = house.client.get(f"/console?login={theirs}", headers={"Sec-Fetch-Site": "same-origin"})
    assert went.status_code == 303
    assert house.client.cookies["remit_session"] != before
    gone = house.client.get(f"/console?login={theirs}", headers={"Sec-Fetch-Site": site})
    assert gone.status_code == 401


def test_a_stream_that_a_browser_opens_again_by_itself_keeps_no_session_open(house: House) -> None:
    house.comes()
    cookie = f"remit_session={house.client.cookies['remit_session']}".encode()
    scope = {"type": "http", "method": "GET", "path": "/console/live/stream", "headers": [(b"cookie", cookie)]}
    house.later(IDLE_LIFETIME - 1)
    assert asyncio.run(house.console.stream(Request(scope))).status_code == 200
    house.later(1)
    assert house.client.get("/console/things").status_code == 401


def test_a_form_that_says_something_twice_says_nothing(house: House) -> None:
    house.comes()
    found = re.search(r'data-csrf="([^"]+)"', house.client.get("/console/things").text)
    assert found is not None
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in ("act=light&act=grave", "act=grave&act=light", f"act=light&csrf={found[1]}"):
        said = house.client.post("/console/things", content=f"csrf={found[1]}&{body}", headers=sent)
        assert said.status_code == 403
    assert house.done == []


def test_what_is_too_long_does_nothing(house: House) -> None:
    house.comes()
    assert house.sends("light", note="x" * 5000).status_code == 413
    found = re.search(r'data-csrf="([^"]+)"', house.client.get("/console/things").text)
    assert found is not None

    def unsaid() -> Iterator[bytes]:  # a body whose length no header says
        yield f"csrf={found[1]}&act=light&note=".encode()
        yield b"x" * 5000

    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    assert house.client.post("/console/things", content=unsaid(), headers=sent).status_code == 403
    assert house.done == []


def test_another_site_signs_nobody_out_and_changes_no_page(house: House) -> None:
    house.comes()
    for word in ({}, {"csrf": "x" * 43}):
        assert house.client.post("/console/sign-out", data=word).status_code == 403
        themed = house.client.post("/console/theme", data={"theme": "dark", **word})
        assert themed.status_code == 403
        assert "set-cookie" not in themed.headers
    assert house.client.get("/console/things").status_code == 200


def test_what_was_done_is_told_to_its_person_and_not_to_a_part_that_a_page_fetches(house: House) -> None:
    house.comes()
    assert house.sends("light").status_code == 303
    assert "Done." not in house.client.get("/console", headers={"HX-Request": "true"}).text
    assert "Done." in house.client.get("/console/things?q=x").text
    assert "Done." not in house.client.get("/console/things?q=x").text


def test_a_look_at_a_link_does_not_use_it_up(house: House) -> None:
    link = f"/console?login={house.sessions.link(Person('dana'))}"
    assert house.client.head(link).status_code == 401
    assert house.client.get(link).status_code == 303


def test_only_the_newest_of_what_was_done_waits_to_be_told(house: House) -> None:
    house.comes()
    word = re.search(r'data-csrf="([^"]+)"', house.client.get("/console/things").text)
    assert word is not None
    for at in range(30):
        house.client.post("/console/things", data={"csrf": word[1], "act": "light", "n": str(at)})
    assert house.client.get("/console/things").text.count("Done.") == 20
