"""Trusts in the database: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from tests.contract.stores import Store
from tests.unit.attestation.issuer import Key, trust

from remit.attestation import trusts
from remit.attestation.trusts import Trusts
from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, NotFound
from remit.storage.identity_schema import trusts as table

NOON = Instant(1_795_521_600_000_000)
GIVEN, DOMAIN = trust("gcp", Key("ES384")), trust("spiffe", Key("ES256", use="jwt-svid"))


def put(store: Store, one: Any, *, replace: bool = False) -> str | None:
    return store.change(lambda tx: trusts.put(tx, one, now=NOON, replace=replace))


def test_what_was_declared_is_known_and_is_found_by_what_a_token_says(store: Store) -> None:
    known = Trusts()
    store.feed.subscribe(known.follow)
    for one in (GIVEN, DOMAIN, trust("oidc", private=True, issuer="http://127.0.0.1:8123")):
        assert put(store, one) is None
    anew = Trusts()
    store.read(anew.reload)
    for each in (known, anew):
        assert [one.trust for one in each.listing()] == ["gcp", "oidc", "prod.example"]
        assert each.find("gcp") == each.of_issuer("https://accounts.google.com") == GIVEN
        assert each.of_domain("prod.example") == DOMAIN
        # Neither is found as the other.
        assert each.of_issuer("spiffe://prod.example") is None
        assert each.of_domain("gcp") is None
        assert {at.port for at in each.endpoints()} == {8123}


def test_a_name_and_an_issuer_are_taken_once(store: Store) -> None:
    put(store, GIVEN)
    with pytest.raises(Conflict, match="of that name"):
        put(store, GIVEN)
    with pytest.raises(Conflict, match="of that issuer"):
        put(store, trust("gcp", trust="other"))
    assert put(store, GIVEN, replace=True) == put(store, trust("gcp", audience="https://x.example"), replace=True)
    known = Trusts()
    store.read(known.reload)
    assert [each.audience for each in known.listing()] == ["https://x.example"]


def test_what_is_taken_back_is_known_no_more(store: Store) -> None:
    known = Trusts()
    store.feed.subscribe(known.follow)
    put(store, GIVEN)
    store.change(lambda tx: trusts.remove(tx, "gcp"))
    assert known.listing() == []
    assert known.of_issuer(GIVEN.issuer) is None
    with pytest.raises(NotFound):
        store.change(lambda tx: trusts.remove(tx, "gcp"))


@pytest.mark.parametrize("body", ["{", "{}", '{"algorithms":["RS256"],"what":1}'])
def test_a_damaged_row_is_trusted_for_nothing(store: Store, body: str) -> None:
    put(store, GIVEN)
    put(store, DOMAIN)
    store.change(lambda tx: tx.connection.execute(update(table).where(table.c.trust == "gcp").values(body=body)))
    known = Trusts()
    store.read(known.reload)
    assert [each.trust for each in known.listing()] == ["prod.example"]
