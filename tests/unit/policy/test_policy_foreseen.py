"""An answer is worked out once, ahead of who needs it, and is about the very rules that were asked about."""

from __future__ import annotations

import threading

import pytest

from remit.kernel.errors import ConfigInvalid
from remit.policy.foreseen import Foreseen, Question
from remit.policy.rules import Rules

NONE, ONE, TWO = (Rules({"a.cedar": text} if text else {}, {}) for text in ("", "one", "two"))


class Comparing:
    """Says which rules it compared; waits for a gate, and counts."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, question: Question) -> list[str]:
        self.asked.append(question)
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [question[1].policies.get("a.cedar", "")]


def test_whoever_asks_waits_for_who_works_on_it() -> None:
    compare = Comparing()
    compare.gate.clear()
    foreseen = Foreseen(compare)
    foreseen.ahead((NONE, ONE, ()))
    foreseen.ahead((NONE, ONE, ()))
    found: list[list[str]] = []
    asking = threading.Thread(target=lambda: found.append(foreseen.reasons((NONE, ONE, ()))))
    asking.start()
    assert not found
    compare.gate.set()
    asking.join()
    assert (found, len(compare.asked)) == ([["one"]], 1)


def test_other_rules_have_an_answer_of_their_own() -> None:
    """Attack: a narrowing is observed, and its answer taken for that about a widening."""
    compare = Comparing()
    foreseen = Foreseen(compare)
    foreseen.ahead((NONE, ONE, ()))
    assert foreseen.reasons((NONE, TWO, ())) == ["two"]
    assert foreseen.reasons((ONE, TWO, ())) == ["two"]
    assert foreseen.reasons((NONE, ONE, ())) == ["one"]
    assert len(compare.asked) == 4


def test_what_is_answered_cannot_be_changed_by_who_asked() -> None:
    foreseen = Foreseen(Comparing())
    foreseen.reasons((NONE, ONE, ())).clear()
    assert foreseen.reasons((NONE, ONE, ())) == ["one"]


def test_what_fails_fails_for_who_asks_and_is_asked_again() -> None:
    compare = Comparing()
    compare.error, foreseen = ConfigInvalid("a.cedar:1: no"), Foreseen(compare)
    foreseen.ahead((NONE, ONE, ()))  # nobody is told
    with pytest.raises(ConfigInvalid):
        foreseen.reasons((NONE, ONE, ()))
    compare.error = None
    assert foreseen.reasons((NONE, ONE, ())) == ["one"]


def test_without_a_thread_it_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: no further thread can be had, and whoever enforces would wait for one that never ran."""

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    foreseen = Foreseen(Comparing())
    foreseen.ahead((NONE, ONE, ()))
    assert foreseen.reasons((NONE, ONE, ())) == ["one"]
