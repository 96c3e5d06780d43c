"""What a replay comes to, as a person reads it, and whether all is well."""

from __future__ import annotations

from typing import Any

import pytest

from remit.certification.replaying.replays import Line, Summary
from remit.cli import replaying


def line(outcome: str, cause: str = "") -> Line:
    return Line(7, "ver_1", "bot", "s/read", outcome, cause, "")


def answer(**different: Any) -> dict[str, Any]:
    return {"verdict": {"by": "admin"}, "cause": "", "detail": "", "recorded": "{}", "derived": "{}"} | different


def summary(*found: Line) -> dict[str, Any]:
    whole = Summary()
    for each in found:
        whole.take(each)
    return whole.body()


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is answered next, of one and of all."""
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(replaying, "every", lambda *_: said[-1])
    monkeypatch.setattr(replaying, "one", lambda *_: said[-1])
    return said


def test_what_other_rules_made_is_said_to_be_unproved_and_is_nothing_wrong(
    answered: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    answered.append(summary(line("same"), line("other_engine", "other_engine"), line("other_engine", "other_engine")))
    assert replaying.show_one_or_all(None, "d", None, json=False)
    out = capsys.readouterr().out
    assert out.startswith("3 verdicts: 2 other_engine, 1 same\n2 not derived: another edition of the rules made them")
    answered.append(
        answer(replay="other_engine", cause="other_engine", detail="made by engine 4; this is 5", derived="")
    )
    assert replaying.show_one_or_all("ver_1", "d", None, json=False)
    assert capsys.readouterr().out == "not derived: made by engine 4; this is 5\n"


def test_beside_it_what_differs_is(answered: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    answered.append(summary(line("other_engine", "other_engine"), line("differs", "usage")))
    assert not replaying.show_one_or_all(None, "d", None, json=False)
    assert "ver_1  bot s/read: usage" in capsys.readouterr().out
    assert [each["cause"] for each in answered[-1]["differs"]] == ["usage"]
    answered.append(answer(replay="differs", cause="usage"))
    assert not replaying.show_one_or_all("ver_1", "d", None, json=False)


@pytest.mark.parametrize(
    ("verdict", "who"), [({"by": "dana"}, "dana"), ({"by": "admin", "as": "dana"}, "dana (with the token of admin)")]
)
def test_a_persons_word_names_the_person(
    answered: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], verdict: dict[str, Any], who: str
) -> None:
    answered.append(answer(replay="by_hand", verdict=verdict))
    assert replaying.show_one_or_all("ver_1", "d", None, json=False)
    assert capsys.readouterr().out == f"by hand: {who} decided, which no rule derives\n"
