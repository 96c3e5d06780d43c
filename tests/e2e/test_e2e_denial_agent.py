"""A scripted agent that is given mandate and denials, and no word for people: it finishes or stops, and never loops."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.denial_agent import MOST_CALLS, Task, heed
from tests.e2e.running import BOUNDARY, Home, Up

from remit.policy.model import Code
from remit.sdk.denial import Denial, read

AGENT = str(Path(__file__).with_name("denial_agent.py"))
AUDIT = """\
purpose: audit
statement: Look at payments
actions: ["payments/list_*"]
data_classes: [financial]
not_after: 2029-06-30
"""
ALL = ["change_arguments", "wait", "request_access", "step_up", "alternative_action", "stop"]


def run(up: Up, key: Path, *tasks: dict[str, Any], purpose: str = "pay-invoices", mandate: bool = False) -> Any:
    plan = json.dumps({"purpose": purpose, "mandate": mandate, "tasks": tasks})
    command = [sys.executable, AGENT, up.ready["api"], str(key)]
    done = subprocess.run(command, input=plan, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def transfer(amount: float, currency: str = "EUR", *, flexible: bool = False) -> dict[str, Any]:
    arguments = {"to": "Acme", "amount": amount, "currency": currency}
    return {"server": "payments", "tool": "transfer", "arguments": arguments, "flexible": flexible}


LIST = {"server": "payments", "tool": "list_invoices", "arguments": {}}


@pytest.fixture
def key(home: Home, served: Up, files: Path) -> Path:
    """The agent's key; its boundary lets it list once in a second."""
    (files / "purposes" / "audit.yaml").write_text(AUDIT, encoding="utf-8")
    agent = files / "agents" / "invoice-bot.yaml"
    agent.write_text(agent.read_text("utf-8").replace("[pay-invoices]", "[pay-invoices, audit]"), encoding="utf-8")
    listing = '{action: "payments/list_*", limits: {rate: 1/second}}'
    boundary = BOUNDARY.replace('{action: "payments/list_*"}', listing).replace("rate: 30/min", "rate: 9000/hour")
    boundary = boundary.replace('"5000.00"', '"500000.00"')
    (files / "boundaries" / "invoice-bot.yaml").write_text(boundary, encoding="utf-8")
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return files / "agents" / "invoice-bot"


def test_it_lowers_waits_takes_what_is_offered_asks_and_stops(home: Home, served: Up, key: Path) -> None:
    found = run(served, key, transfer(900, flexible=True), transfer(900), transfer(10, "USD"), LIST, LIST, LIST)
    lowered, fixed, currency, *lists = found
    assert (lowered["end"], lowered["codes"], lowered["arguments"]["amount"]) == ("done", ["constraint_violated"], 250)
    for each in (fixed, currency):
        assert (each["end"], each["calls"], each["codes"]) == ("asked", 1, ["constraint_violated"])
    assert {each["end"] for each in lists} == {"done"}
    assert {code for each in lists for code in each["codes"]} <= {"rate_limited"}
    (another,) = run(served, key, transfer(10), purpose="audit")
    assert (another["end"], another["codes"], another["calls"]) == ("done", ["purpose_mismatch"], 2)
    for kind, name, code in (("server", "payments", "revoked"), ("agent", "invoice-bot", "TokenRefused")):
        assert home.remit("freeze", kind, name).code == 0
        (frozen,) = run(served, key, transfer(10))
        assert (frozen["end"], frozen["codes"], frozen["calls"]) == ("stopped", [code], 1)


@pytest.mark.slow
def test_with_its_mandate_it_makes_a_fifth_of_the_denied_calls_at_most(served: Up, key: Path) -> None:
    chance = random.Random(20261127)
    tasks = [transfer(chance.randint(1, 900), chance.choice(["EUR", "EUR", "USD"])) for _ in range(40)]
    blind, guided = (run(served, key, *tasks, mandate=mandate) for mandate in (False, True))
    denied = [sum(len(each["codes"]) for each in found) for found in (blind, guided)]
    assert denied[0] >= 20
    assert denied[1] * 5 <= denied[0]
    done = [[at for at, each in enumerate(found) if each["end"] == "done"] for found in (blind, guided)]
    assert done[0] == done[1]  # and it leaves out nothing that it may do


def told(code: str, *kinds: str) -> Denial:
    """A denial as a hostile or a broken door might repeat it for ever."""
    more: dict[str, dict[str, object]] = {
        "change_arguments": {"path": "/amount", "max": "5.00"},
        "wait": {"retry_after": 1},
        "alternative_action": {"action": "payments/draft"},
    }
    remedies = [{"kind": kind, **more.get(kind, {})} for kind in kinds]
    body = {"code": code, "remedies": remedies, "retry_after": 1, "violations": []}
    found = read({"isError": True, "_meta": {"dev.remit/denial": body}})
    assert found is not None
    return found


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("kinds", [ALL, [], *([kind] for kind in ALL), ["wait", "alternative_action"]], ids=",".join)
def test_whatever_it_is_told_for_ever_it_comes_to_an_end(code: str, kinds: list[str]) -> None:
    task = Task("payments", "transfer", {"amount": 9.0}, "pay-invoices", flexible=True)
    seen = []
    for _ in range(MOST_CALLS):
        seen.append(repr([task.action, task.purpose, task.arguments, task.waits]))
        if heed(task, told(code, *kinds)) is None:
            break
    assert task.end in {"asked", "stopped"}
    assert len(set(seen)) == len(seen)  # no call twice, unless it waited between
    if kinds in (["stop"], ["step_up"], []):
        assert (task.end, len(seen)) == ("stopped", 1)
    if kinds == ["request_access"]:
        assert (task.end, len(seen)) == ("asked", 1)
