"""An estate's bits and verdicts: days as bits, and digests over what stands."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.judge import judge, statement
from remit.access.parameters import Parameters
from remit.catalog.model import Tier
from remit.certification.estate.blocks import BITS, days_in, gaps_in
from remit.certification.estate.judging import NEVER, STATES, Bench, Found, Held, Terms
from remit.certification.estate.model import Row
from remit.certification.estate.verdicts import Verdicts, changed, differences
from remit.certification.usage.windows import windows
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant, Micros
from remit.policy.entitlement import Holder, facts_of

NOW = Instant(20_100 * DAY)
OK = Holder(version="1", state="active", owner_active=True, risk=0)
TERMS = (
    Terms(tier=Tier.LOW, holder=OK, version="1"),
    Terms(tier=Tier.HIGH, holder=OK, version="1"),
    Terms(tier=Tier.MEDIUM, holder=OK, version="1", granted=False),
)
BENCH = Bench(now=NOW, windows=windows([(0, NOW)]), terms=TERMS)


def blocks(days: set[int]) -> str:
    found: dict[int, int] = {}
    for day in days:
        found[day // BITS] = found.get(day // BITS, 0) | 1 << day % BITS
    return ",".join(f"{number}:{bits}" for number, bits in sorted(found.items()))


def held(eid: int = 0, terms: int = 0, *, last: int = 20_090, state: str = "active", since: int = 20_000) -> Held:
    row = Row(eid, terms, 20_000 * DAY, 0, last * DAY, 3, "40,50")
    return Held(row, [each.value for each in STATES].index(state), since * DAY, "")


@given(st.sets(st.integers(19_000, 21_000), min_size=1, max_size=60))
def test_days_are_bits_and_come_back(days: set[int]) -> None:
    ordered = sorted(days)
    assert list(days_in(blocks(days))) == ordered
    gaps = [right - left for left, right in pairwise(ordered)][-20:]
    assert gaps_in(blocks(days)) == ",".join(map(str, gaps))


def test_the_verdict_is_the_one_that_a_server_comes_to() -> None:
    each = held()
    found = BENCH.judge([each])
    facts = facts_of(BENCH.activation(each), BENCH.settings[0])
    by_rule = judge(facts)
    assert (STATES[found.states[0]], found.reasons[0]) == (by_rule.state, by_rule.reason)
    assert found.due[0] == NOW + (by_rule.left or 0)
    assert BENCH.statement(each) == canonical(statement(facts))


def test_what_is_digested_is_canonical_and_stands_while_the_clock_runs() -> None:
    verdict = judge(facts_of(BENCH.activation(held()), BENCH.settings[0]))
    standing = BENCH._standing(held().row, verdict.state, verdict.reason, 7)
    assert standing == canonical(json.loads(standing))
    later = Bench(now=Instant(NOW + DAY), windows=windows([(0, NOW + DAY)]), terms=TERMS)
    assert later.judge([held()]).digests == BENCH.judge([held()]).digests


@pytest.mark.parametrize(
    "other",
    [
        Bench(now=NOW, windows=BENCH.windows, terms=TERMS, parameters=Parameters(high=15 * DAY)),
        Bench(now=NOW, windows=BENCH.windows, terms=(Terms(tier=Tier.LOW, holder=OK, shorter=Micros(DAY)),)),
    ],
)
def test_other_numbers_and_other_terms_are_other_digests(other: Bench) -> None:
    assert other.judge([held()]).digests != BENCH.judge([held()]).digests


def test_what_was_used_after_it_lapsed_has_come_back() -> None:
    gone = BENCH.judge([held(state="lapsed", since=20_091)])
    back = BENCH.judge([held(state="lapsed", since=20_089)])
    assert STATES[gone.states[0]].value == "lapsed"
    assert (STATES[back.states[0]].value, back.since[0]) == ("active", 20_090 * DAY)


def test_a_boundary_that_ended_revokes() -> None:
    found = BENCH.judge([held(terms=2)])
    assert (STATES[found.states[0]].value, found.since[0], found.due[0]) == ("revoked", NOW, NEVER)


def put(*batches: Found) -> Verdicts:
    verdicts = Verdicts()
    for batch in batches:
        verdicts.put(batch)
    return verdicts


def test_only_another_state_is_written() -> None:
    before = put(BENCH.judge([held(0), held(1), held(2, 1)]))
    after = before.copy()
    after.put(BENCH.judge([held(1, last=20_091), held(2, 1, last=20_001)]))
    assert differences(before, after) == [1, 2]
    assert changed(before, after) == [2]  # 1 was used again, and stays what it was
    assert changed(after, after) == []
    assert changed(Verdicts(), after) == [2]


def test_the_root_is_over_all_digests_in_order() -> None:
    one = BENCH.judge([held(0), held(1)])
    assert put(one).root() == sha256(one.digests).hexdigest()
    assert put(one).root() == put(BENCH.judge([held(0)]), BENCH.judge([held(1)])).root()
    with pytest.raises(ValueError, match="entitlement 0 is missing"):
        put(BENCH.judge([held(1)]))
