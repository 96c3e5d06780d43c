"""Carrying answers out once the time to take them back is over.

An answer is claimed, done and marked, each in a change of its own: a crash between them is made
good by doing it once more, which is harmless, and nobody takes back what is just being done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.access.codec import draft_text
from remit.access.model import BoundaryState
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import ConfigInvalid, Conflict, Forbidden, NotFound
from remit.kernel.names import ActionName, BoundaryName
from remit.people.change import Actor
from remit.reviews.answers import OVERTAKEN, Answers, Pair, actor_of
from remit.reviews.ground import Ground
from remit.reviews.model import NEVER, Answer, AnswerState, Kind, Question, Said
from remit.reviews.narrowing import without
from remit.reviews.shown import OF_ENTITLEMENTS, lapsing, rewritten, shown_narrowing
from remit.reviews.subject import Subject
from remit.reviews.telling import REMIT, log, notify
from remit.reviews.vouching import released, unvouch, vouch, vouches
from remit.storage.ports import Transaction

LATE: Final = DAY  # after its time nothing is carried out any more: a row put back later says nothing
_UNFINISHED: Final = "it was begun and not finished within a day of its time, so it was taken back"
_HOPELESS = (ConfigInvalid, Conflict, Forbidden, NotFound)  # it will not do the next time either
_TAKES: Final = frozenset({Said.NARROW, Said.END})


@dataclass(frozen=True, slots=True)
class Carrying:
    """Does what people said."""

    ground: Ground

    def carry_out(self, id: str) -> Answer | None:  # noqa: A002 - what it is
        """Do what a staged answer says and mark it applied; None if it is not staged any more.

        What nobody said is void. So is what cannot be done (its boundary no longer fits the catalog), or was not
        within a day of its time; its question is open again. What was begun in time and is found after that day is
        finished; but a keep is taken back: an old row would release what came to need a person since.
        """
        now = self.ground.clock.now()
        claimed = self.ground.writer.change(lambda tx: self._claim(tx, id, now))
        if claimed is None:
            return None
        answer, question = claimed
        if _late(answer, now) and vouches(answer, question):
            self._give_up(answer, question, _UNFINISHED)
            return None
        try:
            if not answer.canary:
                self._do(answer, question, now)
        except _HOPELESS as error:
            self._give_up(answer, question, error.public)
            return None
        return self.ground.writer.change(lambda tx: self._mark(tx, id))

    def _claim(self, tx: Transaction, id: str, now: Instant) -> Pair | None:  # noqa: A002 - what it is
        answers = Answers(self.ground, tx)
        pair = answers.staged(id)
        if pair is None:
            return None
        answer, question = pair
        if _late(answer, now) and not _begun(tx, answer):
            self._drop(tx, answer, question, "it was not carried out within a day of its time")
            return None
        if "claimed" not in answer.done:
            if self._overtaken(tx, answer, question, now):
                self._drop(tx, answer, question, OVERTAKEN)
                return None
            done: dict[str, Any] = {"claimed": now}
            if answer.said in _TAKES and not answer.canary:
                done |= self._plan(tx, question, answer.said, now)
            if vouches(answer, question):
                done |= {"was": released(self.ground, tx, question, now)}
            # Sealed with its plan: what is done is what was planned here, and not what its row came to say.
            answer = answers.put(replace(answer, done=done), question)
        return answer, question

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

    def _plan(self, tx: Transaction, question: Question, said: Said, now: Instant) -> dict[str, Any]:
        """What will be taken from which boundary, and what each of them is before: an undo needs it."""
        subject = self.ground.subjects(tx.connection, now).of(question)
        rows = SqlBoundaries(tx.connection)
        active = (rows.history(each.boundary).active for each in subject.boundaries)
        before = [
            {"boundary": each.draft.boundary, "version": each.version, "document": draft_text(each.draft)}
            for each in active
            if each is not None
        ]
        return {"taken": sorted(_taken(subject, said, question)), "whole": _whole(question, said), "before": before}

    def _do(self, answer: Answer, question: Question, now: Instant) -> None:
        by, ports = actor_of(answer), self.ground
        if question.kind is Kind.BREAKGLASS_REVIEW:
            ports.openings.reviewed(question.about, accepted=answer.said is Said.KEEP, by=by)
        elif question.kind is Kind.USAGE_DOUBTED:
            ports.doubts.believe(question.about, trusted=answer.said is Said.TRUST, by=by)
        elif vouches(answer, question):
            vouch(self.ground, answer, question, now)
        elif answer.said in _TAKES:
            self._take_all(answer, question, now, by)

    def _take_all(self, answer: Answer, question: Question, now: Instant, by: Actor) -> None:
        """Take what was planned, as far as the question is about it now: what its row says alone takes nothing."""
        subject = self.ground.reader.read(lambda connection: self.ground.subjects(connection, now).of(question))
        planned = set(answer.done["taken"])
        taken = _taken(subject, answer.said, question) & planned
        # Not what a narrowing that was done and is done once more finds gone.
        stays = not planned or any(not planned.isdisjoint(each.rules) for each in subject.boundaries)
        if answer.said is Said.NARROW and not taken and stays:
            raise Conflict("nothing is left of what narrowing was to take: it is used, or needed, by now")
        whole = _whole(question, answer.said) and answer.done["whole"] is True
        mine = {each.boundary for each in subject.boundaries}
        for each in answer.done["before"]:
            if each["boundary"] in mine:
                self._take(BoundaryName(each["boundary"]), taken, whole=whole, by=by)

    def _take(self, name: BoundaryName, taken: set[ActionName], *, whole: bool, by: Actor) -> None:
        """Narrow or end one boundary. What others did to it meanwhile stays done."""
        active = self.ground.reader.read(lambda connection: SqlBoundaries(connection).history(name)).active
        if active is None:
            return
        draft = None if whole else without(active, taken)
        if draft is None:
            self.ground.boundaries.revoke(name, by=by)
        elif not taken.isdisjoint(active.rules or {}):
            step = self.ground.boundaries.propose(draft, by=by)
            if step.waits:
                raise Conflict(f"{name} could not be narrowed as it stands", try_=f"remit boundary show {name}")

    def _mark(self, tx: Transaction, id: str) -> Answer | None:  # noqa: A002 - what it is
        answers = Answers(self.ground, tx)
        pair = answers.staged(id)
        if pair is None:
            return None  # another node was faster
        answer, question = pair
        left = {each["boundary"]: version_in_force(tx, each["boundary"]) for each in answer.done.get("before", ())}
        after = replace(answer, state=AnswerState.APPLIED, due=NEVER, done={**answer.done, "after": left})
        after = answers.put(after, question)
        more = {"answer": id, "said": answer.said.value, "taken": list(answer.done.get("taken", ()))}
        log(tx, self.ground.records, question, "apply", by=actor_of(answer), more=more)
        return after

    def _give_up(self, answer: Answer, question: Question, why: str) -> None:
        """It is void. What a keep did before the crash is taken back first, or nobody could."""
        if vouches(answer, question):
            unvouch(self.ground, answer, question, by=REMIT, begun=True)
        self.ground.writer.change(lambda tx: self._failed(tx, answer.id, why))

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


def _late(answer: Answer, now: Instant) -> bool:
    return now >= answer.due + LATE


def _begun(tx: Transaction, answer: Answer) -> bool:
    """Whether it was claimed in time and may have been done; of what it takes, whether anything of it is gone."""
    if "claimed" not in answer.done:
        return False
    taken, before = set(answer.done.get("taken", ())), answer.done.get("before", ())
    return "taken" not in answer.done or any(_gone(tx, each, taken) for each in before)


def _gone(tx: Transaction, before: Mapping[str, Any], taken: Collection[str]) -> bool:
    """Whether a boundary is without something that was to be taken of it."""
    versions = SqlBoundaries(tx.connection).versions(BoundaryName(before["boundary"]))
    was = next((each.rules or {} for each in versions if each.version == before["version"]), {})
    now = next((each.rules or {} for each in versions if each.state is BoundaryState.ACTIVE), {})
    return any(each in was and each not in now for each in taken)


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


def _whole(question: Question, said: Said) -> bool:
    """Whether it takes the boundary itself."""
    return said is Said.END and question.kind is Kind.BOUNDARY_DUE


def version_in_force(tx: Transaction, name: str) -> int:
    """The version in force; 0 for none."""
    active = SqlBoundaries(tx.connection).history(BoundaryName(name)).active
    return active.version if active is not None and active.state is BoundaryState.ACTIVE else 0
