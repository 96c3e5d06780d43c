"""A person's keep of entitlements: what it does, what it releases, and taking that back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey, ActivationState, Kept, Under, activation_id
from remit.access.activation_sql import SqlActivations
from remit.catalog.model import Tier
from remit.certification.releasing import releasable
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import Conflict, IntegrityFailed, NotFound, RemitError
from remit.people.change import Actor
from remit.reviews.answers import Pair, actor_of
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, Kind, Question, QuestionState, Said
from remit.reviews.shown import OF_ENTITLEMENTS, QUIET, shown_against, shown_standing, spoke_against, stands
from remit.reviews.sql import SqlAnswers, SqlQuestions
from remit.reviews.subject import Subject, names_of, names_of_key
from remit.reviews.word import given_so
from remit.storage.ports import Transaction

KEPT: Final = 90 * DAY  # how long a person's keep of an entitlement holds
KEPT_CRITICAL: Final = 30 * DAY
_OLDEST: Final = KEPT + DAY  # that still holds: what is answered is done within a day of its time


def vouches(answer: Answer, question: Question) -> bool:
    """Whether it keeps entitlements. Of a boundary the answer itself is its renewal, and nothing is done."""
    of_entitlements = question.kind in OF_ENTITLEMENTS and question.kind is not Kind.BOUNDARY_DUE
    return answer.said is Said.KEEP and of_entitlements and not answer.canary


def load(ground: Ground, id: str) -> None:  # noqa: A002 - of an answer
    """Before the change that does or takes back what a keep says: load what its agent has, which its hands judge by.

    Whatever takes access away needs none of it; and an agent of whom a row cannot be read keeps no answer waiting.
    """

    def about(connection: Connection) -> str:
        answer = SqlAnswers(connection).find(id)
        question = None if answer is None else SqlQuestions(connection).find(answer.question)
        return question.agent if answer and question and vouches(answer, question) else ""

    agent = ground.reader.read(about)
    if agent:
        with suppress(IntegrityFailed):  # what is unreadable is said where it is needed
            ground.hands.prepare(agent)


def released(ground: Ground, tx: Transaction, question: Question, now: Instant) -> dict[str, Any]:
    """What a keep will release of each entitlement, so that taking it back leaves nothing usable that was not."""
    subject = ground.subjects(tx.connection, now).of(question, wide=False)
    found = ((activation_id(key), releasable(each)) for key, each in subject.started.items())
    return {name: list(each) for name, each in found if each is not None}


def vouch(ground: Ground, tx: Transaction, answer: Answer, question: Question, now: Instant) -> list[str]:
    """A person's keep holds for a time, from when it was due; the ids of what was kept.

    It covers what its question showed to speak against it, and nothing that came to stand otherwise since.

    Raises:
        NotFound, Conflict: Nothing of it could be kept.
    """
    subject, refused = ground.subjects(tx.connection, now).of(question, wide=False), list[RemitError]()
    kept: list[str] = []
    for key in subject.keys:
        if _otherwise(question, key, subject):
            refused.append(Conflict(f"{key.action} stands otherwise than it was shown"))
            continue
        time = KEPT_CRITICAL if subject.tier(key) is Tier.CRITICAL else KEPT
        shown = shown_against(question, activation_id(key))
        until = Instant(answer.due + time)
        try:
            ground.hands.keep(tx, key, until=until, by=actor_of(answer), seen=answer.at, shown=shown)
            kept.append(activation_id(key))
        except (NotFound, Conflict) as error:  # it ended meanwhile; the others are kept
            refused.append(error)
    if refused and not kept:
        raise refused[0]
    return kept


def unvouch(ground: Ground, tx: Transaction, answer: Answer, question: Question, *, by: Actor) -> None:
    """Nobody vouches any more for what it kept, and what needed a person does again.

    Also for what no boundary gives now: else the word would hold again once one does.
    """
    now, was = ground.clock.now(), answer.done.get("was", {})
    others = _others(ground, tx.connection, answer, question, now)
    tier = ground.subjects(tx.connection, now).tiers()
    again = question.kind is Kind.NEEDS_HUMAN and question.state is QuestionState.ANSWERED  # it is asked again
    for key in SqlActivations(tx.connection).keys_of(question.agent):
        id = activation_id(key)  # noqa: A001 - what it is
        if not _keeps((answer, question), key):
            continue
        said = was.get(id)
        before = None if said is None else Under(ActivationState(said[0]), str(said[1]), Instant(said[2]))
        left = next((_kept(ground, *each, id, tier(key.action)) for each in others if _keeps(each, key)), None)
        with suppress(NotFound, Conflict):  # it ended meanwhile
            ground.hands.unkeep(tx, key, by=by, was=before, left=left, asks=again)


def _others(ground: Ground, connection: Connection, answer: Answer, question: Question, now: Instant) -> list[Pair]:
    """What people said beside to keep of the agent's entitlements, and did not take back; the newest first."""
    found = SqlQuestions(connection).kept(question.agent, since=Instant(now - _OLDEST - ground.undo))
    return [each for each in found if each[0].id != answer.id and given_so(ground.secret, *each)]


def _keeps(pair: Pair, key: ActivationKey) -> bool:
    """Whether an answer kept it: what it passed over, nobody vouches for. From before that was written down: all."""
    answer, question = pair
    kept = answer.done.get("kept")
    return activation_id(key) in kept if kept is not None else not names_of_key(key).isdisjoint(names_of(question))


def _kept(ground: Ground, answer: Answer, question: Question, id: str, tier: Tier) -> Kept:  # noqa: A002 - as above
    """The keep of one entitlement that an answer is, as it was carried out."""
    shown = spoke_against(question, id)
    time = KEPT_CRITICAL if tier is Tier.CRITICAL else KEPT
    until = Instant(answer.at + ground.undo + time)
    return Kept(until, answer.at, None if shown is None else tuple(sorted(shown)))


def _otherwise(question: Question, key: ActivationKey, subject: Subject) -> bool:
    """Whether it waits for somebody, or was ended, otherwise than when the question was answered."""
    shown = shown_standing(question, activation_id(key))
    now = stands(question.kind, subject.started.get(key))
    return shown is not None and now not in {shown, QUIET}
