"""Drives one agent framework with a scripted model. Run in a virtual environment that has the frameworks.

    python driving.py FRAMEWORK     the case as JSON on the first line of stdin; a line of JSON for each phase

What a run says: of each call, whether the tool ran, and what the model was told.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from remit.sdk.auth import AgentAuth
from remit.sdk.decision import Decision
from remit.sdk.guard import Guard

ACTIONS = {"transfer": "payments/transfer", "purge": "payments/purge"}


@dataclass
class Case:
    """The calls that the model makes, and what came of them."""

    guard: Any
    calls: list[tuple[str, dict[str, Any]]]
    ran: list[str] = field(default_factory=list)

    def paid(self, to: str, amount: float, currency: str) -> str:
        self.ran.append(f"transfer {to} {amount} {currency}")
        return "paid"

    def purged(self) -> str:
        self.ran.append("purge")
        return "purged"


class Watched(Guard):
    """A guard whose decisions are looked at."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[Decision] = []

    async def authorize(self, *args: Any, **keywords: Any) -> Decision:
        self.seen.append(await super().authorize(*args, **keywords))
        return self.seen[-1]


class Raising:
    """A guard that is broken."""

    async def authorize(self, *_: Any, **__: Any) -> Decision:
        raise RuntimeError("the guard is broken")


async def broken(*_: Any) -> Decision:
    """In the place of what an adapter decides with: the hook itself fails."""
    raise RuntimeError("the hook is broken")


async def played(play: Callable[[Case], Coroutine[Any, Any, list[str]]], guard: Any, *calls: Any) -> dict[str, Any]:
    case = Case(guard, [(name, arguments) for name, arguments in calls])
    try:
        told = await play(case)
    except Exception as error:  # noqa: BLE001 - a run that ends with an error has blocked the call
        told = [f"raised {type(error).__name__}: {error}"]
    return {"ran": case.ran, "told": told}


def said(found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


async def main(framework: str) -> None:
    case = json.loads(sys.stdin.readline())
    driver = importlib.import_module(f"driving_{framework}")
    guard = Watched(AgentAuth(case["url"], "invoice-bot", case["key"], "pay-invoices"), case["url"])
    found = await played(driver.play, guard, *case["calls"])
    decisions = [each.decision_id for each in guard.seen]
    said({**found, "decisions": decisions})
    await asyncio.to_thread(sys.stdin.readline)  # Remit is stopped meanwhile
    stopped = await played(driver.play, guard, case["calls"][0])
    raised = await played(driver.play, Raising(), case["calls"][0])
    driver.adapter.decided = broken
    hook = await played(driver.play, guard, case["calls"][0])
    said({"stopped": stopped, "guard raises": raised, "hook raises": hook})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
