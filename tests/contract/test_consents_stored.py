"""Consents, codes and refresh tokens on SQLite and PostgreSQL; and renewed by two nodes while they are withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select, text

from remit.kernel.clock import DAY, MINUTE, FixedClock, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.people.change import Actor
from remit.people.consent import Consent, ConsentState
from remit.people.consent_sql import SqlConsents
from remit.storage.database import Database
from remit.storage.model import Entry
from remit.storage.ports import Transaction
from remit.storage.schema import revoked_tokens
from remit.tokens.consented import Code, Given, Refresh, RefreshState
from remit.tokens.consents import Consents
from remit.tokens.families import SqlFamilies, end_family
from remit.tokens.grants.consented import standing_consent
from remit.tokens.model import TokenRefused

NOON = Instant(1_795_608_000_000_000)
CONSENT = Consent(
    consent="con_1", person=OwnerName("dana"), agent=AgentName("editor-bot"), client="my-editor",
    purpose=PurposeName("pay-invoices"), resources=("http://remit.test/mcp/payments",), given=NOON,
    until=Instant(NOON + 30 * DAY), state=ConsentState.GIVEN, name="My editor",
)  # fmt: skip
GIVEN = Given(
    consent="con_1", person=OwnerName("dana"), client="my-editor", signs=False, renews=True,
    agent=AgentName("editor-bot"), credential="client_metadata:00", purpose=PurposeName("pay-invoices"),
    resources=CONSENT.resources, until=CONSENT.until,
)  # fmt: skip
CODE = Code(
    code="c0", given=GIVEN, redirect_uri="http://127.0.0.1/cb", challenge="x" * 43, expires=Instant(NOON + MINUTE)
)
FIRST = Refresh(
    token="t0", family=CODE.family, given=GIVEN, state=RefreshState.LIVE, expires=CONSENT.until, access="tok_0",
    access_ends=Instant(NOON + 5 * MINUTE),
)  # fmt: skip


class Entries:
    """Implements the ports' Records with the headers themselves."""

    def __init__(self) -> None:
        self.said: list[Mapping[str, Any]] = []

    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        self.said.append({"kind": kind, **fields})
        return Entry(id=f"chg_{len(self.said)}", header=b"{}", payload=None)


def stored(database: Database, *more: Refresh) -> None:
    def apply(tx: Transaction) -> None:
        SqlConsents(tx.connection).put(CONSENT)
        SqlFamilies(tx.connection).put_code(CODE)
        for each in (FIRST, *more):
            SqlFamilies(tx.connection).put(each)

    database.writer.change(apply)


def test_what_is_put_is_found(any_database: Database) -> None:
    bound = replace(FIRST, token="t1", given=replace(GIVEN, jkt="k" * 43, signs=True))
    stored(any_database, bound)
    read = any_database.reader.read
    assert read(lambda c: SqlConsents(c).find("con_1")) == CONSENT
    assert read(lambda c: SqlConsents(c).find("con_2")) is None
    assert read(lambda c: SqlConsents(c).listing(person="dana", most=9)) == [CONSENT]
    assert read(lambda c: SqlConsents(c).listing(person="lee", most=9)) == []
    assert read(lambda c: SqlFamilies(c).code("c0")) == CODE
    assert read(lambda c: SqlFamilies(c).refresh("t0")) == FIRST
    assert read(lambda c: SqlFamilies(c).refresh("t1")) == bound
    assert read(lambda c: SqlFamilies(c).refresh("t2")) is None
    assert read(lambda c: SqlFamilies(c).families("con_1")) == [CODE.family]


def test_the_same_consent_is_found_while_it_stands(any_database: Database) -> None:
    stored(any_database)
    change = any_database.writer.change

    def same(consent: Consent) -> Consent | None:
        return change(lambda tx: SqlConsents(tx.connection).same(consent))

    assert same(replace(CONSENT, consent="con_2")) == CONSENT
    for other in (
        replace(CONSENT, person=OwnerName("lee")), replace(CONSENT, client="other"),
        replace(CONSENT, resources=("http://remit.test",)), replace(CONSENT, purpose=PurposeName("other")),
    ):  # fmt: skip
        assert same(other) is None
    change(lambda tx: SqlConsents(tx.connection).put(replace(CONSENT, state=ConsentState.WITHDRAWN)))
    assert same(CONSENT) is None


def test_each_is_used_once(any_database: Database) -> None:
    stored(any_database)
    change = any_database.writer.change
    assert change(lambda tx: SqlFamilies(tx.connection).use_code(CODE)) is True
    assert change(lambda tx: SqlFamilies(tx.connection).use_code(CODE)) is False
    assert change(lambda tx: SqlFamilies(tx.connection).use("t0")) is True
    assert change(lambda tx: SqlFamilies(tx.connection).use("t0")) is False


