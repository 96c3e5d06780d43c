"""Boundaries and requests on the console's pages: what waits, what it widens, what a yes is beside, who may say it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from tests.e2e.browsing import Browser, csrf, signed_in
from tests.e2e.running import Home, Up, ok
from tests.e2e.test_e2e_console_policies import read

PAGE = "/console/policies/invoice-bot-payments"


def applied(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"))


def pressed(browser: Browser, path: str, **fields: str) -> tuple[int, str]:
    word = csrf(browser.ask("GET", path)[2])
    status, headers, page = browser.ask("POST", path, urlencode({"csrf": word, **fields}))
    return status, read(browser.ask("GET", headers["location"])[2] if status == 303 else page)


def test_what_waits_says_what_it_widens_and_its_owner_alone_says_yes(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    boundary = files / "boundaries" / "invoice-bot.yaml"
    boundary.write_text(boundary.read_text(encoding="utf-8").replace('"500.00"', '"900.00"'), encoding="utf-8")
    ok(home.remit("apply", str(files)), 11)
    vera, dana = signed_in(home, served, "vera", "viewer"), signed_in(home, served, "dana", "owner")
    page = read(vera.ask("GET", PAGE)[2])
    assert "Version 2 waits for a yes" in page
    assert "It widens what a person approved" in page
    assert "at most 500.00 at most 900.00" in page.replace(", ", " ") or "at most 900.00" in page
    assert "dana or lee may say yes to it" in page
    assert pressed(vera, PAGE, act="approve", version="2")[0] == 403
    assert "Version 1: active" in read(dana.ask("GET", PAGE)[2])
    status, page = pressed(dana, PAGE, act="approve", version="1")
    assert status == 409, "what was not shown is not approved"
    status, page = pressed(dana, PAGE, act="approve", version="2")
    assert status == 303
    assert "Version 2: active" in page
    assert "waits for a yes" not in page
    page = read(dana.ask("GET", f"{PAGE}?version=1")[2])
    assert "Version 1 beside version 2" in page
    assert "at most 500.00" in page


def test_what_waits_is_declined_by_who_could_approve_it(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    boundary = files / "boundaries" / "invoice-bot.yaml"
    for amount, before in (("900.00", "500.00"), ("950.00", "900.00")):
        text = boundary.read_text(encoding="utf-8").replace(f'"{before}"', f'"{amount}"')
        boundary.write_text(text, encoding="utf-8")
        ok(home.remit("apply", str(files)), 11)
        version = ok(home.remit("boundary", "show", "invoice-bot-payments", "--json")).json["waits"]["version"]
        if amount == "900.00":
            vera, dana = signed_in(home, served, "vera", "viewer"), signed_in(home, served, "dana", "owner")
            assert pressed(vera, PAGE, act="decline", version=str(version))[0] == 403
            assert pressed(dana, PAGE, act="decline", version="1")[0] == 409, "what is in force is not declined"
            status, page = pressed(dana, PAGE, act="decline", version=str(version))
            assert (status, f"Version {version} of invoice-bot-payments is declined" in page) == (303, True)
            assert pressed(dana, PAGE, act="approve", version=str(version))[0] == 409
        else:
            assert home.remit("boundary", "decline", "invoice-bot-payments", "--as", "nobody").code == 6
            done = ok(home.remit("boundary", "decline", "invoice-bot-payments", "--as", "dana"))
            assert done.out == f"declined: invoice-bot-payments version {version}\n"
            again = home.remit("boundary", "decline", "invoice-bot-payments", "--as", "dana")
            assert (again.code, "does not wait" in again.err) == (9, True)
    shown = ok(home.remit("boundary", "show", "invoice-bot-payments", "--json")).json
    assert [each["state"] for each in shown["versions"]] == ["revoked", "revoked", "active"]
    assert shown["waits"] is None
    ok(home.remit("audit", "verify"))
    ok(home.remit("doctor"))
    ok(home.remit("policy", "simulate", "--json"))
    ok(home.remit("apply", str(files)), 11)


def test_a_request_stands_beside_what_its_boundary_allows(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    arguments = ("--arg", "amount=400.5", "--arg", "currency=EUR", "--arg", "to=DE89370400440532013000")
    asked = ok(
        home.remit("approval", "ask", "invoice-bot", "payments/transfer", *arguments, "--as", "lee", "--json"), 11
    )
    path = f"/console/requests/{asked.json['request']}"
    dana = signed_in(home, served, "dana", "owner")
    page = read(dana.ask("GET", path)[2])
    assert "400.5" in page
    assert "at most 500.00" in page
    assert "This would be your first yes today" in page
    assert "never, in the newest 1,000 decisions" in page
    assert "critical : It can give rights" in page
    assert "1 waits for somebody" in read(dana.ask("GET", "/console/requests")[2])
    status, page = pressed(dana, path, act="approve", note="seen", **{"for": "9h"})
    assert status == 400, "15 minutes at the most"
    status, page = pressed(dana, path, act="approve", note="seen", **{"for": "5m"})
    assert status == 303
    assert "the very call passes once, within 5m" in page
    assert home.remit("approval", "show", asked.json["request"], "--json").json["state"] == "approved"
