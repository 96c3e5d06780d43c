"""Taking an answer back: before it is done it is dropped, after it comes back only the way it came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from remit.access.codec import draft_from
from remit.kernel.errors import Conflict, NotFound
from remit.people.change import Actor
from remit.reviews.answering import Answering
from remit.reviews.answers import Answers
from remit.reviews.carrying import version_in_force
from remit.reviews.ground import Ground
from remit.reviews.model import NEVER, Answer, AnswerState, Kind, Question, QuestionState, Said
from remit.reviews.shown import reopened
from remit.reviews.sql import SqlAnswers, SqlQuestions
from remit.reviews.subject import names_of
from remit.reviews.telling import log
from remit.reviews.vouching import load, unvouch, vouches
from remit.storage.ports import Transaction

_OF_EACH: Final = frozenset({Kind.NEEDS_HUMAN, Kind.CADENCE_WANTED})  # about entitlements one by one


@dataclass(frozen=True, slots=True)
class Undoing:
    """Takes answers back."""

    ground: Ground
    answering: Answering

    def undo(self, id: str, *, by: Actor) -> tuple[Answer, Collection[str]]:  # noqa: A002 - what it is
        """Take an answer back: (the answer, the boundaries whose earlier version now waits for their owner).

        A staged one is dropped. What was taken away already comes back only the way it came: as a
        version that its agent's owner approves, because it widens.

        Raises:
            NotFound, Conflict: No such answer; it is not in force, was handed on, changed since, or nobody gave it as
                it stands.
            Forbidden: Neither who gave it nor who may answer its question.
        """
        load(self.ground, id)
        found = self.ground.writer.change(lambda tx: self._undo(tx, id, by))
        if found is None:  # only now, or the incident would be taken back with the change
            raise Conflict("nobody gave this answer as it stands: it is void", try_="remit review list")
        return found

    def _undo(self, tx: Transaction, id: str, by: Actor) -> tuple[Answer, Collection[str]] | None:  # noqa: A002 - what it is
        answers = Answers(self.ground, tx)
        found = answers.find(id)
        if found is None:
            raise NotFound("there is no such answer", try_="remit review list")
        answer, question = found
        if by.person != answer.by:
            self.answering.require(tx, question, by)
        _require_undoable(tx, answer, question)
        if not answers.so(answer, question):
            return None
        waits: list[str] = []
        if answer.state is AnswerState.APPLIED:
            if vouches(answer, question):
                unvouch(self.ground, tx, answer, question, by=by)
            for each in answer.done.get("before", ()):
                step = self.ground.boundaries.propose_within(tx, draft_from(each["document"]), by=by)
                waits += [each["boundary"]] if step.waits else []
        return self._undone(tx, answer, question, by, waits), waits

    def _undone(self, tx: Transaction, answer: Answer, question: Question, by: Actor, waits: Collection[str]) -> Answer:
        # Without a seal: whoever writes `staged` into its row again has nothing that anybody said.
        after = replace(answer, state=AnswerState.UNDONE, seal="", due=NEVER)
        SqlAnswers(tx.connection).put(after)
        if question.state is QuestionState.ANSWERED:
            # A question that stayed answered would let an old row of this answer, put back, be carried out again.
            settled = self._waits_for_owner(tx, question, waits) or _asked_beside(tx, question)
            left = replace(question, state=QuestionState.SETTLED) if settled else reopened(question)
            SqlQuestions(tx.connection).put(left)
            if question.agent and not settled:
                tx.touch(f"activations:{question.agent}")  # it is brought up to date with the next tick
        more = {"answer": answer.id, "said": answer.said.value, "waits": sorted(waits)}
        log(tx, self.ground.records, question, "undo", by=by, more=more)
        return after

    def _waits_for_owner(self, tx: Transaction, question: Question, waits: Collection[str]) -> bool:
        """Whether what was asked about was taken and waits for its owner now, so that nothing is left to ask.

        A narrowing may have taken something else of its boundary, and what is asked about needs a person still.
        """
        if not waits:
            return False
        if question.kind not in _OF_EACH:
            return True  # a combination is one no more, and a boundary is looked at when its version is approved
        return self.ground.subjects(tx.connection, self.ground.clock.now()).of(question, wide=False).gone


def _asked_beside(tx: Transaction, question: Question) -> bool:
    """Whether what it is about is asked about by now in other questions: about one matter there is one."""
    standing = SqlQuestions(tx.connection).standing(question.kind, question.agent)
    open_ = (each for each in standing if each.state is QuestionState.OPEN and not each.canary)
    asked = [names_of(each) for each in open_ if each.id != question.id]
    return bool(asked) and names_of(question) <= frozenset().union(*asked)


def _require_undoable(tx: Transaction, answer: Answer, question: Question) -> None:
    if answer.state not in {AnswerState.STAGED, AnswerState.APPLIED}:
        raise Conflict(f"this answer is {answer.state.value} already", try_=f"remit review show {question.id}")
    if answer.said is Said.ASK:
        raise Conflict("the question was handed on: whoever has it now answers it")
    if answer.state is AnswerState.STAGED:
        return
    if question.kind in {Kind.BREAKGLASS_REVIEW, Kind.USAGE_DOUBTED}:
        raise Conflict("what was done cannot be taken back", try_="remit certify list")
    for name, version in answer.done.get("after", {}).items():
        if version_in_force(tx, name) != version:
            raise Conflict(f"{name} was changed since", try_="write the boundary as it is to be, and remit apply DIR")
