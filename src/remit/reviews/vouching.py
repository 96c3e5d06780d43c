"""A person's keep of entitlements: what it does, what it releases, and taking that back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from remit.access.activation import ActivationKey, ActivationState, Under, activation_id
from remit.catalog.model import Tier
from remit.certification.hands import needing
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import Conflict, NotFound, RemitError
from remit.people.change import Actor
from remit.reviews.answers import actor_of
from remit.reviews.ground import Ground
from remit.reviews.model import Answer, Kind, Question, Said
from remit.reviews.shown import OF_ENTITLEMENTS, QUIET, shown_against, shown_standing, stands
from remit.reviews.subject import Subject
from remit.storage.ports import Transaction

KEPT: Final = 90 * DAY  # how long a person's keep of an entitlement holds
KEPT_CRITICAL: Final = 30 * DAY


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
    for key in subject.keys:
        known = subject.started.get(key)
        if begun and (known is None or known.looked != answer.at):
            continue
        said = was.get(activation_id(key))
        before = None if said is None else Under(ActivationState(said[0]), str(said[1]), Instant(said[2]))
        with suppress(NotFound, Conflict):  # it ended meanwhile
            ground.hands.unkeep(key, by=by, was=before)


def _subject(ground: Ground, question: Question, now: Instant) -> Subject:
    return ground.reader.read(lambda connection: ground.subjects(connection, now).of(question, wide=False))


def _otherwise(question: Question, key: ActivationKey, subject: Subject) -> bool:
    """Whether it waits for somebody, or was ended, otherwise than when the question was answered."""
    shown = shown_standing(question, activation_id(key))
    now = stands(question.kind, subject.started.get(key))
    return shown is not None and now not in {shown, QUIET}
