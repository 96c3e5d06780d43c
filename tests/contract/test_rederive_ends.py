"""Which boundaries a verdict must have known, on both databases: an honest log is never accused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from tests.contract.test_rederive import BOUNDARY, NOW, RULES, TIERS, World, verdict_on

from remit.access.codec import rules_text
from remit.certification.replaying.reading import rules_digest
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND
from remit.storage.database import Database
from remit.storage.model import Entry
from remit.storage.ports import Transaction
from remit.storage.schema import boundaries, bundles, states

READ = {"b@3": rules_digest(rules_text(RULES))}
HALF = SECOND // 2


@pytest.fixture
def world(where: Path | str, opened: Callable[[Path | str], Database]) -> World:
    """Each verdict says that it read the one boundary there was."""
    world = World(where, opened(where))
    for verdict in world.verdicts:
        verdict["read"]["rules"] = READ
    return world


def another(world: World, **different: Any) -> None:
    """Another boundary for the same purpose, which no verdict read."""
    said = {"approved_at": BOUNDARY.approved_at, "not_after": NOW + DAY, **different}
    world.change(lambda connection: connection.execute(insert(boundaries).values(
        boundary="c", version=1, agent="bot", purpose="work", state="active", source="{}", rules=rules_text({}),
        approved_by="dana", **said,
    )))  # fmt: skip


@pytest.mark.parametrize("ago", [0, HALF, 2 * SECOND])
def test_what_is_revoked_as_its_boundary_ends_is_the_same(world: World, ago: int) -> None:
    """The tick records it within a second of the end."""
    found = []

    def ended(connection: Connection) -> None:
        connection.execute(update(boundaries).values(not_after=NOW - ago))
        found.append(verdict_on(connection, "s/read", granted=False))

    world.change(ended)
    found[0]["read"]["rules"] = {}
    world.verdicts = found
    assert (found[0]["reason"], world.odd()) == ("boundary_ended", {})


def test_what_is_revoked_before_its_boundary_ends_is_not(world: World) -> None:
    found = []

    def stands(connection: Connection) -> None:
        connection.execute(update(boundaries).values(not_after=NOW + 1))
        found.append(verdict_on(connection, "s/read", granted=False))

    world.change(stands)
    world.verdicts = found
    assert world.odd() == {"s/read": "policy"}


@pytest.mark.parametrize("ago", [0, HALF, 2 * SECOND])
def test_another_boundary_that_has_just_ended_need_not_be_read(world: World, ago: int) -> None:
    another(world, not_after=NOW - ago)
    assert world.odd() == {}


@pytest.mark.parametrize("ago", [HALF, 4 * SECOND, MINUTE - 1])
def test_nor_one_that_the_nodes_view_may_not_have_had(world: World, ago: int) -> None:
    another(world, approved_at=NOW - ago)
    assert world.odd() == {}


@pytest.mark.parametrize("ago", [MINUTE, DAY])
def test_one_that_every_node_knew_must_be_read(world: World, ago: int) -> None:
    another(world, approved_at=NOW - ago)
    assert world.odd() == dict.fromkeys(TIERS, "policy")
    assert {each.detail for each in world.replay().values()} == {"c@1 stood, and was not read"}


@pytest.mark.parametrize("first", [True, False])
def test_what_was_approved_after_a_verdict_in_the_log_was_not_there(world: World, *, first: bool) -> None:
    """The wall clock was set back by an hour in between, so that the approval seems to be the earlier one."""
    approved = {"id": "chg_1", "kind": "change", "what": "other", "name": "c"}
    verdicts = [(each["id"], each) for each in world.verdicts]
    log = [("chg_1", approved), *verdicts] if first else [*verdicts, ("chg_1", approved)]

    def record(tx: Transaction) -> None:
        for id_, entry in log:
            tx.record(Entry(id_, canonical(entry)))

    another(world, approved_at=NOW - HOUR // 2)
    world.database.writer.change(record)
    world.change(lambda connection: connection.execute(update(bundles).values(first=0)))  # as the sequencer does
    world.change(lambda connection: connection.execute(insert(states).values(
        what="boundary", name="c", digest="", entry="chg_1", seal=b"",
    )))  # fmt: skip
    assert world.odd() == (dict.fromkeys(TIERS, "policy") if first else {})
