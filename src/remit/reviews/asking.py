"""Asking: one open question about one matter, with what is known, a recommendation, and a person to ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from remit.access.draft import Version
from remit.access.sql import SqlBoundaries, load_of_agent
from remit.agents.risk import SqlRisks
from remit.catalog.model import Tier
from remit.kernel.clock import HOUR, Instant, Micros, rfc3339
from remit.kernel.errors import Malformed
from remit.kernel.names import BoundaryName, new_id
from remit.reviews import renewal
from remit.reviews.answers import Answers
from remit.reviews.assign import assignee, heir
from remit.reviews.canaries import follows, made_up
from remit.reviews.ground import Ground
from remit.reviews.model import CHOICES, Kind, Question, QuestionState, Said, Stage
from remit.reviews.recommend import recommend
from remit.reviews.renewal import highest
from remit.reviews.schedule import Course, ends
from remit.reviews.shown import OF_ENTITLEMENTS, as_shown, joined_by, noting, reopened, up_to_date, with_matter
from remit.reviews.shown import standing as standing_of
from remit.reviews.sql import SqlQuestions
from remit.reviews.subject import Subject, Subjects, keys_of, names_of
from remit.reviews.telling import REMIT, log, notify
from remit.reviews.word import given_so
from remit.storage.ports import Transaction

_MOST_TOGETHER: Final = 200  # entitlements of one question: its answer is one change, for which decisions wait
_TOGETHER: Final = HOUR  # what comes to need a person within it, for one reason, is one question
MOST_RENEWALS: Final = 50  # boundaries asked about in one change
_AT_ONCE: Final = 500  # boundaries that are looked through at once


@dataclass(frozen=True, slots=True)
class _Matter:
    """What is asked about, before there is a question."""

    kind: Kind
    agent: str
    about: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """Implements remit.certification.ports.Asker."""

    ground: Ground

    def ask(self, tx: Transaction, *, kind: str, agent: str, about: str, why: str, facts: Mapping[str, Any]) -> None:
        """Ask, within a change, unless the same is asked already, or answered and not carried out yet.

        Args:
            tx: The change.
            kind: One of `Kind`.
            agent: Whose access it is about; "" for what concerns several.
            about: An activation's id, `PURPOSE ACTION`, a boundary, a server, an opening; or anything else, if
                `entitlements` of the facts lists the ids.
            why: The machine's reason, one word.
            facts: What the person is shown. `requested_by` is who may not answer; `tier` overrides how long it may
                wait.

        Raises:
            Malformed: No such kind, or facts that have no canonical form.
        """
        try:
            matter = _Matter(Kind(kind), agent, about, dict(facts))
        except ValueError as error:
            raise Malformed(f"no question is of the kind {kind}"[:120]) from error
        rows, now = SqlQuestions(tx.connection), self.ground.clock.now()
        # Only what needs a person is gathered into one question, and may stand in one about something else.
        standing = rows.standing(matter.kind, agent, None if matter.kind is Kind.NEEDS_HUMAN else about)
        standing = [each for each in standing if not each.canary]  # what is made up stands for nothing real
        mine = [each for each in standing if about in names_of(each)]
        for each in mine:
            self._again(tx, each, matter, why)
        if mine:
            return
        same = next((each for each in standing if _goes_with(matter, why, each, now)), None)
        if same is not None:
            # Its figures follow with the next tick: a thousand entitlements may be at risk in one moment.
            rows.put(joined_by(same, [about], {}, standing_of(matter.kind, str(facts.get("state", "")), why)))
            tx.touch(f"activations:{agent}")
            return
        question = self._question(self.ground.subjects(tx.connection, now), matter, why)
        real, made = rows.put_to(question.assigned)
        self._put(tx, question)
        planted = follows(self.ground.secret, question.id, ordinal=real + 1, planted=made)
        if planted and question.assigned and not question.general:
            self._plant(tx, question, now)

    def _plant(self, tx: Transaction, host: Question, now: Instant) -> None:
        """Put a made-up question aside until it is asked, in a change of its own like any other."""
        given = load_of_agent(tx.connection, host.agent)
        mine = [each for each in given if each.purpose == host.facts.get("purpose")] or given
        if mine:
            rows = SqlQuestions(tx.connection)
            taken = keys_of(given).union(rows.made_up_about(host.agent))
            made = made_up(
                self.ground.secret, host, boundary=mine[0].boundary, purpose=mine[0].purpose, now=now, taken=taken,
                risk=SqlRisks(tx.connection).find(host.agent).value,
            )  # fmt: skip
            rows.put(replace(made, id=new_id("qst")), due=made.asked)

    def ask_made_up(self, tx: Transaction, aside: Question) -> None:
        """Ask one that was put aside. Its time and its id are of now, so that they say nothing of what it follows."""
        now, rows = self.ground.clock.now(), SqlQuestions(tx.connection)
        rows.drop(aside.id)
        asked = replace(aside, id=new_id("qst"), state=QuestionState.OPEN, asked=now, moved=now)
        self._put(tx, self._now(self.ground.subjects(tx.connection, now), asked))

    def _again(self, tx: Transaction, question: Question, matter: _Matter, why: str) -> None:
        """Asked about already: the question says what is new.

        An answer that is not carried out yet is to what was shown, so what is new makes an end of it and asks again;
        not of one that takes everything away: then it is noted, for if that is taken back.
        """
        known = question if question.state is QuestionState.OPEN else reopened(question)
        now = with_matter(known, matter.about, why, matter.facts)
        if now is known:
            return
        if question.state is not QuestionState.OPEN:
            answers = Answers(self.ground, tx)
            if not answers.overtaken(question):
                answers.note(question, noting(question, matter.about, why, matter.facts))
                return
        SqlQuestions(tx.connection).put(now)
        tx.touch(f"activations:{question.agent}")

    def settle(self, tx: Transaction, *, kind: str, agent: str, about: str) -> None:
        """What was asked about is over by itself; an open question about it and nothing else is, too."""
        for found in SqlQuestions(tx.connection).standing(Kind(kind), agent):
            if found.state is QuestionState.OPEN and names_of(found) == {about} and not found.canary:
                self.close(tx, found, QuestionState.SETTLED, "settle")

    def close(self, tx: Transaction, question: Question, state: QuestionState, change: str) -> None:
        """End a question without an answer."""
        SqlQuestions(tx.connection).put(replace(question, state=state))
        log(tx, self.ground.records, question, change, by=REMIT, more={})

    def _question(self, subjects: Subjects, matter: _Matter, why: str) -> Question:
        subject = subjects.of(matter, wide=False)
        facts = dict(matter.facts) if subject.gone else {**subject.facts(), **matter.facts}
        if matter.kind in OF_ENTITLEMENTS and not subject.gone:
            narrows = subjects.of(matter).narrowing() if Said.NARROW in CHOICES[matter.kind] else ()
            facts |= {"as_shown": as_shown(subject) | {"narrow": sorted(each.action for each in narrows)}}
        tier = _tier(matter, subject, facts)
        recommendation, reason = recommend(matter.kind, tier, facts)
        question = Question(
            id=new_id("qst"), kind=matter.kind, agent=matter.agent, about=matter.about, why=why, tier=tier,
            asked=subjects.now, moved=subjects.now, assigned="", facts={**facts, "tier": tier.value},
            recommendation=recommendation, reason=reason,
        )  # fmt: skip
        if question.general:
            return question
        owner = subjects.owner(matter.agent)
        return replace(question, assigned=assignee(owner, subjects.person, without={question.requester}))

    def _put(self, tx: Transaction, question: Question) -> None:
        SqlQuestions(tx.connection).put(question)
        due = rfc3339(ends(Course(question.tier, question.asked, question.stage, question.moved)))
        more = {"why": question.why, "to": question.assigned, "recommendation": question.recommendation.value}
        log(tx, self.ground.records, question, "ask", by=REMIT, more=more)
        notify(tx, question, "question", now=question.asked, more={"due": due})

    def overdue(self, connection: Connection, after: str) -> tuple[list[tuple[str, str]], str]:
        """Some boundaries that no person has looked at for their cadence, and is not asked to, in order of their names.

        Args:
            connection: To read on.
            after: The name to go on behind; "" at first.

        Returns:
            (agent, boundary) of each, `MOST_RENEWALS` at most; and where to go on, "" where none come after.
        """
        page = SqlBoundaries(connection).active_after(after, most=_AT_ONCE)
        late = self._late(connection, page)
        if len(late) > MOST_RENEWALS:
            return late[:MOST_RENEWALS], late[MOST_RENEWALS - 1][1]
        return late, page[-1].draft.boundary if len(page) == _AT_ONCE else ""

    def renew(self, tx: Transaction, overdue: Iterable[tuple[str, str]]) -> None:
        """Ask about those of these boundaries that still are; of what is no person's look at one, make an end.

        One change, which freezes wait for: of no more than `MOST_RENEWALS`.
        """
        names, answers = [name for _, name in overdue], Answers(self.ground, tx)
        for answer, question in SqlQuestions(tx.connection).looked_at(names):
            answers.so(answer, question)  # a row alone is nobody's look at it
        versions = (SqlBoundaries(tx.connection).history(BoundaryName(name)).active for name in names)
        for agent, name in self._late(tx.connection, filter(None, versions)):
            self.ask(tx, kind=Kind.BOUNDARY_DUE.value, agent=agent, about=name, why="cadence", facts={})

    def _late(self, connection: Connection, versions: Iterable[Version]) -> list[tuple[str, str]]:
        """Those of these versions, in force, that are overdue; in their order."""
        now = self.ground.clock.now()
        tier = self.ground.subjects(connection, now).tiers()
        late: dict[str, tuple[str, Instant, Micros]] = {}
        for each in versions:
            draft, approved = each.draft, each.approved_at or Instant(0)
            if draft.not_after <= now:
                continue
            every = renewal.cadence(highest(map(tier, each.rules or ())), draft.review_every)
            if renewal.due(every, approved=approved, renewed=None) <= now:
                late[draft.boundary] = (draft.agent, approved, every)
        asked = SqlQuestions(connection).standing_about(Kind.BOUNDARY_DUE, late)
        seen: dict[str, Instant] = {}
        for answer, question in SqlQuestions(connection).looked_at(late.keys() - asked):
            if given_so(self.ground.secret, answer, question):
                seen[question.about] = max(answer.at, seen.get(question.about, answer.at))
        return [
            (agent, name)
            for name, (agent, approved, every) in late.items()
            if name not in asked and renewal.due(every, approved=approved, renewed=seen.get(name)) <= now
        ]

    def moved(self, connection: Connection, agents: Collection[str]) -> list[tuple[Question, Question]]:
        """Open questions about these agents that are not as they were: (before, after).

        Settled, because what needed a person does not any more; somebody else's, because people came or
        went; or about more, or about what stands otherwise, than when they were last brought up to date.
        """
        subjects = self.ground.subjects(connection, self.ground.clock.now())
        found = ((each, self._now(subjects, each)) for each in SqlQuestions(connection).open_of(agents))
        return [(before, after) for before, after in found if after != before]

    def _now(self, subjects: Subjects, question: Question) -> Question:
        to = heir(question, subjects.owner(question.agent), subjects.person)
        after = replace(question, assigned=to)
        if question.canary or question.kind not in OF_ENTITLEMENTS:
            return after
        subject = subjects.of(question, wide=False)
        if subject.gone:
            return replace(after, state=QuestionState.SETTLED)
        return replace(up_to_date(question, subject), assigned=to)

    def move(self, tx: Transaction, moved: Iterable[tuple[Question, Question]]) -> int:
        """Write what `moved` found, where nobody was faster; how many."""
        rows, done = SqlQuestions(tx.connection), 0
        for before, after in moved:
            if rows.find(before.id) != before:
                continue
            done += 1
            if after.state is QuestionState.SETTLED:
                self.close(tx, before, QuestionState.SETTLED, "settle")
                continue
            rows.put(after)
            more = {"from": before.assigned, "to": after.assigned, "entitlements": len(names_of(after))}
            log(tx, self.ground.records, after, "move", by=REMIT, more=more)
            if after.assigned != before.assigned:
                notify(tx, after, "question_handed_over", now=self.ground.clock.now(), more={})
        return done


def _tier(matter: _Matter, subject: Subject, facts: Mapping[str, Any]) -> Tier:
    said = facts.get("tier")
    if isinstance(said, str) and said in {each.value for each in Tier}:
        return Tier(said)
    if matter.kind is Kind.BREAKGLASS_REVIEW:
        return Tier.CRITICAL  # looked at within a day
    if subject.gone:
        return Tier.HIGH
    return highest(subject.tier(key) for key in subject.keys)


def _goes_with(matter: _Matter, why: str, question: Question, now: Instant) -> bool:
    """Whether it is asked in one question with this one: of one agent and boundary, for one reason, just now."""
    same = all(matter.facts.get(name) == question.facts.get(name) for name in ("boundary", "tier", "state"))
    room = len(names_of(question)) < _MOST_TOGETHER
    fresh = question.state is QuestionState.OPEN and question.stage is Stage.ASKED and now < question.asked + _TOGETHER
    told = "boundary" in matter.facts and "requested_by" not in matter.facts and not question.requester
    asked = matter.kind is Kind.NEEDS_HUMAN and not (question.handed or question.barred)
    return asked and told and same and fresh and room and question.why == why
