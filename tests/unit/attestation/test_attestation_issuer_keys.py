from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.unit.attestation.issuer import Key, key_set, trust

from remit.attestation.issuer_keys import COOLDOWN, REFRESH, IssuerKeys
from remit.attestation.ports import Loaded
from remit.attestation.published import DISCOVERY, PublishedKeys
from remit.attestation.trust import Trust
from remit.kernel.canonical import encode
from remit.kernel.clock import HOUR, MINUTE, SECOND, FixedClock
from remit.kernel.errors import RemitError
from remit.keys import foreign
from remit.outbound.fetch import Fetched
from remit.outbound.model import OutboundFailed

ONE, TWO = Key("ES256", "one"), Key("ES256", "two")
NOON = 1_795_608_000 * SECOND


class Source:
    """Where keys are read from, and how often they were."""

    def __init__(self) -> None:
        self.keys, self.asked = [ONE], 0
        self.failing = False
        self.sequence: int | None = None
        self.refresh: int | None = None

    def __call__(self, _trust: Trust) -> Loaded:
        self.asked += 1
        if self.failing:
            raise OutboundFailed("the server could not be reached", sent=False)
        return Loaded(foreign.key_set(key_set(*self.keys)), self.sequence, self.refresh)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def keys(source: Source, clock: FixedClock) -> IssuerKeys:
    return IssuerKeys(source, clock)


IDP = trust("oidc")


def test_an_unknown_key_is_asked_for_once_in_thirty_seconds(
    keys: IssuerKeys, source: Source, clock: FixedClock
) -> None:
    assert keys.for_kid(IDP, "one").knows("one")
    source.keys = [ONE, TWO]
    for number in range(1000):
        assert not keys.for_kid(IDP, f"made-up-{number}").knows("two")
    assert source.asked == 1
    clock.at += COOLDOWN - 1
    assert not keys.for_kid(IDP, "two").knows("two")
    clock.at += 1
    assert keys.for_kid(IDP, "two").knows("two")
    assert source.asked == 2
    assert keys.for_kid(IDP, "one").knows("one")
    assert source.asked == 2


def test_a_failed_attempt_takes_nothing_away_and_counts(keys: IssuerKeys, source: Source, clock: FixedClock) -> None:
    keys.for_kid(IDP, "one")
    clock.at += COOLDOWN
    source.failing = True
    for _ in range(100):
        assert keys.for_kid(IDP, "two").knows("one")
    assert source.asked == 2
    assert keys.state(IDP) == (1, NOON, "the server could not be reached")
    clock.at += 12 * HOUR
    assert keys.for_kid(IDP, "one").knows("one")


def test_each_issuer_has_its_own_keys_and_its_own_rest(keys: IssuerKeys, source: Source) -> None:
    other = trust("gcp")
    keys.for_kid(IDP, "x")
    keys.for_kid(other, "x")
    assert source.asked == 2
    source.keys = [TWO]
    assert not keys.for_kid(other, "two").knows("two")


def test_keys_that_were_given_are_never_asked_for(keys: IssuerKeys, source: Source) -> None:
    given = trust("oidc", TWO)
    assert keys.for_kid(given, "two").knows("two")
    assert not keys.for_kid(given, "one").knows("one")
    keys.refresh([given])
    assert source.asked == 0
    assert keys.state(given).keys == 1


def test_a_trust_that_is_declared_anew_keeps_nothing(keys: IssuerKeys, source: Source) -> None:
    keys.for_kid(IDP, "one")
    source.failing = True
    anew = trust("oidc", audience="https://other.example")
    assert not keys.for_kid(anew, "one").knows("one")


def test_a_header_without_a_kid_asks_for_nothing(keys: IssuerKeys, source: Source) -> None:
    for kid in (None, 7, ["one"]):
        keys.for_kid(IDP, kid)
    assert source.asked == 0


def test_keys_are_read_again_when_they_are_due(keys: IssuerKeys, source: Source, clock: FixedClock) -> None:
    keys.refresh([IDP])
    keys.refresh([IDP])
    assert source.asked == 1
    clock.at += REFRESH
    source.keys = [TWO]
    keys.refresh([IDP])
    assert source.asked == 2
    assert not keys.for_kid(IDP, "one").knows("one")  # it was withdrawn
    source.failing = True
    clock.at += REFRESH
    keys.refresh([IDP])
    keys.refresh([IDP])
    assert source.asked == 3
    assert keys.for_kid(IDP, "two").knows("two")


