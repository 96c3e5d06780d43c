"""Questions, answers and acknowledgements in the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, delete, func, insert, literal, select, update

from remit.kernel.clock import Instant
from remit.reviews.model import Acknowledgement, Answer, AnswerState, Kind, Question, QuestionState, Said
from remit.reviews.row import (
    acknowledgement_of,
    acknowledgement_row,
    answer_of,
    answer_row,
    due_of,
    question_of,
    question_row,
)
from remit.storage.governance_schema import acknowledgements, answers, questions

_KEEPS = [each.value for each in (Kind.NEEDS_HUMAN, Kind.CADENCE_WANTED, Kind.TOXIC)]  # of entitlements
_OPEN = questions.c.state == QuestionState.OPEN.value


class Due(NamedTuple):
    """Something whose time has come: the id says whether it is a question or an answer."""

    id: str

    @property
    def answer(self) -> bool:
        """Whether it is an answer."""
        return self.id.startswith("ans_")


def due(connection: Connection, now: Instant, most: int) -> list[Due]:
    """Up to `most` questions and answers whose time has come, the longest due first. One query."""
    asked = select(questions.c.question.label("id"), questions.c.due.label("due")).where(questions.c.due <= now)
    said = select(answers.c.answer.label("id"), answers.c.due.label("due")).where(answers.c.due <= now)
    rows = connection.execute(asked.union_all(said).order_by("due", "id").limit(most))
    return [Due(row.id) for row in rows]


class SqlQuestions:
    """Questions, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, id: str) -> Question | None:  # noqa: A002 - what it is
        """One question in any state, or None."""
        row = self._connection.execute(select(questions).where(questions.c.question == id)).one_or_none()
        return None if row is None else question_of(row)

    def put(self, question: Question, *, due: Instant | None = None) -> None:
        """Insert or replace; `due` where it is another than its term says."""
        values = question_row(question, due=due_of(question) if due is None else due)
        _put(self._connection, questions, "question", values)

    def drop(self, id: str) -> None:  # noqa: A002 - what it is
        """Forget one that nobody was asked."""
        self._connection.execute(delete(questions).where(questions.c.question == id))

    def standing(self, kind: Kind, agent: str, about: str | None = None) -> list[Question]:
        """The questions of a kind about an agent that are open, or answered and not carried out yet; oldest first.

        With `about`, only those first asked about it.
        """
        staged = select(answers.c.question).where(answers.c.state == AnswerState.STAGED.value)
        same = (questions.c.kind == kind.value) & (questions.c.agent == agent)
        if about is not None:
            same &= questions.c.about == about
        query = select(questions).where(same, _OPEN | questions.c.question.in_(staged)).order_by(questions.c.question)
        return [question_of(row) for row in self._connection.execute(query)]

    def standing_about(self, kind: Kind, about: Collection[str]) -> set[str]:
        """What of this is asked about: by a question of the kind that is open, or answered and not carried out yet."""
        staged = select(answers.c.question).where(answers.c.state == AnswerState.STAGED.value)
        same = (questions.c.kind == kind.value) & questions.c.about.in_(sorted(about)) & ~questions.c.canary
        query = select(questions.c.about).where(same, _OPEN | questions.c.question.in_(staged))
        return set(self._connection.execute(query).scalars())

    def open(self, assigned: Collection[str] | None, *, most: int) -> list[Question]:
        """Open questions of these queues (None: all), the oldest first."""
        query = select(questions).where(_OPEN).order_by(questions.c.question).limit(most)
        if assigned is not None:
            query = query.where(questions.c.assigned.in_(sorted(assigned)))
        return [question_of(row) for row in self._connection.execute(query)]

    def open_of(self, agents: Collection[str]) -> list[Question]:
        """Open questions about these agents."""
        query = select(questions).where(_OPEN, questions.c.agent.in_(sorted(agents))).order_by(questions.c.question)
        return [question_of(row) for row in self._connection.execute(query)]

    def agents(self) -> set[str]:
        """The agents that open questions are about."""
        return set(self._connection.execute(select(questions.c.agent).where(_OPEN).distinct()).scalars())

    def made_up_about(self, agent: str) -> set[str]:
        """What questions about an agent are about that are made up, and open or put aside."""
        states = [QuestionState.OPEN.value, QuestionState.SETTLED.value]
        mine = (questions.c.agent == agent) & questions.c.canary & questions.c.state.in_(states)
        return set(self._connection.execute(select(questions.c.about).where(mine)).scalars())

    def put_to(self, person: str) -> tuple[int, int]:
        """How many questions are or were in this person's queue: (real, made up)."""
        query = select(questions.c.canary, func.count()).where(questions.c.assigned == person)
        found = {bool(canary): count for canary, count in self._connection.execute(query.group_by(questions.c.canary))}
        return found.get(False, 0), found.get(True, 0)

    def looked_at(self, boundaries: Collection[str]) -> list[tuple[Answer, Question]]:
        """Where people looked at these boundaries and left them, or what is in use of them, in force; oldest first.

        As the rows say: whether somebody gave the answer so is for who asks.
        """
        same = (questions.c.kind == Kind.BOUNDARY_DUE.value) & questions.c.about.in_(sorted(boundaries))
        where = same & (answers.c.state == AnswerState.APPLIED.value) & ~questions.c.canary
        both = answers.c.question == questions.c.question
        asked = self._connection.execute(select(questions).join(answers, both).where(where))
        known = {row.question: question_of(row) for row in asked}
        said = self._connection.execute(select(answers).join(questions, both).where(where).order_by(answers.c.at))
        found = [(answer, known[answer.question]) for answer in map(answer_of, said)]
        return [(answer, question) for answer, question in found if answer.said in {Said.KEEP, Said.NARROW}]

    def kept(self, agent: str, *, since: Instant) -> list[tuple[Answer, Question]]:
        """What people said since then to keep of one agent's entitlements, in force; the newest first.

        As the rows say: whether somebody gave the answer so is for who asks.
        """
        applied = (answers.c.state == AnswerState.APPLIED.value) & (answers.c.at >= since)
        mine = (questions.c.agent == agent) & ~questions.c.canary & questions.c.kind.in_(_KEEPS)
        query = select(answers).join(questions, answers.c.question == questions.c.question).where(applied, mine)
        rows = self._connection.execute(query.order_by(answers.c.at.desc(), answers.c.answer.desc()))
        said = [each for each in map(answer_of, rows) if each.said is Said.KEEP]
        found = ((each, self.find(each.question)) for each in said)
        return [(answer, question) for answer, question in found if question is not None]


