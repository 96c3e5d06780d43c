"""Credentials of one instance each: had made when a call needs one, kept in memory, given up when they must end.

A lease is durable before its provider is asked to make anything, so whoever is killed leaves a row, and by that any
node takes away what there is. Its value is written nowhere; so a node makes its own, and no other node has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from remit.catalog.injection import Credential
from remit.kernel.clock import MINUTE, SECOND, Clock, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import SecretName, new_id
from remit.logs import logger
from remit.policy.model import Call
from remit.storage.ports import Transaction, Writer
from remit.vault.document import Dynamic
from remit.vault.lease import OPEN, Lease, LeaseState, Standing, Why, ends, fit, same
from remit.vault.lease_sql import SqlLeases
from remit.vault.leases import TOPIC, Leases
from remit.vault.maker import Made, Maker, Order
from remit.vault.model import Material, SecretUnavailable, check_material
from remit.vault.rotator import Admins, Refused
from remit.vault.service import Lent
from remit.vault.signing_in import signs_in_at

SECONDS: Final = 12.0  # for all that is asked of a provider to make one
_MOST: Final = 1000  # that one node holds
_REST: Final = SECOND  # after one could not be made: calls that come meanwhile do not ask again
_A_WHILE: Final = 20
_LATELY: Final = 5 * MINUTE  # for which a value that ended is looked for still: a call may be under way with it
_NOT_MADE: Final = "the server's credential could not be made"
_OVER: Final = "it had to end before it was made"
_log = logger("remit.vault")
T = TypeVar("T")
Key = tuple[str, str]  # instance, secret


class Allows(Protocol):
    """Whether a secret may be used so."""

    def __call__(self, credential: Credential, *, host: str = ..., path: str = ...) -> None:
        """Raises SecretUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Holding:
    """A lease whose value is here. `call`: what it was made for; as long as that stands it does."""

    lease: Lease
    material: Material
    call: Call


