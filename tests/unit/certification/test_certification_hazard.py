"""The table of further use: monotone both ways, made of what was measured, and told apart by its digest."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.posture.hazard import (
    IDLE,
    MARGINALS,
    MILLION,
    SHIPPED,
    USES,
    Hazard,
    cell,
)

DAYS = st.integers(0, 2_000)


def test_ten_rows_of_seven() -> None:
    assert [len(row) for row in SHIPPED.cells] == [7] * 10
    assert (len(IDLE), len(USES)) == (9, 6)


@given(DAYS, DAYS, DAYS, DAYS)
def test_more_silence_never_makes_use_likelier_and_more_use_never_less_likely(a: int, b: int, c: int, d: int) -> None:
    less, more, few, many = min(a, b), max(a, b), min(c, d), max(c, d)
    assert SHIPPED.again(idle=more, uses=few) <= SHIPPED.again(idle=less, uses=few)
    assert SHIPPED.again(idle=less, uses=few) <= SHIPPED.again(idle=less, uses=many)
    assert 0 < SHIPPED.again(idle=more, uses=few) < MILLION


@pytest.mark.parametrize(
    ("idle", "uses", "at"),
    [
        (0, 0, (0, 0)), (2, 1, (0, 1)), (3, 1, (1, 1)), (89, 5, (5, 3)), (90, 6, (6, 4)), (364, 30, (8, 5)),
        (365, 31, (9, 6)),
    ],
)  # fmt: skip
def test_where_a_bucket_begins(idle: int, uses: int, at: tuple[int, int]) -> None:
    assert cell(idle=idle, uses=uses) == at


def test_the_column_of_six_to_ten_days_of_use_is_what_was_measured() -> None:
    at = [MILLION, *MARGINALS.values(), 0]
    column = [row[4] for row in SHIPPED.cells]
    assert column == [(high + low) // 2 for high, low in pairwise(at)]
    assert column[1] == (835_000 + 686_000) // 2


def test_its_digest_is_of_what_it_says() -> None:
    assert len(SHIPPED.sha256) == len(hashlib.sha256().hexdigest())
    other = Hazard((*SHIPPED.cells[:9], (1, *SHIPPED.cells[9][1:])))
    assert other.sha256 != SHIPPED.sha256
    assert Hazard(SHIPPED.cells).sha256 == SHIPPED.sha256
    assert SHIPPED.sha256 == "523606d1b3154987ad88202dfe21d4e0e1bcd08b709671a1268d781af91722af"
