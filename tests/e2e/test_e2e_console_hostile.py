"""What others wrote (documents, a server's tools, reasons, arguments) stands on the console's pages as text alone."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

from tests.e2e.browsing import Browser, csrf, link
from tests.e2e.hostile_server import LONG, MARK, NAMES, SPACELESS, TEXTS
from tests.e2e.running import AGENT, Home, Up, ok, tree

from remit.cli.agent import keygen
from remit.console.pages.every import PAGES

HERE = Path(__file__).parent
ALL = " ".join(TEXTS)
VERSION = TEXTS[6]
MOST = 150  # pages
LEADS = re.compile(r"/console(?!/static|/sign-out|.*[?&]format=)")


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.wrong: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.startswith("xss") or any(name.startswith(("on", "xss")) or "<" in name for name, _ in attrs):
            self.wrong.append(self.get_starttag_text() or tag)
        for name, value in attrs:
            if name in {"href", "src", "action", "formaction"}:
                self.links += [value or ""] if name == "href" else []
                if re.match(r"\s*(?!https?:)[a-z]+:", value or "", re.IGNORECASE):
                    self.wrong.append(value or "")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}")

    def handle_data(self, data: str) -> None:
        self.text += data


def applied(home: Home, root: Path) -> None:
    rules: list[dict[str, object]] = [{"action": f"payments/{name}"} for name in NAMES[1:3]]
    rules.append(
        {
            "action": "payments/plain",
            "when": {"note": {"in": list(TEXTS)}},
            "approval": {"by": ["dana", "lee"], "quorum": 1},
        }
    )
    boundary = {"boundary": "invoice-bot-payments", "agent": "invoice-bot", "purpose": "pay-invoices", "allow": rules}
    server = {
        "server": "payments", "kind": "mcp", "review": "pin-on-first-use",
        "command": [sys.executable, str(HERE / "hostile_server.py"), str(root / "changed"), ALL],
        "credential": {"secret": "payments-key", "inject": {"env": "KEY", "format": "{}"}},
    }  # fmt: skip
    written: dict[str, object] = {
        "owners": [
            {"owner": "dana", "name": TEXTS[1], "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": TEXTS[4], "email": "lee@example.test"},
        ],
        "servers__payments": server,
        "purposes__pay-invoices": {
            "purpose": "pay-invoices", "statement": ALL, "data_classes": [TEXTS[0], TEXTS[5]],
            "actions": ["payments/*"], "not_after": "2029-06-30",
        },
        "boundaries__invoice-bot": boundary | {"not_after": "2029-03-31"},
    }  # fmt: skip
    texts = {name: json.dumps(each, ensure_ascii=False) for name, each in written.items()}
    agent = AGENT.replace('"1.4"', json.dumps(VERSION, ensure_ascii=False))
    files = tree(root, payments=1, **texts, **{"agents__invoice-bot": agent})
    assert keygen("invoice-bot", files / "agents" / "invoice-bot") == 0
    ok(home.remit("secret", "set", "payments-key", "--attribute", f"user={TEXTS[1]}", stdin="an-upstream-key"))
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"), 11)  # tools of such names wait for a person
    ok(home.remit("server", "review", "payments", "--approve", "--as", "lee"))
    ok(home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana"))


def happened(home: Home, root: Path, url: str) -> None:
    """Something of each kind that stands in the log, or waits, with others' words in it."""
    called(home, url)
    ok(home.remit("freeze", "agent", "invoice-bot", "--reason", TEXTS[3], "--as", "dana", "--no-wait"))
    ok(home.remit("secret", "exposed", "payments-key", "--reason", TEXTS[0], "--as", "dana"))
    (root / "changed").touch()
    home.remit("server", "refresh", "payments")


