"""How many calls are denied of a caller that knows only the tools' schemas: as servers list them, and as Remit does.

The caller (`schema_values`) knows nothing of Remit, of boundaries or of refusals: it draws arguments
that fit the schema it was shown, and never learns. Both kinds of list are asked for the same agent
and purpose; every draw is decided in process by the same view, with the effects dropped, so no limit
runs out. A call that a person would have to approve counts as denied.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import decisions
from benchmarks.decisions import AGENT, FAR, PAY
from benchmarks.report import finish, options, row
from benchmarks.schema_values import Caller

from remit.access.activation import Activation
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Purpose, PurposeState, Rate, Rule
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.enforcement import lists
from remit.kernel.clock import Instant, SystemClock
from remit.kernel.names import ActionName, BoundaryName, DecisionId, OwnerName, ServerName, ToolName
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.model import Call, Code
from remit.policy.service import PolicyService
from remit.policy.view import View

FLOOR, AIM = -50.0, -80.0
OFFICE = ServerName("office")


def _object(required: str = "", **properties: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON Schema
    return {"type": "object", "properties": properties, "required": required.split()}


_TEXT = {"type": "string"}
_IBANS = ["DE89370400440532013000", "FR1420041010050500013M02606", "GB29NWBK60161331926819"]
# What the tools take: with and without ranges of their own, optional arguments, lists, enums, free text.
TOOLS: dict[str, dict[str, Any]] = {
    "transfer": _object(
        "to amount currency", to=_TEXT | {"examples": _IBANS}, amount={"type": "number"},
        currency=_TEXT | {"enum": ["EUR", "USD", "GBP", "CHF"]},
    ),
    "refund": _object("amount", amount={"type": "number", "minimum": 0}, reason=_TEXT | {"enum": ["damage", "late"]}),
    "list_invoices": _object(limit={"type": "integer", "minimum": 1, "maximum": 100}),
    "export": _object(
        "rows", rows={"type": "integer", "minimum": 1, "maximum": 10_000}, format=_TEXT | {"enum": ["csv", "xlsx"]}
    ),
    "read_file": _object(
        "path", path=_TEXT | {"examples": ["/invoices/2026-11.pdf", "/invoices/index", "/hr/pay.csv", "/etc/passwd"]}
    ),
    "send_mail": _object(
        "to subject", to=_TEXT | {"examples": ["ap@example.test", "ceo@example.test", "all@example.test"]},
        subject=_TEXT | {"examples": ["Invoice 12", "Reminder: " + "please pay " * 10]},
        copies={"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    ),
    "resize": _object("count", count={"type": "integer"}),
    "label": _object("tags", tags={"type": "array", "items": _TEXT | {"enum": ["paid", "open", "secret", "legal"]}}),
    "search": _object(
        "limit region", limit={"type": "integer", "minimum": 1}, region=_TEXT | {"examples": ["eu", "us", "apac"]}
    ),
}  # fmt: skip


def _rule(tool: str, *when: Bound, **parts: Any) -> Rule:  # noqa: ANN401 - a rule's own
    return Rule(action=ActionName(f"{OFFICE}/{tool}"), when=when, first_use="auto", **parts)


def _most(argument: str, most: str, least: str | None = None) -> Bound:
    return Bound(argument=argument, max=Decimal(most), min=None if least is None else Decimal(least))


def _within(argument: str, *these: str) -> Bound:
    return Bound(argument=argument, in_=these)


# What one agent may do with them: the usual bounds, an approval threshold, and two boundaries on one tool.
RULES: dict[str, tuple[Rule, ...]] = {
    "work": (
        _rule(
            "transfer", _most("amount", "500.00"), _within("currency", "EUR"), rate=Rate(count=10**6, per="min"),
            budget=Budget(argument="amount", max=Decimal(10**9), per="month"),
            approval_above=(("amount", Decimal("250.00")),),
        ),
        _rule("refund", _most("amount", "50.00")),
        _rule("list_invoices"),
        _rule("export", _most("rows", "1000"), _within("format", "csv")),
        _rule("read_file", Bound(argument="path", prefix="/invoices/")),
        _rule("send_mail", _within("to", "ap@example.test"), Bound(argument="subject", max_length=80)),
        _rule("resize", _most("count", "10", "1")),
        _rule("label", _within("tags", "paid", "open")),
        _rule("search", _most("limit", "100"), _within("region", "eu")),
    ),
    "work-us": (_rule("search", _most("limit", "50"), _within("region", "us")),),
}  # fmt: skip
# How large a number usually is: the bound, where there is one.
SCALE: dict[str, dict[str, Decimal]] = {
    tool: {
        bound.argument: bound.max
        for rules in RULES.values()
        for rule in rules
        for bound in rule.when
        if rule.action == f"{OFFICE}/{tool}" and bound.max is not None
    }
    for tool in TOOLS
}
# What no schema can say: an organisation's policy over two arguments at once.
_POLICY = """
@id("no-large-transfers-abroad")
forbid (principal, action == Remit::Action::"office/transfer", resource)
when { context.input has to && context.input.to like "GB*" && context.input has amount
       && context.input.amount.greaterThan(decimal("100.00")) };
