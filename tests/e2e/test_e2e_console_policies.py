"""Policies through the pages, over a real server with real calls: written, checked, tried, enforced, rolled back."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import Browser, csrf, link, signed_in
from tests.e2e.peers import behind, transfers, upstream
from tests.e2e.running import Home, Up, ok, wait_until_signed
from tests.e2e.test_e2e_policy_life import CANDIDATE, FORBID, TESTS, wrote

EDIT = "/console/policies/versions/new/edit"
BROKEN = '@id("first")\nforbid (principal, action, resource);\n\n@id("broken")\nforbid (principal action, resource);\n'


def pressed(browser: Browser, path: str, act: str, **fields: str) -> tuple[int, str]:
    """What a button of a page leads to: the status, and the text of the page where that ends."""
    word = csrf(browser.ask("GET", path)[2])
    status, headers, page = browser.ask("POST", path, urlencode({"csrf": word, "act": act, **fields}))
    if status == 303:
        return status, read(browser.ask("GET", headers["location"])[2])
    return status, read(page)


def read(page: str) -> str:
    """A page as it is read."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def of(text: str, **more: str) -> dict[str, str]:
    return {"name.0": "policies/base.cedar", "text.0": text.replace("\n", "\r\n"), **more}


@pytest.fixture
def browser(home: Home, served: Up) -> Browser:
    found = Browser(served.ready["api"])
    found.sign_in(link(home))
    return found


def test_a_policy_that_is_wrong_shows_its_line_and_stays_in_the_form(browser: Browser) -> None:
    status, page = pressed(browser, EDIT, "check", **of(BROKEN))
    assert status == 200
    assert "1 error" in page
    assert "policies/base.cedar :4" in page.replace("cedar:4", "cedar :4")
    assert "because" in page
    assert "try" in page
    assert "forbid (principal action, resource);" in page, "what was written is still there"
    for act, expected in (("observe", 422), ("compare", 200), ("simulate", 200), ("test", 200)):
        status, page = pressed(browser, EDIT, act, **of(BROKEN))
        assert status == expected, act
        assert "forbid (principal action, resource);" in page
    assert json.loads(browser.ask("GET", "/console/policies?format=json&table=sets")[2])["sets"] == []


def test_who_may_not_edit_is_refused_and_keeps_what_was_written(home: Home, served: Up) -> None:
    vera = signed_in(home, served, "vera", "viewer")
    for act in ("check", "test", "compare", "simulate", "observe"):
        status, page = pressed(vera, EDIT, act, **of(FORBID))
        assert status == 403, act
        assert "Agents move no money yet" in page, "what was written is still there"


def test_what_is_written_outlives_the_session_and_is_shown_to_nobody_elses_page(home: Home, browser: Browser) -> None:
    word = csrf(browser.ask("GET", EDIT)[2])
    sent = urlencode({"csrf": word, "act": "observe", **of(FORBID)})
    browser.ask("POST", "/console/sign-out", f"csrf={word}")
    ours = {"Sec-Fetch-Site": "same-origin"}
    status, _, page = browser.ask("POST", EDIT, sent, **ours)
    assert status == 401
    assert "Agents move no money yet" in page
    assert word not in page
    assert "Agents move no money yet" not in browser.ask("POST", EDIT, sent)[2], "another site's form is not shown"
    browser.sign_in(link(home))
    status, _, page = browser.ask("POST", EDIT, sent, **ours)
    assert status == 403, "the word of the old session does nothing"
    assert "Agents move no money yet" in page
    assert 'id="editor"' in page
    assert "policies" in page
    assert browser.ask("POST", EDIT, sent)[0] == 403
    assert home.remit("policy", "history", "--json").json["sets"] == []


def test_only_the_editor_takes_long_forms(browser: Browser) -> None:
    long = FORBID + "// " + "a" * 100_000 + "\n"
    assert "It is valid" not in pressed(browser, EDIT, "check", **of(long))[1], "payments is not in the catalog here"
    assert "aaaa" in pressed(browser, EDIT, "check", **of(long))[1]
    word = csrf(browser.ask("GET", "/console/policies")[2])
    assert browser.ask("POST", "/console/freeze", urlencode({"csrf": word, "name": "a" * 5000}))[0] == 403
    assert browser.ask("POST", EDIT, "a" * (2 << 20) + "a")[0] == 413


