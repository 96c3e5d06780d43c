"""Rotations as they run: each node takes what is due, one step at a time, and records what came of it.

Before a provider is asked, what is asked of it is durable; what it says counts only if this node still holds the step.
So whoever is killed, and whenever, leaves a rotation that any node carries on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from remit.kernel.clock import MINUTE, SECOND, Clock, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import SecretName
from remit.people.change import Actor
from remit.server.rounds import AT_ONCE, Rounds
from remit.storage.due import Claim, Due
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.document import Cause
from remit.vault.model import Material, Version
from remit.vault.rotating import carried, plan
from remit.vault.rotation import Outcome, Rotation, Step
from remit.vault.rotation_sql import SqlRotations
from remit.vault.rotation_wanted import ages, leaves, owner_changed, rests, wanted
from remit.vault.rotations import KIND, Came, Held, Rotations
from remit.vault.rotator import HOLDS, Admins, Refused, Rotator
from remit.vault.service import Vault

_EVERY: Final = 0.5  # seconds between two looks at what is due, if nothing is known to be due before
_SOON: Final = SECOND // 4  # until it is asked again whether every node has applied a promotion
_OWNERS: Final = MINUTE  # between two looks at what an owner's change came to; nobody waits for them
_PAST: Final = 20  # rotations of a secret that are looked at
_SELF: Final = Actor(by="remit")
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Rotating:
    """Carries rotations to their end.

    Args:
        vault: The secrets as this node has them; opens versions.
        rotations: Their changes.
        rotators: What changes a credential at its provider, by the name that documents use.
        admin: Opens another secret, for what a rotator signs in with.
        writer: Commits.
        reader: Reads what is due.
        clock: Says when.
        node: This process among those of the database.
        epoch: Up to which change this node's view has everything.
        applied: Whether every other node that uses a view has that change.
        frozen: Since when a freeze stands on a secret.
        thread: Runs what waits for the database beside the event loop.
        close: Closes the way out at the end.
    """

    vault: Vault
    rotations: Rotations
    rotators: Mapping[str, Rotator]
    admin: Admins
    writer: Writer
    reader: Reader
    clock: Clock
    node: Callable[[], str] = lambda: "only"
    epoch: Callable[[], int] = lambda: 0
    applied: Callable[[int], bool] = lambda _epoch: True
    frozen: Callable[[str], Instant | None] = lambda _secret: None
    thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    close: Callable[[], Awaitable[None]] | None = None
    _promoted: dict[str, int] = field(default_factory=dict)  # by rotation: an epoch that has its promotion
    _owners: Instant = field(default=Instant(0))  # when their changes were looked at
    _ages: Instant | None = None  # when the next secret comes of age, of those that have not
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        """What looks for it."""
        self._rounds = Rounds(
            kind=KIND, due=lambda: self.thread(self._due), carry=self.carry, release=self._release, pause=self._pause
        )

    async def run(self) -> None:
        """Carry on what is due, for ever."""
        try:
            await self._rounds.run()
        finally:
            if self.close is not None:
                await self.close()

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """What to subscribe to the feed: who asks for a rotation need not wait for the next look."""
        if any(topic.startswith("secret:") for topic in topics):
            self.wake()

    def wake(self) -> None:
        """From any thread: look now."""
        self._rounds.wake()

    async def tick(self) -> int:
        """Begin what is wanted, and take everything that is due as far as it goes at once; how many that were."""
        return await self._rounds.tick()

    async def carry(self, rotation: str) -> None:
        """Take its steps for as long as they are due at once and this node's."""
        held = await self._change(lambda tx: self.rotations.take(tx, rotation, node=self.node()))
        while held is not None:
            held = await self._further(held)

    # ------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        """Seconds until the next look."""
        if self._ages is None:
            return _EVERY
        return min(_EVERY, max(0, self._ages - self.clock.now()) / SECOND)

    async def _release(self) -> None:
        await self._change(lambda tx: Due(tx.connection).release(KIND, node=self.node()))

    async def _further(self, held: Held) -> Held | None:
        """One step."""
        it = held.rotation
        if it.step is Step.DRAIN and not self._everywhere(it.rotation):
            at = Instant(self.clock.now() + _SOON)
            await self._change(lambda tx: self.rotations.later(tx, held, at))
            return None
        rotator = None if held.rotate is None else self.rotators.get(held.rotate.rotator)
        if it.step is Step.CREATE and not it.new and rotator is not None:
            return await self._reserved(held, rotator)
        came = await carried(held, rotator, self._open, self.admin, self._holds)
        if it.step is not Step.DRAIN:
            self._promoted.pop(it.rotation, None)
        return await self._change(lambda tx: self.rotations.record(tx, held, came))

    async def _reserved(self, held: Held, rotator: Rotator) -> Held | None:
        """The first half of the first step: what is going to be made is sealed before anybody is asked to make it."""
        try:
            proposed = rotator.propose(plan(held, self._open, self.admin))
        except RemitError as error:
            came = Came(Outcome.REFUSED if isinstance(error, Refused) else Outcome.UNCLEAR, error.public)
            return await self._change(lambda tx: self.rotations.record(tx, held, came))
        return await self._change(lambda tx: self.rotations.reserve(tx, held, proposed))

    def _everywhere(self, rotation: str) -> bool:
        """Whether the new version is used on every node.

        The claim of this step was a change, and a change begins with all that others committed: so this node's epoch
        is at least that of the promotion.
        """
        return self.applied(self._promoted.setdefault(rotation, self.epoch()))

    def _due(self) -> list[str]:
        self._begin()
        now = self.clock.now()
        return self.reader.read(lambda connection: Due(connection).ready(KIND, now=now, most=AT_ONCE))

    def _begin(self) -> None:
        """Begin what age, an exposure, a freeze or an owner's change wants, each within a change of its own."""
        now, coming = self.clock.now(), list[Instant]()
        self._ages = None  # whatever happens below, the next look is not at once
        if owners := now - self._owners >= _OWNERS:
            self._owners = now
        for known in self.vault.listing():
            rotate = None if known.document is None else known.document.rotate
            active = known.held.get(known.active)
            if rotate is None or active is None:
                continue
            if (aged := ages(rotate, active)) is not None and aged > now:
                coming.append(aged)
            cause = wanted(rotate, active, frozen=self.frozen(known.secret), now=now)
            if cause is None and owners and owner_changed(rotate, active, self._past(known.secret)):
                cause = Cause.OWNER_CHANGE
            if cause is not None and self._may_begin(known.secret, cause, now):
                self._ask(known.secret, cause)
        self._ages = min(coming, default=None)

    def _may_begin(self, secret: SecretName, cause: Cause, now: Instant) -> bool:
        found = self.reader.read(lambda connection: SqlRotations(connection).listing(secret, most=1))
        if not found:
            return True
        last, ended = found[0]
        return leaves(last, cause, exposed=True) if ended is None else not rests(last, ended, now=now)

    def _past(self, secret: SecretName) -> list[Rotation]:
        found = self.reader.read(lambda connection: SqlRotations(connection).listing(secret, most=_PAST))
        return [each.rotation for each in found]

    def _ask(self, secret: SecretName, cause: Cause) -> None:
        self.writer.change(lambda tx: self.rotations.ask(tx, secret, cause, _SELF))

    def _holds(self, claim: Claim) -> bool:
        until = Instant(self.clock.now() + HOLDS)
        return self.reader.read(lambda connection: Due(connection).holds(claim, until))

    def _open(self, version: Version) -> Material:
        return Material(value=self.vault.open(version), attributes=version.attributes)

    async def _change(self, apply: Callable[[Transaction], T]) -> T:
        done: T = await self.thread(self.writer.change, apply)
        return done
