from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.access.climbing import climbs
from remit.access.model import Bound, Rule
from remit.kernel.names import ActionName
from remit.policy.methods import bounded, names, unlisted_host

ELICIT = ActionName("s:elicitation/create")


class Asked:
    """As much of a call as the rule reads."""

    def __init__(self, **arguments: Any) -> None:
        self.action, self.arguments = ELICIT, arguments


def unlisted(*when: Bound, **arguments: Any) -> bool:
    call: Any = Asked(**arguments)
    return bool(unlisted_host(Rule(action=ELICIT, when=when), call))


@given(st.text(max_size=8), st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_url_needs_a_list_of_hosts_whatever_else_is_bounded(host: str, listed: list[str]) -> None:
    url = {"mode": "url", "url": f"https://{host}", "url_host": host}
    assert unlisted(**url)
    assert unlisted(Bound(argument="url", prefix="https://"), **url)
    assert not unlisted(Bound(argument="url_host", in_=tuple(listed)), **url)
    assert not unlisted(mode="form")


@given(st.text(max_size=4), st.text(min_size=1, max_size=4))
def test_a_name_is_seen_if_every_bound_on_it_holds(value: str, prefix: str) -> None:
    when = Bound(argument="uri", prefix=prefix), Bound(argument="level", in_=("x",))
    rule = Rule(action=ActionName("s:resources/read"), when=when)
    assert names(rule, "uri", value) == (value.startswith(prefix) and not climbs(value))


def test_what_passes_has_no_arguments() -> None:
    assert bounded("anything", is_tool=True)
    assert bounded("prompts/get", is_tool=False)
    for passing in ("ping", "resources/list", "initialize", "x/y"):
        assert not bounded(passing, is_tool=False)
