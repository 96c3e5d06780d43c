"""What a command names has a page in the console, and the command's last line says where."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.browsing import Browser, link
from tests.e2e.running import Done, Home, Up, ok

from remit.console.pages.every import PAGES


def seen(done: Done) -> list[str]:
    return re.findall(r"^  see      (\S+)$", done.err, re.MULTILINE)


@pytest.fixture
def browser(home: Home, served: Up, files: Path) -> Browser:
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    waits = home.remit("apply", str(files))
    assert (waits.code, len(seen(waits))) == (11, 1)
    ok(home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana"))
    found = Browser(served.ready["api"])
    found.sign_in(link(home))
    return found


ASK = ("approval", "ask", "invoice-bot", "payments/transfer", "--arg", "to=A", "--arg", "amount=300", "--arg",
       "currency=EUR", "--as", "lee")  # fmt: skip


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/policies/{name}", ("boundary", "show", "invoice-bot-payments")),
        ("/agents/{name}", ("agent", "show", "invoice-bot")),
        ("/agents/{name}", ("agent", "suspend", "invoice-bot")),
        ("/servers/{name}", ("server", "review", "payments")),
        ("/credentials/{name}", ("secret", "show", "payments-key")),
        ("/requests/{request}", ASK),
        ("/freezes/{id}", ("freeze", "invoice-bot")),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_the_page_of_what_is_named_is_there(home: Home, browser: Browser, page: str, words: tuple[str, ...]) -> None:
    done = home.remit(*words)
    assert done.code in {0, 11}, done.err
    (address,) = seen(done)
    assert address.startswith(browser.base.geturl() + "/console/")
    assert seen(home.remit(*words, "--json")) == [], "a script reads none of it"
    if page in {each.path for each in PAGES}:
        assert browser.ask("GET", urlsplit(address).path)[0] == 200


def test_the_name_of_a_page_is_one_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.cli.pages import page  # noqa: PLC0415 - beside its only use

    monkeypatch.setenv("REMIT_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("REMIT_TOKEN", "x")
    assert page("agents", "a/b?c#d é") == "http://127.0.0.1:1/console/agents/a%2Fb%3Fc%23d%20%C3%A9"
