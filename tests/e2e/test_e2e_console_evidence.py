"""What a person takes away from the console proves itself: verified offline by the command, refused once touched."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import Browser, csrf, link
from tests.e2e.running import Home, Up


@pytest.fixture
def browser(served: Up) -> Browser:
    return Browser(served.ready["api"])


@pytest.fixture
def asked(home: Home, served: Up, files: Path) -> str:
    """A refused decision: its id."""
    assert served.ready["api"]
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    body = {
        "subject": {"type": "agent", "id": "invoice-bot"}, "action": {"name": "payments/transfer"},
        "resource": {"type": "server", "id": "payments"}, "context": {"purpose": "pay-invoices", "arguments": {}},
    }  # fmt: skip
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    status, _, said = Browser(served.ready["api"]).ask("POST", "/access/v1/evaluation", json.dumps(body), **sent)
    assert (status, json.loads(said)["decision"]) == (200, False)
    found = home.remit("audit", "find", "--agent", "invoice-bot", "--answer", "deny", "--json")
    assert found.code == 0, found.err
    assert len(found.json["entries"]) == 1
    name = str(found.json["entries"][0]["id"])
    # A checkpoint covers it within a second.
    assert any(home.remit("audit", "evidence", "--entry", name).code == 0 for _ in range(50))
    return name


def test_the_log_is_asked_alike_by_the_page_and_the_command(home: Home, browser: Browser, asked: str) -> None:
    browser.sign_in(link(home))
    said = {row["id"] for row in home.remit("audit", "find", "--text", "INVOICE", "--json").json["entries"]}
    page = json.loads(browser.ask("GET", "/console/log?text=INVOICE&format=json")[2])["entries"]
    assert {row["id"] for row in page} == said
    assert asked in said
    first = home.remit("audit", "find", "-n", "3", "--json").json
    behind = home.remit("audit", "find", "-n", "3", "--before", str(first["next"]), "--json").json
    assert first["entries"][-1]["index"] > behind["entries"][0]["index"]
    assert home.remit("audit", "find", "--kind", "gossip").code == 2
    status, _, text = browser.ask("GET", "/console/log?kind=gossip")
    assert status == 200
    assert "a kind is one of" in text


def test_every_entry_has_its_page_with_the_proof_drawn(home: Home, browser: Browser, asked: str) -> None:
    browser.sign_in(link(home))
    entries = home.remit("audit", "find", "-n", "200", "--json").json["entries"]
    kinds = {each["kind"]: each["id"] for each in entries if each["index"] is not None}
    assert {"change", "start"} <= set(kinds)
    for name in kinds.values():
        status, _, page = browser.ask("GET", f"/console/log/{name}")
        assert status == 200, page
        assert '<svg class="proof"' in page
        assert "It holds" in page
        assert "style=" not in page
    word = csrf(browser.ask("GET", f"/console/log/{asked}")[2])
    assert browser.ask("POST", f"/console/log/{asked}", f"act=verify&csrf={word}")[0] == 303
    assert "It holds: the entry" in browser.ask("GET", f"/console/log/{asked}")[2]
    assert browser.ask("GET", "/console/log/checkpoints")[0] == 200
    assert browser.ask("GET", "/console/log/dec_none")[0] == 404


@pytest.mark.parametrize("what", ["one", "many"])
def test_evidence_verifies_without_the_server_and_not_once_it_is_touched(
    home: Home, served: Up, browser: Browser, asked: str, tmp_path: Path, what: str
) -> None:
    browser.sign_in(link(home))
    path = f"/console/log/{asked}/evidence" if what == "one" else "/console/log/evidence?text=invoice&q=x&page=2"
    status, headers, text = browser.ask("GET", path)
    assert status == 200, text
    assert headers["content-type"] == "application/json"
    assert re.match(r'attachment; filename="remit-[\w-]+\.json"$', headers["content-disposition"])
    assert served.end() == 0, "from here on there is no server"
    out = tmp_path / "evidence.json"
    out.write_text(text, encoding="utf-8")
    done = home.remit("audit", "verify", "--export", str(out))
    assert done.code == 0, done.out + done.err
    assert "chosen entries of" in done.out
    body = json.loads(text)
    row = body["entries"][0]
    header = json.loads(base64.b64decode(row["header"]))
    lie = json.dumps({**header, "agent": "somebody-else"}, sort_keys=True, separators=(",", ":")).encode()
    for changed in (
        {**row, "header": base64.b64encode(lie).decode()},
        {**row, "index": row["index"] + 1},
        {**row, "proof": row["proof"][:-1]},
    ):
        out.write_text(json.dumps({**body, "entries": [changed, *body["entries"][1:]]}), encoding="utf-8")
        assert home.remit("audit", "verify", "--export", str(out)).code == 8
    out.write_text(text[: len(text) // 2], encoding="utf-8")
    assert home.remit("audit", "verify", "--export", str(out)).code == 2, "a part of a file is no file"


def test_nobody_takes_evidence_who_may_not_read_the_log(home: Home, browser: Browser, asked: str) -> None:
    assert browser.ask("GET", f"/console/log/{asked}/evidence")[0] == 401
    assert browser.ask("GET", "/console/log/evidence")[0] == 401
    browser.sign_in(link(home))
    assert browser.ask("GET", "/console/log/evidence?agent=nobody-at-all")[0] == 404
    assert browser.ask("GET", "/console/log/evidence?kind=gossip")[0] == 400
    done = home.remit("audit", "evidence", "--entry", asked)
    assert done.code == 0, done.err
    assert json.loads(done.out)["format"] == "remit-audit-evidence/v1"


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_the_live_page_says_why_beside_the_row(home: Home, served: Up, asked: str, tmp_path: Path) -> None:
    assert asked
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(link(home))
        page.until(lambda text: "Access over 90 days" in text)
        page.call("Page.navigate", url=f"{served.ready['console']}/live?q=<b>nothing")
        page.until(lambda text: "Live decisions" in text)
        assert page.run("document.getElementById('live-filter').value") == "<b>nothing"
        assert "Nothing that came matches" in page.until(lambda text: "Nothing that came matches" in text)
        page.call("Page.navigate", url=f"{served.ready['console']}/live")
        page.until(lambda _: bool(page.run(f"!!document.querySelector('#log tr[data-why={asked}]')")))
        page.run("filter = document.getElementById('live-filter'); filter.value = 'decision'")
        page.run("filter.dispatchEvent(new Event('input'))")
        shown = f"!document.querySelector('#log tr[data-why={asked}]').hidden"
        assert page.run(shown), "a row that stands is compared as one that comes"
        page.run("filter.value = ''; filter.dispatchEvent(new Event('input'))")
        rate = "document.getElementById('rate').textContent"
        page.until(lambda _: page.run(rate).isdigit())
        assert int(page.run(rate)) <= 3, "what was there before came at no pace; the server writes little by itself"
        page.run("window.same = true")
        page.run(f"document.querySelector('#log tr[data-why={asked}] a').click()")
        said = page.until(lambda text: "Its entry and proof" in text)
        assert "What would change it" in said or "Steps" in said
        assert page.run("location.search") == f"?why={asked}", "what is seen can be sent to somebody"
        assert page.run("document.activeElement.id") == "why-title"
        assert page.run("window.same") is True
        page.run("document.getElementById('pause').click()")
        assert page.run("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
        assert page.run("document.getElementById('link').textContent") == "paused"
        before = page.run("document.getElementById('log').rows.length")
        assert home.remit("agent", "risk", "invoice-bot", "600000").code == 0
        page.run("new Promise(r => setTimeout(r, 50))")
        assert page.run("document.getElementById('log').rows.length") == before
        assert page.run("location.search") == f"?why={asked}&paused=yes"
        page.call("Page.navigate", url=f"{served.ready['console']}/live?paused=yes")
        page.until(lambda text: "Go on" in text and asked[-8:] in text)
        page.until(lambda _: page.run("document.getElementById('link').textContent") == "paused")
        before = page.run("document.getElementById('log').rows.length")
        assert home.remit("agent", "risk", "invoice-bot", "500000").code == 0
        page.run("new Promise(r => setTimeout(r, 1500))")
        assert page.run("document.getElementById('log').rows.length") == before, "what was there stands, no more comes"
        page.run("document.getElementById('pause').click()")
        page.until(lambda _: page.run("document.getElementById('log').rows.length") > before)
        assert page.run("location.search") == ""
        page.call("Page.navigate", url=f"{served.ready['console']}/log")
        page.until(lambda text: "What to look for" in text)
        page.run("document.getElementById('ask-agent').value = 'invoice-bot'")
        page.run("document.querySelector('form.asks').requestSubmit()")
        page.until(lambda _: bool(page.run("location.search")))
        assert page.run("location.search") == "?agent=invoice-bot", "no field that says nothing"
        assert page.said == []
