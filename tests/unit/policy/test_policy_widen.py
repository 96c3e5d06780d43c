from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.policy.cedar import CedarEngine
from remit.policy.organisation import read
from remit.policy.widen import widenings

ENGINE = CedarEngine()
POLICIES = [
    f'@id("{effect}-{number}")\n{effect} (principal, action == Remit::Action::"s/t{number}", resource){when};\n'
    for effect in ("forbid", "permit")
    for number in range(3)
    for when in ("", ' when { principal == Remit::Agent::"a" }')
]
ANY = st.lists(st.sampled_from(range(len(POLICIES))), unique_by=lambda at: at // 2, max_size=6)


def files(chosen: list[int]) -> dict[str, str]:
    return {f"{at % 2}.cedar": "".join(POLICIES[each] for each in chosen if each % 2 == at) for at in range(2)}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return widenings(read(before, ENGINE), read(after, ENGINE))


def covered(at: int, among: list[int]) -> bool:
    """Whether it is there, or the one like it that has no condition (which stands before it)."""
    return at in among or (at % 2 == 1 and at - 1 in among)


@given(ANY, ANY)
def test_it_widens_iff_a_forbid_is_lost_or_a_permit_won(before: list[int], after: list[int]) -> None:
    forbids, permits = set(range(6)), set(range(6, 12))
    lost = {at for at in set(before) & forbids if not covered(at, after)}
    gained = {at for at in set(after) & permits if not covered(at, before)}
    assert bool(changed(files(before), files(after))) == bool(lost or gained)


def test_each_loss_and_gain_is_named() -> None:
    assert changed(files([0]), files([1, 6])) == [
        "the forbid forbid-0 is changed",
        "the permit permit-0 is added",
    ]


@pytest.mark.parametrize(
    "after",
    [
        "// said why\n" + POLICIES[0],
        POLICIES[0].replace("forbid-0", "renamed"),
        POLICIES[0].replace(" (principal, ", "(\n  principal,\n  "),
        '@title("No")\n' + POLICIES[0] + POLICIES[2],
    ],
)
def test_how_it_is_written_says_nothing(after: str) -> None:
    assert changed({"a.cedar": POLICIES[0]}, {"b.cedar": after}) == []


NARROWER = [
    POLICIES[0].replace(";", " unless { false };"),
    POLICIES[0].replace('action == Remit::Action::"s/t0"', 'action in [Remit::Action::"s/t0"]'),
    POLICIES[0].replace('action == Remit::Action::"s/t0"', 'action in Remit::Action::"server:s"'),
    '@id("every") forbid (principal, action, resource);',
]


@pytest.mark.parametrize("after", NARROWER)
def test_a_forbid_that_forbids_as_much_or_more_takes_one_person(after: str) -> None:
    assert changed({"a.cedar": POLICIES[0]}, {"a.cedar": after}) == []


@pytest.mark.parametrize(
    "after",
    [
        POLICIES[0].replace(";", ' unless { context.run == "x" };'),
        POLICIES[0].replace("forbid (principal", 'forbid (principal == Remit::Agent::"a"'),
        POLICIES[0].replace(", resource", ', resource == Remit::Server::"s"'),
        "// forbid nothing\n",
        POLICIES[0].replace("forbid (", "permit ("),
    ],
)
def test_a_forbid_that_forbids_less_takes_two(after: str) -> None:
    assert changed({"a.cedar": POLICIES[0]}, {"a.cedar": after})


FORBID = '@id("f") forbid (principal, action == Remit::Action::"s/t0", resource)'
# What it was, and what it is to be: each proved to forbid no less.
TIGHTER = [
    ("{ context.input.amount > 500 }", "{ context.input.amount > 400 }"),
    ("{ context.input.amount > 500 }", "{ context.input.amount >= 501 }"),
    ("{ 500 < context.input.amount }", "{ !(context.input.amount <= 500) }"),
    (
        '{ context.input.sum.greaterThan(decimal("5.00")) }',
        '{ context.input.sum.greaterThanOrEqual(decimal("5.0001")) }',
    ),
    ('{ ["a"].contains(context.input.to) }', '{ ["a", "b"].contains(context.input.to) }'),
    ('{ context.input.to == "a" }', '{ ["a", "b"].contains(context.input.to) }'),
    ('{ context.input.to like "ab*" }', '{ context.input.to like "a*" }'),
    ('{ context.input.to == "a" }', '{ context.input.to != "b" }'),
    ('{ context.run == "x" && context.input.a > 1 }', '{ context.run == "x" }'),
    ('{ context.run == "x" }', '{ context.run == "x" || context.input.a > 1 }'),
    ('{ context.now < datetime("2026-01-01") }', '{ context.now < datetime("2026-01-02") }'),
]


@pytest.mark.parametrize(("before", "after"), TIGHTER)
def test_bounds_are_compared_exactly(before: str, after: str) -> None:
    assert changed({"a.cedar": f"{FORBID} when {before};"}, {"a.cedar": f"{FORBID} when {after};"}) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{ context.input.amount > 400 }", "{ context.input.amount > 500 }"),
        ("{ context.input.amount <= 400 }", "{ context.input.amount < 400 }"),
        ("{ context.input.amount >= 400 }", "{ context.input.amount > 400 }"),
        # A call without an amount is refused, because that test is an error; and then it would not be.
        ("{ context.input.amount > 400 }", "{ context.input has amount && context.input.amount > 400 }"),
        ('{ context.input.amount > 400 && context.run == "x" }', '{ context.run == "x" }'),
        ('{ context.input.to like "a*" }', '{ context.input.to like "ab*" }'),
        ('{ ["a", "b"].contains(context.input.to) }', '{ ["a"].contains(context.input.to) }'),
        ("{ context.input.a + 1 > 5 }", "{ context.input.a > 4 }"),
    ],
)
def test_what_is_not_proved_takes_two(before: str, after: str) -> None:
    assert changed({"a.cedar": f"{FORBID} when {before};"}, {"a.cedar": f"{FORBID} when {after};"})


