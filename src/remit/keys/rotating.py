"""Signing keys are changed within a change of state, by the rule of `rotation`; the writer has nodes take turns.

Each function returns what it changed, for the entries of the log. Memory follows the commit (`KeyRing.follow`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.keys import rotation
from remit.keys.model import TOKEN_ALGORITHMS
from remit.keys.rotation import LOG, ROTATING, SET, TOKEN, KeyRecord, KeyState, Move, Schedule
from remit.keys.service import TOPIC, KeyRing
from remit.keys.set_key import RS256
from remit.keys.signing import prepared
from remit.keys.sql import SqlKeys
from remit.storage.ports import Transaction

Jwk = Mapping[str, Any]
# Verification trusts one key for the whole of a log: whoever was given that key, or kept it, checks with it.
LOG_STAYS: Final = "the key of the log does not rotate: every checkpoint so far is verified with it, and it alone"
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {TOKEN: TOKEN_ALGORITHMS, SET: (RS256,)}


@dataclass(frozen=True, slots=True)
class Turn:
    """One key that changed; `before` is None for one that was made."""

    before: KeyRecord | None
    after: KeyRecord


def algorithm_of(text: str, use: str = TOKEN) -> str:
    """The algorithm of a key of this use by its name; `EdDSA` is what Ed25519 was called before RFC 9864.

    Raises:
        Malformed: No key of this use is made for it.
    """
    found = "Ed25519" if text == "EdDSA" else text
    if found not in _ALGORITHMS[use]:
        raise Malformed(f"a {use} key is for {' or '.join(_ALGORITHMS[use])}", detail=text[:80])
    return found


def check_use(use: str) -> None:
    """See that keys of this use rotate.

    Raises:
        Malformed: The log's.
        NotFound: There is no such use.
    """
    if use == LOG:
        raise Malformed(LOG_STAYS, try_="docs/how-to/rotate-keys.md says what it would take")
    if use not in ROTATING:
        raise NotFound("there are no keys of that use", detail=use[:80], try_="remit key list")


def check_begin(keys: Sequence[KeyRecord]) -> None:
    """See that a rotation of these keys of one use may begin.

    Raises:
        Conflict: One is under way.
    """
    if (coming := rotation.pending(keys)) is not None:
        raise Conflict(
            f"a rotation is under way: {coming.kid} is pending",
            try_=f"wait until it signs, or remit key retire {coming.kid}",
        )


def check_retire(keys: Sequence[KeyRecord], kid: str) -> None:
    """See that a key among these does not sign, and can be retired.

    Raises:
        NotFound: There is no such key.
        Conflict: It signs, or is retired.
    """
    found = next((key for key in keys if key.kid == kid), None)
    if found is None:
        raise NotFound("there is no such key", detail=kid[:80], try_="remit key list")
    if found.state is KeyState.ACTIVE:
        raise Conflict("this key signs: nothing would sign after it", try_=f"remit key rotate {found.use} --emergency")
    if found.state is KeyState.RETIRED:
        raise Conflict("this key is retired", try_="remit key list")


def of_use(keys: Iterable[KeyRecord], use: str) -> list[KeyRecord]:
    """The keys of one use."""
    return [key for key in keys if key.use == use]


class Rotating:
    """Changes signing keys of one use.

    A key that takes long to make is made before the change: `prepared` makes it, and what changes keys is given it.
    """

    def __init__(self, ring: KeyRing, schedule: Schedule, use: str = TOKEN) -> None:
        self._ring = ring
        self.schedule = schedule
        self.use = use

    def waits(self, *, now: Instant) -> bool:
        """Whether `advance` has anything to do, from memory."""
        return bool(rotation.due(self._known(), self.schedule, now=now)) or self.begins(now=now)

    def begins(self, *, now: Instant) -> bool:
        """Whether `advance` needs a new key, from memory."""
        return rotation.begins(self._known(), self.schedule, now=now)

    def prepared(self) -> Jwk | None:
        """The key to come, where making one takes long; never on the writer's thread."""
        return prepared(self.use)

    def advance(self, tx: Transaction, *, now: Instant, jwk: Jwk | None = None) -> list[Turn]:
        """Do what time has brought about; begin a rotation if it is time for one.

        One that needs a key which takes long to make, and was not given it, waits for the next time. What was given
        and is not needed, because another node was quicker, is forgotten.
        """
        keys = self._read(tx)
        turns = self._move(tx, keys, rotation.due(keys, self.schedule, now=now), now=now)
        keys = self._read(tx)
        if rotation.begins(keys, self.schedule, now=now) and (jwk is not None or self.use != SET):
            turns += self._made(tx, keys, None, jwk, now=now)
        return turns

    def begin(self, tx: Transaction, *, algorithm: str | None, now: Instant, jwk: Jwk | None = None) -> list[Turn]:
        """Begin a rotation now: a new key is published, and signs once every verifier has it.

        Raises:
            Conflict: One is under way (`check_begin`).
        """
        keys = self._read(tx)
        check_begin(keys)
        return self._made(tx, keys, algorithm, jwk, now=now)

    def emergency(self, tx: Transaction, *, algorithm: str | None, now: Instant, jwk: Jwk | None = None) -> list[Turn]:
        """Retire every key of the use at once, and sign with a new one. All that they signed counts no more."""
        keys = self._read(tx)
        algorithm = algorithm or self._algorithm(keys)
        turns = self._move(tx, keys, rotation.emergency(keys), now=now, distrusted=True)
        return turns + self._made(tx, self._read(tx), algorithm, jwk, now=now)

    def retire(self, tx: Transaction, kid: str, *, now: Instant) -> list[Turn]:
        """Retire a key that does not sign: one that is pending, or that verifies only. What it signed counts no more.

        Raises:
            NotFound, Conflict: It cannot be (`check_retire`).
        """
        keys = self._read(tx)
        check_retire(keys, kid)
        return self._move(tx, keys, (Move(kid, KeyState.RETIRED),), now=now, distrusted=True)

    def _known(self) -> list[KeyRecord]:
        return of_use(self._ring.records, self.use)

    def _read(self, tx: Transaction) -> list[KeyRecord]:
        return of_use((row.record for row in SqlKeys(tx.connection).signing_keys()), self.use)

    def _algorithm(self, keys: Sequence[KeyRecord]) -> str:
        """What the key that signs is for: a rotation changes it only where that was asked for."""
        signing = rotation.active(keys)
        return signing.algorithm if signing else _ALGORITHMS[self.use][0]

    def _made(
        self, tx: Transaction, keys: Sequence[KeyRecord], algorithm: str | None, jwk: Jwk | None, *, now: Instant
    ) -> list[Turn]:
        made = self._ring.make_signing_key(
            tx, use=self.use, algorithm=algorithm or self._algorithm(keys), state=rotation.born(keys), now=now, jwk=jwk
        )
        return [Turn(None, made)]

    def _move(
        self,
        tx: Transaction,
        keys: Sequence[KeyRecord],
        moves: Iterable[Move],
        *,
        now: Instant,
        distrusted: bool = False,
    ) -> list[Turn]:
        rows, known = SqlKeys(tx.connection), {key.kid: key for key in keys}
        turns = []
        for move in moves:
            before = known[move.kid]
            after = rotation.moved(before, move.to, now=now, distrusted=distrusted)
            if not rows.move_signing_key(before, after):
                raise Conflict("a key was changed meanwhile", detail=move.kid)
            turns.append(Turn(before, after))
        if turns:
            tx.touch(TOPIC)
        return turns
