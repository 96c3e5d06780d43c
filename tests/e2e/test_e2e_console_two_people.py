"""Two people decide the same thing in the same moment, each in their own window: one decision stands, both are told."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.e2e.browsing import Browser, link
from tests.e2e.running import Home, Up, ok, waited
from tests.e2e.test_e2e_console_reviews import questions, toxic

HIDDEN = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">')
Told = tuple[int, str]


@pytest.fixture
def two(home: Home, served: Up, files: Path) -> tuple[Browser, Browser]:
    """The owner and her backup, both signed in."""
    toxic(home, files)
    people = []
    for name in ("dana", "lee"):
        token = ok(home.remit("operator", "token", name, "--role", "owner")).out.strip()
        people.append(Browser(served.ready["api"]))
        people[-1].sign_in(link(home, token))
    return people[0], people[1]


def form_of(browser: Browser, path: str, mark: str) -> dict[str, str]:
    """What the form with `mark` in it sends by itself, as this person sees the page."""
    page = browser.ask("GET", path)[2]
    (form,) = (each for each in page.split("<form")[1:] if mark in each.partition("</form>")[0])
    return dict(HIDDEN.findall(form.partition("</form>")[0]))


def at_once(two: tuple[Browser, Browser], path: str, *forms: dict[str, str]) -> list[Told]:
    """Both pages are open before either is sent."""
    start = Barrier(2)

    def press(person: Browser, form: dict[str, str]) -> Told:
        start.wait(30)
        status, _, page = person.ask("POST", path, urlencode(form))
        return status, page

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(press, two, forms))


def one_of(told: list[Told]) -> int:
    """Whose press it was that counted; the other one's page says what became of theirs."""
    assert sorted(status for status, _ in told) == [303, 409], told
    lost = next(page for status, page in told if status == 409)
    assert "Not done" in lost, "the page says so"
    return [status for status, _ in told].index(303)


@pytest.mark.parametrize("turn", range(3))
def test_one_question_takes_one_answer(home: Home, two: tuple[Browser, Browser], turn: int) -> None:
    waited(lambda: len(questions(home)) == 2)
    question = str(questions(home)[turn % 2]["question"])
    path = f"/console/reviews/{question}"
    forms = [form_of(each, path, 'value="answer"') for each in two]
    told = at_once(two, path, {**forms[0], "said": "keep"}, {**forms[1], "said": "end"})
    counted = one_of(told)
    answers: list[dict[str, Any]] = ok(home.remit("review", "show", question, "--json")).json["answers"]
    expected = [("keep", "dana"), ("end", "lee")][counted]
    assert [(each["said"], each["by"]) for each in answers] == [expected]


@pytest.mark.parametrize("turn", range(3))
def test_one_request_is_decided_once(home: Home, two: tuple[Browser, Browser], turn: int) -> None:
    token = ok(home.remit("operator", "token", "olu", "--role", "operator")).out.strip()
    arguments = ("--arg", f"to=A{turn}", "--arg", "amount=300.00", "--arg", "currency=EUR")
    done = home.remit(
        "approval", "ask", "invoice-bot", "payments/transfer", *arguments, "--json", env={"REMIT_TOKEN": token}
    )
    request = ok(done, 11).json["request"]
    path = f"/console/requests/{request}"
    forms = [form_of(each, path, 'value="approve"') for each in two]
    told = at_once(two, path, {**forms[0], "act": "approve"}, {**forms[1], "act": "deny"})
    counted = one_of(told)
    found = ok(home.remit("approval", "show", request, "--json")).json
    assert (found["state"], found["decided_by"]) == [("approved", "dana"), ("denied", "lee")][counted]
