"""`remit posture`: tables, lines of blocks, a picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from remit.certification.posture.growth import Tally, figures
from remit.cli import posture
from remit.cli.exits import Exit
from remit.cli.posture import spark

AGENT = {"owner": "dana", "stand_ins": [], "max_children": 0}


def day(date: str, weight: int) -> dict[str, Any]:
    sums = Tally(granted=4, granted_weight=weight, used=1, direct=1, direct_weight=weight, creep=weight * 650_000)
    return {"day": date, **figures(sums)}


class Api:
    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        return self.answers[path.partition("?")[0]]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    rows = [day("2026-11-20", 10), day("2026-11-21", 40), day("2026-11-24", 25)]
    person = {"agents": 1, "direct": 40, "latent": 3}
    widening = {
        "boundary": "pay", "version": 2, "by": "lee", "at": "2026-11-24T00:00:00.000000Z", "points": 40,
        "weight_before": 1, "weight_after": 41, "widens": ["payments/transfer is added"],
    }  # fmt: skip
    found = Api(
        {
            "/v1/posture/series": {"agent": None, "series": rows},
            "/v1/posture": {"agents": [{"agent": "invoice-bot", **AGENT, **day("", 25)}], "more": None},
            "/v1/posture/people": {
                "day": "2026-11-24", "since": "2026-08-26",
                "people": [{"person": "dana", "owns": person, "stands_in": person, "weight": 86, "gained": 5}],
            },
            "/v1/posture/clockwork": {
                "agents": [{"agent": "bot", "activations": [CLOCK, {**CLOCK, "every_seconds": 3_600}]}], "more": "bot",
            },
            "/v1/posture/widenings": {
                "year": 2026,
                "agents": [
                    {"agent": "bot", "points": 40, "max_widening": 50, "left": 10, "widenings": [widening]},
                    {"agent": "new", "points": 0, "max_widening": None, "left": None, "widenings": []},
                ],
            },
        }
    )  # fmt: skip
    monkeypatch.setattr(posture, "connect", lambda _as: found)
    return found


CLOCK = {
    "purpose": "work", "action": "s/read", "boundaries": ["b", "c"], "days": 9, "every_seconds": 86_399,
    "first": "2026-11-16T00:00:00.000000Z", "last": "2026-11-24T00:00:00.000000Z",
}  # fmt: skip


def run(*arguments: str) -> Any:
    return posture.app(args=list(arguments), standalone_mode=False)


def test_figures_then_agents(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == Exit.OK
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("direct weight"))
    assert line.split() == ["direct", "weight", "25", "10", "▁█▄"]
    agent = next(line for line in out.splitlines() if line.startswith("invoice-bot"))
    assert "65.00 medium" in agent
    assert "3 of 4" in agent
    assert api.asked == ["/v1/posture/series?days=90", "/v1/posture"]


def test_an_agent_needs_no_word_before_its_name(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run("invoice-bot", "--days", "30", "--json")
    assert api.asked == ["/v1/posture/series?days=30&agent=invoice-bot"]
    assert [row["day"] for row in json.loads(capsys.readouterr().out)["series"]][-1] == "2026-11-24"
    run("show", "people")
    assert api.asked[-1] == "/v1/posture/series?days=90&agent=people"


def test_people(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run("people")
    out = capsys.readouterr().out.splitlines()
    assert "since 2026-08-26" in out[0]
    assert out[1].split() == ["dana", "1", "40", "3", "1", "40", "3", "+5"]
    assert api.asked == ["/v1/posture/people"]


def test_widenings(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run("widenings", "--year", "2026")
    (_, line) = capsys.readouterr().out.splitlines()
    for said in ("bot", "pay", "lee", "1 > 41", "10 of 50", "payments/transfer is added"):
        assert said in line
    assert api.asked == ["/v1/posture/widenings?year=2026"]


def test_clockwork(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("clockwork") == Exit.OK
    said = capsys.readouterr()
    _, daily, hourly = said.out.splitlines()
    for what in ("bot", "work", "s/read", "b, c", "9", "23 h 59 min", "2026-11-24"):
        assert what in daily
    assert "1 h 00 min" in hourly
    assert "declare `cadence` in its boundary, or ask what it is for" in said.err
    assert "behind bot" in said.err
    run("clockwork", "bot", "--json")
    assert api.asked == ["/v1/posture/clockwork", "/v1/posture/clockwork?agent=bot"]
    assert json.loads(capsys.readouterr().out)["agents"][0]["activations"][0] == CLOCK
    api.answers = {"/v1/posture/clockwork": {"agents": [], "more": None}}
    assert run("clockwork") == Exit.OK
    said = capsys.readouterr()
    assert (said.out, "nothing is used like a clock" in said.err) == ("", True)


def test_a_picture_with_a_gap_for_each_day_without_figures(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("plot", "--out", str(tmp_path / "p.svg"), "--json")
    picture = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "2026-11-22" in picture
    assert re.search(r'd="M[^"L]+L[^"M]+M[^"L]+"', picture), "two days, then a gap, then one"
    assert "Privilege of all agents" in picture
    assert json.loads(capsys.readouterr().out)["days"] == 3


@pytest.mark.parametrize("arguments", [(), ("bot",), ("people",), ("plot", "--out", "x.svg")])
def test_before_the_first_figures(
    api: Api, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    api.answers = {
        "/v1/posture/series": {"series": []}, "/v1/posture": {"agents": []},
        "/v1/posture/people": {"people": [], "since": None},
    }  # fmt: skip
    assert run(*arguments) == Exit.OK
    said = capsys.readouterr()
    assert (said.out, "no figures yet" in said.err) == ("", True)
    assert list(tmp_path.iterdir()) == []


def test_a_line_of_blocks() -> None:
    assert spark([0, 7, 14]) == "▁▄█"
    assert spark([5, 5]) == "▁▁"
    assert spark([1, None, 2]) == "▁ █"
    assert spark([]) == ""
    long = spark([*range(300), 0])
    assert len(long) <= 61
    assert long.endswith("▁"), "the newest is always shown"
