"""How secrets are kept: what is found in each, and in which order they stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import OwnerName, SecretName
from remit.vault.document import Rotate, SecretDocument
from remit.vault.model import Version, VersionState
from remit.vault.posture import Finding, kept, longest_lived_first, overdue, static_share
from remit.vault.service import Known
from remit.vault.uses import Key, Use

NOW = Instant(1_000 * DAY)


def known(
    name: str = "key", *, age: int | None = 0, every: int | None = None, exposed: bool = False, rotates: bool = False
) -> Known:
    held = {} if age is None else {
        2: Version(
            secret=SecretName(name), version=2, state=VersionState.ACTIVE, sealed=b"x", key="k", attributes={},
            made=Instant(NOW - age), since=Instant(NOW - age), exposed=NOW if exposed else None,
        )
    }  # fmt: skip
    rotate = Rotate(rotator="http", settings={}, every=None if every is None else Micros(every))
    document = SecretDocument(secret=SecretName(name), owner=OwnerName("dana"), rotate=rotate)
    return Known(
        secret=SecretName(name), active=2 if held else 0, changed=NOW, held=held,
        document=document if rotates or every is not None else None,
    )  # fmt: skip


def found(it: Known, uses: dict[Key, Use] | None = None) -> set[Finding]:
    return set(kept(it, uses or {}, ["api"], now=NOW).findings)


def use(agent: str = "bot", *, version: int = 2, ago: int = 0) -> dict[Key, Use]:
    at = Instant(NOW - ago)
    return {Key("key", version, agent): Use(at, at, 1)}


def test_what_is_found() -> None:
    assert found(known(), use()) == {Finding.STATIC}
    assert found(known(rotates=True), use()) == set()
    assert found(known(rotates=True)) == {Finding.NEVER_USED}
    assert found(known(rotates=True), use(ago=90 * DAY)) == set()
    assert found(known(rotates=True), use(ago=90 * DAY + 1)) == {Finding.UNUSED}
    assert found(known(rotates=True), use("a") | use("b")) == {Finding.SHARED}
    assert found(known(rotates=True), use("a", version=1) | use("b")) == set(), "of the version that calls use"
    assert found(known(rotates=True, exposed=True), use()) == {Finding.EXPOSED}
    assert found(known(age=None, rotates=True), use()) == {Finding.MISSING}


def test_what_signs_in_for_another_is_not_called_unused() -> None:
    """Only calls are counted, and it stands in none."""
    for uses in ({}, use(ago=1000 * DAY)):
        assert not {Finding.NEVER_USED, Finding.UNUSED} & set(kept(known(), uses, [], now=NOW, signs_in=True).findings)
        assert {Finding.NEVER_USED, Finding.UNUSED} & set(kept(known(), uses, [], now=NOW).findings)


@given(st.integers(0, 400 * DAY), st.integers(HOUR, 400 * DAY))
def test_it_is_overdue_from_a_tenth_and_an_hour_on(age: int, every: int) -> None:
    assert overdue(known(age=age, every=every), now=NOW) is (age > every + max(every // 10, HOUR))


@given(st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=8))
def test_the_longest_lived_comes_first_and_what_is_missing_last(ages: list[int | None]) -> None:
    every = [kept(known(f"k{at}", age=age), {}, [], now=NOW) for at, age in enumerate(ages)]
    ordered = [each.age for each in longest_lived_first(every)]
    assert ordered == [*sorted((a for a in ages if a is not None), reverse=True), *(a for a in ages if a is None)]


@given(st.lists(st.booleans(), max_size=8))
def test_the_share_of_those_that_only_people_change(rotated: list[bool]) -> None:
    every = [kept(known(f"k{at}", rotates=so), {}, [], now=NOW) for at, so in enumerate(rotated)]
    assert static_share(every) == (rotated.count(False) * 1_000_000 // len(rotated) if rotated else 0)
