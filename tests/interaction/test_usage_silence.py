"""A source that stops: somebody is told once, and once when it is heard again; or it is taken off its servers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_seal import UNSEALED
from remit.access.activation_sql import SqlActivations
from remit.certification.replaying.marks_sql import marks
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.importing import UsageService
from remit.certification.usage.listening import Listening
from remit.certification.usage.silence_sql import SqlHabits
from remit.certification.usage.sources import Sources
from remit.certification.usage.sql import SqlUseDays
from remit.certification.usage.windows import windows
from remit.kernel.canonical import parse
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros, rfc3339
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.policy.cedar import CedarEngine
from remit.policy.facts import Facts
from remit.server import health
from remit.server.health import Status
from remit.server.stored import StoredFacts

OPS = Actor(by="ops")
FAR = Instant(2**61)
KEY = ActivationKey(
    AgentName("invoice-bot"), PurposeName("pay-invoices"), ActionName("payments/list_payees"), "payments"
)


class World:
    """A registry with one agent, and the source `gateway` registered for its server."""

    def __init__(self) -> None:
        self.rig = Rig()
        writer, clock = self.rig.writer, self.rig.clock
        self.start = clock.at
        self.rig.apply(Tree(), by=DANA, approve=True)
        self.facts = Facts(
            source=StoredFacts(UNSEALED), engine=CedarEngine(), contact=clock.now, reader=writer,
            covered=lambda: Micros(clock.at - self.start),
        )  # fmt: skip
        writer.read(lambda connection: self.facts.load(connection, epoch=writer.epoch))
        writer.feed.subscribe(self.facts.apply)
        self.bound: dict[str, Any] = {
            "writer": writer, "reader": writer, "records": self.rig.records, "clock": clock, "view": self.facts.view,
        }  # fmt: skip
        covered = lambda tx, servers: SqlActivations(tx.connection).due_now(servers, clock.now())  # noqa: E731
        self.usage = UsageService(**self.bound, covered=covered)
        self.sources = Sources(**self.bound, covered=covered)
        self.listening = self.node()
        self.usage.register("gateway", ["payments"], by=OPS)

    def node(self) -> Listening:
        """One that has been running for an hour."""
        found = Listening(**self.bound)
        assert found.tick() == 0
        found._next = self.rig.clock.at
        return found

    def later(self, micros: int) -> None:
        self.rig.clock.at += micros

    def tell(self, since: int, until: int) -> None:
        self.usage.import_batch("gateway", [], covers=[(since, until)], by=OPS)

    def tell_all(self) -> None:
        self.tell(self.start - 10 * DAY, self.rig.clock.at)

    def told(self) -> list[str]:
        """Each incident and each notice, in order."""
        found = self.rig.writer.read(lambda connection: SqlNotices(connection).newest(None, most=100, unseen=False))
        said = [each.said["what"] for each in reversed(found) if each.said["what"].startswith("usage_")]
        incidents = [
            entry["what"] for entry in map(self.header, self.rig.writer.entries) if entry["kind"] == "incident"
        ]
        assert incidents == said
        return said

    @staticmethod
    def header(entry: Any) -> Any:
        return parse(entry.header)

    def checks(self) -> list[health.Check]:
        return health.usage(self.sources.listing())

    def started(self) -> None:
        """An entitlement that is next judged far from now."""
        at = Instant(self.start)
        it = Activation(
            key=KEY, boundary=BoundaryName("pay"), boundary_version=1, agent_version="1.4",
            state=ActivationState.ACTIVE, since=at, started=at, by="", serial=1, usage=Usage(at, Micros(0), 1),
        )  # fmt: skip
        self.rig.writer.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=FAR))

    def due(self) -> list[ActivationKey]:
        return self.rig.writer.read(lambda connection: SqlActivations(connection).due(self.rig.clock.now(), 10))


@pytest.fixture
def world() -> World:
    return World()


def test_silence_is_told_once_and_so_is_the_next_word(world: World) -> None:
    world.tell_all()
    world.later(DAY)
    world.tell_all()
    assert (world.listening.tick(), world.told()) == (0, [])
    world.later(3 * DAY)
    assert world.listening.tick() == 1
    assert world.told() == ["usage_silent"]
    for _ in range(3):
        world.later(DAY)
        assert (world.listening.tick(), world.node().tick()) == (0, 0)
    world.tell_all()
    assert world.listening.tick() == 0  # it looks once a minute
    world.later(MINUTE)
    assert world.listening.tick() == 1
    assert world.told() == ["usage_silent", "usage_heard"]
    world.later(MINUTE)
    assert world.listening.tick() == 0


def test_the_owner_reads_what_happened_and_the_log_how_much_hangs_on_it(world: World) -> None:
    world.tell_all()
    world.later(40 * DAY)
    world.listening.tick()
    (notice,) = world.rig.writer.read(lambda connection: SqlNotices(connection).newest(None, most=9, unseen=True))[:1]
    assert notice.agent == "invoice-bot"
    assert notice.said["reason"] == "gateway tells nothing of payments: idle clocks stand still there"
    (incident,) = (each for each in map(world.header, world.rig.writer.entries) if each["kind"] == "incident")
    assert incident | {"what": "usage_silent", "source": "gateway", "entitlements": 3, "agents": 1} == incident
    assert incident["complete_until"] == rfc3339(world.start)


def test_after_a_start_there_is_an_hour_of_grace(world: World) -> None:
    world.later(40 * DAY)
    fresh = Listening(**world.bound)
    assert fresh.tick() == 0
    world.later(HOUR - 1)
    assert fresh.tick() == 0
    world.later(1)
    assert fresh.tick() == 1


def test_another_node_does_not_tell_it_again(world: World) -> None:
    one, two = world.node(), world.node()
    world.later(40 * DAY)
    assert (one.tick(), two.tick()) == (1, 0)
    assert world.told() == ["usage_silent"]


def test_two_nodes_that_look_at_the_same_time_tell_it_once(world: World) -> None:
    one, two = world.node(), world.node()
    told: list[int] = []

    class Overtaken:
        """What is read is old by the time it is read: the other node was faster."""

        def read(self, query: Any) -> Any:
            found = world.rig.writer.read(query)
            told.append(one.tick())
            return found

    two.reader = Overtaken()
    world.later(40 * DAY)
    assert (two.tick(), told) == (0, [1])
    assert world.told() == ["usage_silent"]


def test_an_old_window_is_no_word(world: World) -> None:
    world.tell(world.start - 10 * DAY, world.start - 5 * DAY)
    world.later(40 * DAY)
    world.listening.tick()
    world.tell(world.start - 20 * DAY, world.start - 6 * DAY)
    world.later(MINUTE)
    assert world.listening.tick() == 0
    assert world.rig.writer.read(lambda connection: SqlHabits(connection).of("gateway")).waits == ()


def test_how_long_remit_waited_is_written_down(world: World) -> None:
    for _ in range(3):
        world.later(DAY + HOUR)
        world.tell_all()
    waits = world.rig.writer.read(lambda connection: SqlHabits(connection).of("gateway")).waits
    assert [wait for _, wait in waits] == [DAY + HOUR] * 2


def test_the_doctor_says_what_to_type(world: World) -> None:
    assert [each.status for each in world.checks()] == [Status.OK]
    world.later(2 * DAY)
    (check,) = world.checks()
    assert (check.check, check.status) == ("usage gateway", Status.WARN)
    assert "never said that its record is complete" in check.detail
    assert "remit usage import FILE --source gateway" in check.try_
    assert "remit usage unregister gateway" in check.try_
    world.sources.unregister("gateway", by=OPS)
    assert world.checks() == []


def test_a_source_that_is_taken_off_is_waited_for_no_more(world: World) -> None:
    world.tell_all()
    world.started()
    assert world.facts.view().coverage.get("payments") == windows([(world.start - 10 * DAY, world.start)])
    world.later(40 * DAY)
    world.listening.tick()
    before = len(world.rig.writer.entries)
    source, stands = world.sources.unregister("gateway", by=OPS)
    assert (source.servers, stands.entitlements, stands.alone) == (("payments",), 3, ("payments",))
    assert source.batch == 1
    # Within that change: decisions read it, what is idle is judged next, and the log says who did it.
    assert world.facts.view().coverage.get("payments") is None
    assert world.due() == [KEY]
    (entry,) = map(world.header, world.rig.writer.entries[before:])
    assert entry | {
        "kind": "change", "what": "usage_source", "name": "gateway", "change": "remove", "by": "ops", "after": None,
        "servers": ["payments"], "entitlements": 3, "alone": ["payments"],
    } == entry  # fmt: skip
    assert entry["before"]
    world.later(MINUTE)
    assert world.listening.tick() == 0
    assert world.told() == ["usage_silent"]


def test_where_others_tell_of_the_server_they_count(world: World) -> None:
    world.tell_all()
    world.usage.register("trail", ["payments", "other"], by=OPS)
    assert world.facts.view().coverage.get("payments") == windows([])
    _, stands = world.sources.unregister("trail", by=OPS)
    assert stands.alone == ("other",)
    assert world.facts.view().coverage.get("payments") == windows([(world.start - 10 * DAY, world.start)])


def test_it_may_be_registered_again_with_what_it_told_before(world: World) -> None:
    world.tell_all()
    world.later(40 * DAY)
    world.listening.tick()
    world.sources.unregister("gateway", by=OPS)
    world.usage.register("gateway", ["payments"], by=OPS)
    assert world.facts.view().coverage.get("payments") == windows([(world.start - 10 * DAY, world.start)])
    (found,) = world.sources.listing()
    assert (found.hearing.heard, found.source.batch) == (True, 3)
    world.later(MINUTE)
    assert world.listening.tick() == 0
    world.tell(world.start, world.rig.clock.at)
    assert world.facts.view().coverage.get("payments") == windows([(world.start - 10 * DAY, world.rig.clock.at)])


def test_a_verdict_still_says_up_to_where_it_read_a_source_that_was_taken_off(world: World) -> None:
    day = UseDay(DayKey(*KEY, world.start // DAY, "gateway"), 1, 0, 0, world.start, world.start)
    world.rig.writer.change(lambda tx: SqlUseDays(tx.connection).add([day]))
    world.tell_all()
    world.sources.unregister("gateway", by=OPS)
    other = KEY._replace(action=ActionName("payments/transfer"))
    found = world.rig.writer.read(lambda connection: marks(connection, [KEY, other], Instant(world.rig.clock.at)))
    assert [found[key]["upto"] for key in (KEY, other)] == [{"gateway": 2}, {}]


def test_what_cannot_be_taken_off(world: World) -> None:
    with pytest.raises(Conflict):
        world.sources.unregister("remit", by=OPS)
    with pytest.raises(NotFound):
        world.sources.unregister("other", by=OPS)
    world.sources.unregister("gateway", by=OPS)
    entries = len(world.rig.writer.entries)
    with pytest.raises(NotFound):
        world.sources.unregister("gateway", by=OPS)
    with pytest.raises(NotFound):
        world.tell_all()
    assert len(world.rig.writer.entries) == entries
