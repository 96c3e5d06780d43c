"""What happens to questions that nobody answers: reminders, the backup, and at last the safe end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from remit.access.activation import ActivationKey, ActivationState
from remit.catalog.model import Tier
from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, NotFound
from remit.reviews.asking import Asking
from remit.reviews.assign import backup
from remit.reviews.ground import Ground
from remit.reviews.model import NEVER, Kind, Question, QuestionState, Stage
from remit.reviews.schedule import CLOSINGS, Closing, Course, Deed, advance
from remit.reviews.shown import OF_ENTITLEMENTS
from remit.reviews.sql import SqlQuestions
from remit.reviews.subject import Subject
from remit.reviews.telling import REMIT, log, notify
from remit.storage.ports import Transaction

_SERIOUS = frozenset({Tier.CRITICAL, Tier.HIGH})
_OVER = frozenset({ActivationState.SUSPENDED, ActivationState.REVOKED})
_USABLE = frozenset(
    {ActivationState.ACTIVE, ActivationState.EXPIRING, ActivationState.NEEDS_USAGE, ActivationState.AT_RISK}
)


@dataclass(frozen=True, slots=True)
class Terms:
    """Moves questions along their terms."""

    ground: Ground
    asking: Asking

    def step(self, id: str, now: Instant) -> bool:  # noqa: A002 - what it is
        """Do what is due of one question; whether anything was."""
        found = self.ground.writer.change(lambda tx: self._moved(tx, id, now))
        if found is None:
            return False
        if found.state is QuestionState.EXPIRED:
            self._close(found, now)
        return True

    def _moved(self, tx: Transaction, id: str, now: Instant) -> Question | None:  # noqa: A002 - what it is
        rows = SqlQuestions(tx.connection)
        question = rows.find(id)
        if question is None or question.state is QuestionState.EXPIRED:
            return question  # expired and still due: a crash came between its end and what follows from it
        if question.canary and question.state is QuestionState.SETTLED:
            self.asking.ask_made_up(tx, question)
            return question
        if question.state is not QuestionState.OPEN:
            return None
        if self._gone(tx, question, now):
            self.asking.close(tx, question, QuestionState.SETTLED, "settle")
            return question
        course, deed = advance(Course(question.tier, question.asked, question.stage, question.moved), now)
        if deed is None:
            rows.put(question)
            return None
        return self._do(tx, replace(question, stage=course.stage, moved=course.moved), deed, now)

    def _gone(self, tx: Transaction, question: Question, now: Instant) -> bool:
        if question.kind not in OF_ENTITLEMENTS or question.canary:
            return False
        return self.ground.subjects(tx.connection, now).of(question, wide=False).gone

    def _do(self, tx: Transaction, question: Question, deed: Deed, now: Instant) -> Question:
        rows = SqlQuestions(tx.connection)
        match deed:
            case Deed.REMIND:
                rows.put(question)
                notify(tx, question, "question_reminder", now=now, more={"stage": question.stage.value})
            case Deed.ESCALATE:
                question = self._escalated(tx, question)
                rows.put(question)
                log(tx, self.ground.records, question, "escalate", by=REMIT, more={"to": question.assigned})
                notify(tx, question, "question_escalated", now=now, more={})
            case Deed.CLOSE if CLOSINGS[question.kind] is Closing.WAIT:
                rows.put(question)
                notify(tx, question, "question_unanswered", now=now, more={})
            case Deed.CLOSE:
                question = replace(question, state=QuestionState.EXPIRED)
                rows.put(question, due=now)  # until what follows is done
                log(tx, self.ground.records, question, "expire", by=REMIT, more={"stage": Stage.OVER.value})
        return question

    def _escalated(self, tx: Transaction, question: Question) -> Question:
        """To the backup; where there is none it stays whose it is."""
        if question.general:
            return question
        subjects = self.ground.subjects(tx.connection, question.moved)
        without = {question.requester, *question.barred}
        to = backup(subjects.owner(question.agent), subjects.person, without=without)
        return replace(question, assigned=to or question.assigned)

    def _close(self, question: Question, now: Instant) -> None:
        """What follows from nobody's deciding; then nothing more is due."""
        if not question.canary:
            match CLOSINGS[question.kind]:
                case Closing.WITHDRAW:
                    self._withdraw(question, now)
                case Closing.REJECT:
                    self.ground.writer.change(
                        lambda tx: self.ground.openings.reviewed(tx, question.about, accepted=False, by=REMIT)
                    )
                case Closing.NOTHING | Closing.WAIT:
                    pass
        self.ground.writer.change(lambda tx: self._closed(tx, question, now))

    def _closed(self, tx: Transaction, question: Question, now: Instant) -> None:
        SqlQuestions(tx.connection).put(question, due=NEVER)
        notify(tx, question, "question_expired", now=now, more={"then": CLOSINGS[question.kind].value})

    def _withdraw(self, question: Question, now: Instant) -> None:
        subject = self.ground.reader.read(
            lambda connection: self.ground.subjects(connection, now).of(question, wide=False)
        )
        for key in subject.keys:
            act = self._act(subject, key)
            if act is not None:
                try:
                    act(key)
                except (NotFound, Conflict):
                    continue  # its boundary ended meanwhile, or it is nobody's any more

    def _act(self, subject: Subject, key: ActivationKey) -> Callable[[ActivationKey], object] | None:
        """Suspend what is serious, even where it was never started: it would start. Let lapse what is in force else."""
        known = subject.started.get(key)
        if known is not None and known.state in _OVER:
            return None
        if known is not None and known.state in _USABLE and subject.kind is Kind.NEEDS_HUMAN:
            return None  # of several, this one waits for nobody any more: somebody started it, or kept it elsewhere
        if subject.tier(key) in _SERIOUS:
            return lambda each: self.ground.hands.suspend(each, by=REMIT)
        if known is None or known.state is ActivationState.LAPSED:
            return None
        return lambda each: self.ground.hands.lapse(each, by=REMIT)