@pytest.mark.requirement("spiffe:bundle")
def test_a_bundle_says_when_it_is_due_and_is_never_exchanged_for_an_older_one(
    keys: IssuerKeys, source: Source, clock: FixedClock
) -> None:
    domain = trust("spiffe", jwks_url="https://spire.example/bundle")
    source.sequence, source.refresh = 7, 2 * MINUTE
    keys.refresh([domain])
    clock.at += 2 * MINUTE - 1
    keys.refresh([domain])
    assert source.asked == 1
    clock.at += 1
    source.sequence, source.keys = 6, [TWO]
    keys.refresh([domain])
    assert source.asked == 2
    assert keys.for_kid(domain, "one").knows("one")
    assert "older" in str(keys.state(domain).failure)
    clock.at += COOLDOWN
    source.sequence = 8
    keys.refresh([domain])
    assert keys.for_kid(domain, "two").knows("two")
    source.refresh = 1  # no bundle makes Remit ask all the time
    clock.at += 2 * MINUTE
    keys.refresh([domain])
    clock.at += COOLDOWN - 1
    keys.refresh([domain])
    assert source.asked == 4


class Taken:
    """A lock that somebody holds, and that nobody may wait for."""

    def locked(self) -> bool:
        return True

    def acquire(self, **_: Any) -> bool:
        raise AssertionError("it waits")


def test_few_threads_wait_for_an_issuer_that_is_slow(clock: FixedClock) -> None:
    entered, go, asked = threading.Event(), threading.Event(), []

    def slow(_trust: Trust) -> Loaded:
        asked.append(1)
        entered.set()
        assert go.wait(30)
        return Loaded(foreign.key_set(key_set(ONE)))

    keys = IssuerKeys(slow, clock)
    found: list[bool] = []
    waiting = [threading.Thread(target=lambda: found.append(keys.for_kid(IDP, "one").knows("one"))) for _ in range(8)]
    waiting[0].start()
    assert entered.wait(30)
    for each in waiting[1:]:
        each.start()
    issuer = keys._issuers[IDP.trust]
    while issuer.waiting._value:  # until all of them wait
        pass
    # Whoever comes now does not even try the lock.
    real, issuer.lock = issuer.lock, Taken()  # type: ignore[assignment]
    assert not keys.for_kid(IDP, "one").knows("one")
    issuer.lock = real
    go.set()
    for each in waiting:
        each.join(30)
    assert (found, len(asked)) == ([True] * 8, 1)


class Pages:
    """Documents by their URL."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages, self.asked = pages, []  # type: ignore[var-annotated]

    def get(self, url: str, *, own: Any = ()) -> Fetched:
        self.asked.append((url, own))
        return Fetched(encode(self.pages[url]), "application/json")


@pytest.mark.requirement("oidc:discovery")
def test_discovery_names_the_keys_and_the_issuer() -> None:
    page = {"issuer": "https://issuer.example", "jwks_uri": "https://issuer.example/keys"}
    pages = Pages({f"https://issuer.example{DISCOVERY}": page, "https://issuer.example/keys": key_set(ONE)})
    assert PublishedKeys(pages)(IDP).keys.knows("one")
    assert [own for _, own in pages.asked] == [frozenset(), frozenset()]
    lies: list[Any] = [
        {**page, "issuer": "https://other.example"}, {"issuer": "https://issuer.example"}, [], {**page, "jwks_uri": 7},
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(RemitError):
            PublishedKeys(Pages({f"https://issuer.example{DISCOVERY}": lie}))(IDP)


def test_a_bundle_is_taken_whole_and_other_uses_are_left_out() -> None:
    domain = trust("spiffe", jwks_url="https://spire.example/bundle")
    svid = Key("ES256", "svid", use="jwt-svid")
    page = key_set(svid, ONE) | {"spiffe_sequence": 3, "spiffe_refresh_hint": 60}
    page["keys"].append({"kty": "EC", "use": "x509-svid", "crv": "P-256", "x": "AA", "y": "AA", "x5c": ["AA"]})
    found = PublishedKeys(Pages({"https://spire.example/bundle": page}))(domain)
    assert ([each.kid for each in found.keys.keys], found.sequence, found.refresh) == (["svid"], 3, MINUTE)
