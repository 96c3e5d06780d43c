"""What is handed on is never more than there was: ten thousand chains against an oracle that knows no rules.

The oracle has nothing of the code under test: it reads bounds by their meaning, and patterns with a matcher of its
own (the standard library's, for patterns that have one star at their end). It also judges what is left by its own
reading, so that no error of the checks on a call can hide one of the narrowing.
"""

from __future__ import annotations

from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.attenuate import attenuated, further, meet, wider
from remit.access.draft import Clause
from remit.access.model import Bound, Budget, Rate, Rule
from remit.kernel.names import ActionName
from remit.policy.constraints import violations

TOOLS = ("s/pay", "s/pay_back", "s/read")
numbers = st.integers(-3, 9).map(Decimal)
words = st.sampled_from(["", "a", "ab", "abc", "b", "ba"])


def bound(name: str) -> st.SearchStrategy[Bound]:
    if name == "amount":
        return st.builds(
            Bound, argument=st.just(name), max=st.none() | numbers, min=st.none() | numbers,
            in_=st.none() | st.lists(numbers, max_size=3, unique=True).map(tuple),
        )  # fmt: skip
    return st.builds(
        Bound, argument=st.just(name), prefix=st.none() | words.filter(bool), max_length=st.none() | st.integers(0, 4),
        in_=st.none() | st.lists(words, max_size=3, unique=True).map(tuple),
    )  # fmt: skip


bounds = st.fixed_dictionaries({}, optional={"amount": bound("amount"), "to": bound("to")}).map(
    lambda found: tuple(found.values())
)
rates = st.none() | st.builds(Rate, count=st.integers(1, 5), per=st.sampled_from(["min", "hour"]))
above = st.just(()) | st.just((("amount", Decimal(2)),)) | st.just((("amount", Decimal(5)),))
rules = st.dictionaries(st.sampled_from(TOOLS).map(ActionName), st.tuples(bounds, rates, above), min_size=1).map(
    lambda found: {name: Rule(action=name, when=w, rate=r, approval_above=a) for name, (w, r, a) in found.items()}
)
asks = st.none() | st.lists(
    st.builds(
        Clause, pattern=st.sampled_from([*TOOLS, "s/*", "s/pay*", "t/x"]), when=bounds, rate=rates, approval_above=above
    ),
    max_size=3, unique_by=lambda clause: clause.pattern,
)  # fmt: skip
calls = st.tuples(
    st.sampled_from(TOOLS).map(ActionName),
    st.fixed_dictionaries({}, optional={"amount": st.integers(-4, 10), "to": words}),
)


def passes(bounds: tuple[Bound, ...], arguments: dict[str, Any]) -> bool:
    """The oracle: each bound by its meaning, and nothing of the code under test."""
    return all(each.argument in arguments and _passes(each, arguments[each.argument]) for each in bounds)


def _passes(bound: Bound, value: Any) -> bool:
    return (
        (bound.max is None or value <= bound.max)
        and (bound.min is None or value >= bound.min)
        and (bound.in_ is None or value in list(bound.in_))
        and (bound.prefix is None or value[: len(bound.prefix)] == bound.prefix)
        and (bound.max_length is None or len(value) <= bound.max_length)
    )


def meant(action: str, asked: list[Clause]) -> list[Clause]:
    """The oracle: the clauses that speak of an action, the one that names it before those that cover it."""
    exact = [clause for clause in asked if clause.pattern == action]
    return exact or [clause for clause in asked if "*" in clause.pattern and fnmatchcase(action, clause.pattern)]


def needs_person(rule: Rule, arguments: dict[str, Any]) -> bool:
    return any(arguments.get(name, 0) > most for name, most in rule.approval_above)


chains = st.lists(asks, min_size=1, max_size=4)
several = st.lists(calls, min_size=1, max_size=5)


@settings(max_examples=examples(1000), deadline=None)
@given(rules, chains, several)
def test_no_chain_widens_anything(root: Any, chain: list[Any], tried: list[Any]) -> None:
    never_wider(root, chain, tried)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_chains_widen_nothing() -> None:
    lengths: list[int] = []

    @settings(max_examples=10_000, deadline=None, database=None)
    @given(rules, chains, several)
    def drawn(root: Any, chain: list[Any], tried: list[Any]) -> None:
        lengths.append(len(chain))
        never_wider(root, chain, tried)

    drawn()
    assert len(lengths) >= 10_000
    assert len([length for length in lengths if length > 1]) > 1_000  # chains, and not links alone