@dataclass(slots=True, kw_only=True)
class Leasing:
    """What this node holds. Implements remit.vault.lends.Lends; belongs to the event loop.

    Args:
        leases: Their changes of state.
        makers: What makes a credential at its provider, by the name that documents use.
        admin: Opens another secret, for what a maker signs in with.
        dynamic: What a secret's document says of how it is made; None if it is none of these.
        allows: Raises where a secret's document does not let it go there.
        standing: What stands behind a lease now, by this node's view.
        writer: Commits.
        clock: Says when.
        node: This process among those of the database.
        thread: Runs what waits for the database beside the event loop.
    """

    leases: Leases
    makers: Mapping[str, Maker]
    admin: Admins
    dynamic: Callable[[str], Dynamic | None]
    allows: Allows
    standing: Callable[[Lease, Call], Standing]
    writer: Writer
    clock: Clock
    node: Callable[[], str]
    thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    woken: Callable[[], None] = lambda: None
    held: dict[str, Holding] = field(default_factory=dict)  # by lease
    making: set[str] = field(default_factory=set)  # leases that are being made here
    _lately: dict[str, tuple[Holding, Instant]] = field(default_factory=dict)  # what ended, by lease, and when
    _newest: dict[Key, str] = field(default_factory=dict)
    _tasks: dict[Key, asyncio.Task[Holding]] = field(default_factory=dict)
    _failed: dict[Key, Instant] = field(default_factory=dict)  # until when it is not tried again

    def makes(self, secret: str) -> bool:
        """Whether a secret has no value of its own: one is made for each instance."""
        return self.dynamic(secret) is not None

    def at_hand(self, secret: str, call: Call) -> Lent | None:
        """What the instance that makes `call` has already, and may use further."""
        dynamic = self.dynamic(secret)
        found = None if dynamic is None else self._found((str(call.caller.instance), secret), dynamic)
        return None if found is None else _lent(found)

    async def lend(self, credential: Credential, call: Call | None, *, host: str = "", path: str = "") -> Lent:
        """The credential of the instance that makes `call`; made if there is none.

        Raises:
            SecretUnavailable: It may not go there, nobody's call needs it, or it could not be made.
        """
        self.allows(credential, host=host, path=path)
        secret = str(credential.secret)
        dynamic = self.dynamic(secret)
        if dynamic is None:
            raise SecretUnavailable("the server's credential is not set", detail=secret)
        if call is None:
            raise SecretUnavailable("the server's credential is made for an agent's call alone", detail=secret)
        key = (str(call.caller.instance), secret)
        found = self._found(key, dynamic)
        if found is None:
            task = self._tasks.get(key)
            if task is None:
                self._check(key)
                task = asyncio.create_task(self._made(key, SecretName(secret), dynamic, call))
                self._tasks[key] = task
                task.add_done_callback(lambda done: self._done(key, done))
            found = await asyncio.shield(task)  # whoever goes away leaves it to the others
        return _lent(found)

    def values(self, secret: str, instance: str | None) -> Iterator[bytes]:
        """Every value of a secret that one instance has, or had a moment ago (None: any instance).

        For what looks for them in answers: no other instance's is in one that it gets.
        """
        for each in (*self.held.values(), *(found for found, _ in list(self._lately.values()))):
            if each.lease.secret == secret and instance in {None, each.lease.instance}:
                yield each.material.value.reveal()

    async def over(self) -> AsyncIterator[tuple[Lease, Why, str]]:
        """What must end now of what is here; from now on no call gets it. With what else is to be said of why."""
        now = self.clock.now()
        self._lately = {name: (it, at) for name, (it, at) in self._lately.items() if now - at < _LATELY}
        for asked, each in enumerate(list(self.held.values())):
            if asked % _A_WHILE == _A_WHILE - 1:
                await asyncio.sleep(0)  # each is a decision, and calls wait for the event loop
            try:
                standing = self.standing(each.lease, each.call)
            except Exception:  # noqa: BLE001 - one question that breaks must not keep the others from being asked
                _log.exception("whether a lease may go on could not be decided", lease=each.lease.lease)
                continue
            why = ends(each.lease, standing, now=now)
            if why is not None:
                self.drop(each.lease.lease)
                yield each.lease, why, standing.stopped if why is Why.STOPPED else ""

    def drop(self, lease: str) -> None:
        """No call gets it from now on."""
        found = self.held.pop(lease, None)
        if found is not None:
            self._lately[lease] = found, self.clock.now()
            key = (str(found.lease.instance), str(found.lease.secret))
            if self._newest.get(key) == lease:
                del self._newest[key]

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed: what others ended is lent to nobody any more."""
        for topic in topics:
            if topic.startswith(TOPIC) and (name := topic.removeprefix(TOPIC)) in self.held:
                found = SqlLeases(connection).find(name)
                if found is None or found.state not in OPEN:
                    self.drop(name)

    def has(self, lease: str) -> bool:
        """Whether its value is here, or will be."""
        return lease in self.held or lease in self.making

    def order(self, it: Lease, *, ends: bool = False) -> Order:
        """A lease as its maker sees it. `ends`: it is taken away."""
        at = signs_in_at(it.maker, it.settings)
        return Order(
            lease=it.lease, secret=it.secret, settings=it.settings, admin=partial(self.admin, at=at, ends=ends),
            begun=it.made, ends=it.ends, handle=it.handle,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------

    def _found(self, key: Key, dynamic: Dynamic) -> Holding | None:
        found = self.held.get(self._newest.get(key, ""))
        if found is None or not fit(found.lease, now=self.clock.now()) or not same(found.lease, dynamic):
            return None
        return found

    def _check(self, key: Key) -> None:
        if len(self.held) + len(self.making) >= _MOST:
            raise SecretUnavailable("too many credentials are lent at a time", detail=key[1])
        now = self.clock.now()
        self._failed = {each: until for each, until in self._failed.items() if until > now}
        if key in self._failed:
            raise SecretUnavailable(_NOT_MADE, detail=key[1])

    def _done(self, key: Key, task: asyncio.Task[Holding]) -> None:
        self._tasks.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            self._failed[key] = Instant(self.clock.now() + _REST)

    async def _made(self, key: Key, secret: SecretName, dynamic: Dynamic, call: Call) -> Holding:
        now, maker = self.clock.now(), self.makers[dynamic.maker]
        it = Lease(
            lease=new_id("lea"), secret=secret, agent=call.caller.agent, instance=call.caller.instance,
            state=LeaseState.MAKING, maker=dynamic.maker, settings=dynamic.settings, purpose=call.caller.purpose,
            action=call.action, node=self.node(), made=now, since=now, ends=Instant(now + dynamic.ttl),
        )  # fmt: skip
        self.making.add(it.lease)
        try:
            await self._change(lambda tx: self.leases.begin(tx, it))
            found = self.held[it.lease] = await self._asked(it, maker, call)
        except BaseException:
            # Whatever broke, it may be there: it is taken away as if it were.
            await asyncio.shield(asyncio.ensure_future(self._given_up(it.lease)))
            raise
        finally:
            self.making.discard(it.lease)  # after it is held: at each moment it is one of them
        self._newest[key] = it.lease
        self.woken()  # what changed while it was made is looked at now
        return found

    async def _asked(self, it: Lease, maker: Maker, call: Call) -> Holding:
        try:
            async with asyncio.timeout(SECONDS):
                made = await self._at_provider(it, maker)
            check_material(made.material)
        except TimeoutError:
            raise SecretUnavailable(_NOT_MADE, detail=f"{it.secret}: its provider did not answer in time") from None
        except RemitError as error:
            raise SecretUnavailable(_NOT_MADE, detail=f"{it.secret}: {error.public}") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold a value: only its kind is told
            raise SecretUnavailable(_NOT_MADE, detail=f"{it.secret}: {type(error).__name__}") from None
        live = await self._change(lambda tx: self.leases.live(tx, it.lease, made))
        if live is None:
            raise SecretUnavailable(_NOT_MADE, detail=f"{it.secret}: {_OVER}")
        return Holding(live, made.material, call)

    async def _at_provider(self, it: Lease, maker: Maker) -> Made:
        order = self.order(it)
        prepared = await maker.prepare(order)
        if not await self._change(lambda tx: self.leases.found_by(tx, it.lease, prepared.handle)):
            raise Refused(_OVER)
        return await maker.make(order, prepared)

    async def _given_up(self, lease: str) -> None:
        try:
            await self._change(lambda tx: self.leases.end(tx, lease, Why.NOT_MADE))
        except RemitError as error:  # its row stays as one that nobody holds, and is ended as that
            _log.warning("a lease could not be given up", lease=lease, error=error.public, detail=error.detail)
        self.woken()

    async def _change(self, apply: Callable[[Transaction], T]) -> T:
        done: T = await self.thread(self.writer.change, apply)
        return done


def _lent(it: Holding) -> Lent:
    return Lent(it.material.value, 0, it.material.attributes)
