"""28: an agent that asks Remit to widen its own access: by people's doors, for another purpose, with its own yes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.abuse.paying import Paying, paying, shown

from remit.sdk.grant import NotAuthorized
from remit.sdk.token import token


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Paying]:
    with paying(tmp_path) as found:
        yield found


# Doors that only people have.
DOORS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/boundaries/invoice-bot-payments/approve", {}),
    ("POST", "/v1/operators/tokens", {"person": "dana", "role": "owner"}),
    ("POST", "/v1/apply", {"files": {}}),
    ("POST", "/v1/servers/payments/approve", {"pins": {}}),
    ("GET", "/v1/agents/invoice-bot", None),
    ("POST", "/v1/freezes", {"kind": "agent", "name": "invoice-bot", "reason": "x"}),
    ("GET", "/v1/decisions", None),
]


def test_no_door_of_people_takes_its_token(bot: Paying) -> None:
    for method, path, body in DOORS:
        before = bot.entries()
        answer = bot.agent.send(method, path, body)
        assert shown(answer) == (401, "unauthenticated"), path
        (entry,) = bot.since(before)
        assert (entry["kind"], entry["error"]) == ("refused", "unauthenticated")
        assert entry["door"].startswith(f"{method} /v1/")
        # Nor under another scheme, or in a person's name.
        bearer = {"authorization": f"Bearer {bot.agent.held.access_token}", "remit_act_as": "dana"}
        assert shown(bot.agent.send(method, path, body, **bearer)) == (401, "unauthenticated"), path
    assert bot.paid() == 0


def test_a_person_who_may_not_is_recorded_too(bot: Paying) -> None:
    made = bot.home.remit("operator", "token", "mo", "--role", "viewer", "--json").json["token"]
    before = bot.entries()
    done = bot.home.remit("freeze", "invoice-bot", env={"REMIT_TOKEN": made, "REMIT_URL": bot.edge.url})
    assert done.code == 6, done.err
    found = [each for each in bot.since(before) if each["kind"] == "refused"]
    assert [(each["by"], each["error"], each["door"]) for each in found] == [("mo", "forbidden", "POST /v1/freezes")]


def test_no_token_for_another_purpose(bot: Paying) -> None:
    before = bot.entries()
    with pytest.raises(NotAuthorized, match="invalid_scope"):
        token("invoice-bot", str(bot.key), "pay-anything", url=bot.edge.url, server="payments")
    (entry,) = bot.since(before)
    assert (entry["kind"], entry["door"], entry["error"]) == ("refused", "token", "invalid_scope")


def test_it_asks_and_does_not_answer(bot: Paying) -> None:
    """Asking is what it is told to do; the yes is a person's, and no word of the agent's stands for it."""
    denial = bot.agent.denied()
    assert (denial["code"], denial["state"]) == ("approval_required", "none")
    status, _, body = bot.agent.asks(denial)
    assert status == 202
    task = body["task"]["id"]
    for path in (f"/v1/approvals/{task}/approve", f"/v1/approvals/{task}/deny"):
        before = bot.entries()
        assert shown(bot.agent.send("POST", path, {})) == (401, "unauthenticated")
        (entry,) = bot.since(before)
        assert (entry["kind"], entry["error"]) == ("refused", "unauthenticated")
    assert bot.agent.denied()["state"] == "pending"
    assert bot.paid() == 0
