"""The seal of an answer: it holds for what was said as it stands, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remit.catalog.model import Tier
from remit.kernel.clock import MINUTE, Instant
from remit.reviews.model import NEVER, Answer, AnswerState, Kind, Question, Said
from remit.reviews.word import given_so, sealed

SECRET = b"k" * 32
NOW = Instant(1_700_000_000_000_000)
QUESTION = Question(
    id="qst_1", kind=Kind.NEEDS_HUMAN, agent="bot", about="act_1", why="risk", tier=Tier.HIGH, asked=NOW, moved=NOW,
    assigned="dana", recommendation=Said.KEEP, reason="used", facts={"entitlements": ["act_1", "act_2"]},
)  # fmt: skip
ANSWER = Answer(
    id="ans_1", question="qst_1", said=Said.END, by="dana", at=NOW, due=Instant(NOW + 10 * MINUTE), asked=NOW,
    done={"claimed": NOW, "taken": ["s/a"], "whole": False, "before": [{"boundary": "b", "version": 1}]},
)  # fmt: skip


def test_what_was_said_is_what_was_said() -> None:
    assert given_so(SECRET, sealed(SECRET, ANSWER, QUESTION), QUESTION)
    assert not given_so(b"x" * 32, sealed(SECRET, ANSWER, QUESTION), QUESTION)
    assert not given_so(SECRET, ANSWER, QUESTION), "without a seal nobody said it"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "ans_2"}, {"said": Said.KEEP}, {"by": "lee"}, {"behind": "admin"}, {"at": NOW + 1}, {"note": "x"},
        {"asked": NOW + 1}, {"canary": True}, {"to": "lee"},
        {"state": AnswerState.APPLIED}, {"state": AnswerState.UNDONE}, {"due": NOW}, {"due": NEVER},
        {"done": {}}, {"done": {**ANSWER.done, "whole": True}}, {"done": {**ANSWER.done, "taken": ["s/a", "s/b"]}},
        {"done": {**ANSWER.done, "before": [{"boundary": "c", "version": 1}]}},
        {"done": {**ANSWER.done, "claimed": 0.5}},
    ],
)  # fmt: skip
def test_nothing_of_it_can_be_changed(changes: dict[str, Any]) -> None:
    assert not given_so(SECRET, replace(sealed(SECRET, ANSWER, QUESTION), **changes), QUESTION)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "qst_2"}, {"kind": Kind.TOXIC}, {"agent": "other"}, {"about": "act_9"},
        {"facts": {"entitlements": ["act_1", "act_2", "act_3"]}},
    ],
)  # fmt: skip
def test_nor_what_it_was_said_about(changes: dict[str, Any]) -> None:
    assert not given_so(SECRET, sealed(SECRET, ANSWER, QUESTION), replace(QUESTION, **changes))
