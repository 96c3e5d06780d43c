"""A person drives the console in a real browser against a running demo, and every page of it is looked at.

Pictures of every page in both themes are left in the folder that `REMIT_PICTURES` names (else in the test's own).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import chromium, demonstrated
from tests.e2e.demonstrated import Shown
from tests.e2e.running import Home, ok, waited

from remit.console.pages.every import PAGES

if TYPE_CHECKING:
    from tests.e2e import driving
else:
    driving = pytest.importorskip("tests.e2e.driving", reason="playwright is not installed: make")

pytestmark = [
    pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium"),
    pytest.mark.timeout(400),
]
LEAST = 10  # CSS pixels that letters in a drawing are high, on the narrowest screen
DRAWN = {"", "/agents/{name}", "/log/{id}", "/runs/{run}"}


@pytest.fixture
def shown(home: Home) -> Iterator[Shown]:
    """A live demo; stopped at the end."""
    with demonstrated.standing(home) as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("REMIT_PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# What these pages show takes its time, and they come last: calls are timed while one looks, entitlements are counted
# a minute after the start. Without it their pictures would show a Remit in which nothing is used.
_TAKE_TIME = {"/live": "#took:text('ms')", "": "dt:text-is('Usable at once') + dd:not(:text-is('0'))"}


def places(window: driving.Window, start: list[str]) -> dict[str, str]:
    """One address for each of the pages: found by following links, as a person would."""
    found: dict[str, str] = {}
    waiting, seen = list(start), set[str]()
    while waiting and len(found) < len(PAGES):
        path = waiting.pop(0)
        name = driving.which(path)
        if path in seen or name is None or name in found:
            continue
        seen.add(path)
        window.go(path)
        found[name] = path
        waiting += window.links()
    return found


def test_every_page_is_whole_in_both_themes(shown: Shown, pictures: Path) -> None:
    shown.something_waits()
    wrong, drawn = list[str](), list[str]()
    with driving.windows() as context:
        window = driving.opened(context, shown.link)
        found = places(window, [f"/console{each.path}" for each in PAGES if "{" not in each.path])
        unseen = {each.path for each in PAGES} - set(found)
        assert not unseen, f"no link leads to {sorted(unseen)}"
        for name, path in sorted(found.items(), key=lambda each: each[0] in _TAKE_TIME):
            picture = re.sub(r"[^a-z]+", "-", name).strip("-") or "overview"
            for theme in driving.THEMES:
                window.theme(theme)
                window.go_until(path, _TAKE_TIME.get(name, "h1"))
                only = () if theme == "light" else driving.OF_COLOURS  # a theme changes nothing else
                wrong += [f"{path}, {theme}: {each}" for each in window.violations(rules=only)]
                window.picture(pictures / f"{picture}-{theme}.png")
            wrong += [f"{path}, not seen when reached by Tab: {each}" for each in window.unseen()]
            window.page.set_viewport_size(driving.NARROW)
            letters = window.letters()
            drawn += [name] if letters else []
            if small := [each for each in letters if each[0] < LEAST]:
                wrong.append(f"{path}: letters too small to read at 360 px: {small[:3]}")
            if window.sideways() > 0:
                wrong.append(f"{path}: scrolls sideways by {window.sideways()} px at 360 px: {window.beyond()}")
            window.page.set_viewport_size(driving.WIDE)
        wrong += window.complaints
    sys.stdout.write(f"pictures: {pictures}\n")
    wrong += shown.reports()
    assert not wrong, "\n".join(wrong)
    assert set(drawn) >= DRAWN, "their drawings were looked at"


def freezes(shown: Shown) -> list[str]:
    return sorted(str(each["name"]) for each in ok(shown.home.remit("freeze", "--json")).json["freezes"])


def answers_by_keyboard(window: driving.Window, shown: Shown, question: str) -> None:
    """The queue, its first row, the answer that is recommended."""
    page = window.page
    todo = page.locator("section", has=page.get_by_role("heading", name="Three things to do now"))
    assert "question" in todo.inner_text()
    assert todo.locator("p, li").count() <= 3 * 2
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/console/reviews*")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/reviews/{question}*")
    page.locator("button[name=said].main").focus()
    page.keyboard.press("Enter")
    page.get_by_text("You said").first.wait_for()
    answers = ok(shown.home.remit("review", "show", question, "--json")).json["answers"]
    assert [each["by"] for each in answers] == ["dana"]


def stops_and_lets_go_on(window: driving.Window, shown: Shown) -> None:
    page = window.page
    window.go("/console/agents/support-bot")
    page.get_by_role("button", name="Freeze", exact=True).first.click()
    waited(lambda: freezes(shown) == ["lee", "support-bot"])
    window.go("/console/agents/support-bot")
    assert page.locator(".state.bad", has_text="frozen").count() > 0
    page.get_by_role("button", name="Unfreeze", exact=True).first.click()
    waited(lambda: freezes(shown) == ["lee"])


_WRITTEN = """() => {
  const of = document.querySelector("#graph canvas.sigma-labels");
  const { data, width, height } = of.getContext("2d").getImageData(0, 0, of.width, of.height);
  const found = [];
  for (let at = 3; at < data.length; at += 4) if (data[at]) found.push(((at - 3) / 4 % width) / width);
  return [found.reduce((one, other) => Math.min(one, other), 1), found.reduce((one, other) => Math.max(one, other), 0)];
}"""


def reads_the_graph(window: driving.Window) -> None:
    """What it reaches fills its place, each layer below its word; which reading is shown stands in the address."""
    page = window.page
    window.go("/console/agents/support-bot")
    page.locator("#graph canvas.sigma-labels").wait_for(state="attached")
    first, last = page.evaluate(_WRITTEN)
    assert (first < 1 / 5, last > 4 / 5) == (True, True), (first, last)
    page.get_by_label("used", exact=True).check()
    page.reload()
    assert page.get_by_label("used", exact=True).is_checked()


def simulates(window: driving.Window) -> None:
    """A policy that nobody has, over what was decided."""
    page = window.page
    window.go("/console/policies")
    page.locator("a[href$='/edit']").first.click()
    action = 'Remit::Action::"crm/list_customers"'
    stop = f'@id("quiet") @title("No lists") forbid(principal, action == {action}, resource);'
    text = page.locator("#text-0")
    text.fill(text.input_value() + "\n" + stop)
    page.get_by_role("button", name="Simulate over history").click()
    page.get_by_text("decisions would be answered otherwise").wait_for(timeout=120_000)
    assert page.locator("table", has_text="crm/list_customers").count() > 0


def verifies(window: driving.Window) -> None:
    """One decision, proved up to the signed root."""
    page = window.page
    window.go("/console/log")
    path = next(each for each in window.links() if "/log/dec_" in each)
    waited(lambda: checked(page, window, path))
    page.get_by_role("button", name="Verify now").click()
    page.get_by_text("It holds").first.wait_for()


def checked(page: Any, window: driving.Window, path: str) -> bool:
    window.go(path)
    return bool(page.get_by_role("button", name="Verify now").count())


def test_a_person_finds_what_is_wrong_answers_stops_simulates_and_verifies(shown: Shown) -> None:
    question = shown.something_waits()
    with driving.windows() as context:
        window = driving.opened(context, shown.link_as("dana"))
        answers_by_keyboard(window, shown, question)
        stops_and_lets_go_on(window, shown)
        reads_the_graph(window)
        simulates(window)
        verifies(window)
        assert window.complaints == []
    assert shown.reports() == []
