"""An agent's own code behind `remit.sdk.guard`, at a real `remit up`: decided, recorded, reported, and never more."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import Home, Up

from remit.sdk.asking import PointToken
from remit.sdk.auth import AgentAuth
from remit.sdk.decision import Decision, Denied
from remit.sdk.guard import Guard
from remit.sdk.mandate import fetch

GOOD: dict[str, Any] = {"to": "Acme", "amount": Decimal("10.50"), "currency": "EUR"}


@pytest.fixture
def key(home: Home, served: Up, files: Path) -> Path:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return files / "agents" / "invoice-bot"


def own(up: Up, key: Path) -> Guard:
    url = up.ready["api"]
    return Guard(AgentAuth(url, "invoice-bot", key, "pay-invoices"), url)


def why(home: Home, decision: Decision) -> dict[str, Any]:
    assert decision.decision_id is not None
    told: dict[str, Any] = home.remit("why", decision.decision_id, "--json").json
    return told


def test_a_guarded_tool_runs_only_what_was_decided_and_says_how_it_ended(home: Home, served: Up, key: Path) -> None:
    guard, ran, seen, runs = own(served, key), [], list[Decision](), asyncio.Event()
    authorize = guard.authorize

    async def watched(*args: Any, **keywords: Any) -> Decision:
        seen.append(await authorize(*args, **keywords))
        return seen[-1]

    guard.authorize = watched  # type: ignore[method-assign] # only looked at

    @guard.tool("payments/transfer")
    async def transfer(to: str, amount: Decimal, currency: str = "EUR") -> str:
        ran.append((to, amount, currency))
        if to == "broken":
            raise RuntimeError("the bank is closed")
        if to == "slow":
            runs.set()
            await asyncio.Event().wait()
        return "paid"

    async def scenario() -> None:
        async with guard:
            assert await transfer("Acme", Decimal("10.50")) == "paid"
            with pytest.raises(RuntimeError):
                await transfer("broken", Decimal(1))
            running = asyncio.create_task(transfer("slow", Decimal(1)))
            await runs.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            with pytest.raises(Denied) as refused:
                await transfer("Acme", Decimal(501))
            assert refused.value.denial.code == "constraint_violated"
            assert refused.value.denial.change("amount") == Decimal("500.00")

    asyncio.run(scenario())
    assert [each[0] for each in ran] == ["Acme", "broken", "slow"]
    found = [why(home, each) for each in seen]
    header = found[0]["header"]
    assert (header["pep"], header["cooperative"], header["run"][:4]) == ("sdk:invoice-bot", True, "run_")
    assert [each["outcome"] and each["outcome"]["outcome"] for each in found] == [
        "ok",
        "error",
        "outcome_unknown",
        None,
    ]
    assert [each["header"]["decision"] for each in found] == ["allow", "allow", "allow", "deny"]


def test_of_whom_and_what_it_may_not_see_it_learns_nothing(home: Home, served: Up, key: Path) -> None:
    guard = own(served, key)
    one = guard.authorize_sync("payments/nothing", arguments={})
    other = guard.authorize_sync("nowhere/nothing", arguments={})
    assert (one.denial and one.denial.code, other.denial and other.denial.code) == ("not_granted", "not_granted")
    # Another's name, or another purpose, is refused alike whether there is such a one or not.
    for agent in ("other-bot", "nobody"):
        guard.agent = agent
        refused = guard.authorize_sync("payments/transfer", arguments=GOOD)
        assert refused.denial is not None
        assert (refused.allowed, refused.denial.code) == (False, "enforcement_unavailable")
        assert "an agent asks for itself" in refused.denial.title
    guard.close()


def test_frozen_stopped_or_offline_it_is_refused(home: Home, served: Up, key: Path) -> None:
    guard, url = own(served, key), served.ready["api"]
    mandate = fetch(url, AgentAuth(url, "invoice-bot", key, "pay-invoices"))
    assert guard.authorize_sync("payments/list_invoices", arguments={})
    assert home.remit("freeze", "invoice-bot").code == 0
    frozen = guard.authorize_sync("payments/transfer", arguments=GOOD)
    assert (frozen.allowed, frozen.denial and frozen.denial.code) == (False, "revoked")
    served.end()
    gone = guard.authorize_sync("payments/transfer", arguments=GOOD)
    assert gone.denial is not None
    assert (gone.allowed, gone.decision_id, gone.denial.code) == (False, None, "enforcement_unavailable")
    assert gone.denial.retryable
    advice = guard.check_offline("payments/transfer", GOOD, mandate=mandate)
    assert (advice.advisory, advice.nothing_against) == (True, True)
    assert guard.check_offline("payments/transfer", {**GOOD, "amount": 501}, mandate=mandate).problems
    assert guard.check_offline("payments/nothing", {}, mandate=mandate).problems
    assert guard.check_offline("payments/transfer", GOOD, mandate=mandate, now=mandate.expires).problems
    assert guard.check_offline("payments/transfer", GOOD, mandate=None).problems
    guard.close()


def test_an_enforcement_point_guards_for_the_agent_it_names(home: Home, served: Up, key: Path) -> None:
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    guard = Guard(PointToken(token), served.ready["api"], agent="invoice-bot", purpose="pay-invoices")

    @guard.tool("payments/transfer", denied=lambda refused: refused.json)
    def transfer(to: str, amount: float, currency: str) -> str:
        return "paid"

    assert transfer("Acme", 10.5, "EUR") == "paid"
    assert '"constraint_violated"' in transfer("Acme", 1000, "EUR")
    allowed = guard.authorize_sync("payments/transfer", arguments=GOOD)
    assert guard.report_sync(allowed, "not_sent")
    told = why(home, allowed)
    assert (told["header"]["pep"], told["header"].get("cooperative")) == ("edge", None)
    assert told["outcome"]["outcome"] == "not_sent"
    guard.close()