def called(home: Home, url: str) -> None:
    """Refused calls of tools of such names, with such arguments."""
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for tool, arguments in (("plain", {"note": ALL}), ("plain", {"note": LONG}), (NAMES[2], {MARK: TEXTS[2]})):
        body = {
            "subject": {"type": "agent", "id": "invoice-bot"}, "action": {"name": f"payments/{tool}"},
            "resource": {"type": "server", "id": "payments"},
            "context": {"purpose": "pay-invoices", "arguments": arguments},
        }  # fmt: skip
        status, _, said = Browser(url).ask("POST", "/access/v1/evaluation", json.dumps(body), **sent)
        assert (status, json.loads(said)["decision"]) == (200, False)


def test_no_page_takes_a_text_for_markup(home: Home, served: Up, tmp_path: Path) -> None:
    applied(home, tmp_path / "files")
    happened(home, tmp_path / "files", served.ready["api"])
    browser = Browser(served.ready["api"])
    browser.sign_in(link(home))
    waiting = [f"/console{page.path}" for page in PAGES if "{" not in page.path]
    shown: dict[str, Seen] = {}
    while waiting and len(shown) < MOST:
        path = waiting.pop(0)
        if path in shown:
            continue
        status, _, text = browser.ask("GET", path)
        late = path.startswith("/console/log/")  # only decisions and verdicts have pages of their own
        assert status == 200 or (late and status == 404), f"{path}: {text[:2000]}"
        found = shown[path] = Seen(text)
        assert found.wrong == [], path
        waiting += [each.partition("#")[0] for each in found.links if LEADS.match(each)]
    for kind in ("/agents/", "/agents?owner=", "/servers/", "/policies/", "/credentials/", "/log/", "/freezes/"):
        assert any(path.startswith(f"/console{kind}") for path in shown), kind
    everything = "".join(each.text for each in shown.values())
    for text in (
        SPACELESS,
        TEXTS[0],
        TEXTS[3],
        VERSION,
        "activation_lapsed",
        '</script><xss-mark onload=\\"xss()\\"><!--"',
    ):
        assert text in everything, "what nobody is shown shows nothing"


def test_a_command_to_copy_is_to_a_shell_what_it_is_to_a_person(home: Home, served: Up, tmp_path: Path) -> None:
    applied(home, tmp_path / "files")
    name = f"payments/{NAMES[4]}"
    frozen = home.remit("freeze", "tool", name)
    assert "try      remit unfreeze tool 'payments/\\u202e<xss-mark/onload=\"xss()\">'" in frozen.err
    browser = Browser(served.ready["api"])
    browser.sign_in(link(home))
    free = "x/$(touch here)"  # the address is anybody's word
    text = browser.ask("GET", f"/console/stop?kind=tool&name={quote(free, safe='')}")[2]
    assert f"remit freeze tool '{free}' --reason TEXT" in Seen(text).text
    (freeze,) = ok(home.remit("freeze", "--json")).json["freezes"]
    text = browser.ask("GET", f"/console/freezes/{freeze['id']}")[2]
    assert f"remit unfreeze tool '{name}'" in Seen(text).text
    assert "<bdi><code>payments/\u202e" in text, "it turns nothing round that stands beside it"


def test_a_refusal_says_what_was_sent_as_text(home: Home, served: Up) -> None:
    browser = Browser(served.ready["api"])
    browser.sign_in(link(home))
    word = csrf(browser.ask("GET", "/console")[2])
    for name in (MARK, f"\"'>{MARK}", "x" * 3000):
        for path in ("/console/agents", "/console/servers", "/console/log", "/console/policies", "/console/requests"):
            for query in ("", f"?q={quote(name)}&sort={quote(name)}&after={quote(name)}"):
                status, _, text = browser.ask(
                    "GET", f"{path}/{quote(name, safe='')}{query}" if not query else path + query
                )
                assert status < 500, text
                assert Seen(text).wrong == []
        body = urlencode({"name": name, "kind": name, "csrf": word, "reason": name})
        status, _, text = browser.ask("POST", "/console/freeze", body)
        assert status < 500, text
        assert Seen(text).wrong == []
        assert Seen(browser.ask("GET", "/console")[2]).wrong == []