def test_a_forbid_may_be_split_in_two() -> None:
    both = 'forbid (principal, action in [Remit::Action::"s/t0", Remit::Action::"s/t1"], resource);'
    assert changed({"a.cedar": both}, {"a.cedar": POLICIES[0] + POLICIES[2]}) == []
    assert changed({"a.cedar": both}, {"a.cedar": POLICIES[0]})


def test_a_permit_that_ends_in_an_error_stops_calls_and_so_taking_it_away_widens() -> None:
    """Attack: a permit goes, which looks like a narrowing, and what its error refused is let through."""
    permit = FORBID.replace("forbid", "permit") + " when { context.input.a + 1 > 5 };"
    assert changed({"a.cedar": permit}, {})
    assert changed({"a.cedar": permit.replace(" when { context.input.a + 1 > 5 }", "")}, {}) == []


OF_THE_SERVER = '@id("f") forbid (principal, action in Remit::Action::"server:s", resource) when'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{ context.input has a && context.input.a && context.run == "x" }', '{ context.run == "x" }'),
        (
            '{ context.input has a && (context.run == "x" || context.input.a) && context.run == "y" }',
            '{ context.run == "y" }',
        ),
        ('{ context.input has a && context.input.a has b && context.run == "x" }', '{ context.run == "x" }'),
        ('{ context.input has a && context.input.a is Remit::Agent && context.run == "x" }', '{ context.run == "x" }'),
        ('{ context.input has a && principal in [context.input.a] && context.run == "x" }', '{ context.run == "x" }'),
        (
            '{ context.input has a && (true && context.input.a) == "x" }',
            '{ context.input has a && context.input.a == "x" }',
        ),
        ('{ context.input.a < decimal("1.0") }', '{ context.input.a.lessThan(decimal("1.0")) }'),
        ("{ context.input.a.lessThan(1) }", '{ context.input.a.lessThan(decimal("1.0")) }'),
        ('{ context.input.a < "x" }', '{ context.input.a < "y" }'),
    ],
)
def test_an_argument_that_has_become_of_another_type_is_an_error_and_stops_a_call(before: str, after: str) -> None:
    """Attack: a server changes the type of an argument, a forbid refuses its calls by an error, and that is dropped."""
    assert changed({"a.cedar": f"{OF_THE_SERVER} {before};"}, {"a.cedar": f"{OF_THE_SERVER} {after};"})
