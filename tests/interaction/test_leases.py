"""A login of one instance at a real PostgreSQL: made once, recorded before, gone when it must end, whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.interaction.lease_world import GROUP, NAME, NOON, TO_API, World, call, group
from tests.real.postgres import Postgres, running

from remit.kernel.clock import HOUR, MINUTE, SECOND, Instant
from remit.vault.lease import INCIDENT, Lease, Standing, Why
from remit.vault.leases import Leases
from remit.vault.maker import Made, Maker, Order, Prepared
from remit.vault.model import SecretUnavailable
from remit.vault.rotator import Unclear


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        group(server)
        yield server


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    made = World(postgres)
    yield made
    made.down = False
    for node in (made.a, made.b):
        made.standing = Standing()
        made.tick(node)
    made.alive = set()
    made.clock.at = Instant(made.clock.at + 30 * MINUTE)
    made.tick(made.a)
    assert made.roles() == set()


def test_fifty_calls_of_an_instance_at_once_make_one(world: World) -> None:
    lent = world.lend(world.a, *[call() for _ in range(50)])
    assert len({each.value.text() for each in lent}) == 1
    assert world.opens(lent[0])
    (lease,) = world.listing()
    assert world.roles() == {lease.handle["user"]}
    assert world.changes(lease.lease) == ["begin", "prepare", "make"]
    again = world.lend(world.a, call(action="billing:GET /y"))
    assert again[0].value.text() == lent[0].value.text()


def test_each_instance_and_each_node_has_its_own(world: World) -> None:
    lent = [*world.lend(world.a, call("one"), call("two")), *world.lend(world.b, call("one"))]
    assert len({each.value.text() for each in lent}) == 3
    assert all(map(world.opens, lent))


@pytest.mark.parametrize(
    ("standing", "after", "why"),
    [
        ({"stopped": "revoked"}, 0, "stopped"), ({"stopped": "agent_suspended"}, 0, "stopped"),
        ({"entitled": False}, 0, "lapsed"), ({"dynamic": None}, 0, "changed"), ({}, HOUR, "ttl"),
    ],
)  # fmt: skip
def test_it_is_gone_when_what_is_behind_it_is(world: World, standing: dict[str, Any], after: int, why: str) -> None:
    (lent,) = world.lend(world.a, call())
    session = world.postgres.sign_in(lent.attributes["user"], lent.value.text())
    world.tick(world.a)
    assert world.opens(lent)
    world.standing = replace(world.standing, **standing)
    world.clock.at = Instant(NOON + after)
    world.tick(world.a)
    assert [(each.state.value, each.why) for each in world.listing()] == [("ended", why)]
    assert world.roles() == set()
    assert not world.opens(lent)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")


def test_what_is_looked_for_is_of_the_very_instance_and_forgotten_with_it(world: World) -> None:
    (one, two) = world.lend(world.a, call("one"), call("two"))
    values = world.a.leasing.values
    assert list(values(NAME, "one")) == [one.value.reveal()]
    assert list(values(NAME, "two")) == [two.value.reveal()]
    assert len(list(values(NAME, None))) == 2
    assert list(values("another", None)) == list(values(NAME, "")) == []
    world.standing = replace(world.standing, stopped="revoked")
    world.tick(world.a)
    assert list(values(NAME, "one")) == [one.value.reveal()], "a call may be under way with it"
    world.clock.at = Instant(world.clock.at + 5 * MINUTE)
    world.tick(world.a)
    assert list(values(NAME, None)) == []


def test_what_a_dead_node_had_is_taken_away_by_another(world: World) -> None:
    (lent,) = world.lend(world.a, call())
    world.tick(world.b)
    assert world.opens(lent)  # it is there, and its node as well
    world.alive = {"b"}
    world.tick(world.b)
    assert [(each.state.value, each.why) for each in world.listing()] == [("ended", "node")]
    assert world.roles() == set()


def test_what_a_process_left_is_taken_away_by_the_next_one_of_its_name(world: World) -> None:
    world.lend(world.a, call())
    world.tick(world.node("a"))
    assert (world.states(), world.roles()) == (["ended"], set())


def test_what_another_node_ended_is_lent_no_more(world: World) -> None:
    (before,) = world.lend(world.a, call())
    (lease,) = world.listing()
    world.writer.change(lambda tx: world.b.leases.end(tx, lease.lease, Why.ASKED))
    (after,) = world.lend(world.a, call())
    assert after.value.text() != before.value.text()
    world.tick(world.b)
    assert not world.opens(before)
    assert world.opens(after)


def test_a_provider_that_is_down_is_asked_again_and_people_hear_after_fifteen_minutes(world: World) -> None:
    (lent,) = world.lend(world.a, call())
    world.down, world.standing = True, replace(world.standing, stopped="revoked")
    while world.clock.at < NOON + INCIDENT:
        world.tick(world.a)
        assert world.pages == []
        world.clock.at = Instant(world.clock.at + 10 * SECOND)
    world.clock.at = Instant(NOON + INCIDENT)
    world.tick(world.b)
    (page,) = world.pages
    (lease,) = world.listing()
    assert (page["what"], page["lease"], page["told"]) == (
        "lease_unconfirmed", lease.lease, "the server's name has no address"
    )  # fmt: skip
    assert [each["kind"] for each in world.records.said].count("incident") == 1
    assert (lease.state.value, lease.incident, lease.attempts > 10) == ("ending", NOON + INCIDENT, True)
    assert world.opens(lent)
    world.down = False
    world.clock.at = Instant(world.clock.at + MINUTE)
    world.tick(world.a)
    assert (world.states(), world.roles(), len(world.pages)) == (["ended"], set(), 1)


def test_two_nodes_take_one_away_once(world: World) -> None:
    world.lend(world.a, call())
    world.standing = replace(world.standing, stopped="revoked")
    asyncio.run(_both(world))
    (lease,) = world.listing()
    assert (lease.state.value, lease.attempts) == ("ended", 1)
    assert world.changes(lease.lease)[-2:] == ["end", "confirm"]


async def _both(world: World) -> None:
    await asyncio.gather(world.a.tick(), world.b.tick())


def test_an_answer_of_a_node_that_lost_its_attempt_is_not_recorded(world: World) -> None:
    world.lend(world.a, call())
    (lease,) = world.listing()
    leases: Leases = world.a.leases
    world.writer.change(lambda tx: leases.end(tx, lease.lease, Why.ASKED))
    first = world.writer.change(lambda tx: leases.take(tx, lease.lease, node="a"))
    assert first is not None
    world.clock.at = Instant(NOON + MINUTE)
    second = world.writer.change(lambda tx: leases.take(tx, lease.lease, node="b"))
    assert second is not None
    assert world.writer.change(lambda tx: leases.record(tx, first, gone=True)) is None
    assert world.states() == ["ending"]
    assert world.writer.change(lambda tx: leases.record(tx, second, gone=False, said="no")) is not None


def test_what_could_not_be_made_is_refused_and_taken_away_as_if_it_had_been(world: World) -> None:
    world.settings["roles"] = ["no-such-group"]
    with pytest.raises(SecretUnavailable) as caught:
        world.lend(world.a, call())
    assert "could not be made" in str(caught.value)
    with pytest.raises(SecretUnavailable):  # at once: nobody is asked again
        world.lend(world.a, call())
    assert [(each.state.value, each.why) for each in world.listing()] == [("ending", "not_made")]
    world.tick(world.a)
    assert world.states() == ["ended"]
    world.settings["roles"] = [GROUP]
    world.clock.at = Instant(NOON + 2 * SECOND)
    assert world.opens(world.lend(world.a, call())[0])


def test_nothing_is_made_for_nobody(world: World) -> None:
    with pytest.raises(SecretUnavailable):
        asyncio.run(world.a.leasing.lend(TO_API, None))
    assert world.listing() == []


class Killed(BaseException):
    """The process is gone."""


class Dies(Maker):
    """A maker whose process is killed at a moment."""

    def __init__(self, inner: Maker, when: str, kill: Callable[[], None] = lambda: None) -> None:
        self._inner = inner
        self._when = when
        self._kill = kill

    async def prepare(self, order: Order) -> Prepared:
        prepared = await self._inner.prepare(order)
        if self._when == "prepared":
            self._killed()
        return prepared

    async def make(self, order: Order, prepared: Prepared) -> Made:
        if self._when == "before":
            self._killed()
        made = await self._inner.make(order, prepared)
        if self._when == "after":
            self._killed()
        if self._when == "unanswered":
            raise Unclear("no answer")
        return made

    def _killed(self) -> None:
        self._kill()
        raise Killed

    async def end(self, order: Order) -> None:
        await self._inner.end(order)

    async def gone(self, order: Order) -> bool:
        return await self._inner.gone(order)


@pytest.mark.parametrize("when", ["prepared", "before", "after", "unanswered"])
def test_whenever_a_process_is_killed_what_it_made_is_taken_away(world: World, when: str) -> None:
    def kill() -> None:
        dying.leasing.thread = _dead  # nothing of it is recorded any more

    world.maker = lambda inner: Dies(inner, when, kill)
    dying = world.node("c")
    world.alive.add("c")
    with pytest.raises((Killed, SecretUnavailable)):
        world.lend(dying, call())
    assert world.states() == (["ending"] if when == "unanswered" else ["making"])
    assert len(world.roles()) == (when in {"after", "unanswered"})
    world.alive.discard("c")
    world.tick(world.a)
    assert (world.states(), world.roles()) == (["ended"], set())


async def _dead(*_: object) -> None:
    raise Killed


class Late(Dies):
    """Meanwhile another node takes this one for dead."""

    def __init__(self, inner: Maker, meanwhile: World) -> None:
        super().__init__(inner, "")
        self._world = meanwhile

    async def make(self, order: Order, prepared: Prepared) -> Made:
        self._world.alive.discard("c")
        await self._world.b.tick()
        assert self._world.states() == ["ended"]
        return await super().make(order, prepared)


def test_what_is_made_after_it_was_confirmed_gone_is_taken_away_again(world: World) -> None:
    world.maker = lambda inner: Late(inner, world)
    slow = world.node("c")
    world.alive.add("c")
    with pytest.raises(SecretUnavailable):
        world.lend(slow, call())
    assert [(each.state.value, each.why) for each in world.listing()] == [("ending", "late")]
    assert len(world.roles()) == 1
    world.tick(world.b)
    assert (world.states(), world.roles()) == (["ended"], set())


def test_what_it_owns_stays_with_its_group(world: World) -> None:
    (lent,) = world.lend(world.a, call())
    with world.postgres.sign_in(lent.attributes["user"], lent.value.text()) as session:
        session.execute("CREATE TABLE report (id int)")
    world.standing = replace(world.standing, stopped="revoked")
    world.tick(world.a)
    assert (world.states(), world.roles()) == (["ended"], set())
    owner = world.postgres.do("SELECT tableowner FROM pg_tables WHERE tablename = 'report'")
    world.postgres.do("DROP TABLE report")
    assert owner == [(GROUP,)]
    members = "SELECT count(*) FROM pg_auth_members WHERE roleid = 'reporting'::regrole"
    assert world.postgres.do(members) == [(1,)]  # as before: the administrator is in it by no grant of its own


def test_a_name_that_was_not_made_here_is_never_dropped(world: World) -> None:
    order = world.a.leasing.order(replace(_lease(world), handle={"user": GROUP}))
    with pytest.raises(Exception, match="names no role"):
        asyncio.run(world.a.leasing.makers["postgres"].end(order))
    assert world.postgres.do("SELECT 1 FROM pg_roles WHERE rolname = 'reporting'") == [(1,)]


def _lease(world: World) -> Lease:
    world.lend(world.a, call())
    return world.listing()[0]
