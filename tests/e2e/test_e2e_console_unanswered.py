"""A button that is pressed while the server is gone: the page stays, with what was typed, and says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import link
from tests.e2e.running import Home, Up, ok
from tests.e2e.test_e2e_console_boundaries import applied

if TYPE_CHECKING:
    from playwright.sync_api import Dialog
    from tests.e2e import driving
else:
    driving = pytest.importorskip("tests.e2e.driving", reason="playwright is not installed: make")

pytestmark = [
    pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium"),
    pytest.mark.timeout(120),
]
AGENT = "/console/agents/invoice-bot"
WHY = "it pays the wrong people"


@pytest.fixture
def up(home: Home, files: Path) -> Iterator[Up]:
    """A server that a test may end."""
    with home.up("--dev") as running:
        applied(home, files)
        yield running


@pytest.fixture
def window(home: Home, up: Up) -> Iterator[driving.Window]:
    """Signed in, on an agent's page."""
    assert up.ready
    with driving.windows() as context:
        found = driving.opened(context, link(home))
        found.go(AGENT)
        yield found


def posts(window: driving.Window) -> list[str]:
    """Where each form goes that is sent from here on."""
    found: list[str] = []
    window.page.on("request", lambda each: found.append(each.url) if each.method == "POST" else None)
    return found


def freeze(window: driving.Window) -> None:
    window.page.get_by_role("button", name="Freeze", exact=True).first.click()


def typed(window: driving.Window) -> str:
    return window.page.locator(".freezing [name=reason]").first.input_value()


def frozen(home: Home) -> list[str]:
    return [str(each["reason"]) for each in ok(home.remit("freeze", "--json")).json["freezes"]]


def test_the_page_stays_and_says_that_nothing_was_done(up: Up, window: driving.Window) -> None:
    page, sent = window.page, posts(window)
    page.locator(".freezing [name=reason]").first.fill(WHY)
    assert up.end() == 0
    freeze(window)
    page.get_by_role("alert").wait_for()
    assert "did not answer" in page.get_by_role("alert").inner_text()
    assert "nothing was done" in page.get_by_role("alert").inner_text()
    assert (page.url.endswith(AGENT), typed(window)) == (True, WHY)
    freeze(window)
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").count() == 1, "each press says it anew"
    assert sent == [], "nothing left, and nothing will by itself"


def test_pressed_again_once_it_answers_it_is_done_once(home: Home, up: Up, window: driving.Window) -> None:
    assert up.ready
    page, sent = window.page, posts(window)
    page.locator(".freezing [name=reason]").first.fill(WHY)
    page.context.set_offline(True)
    freeze(window)
    page.get_by_role("alert").wait_for()
    page.context.set_offline(False)
    assert (frozen(home), sent) == ([], []), "that the server is back sends nothing by itself"
    freeze(window)
    page.get_by_role("button", name="Unfreeze", exact=True).first.wait_for()
    assert page.get_by_role("alert").count() == 0
    assert [each.rpartition("/console")[2] for each in sent] == ["/freeze"]
    assert frozen(home) == [WHY]


def test_a_server_that_is_slow_is_not_gone(home: Home, up: Up, window: driving.Window) -> None:
    page, sent = window.page, posts(window)
    page.locator(".freezing [name=reason]").first.fill(WHY)
    up.process.send_signal(signal.SIGSTOP)
    try:
        with page.expect_request(lambda each: each.method == "POST"):
            freeze(window)
    finally:
        up.process.send_signal(signal.SIGCONT)
    page.get_by_role("button", name="Unfreeze", exact=True).first.wait_for()
    assert (len(sent), frozen(home)) == (1, [WHY])


def test_what_is_confirmed_is_asked_once_and_a_button_says_which_it_was(
    home: Home, up: Up, window: driving.Window
) -> None:
    assert up.ready
    asked: list[str] = []

    def yes(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    window.page.on("dialog", yes)
    window.go("/console/settings")
    window.page.get_by_role("button", name="Rotate the key of security events").click()
    window.page.get_by_role("status").first.wait_for()
    assert len(asked) == 1
    (word,) = ok(home.remit("operator", "waiting", "--json")).json["words"]
    assert word["kind"] == "keys"
    window.go("/console/requests")
    window.page.get_by_role("button", name="Take back").click()
    window.page.get_by_text("Taken back: Change a key.").wait_for()
    assert len(asked) == 2
    assert ok(home.remit("operator", "waiting", "--json")).json["words"] == []
    assert window.complaints == []


def test_what_was_written_is_still_there_and_the_browser_still_warns(up: Up, window: driving.Window) -> None:
    page, wrote, warned = window.page, "# a test of a policy that is not written yet", list[str]()

    def stay(dialog: Dialog) -> None:
        warned.append(dialog.type)
        dialog.dismiss()

    window.go("/console/policies/versions/new/edit")
    page.get_by_text("Tests", exact=True).click()
    page.locator("#tests").press_sequentially(wrote)
    assert up.end() == 0
    page.get_by_role("button", name="Observe it").click()
    page.locator("main > [role=alert]").wait_for()
    assert page.locator("#tests").input_value() == wrote
    page.on("dialog", stay)
    page.get_by_role("link", name="Overview").click()
    assert (warned, page.locator("#tests").input_value()) == (["beforeunload"], wrote)
