"""What `remit audit tail` shows of entries."""

from __future__ import annotations

from typing import Any

import pytest

from remit.cli import audit
from remit.cli.main import run

DECIDED = {"time": "t1", "kind": "decision", "id": "dec_1", "agent": "bot", "action": "p/pay", "answer": "allow"}
ENTRIES: list[dict[str, Any]] = [
    {"time": "t3", "kind": "refused", "id": "ref_1", "agent": "bot", "reason": "malformed"},
    {"time": "t2", "kind": "outcome", "id": "out_1", "agent": "bot", "action": "p/pay", "answer": "dec_1",
     "decision": "dec_1", "outcome": "outcome_unknown"},
    {"time": "t1", "kind": "decision", "id": "dec_0", "agent": "bot", "action": "p/pay", "answer": "deny",
     "code": "revoked"},
    DECIDED,
]  # fmt: skip


class Api:
    """A server with these entries."""

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/v1/decisions?limit=20"
        return {"entries": ENTRIES}


def test_tail_shows_what_became_of_calls(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(audit, "connect", lambda _as: Api())
    assert run(["audit", "tail"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["time", "kind", "id", "agent", "action", "answer", "code", "outcome"]
    assert [row.split() for row in rows] == [
        ["t3", "refused", "ref_1", "bot", "-", "-", "malformed", "-"],
        ["t2", "outcome", "out_1", "bot", "p/pay", "dec_1", "-", "outcome_unknown"],
        ["t1", "decision", "dec_0", "bot", "p/pay", "deny", "revoked", "-"],
        ["t1", "decision", "dec_1", "bot", "p/pay", "allow", "-", "-"],
    ]
