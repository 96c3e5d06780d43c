"""A table of the console takes its own place when it is filtered or sorted: the page stays, and what is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import link
from tests.e2e.running import Home, Up

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
_TYPE = (
    "(() => { const at = document.getElementById('q-agents'); at.focus(); at.value = '%s';"
    " at.dispatchEvent(new Event('input', {bubbles: true})); })()"
)


def opened(page: chromium.Page, home: Home, served: Up) -> None:
    """The list of agents, in a page that will not be loaded again."""
    page.open(link(home))
    page.until(lambda text: "Access over 90 days" in text)
    page.call("Page.navigate", url=f"{served.ready['console']}/agents")
    page.until(lambda text: "invoice-bot" in text)
    page.run("window.same = true")


def test_a_filter_applies_while_it_is_typed(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
    with chromium.browser(tmp_path / "chromium") as page:
        opened(page, home, served)
        page.run(_TYPE % "nobody")
        assert "Nothing matches “nobody”" in page.until(lambda text: "Nothing matches" in text)
        assert page.run("location.search") == "?q=nobody", "a view can be sent to somebody"
        assert page.run("document.activeElement.id + document.activeElement.value") == "q-agentsnobody"
        page.run(_TYPE % "<b>invoice")
        page.until(lambda text: "“<b>invoice”" in text)
        assert page.run("document.querySelectorAll('#s-agents td b').length") == 0
        page.run(_TYPE % "invoice")
        assert "invoice-bot" in page.until(lambda text: "invoice-bot" in text)
        page.run("document.querySelector('#s-agents thead a').click()")
        page.until(lambda _: bool(page.run("location.search.includes('sort=')")))
        assert page.run("window.same") is True
        assert page.said == []


def test_who_was_signed_out_meanwhile_sees_so(home: Home, served: Up, tmp_path: Path) -> None:
    token = home.remit("operator", "token", "vera", "--role", "auditor").out.strip()
    made = home.remit("console", "--json", env={"REMIT_TOKEN": token}).json["url"]
    with chromium.browser(tmp_path / "chromium") as page:
        page.open(made)
        page.until(lambda text: "Access over 90 days" in text)
        page.call("Page.navigate", url=f"{served.ready['console']}/log")
        page.until(lambda text: "What to look for" in text)
        assert home.remit("operator", "revoke", "vera").code == 0
        page.run((_TYPE % "x").replace("q-agents", "q-entries"))
        assert "You are not signed in" in page.until(lambda text: "What to look for" not in text)
