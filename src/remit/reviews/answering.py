"""Answering: who may, what can be said, staged so that it can be taken back; and batches that nobody read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import Final

from remit.catalog.model import Tier
from remit.kernel.clock import Instant, rfc3339
from remit.kernel.errors import Conflict, Forbidden, Malformed, NotFound
from remit.kernel.names import OwnerName, new_id
from remit.people.change import Actor
from remit.reviews.assign import assignee, why_not
from remit.reviews.canaries import FAST_COUNT, WINDOW, void
from remit.reviews.ground import Ground
from remit.reviews.model import CHOICES, NEVER, Answer, AnswerState, Kind, Question, QuestionState, Said, Stage
from remit.reviews.quality import Given
from remit.reviews.shown import JOINED, OF_ENTITLEMENTS, lapsing, line_of, names_all, news_of, reopened, up_to_date
from remit.reviews.sql import SqlAnswers, SqlQuestions
from remit.reviews.subject import Subject, Subjects
from remit.reviews.telling import log, notify
from remit.reviews.word import sealed
from remit.storage.ports import Transaction

_FEW: Final = 50
_MANY: Final = 10_000
_MAX_NOTE: Final = 1000
_NAMED: Final = 10  # what joined a question, in one line
_IN_FORCE: Final = frozenset({Kind.NEEDS_HUMAN, Kind.CADENCE_WANTED})  # keeping these keeps what is in force
_TAKES: Final = frozenset({Said.NARROW, Said.END})


def given(answer: Answer) -> Given:
    """What counts of an answer for its reviewer's figures."""
    return Given(answer.at, answer.said, answer.asked, answer.canary)


def current(subjects: Subjects, question: Question, wide: Subject | None = None) -> Question:
    """The question with what changed in this moment, although no tick has looked at it yet.

    `wide` is what it is about, with the use of everything else in its boundaries, where that is known.
    """
    if question.canary or question.state is not QuestionState.OPEN:
        return question
    if question.kind is Kind.USAGE_DOUBTED:
        return lapsing(question, *subjects.doubts.would_lapse(subjects.connection, question.about))
    if question.kind not in OF_ENTITLEMENTS:
        return question
    subject = subjects.of(question, wide=False)
    if subject.gone:
        return question
    if Said.NARROW not in CHOICES[question.kind]:
        return up_to_date(question, subject)
    takes = (wide or subjects.of(question)).narrowing()
    return up_to_date(question, subject, narrowing=[each.action for each in takes])