VALUES: dict[str, list[Any]] = {
    "amount": list(range(-4, 11)),
    "to": ["", "a", "ab", "abc", "abcd", "b", "ba", "baaaa", "c"],
}


def lets(bounds: tuple[Bound, ...], name: str, value: Any) -> bool:
    return all(_passes(bound, value) for bound in bounds if bound.argument == name)


def named(bounds: tuple[Bound, ...]) -> set[str]:
    return {bound.argument for bound in bounds}


def never_wider(root: Any, chain: list[Any], tried: list[Any]) -> None:
    before = root
    for asked in chain:
        after = attenuated(before, asked)
        assert set(after) <= set(before)
        for action in after:
            above = [before[action].when, *(clause.when for clause in meant(action, asked or []))]
            assert asked is None or len(above) > 1, action
            narrow(after[action].when, above)
            for amount in VALUES["amount"]:
                said = {"amount": amount}
                assert needs_person(after[action], said) or not needs_person(before[action], said), (action, amount)
            assert after[action].rate == before[action].rate
            assert after[action].budget == before[action].budget
            assert after[action].limited == before[action].limited
        for action, arguments in tried:
            if action in after and not violations(after[action], arguments):
                assert passes(before[action].when, arguments), (before[action], asked)
        before = after


def narrow(left: tuple[Bound, ...], above: list[tuple[Bound, ...]]) -> None:
    """Bounds on different arguments do not know of each other: so each is tried on every value there is for it."""
    for bounds in above:
        assert named(bounds) <= named(left)
        for name, values in VALUES.items():
            for value in values:
                assert lets(bounds, name, value) or not lets(left, name, value), (name, value, left, bounds)


@settings(max_examples=examples(500), deadline=None)
@given(rules, asks.filter(lambda found: found is not None), calls)
def test_what_is_not_wider_is_given_as_it_was_asked_for(root: Any, asked: Any, tried: Any) -> None:
    """Else an agent would believe that it may what it may not, or the reverse."""
    action, arguments = tried
    if wider(root, asked) or action not in root:
        return
    if arguments.get("amount", -1) < 0 and any(each.approval_above for each in (root[action], *asked)):
        return  # what a threshold looks at is required, and not below nought
    clauses = meant(action, asked)
    given_ = action in attenuated(root, asked) and not violations(attenuated(root, asked)[action], arguments)
    wanted = (
        bool(clauses) and passes(root[action].when, arguments) and all(passes(each.when, arguments) for each in clauses)
    )
    assert given_ == wanted


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Clause(pattern="s/none"), "is not there"),
        (Clause(pattern="s/pay", when=(Bound(argument="amount", max=Decimal(6)),)), "the bound on amount"),
        (Clause(pattern="s/pay", when=(Bound(argument="amount", in_=(Decimal(2),)),)), ""),
        (Clause(pattern="s/pay", when=(Bound(argument="amount", max=Decimal(5)),)), ""),
        (Clause(pattern="s/*", rate=Rate(count=100, per="min")), "the rate is raised"),
        (Clause(pattern="s/pay", approval_above=(("amount", Decimal(9)),)), "the approval threshold"),
    ],
)
def test_what_is_wider_is_named(asked: Clause, says: str) -> None:
    name = ActionName("s/pay")
    rule = Rule(
        action=name, when=(Bound(argument="amount", max=Decimal(5)),), rate=Rate(count=2, per="min"),
        approval_above=(("amount", Decimal(3)),),
    )  # fmt: skip
    found = wider({name: rule}, [asked])
    assert (says in found[0]) if says else found == []


def test_a_limit_that_is_handed_on_takes_no_persons_place() -> None:
    """A critical action without limits needs a person for each call, whoever makes it."""
    name = ActionName("s/pay")
    budget = Budget(argument="amount", max=Decimal(1), per="day")
    asked = [Clause(pattern="s/pay", budget=budget)]
    after = attenuated({name: Rule(action=name)}, asked)
    assert not after[name].limited
    assert [clause.budget for clause in further(name, asked)] == [budget]


def test_bounds_that_exclude_each_other_let_nothing_pass() -> None:
    one, other = Bound(argument="to", prefix="DE"), Bound(argument="to", prefix="FR")
    assert meet(one, other).in_ == ()
    name = ActionName("s/pay")
    assert attenuated({name: Rule(action=name, when=(one,))}, [Clause(pattern="s/pay", when=(other,))]) == {}