def test_a_family_ends_with_every_token_that_lives(any_database: Database) -> None:
    old = replace(FIRST, token="t1", access="tok_old", access_ends=Instant(NOON - DAY), state=RefreshState.USED)
    other = replace(FIRST, token="t2", family="another", access="tok_other")
    stored(any_database, old, other)
    records, change = Entries(), any_database.writer.change

    def end(tx: Transaction) -> Any:
        return end_family(tx, records, CODE.family, why="because", by="dana", now=NOON)

    assert list(change(end)) == ["tok_0"]
    assert list(change(end)) == []
    (entry,) = records.said
    assert (entry["what"], entry["name"], entry["reason"], entry["tokens"]) == (
        "token_family", CODE.family, "because", ["tok_0"],
    )  # fmt: skip
    keys = any_database.reader.read(lambda c: set(c.execute(select(revoked_tokens.c.key)).scalars()))
    assert keys == {"tok_0"}
    states = any_database.reader.read(lambda c: {each.token: each.state for each in SqlFamilies(c).family("another")})
    assert states == {"t2": RefreshState.LIVE}
    assert change(lambda tx: SqlFamilies(tx.connection).use("t0")) is False


def test_what_expired_is_forgotten(any_database: Database) -> None:
    stored(any_database, replace(FIRST, token="t1", expires=Instant(NOON - 1)))
    any_database.writer.change(lambda tx: SqlFamilies(tx.connection).forget(before=NOON))
    assert any_database.reader.read(lambda c: SqlFamilies(c).refresh("t1")) is None
    assert any_database.reader.read(lambda c: SqlFamilies(c).refresh("t0")) == FIRST
    assert any_database.reader.read(lambda c: SqlFamilies(c).code("c0")) == CODE


def test_no_token_is_issued_past_a_withdrawal_by_another_node(
    postgres_url: str, opened: Callable[[Any], Database]
) -> None:
    """One node renews, and renews, and renews; another withdraws. What is left is revoked, every one of them."""
    here, there = opened(postgres_url), opened(postgres_url)
    stored(here)
    issued, begun = ["tok_0"], threading.Event()

    def renew(number: int) -> None:
        def apply(tx: Transaction) -> None:
            standing_consent(tx, GIVEN, now=NOON)
            assert SqlFamilies(tx.connection).use(f"t{number}")
            SqlFamilies(tx.connection).put(replace(FIRST, token=f"t{number + 1}", access=f"tok_{number + 1}"))

        here.writer.change(apply)
        issued.append(f"tok_{number + 1}")

    failed: list[RemitError] = []

    def renewing() -> None:
        try:
            for number in range(400):
                renew(number)
                if number == 3:
                    begun.set()
        except TokenRefused as refused:
            failed.append(refused)

    thread = threading.Thread(target=renewing)
    thread.start()
    assert begun.wait(60)
    Consents(writer=there.writer, reader=there.reader, records=Entries(), clock=FixedClock(NOON)).withdraw(
        "con_1", by=Actor(by="dana")
    )
    thread.join()
    assert [each.public for each in failed] == ["the consent does not hold any more"]
    keys = here.reader.read(lambda c: set(c.execute(select(revoked_tokens.c.key)).scalars()))
    assert keys == {*issued, "con_1"}  # and the consent's own id, for tokens that name it


def test_a_withdrawal_waits_for_who_renews_at_that_moment(postgres_url: str, opened: Callable[[Any], Database]) -> None:
    """The next refresh token is written and not committed: a withdrawal that did not wait would not see it."""
    here, there = opened(postgres_url), opened(postgres_url)
    stored(here)
    consents = Consents(writer=there.writer, reader=there.reader, records=Entries(), clock=FixedClock(NOON))
    withdrawing = threading.Thread(target=lambda: consents.withdraw("con_1", by=Actor(by="dana")))

    def renew(tx: Transaction) -> None:
        standing_consent(tx, GIVEN, now=NOON)
        assert SqlFamilies(tx.connection).use("t0")
        SqlFamilies(tx.connection).put(replace(FIRST, token="t1", access="tok_1"))
        withdrawing.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        assert any(tx.connection.execute(waiting).scalar() for _ in range(100_000))

    here.writer.change(renew)
    withdrawing.join()
    found = here.reader.read(lambda c: {each.token: each.state for each in SqlFamilies(c).family(CODE.family)})
    assert found == {"t0": RefreshState.USED, "t1": RefreshState.REVOKED}
    keys = here.reader.read(lambda c: set(c.execute(select(revoked_tokens.c.key)).scalars()))
    assert keys == {"tok_0", "tok_1", "con_1"}
