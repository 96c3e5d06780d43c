"""Reviews in a real browser, by keyboard alone: open, why, revoke, the next one opens, undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.e2e import chromium
from tests.e2e.browsing import link
from tests.e2e.running import Home, Up, ok

COMBINATION = """\
combination: {name}
actions: [payments/list_invoices, payments/transfer]
why: Who sees every invoice and moves money can pay themselves
severity: high
"""


def questions(home: Home) -> list[dict[str, Any]]:
    return list(ok(home.remit("review", "list", "--all", "--json")).json["questions"])


def toxic(home: Home, files: Path) -> None:
    """Apply what makes two questions."""
    assert home.remit("secret", "set", "payments-key", stdin="an-upstream-key").code == 0
    server = files / "servers" / "payments.yaml"
    server.write_text(server.read_text(encoding="utf-8").replace("tier: critical", "tier: low"), encoding="utf-8")
    (files / "combinations").mkdir()
    for name in ("see-and-pay", "pay-and-see"):
        (files / "combinations" / f"{name}.yaml").write_text(COMBINATION.format(name=name), encoding="utf-8")
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"))


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_queue_is_answered_by_keys_alone(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    toxic(home, files)
    with chromium.browser(tmp_path / "chromium") as page:

        def press(key: str) -> None:
            page.until(lambda _: page.run("document.readyState") == "complete")  # its scripts hear keys
            for kind in ("keyDown", "keyUp"):
                page.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

        page.open(link(home, ok(home.remit("operator", "token", "dana", "--role", "owner")).out.strip()))
        page.until(lambda text: "Overview" in text)
        page.until(lambda _: len(questions(home)) == 2, seconds=60)
        first, second = sorted(questions(home), key=lambda each: (each["due"], each["question"]))
        page.call("Page.navigate", url=f"{served.ready['console']}/reviews")
        page.until(lambda text: "Open the first question" in text)
        press("j")
        assert page.run("document.activeElement.closest('tr').classList.contains('at')"), "j goes to the first row"
        press("o")
        page.until(lambda text: "Your answer" in text)
        assert page.run("location.pathname").endswith(first["question"])
        assert "What each answer stops" in page.text()
        press("?")
        assert page.run("document.getElementById('why').open")
        press("r")
        text = page.until(lambda text: "You said end" in text)
        assert "You said end" in text
        assert page.run("location.pathname").endswith(second["question"]), "the next one opens"
        spoken = "document.getElementById('spoken').textContent"
        assert page.until(lambda _: "You said end" in page.run(spoken))
        assert "You said end" in page.run(spoken), "it is said aloud"
        answers = ok(home.remit("review", "show", first["question"], "--json")).json["answers"]
        assert [(each["said"], each["by"], each["state"]) for each in answers] == [("end", "dana", "staged")]
        press("u")
        assert "Taken back" in page.until(lambda text: "Taken back" in text)
        answers = ok(home.remit("review", "show", first["question"], "--json")).json["answers"]
        assert [each["state"] for each in answers] == ["undone"]
        page.run("document.getElementById('note').focus()")
        press("k")
        assert page.run("document.getElementById('note').value") == "k", "who writes answers nothing"
        assert page.said == []