"""


class Estate(decisions.Estate):
    """One agent with two boundaries on one server."""

    def purposes(self, _connection: Connection) -> Iterable[Purpose]:
        yield Purpose(
            purpose=PAY, statement="Office work", actions=("office/*",), data_classes=(), not_after=FAR,
            state=PurposeState.ACTIVE,
        )  # fmt: skip

    def boundaries(self, _connection: Connection) -> Iterable[Boundary]:
        for name, rules in RULES.items():
            yield Boundary(
                boundary=BoundaryName(name), version=1, agent=AGENT, purpose=PAY,
                rules={rule.action: rule for rule in rules}, not_after=FAR, state=BoundaryState.ACTIVE,
                approved_by=OwnerName("dana"), approved_at=Instant(0),
            )  # fmt: skip

    def servers(self, _connection: Connection) -> Iterable[Server]:
        tools = [
            Tool(
                name=ToolName(name), tier=Tier.LOW, pin="00" * 32, definition={"name": name, "inputSchema": schema},
                seen=None, state=PinState.APPROVED,
            )
            for name, schema in TOOLS.items()
        ]  # fmt: skip
        yield Server(
            server=OFFICE, url="http://127.0.0.1:9101/mcp", credential=None, tiers=(), review="pin-on-first-use",
            tools={tool.name: tool for tool in tools}, set_pin="",
        )  # fmt: skip

    def activations(self, _connection: Connection, _agent: str) -> Iterable[Activation]:
        return ()

    def policies(self, _connection: Connection) -> Mapping[str, str]:
        return {"organisation.cedar": _POLICY}


@dataclass(frozen=True, slots=True)
class Office:
    """The decision point, and what it decides on."""

    policy: PolicyService
    view: View
    now: Instant

    @classmethod
    def open(cls) -> Office:
        clock, estate, engine = SystemClock(), Estate(), CompiledEngine(CedarEngine())
        now = clock.now()
        facts = Facts(source=estate, engine=engine, contact=lambda: now, reader=estate)
        facts.load(cast("Connection", None), epoch=1)
        facts.prepare(AGENT)
        policy = PolicyService(facts=facts, engine=engine, clock=clock, mac=lambda _: "", docs="/errors")
        return cls(policy, policy.view(), now)

    def listed(self, *, narrow: bool) -> dict[str, Mapping[str, Any]]:
        """The schemas that `tools/list` shows."""
        view, server = self.view, self.view.servers[OFFICE].server

        def told(action: ActionName, schema: Mapping[str, Any]) -> Mapping[str, Any]:
            return self.policy.narrowed(view, CALLER, action, schema, now=self.now) if narrow else schema

        shown = lists.shown(server, self.policy.shown(view, CALLER), told)
        return {str(tool["name"]): tool["inputSchema"] for tool in shown}

    def denied(self, tool: str, arguments: dict[str, Any]) -> Code | None:
        """The code of a call's denial, or None."""
        call = Call(
            id=DecisionId(""), caller=CALLER, server=OFFICE, action=ActionName(f"{OFFICE}/{tool}"),
            tool=ToolName(tool), arguments=arguments, hypothetical=True,
        )  # fmt: skip
        denial = self.policy.decide(call, self.view, now=self.now).answer.denial
        return None if denial is None else denial.code


CALLER = decisions._CALLER  # noqa: SLF001 - the same agent as the other measurements'


@dataclass(frozen=True, slots=True)
class Tally:
    """Of `calls` calls, how many were denied, and how many of those wait for a person."""

    calls: int
    denied: int
    approvals: int


def tally(office: Office, schemas: Mapping[str, Mapping[str, Any]], *, count: int, seed: int) -> Tally:
    """Draw `count` calls of each tool and decide them."""
    chance = random.Random(seed)
    codes = [
        office.denied(tool, caller.arguments())
        for tool, schema in sorted(schemas.items())
        for caller in [Caller(schema, SCALE[tool], chance)]
        for _ in range(count)
    ]
    assert Code.ENFORCEMENT_UNAVAILABLE not in codes
    return Tally(len(codes), sum(code is not None for code in codes), codes.count(Code.APPROVAL_REQUIRED))


def measure(*, rounds: int, count: int) -> list[dict[str, Any]]:
    """Rounds with chances of their own; both lists get the same."""
    office = Office.open()
    pinned, narrowed = office.listed(narrow=False), office.listed(narrow=True)
    assert pinned.keys() == narrowed.keys() == TOOLS.keys()
    before = [tally(office, pinned, count=count, seed=seed) for seed in range(rounds)]
    after = [tally(office, narrowed, count=count, seed=seed) for seed in range(rounds)]
    fewer = [100 * (b.denied - a.denied) / a.denied for a, b in zip(before, after, strict=True)]
    return [
        row("denied calls of a schema-only caller, narrowed lists", fewer, "%", floor=FLOOR, aim=AIM,
            less_is_better=True),
        row("  denied with the servers' lists", [100 * each.denied / each.calls for each in before], "%"),
        row("  denied with narrowed lists", [100 * each.denied / each.calls for each in after], "%"),
        row("    of these, waiting for a person", [100 * each.approvals / each.calls for each in after], "%"),
    ]  # fmt: skip


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=400, help="calls of each tool per round")
    chosen = parser.parse_args()
    return finish("schema_caller", measure(rounds=chosen.rounds, count=chosen.count), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
