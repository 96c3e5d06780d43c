"""Answers within one change, as people gave them: what nobody said is void, and an incident."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.people.change import Actor
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, AnswerState, Question, QuestionState, Said
from remit.reviews.shown import reopened
from remit.reviews.sql import SqlAnswers, SqlQuestions
from remit.reviews.telling import REMIT, log, notify
from remit.reviews.word import given_so, sealed
from remit.storage.ports import Transaction

Pair = tuple[Answer, Question]
OVERTAKEN = "what it is about changed after it was given"
_DECIDED = frozenset({AnswerState.STAGED, AnswerState.APPLIED})


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads and writes answers with the question that each is to."""

    ground: Ground
    tx: Transaction

    def find(self, id: str) -> Pair | None:  # noqa: A002 - what it is
        """An answer as its row says, and its question; None if one of them is not there."""
        answer = SqlAnswers(self.tx.connection).find(id)
        question = None if answer is None else SqlQuestions(self.tx.connection).find(answer.question)
        return None if answer is None or question is None else (answer, question)

    def staged(self, id: str) -> Pair | None:  # noqa: A002 - what it is
        """An answer that waits to be carried out and was given so; else None. A forged one is void after."""
        found = self.find(id)
        if found is None or found[0].state is not AnswerState.STAGED:
            return None
        return found if self.so(*found) else None

    def so(self, answer: Answer, question: Question) -> bool:
        """Whether it was given so; if not, it is void and an incident, and nothing else comes of it."""
        waits = question.state is QuestionState.ANSWERED and answer.by not in question.barred
        # A staged row that was put back after it was taken back or made void is none that its question waits for.
        if given_so(self.ground.secret, answer, question) and (waits or answer.state is not AnswerState.STAGED):
            return True
        said = {"what": "answer_forged", "answer": answer.id, "question": question.id, "agent": question.agent}
        self.tx.record(self.ground.records.entry("incident", said))
        self.void(answer, question, "nobody gave it as it stands")
        return False

    def put(self, answer: Answer, question: Question) -> Answer:
        """Write it where it stands now, sealed anew."""
        after = sealed(self.ground.secret, answer, question)
        SqlAnswers(self.tx.connection).put(after)
        return after

    def overtaken(self, question: Question) -> bool:
        """Whether what was said to a question and is not carried out yet is void, now that there is more to say.

        Then the question may be asked again. What takes everything away stands.
        """
        rows = SqlAnswers(self.tx.connection)
        staged = [each for each in rows.of_question(question.id) if each.state is AnswerState.STAGED]
        if not staged or any(each.said is Said.END for each in staged):
            return False
        for each in staged:
            rows.put(replace(each, state=AnswerState.VOIDED, seal="", done={"failed": OVERTAKEN}))
            more = {"answer": each.id, "said": each.said.value, "why": OVERTAKEN}
            log(self.tx, self.ground.records, question, "fail", by=REMIT, more=more)
            notify(self.tx, question, "answer_failed", now=self.ground.clock.now(), more={"why": OVERTAKEN})
        return True

    def note(self, question: Question, after: Question) -> None:
        """Write what came of an answered question's matter since; what was given to it so is sealed with that."""
        for each in SqlAnswers(self.tx.connection).of_question(question.id):
            if given_so(self.ground.secret, each, question):
                self.put(each, after)
        SqlQuestions(self.tx.connection).put(after)

    def void(self, answer: Answer, question: Question, why: str) -> Question:
        """It counts no more. Its question is open again, unless somebody else's answer decided it."""
        rows = SqlAnswers(self.tx.connection)
        rows.put(replace(answer, state=AnswerState.VOIDED, seal="", done={"failed": why}))
        others = (each for each in rows.of_question(question.id) if each.id != answer.id)
        decided = any(each.state in _DECIDED and given_so(self.ground.secret, each, question) for each in others)
        if decided or question.state is not QuestionState.ANSWERED:
            return question
        again = reopened(question)
        SqlQuestions(self.tx.connection).put(again)
        if again.agent:
            self.tx.touch(f"activations:{again.agent}")  # it is brought up to date with the next tick
        return again


def actor_of(answer: Answer) -> Actor:
    """Who gave it, as the log names them."""
    return Actor(by=answer.behind, as_=answer.by) if answer.behind else Actor(by=answer.by)
