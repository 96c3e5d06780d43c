"""What waits for a second person: shown with its place, taken back by a button and a command."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.browsing import signed_in
from tests.e2e.running import Home, Up, ok
from tests.e2e.test_e2e_console_boundaries import applied, pressed
from tests.e2e.test_e2e_console_policies import read

PAGE = "/console/requests"
BUTTON = "Take back</button>"


def test_a_word_is_taken_back_by_who_said_it_alone(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    ok(home.remit("freeze", "all"))
    assert home.remit("unfreeze", "all", "--as", "sam").code == 11
    assert home.remit("key", "rotate", "token", "--as", "olu").code == 11
    sam, lee = signed_in(home, served, "sam", "security"), signed_in(home, served, "lee", "security")
    page = sam.ask("GET", PAGE)[2]
    assert '<a href="/console/freezes/frz_' in page
    assert '<a href="/console/settings#s-keys">' in page
    assert page.count(BUTTON) == 1, "the one that is sam's"
    assert lee.ask("GET", PAGE)[2].count(BUTTON) == 0
    assert pressed(lee, PAGE, act="take-back", kind="unfreeze_all")[0] == 403
    status, page = pressed(sam, PAGE, act="take-back", kind="unfreeze_all")
    assert (status, "Taken back: Start everything again." in page) == (303, True)
    assert "Start everything again" not in page.replace("Taken back: Start everything again.", "")
    assert pressed(sam, PAGE, act="take-back", kind="unfreeze_all")[0] == 404
    assert pressed(sam, PAGE, act="take-back")[0] == 404
    assert home.remit("unfreeze", "all", "--as", "lee").code == 11, "lee is the first one now"


def test_the_command_says_what_was_taken_back(home: Home, served: Up, files: Path) -> None:
    assert served.ready
    applied(home, files)
    assert home.remit("key", "rotate", "token", "--as", "olu").code == 11
    waits = ok(home.remit("operator", "waiting", "--json")).json["words"][0]
    done = ok(home.remit("operator", "take-back", "keys", "--as", "olu"))
    assert done.out == f"taken back: keys, which olu had said about {waits['about']}\n"
    assert home.remit("operator", "take-back", "keys", "--as", "olu").code == 2
    assert "first words" in ok(home.remit("operator", "waiting")).err
    found = ok(home.remit("audit", "find", "--where", "change=taken_back", "--json")).json["entries"]
    assert [(each["what"], each["as"], each["first"]) for each in found] == [("key", "olu", "olu")]
    ok(home.remit("audit", "verify"))


def test_digests_are_short_and_copied_whole(home: Home, served: Up, files: Path) -> None:
    applied(home, files)
    (files / "policies").mkdir()
    (files / "policies" / "more.cedar").write_text(
        '@id("any")\npermit (principal, action, resource);\n', encoding="utf-8"
    )
    assert home.remit("apply", str(files), "--as", "olu").code == 11
    (word,) = ok(home.remit("operator", "waiting", "--json")).json["words"]
    page = signed_in(home, served, "olu", "operator").ask("GET", PAGE)[2]
    before, after = word["about"].split(" ")
    assert f"{before[:8]}… → {after[:8]}…" in read(page)
    assert f'data-copy="{word["about"]}"' in page
    assert '<a href="/console/policies">' in page
