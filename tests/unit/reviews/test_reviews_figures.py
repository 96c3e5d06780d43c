"""Quality, the effect preview, renewals, and what is acknowledged: figures in integers."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access.model import Boundary, BoundaryState, Budget, Rule
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.reviews import effect, renewal
from remit.reviews.acknowledgement import changes, digest_of, kept, statement, typed
from remit.reviews.effect import Used, UseDay
from remit.reviews.model import Said
from remit.reviews.quality import Given, median, quality

NOON = Instant(1_700_000_000_000_000)
A, B, C = ActionName("s/a"), ActionName("s/b"), ActionName("s/c")
TODAY = 20_000


def test_the_figures_of_a_reviewer() -> None:
    said = [Said.KEEP, Said.KEEP, Said.END, Said.KEEP]
    times = [0, 10 * SECOND, 40 * SECOND, 40 * SECOND + HOUR]
    found = quality(
        Given(Instant(NOON + at), word, Instant(NOON - HOUR), canary=index == 2)
        for index, (at, word) in enumerate(zip(times, said, strict=True))
    )
    assert (found.answers, found.keep_share, found.canaries, found.catch_rate) == (4, 750_000, 1, 1_000_000)
    assert (found.per_minute, found.median_gap) == (3_000, 20 * SECOND), "the hour between sittings is no pause"
    assert found.median_wait == HOUR + 25 * SECOND


def test_nothing_to_measure_is_none() -> None:
    empty = quality([])
    assert (empty.answers, empty.per_minute, empty.keep_share, empty.catch_rate, empty.median_wait) == (
        0, None, None, None, None,
    )  # fmt: skip
    assert quality([Given(NOON, Said.KEEP, NOON)] * 2).per_minute is None, "two at one moment have no pace"


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_a_median_lies_in_the_middle(values: list[int]) -> None:
    middle = median(values)
    assert middle is not None
    assert sum(each <= middle for each in values) * 2 >= len(values)
    assert sum(each >= middle for each in values) * 2 >= len(values)


def used(*days: tuple[ActionName, int, int], last: dict[ActionName, int] | None = None, since: int = 0) -> list[Used]:
    rows = [UseDay(action, TODAY - ago, uses) for action, ago, uses in days]
    tiers = {A: Tier.LOW, B: Tier.HIGH, C: Tier.LOW}
    return effect.used(tiers, rows, last=last or {}, since=since, this_day=TODAY)


def test_windows_of_ninety_and_thirty_days_end_where_they_say() -> None:
    a, b, c = used((A, 0, 1), (A, 29, 2), (A, 30, 4), (A, 89, 8), (A, 90, 16), (B, 90, 5), (B, -1, 7))
    assert (a.uses_90, a.uses_30, a.idle(TODAY)) == (15, 3, 0)
    assert (b.uses_90, b.uses_30, b.idle(TODAY)) == (0, 0, 90)
    assert (c.uses_90, c.last) == (0, None)
    assert [each.unused(TODAY) for each in (a, b, c)] == [False, True, True]


def test_what_is_young_or_known_to_be_used_elsewhere_is_not_unused() -> None:
    assert not used(since=TODAY - 13)[0].unused(TODAY)
    assert used(since=TODAY - 14)[0].unused(TODAY)
    assert not used(last={A: TODAY - 89})[0].unused(TODAY)


def test_a_preview_says_what_goes_and_what_would_have_been_denied() -> None:
    found = used((A, 3, 4), (B, 50, 6))
    assert effect.shown(found, this_day=TODAY) == {
        "actions": [A, B, C], "count": 3, "uses_90": 10, "would_be_denied_30": 4, "idle_days": 3,
    }  # fmt: skip
    gone = effect.taken_by_narrowing(found, this_day=TODAY, whole=True)
    assert [each.action for each in gone] == [C]
    assert effect.shown(gone, this_day=TODAY)["would_be_denied_30"] == 0
    assert effect.taken_by_narrowing(found, this_day=TODAY, whole=False) == [], "a hole is no non-use"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 200), st.integers(0, 9)), max_size=60))
def test_narrowing_denies_nothing_of_the_last_ninety_days(days: list[tuple[ActionName, int, int]]) -> None:
    gone = effect.taken_by_narrowing(used(*days), this_day=TODAY, whole=True)
    shown = effect.shown(gone, this_day=TODAY)
    assert (shown["uses_90"], shown["would_be_denied_30"]) == (0, 0)
    lost = {each.action for each in gone}
    assert not any(uses and ago < 90 and action in lost for action, ago, uses in days)


def test_of_what_is_used_alike_the_serious_goes_first() -> None:
    least = effect.least(used((A, 3, 4), (B, 3, 4), (C, 3, 4)))
    assert least is not None
    assert least.action == B
    fewer = effect.least(used((A, 3, 1), (B, 3, 4), (C, 3, 4)))
    assert fewer is not None
    assert fewer.action == A
    assert effect.least([]) is None


def test_when_somebody_must_look_again() -> None:
    approved = NOON
    assert renewal.due(renewal.cadence(Tier.CRITICAL), approved=approved, renewed=None) == NOON + 90 * DAY
    assert renewal.due(renewal.cadence(Tier.HIGH), approved=approved, renewed=Instant(NOON + DAY)) == NOON + 91 * DAY
    assert renewal.due(renewal.cadence(Tier.LOW), approved=approved, renewed=Instant(NOON - DAY)) == NOON + 180 * DAY
    assert renewal.cadence(Tier.LOW, Micros(30 * DAY)) == 30 * DAY
    assert renewal.cadence(Tier.HIGH, Micros(300 * DAY)) == 90 * DAY, "its own say only makes it more often"
    assert renewal.highest([Tier.LOW, Tier.HIGH, Tier.MEDIUM]) is Tier.HIGH
    assert renewal.highest([]) is Tier.LOW


def boundary(name: str, version: int = 1, rate: int = 5) -> Boundary:
    budget = Budget(argument="amount", max=Decimal(rate), per="day")
    return Boundary(
        boundary=BoundaryName(name), version=version, agent=AgentName("bot"), purpose=PurposeName("work"),
        rules={A: Rule(action=A, budget=budget)}, not_after=Instant(NOON + DAY), state=BoundaryState.ACTIVE,
        approved_by=OwnerName("dana"), approved_at=NOON,
    )  # fmt: skip


def test_the_digest_is_over_everything_that_a_person_approved() -> None:
    one, two = boundary("a"), boundary("b")
    digest = digest_of(statement([one, two]))
    assert digest == digest_of(statement([two, one])), "order is theirs, not the database's"
    for other in (boundary("b", version=2), boundary("b", rate=6), boundary("c")):
        assert digest_of(statement([one, other])) != digest
    assert digest_of(statement([one])) != digest


def test_what_changed_since() -> None:
    before = kept(statement([boundary("a"), boundary("b"), boundary("c")]))
    now = kept(statement([boundary("a"), boundary("b", version=2), boundary("d")]))
    found = changes(before, now)
    assert (found.added, found.changed, found.ended) == (("d",), ("b",), ("c",))


def test_a_digest_is_typed_by_its_first_eight() -> None:
    digest = "0123456789abcdef" * 4
    assert typed("01234567", digest)
    assert typed("01234567".upper(), digest)
    assert typed(digest, digest)
    assert not typed("0123456", digest)
    assert not typed("01234568", digest)
    assert not typed(digest + "0", digest)


def test_gaps_in_one_sitting_count_and_longer_ones_do_not() -> None:
    ten = [Given(Instant(NOON + at * 10 * MINUTE), Said.KEEP, NOON) for at in range(3)]
    assert quality(ten).median_gap == 10 * MINUTE
    assert quality([ten[0], Given(Instant(NOON + 10 * MINUTE + 1), Said.KEEP, NOON)]).median_gap is None
