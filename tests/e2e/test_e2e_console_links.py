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


def test_what_commands_list_and_name_is_on_the_page_that_they_say(home: Home, browser: Browser, files: Path) -> None:
    (files / "policies").mkdir(exist_ok=True)
    text = '@id("calm")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n'
    (files / "policies" / "base.cedar").write_text(text, encoding="utf-8")
    ok(home.remit("apply", str(files)))
    version = home.remit("policy", "history", "--json").json["sets"][0]["version"]
    ok(home.remit("activation", "suspend", "invoice-bot", "payments/list_invoices", "--as", "dana"))
    verdict = home.remit("certify", "list", "--json").json["verdicts"][0]["id"]
    entry = home.remit("audit", "tail", "--json").json["entries"][0]["id"]
    for words in (
        "doctor", "coverage", "freeze", "can invoice-bot payments/list_invoices", "mandate invoice-bot",
        "agent list", "agent show invoice-bot", "agent delegations invoice-bot", "agent limits invoice-bot",
        "agent signal invoice-bot anomaly",
        "activation list", "activation list invoice-bot", "certify list", "certify list --agent invoice-bot",
        "boundary list", "approval list", "approval list --agent invoice-bot", "server list", "server show payments",
        "secret list", "secret versions payments-key", "secret exposure payments-key", "secret history payments-key",
        "secret posture", "secret leases", "secret leases payments-key", "secret rotations", "audit tail",
        "audit checkpoint", "audit verify", "audit find --agent invoice-bot --kind decision --from 2020-01-01",
        "audit find --text bot&x --where what=agent", f"audit evidence --entry {entry}",
        "operator list", "operator waiting", "pep list", "policy list", "policy show calm", "policy history",
        "policy flips 1", f"policy enforce {version}", f"certify replay {verdict}", "certify run", "consent list",
        "key list", "posture", "posture invoice-bot", "posture secrets", "review list",
        "review quality", "trust list", "usage sources", "usage coverage",
    ):  # fmt: skip
        done = home.remit(*words.split())
        found = seen(done)
        assert len(found) == 1, (words, done)
        fetched(browser, found[0])


def test_the_log_is_asked_for_what_a_command_asked_for(home: Home, browser: Browser) -> None:
    words = ("audit", "find", "--kind", "change", "--where", "what=boundary", "--person", "dana", "--to", "2100-01-01")
    ids = {each["id"] for each in home.remit(*words, "--json").json["entries"]}
    (address,) = seen(home.remit(*words))
    assert ids
    assert set(re.findall(r'/console/log/([a-z0-9_]+)"', fetched(browser, address))) >= ids
    every = len(home.remit("audit", "tail", "--json").json["entries"])
    assert every > len(ids), "the query leaves some out"


def test_nothing_is_said_of_what_was_read_without_a_server(home: Home, served: Up) -> None:
    served.end()
    done = home.remit("audit", "verify", "--data", str(home.data))
    assert (done.code, seen(done)) == (0, [])


def fetched(browser: Browser, address: str) -> str:
    """The page at that address, with the part that it names."""
    parts = urlsplit(address)
    status, _, text = browser.ask("GET", f"{parts.path}{'?' if parts.query else ''}{parts.query}")
    assert status == 200, address
    assert not parts.fragment or f'id="{parts.fragment}"' in text, address
    return text
