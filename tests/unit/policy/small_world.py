"""A small world and policies about it: one or two things, read in many spellings that nearly mean the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from remit.kernel.clock import SECOND, Instant, parse_date_end
from remit.policy import schema
from remit.policy.trial import Trial
from remit.policy.view import ServerRecord

NOW = Instant(parse_date_end("2026-11-27"))  # midnight: the first moment of the 28th
AMOUNT, COUNT, CURRENCY, TAGS = (f"context.input.{name}" for name in ("amount", "count", "currency", "tags"))
TEN, MORE, TWENTY = (f'decimal("{number}")' for number in ("10.0", "10.0001", "20.00"))
ORDERS = ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
GROUPS = ("server:payments", "tier:low")
TRANSFER, LIST = 'Remit::Action::"payments/transfer"', 'Remit::Action::"payments/list_invoices"'

FAMILIES: Mapping[str, list[str]] = {
    "amount": [
        *(f"{AMOUNT}.{order}({number})" for order in ORDERS for number in (TEN, MORE, TWENTY)),
        *(f"{number}.{order}({AMOUNT})" for order in ORDERS[::2] for number in (TEN, TWENTY)),
        f"{AMOUNT} == {TEN}", f'{AMOUNT} != decimal("10.000")', f"[{TEN}, {TWENTY}].contains({AMOUNT})",
        f"{AMOUNT} == 10", f"{AMOUNT} > 10", f'{AMOUNT}.lessThan(decimal("ten"))',
    ],
    "count": [
        *(f"{COUNT} {order} {number}" for order in ("<", "<=", ">", ">=", "==", "!=") for number in (5, 6)),
        *(f"{number} {order} {COUNT}" for order in ("<", ">=") for number in (5, 6)),
        f"[5, 6].contains({COUNT})", f'[5, "5"].contains({COUNT})', f"{COUNT} + 1 > 6", f"{COUNT} == {COUNT}",
        f"{COUNT} + 9223372036854775802 > 5", f'{COUNT} == "5"', f'{COUNT} like "5"', f"{COUNT} == true", COUNT,
        f"if context.input has count then {COUNT} > 5 else true", "context.input has count",
    ],
    "currency": [
        *(f'{CURRENCY} {equal} "{name}"' for equal in ("==", "!=") for name in ("EUR", "E", "USD")),
        *(f'{CURRENCY} like "{glob}"' for glob in ("E*", "EU*", "*R", "E*R", "EUR", "*", "E\\*", "")),
        *(f"[{names}].contains({CURRENCY})" for names in ('"EUR"', '"EUR", "USD"', '"USD", "EUR"', "")),
        f'"EUR" == {CURRENCY}', f"{CURRENCY} > 5", f"{CURRENCY} == 5",
    ],
    "tags": [
        *(f"{TAGS}.{word}" for word in ('contains("a")', 'contains("b")', 'containsAll(["a"])', "isEmpty()")),
        *(f"{TAGS}.{word}" for word in ('containsAny(["a", "b"])', 'containsAny(["b", "a"])', 'containsAll(["b"])')),
        f'{TAGS} == ["a"]', f'{TAGS} == ["a", "a"]', f'["a"].containsAll({TAGS})', "context.input has tags",
    ],
    "who": [
        *(f"principal in {name}" for name in ('Remit::Owner::"o"', 'Remit::Agent::"a"', "principal.owner")),
        'principal == Remit::Agent::"a"', 'Remit::Agent::"a" == principal', 'principal != Remit::Agent::"a"',
        'principal in [Remit::Agent::"a", Remit::Owner::"n"]', '[Remit::Agent::"a"].contains(principal)',
        "principal is Remit::Agent", 'principal is Remit::Agent in Remit::Owner::"o"', "principal is Remit::Owner",
        'principal.owner == Remit::Owner::"o"', 'principal.owner.name == "o"', 'principal.version == "2"',
        'principal.version like "2*"', 'Remit::Agent::"nobody".version == "2"', "principal has version",
        'principal.none == "x"', 'context.purpose.data_classes.contains("pii")',
        "context.purpose.data_classes.isEmpty()",
    ],
    "what": [
        *(f'action {word} Remit::Action::"{name}"' for word in ("in", "==") for name in GROUPS),
        f"action == {TRANSFER}", f"action in [{TRANSFER}, {LIST}]", f"action != {LIST}", f"action in {LIST}",
        f"[{TRANSFER}].contains(action)", f'action in [Remit::Action::"tier:low", {TRANSFER}]',
        'resource == Remit::Server::"payments"', 'resource.name == "payments"',
    ],
    "when": [
        *(f'context.now {order} datetime("2026-11-28")' for order in ("<", "<=", ">", ">=", "==")),
        'context.now < datetime("2026-11-28T01:00:00+0100")', 'datetime("2026-11-28T00:00:00.000Z") > context.now',
        'context.now < datetime("2026-12-05")', 'context.now.toTime() < duration("1h")', "true", "false",
    ],
}  # fmt: skip
VALUES: Mapping[str, list[Any]] = {
    "amount": [10, 5, Decimal("10.0001"), 20, Decimal("25.5")],
    "count": [None, 4, 5, 6, 7],
    "currency": ["EUR", "E", "USD", "XR", "E*"],
    "tags": [None, [], ["a"], ["b"], ["a", "b"]],
}
GUARDED = frozenset({"count", "tags"})
PEOPLE = [("a", "o", "1", ()), ("b", "n", "2", ("pii",)), ("b", "o", "1", ())]
PRINCIPALS = ["principal"] * 3 + [
    'principal == Remit::Agent::"a"', 'principal in Remit::Owner::"o"', "principal is Remit::Agent",
    'principal is Remit::Agent in Remit::Owner::"o"',
]  # fmt: skip
ACTIONS = [f"action == {TRANSFER}"] * 3 + [
    "action", f"action in [{TRANSFER}, {LIST}]", f"action in [{TRANSFER}]",
    'action in Remit::Action::"server:payments"',
    'action in [Remit::Action::"tier:critical", Remit::Action::"tier:low"]',
]  # fmt: skip


EDITS = ["swap", "swap", "turn", "wider", "wider", "drop", "split", "add", "who", "what", "effect", "gone"]


@dataclass(frozen=True)
class Clause:
    """`when` or `unless`, and what."""

    kind: str
    parts: tuple[str, ...]  # of an `||`

    def text(self) -> str:
        return f" {self.kind} {{ {' || '.join(f'({part})' for part in self.parts)} }}"

    def turned(self) -> Clause:
        """The same in another spelling."""
        inner = "(" + " || ".join(f"({part})" for part in self.parts) + ")"
        return Clause("unless" if self.kind == "when" else "when", (f"!{inner}",))


@dataclass(frozen=True)
class Statement:
    """One policy."""

    effect: str
    principal: str
    action: str
    clauses: tuple[Clause, ...]

    def text(self) -> str:
        conditions = "".join(each.text() for each in self.clauses)
        return f"{self.effect} ({self.principal}, {self.action}, resource){conditions};"


@st.composite
def atoms(draw: st.DrawFn, families: list[str]) -> str:
    family = draw(st.sampled_from(families))
    text = draw(st.sampled_from(FAMILIES[family]))
    guard = family in GUARDED and draw(st.integers(0, 2))
    negated = draw(st.integers(0, 4)) == 0
    found = f"context.input has {family} && ({text})" if guard else text
    return f"!({found})" if negated else found


def clauses(families: list[str]) -> st.SearchStrategy[Clause]:
    parts = st.lists(atoms(families), min_size=1, max_size=3).map(tuple)
    return st.builds(Clause, st.sampled_from(["when", "when", "unless"]), parts)


@st.composite
def edited(draw: st.DrawFn, one: Statement, families: list[str]) -> list[Statement]:
    """What becomes of a policy: little, so that it is often proved to stop as much as it did."""
    how = draw(st.sampled_from(EDITS))
    held = list(one.clauses)
    at = draw(st.integers(0, len(held) - 1)) if held else 0
    if how == "gone":
        return []
    if how in {"swap", "drop", "turn", "wider"} and held:
        parts, atom = held[at].parts, draw(atoms(families))
        place = draw(st.integers(0, len(parts) - 1))
        held[at] = {
            "swap": Clause(held[at].kind, (*parts[:place], atom, *parts[place + 1 :])),
            "wider": Clause(held[at].kind, (*parts, atom)),
            "turn": held[at].turned(),
            "drop": Clause("when", ("true",)),
        }[how]
    if how == "split" and held and held[at].kind == "when":
        apart = [Clause("when", (part,)) for part in held[at].parts]
        return [Statement(one.effect, one.principal, one.action, (*held[:at], part, *held[at + 1 :])) for part in apart]
    if how == "add":
        held.insert(draw(st.integers(0, len(held))), draw(clauses(families)))
    return [
        Statement(
            ("permit" if one.effect == "forbid" else "forbid") if how == "effect" else one.effect,
            draw(st.sampled_from(PRINCIPALS)) if how == "who" else one.principal,
            draw(st.sampled_from(ACTIONS)) if how == "what" else one.action,
            tuple(held),
        )
    ]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    families = draw(st.lists(st.sampled_from(sorted(FAMILIES)), min_size=1, max_size=2, unique=True))
    statement = st.builds(
        Statement, st.sampled_from(["forbid", "forbid", "forbid", "permit"]), st.sampled_from(PRINCIPALS),
        st.sampled_from(ACTIONS), st.lists(clauses(families), min_size=1, max_size=2).map(tuple),
    )  # fmt: skip
    first = draw(st.lists(statement, min_size=1, max_size=2))
    second = [after for each in first for after in draw(edited(each, families))]
    if draw(st.booleans()):
        second += draw(st.lists(statement, max_size=1))
    if draw(st.integers(0, 4)) == 0:
        first, second = second, first
    return _text(first), _text(second)


def _text(found: list[Statement]) -> str:
    return "\n".join(f'@id("p{at}") {each.text()}' for at, each in enumerate(found))


def singles(effect: str, family: str) -> list[str]:
    """A policy for each test of a family, for its contrary and, where it reads what may be missing, behind `has`."""
    guards = ("", f"context.input has {family} && ") if family in GUARDED else ("",)
    tests = [f"{negated}({guard}({test}))" for test in FAMILIES[family] for guard in guards for negated in ("", "!")]
    return [f'@id("p") {effect} (principal, action == {TRANSFER}, resource) when {{ {test} }};' for test in tests]


def requests(text: str, server: ServerRecord) -> Iterator[Trial]:
    """Every request that policies with this text can tell from another."""
    read = [f"input.{name}" in text or f"has {name}" in text for name in VALUES]
    chosen = [values if known else values[:1] for known, values in zip(read, VALUES.values(), strict=True)]
    people = PEOPLE if re.search(r"principal[ .]|purpose", text) else PEOPLE[:1]
    moments = [NOW, Instant(NOW - SECOND), Instant(NOW + SECOND)] if "context.now" in text else [NOW]
    tools = [(tool, record) for tool, record in server.tools.items() if tool in {"transfer", "list_invoices"}]
    for (agent, owner, version, classes), now, (name, tool) in itertools.product(people, moments, tools):
        for values in itertools.product(*chosen) if name == "transfer" else [()]:
            given = {name: each for name, each in zip(VALUES, values, strict=False) if each is not None}
            yield Trial(
                agent=agent, owner=owner, version=version, classes=classes, purpose="p", now=now, arguments=given,
                action=f"payments/{name}", groups=tuple(schema.groups_of("payments", tool.tier)), shape=tool.shape,
            )  # fmt: skip
