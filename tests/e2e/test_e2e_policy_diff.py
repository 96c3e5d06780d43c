"""`remit policy diff`, `remit who` and `remit why` against a real server; and two directories without one."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.running import Home, Up

FORBID = (
    '@id("eu-only")\n@title("Euro only")\nforbid (principal, action == Remit::Action::"payments/transfer", resource)\n'
)
EURO = 'unless { context.input.currency == "EUR" };\n'
WIDER = 'unless { ["EUR", "USD"].contains(context.input.currency) };\n'
TIGHTER = ";\n"


def write(root: Path, text: str) -> Path:
    (root / "policies").mkdir(exist_ok=True)
    (root / "policies" / "money.cedar").write_text(text, encoding="utf-8")
    return root


def test_a_change_is_judged_before_it_is_made(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    write(files, FORBID + EURO)
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    same = home.remit("policy", "diff", str(files), "--fail-on", "widen", "--json")
    assert (same.code, same.json["verdict"], same.json["changes"]) == (0, "same", [])

    wider = write(Path(shutil.copytree(files, tmp_path / "wider")), FORBID + WIDER)
    found = home.remit("policy", "diff", str(wider), "--fail-on", "widen", "--json")
    assert (found.code, found.json["verdict"]) == (9, "widens"), found.err
    (row,) = found.json["changes"]
    assert (row["name"], row["file"], row["line"]) == ("eu-only", "policies/money.cedar", 1)
    assert row["example"]["arguments"]["currency"] == "USD"
    assert (row["example"]["before"]["policy"], row["example"]["after"]) == ("eu-only", {"decision": True})
    # As it says: the directories alone say the same, and apply asks for a second person.
    assert home.remit("policy", "diff", str(files), str(wider), "--fail-on", "widen").code == 9
    waits = home.remit("apply", str(wider))
    assert waits.code == 11, waits.err

    tighter = write(Path(shutil.copytree(files, tmp_path / "tighter")), FORBID + TIGHTER)
    found = home.remit("policy", "diff", str(tighter), "--fail-on", "widen", "--json")
    assert (found.code, found.json["verdict"]) == (0, "narrows"), found.err
    assert home.remit("apply", str(tighter)).code == 0

    who = home.remit("who", "--can", "payments/transfer", "--denied", "--json")
    (row,) = who.json["rows"]
    assert (row["agent"], row["access"], row["code"]) == ("invoice-bot", "stopped", "forbidden_by_policy")
    own = home.remit("who", "--can", "payments/list_invoices", "--json", "--as", "dana")
    assert [row["agent"] for row in own.json["rows"]] == ["invoice-bot"]
