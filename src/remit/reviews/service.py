"""Reviews: what only a person can decide, from the question to what became of the answer.

`tick` runs each second and does nothing but one indexed query when nothing is due.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.kernel.clock import DAY, HOUR, Instant
from remit.kernel.errors import NotFound, RemitError
from remit.kernel.names import ActionName, AgentName, OwnerName, PurposeName
from remit.logs import logger
from remit.people.change import Actor
from remit.people.succession import answers_for
from remit.reviews.acknowledging import Acknowledging
from remit.reviews.answering import Answering, current, given
from remit.reviews.asking import Asking
from remit.reviews.carrying import Carrying
from remit.reviews.effect import LONG_DAYS
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, AnswerState, Question
from remit.reviews.quality import Quality, quality
from remit.reviews.sql import Due, SqlAnswers, SqlQuestions, due
from remit.reviews.terms import Terms
from remit.reviews.undoing import Undoing
from remit.storage.ports import Transaction

_STEP: Final = 100  # questions and answers in one tick
_RENEWALS: Final = HOUR  # how often boundaries are looked through for those that nobody looked at for long
_MOST: Final = 1000
_log = logger("remit.reviews")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A question with what a person needs to decide it."""

    question: Question
    preview: Mapping[str, Any]  # what end and narrow would take away
    keys: tuple[ActivationKey, ...]  # every entitlement that it is about now
    answers: list[Answer]


