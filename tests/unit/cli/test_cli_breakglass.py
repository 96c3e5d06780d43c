"""`remit breakglass`: what is asked of the server, and what is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.cli import breakglass
from remit.cli.exits import Exit

ROW = {
    "opening": "opn_1", "agent": "bot", "boundary": "glass", "open": True, "state": "open", "by": "lee",
    "opened": "2026-11-24T00:00:00Z", "ends": "2026-11-24T00:30:00Z", "reason": "down", "ticket": "INC-7",
    "closed_by": None, "review_due": "2026-11-25T00:30:00Z", "reviewed": None, "reviewed_by": None, "note": None,
}  # fmt: skip


class Api:
    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.rows: list[dict[str, Any]] = [ROW]

    def get(self, path: str) -> Any:
        self.asked.append((path, None))
        return {"openings": self.rows}

    def post(self, path: str, body: object) -> Any:
        self.asked.append((path, body))
        return ROW


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    found = Api()
    monkeypatch.setattr(breakglass, "connect", lambda _as: found)
    return found


def test_open_says_until_when_and_who_reviews(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["open", "bot", "glass", "--for", "20m", "--reason", "down", "--ticket", "INC-7"]
    assert breakglass.app(args=words, standalone_mode=False) == Exit.OK
    body = {"agent": "bot", "boundary": "glass", "for": "20m", "reason": "down", "ticket": "INC-7"}
    assert api.asked == [("/v1/breakglass", body)]
    said = capsys.readouterr()
    assert said.out == "open: glass of bot until 2026-11-24T00:30:00Z (opn_1)\n"
    assert "remit breakglass close opn_1" in said.err


def test_close_and_review(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert breakglass.close("opn_1") == Exit.OK
    assert breakglass.review("opn_1", note="fine") == Exit.OK
    assert breakglass.review("opn_1", reject=True, json=True) == Exit.OK
    assert api.asked == [
        ("/v1/breakglass/opn_1/close", {}),
        ("/v1/breakglass/opn_1/review", {"note": "fine", "accepted": True}),
        ("/v1/breakglass/opn_1/review", {"note": "", "accepted": False}),
    ]
    closed, accepted, rejected = capsys.readouterr().out.splitlines()
    assert (closed, accepted) == ("closed: opn_1, glass of bot", "accepted: opn_1, glass of bot")
    assert json.loads(rejected) == ROW


def test_list(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert breakglass.list_("bot") == Exit.OK
    assert api.asked == [("/v1/breakglass?agent=bot", None)]
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["opening", "agent", "boundary", "open", "state"]
    assert row.split()[:5] == ["opn_1", "bot", "glass", "yes", "open"]
    api.rows = []
    assert breakglass.list_() == Exit.OK
    assert "no openings yet" in capsys.readouterr().err
