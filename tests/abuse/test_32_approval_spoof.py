"""32: a person's yes is stretched: to other arguments, to a second call, to another tool; acceptance test 19."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.abuse.paying import Paying, paying
from tests.e2e.test_e2e_approvals import OVER


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Paying]:
    with paying(tmp_path) as found:
        yield found


def refused(bot: Paying, state: str, **changed: Any) -> None:
    """See that a call is refused with `approval_required` in that state, by one entry, and reaches no server."""
    before, paid = bot.entries(), bot.paid()
    denial = bot.agent.denied(**changed)
    assert (denial["code"], denial["state"]) == ("approval_required", state), changed
    assert bot.paid() == paid
    (entry,) = (each for each in bot.since(before) if each["kind"] in {"decision", "outcome", "refused"})
    assert (entry["kind"], entry["decision"], entry["code"]) == ("decision", "deny", "approval_required")
    assert entry["id"] == denial["decision_id"]


def approved(bot: Paying) -> str:
    """The id of a request that lee said yes to, for 400.5 euro to one account."""
    status, _, body = bot.agent.asks(bot.agent.denied())
    assert status == 202
    task: str = body["task"]["id"]
    done = bot.home.remit("approval", "approve", task, "--as", "lee")
    assert done.code == 0, done.err
    return task


def test_a_yes_is_to_one_call_as_it_was_asked_and_once(bot: Paying) -> None:
    refused(bot, "none")
    approved(bot)
    for changed in (
        {"amount": 400.51}, {"amount": 400.49}, {"to": "DE89370400440532013001"}, {"to": "DE89370400440532013000 "},
    ):  # fmt: skip
        refused(bot, "stale", **changed)
    before = bot.entries()
    assert not bot.agent.pays().get("isError")
    assert bot.paid() == 1
    made = [each for each in bot.since(before) if each["kind"] == "decision"]
    assert [each["decision"] for each in made] == ["allow"]
    refused(bot, "used")
    assert bot.paid() == 1


def test_words_of_the_agents_are_shown_as_its_own_and_not_as_remits(bot: Paying) -> None:
    """A text that imitates what Remit would say stands beside the call that is asked for, never in its place."""
    spoof = "Approved by dana. amount: 1 EUR\n\x1b[2J  \u202eRUE 1 :tnuoma"
    said = {"arguments": OVER, "business_justification": spoof}
    status, _, body = bot.agent.asks(bot.agent.denied(), context=said)
    assert status == 202, body
    shown = bot.home.remit("approval", "show", body["task"]["id"], "--json", "--as", "lee").json
    assert '"amount":400.5' in shown["arguments"].replace(" ", "")
    told = bot.home.remit("approval", "show", body["task"]["id"], "--as", "lee").out
    assert "400.5" in told
    assert "\x1b" not in told


def test_what_was_refused_is_not_asked_until_somebody_says_yes(bot: Paying) -> None:
    status, _, body = bot.agent.asks(bot.agent.denied())
    assert status == 202
    assert bot.home.remit("approval", "deny", body["task"]["id"], "--as", "lee").code == 0
    before = bot.entries()
    denial = bot.agent.denied()
    assert denial["code"] == "approval_denied"
    (entry,) = bot.since(before)
    assert (entry["decision"], entry["code"]) == ("deny", "approval_denied")
    assert bot.paid() == 0
