"""How long it takes to say whether a change of 1,000 policies widens anything, where the structure decides it.

Every policy of a thousand is changed so that it forbids more, a permit in five permits less: none widens, and each
must be proved. Both sets are read, compared and validated as `remit apply` has them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import finish, options, row

from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.names import ServerName, ToolName
from remit.policy import comparing, organisation
from remit.policy.cedar import CedarEngine
from remit.policy.rules import Rules

POLICIES, CHANGED = 1000, 50
FLOOR, AIM = 1.0, 0.5  # seconds


def files(limit: int, changed: int) -> dict[str, str]:
    """A thousand policies in twenty files; those up to `changed` have another limit."""
    found: dict[str, list[str]] = {}
    for number in range(POLICIES):
        most = limit if number < changed else 500
        action = f'Remit::Action::"payments/tool{number % 100}"'
        effect, operator = ("permit", "<") if number % 5 == 4 else ("forbid", ">")
        tests = f"context.input.amount {operator} {most}"
        text = (
            f'@id("p{number}")\n{effect} (principal == Remit::Agent::"agent-{number}", action == {action}, resource)\n'
        )
        text += f'when {{ {tests} && context.purpose == Remit::Purpose::"p{number % 7}" }};\n'
        found.setdefault(f"{number % 20}.cedar", []).append(text)
    return {file: "".join(texts) for file, texts in found.items()}


def catalog() -> list[Server]:
    """One server with the tools that the policies speak of."""
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    tools = {
        ToolName(f"tool{at}"): Tool(
            name=ToolName(f"tool{at}"), tier=Tier.HIGH, pin="-", definition={"inputSchema": schema}, seen=None,
            state=PinState.APPROVED,
        )
        for at in range(100)
    }  # fmt: skip
    return [
        Server(
            server=ServerName("payments"), url="http://127.0.0.1/mcp", credential=None, tiers=(), review="quarantine",
            tools=tools, set_pin="",
        )
    ]  # fmt: skip


def seconds(changed: int, rounds: int) -> tuple[list[float], list[float]]:
    """Of each round: all of it, and how long reading the two sets takes alone."""
    engine, servers = CedarEngine(), catalog()
    before, after = files(500, 0), files(400, changed)
    whole, reading = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        organisation.read(before, engine)
        organisation.read(after, engine)
        middle = time.perf_counter()
        sets, read = (Rules(before, {}), Rules(after, {})), lambda files: organisation.read(files, engine)
        if widened := comparing.widens(*sets, engine, servers, read=read, declared={}):
            raise RuntimeError(widened[0])
        whole.append(time.perf_counter() - middle)
        reading.append(middle - start)
    return whole, reading


def main() -> int:
    """Measure and report."""
    asked = options(__doc__, rounds=3).parse_args()
    rows = []
    for changed in (CHANGED, POLICIES):
        whole, reading = seconds(changed, asked.rounds)
        what = f"{changed} of {POLICIES} policies changed"
        rows.append(row(f"{what}: proved not to widen", whole, "s", floor=FLOOR, aim=AIM, less_is_better=True))
        rows.append(row(f"{what}: of it, reading both sets", reading, "s", less_is_better=True))
    return finish("policy_diff", rows, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
