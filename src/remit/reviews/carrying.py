"""Carrying answers out once the time to take them back is over, and taking them back.

An answer is claimed, done and marked, each in a change of its own: a crash between them is made
good by doing it once more, which is harmless, and nobody takes back what is just being done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.access.codec import draft_from, draft_text
from remit.access.model import BoundaryState
from remit.access.sql import SqlBoundaries
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import ConfigInvalid, Conflict, Forbidden, NotFound, RemitError
from remit.kernel.names import ActionName, BoundaryName
from remit.people.change import Actor
from remit.reviews.answering import Answering
from remit.reviews.ground import Ground
from remit.reviews.model import NEVER, Answer, AnswerState, Kind, Question, QuestionState, Said
from remit.reviews.narrowing import without
from remit.reviews.sql import SqlAnswers, SqlQuestions
from remit.reviews.telling import REMIT, log, notify
from remit.reviews.word import given_so
from remit.storage.ports import Transaction

KEPT: Final = 90 * DAY  # how long a person's keep of an entitlement holds
KEPT_CRITICAL: Final = 30 * DAY
_HOPELESS = (ConfigInvalid, Conflict, Forbidden, NotFound)  # it will not do the next time either
Pair = tuple[Answer, Question]


@dataclass(frozen=True, slots=True)
class Carrying:
    """Does what people said."""

    ground: Ground
    answering: Answering

    def carry_out(self, id: str) -> Answer | None:  # noqa: A002 - what it is
        """Do what a staged answer says and mark it applied; None if it is not staged any more.

        What cannot be done (its boundary no longer fits the catalog) is void, and its question is open again.
        """
        now = self.ground.clock.now()
        claimed = self.ground.writer.change(lambda tx: self._claim(tx, id, now))
        if claimed is None:
            return None
        answer, question = claimed
        try:
            if not answer.canary:
                self._do(answer, question, now)
        except _HOPELESS as error:
            self.ground.writer.change(lambda tx, error=error: self._failed(tx, id, error))  # type: ignore[misc]
            return None
        return self.ground.writer.change(lambda tx: self._mark(tx, id))

    def _claim(self, tx: Transaction, id: str, now: Instant) -> Pair | None:  # noqa: A002 - what it is
        pair = self._staged(tx, id)
        if pair is None:
            return None
        answer, question = pair
        if not given_so(self.ground.secret, answer, question):
            self._forged(tx, answer, question)
            return None
        if "claimed" not in answer.done:
            done: dict[str, Any] = {"claimed": now}
            if answer.said in {Said.NARROW, Said.END} and not answer.canary:
                done |= self._plan(tx, question, answer.said, now)
            answer = replace(answer, done=done)
            SqlAnswers(tx.connection).put(answer)
        return answer, question

    def _forged(self, tx: Transaction, answer: Answer, question: Question) -> None:
        """Nobody said this: it is not carried out, and the question is open again."""
        said = {"what": "answer_forged", "answer": answer.id, "question": question.id, "agent": question.agent}
        tx.record(self.ground.records.entry("incident", said))
        SqlAnswers(tx.connection).put(replace(answer, state=AnswerState.VOIDED))
        SqlQuestions(tx.connection).put(replace(question, state=QuestionState.OPEN))

    def _plan(self, tx: Transaction, question: Question, said: Said, now: Instant) -> dict[str, Any]:
        """What will be taken from which boundary, and what each of them is before: an undo needs it."""
        subject = self.ground.subjects(tx.connection, now).of(question)
        taken = subject.narrowing() if said is Said.NARROW else subject.ending()
        whole = said is Said.END and question.kind is Kind.BOUNDARY_DUE
        rows = SqlBoundaries(tx.connection)
        active = (rows.history(each.boundary).active for each in subject.boundaries)
        before = [
            {"boundary": each.draft.boundary, "version": each.version, "document": draft_text(each.draft)}
            for each in active
            if each is not None
        ]
        return {"taken": [each.action for each in taken], "whole": whole, "before": before}

    def _staged(self, tx: Transaction, id: str) -> Pair | None:  # noqa: A002 - what it is
        answer = SqlAnswers(tx.connection).find(id)
        if answer is None or answer.state is not AnswerState.STAGED:
            return None
        question = SqlQuestions(tx.connection).find(answer.question)
        return None if question is None else (answer, question)

    def _do(self, answer: Answer, question: Question, now: Instant) -> None:
        by, ports = actor_of(answer), self.ground
        if question.kind is Kind.BREAKGLASS_REVIEW:
            ports.openings.reviewed(question.about, accepted=answer.said is Said.KEEP, by=by)
        elif question.kind is Kind.USAGE_DOUBTED:
            ports.doubts.believe(question.about, trusted=answer.said is Said.TRUST, by=by)
        elif answer.said is Said.KEEP:
            self._vouch(question, now, by)
        else:
            for each in answer.done["before"]:
                self._take(each, answer.done, by)

    def _vouch(self, question: Question, now: Instant, by: Actor, *, ended: bool = False) -> None:
        """A person's keep holds for a time. For a boundary that is the answer itself, which is read as its renewal."""
        if question.kind is Kind.BOUNDARY_DUE:
            return
        subject = self.ground.reader.read(
            lambda connection: self.ground.subjects(connection, now).of(question, wide=False)
        )
        refused: list[RemitError] = []
        for key in subject.keys:
            time = KEPT_CRITICAL if subject.tier(key) is Tier.CRITICAL else KEPT
            try:
                if ended:
                    self.ground.hands.unkeep(key, by=by)
                else:
                    self.ground.hands.keep(key, until=Instant(now + time), by=by)
            except (NotFound, Conflict) as error:  # it ended meanwhile; the others are kept
                refused.append(error)
        if refused and len(refused) == len(subject.keys) and not ended:
            raise refused[0]

    def _take(self, before: Mapping[str, Any], plan: Mapping[str, Any], by: Actor) -> None:
        """Narrow or end one boundary. What others did to it meanwhile stays done."""
        name = BoundaryName(before["boundary"])
        active = self.ground.reader.read(lambda connection: SqlBoundaries(connection).history(name)).active
        if active is None:
            return
        taken = {ActionName(action) for action in plan["taken"]}
        draft = None if plan["whole"] else without(active, taken)
        if draft is None:
            self.ground.boundaries.revoke(name, by=by)
        elif not taken.isdisjoint(active.rules or {}):
            step = self.ground.boundaries.propose(draft, by=by)
            if step.waits:
                raise Conflict(f"{name} could not be narrowed as it stands", try_=f"remit boundary show {name}")

    def _mark(self, tx: Transaction, id: str) -> Answer | None:  # noqa: A002 - what it is
        pair = self._staged(tx, id)
        if pair is None:
            return None  # another node was faster
        answer, question = pair
        left = {each["boundary"]: _version(tx, each["boundary"]) for each in answer.done.get("before", ())}
        after = replace(answer, state=AnswerState.APPLIED, due=NEVER, done={**answer.done, "after": left})
        SqlAnswers(tx.connection).put(after)
        more = {"answer": id, "said": answer.said.value, "taken": list(answer.done.get("taken", ()))}
        log(tx, self.ground.records, question, "apply", by=actor_of(answer), more=more)
        return after

    def _failed(self, tx: Transaction, id: str, error: RemitError) -> None:  # noqa: A002 - what it is
        pair = self._staged(tx, id)
        if pair is None:
            return
        answer, question = pair
        SqlAnswers(tx.connection).put(replace(answer, state=AnswerState.VOIDED, done={"failed": error.public}))
        again = replace(question, state=QuestionState.OPEN)
        SqlQuestions(tx.connection).put(again)
        more = {"answer": id, "said": answer.said.value, "why": error.public}
        log(tx, self.ground.records, again, "fail", by=REMIT, more=more)
        notify(tx, again, "answer_failed", now=self.ground.clock.now(), more={"why": error.public})

    # taking back -----------------------------------------------------------------------------

    def undo(self, id: str, *, by: Actor) -> tuple[Answer, Collection[str]]:  # noqa: A002 - what it is
        """Take an answer back: (the answer, the boundaries whose earlier version now waits for their owner).

        A staged one is dropped. What was taken away already comes back only the way it came: as a
        version that its agent's owner approves, because it widens.

        Raises:
            NotFound, Conflict: No such answer; it is not in force, was handed on, is just being done, or changed since.
            Forbidden: Neither who gave it nor who may answer its question.
        """
        answer, question = self.ground.writer.change(lambda tx: self._undoing(tx, id, by))
        waits: list[str] = []
        if answer.state is AnswerState.APPLIED:
            if answer.said is Said.KEEP:
                self._vouch(question, self.ground.clock.now(), by, ended=True)
            for each in answer.done.get("before", ()):
                step = self.ground.boundaries.propose(draft_from(each["document"]), by=by)
                waits += [each["boundary"]] if step.waits else []
            answer = self.ground.writer.change(lambda tx: self._undone(tx, answer, question, by, waits))
        return answer, waits

    def _undoing(self, tx: Transaction, id: str, by: Actor) -> Pair:  # noqa: A002 - what it is
        answer = SqlAnswers(tx.connection).find(id)
        question = None if answer is None else SqlQuestions(tx.connection).find(answer.question)
        if answer is None or question is None:
            raise NotFound("there is no such answer", try_="remit review list")
        if by.person != answer.by:
            self.answering.require(tx, question, by)
        _require_undoable(tx, answer, question)
        if answer.state is AnswerState.STAGED:
            return self._undone(tx, answer, question, by, ()), question
        return answer, question

    def _undone(self, tx: Transaction, answer: Answer, question: Question, by: Actor, waits: Collection[str]) -> Answer:
        after = replace(answer, state=AnswerState.UNDONE, seal="", due=NEVER)
        SqlAnswers(tx.connection).put(after)
        if not answer.done.get("before") and question.state is QuestionState.ANSWERED:
            SqlQuestions(tx.connection).put(replace(question, state=QuestionState.OPEN))
        more = {"answer": answer.id, "said": answer.said.value, "waits": sorted(waits)}
        log(tx, self.ground.records, question, "undo", by=by, more=more)
        return after