def test_from_the_first_draft_to_the_way_back(home: Home, tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    with upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev") as up:
        peer = behind(home, up, tmp_path / "files", "payments", url, ["transfer", "count"])
        ok(home.remit("apply", str(wrote(tmp_path / "files", FORBID))))
        assert asyncio.run(transfers(peer)) == [True, True, False]
        browser = Browser(up.ready["api"])
        browser.sign_in(link(home))
        edit, new = "/console/policies/versions/1/edit", of(CANDIDATE)
        assert "Agents move no money yet" in read(browser.ask("GET", edit)[2])

        _, page = pressed(browser, edit, "test", **new, tests=TESTS)
        assert "2 passed, 0 failed" in page
        assert "Decided by no test: no-counting" in page
        _, page = pressed(browser, edit, "compare", **new)
        assert "It lets through what is stopped now; two people must say so" in page
        assert "no-transfers" in page
        assert "put in: +" in page, "signs are drawn, and named for who does not see them"

        wait_until_signed(home)  # what has no place in the log yet is not simulated
        _, page = pressed(browser, edit, "simulate", **new)
        assert "would be answered otherwise." in page
        assert re.search(r"payments/transfer \d", page)
        assert re.search(r"[1-9]\d* of [1-9]\d* decisions", page), page

        status, page = pressed(browser, edit, "observe", **new)
        assert status == 303
        assert "Version 2 is observed: it forbids nothing" in page
        assert asyncio.run(transfers(peer)) == [True, True, False]
        page = read(browser.ask("GET", "/console/policies/versions/2")[2])
        assert "2 would be answered otherwise" in page
        flips = json.loads(browser.ask("GET", "/console/policies/versions/2?format=json&table=flips")[2])["flips"]
        assert {row["policy"] for row in flips} == {"no-transfers", "no-counting"}

        page = pressed(browser, "/console/policies/versions/2", "enforce")[1]
        assert "waits for a second person" in page
        assert "Another person with the role operator or admin" in page
        shown_to_the_second(home, browser)
        assert asyncio.run(transfers(peer)) == [True, True, False]
        ok(home.remit("policy", "enforce", "2", "--as", "lee"))
        assert asyncio.run(transfers(peer)) == [False, True, True]
        assert "was the first to let more through" not in read(browser.ask("GET", "/console/policies")[2])
        page = read(browser.ask("GET", "/console/policies/in-force/no-counting")[2])
        assert "Nobody counts" in page
        assert "in version 2" in page
        page = read(browser.ask("GET", "/console/policies/versions/2/diff?with=1")[2])
        assert "no-transfers" in page
        assert "no-counting" in page

        assert "Roll back to version 1" in read(browser.ask("GET", "/console/policies/versions/2")[2])
        page = pressed(browser, "/console/policies/versions/2", "rollback")[1]
        assert "waits for a second person" in page
        ok(home.remit("policy", "rollback", "--as", "lee"))
        assert asyncio.run(transfers(peer)) == [True, True, False]
        rows = json.loads(browser.ask("GET", "/console/policies?format=json&table=sets")[2])["sets"]
        assert [(row["version"], row["state"]) for row in rows] == [("2", "retired"), ("1", "enforced")]


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def shown_to_the_second(home: Home, browser: Browser) -> None:
    """Whoever looks finds what waits for another person."""
    for path in ("/console/policies", "/console/policies/versions/2"):
        assert "was the first to let more through" in read(browser.ask("GET", path)[2]), path
    assert "Let more through by policies" in read(browser.ask("GET", "/console/requests")[2])
    assert "change waits for a second person's word" in read(browser.ask("GET", "/console")[2])
    assert [each["kind"] for each in ok(home.remit("operator", "waiting", "--json")).json["words"]] == ["policies"]


def test_a_real_browser_checks_while_it_is_typed(home: Home, served: Up, tmp_path: Path) -> None:
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(link(home))
        page.until(lambda text: "Overview" in text)
        page.call("Page.navigate", url=f"{served.ready['api']}{EDIT}")
        page.until(lambda text: "Not checked yet" in text)
        page.until(lambda _: page.run("document.readyState") == "complete")  # what listens while one types is there
        page.run("document.querySelector('textarea').focus()")
        page.call("Input.insertText", text=BROKEN)
        assert "1 error" in page.until(lambda text: "1 error" in text)
        assert "policies/new.cedar:4" in page.text()
        assert page.run("document.querySelector('.gutter').textContent.split('\\n')[3]") == "•4"
        page.run("document.querySelector('.place').click()")
        chosen = "(at => at.value.slice(at.selectionStart, at.selectionEnd))(document.activeElement)"
        assert page.run(chosen) == '@id("broken")'
        assert page.said == []
