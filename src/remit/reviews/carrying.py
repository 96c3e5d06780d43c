"""Carrying answers out once the time to take them back is over.

Each is one change: what it says is done and it is marked as done together, or neither is. So a crash leaves nothing
half done, and nobody takes back what is just being done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from remit.access.codec import draft_text
from remit.access.draft import Version
from remit.access.model import BoundaryState
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import ConfigInvalid, Conflict, Forbidden, NotFound
from remit.kernel.names import ActionName, BoundaryName
from remit.people.change import Actor
from remit.reviews.answers import OVERTAKEN, Answers, actor_of
from remit.reviews.ground import Ground
from remit.reviews.model import NEVER, Answer, AnswerState, Kind, Question, Said
from remit.reviews.narrowing import without
from remit.reviews.shown import OF_ENTITLEMENTS, lapsing, rewritten, shown_narrowing
from remit.reviews.subject import Subject
from remit.reviews.telling import REMIT, log, notify
from remit.reviews.vouching import load, released, vouch, vouches
from remit.storage.ports import Transaction

LATE: Final = DAY  # after its time nothing is carried out any more: a row put back later says nothing
_HOPELESS = (ConfigInvalid, Conflict, Forbidden, NotFound)  # it will not do the next time either
_TAKES: Final = frozenset({Said.NARROW, Said.END})


@dataclass(frozen=True, slots=True)
class Carrying:
    """Does what people said."""

    ground: Ground

    def carry_out(self, id: str) -> Answer | None:  # noqa: A002 - what it is
        """Do what a staged answer says and mark it applied; None if it is not staged any more.

        What nobody said is void. So is what cannot be done (its boundary no longer fits the catalog), or was not
        within a day of its time; its question is open again.
        """
        load(self.ground, id)
        try:
            return self.ground.writer.change(lambda tx: self._carry_out(tx, id))
        except _HOPELESS as error:
            why = error.public
            self.ground.writer.change(lambda tx: self._failed(tx, id, why))
            return None

    def _carry_out(self, tx: Transaction, id: str) -> Answer | None:  # noqa: A002 - what it is
        answers, now = Answers(self.ground, tx), self.ground.clock.now()
        pair = answers.staged(id)
        if pair is None:
            return None
        answer, question = pair
        if now >= answer.due + LATE:
            self._drop(tx, answer, question, "it was not carried out within a day of its time")
            return None
        if self._overtaken(tx, answer, question, now):
            self._drop(tx, answer, question, OVERTAKEN)
            return None
        done = {} if answer.canary else self._do(tx, answer, question, now)
        after = answers.put(replace(answer, state=AnswerState.APPLIED, due=NEVER, done=done), question)
        more = {"answer": id, "said": answer.said.value, "taken": list(done.get("taken", ()))}
        log(tx, self.ground.records, question, "apply", by=actor_of(answer), more=more)
        return after

    def _overtaken(self, tx: Transaction, answer: Answer, question: Question, now: Instant) -> bool:
        """Whether a boundary was rewritten while it waited: its person saw another one. Who ends it ends any.

        And whether more would lapse by now than who trusts a record of use saw.
        """
        if answer.said is Said.TRUST:
            would_lapse = self.ground.doubts.would_lapse(tx.connection, question.about)
            return lapsing(question, *would_lapse) != question
        if answer.canary or answer.said is Said.END or question.kind not in OF_ENTITLEMENTS:
            return False
        return rewritten(question, self.ground.subjects(tx.connection, now).of(question, wide=False))

    def _do(self, tx: Transaction, answer: Answer, question: Question, now: Instant) -> dict[str, Any]:
        """Do it; what was done, which an undo needs."""
        by, ports = actor_of(answer), self.ground
        if question.kind is Kind.BREAKGLASS_REVIEW:
            ports.openings.reviewed(tx, question.about, accepted=answer.said is Said.KEEP, by=by)
        elif question.kind is Kind.USAGE_DOUBTED:
            ports.doubts.believe(tx, question.about, trusted=answer.said is Said.TRUST, by=by)
        elif vouches(answer, question):
            was = released(self.ground, tx, question, now)
            return {"was": was, "kept": vouch(self.ground, tx, answer, question, now)}
        elif answer.said in _TAKES:
            return self._take_all(tx, question, answer.said, now, by)
        return {}

    def _take_all(self, tx: Transaction, question: Question, said: Said, now: Instant, by: Actor) -> dict[str, Any]:
        """What was taken from which boundary, and what each of them was before and is after."""
        subject = self.ground.subjects(tx.connection, now).of(question)
        taken = _taken(subject, said, question)
        if said is Said.NARROW and not taken:
            raise Conflict("nothing is left of what narrowing was to take: it is used, or needed, by now")
        rows, whole = SqlBoundaries(tx.connection), said is Said.END and question.kind is Kind.BOUNDARY_DUE
        histories = (rows.history(each.boundary) for each in subject.boundaries)
        active = [each.active for each in histories if each.active is not None]
        before: list[dict[str, Any]] = [
            {"boundary": each.draft.boundary, "version": each.version, "document": draft_text(each.draft)}
            for each in active
        ]
        for each in active:
            self._take(tx, each, taken, whole=whole, by=by)
        after = {each["boundary"]: version_in_force(tx, each["boundary"]) for each in before}
        return {"taken": sorted(taken), "before": before, "after": after}

    def _take(self, tx: Transaction, active: Version, taken: set[ActionName], *, whole: bool, by: Actor) -> None:
        """Narrow or end one boundary."""
        name = active.draft.boundary
        draft = None if whole else without(active, taken)
        if draft is None:
            self.ground.boundaries.revoke_within(tx, name, by=by)
        elif not taken.isdisjoint(active.rules or {}):
            step = self.ground.boundaries.propose_within(tx, draft, by=by)
            if step.waits:
                raise Conflict(f"{name} could not be narrowed as it stands", try_=f"remit boundary show {name}")

    def _failed(self, tx: Transaction, id: str, why: str) -> None:  # noqa: A002 - what it is
        pair = Answers(self.ground, tx).staged(id)
        if pair is not None:
            self._drop(tx, *pair, why)

    def _drop(self, tx: Transaction, answer: Answer, question: Question, why: str) -> None:
        """It is not carried out: its question is open again, and its owner is told."""
        again = Answers(self.ground, tx).void(answer, question, why)
        more = {"answer": answer.id, "said": answer.said.value, "why": why}
        log(tx, self.ground.records, again, "fail", by=REMIT, more=more)
        notify(tx, again, "answer_failed", now=self.ground.clock.now(), more={"why": why})


def _taken(subject: Subject, said: Said, question: Question) -> set[ActionName]:
    """The actions that this word takes from the subject as it is now: of a narrowing, none that was not shown.

    Of what should not be held together goes the part that was shown, also if the agent uses another one least by now.
    """
    ending = {each.action for each in subject.ending()}
    if said is not Said.NARROW:
        return ending
    shown = shown_narrowing(question)
    if shown is not None and question.kind is Kind.TOXIC:
        return {each for each in ending if each in shown}
    return {each.action for each in subject.narrowing() if shown is None or each.action in shown}


def version_in_force(tx: Transaction, name: str) -> int:
    """The version in force; 0 for none."""
    active = SqlBoundaries(tx.connection).history(BoundaryName(name)).active
    return active.version if active is not None and active.state is BoundaryState.ACTIVE else 0