def _require_undoable(tx: Transaction, answer: Answer, question: Question) -> None:
    if answer.state not in {AnswerState.STAGED, AnswerState.APPLIED}:
        raise Conflict(f"this answer is {answer.state.value} already", try_=f"remit review show {question.id}")
    if answer.said is Said.ASK:
        raise Conflict("the question was handed on: whoever has it now answers it")
    if answer.state is AnswerState.STAGED:
        if "claimed" in answer.done:
            raise Conflict("this answer is being carried out at this moment", try_="ask again in a minute")
        return
    if question.kind in {Kind.BREAKGLASS_REVIEW, Kind.USAGE_DOUBTED}:
        raise Conflict("what was done cannot be taken back", try_="remit certify list")
    for name, version in answer.done.get("after", {}).items():
        if _version(tx, name) != version:
            raise Conflict(f"{name} was changed since", try_="write the boundary as it is to be, and remit apply DIR")


def _version(tx: Transaction, name: str) -> int:
    """The version in force; 0 for none."""
    history = SqlBoundaries(tx.connection).history(BoundaryName(name))
    active = history.active
    return active.version if active is not None and active.state is BoundaryState.ACTIVE else 0


def actor_of(answer: Answer) -> Actor:
    """Who gave it, as the log names them."""
    return Actor(by=answer.behind, as_=answer.by) if answer.behind else Actor(by=answer.by)
