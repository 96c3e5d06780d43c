"""Toxic combinations: who is in one, what is signalled, and that a signal does not end what raised it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import ActivationKey
from remit.catalog.model import Tier
from remit.certification.noticing.combination_spec import body, combination, from_body, servers_of
from remit.certification.noticing.combinations import (
    Combination,
    Severity,
    Signals,
    held,
    moved,
    signals_by_entitlement,
    toxic_keys,
)
from remit.certification.posture.privilege import Reach, Standing
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.people.document import SpecInvalid

PAY = Combination(combination="pay-and-payee", actions=("bank/pay*", "bank/add_payee"), why="x", severity=Severity.HIGH)
LEAK = Combination(combination="leak", actions=("*/export", "mail/send"), why="x", severity=Severity.CRITICAL)


def key(action: str, purpose: str = "work") -> ActivationKey:
    return ActivationKey(AgentName("bot"), PurposeName(purpose), ActionName(action), action.partition("/")[0])


def holds(action: str, quiet: Reach = Reach.DIRECT, *, purpose: str = "work", reach: Reach | None = None) -> Standing:
    return Standing(
        key=key(action, purpose), boundary="b", tier=Tier.HIGH, state="active", reason="", reach=reach or quiet,
        activation=None, left=None, quiet=quiet,
    )  # fmt: skip


def test_each_pattern_must_be_matched() -> None:
    assert held([PAY], [holds("bank/pay"), holds("bank/pay_all")]) == []
    (found,) = held([PAY], [holds("bank/pay"), holds("bank/add_payee"), holds("bank/list")])
    assert (found.combination, found.agent, found.reach) == (PAY, "bot", Reach.DIRECT)
    assert found.keys == (key("bank/add_payee"), key("bank/pay"))


def test_purposes_do_not_keep_them_apart() -> None:
    (found,) = held([PAY], [holds("bank/pay", purpose="a"), holds("bank/add_payee", purpose="b")])
    assert found.keys == (key("bank/pay", "a"), key("bank/add_payee", "b"))


@pytest.mark.parametrize(
    ("pay", "add", "reach"),
    [
        (Reach.DIRECT, Reach.DIRECT, Reach.DIRECT),
        (Reach.DIRECT, Reach.LATENT, Reach.LATENT),
        (Reach.LATENT, Reach.LATENT, Reach.LATENT),
        (Reach.DIRECT, Reach.PERSON, None),
        (Reach.NONE, Reach.DIRECT, None),
    ],
)
def test_direct_and_latent_count_and_it_says_which(pay: Reach, add: Reach, reach: Reach | None) -> None:
    found = held([PAY], [holds("bank/pay", pay), holds("bank/add_payee", add)])
    assert [each.reach for each in found] == ([] if reach is None else [reach])


def test_of_several_that_match_one_pattern_one_that_is_direct_is_enough() -> None:
    (found,) = held([PAY], [holds("bank/pay", Reach.LATENT), holds("bank/pay2"), holds("bank/add_payee")])
    assert found.reach is Reach.DIRECT
    assert len(found.keys) == 3


def test_what_the_signal_itself_took_away_is_still_held() -> None:
    (found,) = held([PAY], [holds("bank/pay", reach=Reach.PERSON), holds("bank/add_payee", reach=Reach.PERSON)])
    assert found.reach is Reach.DIRECT


def test_signals_start_and_end() -> None:
    both = held([LEAK, PAY], [holds("bank/pay"), holds("bank/add_payee"), holds("crm/export"), holds("mail/send")])
    assert [each.combination.combination for each in both] == ["leak", "pay-and-payee"]
    assert toxic_keys(both) == {key(name) for name in ("bank/pay", "bank/add_payee", "crm/export", "mail/send")}
    assert signals_by_entitlement(both[:1], {"work mail/send: leak", "work x/y: leak"}) == Signals(
        on=("work crm/export: leak",), off=("work x/y: leak",)
    )


@given(st.sets(st.text("abc", max_size=2)), st.sets(st.text("abc", max_size=2)))
def test_after_the_signals_are_set_nothing_more_is_to_be_set(now: set[str], before: set[str]) -> None:
    change = moved(now, before)
    assert (before | set(change.on)) - set(change.off) == now
    assert moved(now, now) == Signals((), ())


DOCUMENT: dict[str, Any] = {
    "combination": "leak", "actions": ["crm/export_*", "*/send"], "why": "Data leaves.", "severity": "critical",
}  # fmt: skip


def test_a_document_is_read_and_stored() -> None:
    found = combination(DOCUMENT)
    assert found == Combination(
        combination="leak", actions=("crm/export_*", "*/send"), why="Data leaves.", severity=Severity.CRITICAL
    )
    assert from_body(body(found)) == found
    assert servers_of(found) == [(0, "crm")]
    assert combination({key: value for key, value in DOCUMENT.items() if key != "severity"}).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"actions": ["crm/export"]}, "actions", "from 2 to 20 items"),
        ({"actions": ["crm/export", "crm/export"]}, "actions", "stands here twice"),
        ({"actions": ["crm/*", "crm/export"]}, "actions.1", "is part of crm/*"),
        ({"actions": ["crm", "crm/export"]}, "actions.0", "an action is server/tool"),
        ({"actions": ["crm/", "crm/export"]}, "actions.0", "an action is server/tool"),
        ({"actions": ["CRM/x", "crm/export"]}, "actions.0", "must match"),
        ({"actions": ["crm/a b", "crm/export"]}, "actions.0", "without spaces"),
        ({"severity": "low"}, "severity", "must be critical or high"),
        ({"why": ""}, "why", "from 1 to"),
        ({"combination": "Leak"}, "combination", "must match"),
        ({"owner": "dana"}, "owner", "unknown key"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(SpecInvalid) as raised:
        combination(DOCUMENT | change)
    (problem,) = raised.value.problems
    assert problem.field == field
    assert message in problem.message
