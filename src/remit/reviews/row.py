"""Questions, answers and acknowledgements as they are stored, and back (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
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
from remit.reviews.schedule import Course, next_at


def due_of(question: Question) -> Instant:
    """When something happens to it by itself."""
    if question.state is not QuestionState.OPEN:
        return NEVER
    return next_at(Course(question.tier, question.asked, question.stage, question.moved))


def question_row(question: Question, *, due: Instant) -> dict[str, Any]:
    """The columns of a question."""
    said = {
        "why": question.why,
        "tier": question.tier.value,
        "asked": question.asked,
        "facts": dict(question.facts),
        "recommendation": question.recommendation.value,
        "reason": question.reason,
        "stage": question.stage.value,
        "moved": question.moved,
        "barred": list(question.barred),
        "handed": question.handed,
    }
    return {
        "question": question.id,
        "kind": question.kind.value,
        "agent": question.agent,
        "about": question.about,
        "state": question.state.value,
        "due": due,
        "assigned": question.assigned,
        "canary": question.canary,
        "body": _text(said),
    }


def question_of(row: Any) -> Question:  # noqa: ANN401 - a row of the table
    """What `question_row` stored."""
    said = msgspec.json.decode(row.body)
    return Question(
        id=row.question,
        kind=Kind(row.kind),
        agent=row.agent,
        about=row.about,
        why=said["why"],
        tier=Tier(said["tier"]),
        asked=Instant(said["asked"]),
        assigned=row.assigned,
        facts=said["facts"],
        recommendation=Said(said["recommendation"]),
        reason=said["reason"],
        moved=Instant(said["moved"]),
        state=QuestionState(row.state),
        stage=Stage(said["stage"]),
        barred=tuple(said["barred"]),
        handed=said["handed"],
        canary=bool(row.canary),
    )


def answer_row(answer: Answer) -> dict[str, Any]:
    """The columns of an answer. What is staged is carried out when it is due, and nothing else is."""
    said = {
        "said": answer.said.value,
        "behind": answer.behind,
        "note": answer.note,
        "to": answer.to,
        "asked": answer.asked,
        "canary": answer.canary,
        "done": dict(answer.done),
        "seal": answer.seal,
    }
    return {
        "answer": answer.id,
        "question": answer.question,
        "by": answer.by,
        "at": answer.at,
        "state": answer.state.value,
        "due": answer.due if answer.state is AnswerState.STAGED else NEVER,
        "body": _text(said),
    }


def answer_of(row: Any) -> Answer:  # noqa: ANN401 - a row of the table
    """What `answer_row` stored."""
    said = msgspec.json.decode(row.body)
    return Answer(
        id=row.answer,
        question=row.question,
        said=Said(said["said"]),
        by=row.by,
        behind=said["behind"],
        at=Instant(row.at),
        note=said["note"],
        to=said["to"],
        state=AnswerState(row.state),
        due=Instant(row.due),
        asked=Instant(said["asked"]),
        seal=said.get("seal", ""),
        canary=said["canary"],
        done=said["done"],
    )


def acknowledgement_row(found: Acknowledgement) -> dict[str, Any]:
    """The columns of an acknowledgement."""
    said = {"note": found.note, "boundaries": dict(found.boundaries)}
    return {
        "acknowledgement": found.id,
        "by": found.by,
        "at": found.at,
        "digest": found.digest,
        "body": _text(said),
    }


def acknowledgement_of(row: Any) -> Acknowledgement:  # noqa: ANN401 - a row of the table
    """What `acknowledgement_row` stored."""
    said = msgspec.json.decode(row.body)
    return Acknowledgement(
        id=row.acknowledgement,
        by=row.by,
        at=Instant(row.at),
        digest=row.digest,
        note=said["note"],
        boundaries=said["boundaries"],
    )


def _text(said: dict[str, Any]) -> str:
    return canonical(said).decode("utf-8")
