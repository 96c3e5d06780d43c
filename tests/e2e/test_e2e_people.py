"""Whose word it takes, as the commands have it: approvals, policies, freezes and tokens."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.running import BOUNDARY, SERVER, Home, Up, tree

FORBID = '@id("no-transfers")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n'
PERMIT = '@id("anything")\npermit (principal, action, resource);\n'


def approved(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-and-long").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def token(home: Home, person: str, role: str) -> dict[str, str]:
    done = home.remit("operator", "token", person, "--role", role, "--json")
    assert done.code == 0, done.err
    return {"REMIT_TOKEN": done.json["token"]}


def widen(files: Path, most: str) -> None:
    text = BOUNDARY.replace('max: "500.00"}, currency', f'max: "{most}"}}, currency')
    (files / "boundaries" / "invoice-bot.yaml").write_text(text, encoding="utf-8")


def policy(files: Path, text: str) -> None:
    (files / "policies").mkdir(exist_ok=True)
    (files / "policies" / "base.cedar").write_text(text, encoding="utf-8")


def test_apply_approve_takes_an_owners_token(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    widen(files, "800.00")
    for role in ("operator", "reviewer"):
        refused = home.remit("apply", str(files), "--approve", env=token(home, "dana", role))
        assert refused.code == 6, refused.err
    assert home.remit("apply", str(files)).code == 11
    done = home.remit("apply", str(files), "--approve", env=token(home, "dana", "owner"))
    assert done.code == 0, done.err


def test_approve_shows_what_waits_and_approves_that(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    widen(files, "800.00")
    assert home.remit("apply", str(files)).code == 11
    done = home.remit("boundary", "approve", "invoice-bot-payments", "--as", "lee")
    assert done.code == 0, done.err
    assert "version 2" in done.err
    assert "payments/transfer  when amount max 800.00" in done.err
    assert "widens   payments/transfer: the bound on amount is loosened or removed" in done.err
    again = home.remit("boundary", "approve", "invoice-bot-payments", "--as", "lee")
    assert (again.code, "nothing waits" in again.err) == (0, True)
    assert home.remit("boundary", "approve", "invoice-bot-payments", "--as", "lee", "--json").json["version"] == 2


def test_widening_policies_waits_for_a_second_person(home: Home, served: Up, files: Path) -> None:
    policy(files, FORBID)
    approved(home, files)
    arguments = json.dumps({"to": "Acme", "amount": 1, "currency": "EUR"})

    def ask() -> int:
        return home.remit("can", "invoice-bot", "payments/transfer", "--args", arguments).code

    assert ask() == 10
    policy(files, "// nothing is forbidden\n")
    foreseen = home.remit("diff", str(files))
    assert (foreseen.code, "waits for a second person" in foreseen.out) == (9, True)
    first = home.remit("apply", str(files), "--as", "ann")
    assert first.code == 11, first.err
    assert "the policies wait for a second person: policies/base.cedar" in first.err
    assert "nothing of the policies changed yet" in first.err
    assert home.remit("apply", str(files), "--as", "ann").code == 11
    assert ask() == 10
    second = home.remit("apply", str(files), "--as", "bob")
    assert second.code == 0, second.err
    assert ask() == 0
    policy(files, PERMIT)
    assert home.remit("apply", str(files), "--as", "bob").code == 11
    policy(files, FORBID)
    assert home.remit("apply", str(files), "--as", "bob").code == 0
    assert ask() == 10
    assert home.remit("audit", "verify").code == 0


def test_an_owner_does_not_start_again_what_security_stopped(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    dana, sam = token(home, "dana", "owner"), token(home, "sam", "security")
    assert home.remit("freeze", "invoice-bot", env=sam).code == 0
    refused = home.remit("unfreeze", "invoice-bot", env=dana)
    assert (refused.code, "ask security" in refused.err) == (6, True)
    assert home.remit("unfreeze", "invoice-bot", env=sam).code == 0
    assert home.remit("agent", "suspend", "invoice-bot", env=sam).code == 0
    assert home.remit("agent", "resume", "invoice-bot", env=dana).code == 6
    assert home.remit("agent", "resume", "invoice-bot", env=sam).code == 0
    assert home.remit("freeze", "invoice-bot", env=dana).code == 0
    assert home.remit("unfreeze", "invoice-bot", env=dana).code == 0


def test_a_token_that_was_just_made_does_not_start_everything_again(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    assert home.remit("freeze", "all").code == 0
    assert home.remit("unfreeze", "all").code == 11
    refused = home.remit("unfreeze", "all", env=token(home, "zed", "operator"))
    assert (refused.code, "over an hour ago" in refused.err) == (6, True)
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 10


def test_a_token_is_revoked(home: Home, served: Up, files: Path) -> None:
    vera, dana = token(home, "vera", "viewer"), token(home, "dana", "owner")
    rows = {row["person"]: row["token"] for row in home.remit("operator", "list", "--json").json["tokens"]}
    done = home.remit("operator", "revoke", rows["vera"])
    assert (done.code, rows["vera"] in done.out) == (0, True)
    assert home.remit("agent", "list", env=vera).code == 5
    assert home.remit("agent", "list", env=dana).code == 0
    assert home.remit("operator", "revoke", "dana", env=dana).code == 0
    assert home.remit("agent", "list", env=dana).code == 5
    assert home.remit("operator", "revoke", "dana").code == 2
    assert home.remit("operator", "revoke", "admin").code == 2
    assert len(home.remit("operator", "revoke", "--help").out.partition("Examples:")[2].split("remit ")) == 3


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Somebody's server: its port, and the credentials that it was sent."""
    sent: list[str] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.headers.get("authorization", ""))
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, sent
        finally:
            server.shutdown()
            thread.join()


def test_diff_sends_no_secret_to_a_url_in_the_files(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    with listening() as (port, sent):
        tree(files, payments=port, servers__payments=SERVER.replace("9101", str(port)))
        done = home.remit("diff", str(files))
        assert (done.code, "a dry run sends a credential only" in done.out) == (9, True), done.err
        assert sent == []
        applied = home.remit("apply", str(files))
        assert f"the secret payments-key goes to 127.0.0.1:{port}" in applied.out
        assert "Bearer s3cret-and-long" in sent
