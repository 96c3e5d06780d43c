"""The console's own steps before an act, with a clock of the test: who, from where, a fresh proof, once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
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
        console = Console(
            sessions=self.sessions, tail=cast("Tail", None), authorize=lambda *_: None, secure=False
        )  # fmt: skip
        site = Site(
            pages=(first, page), sessions=self.sessions, desk=self,
            view=lambda: cast("View", SimpleNamespace(freezes={})), clock=self.clock,
            status=status_of, sign_in=console.sign_in, dev=False, secure=False,
        )  # fmt: skip
        self.client = TestClient(Starlette(routes=[*console.routes(), *site.routes()]), follow_redirects=False)

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