class SqlAnswers:
    """Answers, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, id: str) -> Answer | None:  # noqa: A002 - what it is
        """One answer in any state, or None."""
        row = self._connection.execute(select(answers).where(answers.c.answer == id)).one_or_none()
        return None if row is None else answer_of(row)

    def put(self, answer: Answer) -> None:
        """Insert or replace."""
        _put(self._connection, answers, "answer", answer_row(answer))

    def of_question(self, question: str) -> list[Answer]:
        """What was said to one question, oldest first."""
        query = select(answers).where(answers.c.question == question).order_by(answers.c.at, answers.c.answer)
        return [answer_of(row) for row in self._connection.execute(query)]

    def newest_by(self, person: str, *, most: int, state: AnswerState | None = None) -> list[Answer]:
        """The newest answers of one person, of any state or of this one, oldest first."""
        query = select(answers).where(answers.c.by == person)
        return self._newest(query if state is None else query.where(answers.c.state == state.value), most)

    def made_up_by(self, person: str, *, most: int) -> list[Answer]:
        """The newest answers of one person to made-up questions, oldest first."""
        query = select(answers).join(questions, questions.c.question == answers.c.question)
        return self._newest(query.where(answers.c.by == person, questions.c.canary), most)

    def _newest(self, query: Select[Any], most: int) -> list[Answer]:
        newest = query.order_by(answers.c.at.desc(), answers.c.answer.desc()).limit(most)
        return [answer_of(row) for row in self._connection.execute(newest)][::-1]

    def since(self, at: Instant) -> list[Answer]:
        """Everybody's answers since then, by person and time."""
        query = select(answers).where(answers.c.at >= at).order_by(answers.c.by, answers.c.at)
        return [answer_of(row) for row in self._connection.execute(query)]


class SqlAcknowledgements:
    """Acknowledgements, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, *, most: int) -> list[Acknowledgement]:
        """The newest first."""
        order = acknowledgements.c.acknowledgement.desc()
        rows = self._connection.execute(select(acknowledgements).order_by(order).limit(most))
        return [acknowledgement_of(row) for row in rows]

    def put(self, found: Acknowledgement) -> None:
        """Insert."""
        self._connection.execute(insert(acknowledgements).values(acknowledgement_row(found)))


def _put(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    of = table.c[key] == literal(values[key])
    if connection.execute(update(table).where(of).values(values)).rowcount == 0:
        connection.execute(insert(table).values(values))
