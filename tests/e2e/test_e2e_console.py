"""The console's page over a real server: the link works once, nothing inline, the button stops, in a real browser."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import Browser, csrf, link
from tests.e2e.running import Home, Up

from remit.console.pages.every import PAGES


@pytest.fixture
def browser(served: Up) -> Browser:
    return Browser(served.ready["api"])


def applied(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0


def test_a_link_works_once_and_leaves_the_address_bar(home: Home, browser: Browser) -> None:
    made = link(home)
    status, headers, _ = browser.sign_in(made)
    assert (status, headers["location"]) == (303, "/console")
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    status, headers, page = browser.ask("GET", "/console")
    assert status == 200
    assert "<h1>Overview</h1>" in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert nonce[1] not in browser.ask("GET", "/console")[2], "each page has a nonce of its own"
    ours = rf'<script(?! nonce="{re.escape(nonce[1])}"| type="application/json")'
    assert not re.search(rf"{ours}|<style|\son\w+=|style=", page)
    assert Browser(home_url(browser)).sign_in(made)[0] == 401


def home_url(browser: Browser) -> str:
    return browser.base.geturl()


def test_nothing_is_shown_to_somebody_who_is_not_signed_in(browser: Browser) -> None:
    for path in ("/console", "/console/agents", "/console/live", "/console/live/stream", "/console/log/dec_x"):
        assert browser.ask("GET", path)[0] == 401
    for path in ("/console/freeze", "/console/unfreeze"):
        assert browser.ask("POST", path, "name=invoice-bot&csrf=x")[0] == 401
    assert browser.ask("POST", "/console/csp", '{"csp-report": {}}')[0] == 401, "the log is not for everybody to fill"
    assert browser.ask("GET", "/console/static/page.html")[0] == 404
    assert browser.ask("GET", "/console?login=guessed")[0] == 401


def test_the_button_stops_and_needs_the_pages_own_word(home: Home, browser: Browser, files: Path) -> None:
    applied(home, files)
    browser.sign_in(link(home))
    word = csrf(browser.ask("GET", "/console")[2])
    twin = Browser(home_url(browser))
    twin.sign_in(link(home))
    others = csrf(twin.ask("GET", "/console")[2])
    # A wrong one, one that is as long, and the one of another session of the same person.
    for wrong in ("other", "A" * len(word), others):
        assert browser.ask("POST", "/console/freeze", f"name=invoice-bot&csrf={wrong}")[0] == 403
    assert len(others) == len(word)
    assert browser.ask("POST", "/console/sign-out", f"csrf={others}")[0] == 403
    assert browser.ask("GET", "/console")[0] == 200, "nobody is signed out by another one's word"
    assert browser.ask("POST", "/console/freeze", "name=invoice-bot")[0] == 403
    assert home.remit("freeze", "--json").json["freezes"] == []
    assert browser.ask("POST", "/console/freeze", f"name=invoice-bot&csrf={word}")[0] == 303
    assert [each["name"] for each in home.remit("freeze", "--json").json["freezes"]] == ["invoice-bot"]
    rows = json.loads(browser.ask("GET", "/console/agents?format=json")[2])["agents"]
    assert [(row["agent"], row["state"]) for row in rows] == [("invoice-bot", "frozen")]
    assert "invoice-bot is frozen" in browser.ask("GET", "/console/agents")[2]
    assert "invoice-bot is frozen" not in browser.ask("GET", "/console/agents")[2], "said once"
    assert browser.ask("POST", "/console/unfreeze", f"name=invoice-bot&csrf={word}")[0] == 303
    assert home.remit("freeze", "--json").json["freezes"] == []
    browser.ask("POST", "/console/sign-out", f"csrf={word}")
    assert browser.ask("GET", "/console")[0] == 401


def test_an_agents_timeline_keeps_its_own_freeze_however_much_else_is_frozen(
    home: Home, browser: Browser, files: Path
) -> None:
    applied(home, files)
    browser.sign_in(link(home))
    word = csrf(browser.ask("GET", "/console")[2])
    others = [f"kind=instance&name={number:043d}" for number in range(15)]
    for target in ("kind=agent&name=invoice-bot", *others):
        for act in ("freeze", "unfreeze"):
            assert browser.ask("POST", f"/console/{act}", f"{target}&csrf={word}")[0] == 303
    told = json.loads(browser.ask("GET", "/console/agents/invoice-bot?format=json&table=happened")[2])["happened"]
    assert [each["said"].split()[0] for each in told if each["lane"] == "frozen"] == ["unfreeze", "freeze"]


def test_a_viewers_session_may_look_and_not_stop(home: Home, browser: Browser, files: Path) -> None:
    applied(home, files)
    token = home.remit("operator", "token", "vera", "--role", "viewer").out.strip()
    made = home.remit("console", "--json", env={"REMIT_TOKEN": token}).json["url"]
    browser.sign_in(made)
    status, _, page = browser.ask("GET", "/console")
    assert status == 200
    assert browser.ask("POST", "/console/freeze", f"name=invoice-bot&csrf={csrf(page)}")[0] == 403
    assert browser.ask("GET", "/console/live/stream")[0] == 403, "what runs by itself is no way round"


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_real_browser_runs_it_under_its_own_policy(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    assert served.ready["console"].endswith("/console")
    applied(home, files)
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(link(home))
        assert "Access over 90 days" in page.until(lambda text: "Access over 90 days" in text)
        page.until(lambda _: page.run("document.querySelectorAll('.plot canvas').length") == 3)
        page.call("Page.navigate", url=f"{served.ready['console']}/live")
        assert "change: " in page.until(lambda text: "change: " in text)
        assert home.remit("agent", "risk", "invoice-bot", "600000").code == 0
        assert "change: set" in page.until(lambda text: "change: set" in text)
        page.call("Page.navigate", url=f"{served.ready['console']}/agents")
        page.until(lambda text: "Freeze" in text)
        page.run("document.querySelector('button.stop').click()")
        assert "Unfreeze" in page.until(lambda text: "Unfreeze" in text)
        assert "frozen" in page.text()
        assert [each["name"] for each in home.remit("freeze", "--json").json["freezes"]] == ["invoice-bot"]
        assert page.said == []


@pytest.mark.parametrize("path", sorted(each.path for each in PAGES if "{" not in each.path))
def test_every_page_is_served_and_its_tables_are_there_as_files(
    home: Home, browser: Browser, files: Path, path: str
) -> None:
    applied(home, files)
    browser.sign_in(link(home))
    status, _, page = browser.ask("GET", f"/console{path}")
    assert status == 200, page
    for name in re.findall(r'id="s-([a-z]+)"', page):
        found = json.loads(browser.ask("GET", f"/console{path}?format=json&table={name}")[2])
        _, headers, text = browser.ask("GET", f"/console{path}?format=csv&table={name}")
        assert headers["content-type"].startswith("text/csv")
        assert len(list(csv.reader(text.splitlines()))) >= 1 + len(found[name])
