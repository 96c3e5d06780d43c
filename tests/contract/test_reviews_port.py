"""Questions, answers and acknowledgements as they are stored: SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, Instant
from remit.reviews.model import (
    NEVER,
    Acknowledgement,
    Answer,
    AnswerState,
    Kind,
    Question,
    QuestionState,
    Said,
    Stage,
)
from remit.reviews.sql import SqlAcknowledgements, SqlAnswers, SqlQuestions, due
from remit.storage.database import Database

NOON = Instant(1_700_000_000_000_000)


def question(id_: str = "qst_1", **changes: Any) -> Question:
    parts: dict[str, Any] = {
        "id": id_, "kind": Kind.NEEDS_HUMAN, "agent": "bot", "about": "act_1", "why": "risk", "tier": Tier.CRITICAL,
        "asked": NOON, "moved": NOON, "assigned": "dana", "recommendation": Said.END, "reason": "it is unused",
        "facts": {"risk": 7, "record_whole": True, "idle_days": None, "unused_actions": ["s/a"]},
    }  # fmt: skip
    return Question(**(parts | changes))


def answer(id_: str = "ans_1", **changes: Any) -> Answer:
    parts: dict[str, Any] = {
        "id": id_, "question": "qst_1", "said": Said.KEEP, "by": "dana", "at": NOON, "due": Instant(NOON + HOUR),
        "asked": NOON, "note": "month end",
    }  # fmt: skip
    return Answer(**(parts | changes))


def put(database: Database, *found: Question | Answer) -> None:
    def apply(tx: Any) -> None:
        for each in found:
            (SqlQuestions if isinstance(each, Question) else SqlAnswers)(tx.connection).put(each)  # type: ignore[arg-type]

    database.writer.change(apply)


def test_what_is_stored_comes_back(any_database: Database) -> None:
    first = question(barred=("mo",), handed="kim", stage=Stage.ESCALATED, canary=True)
    said = answer(behind="admin", to="kim", done={"claimed": 5, "before": [{"boundary": "b", "version": 2}]})
    put(any_database, first, said)
    read = any_database.reader.read
    assert read(lambda c: SqlQuestions(c).find("qst_1")) == first
    assert read(lambda c: SqlAnswers(c).find("ans_1")) == said
    assert read(lambda c: SqlQuestions(c).find("qst_2")) is None
    assert read(lambda c: SqlAnswers(c).find("ans_2")) is None
    after = question(state=QuestionState.ANSWERED)
    put(any_database, after)
    assert read(lambda c: SqlQuestions(c).find("qst_1")) == after


def test_due_is_what_is_open_or_staged_the_longest_first(any_database: Database) -> None:
    put(
        any_database,
        question("qst_1"),  # critical: its first reminder after 12 h
        question("qst_2", tier=Tier.HIGH),
        question("qst_3", state=QuestionState.ANSWERED),
        question("qst_4", stage=Stage.OVER),
        answer("ans_1"),
        answer("ans_2", state=AnswerState.APPLIED),
        answer("ans_3", due=Instant(NOON + 40 * HOUR)),
    )

    def found(at: int, most: int = 9) -> list[str]:
        return [each.id for each in any_database.reader.read(lambda c: due(c, Instant(NOON + at), most))]

    assert found(HOUR - 1) == []
    assert found(HOUR) == ["ans_1"]
    assert found(12 * HOUR) == ["ans_1", "qst_1"]
    assert found(400 * DAY) == ["ans_1", "qst_1", "qst_2", "ans_3"]
    assert found(400 * DAY, most=2) == ["ans_1", "qst_1"]
    any_database.writer.change(lambda tx: SqlQuestions(tx.connection).put(question("qst_4"), due=NEVER))
    assert "qst_4" not in found(400 * DAY)


def test_a_question_stands_until_its_answer_is_carried_out(any_database: Database) -> None:
    def standing(agent: str = "bot", kind: Kind = Kind.NEEDS_HUMAN) -> list[str]:
        return [each.id for each in any_database.reader.read(lambda c: SqlQuestions(c).standing(kind, agent))]

    put(any_database, question("qst_0", state=QuestionState.EXPIRED))
    assert standing() == []
    put(any_database, question("qst_1"), question("qst_2", kind=Kind.TOXIC))
    assert standing() == ["qst_1"]
    assert standing(agent="other") == []
    assert any_database.reader.read(lambda c: SqlQuestions(c).standing(Kind.NEEDS_HUMAN, "bot", "act_2")) == []
    assert standing(kind=Kind.TOXIC) == ["qst_2"]
    put(any_database, question("qst_1", state=QuestionState.ANSWERED), answer())
    assert standing() == ["qst_1"]
    put(any_database, answer(state=AnswerState.APPLIED))
    assert standing() == []


def test_queues_and_counts(any_database: Database) -> None:
    put(
        any_database,
        question("qst_3", assigned="lee", agent="b2"),
        question("qst_2", canary=True),
        question("qst_1"),
        question("qst_4", assigned="", agent=""),
        question("qst_5", state=QuestionState.ANSWERED),
    )
    read = any_database.reader.read

    def ids(found: list[Question]) -> list[str]:
        return [each.id for each in found]

    assert ids(read(lambda c: SqlQuestions(c).open({"dana"}, most=9))) == ["qst_1", "qst_2"]
    assert ids(read(lambda c: SqlQuestions(c).open({"dana", ""}, most=9))) == ["qst_1", "qst_2", "qst_4"]
    assert ids(read(lambda c: SqlQuestions(c).open(None, most=3))) == ["qst_1", "qst_2", "qst_3"]
    assert ids(read(lambda c: SqlQuestions(c).open_of({"b2"}))) == ["qst_3"]
    assert read(lambda c: SqlQuestions(c).agents()) == {"bot", "b2", ""}
    assert read(lambda c: SqlQuestions(c).put_to("dana")) == (2, 1)
    assert read(lambda c: SqlQuestions(c).put_to("nobody")) == (0, 0)


def test_when_a_boundary_was_last_looked_at(any_database: Database) -> None:
    done = AnswerState.APPLIED
    put(
        any_database,
        question("qst_1", kind=Kind.BOUNDARY_DUE, about="a", state=QuestionState.ANSWERED),
        question("qst_2", kind=Kind.BOUNDARY_DUE, about="a", state=QuestionState.ANSWERED),
        question("qst_3", kind=Kind.BOUNDARY_DUE, about="b", state=QuestionState.ANSWERED),
        question("qst_4", kind=Kind.NEEDS_HUMAN, about="c", state=QuestionState.ANSWERED),
        answer("ans_1", state=done, at=Instant(NOON + 2)),
        answer("ans_2", state=done, at=Instant(NOON + 1), question="qst_2", said=Said.NARROW),
        answer("ans_3", state=AnswerState.UNDONE, at=Instant(NOON + 9), question="qst_2"),
        answer("ans_4", state=done, at=Instant(NOON + 9), question="qst_2", said=Said.ASK),
        answer("ans_5", question="qst_3"),
        answer("ans_6", state=done, question="qst_4"),
    )
    found = any_database.reader.read(lambda c: SqlQuestions(c).looked_at({"a", "b", "c"}))
    assert [(said.id, asked.id) for said, asked in found] == [("ans_2", "qst_2"), ("ans_1", "qst_1")]
    assert any_database.reader.read(lambda c: SqlQuestions(c).looked_at({"b"})) == []


def test_answers_by_person_and_question(any_database: Database) -> None:
    put(
        any_database,
        *(answer(f"ans_{at}", at=Instant(NOON + at), question=f"qst_{at % 2}") for at in range(5)),
        answer("ans_9", by="lee", at=NOON),
    )
    read = any_database.reader.read
    newest = read(lambda c: SqlAnswers(c).newest_by("dana", most=3))
    assert [each.id for each in newest] == ["ans_2", "ans_3", "ans_4"]
    assert [each.id for each in read(lambda c: SqlAnswers(c).of_question("qst_0"))] == ["ans_0", "ans_2", "ans_4"]
    put(any_database, answer("ans_5", at=Instant(NOON + 5), state=AnswerState.VOIDED), question("qst_1", canary=True))
    voided = read(lambda c: SqlAnswers(c).newest_by("dana", most=3, state=AnswerState.VOIDED))
    assert [each.id for each in voided] == ["ans_5"]
    made_up = read(lambda c: SqlAnswers(c).made_up_by("dana", most=2))
    assert [each.id for each in made_up] == ["ans_3", "ans_5"]
    put(any_database, answer("ans_5", at=NOON, by="lee"))
    since = read(lambda c: SqlAnswers(c).since(Instant(NOON + 3)))
    assert [(each.by, each.id) for each in since] == [("dana", "ans_3"), ("dana", "ans_4")]


def test_acknowledgements_come_back_newest_first(any_database: Database) -> None:
    found = [
        Acknowledgement(
            id=f"ack_{at}", by="dana", at=Instant(NOON + at), digest="d" * 64, note="", boundaries={"a": "1 x"}
        )
        for at in range(3)
    ]
    for each in found:
        any_database.writer.change(lambda tx, each=each: SqlAcknowledgements(tx.connection).put(each))  # type: ignore[misc]
    assert any_database.reader.read(lambda c: SqlAcknowledgements(c).newest(most=2)) == [found[2], found[1]]
