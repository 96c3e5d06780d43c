"""What an owner says that an action is of no use without."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access import spec
from remit.access.codec import draft_from, draft_text, rules_from, rules_text
from remit.access.draft import Draft, Version
from remit.access.expand import expand
from remit.access.model import BoundaryState
from remit.access.needs import circle, closure, turned
from remit.access.widen import widenings
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.names import ActionName, ServerName, ToolName
from remit.people.document import SpecInvalid
from remit.reviews.narrowing import without

EDGES = st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=3), max_size=5)
TOOLS = ("export", "list", "read", "write")


@given(EDGES)
def test_a_closure_is_closed_and_both_ways_say_the_same(edges: dict[str, list[str]]) -> None:
    reached, back = closure(edges), closure(turned(edges))
    for start, found in reached.items():
        assert start not in found
        assert {more for each in found for more in reached.get(each, ())} <= {*found, start}
        assert {each for each in edges[start] if each != start} <= set(found)
        assert all(start in back[each] for each in found)


@given(EDGES)
def test_a_circle_is_found_exactly_where_nothing_could_go_first(edges: dict[str, list[str]]) -> None:
    left = {start: set(needs) for start, needs in edges.items()}
    while free := [start for start, needs in left.items() if not needs & left.keys()]:
        for each in free:
            del left[each]
    assert (circle(edges) is None) == (not left)


def document(**needs: object) -> dict[str, object]:
    allow = [{"action": f"s/{tool}", **({"needs": needs[tool]} if tool in needs else {})} for tool in TOOLS]
    return {"boundary": "b", "agent": "bot", "purpose": "work", "allow": allow, "not_after": "2027-03-31"}


def catalog(_name: ServerName) -> Server:
    tools = {
        ToolName(name): Tool(
            name=ToolName(name), tier=Tier.LOW, pin="p", definition={}, seen=None, state=PinState.APPROVED
        )
        for name in TOOLS
    }
    return Server(
        server=ServerName("s"), url="", credential=None, tiers=(), review="quarantine", tools=tools, set_pin=""
    )


def drafted(**needs: object) -> Draft:
    return spec.boundary(document(**needs))


def needs_of(draft: Draft) -> Mapping[str, tuple[ActionName, ...]]:
    return {clause.pattern: clause.needs for clause in draft.allow if clause.needs}


def version(draft: Draft) -> Version:
    return Version(draft=draft, version=1, state=BoundaryState.ACTIVE, rules=expand(draft, catalog).rules)


def test_it_is_kept_as_it_was_written() -> None:
    draft = drafted(export=["s/read", "s/list"])
    assert needs_of(draft) == {"s/export": ("s/list", "s/read")}
    assert draft_from(draft_text(draft)) == draft
    rules = expand(draft, catalog).rules
    assert rules_from(rules_text(rules)) == rules
    assert rules[ActionName("s/export")].needs == ("s/list", "s/read")


@pytest.mark.parametrize(
    "needs", ["s/list", ["s/*"], ["s/list", "s/list"], [], [7], ["list"], ["s:ping"], None],
)  # fmt: skip
def test_what_is_no_list_of_actions_is_refused(needs: object) -> None:
    with pytest.raises(SpecInvalid):
        drafted(export=needs)


def test_what_is_needed_stands_in_the_same_boundary() -> None:
    (problem,) = expand(drafted(export=["s/missing", "s/list"]), catalog).problems
    assert (problem.field, "s/missing" in problem.message) == ("allow.0.needs", True)


def test_nothing_needs_itself() -> None:
    assert expand(drafted(export=["s/list"], list=["s/read"]), catalog).problems == ()
    (problem,) = expand(drafted(export=["s/list"], list=["s/read"], read=["s/export"]), catalog).problems
    assert "needs itself" in problem.message


def test_a_pattern_does_not_need_what_it_covers() -> None:
    said = {**document(), "allow": [{"action": "s/*", "needs": ["s/list"]}]}
    found = expand(spec.boundary(said), catalog)
    assert found.problems == ()
    assert {action for action, rule in found.rules.items() if rule.needs} == {"s/export", "s/read", "s/write"}


def test_to_depend_or_to_depend_no_more_takes_a_person() -> None:
    free, bound = drafted(), drafted(export=["s/list"])
    assert widenings(version(free), bound, expand(bound, catalog)) == ["s/export: it needs s/list, which lasts longer"]
    assert widenings(version(bound), free, expand(free, catalog)) == ["s/export: it no longer needs s/list"]
    assert widenings(version(bound), bound, expand(bound, catalog)) == []


def test_what_a_person_takes_away_is_needed_no_more() -> None:
    bound = version(drafted(export=["s/list", "s/read"]))
    left = without(bound, {ActionName("s/list")})
    assert left is not None
    assert needs_of(left) == {"s/export": ("s/read",)}
    found = expand(left, catalog)
    assert found.problems == ()
    assert widenings(bound, left, found) == []
