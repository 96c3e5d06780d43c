"""Enforcement points and revocations in the database, on each: as they are kept, told and found again."""

from __future__ import annotations

from typing import Any

import pytest

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import Conflict, Malformed, NotFound, Unauthenticated
from remit.server import peps
from remit.storage.database import Database
from remit.tokens.revoked import Revoked, revoke, topic

NOON = Instant(4_000_000_000_000_000)  # ahead of the database's own clock, which sweeps


def add(database: Database, name: str) -> str:
    return database.writer.change(lambda tx: peps.add(tx, name, now=NOON))


def test_a_token_works_from_its_issue_until_its_removal(any_database: Database) -> None:
    keeper = peps.Gatekeeper()
    any_database.feed.subscribe(keeper.follow)
    token, other = add(any_database, "edge"), add(any_database, "other")
    assert (keeper.point(f"Bearer {token}").name, keeper.point(f"bearer {other}").name) == ("edge", "other")
    assert len({known.point.instance for known in keeper.listing()}) == 2
    assert all(len(known.point.instance) == 43 for known in keeper.listing())
    again = peps.Gatekeeper()
    any_database.reader.read(again.reload)
    assert again.listing() == keeper.listing()
    any_database.writer.change(lambda tx: peps.remove(tx, "edge"))
    for wrong in (f"Bearer {token}", f"Basic {other}", other, "Bearer ", "Bearer x", None):
        with pytest.raises(Unauthenticated):
            keeper.point(wrong)
    assert keeper.point(f"Bearer {other}").name == "other"


def test_the_token_itself_is_nowhere(any_database: Database) -> None:
    token = add(any_database, "edge")
    rows = any_database.reader.read(lambda connection: str(connection.exec_driver_sql("SELECT * FROM peps").all()))
    assert "edge" in rows
    assert token not in rows
    assert token.removeprefix("rmp_") not in rows


def test_names_are_used_once_and_are_names(any_database: Database) -> None:
    add(any_database, "edge")
    with pytest.raises(Conflict):
        add(any_database, "edge")
    with pytest.raises(Malformed):
        add(any_database, "Edge")
    with pytest.raises(NotFound):
        any_database.writer.change(lambda tx: peps.remove(tx, "nobody"))


def test_a_revocation_is_kept_once_and_told(any_database: Database) -> None:
    clock = FixedClock(NOON)
    revoked = Revoked(clock)
    any_database.feed.subscribe(revoked.follow)

    def end(token: str, expires: int) -> Any:
        def apply(tx: Any) -> bool:
            tx.touch(topic(token))
            return revoke(tx.connection, token, agent="bot", expires=Instant(expires))

        return any_database.writer.change(apply)

    assert [end("tok_1", NOON + 9), end("tok_1", NOON + 99), end("tok_2", NOON + 20)] == [True, False, True]
    assert [revoked.has(each) for each in ("tok_1", "tok_2", "tok_3")] == [True, True, False]
    clock.at += 10
    again = Revoked(clock)
    any_database.reader.read(again.reload)
    assert [again.has(each) for each in ("tok_1", "tok_2")] == [False, True]
    end("tok_3", NOON + 30)
    assert [revoked.has(each) for each in ("tok_1", "tok_2", "tok_3")] == [False, True, True]
