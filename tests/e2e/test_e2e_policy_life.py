"""Changing policies by the command line, against a real `remit up`, a real MCP server and a restart."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from tests.e2e.peers import behind, transfers, upstream
from tests.e2e.running import Home, free_port, ok

FORBID = """@id("no-transfers")
@title("Agents move no money yet")
forbid (principal, action == Remit::Action::"payments/transfer", resource);
"""
CANDIDATE = """@id("small-transfers")
@title("Transfers over 100 are made by people")
forbid (principal, action == Remit::Action::"payments/transfer", resource)
when { context.input.amount.greaterThan(decimal("100.0")) };

@id("no-counting")
@title("Nobody counts")
forbid (principal, action == Remit::Action::"payments/count", resource);
"""
TESTS = """tools:
  payments/transfer: {amount: number, currency: string, note: optional string}
tests:
  - name: a small transfer is made
    agent: someone
    action: payments/transfer
    arguments: {amount: 10.00, currency: EUR}
    expect: allow
  - name: a large one is not
    agent: someone
    action: payments/transfer
    arguments: {amount: 101.00, currency: EUR}
    expect: forbidden_by_policy
    policy: small-transfers
"""


def wrote(root: Path, text: str) -> Path:
    folder = root / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.cedar").write_text(text, encoding="utf-8")
    return root


def test_observed_enforced_and_rolled_back_over_a_restart(home: Home, tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    files, candidate = tmp_path / "files", wrote(tmp_path / "candidate", CANDIDATE)
    port = str(free_port())
    with upstream(command, os.environ, tmp_path / "server.log") as url:
        with home.up("--dev", "--listen", f"127.0.0.1:{port}") as up:
            peer = behind(home, up, files, "payments", url, ["transfer", "count"])
            ok(home.remit("apply", str(wrote(files, FORBID))))
            assert ok(home.remit("policy", "list", "--json")).json["policies"][0]["id"] == "no-transfers"
            assert "Agents move no money" in ok(home.remit("policy", "show", "no-transfers")).out
            observed = ok(home.remit("policy", "observe", str(candidate), "--json")).json
            assert (observed["version"], observed["state"]) == ("2", "observe")
            assert asyncio.run(transfers(peer)) == [True, True, False]
            flips = ok(home.remit("policy", "flips", "--json")).json
            rows = {row["policy"]: (row["allow_to_deny"], row["deny_to_allow"]) for row in flips["policies"]}
            assert rows == {"no-transfers": (0, 1), "no-counting": (1, 0)}
            why = flips["policies"][0]["examples"][0]["decision"]
            ok(home.remit("why", why))
        with home.up("--dev", "--listen", f"127.0.0.1:{port}") as up:
            assert asyncio.run(transfers(peer)) == [True, True, False]
            flips = ok(home.remit("policy", "flips", "--json")).json
            assert (flips["flips"], flips["dropped"], flips["broken"]) == (4, 0, 0)
            assert "4 would flip" in ok(home.remit("policy", "flips")).out
            waits = ok(home.remit("policy", "enforce", "2", "--as", "dana"), 11)
            assert "waits for a second person" in waits.out
            assert asyncio.run(transfers(peer)) == [True, True, False]
            ok(home.remit("policy", "enforce", "2", "--as", "lee"))
            assert asyncio.run(transfers(peer)) == [False, True, True]
            ok(home.remit("policy", "rollback", "--as", "lee"), 11)
            ok(home.remit("policy", "rollback", "--as", "dana"))
            assert asyncio.run(transfers(peer)) == [True, True, False]
            states = [
                (row["version"], row["state"]) for row in ok(home.remit("policy", "history", "--json")).json["sets"]
            ]
            assert states == [("2", "retired"), ("1", "enforced")]
            ok(home.remit("audit", "verify"))
            ok(home.remit("policy", "flips"), 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FORBID + 'forbid (principal, action == Remit::Action::"payments/nope", resource);', ":4: "),
        (FORBID + "forbid (principal action, resource);", ":4: "),
        (FORBID + FORBID, ":4: "),
    ],
)
def test_what_does_not_validate_is_refused_with_its_line(home: Home, tmp_path: Path, text: str, said: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    with upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev") as up:
        behind(home, up, tmp_path / "files", "payments", url, ["transfer"])
        ok(home.remit("apply", str(wrote(tmp_path / "files", FORBID))))
        bad = wrote(tmp_path / "bad", text)
        assert f"policies/base.cedar{said}" in ok(home.remit("policy", "observe", str(bad)), 3).err
        assert [row["version"] for row in ok(home.remit("policy", "history", "--json")).json["sets"]] == ["1"]


def test_files_are_linted_formatted_and_tested_without_a_server(home: Home, tmp_path: Path) -> None:
    root = wrote(tmp_path / "files", CANDIDATE.replace("resource)\nwhen", "resource) when"))
    (root / "policies" / "base.test.yaml").write_text(TESTS, encoding="utf-8")
    ok(home.remit("policy", "format", str(root), "--check"), 9)
    ok(home.remit("policy", "format", str(root)))
    ok(home.remit("policy", "format", str(root), "--check"))
    tested = ok(home.remit("policy", "test", str(root), "--json")).json
    assert (tested["failed"], tested["untouched"]) == (0, ["no-counting"])
    wrote(root, CANDIDATE.replace("100.0", "5.0"))
    failed = ok(home.remit("policy", "test", str(root)), 4)
    assert "expected allow" in failed.out
    assert "got      forbidden_by_policy by small-transfers" in failed.out
    assert ok(home.remit("policy", "lint", str(root), "--json")).json["findings"] == []
    wrote(root, CANDIDATE.replace("amount.", "note."))
    linted = ok(home.remit("policy", "lint", str(root)), 3)
    assert "policies/base.cedar:1: error: small-transfers: " in linted.out
    assert "  because  apply refuses it" in linted.out
    (root / "policies" / "base.test.yaml").unlink()
    linted = ok(home.remit("policy", "lint", str(root), "--json"))  # nobody knows the tools
    assert [row["rule"] for row in linted.json["findings"]] == ["may_be_missing"]
