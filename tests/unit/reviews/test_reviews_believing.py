"""What a person says of a record of use reaches certification, once."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.doubt import DoubtState
from remit.certification.doubting import Doubting
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.limiter import Place
from remit.certification.ports import Nobody
from remit.kernel.canonical import canonical
from remit.kernel.clock import FixedClock, Instant, Micros
from remit.kernel.errors import NotFound
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.people.change import Actor
from remit.reviews.believing import Believing
from remit.storage.governance_schema import together
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry

NOON = 1_700_000_000_000_000
SAM = Actor(by="sam")


class Records:
    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        return Entry(f"{kind}_1", canonical(dict(fields)))


def view() -> Any:
    def record(*servers: str) -> Any:
        return SimpleNamespace(reach=SimpleNamespace(servers=dict.fromkeys(servers)))

    return SimpleNamespace(agents={"b": record("crm"), "a": record("crm", "erp"), "c": record("erp")})


@pytest.fixture
def writer() -> MemoryWriter:
    return MemoryWriter()


@pytest.fixture
def doubting(writer: MemoryWriter) -> Doubting:
    return Doubting(writer=writer, reader=writer, records=Records(), clock=FixedClock(NOON), asker=Nobody())


@pytest.fixture
def believing(writer: MemoryWriter, doubting: Doubting) -> Believing:
    return Believing(doubting=lambda: doubting, view=view)


def doubt(writer: MemoryWriter, doubting: Doubting, agent: str = "") -> None:
    place = Place("crm", agent)
    writer.change(lambda tx: doubting.raise_within(tx, place, since=Instant(NOON), covered=Micros(0), many=9, of=99))


def say(writer: MemoryWriter, believing: Believing, name: str, *, trusted: bool) -> None:
    writer.change(lambda tx: believing.believe(tx, name, trusted=trusted, by=SAM))


def states(writer: MemoryWriter) -> dict[str, tuple[DoubtState, tuple[str, ...]]]:
    return {each.name: (each.state, each.canary) for each in writer.read(lambda c: SqlDoubts(c).all())}


def test_trust_begins_with_a_few_of_those_who_use_the_server(
    writer: MemoryWriter, doubting: Doubting, believing: Believing
) -> None:
    doubt(writer, doubting)
    assert writer.read(lambda c: believing.doubted(c, "crm", "b"))
    assert not writer.read(lambda c: believing.doubted(c, "erp", "b"))
    say(writer, believing, "crm", trusted=True)
    state, canary = states(writer)["crm"]
    assert state is DoubtState.CANARY
    assert len(canary) == 1
    assert set(canary) < {"a", "b"}
    say(writer, believing, "crm", trusted=True)
    assert states(writer)["crm"] == (state, canary), "said again"
    say(writer, believing, "crm", trusted=False)
    assert states(writer)["crm"] == (DoubtState.DOUBTED, ())


def test_a_doubt_about_one_agent_is_about_that_agent(
    writer: MemoryWriter, doubting: Doubting, believing: Believing
) -> None:
    doubt(writer, doubting, "c")
    assert writer.read(lambda c: believing.doubted(c, "crm", "c"))
    assert not writer.read(lambda c: believing.doubted(c, "crm", "a"))
    say(writer, believing, "crm c", trusted=True)
    assert states(writer)["crm c"] == (DoubtState.CANARY, ("c",))


def test_what_nobody_doubts_is_not_decided(writer: MemoryWriter, believing: Believing) -> None:
    for trusted in (True, False):
        with pytest.raises(NotFound):
            say(writer, believing, "crm", trusted=trusted)


def put(writer: MemoryWriter, agent: str, state: ActivationState, scope: str = "crm", why: str = "") -> None:
    key = ActivationKey(AgentName(agent), PurposeName("work"), ActionName(f"{scope}/read"), scope)
    it = Activation(
        key=key, boundary=BoundaryName("b"), boundary_version=1, agent_version="1", state=state, since=Instant(NOON),
        started=Instant(NOON), by="", serial=1, usage=Usage(Instant(NOON), Micros(0)), why=why,
    )  # fmt: skip
    writer.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=2**62))


def test_how_much_would_lapse_is_what_waits_for_the_record_or_for_a_person(
    writer: MemoryWriter, doubting: Doubting, believing: Believing
) -> None:
    waits, person = ActivationState.NEEDS_USAGE, ActivationState.NEEDS_HUMAN
    for agent, state in (("a", waits), ("b", waits), ("c", ActivationState.ACTIVE), ("d", person)):
        put(writer, agent, state)
    put(writer, "a", waits, scope="erp")
    assert writer.read(lambda c: believing.would_lapse(c, "crm")) == (0, 0), "it is believed"
    doubt(writer, doubting)
    doubt(writer, doubting, "b")
    assert writer.read(lambda c: believing.would_lapse(c, "crm")) == (3, 5)
    assert writer.read(lambda c: believing.would_lapse(c, "crm b")) == (1, 5)
    say(writer, believing, "crm", trusted=True)
    assert writer.read(lambda c: believing.would_lapse(c, "crm")) == (0, 0)


def test_what_is_used_together_with_something_there_would_lapse_too(
    writer: MemoryWriter, doubting: Doubting, believing: Believing
) -> None:
    for agent, state in (("a", ActivationState.NEEDS_USAGE), ("b", ActivationState.ACTIVE)):
        put(writer, agent, state)
        put(writer, agent, state, scope="erp")
        rows = [{"agent": agent, "purpose": "work", "action": f"{each}/read", "group": 1} for each in ("crm", "erp")]
        writer.change(lambda tx, rows=rows: tx.connection.execute(insert(together), rows))  # type: ignore[misc]
    put(writer, "c", ActivationState.NEEDS_USAGE, scope="erp")
    doubt(writer, doubting)
    doubt(writer, doubting, "b")
    assert writer.read(lambda c: believing.would_lapse(c, "crm")) == (2, 5)
    assert writer.read(lambda c: believing.would_lapse(c, "crm b")) == (0, 5)


def test_what_is_kept_because_something_needs_it_may_lapse_too(
    writer: MemoryWriter, doubting: Doubting, believing: Believing
) -> None:
    for agent, why in (("a", "needed"), ("b", "most_of_its_time_has_gone"), ("c", "held_by_a_run")):
        put(writer, agent, ActivationState.EXPIRING, scope="erp", why=why)
    doubt(writer, doubting)
    assert writer.read(lambda c: believing.would_lapse(c, "crm")) == (1, 3)
