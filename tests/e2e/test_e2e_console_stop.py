"""What the console stops, in a real browser, with a real enforcement point that has to confirm it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import Browser, csrf, link
from tests.e2e.edge_point import connected
from tests.e2e.running import Home, Up

PAGES = (  # kind, name, the page whose button stops it, and that button's form
    ("agent", "invoice-bot", "/agents/invoice-bot", "agent"),
    ("owner", "dana", "/agents?owner=dana", "owner"),
    ("tool", "payments/transfer", "/servers/payments", "tool"),
    ("server", "payments", "/servers/payments", "server"),
    ("all", "*", "/stop", "all"),
)
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe"


def applied(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0


def asked(served: Up, path: str) -> Any:
    token = Path(served.ready["admin_token_file"]).read_text(encoding="utf-8").strip()
    status, _, text = Browser(served.ready["api"]).ask("GET", path, Authorization=f"Bearer {token}")
    assert status == 200, text
    return json.loads(text)


def in_force(home: Home) -> list[tuple[str, str, str]]:
    found = home.remit("freeze", "--json").json["freezes"]
    return [(each["kind"], each["name"], each["reason"]) for each in found]


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_the_page_shows_by_itself_how_a_freeze_comes_to_hold(
    home: Home, served: Up, files: Path, tmp_path: Path
) -> None:
    applied(home, files)
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    with connected(served.ready["api"], token) as edge, chromium.browser(tmp_path / "chromium") as page:
        page.open(link(home))
        assert "2 of 2" in page.until(lambda text: "2 of 2" in text), "the gateway and the edge are connected"
        page.call("Page.navigate", url=f"{served.ready['console']}/agents/invoice-bot")
        page.until(lambda text: "What it reaches" in text)
        edge.hold()
        page.run("document.querySelector('.freezing input[name=reason]').value = 'drill <b>'")
        page.run("document.querySelector('.freezing button.stop').click()")
        seen = page.until(lambda text: "1 of 2" in text)
        assert "invoice-bot is frozen" in seen
        assert "drill <b>" in seen, "what a person wrote is text"
        page.run("window.kept = 'not loaded again'")
        edge.go()
        seen = page.until(lambda text: "2 of 2" in text and "contained" in text)
        assert "2 of 2" in seen
        assert page.run("window.kept") == "not loaded again"
        rows = page.run("[...document.querySelectorAll('#s-points tbody tr')].map(row => row.innerText).join('|')")
        assert "edge" in rows
        assert "confirmed" in rows
        page.run("document.querySelector('form[action$=\"/unfreeze\"] button').click()")
        page.until(lambda text: "This freeze is over" in text)
        assert in_force(home) == []
        assert [each for each in page.said if "rendering" not in each] == []


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_every_kind_is_stopped_from_its_page(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    applied(home, files)
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(link(home))
        page.until(lambda text: "Overview" in text)
        for kind, name, path, form in PAGES:
            page.call("Page.navigate", url=f"{served.ready['console']}{path}")
            one = f"f.elements.kind.value === '{form}' && f.elements.name.value === '{name}'"
            which = f"[...document.querySelectorAll('.freezing')].find(f => {one})"
            page.until(lambda _, which=which: bool(page.run(f"!!{which}")))  # type: ignore[misc]
            page.run(f"{which}.querySelector('button.stop').click()")
            assert "is frozen" in page.until(lambda text: "1 of 1" in text), path
            assert (kind, name) in [each[:2] for each in in_force(home)]


def test_it_says_before_what_it_hits_and_who_is_asked_to_end_it(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    browser = Browser(served.ready["api"])
    browser.sign_in(link(home))
    for query, hit in (("", 1), ("kind=server&name=payments", 1), ("kind=tool&name=payments/nothing", 0),
                       ("kind=owner&name=dana", 1), ("kind=owner&name=lee", 0)):  # fmt: skip
        rows = json.loads(browser.ask("GET", f"/console/stop?{query}&format=json&table=hit")[2])["hit"]
        assert len(rows) == hit, query
    page = browser.ask("GET", f"/console/stop?kind=agent&name={quote(HOSTILE)}")[2]
    assert HOSTILE not in page
    assert "&lt;img" in page
    word = csrf(page)
    status, headers, _ = browser.ask("POST", "/console/freeze", f"kind=all&name=*&reason={quote('x')}&csrf={word}")
    assert (status, headers["location"].startswith("/console/freezes/frz_")) == (303, True)
    where = headers["location"]
    assert "takes two people" in browser.ask("GET", where)[2]
    browser.ask("POST", "/console/unfreeze", f"kind=all&name=*&csrf={word}")
    page = browser.ask("GET", where)[2]
    assert "has said" in page, "the first word stands there until a second one comes"
    assert browser.ask("GET", "/console/freezes/frz_gone")[0] == 200
    assert browser.ask("GET", "/console/freezes/nothing")[0] == 404


def test_what_goes_on_and_who_is_there_are_in_the_api(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    assert asked(served, "/v1/now")["points"] == [{"point": "edge", "connected": False}]
    with connected(served.ready["api"], token):
        now = asked(served, "/v1/now")
        assert now["points"] == [{"point": "edge", "connected": True}]
        assert {name: len(of) for name, of in now["seconds"].items()} == {"allow": 899, "deny": 899, "other": 899}
        assert now["running_calls"] == []
    found = asked(served, "/v1/roster?limit=1")
    row = found["agents"][0]
    assert (row["agent"], row["owner"], row["state"], row["last_seen"]) == ("invoice-bot", "dana", "active", None)
    assert asked(served, "/v1/roster?owner=lee")["agents"] == []
    assert asked(served, "/v1/roster?after=invoice-bot")["agents"] == []
    assert home.remit("freeze", "invoice-bot", "--no-wait").code == 0
    assert asked(served, "/v1/roster")["agents"][0]["state"] == "frozen"
