"""A person's keep of entitlements: what it does, what it releases, and taking that back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey, ActivationState, Kept, Under, activation_id
from remit.catalog.model import Tier
from remit.certification.releasing import needing
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import Conflict, NotFound, RemitError
from remit.people.change import Actor
from remit.reviews.answers import Pair, actor_of
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, Kind, Question, QuestionState, Said
from remit.reviews.shown import OF_ENTITLEMENTS, QUIET, shown_against, shown_standing, spoke_against, stands
from remit.reviews.sql import SqlQuestions
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


def released(ground: Ground, tx: Transaction, question: Question, now: Instant) -> dict[str, Any]:
    """What a keep will release of each entitlement, so that taking it back leaves nothing usable that was not."""
    subject = ground.subjects(tx.connection, now).of(question, wide=False)
    found = ((activation_id(key), needing(each)) for key, each in subject.started.items())
    return {name: list(each) for name, each in found if each is not None}


def vouch(ground: Ground, answer: Answer, question: Question, now: Instant) -> None:
    """A person's keep holds for a time, from when it was due: carried out once more, it holds no longer.

    It covers what its question showed to speak against it, and nothing that came to stand otherwise since.

    Raises:
        NotFound, Conflict: Nothing of it could be kept.
    """
    subject, refused = _subject(ground, question, now), list[RemitError]()
    for key in subject.keys:
        if _otherwise(question, key, subject):
            refused.append(Conflict(f"{key.action} stands otherwise than it was shown"))
            continue
        time = KEPT_CRITICAL if subject.tier(key) is Tier.CRITICAL else KEPT
        shown = shown_against(question, activation_id(key))
        until = Instant(answer.due + time)
        try:
            ground.hands.keep(key, until=until, by=actor_of(answer), seen=answer.at, shown=shown)
        except (NotFound, Conflict) as error:  # it ended meanwhile; the others are kept
            refused.append(error)
    if refused and len(refused) == len(subject.keys):
        raise refused[0]


def unvouch(ground: Ground, answer: Answer, question: Question, *, by: Actor, begun: bool = False) -> None:
    """Nobody vouches for it any more, and what needed a person does again.

    With `begun`, for an answer of which it is not known how far it came: only what carries its mark.
    """
    now = ground.clock.now()
    subject, was = _subject(ground, question, now), answer.done.get("was", {})
    others = ground.reader.read(lambda connection: _others(ground, connection, answer, question, now))
    again = question.kind is Kind.NEEDS_HUMAN and question.state is QuestionState.ANSWERED  # it is asked again
    for key in subject.keys:
        known = subject.started.get(key)
        if begun and (known is None or known.looked != answer.at):
            continue
        said = was.get(activation_id(key))
        before = None if said is None else Under(ActivationState(said[0]), str(said[1]), Instant(said[2]))
        left = next((_kept(ground, *each, subject, key) for each in others if _about(each[1], key)), None)
        with suppress(NotFound, Conflict):  # it ended meanwhile
            ground.hands.unkeep(key, by=by, was=before, left=left, asks=again)


def _others(ground: Ground, connection: Connection, answer: Answer, question: Question, now: Instant) -> list[Pair]:
    """What people said beside to keep of the agent's entitlements, and did not take back; the newest first."""
    found = SqlQuestions(connection).kept(question.agent, since=Instant(now - _OLDEST - ground.undo))
    return [each for each in found if each[0].id != answer.id and given_so(ground.secret, *each)]


def _kept(ground: Ground, answer: Answer, question: Question, subject: Subject, key: ActivationKey) -> Kept:
    """The keep of one entitlement that an answer is, as it was carried out."""
    shown = spoke_against(question, activation_id(key))
    time = KEPT_CRITICAL if subject.tier(key) is Tier.CRITICAL else KEPT
    until = Instant(answer.at + ground.undo + time)
    return Kept(until, answer.at, None if shown is None else tuple(sorted(shown)))


def _about(question: Question, key: ActivationKey) -> bool:
    return not names_of_key(key).isdisjoint(names_of(question))


def _subject(ground: Ground, question: Question, now: Instant) -> Subject:
    return ground.reader.read(lambda connection: ground.subjects(connection, now).of(question, wide=False))


def _otherwise(question: Question, key: ActivationKey, subject: Subject) -> bool:
    """Whether it waits for somebody, or was ended, otherwise than when the question was answered."""
    shown = shown_standing(question, activation_id(key))
    now = stands(question.kind, subject.started.get(key))
    return shown is not None and now not in {shown, QUIET}