@dataclass(frozen=True, slots=True)
class Answering:
    """Takes answers. Each is one change."""

    ground: Ground

    def answer(
        self, id: str, said: str, *, by: Actor, note: str = "", to: str = "", shown: int = 1,  # noqa: A002 - what it is
    ) -> Answer:  # fmt: skip
        """Stage what a person says; or hand the question to whom they ask.

        Args:
            id: Of the question.
            said: One of the `CHOICES` of its kind.
            by: Who says it. Whether a question that is no owner's is theirs was checked by their role.
            note: Why; kept, and required to ask somebody.
            to: For ask, whom.
            shown: The question's `serial` when this person was shown it. It covers nothing that joined after.

        Raises:
            NotFound, Conflict: No such question; it is not open any more, is about more than was shown, or
                narrowing would take nothing.
            Malformed: It cannot be said to this question, or the note is missing or too long.
            Forbidden: This person may not answer it.
        """

        def apply(tx: Transaction) -> Answer | Conflict:
            question = self._open(tx, id, by)
            word = _word(question, said, note)
            if word is Said.ASK:
                return self._hand(tx, question, by=by, note=note, to=to)  # decides nothing
            question = current(self.ground.subjects(tx.connection, self.ground.clock.now()), question)
            if refused := self._not_shown(tx, question, word, shown):
                # Its serial says what the refusal shows, and nothing that comes after.
                SqlQuestions(tx.connection).put(question)
                return refused
            if not question.canary:
                self._does_something(tx, question, word)
            return self._stage(tx, question, word, by=by, note=note)

        found = self.ground.writer.change(apply)
        if isinstance(found, Conflict):
            raise found
        return found

    def _open(self, tx: Transaction, id: str, by: Actor) -> Question:  # noqa: A002 - what it is
        question = SqlQuestions(tx.connection).find(id)
        if question is None:
            raise NotFound("there is no such question", try_="remit review list")
        if question.state is not QuestionState.OPEN:
            raise Conflict(f"this question is {question.state.value} already", try_=f"remit review show {id}")
        self.require(tx, question, by)
        return question

    def require(self, tx: Transaction, question: Question, by: Actor) -> None:
        """Raise Forbidden unless this person may answer `question`."""
        subjects = self.ground.subjects(tx.connection, self.ground.clock.now())
        owner = subjects.owner(question.agent)
        if reason := why_not(by.person, question, owner, subjects.person):
            advice = f"ask {question.assigned}" if question.assigned not in {"", by.person} else ""
            raise Forbidden(f"{by.person} may not answer this: {reason}", try_=advice)

    def _not_shown(self, tx: Transaction, question: Question, said: Said, shown: int) -> Conflict | None:
        """The refusal if the question is about more than this person was shown: they say nothing about that."""
        if shown == question.serial:
            return None
        show = f"remit review show {question.id}"
        if not 1 <= shown < question.serial:
            raise Malformed(f"this question was never shown as {shown}", try_=show)
        news = news_of(question, shown, said)
        if not news:
            return None
        subject = self.ground.subjects(tx.connection, self.ground.clock.now()).of(question, wide=False)
        lines = list(dict.fromkeys(line_of(each, question, subject.keys) for each in news))
        named = "; ".join(lines[:_NAMED])
        more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
        # Whoever reads this has been shown what is new, unless something of it is too much for one line.
        named_all = not more and all(names_all(each, question) for each in news)
        next_ = f"remit review {said.value} {question.id} --as-shown {question.serial}" if named_all else show
        since = "it was asked" if shown == 1 else "it was shown so"
        is_ = "is about more" if all(each.what == JOINED for each in news) else "has changed"
        return Conflict(f"this question {is_} since {since}: {named}{more}", try_=next_)

    def _does_something(self, tx: Transaction, question: Question, said: Said) -> None:
        """Raise Conflict if there is nothing to narrow, or nothing in force to keep."""
        subjects = self.ground.subjects(tx.connection, self.ground.clock.now())
        if said is Said.KEEP and question.kind in _IN_FORCE:
            subject = subjects.of(question, wide=False)
            if subject.ended:
                key = min(subject.started)
                raise Conflict(
                    f"{key.action} is {subject.started[key].state.value}, and keeping does not start it",
                    try_=f"remit activation start {key.agent} {quote(key.action)} --purpose {key.purpose}",
                )
        if said is Said.NARROW and not subjects.of(question).narrowing():
            raise Conflict(
                "there is nothing to narrow: no action of it is known to be unused",
                try_=f"remit review keep {question.id}, or end",
            )

    def _stage(self, tx: Transaction, question: Question, said: Said, *, by: Actor, note: str) -> Answer:
        now = self.ground.clock.now()
        # What is critical and unwanted goes at once; it can be taken back all the same.
        at_once = question.tier is Tier.CRITICAL and said in _TAKES
        answer = Answer(
            id=new_id("ans"), question=question.id, said=said, by=by.person, behind=by.by if by.as_ else "", at=now,
            note=note, due=now if at_once else Instant(now + self.ground.undo), asked=question.asked,
            canary=question.canary,
        )  # fmt: skip
        answer = sealed(self.ground.secret, answer, question)
        answers = SqlAnswers(tx.connection)
        answers.put(answer)
        SqlQuestions(tx.connection).put(replace(question, state=QuestionState.ANSWERED))
        more = {
            "answer": answer.id,
            "said": said.value,
            "note": note,
            "due": rfc3339(answer.due),
            "shown": question.serial,
        }
        log(tx, self.ground.records, question, "answer", by=by, more=more)
        self._void_if_unread(tx, by.person, now)
        return answers.find(answer.id) or answer

    def _hand(self, tx: Transaction, question: Question, *, by: Actor, note: str, to: str) -> Answer:
        """The question goes to somebody named. Its term runs on."""
        now = self.ground.clock.now()
        subjects = self.ground.subjects(tx.connection, now)
        person = subjects.person(OwnerName(to)) if to else None
        if person is None or not person.active:
            raise Malformed(f"{to or 'nobody'} is no active person here", try_="remit owner list")
        if to in {by.person, question.requester, *question.barred}:
            raise Malformed(f"{to} cannot be asked this", try_="name somebody else")
        after = replace(question, assigned=to, handed=to)
        answer = Answer(
            id=new_id("ans"), question=question.id, said=Said.ASK, by=by.person, behind=by.by if by.as_ else "",
            at=now, note=note, to=to, state=AnswerState.APPLIED, due=NEVER, asked=question.asked,
            canary=question.canary,
        )  # fmt: skip
        SqlAnswers(tx.connection).put(answer)
        SqlQuestions(tx.connection).put(after)
        more = {"answer": answer.id, "said": Said.ASK.value, "note": note, "to": to}
        log(tx, self.ground.records, after, "answer", by=by, more=more)
        notify(tx, after, "question_asked_of", now=now, more={"to": to, "by": by.person, "note": note})
        return answer

    # batches ---------------------------------------------------------------------------------

    def _void_if_unread(self, tx: Transaction, person: str, now: Instant) -> None:
        rows = SqlAnswers(tx.connection)
        voided = rows.newest_by(person, most=_FEW, state=AnswerState.VOIDED)
        before = [each for each in voided if _of_a_void_batch(each)]
        since = before[-1].at if before else -1
        found = [*rows.made_up_by(person, most=WINDOW), *rows.newest_by(person, most=FAST_COUNT)]
        counted = {each.id: each for each in found if each.at > since and each.said is not Said.ASK}
        answers = sorted(counted.values(), key=lambda each: (each.at, each.id))
        why = void([given(each) for each in answers])
        if why is not None:
            done = rows.newest_by(person, most=_FEW, state=AnswerState.APPLIED)
            counted |= {each.id: each for each in done if each.at > since and each.said is not Said.ASK}
            self._void(tx, person, why, list(counted.values()), now)

    def _void(self, tx: Transaction, person: str, why: str, counted: list[Answer], now: Instant) -> None:
        rows, questions = SqlAnswers(tx.connection), SqlQuestions(tx.connection)
        staged = rows.newest_by(person, most=_MANY, state=AnswerState.STAGED)
        told: set[str] = set()
        for answer in staged:
            rows.put(replace(answer, state=AnswerState.VOIDED, seal="", done={"why": why}))
            question = questions.find(answer.question)
            if question is not None:
                after = self._again(tx, question, person, now)
                questions.put(after)
                if after.agent not in told and not after.canary:
                    told.add(after.agent)
                    notify(tx, after, "review_batch_voided", now=now, more={"by": person, "why": why})
        canaries = [each for each in counted if each.canary]
        fields = {
            "what": "review_batch_voided",
            "reviewer": person,
            "why": why,
            "answers": [each.id for each in staged],
            # What was done before stays done; somebody should look at it again.
            "applied_before": [each.id for each in counted if each.state is AnswerState.APPLIED and not each.canary],
            "made_up": len(canaries),
            "caught": sum(given(each).caught for each in canaries),
        }
        tx.record(self.ground.records.entry("incident", fields))

    def _again(self, tx: Transaction, question: Question, person: str, now: Instant) -> Question:
        """The question of a void answer: a backup's, with half a term to answer it; a made-up one is over."""
        if question.canary:
            return replace(question, state=QuestionState.VOIDED)
        subjects = self.ground.subjects(tx.connection, now)
        barred = tuple(dict.fromkeys((*question.barred, person)))
        owner = subjects.owner(question.agent)
        to = "" if question.general else assignee(owner, subjects.person, without={question.requester, *barred})
        again = reopened(question)
        return replace(again, stage=Stage.ESCALATED, moved=now, barred=barred, assigned=to, handed="")


def _of_a_void_batch(answer: Answer) -> bool:
    """And not void because it could not be carried out."""
    return answer.state is AnswerState.VOIDED and "why" in answer.done


def _word(question: Question, said: str, note: str) -> Said:
    choices = CHOICES[question.kind]
    if said not in {each.value for each in choices}:
        known = ", ".join(each.value for each in choices)
        raise Malformed(f"{said} is no answer to {question.kind.value}"[:120], try_=f"one of {known}")
    if len(note) > _MAX_NOTE or not note.isprintable():
        raise Malformed(f"a note is one line of at most {_MAX_NOTE} characters")
    if said == Said.ASK.value and not note.strip():
        raise Malformed("asking somebody needs a note: what is to be found out", try_="--note TEXT")
    return Said(said)
