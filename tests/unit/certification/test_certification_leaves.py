"""What stands on what: leaves go first for idleness, roots first for safety, circles as one."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from remit.certification.leaves import closure, groups, joined, may_lapse, mutual

NODES = "abcdefgh"
GRAPHS = st.dictionaries(st.sampled_from(NODES), st.frozensets(st.sampled_from(NODES), max_size=3))
SETS = st.frozensets(st.sampled_from(NODES))


def reaches(start: str, needs: dict[str, frozenset[str]], within: frozenset[str]) -> set[str]:
    """What `start` needs, directly or not, by the plainest walk there is."""
    found: set[str] = set()
    look = [start]
    while look:
        for each in needs.get(look.pop(), frozenset()) & within:
            if each not in found:
                found.add(each)
                look.append(each)
    return found


@given(GRAPHS)
def test_groups_are_what_needs_each_other_and_leaves_come_first(needs: dict[str, frozenset[str]]) -> None:
    found, every = groups(NODES, needs), frozenset(NODES)
    assert sorted(chain(*found)) == list(NODES)
    place = {node: at for at, group in enumerate(found) for node in group}
    for one in NODES:
        below = reaches(one, needs, every)
        for other in below - {one}:
            assert (place[one] == place[other]) == (one in reaches(other, needs, every))
            assert place[one] <= place[other]


@given(GRAPHS, SETS, SETS)
def test_nothing_lapses_while_something_that_stays_stands_on_it(
    needs: dict[str, frozenset[str]], idle: frozenset[str], standing: frozenset[str]
) -> None:
    nodes = idle | standing
    free = set(chain(*may_lapse(idle, standing, needs)))
    assert free <= idle
    for node in nodes - free:
        assert not reaches(node, needs, nodes) & free
    # And nothing is held back that could have gone: what is not free has something above it that is not idle.
    for node in idle - free:
        above = {each for each in nodes if node in reaches(each, needs, nodes)} | {node}
        assert not above <= idle


@given(GRAPHS, SETS)
def test_a_withdrawal_takes_exactly_what_stands_on_the_roots_and_those_first(
    needs: dict[str, frozenset[str]], roots: frozenset[str]
) -> None:
    every = frozenset(NODES)
    found = closure(roots, NODES, needs)
    taken = set(chain(*found))
    assert taken == roots | {each for each in NODES if reaches(each, needs, every) & roots}
    place = {node: at for at, group in enumerate(found) for node in group}
    for node in taken:
        assert all(place[below] <= place[node] for below in reaches(node, needs, every) & taken)


def test_an_open_run_holds_all_that_it_works_with() -> None:
    needs = {"run": {"get"}, "get": {"list", "boundary"}, "list": {"boundary"}, "other": {"boundary"}}
    assert may_lapse({"get", "list", "other"}, ["get", "list", "other", "run"], needs) == [("other",)]
    assert may_lapse({"get", "list"}, ["get", "list"], needs) == [("get",), ("list",)]
    assert may_lapse({"list"}, ["get", "list"], needs) == []
    found = closure({"boundary"}, needs, needs)
    assert found[0] == ("boundary",)
    assert [each for each in found if each != ("other",)] == [("boundary",), ("list",), ("get",), ("run",)]


def test_what_is_used_together_goes_together() -> None:
    needs = mutual([("get", "list"), ("put",)])
    assert needs == {"get": {"list"}, "list": {"get"}, "put": frozenset()}
    assert may_lapse({"get", "put"}, ["get", "list", "put"], needs) == [("put",)]
    assert may_lapse({"get", "list"}, ["get", "list"], needs) == [("get", "list")]
    assert joined(needs, {"get": {"boundary"}})["get"] == {"boundary", "list"}


def test_a_long_chain_needs_no_deep_stack() -> None:
    chain_ = {f"{at:05}": {f"{at + 1:05}"} for at in range(20_000)}
    assert groups(chain_, chain_)[0] == ("00000",)
