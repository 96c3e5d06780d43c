"""The repositories of people, agents, catalog, access and freezes, on SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection

from remit.access import spec as access_spec
from remit.access import sql as access_sql
from remit.access.draft import Version
from remit.access.model import BoundaryState, PurposeState
from remit.access.sql import SqlBoundaries, SqlPurposes
from remit.agents import sql as agents_sql
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.sql import SqlAgents
from remit.catalog import sql as catalog_sql
from remit.catalog.injection import Injection
from remit.catalog.model import Server, Tier
from remit.catalog.observe import observe
from remit.catalog.sql import SqlServers
from remit.freezes import sql as freezes_sql
from remit.freezes.model import Freeze, FreezeKind
from remit.freezes.sql import SqlFreezes
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName, SecretName, ServerName
from remit.people import sql as people_sql
from remit.people.model import Owner
from remit.people.sql import SqlOwners
from remit.storage.database import Database

T = TypeVar("T")
FAR = Instant(2**53 - 1)  # beyond 32 bits, which PostgreSQL's INTEGER would not hold


def write(database: Database, apply: Callable[[Connection], T]) -> T:
    return database.writer.change(lambda tx: apply(tx.connection))


def test_owners(any_database: Database) -> None:
    dana = Owner(owner=OwnerName("dana"), name="Dánà", email="d@example.test", backup=(OwnerName("lee"),))
    write(any_database, lambda c: SqlOwners(c).put(dana))
    assert any_database.reader.read(lambda c: people_sql.load(c, "dana")) == dana
    gone = replace(dana, active=False, backup=())
    write(any_database, lambda c: SqlOwners(c).put(gone))
    assert any_database.reader.read(people_sql.load_all) == [gone]
    assert any_database.reader.read(lambda c: people_sql.load(c, "lee")) is None
    write(any_database, lambda c: SqlOwners(c).remove(dana.owner))
    assert any_database.reader.read(people_sql.load_all) == []


def agent(name: str, owner: str = "dana") -> Agent:
    return Agent(
        agent=AgentName(name),
        owner=OwnerName(owner),
        version="1.4",
        purposes=(PurposeName("p"), PurposeName("q")),
        max_instances=20,
        sender_constraint=SenderConstraint.NONE,
        not_after=FAR,
        max_run=Micros(2**52),
        keys=({"kty": "OKP", "x": "AA"},),
        state=AgentState.ACTIVE,
    )


def test_agents(any_database: Database) -> None:
    bots = [agent("a"), agent("b", owner="lee"), agent("c")]
    for bot in bots:
        write(any_database, lambda c, bot=bot: SqlAgents(c).put(bot))  # type: ignore[misc]
    assert any_database.reader.read(agents_sql.load_all) == bots
    assert any_database.reader.read(lambda c: SqlAgents(c).of_owner(OwnerName("dana"))) == [bots[0], bots[2]]
    moved = replace(bots[0], state=AgentState.SUSPENDED, owner=OwnerName("lee"))
    write(any_database, lambda c: SqlAgents(c).put(moved))
    assert any_database.reader.read(lambda c: agents_sql.load(c, "a")) == moved
    assert any_database.reader.read(lambda c: agents_sql.load(c, "x")) is None


def test_servers_keep_definitions_digit_for_digit(any_database: Database) -> None:
    definition: dict[str, Any] = {
        "name": "überweisen_💶",
        "description": "zahlt",
        "inputSchema": {"type": "object", "properties": {"a": {"minimum": Decimal("0.10"), "maximum": 10**30}}},
    }
    bare = Server(
        server=ServerName("pay"),
        url="http://127.0.0.1:1/mcp",
        credential=Injection(secret=SecretName("key"), header="Authorization", format="Bearer {}"),
        tiers=(("z*", Tier.LOW), ("a", Tier.CRITICAL)),
        review="pin-on-first-use",
        tools={},
        set_pin="",
    )
    pinned = observe(bare, [definition, definition | {"name": "Z"}, definition | {"name": "a"}]).server
    write(any_database, lambda c: SqlServers(c).put(pinned))
    found = any_database.reader.read(lambda c: catalog_sql.load(c, "pay"))
    assert found == pinned
    assert found is not None
    assert list(found.tools) == sorted(pinned.tools)
    changed = observe(found, [definition | {"description": "stiehlt"}]).server
    write(any_database, lambda c: SqlServers(c).put(changed))
    write(any_database, lambda c: SqlServers(c).put(replace(bare, server=ServerName("bare"), credential=None)))
    assert [each.server for each in any_database.reader.read(catalog_sql.load_all)] == ["bare", "pay"]
    assert any_database.reader.read(catalog_sql.load_all)[1] == changed
    write(any_database, lambda c: SqlServers(c).remove(ServerName("pay")))
    assert any_database.reader.read(lambda c: catalog_sql.load(c, "pay")) is None


def test_purposes(any_database: Database) -> None:
    fields = {"purpose": "p", "statement": "Zahle", "actions": ["a/*"], "not_after": "2027-01-01"}
    purpose = access_spec.purpose(fields)
    write(any_database, lambda c: SqlPurposes(c).put(purpose))
    assert any_database.reader.read(lambda c: access_sql.load_purpose(c, "p")) == purpose
    closed = replace(purpose, state=PurposeState.CLOSED)
    write(any_database, lambda c: SqlPurposes(c).put(closed))
    assert any_database.reader.read(access_sql.load_purposes) == [closed]


def test_boundaries(any_database: Database) -> None:
    fields: dict[str, Any] = {"boundary": "b", "agent": "bot", "purpose": "p", "not_after": "2027-01-01"}
    when = {"amount": {"max": "500.00"}, "note": {"in": ["é", True, 1]}}
    draft = access_spec.boundary(fields | {"allow": [{"action": "pay/x*", "when": when, "ttl": "7d"}]})
    action = ActionName("pay/x1")
    first = Version(draft=draft, version=1, state=BoundaryState.PROPOSED)
    write(any_database, lambda c: SqlBoundaries(c).put(first))
    history = any_database.reader.read(lambda c: SqlBoundaries(c).history(BoundaryName("b")))
    assert (history.active, history.waiting, history.last) == (None, first, 1)
    assert any_database.reader.read(lambda c: list(access_sql.load_all(c))) == []
    active = replace(
        first,
        state=BoundaryState.ACTIVE,
        rules={action: draft.allow[0].rule(action)},
        approved_by=OwnerName("dana"),
        approved_at=FAR,
    )
    second = replace(first, version=2)
    for each in (active, second):
        write(any_database, lambda c, each=each: SqlBoundaries(c).put(each))  # type: ignore[misc]
    history = any_database.reader.read(lambda c: SqlBoundaries(c).history(BoundaryName("b")))
    assert (history.active, history.waiting, history.last) == (active, second, 2)
    assert any_database.reader.read(lambda c: list(access_sql.load_all(c))) == [active.boundary()]
    assert any_database.reader.read(lambda c: access_sql.load(c, "b")) == active.boundary()
    assert any_database.reader.read(lambda c: access_sql.load_of_agent(c, "bot")) == [active.boundary()]
    assert any_database.reader.read(lambda c: access_sql.load_of_agent(c, "x")) == []
    assert any_database.reader.read(lambda c: SqlBoundaries(c).open_names()) == ["b"]
    assert any_database.reader.read(lambda c: SqlBoundaries(c).open()) == [active, second]
    revoked = [replace(each, state=BoundaryState.REVOKED) for each in (active, second)]
    for each in revoked:
        write(any_database, lambda c, each=each: SqlBoundaries(c).put(each))  # type: ignore[misc]
    assert any_database.reader.read(lambda c: access_sql.load(c, "b")) is None
    assert any_database.reader.read(lambda c: SqlBoundaries(c).versions(BoundaryName("b"))) == revoked[::-1]


def test_freezes(any_database: Database) -> None:
    freeze = Freeze(id="frz_1", kind=FreezeKind.AGENT, name="bot", reason="ü", by="dana", since=FAR)
    write(any_database, lambda c: SqlFreezes(c).put(freeze))
    assert any_database.reader.read(freezes_sql.in_force) == [freeze]
    assert any_database.reader.read(lambda c: SqlFreezes(c).find(FreezeKind.AGENT, "bot")) == freeze
    assert any_database.reader.read(lambda c: SqlFreezes(c).find(FreezeKind.SERVER, "bot")) is None
    write(any_database, lambda c: SqlFreezes(c).end(freeze, by="lee", at=FAR))
    assert any_database.reader.read(freezes_sql.in_force) == []