class ReviewService:
    """Implements remit.certification.ports.Asker. Worker threads only, but `follow`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._asking = Asking(ground)
        self._answering = Answering(ground)
        self._carrying = Carrying(ground)
        self._undoing = Undoing(ground, self._answering)
        self._terms = Terms(ground, self._asking)
        self.acknowledging = Acknowledging(ground)
        self._lock = threading.Lock()  # `follow` runs on the writer's thread
        self._moved: set[str] | None = None  # topics about people and agents; None: since the start, everything
        self._renewals = Instant(0)
        self._renewed = ""  # the boundary by whose name they were looked through last; "": none yet

    # certification asks ------------------------------------------------------------------------

    def ask(self, tx: Transaction, *, kind: str, agent: str, about: str, why: str, facts: Mapping[str, Any]) -> None:
        """Ask, within a change, unless the same is asked already (`Asking.ask`)."""
        self._asking.ask(tx, kind=kind, agent=agent, about=about, why=why, facts=facts)

    def settle(self, tx: Transaction, *, kind: str, agent: str, about: str) -> None:
        """What was asked about is over by itself (`Asking.settle`)."""
        self._asking.settle(tx, kind=kind, agent=agent, about=about)

    # people look and answer --------------------------------------------------------------------

    def queue(self, person: str | None, *, general: bool = False, most: int = _MOST) -> list[Question]:
        """Open questions in a person's queue, oldest first; None: everybody's. `general`: and what is no owner's."""
        queues = None if person is None else {person, *([""] if general else ())}
        return self._ground.reader.read(lambda connection: SqlQuestions(connection).open(queues, most=most))

    def find(self, id: str) -> Question:  # noqa: A002 - what it is
        """One question. Raises NotFound."""
        found = self._ground.reader.read(lambda connection: SqlQuestions(connection).find(id))
        if found is None:
            raise NotFound("there is no such question", try_="remit review list")
        return found

    def answer_of(self, id: str) -> Answer:  # noqa: A002 - what it is
        """One answer. Raises NotFound."""
        found = self._ground.reader.read(lambda connection: SqlAnswers(connection).find(id))
        if found is None:
            raise NotFound("there is no such answer", try_="remit review list")
        return found

    def show(self, id: str) -> Shown:  # noqa: A002 - what it is
        """One question with its effect preview as of now, and what was said to it. Raises NotFound.

        What is new in it is written down: an answer says by the serial what was shown.
        """
        question = self.find(id)

        def query(connection: Connection) -> Shown:
            subjects = self._ground.subjects(connection, self._ground.clock.now())
            subject = subjects.of(question)
            preview = _made_up_preview(question) if question.canary else subject.preview()
            keys = (_made_up_key(question),) if question.canary else subject.keys
            answers = SqlAnswers(connection).of_question(id)
            now = current(subjects, question, subject)
            return Shown(question=now, preview=preview, keys=keys, answers=answers)

        shown = self._ground.reader.read(query)
        if shown.question == question:
            return shown
        moved = [(question, shown.question)]
        done = self._ground.writer.change(lambda tx: self._asking.move(tx, moved))
        return shown if done else self.show(id)  # somebody was faster: it is another one by now

    def may_answer(self, question: Question) -> Collection[str]:
        """The people who may answer a question that is an owner's, as `operators.cedar` is asked about them."""

        def query(connection: Connection) -> set[str]:
            subjects = self._ground.subjects(connection, self._ground.clock.now())
            owner = subjects.owner(question.agent)
            names = set() if owner is None else {owner.owner, *owner.backup}
            handed = subjects.person(OwnerName(question.handed)) if question.handed else None
            found = {str(each) for each in names if answers_for(each, owner, subjects.person)}
            return found | ({question.handed} if handed is not None and handed.active else set())

        return self._ground.reader.read(query)

    def answer(
        self, id: str, said: str, *, by: Actor, note: str = "", to: str = "", shown: int = 1,  # noqa: A002 - what it is
    ) -> Answer:  # fmt: skip
        """Stage an answer (`Answering.answer`); what is critical and unwanted is taken away before this returns."""
        answer = self._answering.answer(id, said, by=by, note=note, to=to, shown=shown)
        if answer.state is AnswerState.STAGED and answer.due <= self._ground.clock.now():
            self._carrying.carry_out(answer.id)
            return self.answer_of(answer.id)
        return answer

    def undo(self, id: str, *, by: Actor) -> tuple[Answer, Collection[str]]:  # noqa: A002 - what it is
        """Take an answer back (`Undoing.undo`)."""
        return self._undoing.undo(id, by=by)

    def qualities(self) -> dict[str, Quality]:
        """How each person reviewed in the last 90 days."""
        since = Instant(self._ground.clock.now() - LONG_DAYS * DAY)
        found = self._ground.reader.read(lambda connection: SqlAnswers(connection).since(since))
        people = groupby((each for each in found if each.state is not AnswerState.UNDONE), lambda each: each.by)
        return {person: quality(map(given, answers)) for person, answers in people}

    # time passes, people come and go -----------------------------------------------------------

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """Take note of people and agents about whom something changed (remit.storage.ports.Feed)."""
        about = [topic for topic in topics if topic.startswith(("agent:", "owner:", "activations:"))]
        if about:
            with self._lock:
                if self._moved is not None:
                    self._moved.update(about)

    def reload(self, _connection: Connection) -> None:
        """Anything may have changed."""
        with self._lock:
            self._moved = None

    def tick(self, now: Instant, stop: Callable[[], bool] = lambda: False) -> int:
        """Do what is due: hand over, carry out, remind, escalate, end, ask anew; how many things were done."""
        done = self._follow_up()
        found = self._ground.reader.read(lambda connection: due(connection, now, _STEP))
        for each in found:
            if stop():
                return done
            done += self._tried(each, now)
        return done + (0 if stop() else self._renew(now))

    def _renew(self, now: Instant) -> int:
        """A stretch of all boundaries each second; from the first again after an hour."""
        if now < self._renewals:
            return 0
        overdue, after = self._ground.reader.read(lambda connection: self._asking.overdue(connection, self._renewed))
        if overdue:
            self._ground.writer.change(lambda tx: self._asking.renew(tx, overdue))
        self._renewed = after
        if not after:
            self._renewals = Instant(now + _RENEWALS)
        return len(overdue)

    def _tried(self, each: Due, now: Instant) -> bool:
        try:
            if each.answer:
                return self._carrying.carry_out(each.id) is not None
            return self._terms.step(each.id, now)
        except RemitError as error:  # the others are not kept waiting; this one is tried again in a second
            _log.warning("not reviewed", about=each.id, error=error.public, detail=error.detail)
            return False
        except Exception:  # noqa: BLE001 - the same for what nobody foresaw: a question that fails stops no other
            _log.exception("not reviewed", about=each.id)
            return False

    def _follow_up(self) -> int:
        with self._lock:
            moved, self._moved = self._moved, set()
        if moved is not None and not moved:
            return 0
        try:
            found = self._ground.reader.read(lambda connection: self._differing(connection, moved))
            return self._ground.writer.change(lambda tx: self._asking.move(tx, found)) if found else 0
        except BaseException:
            with self._lock:
                self._moved = None if moved is None or self._moved is None else moved | self._moved
            raise

    def _differing(self, connection: Connection, topics: Collection[str] | None) -> list[tuple[Question, Question]]:
        return self._asking.moved(connection, self._agents(connection, topics))

    @staticmethod
    def _agents(connection: Connection, topics: Collection[str] | None) -> set[str]:
        """The agents with open questions; of these, those that the topics are about, or whose people are."""
        found = SqlQuestions(connection).agents()
        if topics is None:
            return found
        people = {topic.removeprefix("owner:") for topic in topics if topic.startswith("owner:")}
        agents = {topic.partition(":")[2] for topic in topics}
        if not people:
            return found & agents
        # Somebody who is a backup of others may have gone: rare, and asked of the agents with questions only.
        return found


def _made_up_key(question: Question) -> ActivationKey:
    action, purpose, scope = (str(question.facts[name]) for name in ("action", "purpose", "scope"))
    return ActivationKey(AgentName(question.agent), PurposeName(purpose), ActionName(action), scope)


def _made_up_preview(question: Question) -> dict[str, Any]:
    one = {
        "actions": [question.facts["action"]],
        "count": 1,
        "uses_90": 0,
        "would_be_denied_30": 0,
        "idle_days": question.facts["idle_days"],
    }
    return {"end": one, "narrow": one}
