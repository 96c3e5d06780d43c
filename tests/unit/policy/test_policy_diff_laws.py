"""A change that is said to let nothing through lets nothing through, whatever is asked; what is shown is true."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.kernel.clock import Instant, parse_date_end
from remit.policy import comparing, organisation, schema
from remit.policy.cedar import CedarEngine
from remit.policy.diff import Verdict
from remit.policy.ports import Ruling
from remit.policy.shape import read
from remit.policy.slices import Slices, Subject, context
from remit.policy.stage import stage
from remit.policy.trial import Trial
from remit.policy.view import server_record

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

LAW = settings(
    max_examples=examples(400),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ENGINE = CedarEngine()
NOW = Instant(parse_date_end("2026-11-27"))
ACTION = "payments/transfer"

# Some of these are errors for some calls: `count` may be missing, and added to it may overflow.
FIRST = re.compile(r"resource\) (?:when|unless) \{ .*? \}(?= when| unless|;)")
ATOMS = [
    'context.input.amount.greaterThan(decimal("10.0"))',
    'context.input.amount.greaterThan(decimal("20.0"))',
    'context.input.amount.lessThanOrEqual(decimal("20.0"))',
    'context.input.currency == "EUR"',
    'context.input.currency != "EUR"',
    '["EUR", "USD"].contains(context.input.currency)',
    'context.input.currency like "E*"',
    'context.input.currency like "*R"',
    "context.input has count && context.input.count > 5",
    "context.input has count && context.input.count > 7",
    "context.input has count && context.input.count + 9223372036854775800 > 5",
    "context.input has urgent && context.input.urgent",
    'context.input has tags && context.input.tags.contains("a")',
    'principal == Remit::Agent::"a"',
    'principal in Remit::Owner::"o"',
    'principal.version == "2"',
    'Remit::Agent::"nobody".version == "2"',
    'context.purpose.data_classes.contains("pii")',
    'context.now < datetime("2026-11-28")',
    "true",
    "false",
]
UNCHECKED = ["context.input.count > 5", "context.input.count > 7", 'context.input.to == "x"', "context.input.urgent"]
SCOPES = [
    '(principal, action == Remit::Action::"payments/transfer", resource)',
    '(principal, action in [Remit::Action::"payments/transfer", Remit::Action::"payments/list_invoices"], resource)',
    '(principal, action in Remit::Action::"server:payments", resource)',
    '(principal == Remit::Agent::"a", action == Remit::Action::"payments/transfer", resource)',
    '(principal in Remit::Owner::"o", action == Remit::Action::"payments/transfer", resource)',
]


def expressions(atoms: list[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(atoms).map(lambda text: f"({text})"),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
            st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
            inner.map(lambda one: f"!({one})"),
        ),
        max_leaves=3,
    )


def policies(atoms: list[str]) -> st.SearchStrategy[list[str]]:
    condition = st.tuples(st.sampled_from(["when", "unless"]), expressions(atoms)).map(
        lambda c: f" {c[0]} {{ {c[1]} }}"
    )
    policy = st.tuples(
        st.sampled_from(["forbid", "forbid", "forbid", "permit"]),
        st.sampled_from(SCOPES),
        st.lists(condition, max_size=3).map("".join),
    ).map(lambda parts: f"{parts[0]} {parts[1]}{parts[2]};")
    return st.lists(policy, max_size=3)


@st.composite
def pairs(draw: st.DrawFn, atoms: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Two sets that have much in common: the second is the first, with a test more or less, or another one."""
    first: list[str] = draw(policies(atoms))
    second = list(first)
    for _ in range(draw(st.integers(1, 2))):
        other = draw(st.booleans())
        if second and other:
            at = draw(st.integers(0, len(second) - 1))
            clause = draw(expressions(atoms))
            changed = [
                second[at].replace(";", f" when {{ {clause} }};"),
                second[at].rpartition(" when ")[0] + ";" if " when " in second[at] else second[at],
                second[at].replace("10.0", "20.0").replace("> 5", "> 7"),
                second[at].replace("forbid", "permit"),
                FIRST.sub("resource)", second[at], count=1),
                second[at].replace("OrEqual", ""),
                "",
            ]
            second[at] = draw(st.sampled_from(changed))
        else:
            second.extend(draw(policies(atoms)))
    return _files(first), _files([each for each in second if each])


def _files(found: list[str]) -> dict[str, str]:
    return {"p.cedar": "\n".join(f'@id("p{at}") {text}' for at, text in enumerate(found))}


REQUESTS = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["a", "b"]),
        "owner": st.sampled_from(["o", "n"]),
        "version": st.sampled_from(["1", "2"]),
        "classes": st.sampled_from([(), ("pii",)]),
        "now": st.sampled_from([NOW, Instant(parse_date_end("2026-12-01"))]),
        "arguments": st.fixed_dictionaries(
            {
                "amount": st.sampled_from([5, 10, 15, 20, Decimal("25.5")]),
                "currency": st.sampled_from(["EUR", "USD", "CHF", "EXR"]),
            },
            optional={
                "count": st.sampled_from([0, 5, 6, 7, 8, 100]),
                "urgent": st.booleans(),
                "to": st.sampled_from(["x", "y"]),
                "tags": st.sampled_from([[], ["a"], ["b"]]),
            },
        ),
    }
)


def stopped_and_permitted(build: Build, asked: dict[str, Any], files: dict[str, str]) -> tuple[bool, bool]:
    """What the engine says of a request under `files`: whether no agent could get it, and whether it is an Allow."""
    server = server_record(build.server())
    tool = server.tools["transfer"]  # type: ignore[index]  # names are text
    trial = Trial(
        purpose="p", action=ACTION, groups=tuple(schema.groups_of("payments", tool.tier)), shape=tool.shape, **asked
    )
    rules, slices = organisation.read(files, ENGINE, serial=1), Slices(ENGINE)
    world, call = stage(trial, server, rules, slices), trial.call()
    subject = Subject(world.agents[trial.agent], world.purposes[call.caller.purpose], server, tool, ACTION)
    verdict, _ = slices.ask(subject, rules, None, context(call, read(tool.shape, trial.arguments), now=trial.now))
    stopped = bool(verdict.errors) or (verdict.ruling is not Ruling.ALLOW and bool(verdict.reasons))
    return stopped, verdict.ruling is Ruling.ALLOW and not verdict.errors


def looked_at(build: Build, change: tuple[dict[str, str], dict[str, str]], *, catalog: bool) -> Any:
    servers = {"payments": server_record(build.server())}
    return comparing.rows(*change, comparing.Ground(engine=ENGINE, servers=servers if catalog else None, now=NOW))


def check(
    build: Build, change: tuple[dict[str, str], dict[str, str]], asked: list[dict[str, Any]], *, catalog: bool
) -> None:
    rows = looked_at(build, change, catalog=catalog)
    for row in rows:
        assert (row.verdict is Verdict.WIDENS) == (row.shown is not None)
    if any(row.open for row in rows):
        return
    for each in asked:
        was_stopped, was_permitted = stopped_and_permitted(build, each, change[0])
        stopped, permitted = stopped_and_permitted(build, each, change[1])
        assert stopped or not was_stopped, (each, rows)
        assert was_permitted or not permitted, (each, rows)


@LAW
@given(pairs(ATOMS), st.lists(REQUESTS, min_size=12, max_size=12))
def test_no_request_flips_where_nothing_is_said_to_widen(
    build: Build, change: tuple[dict[str, str], dict[str, str]], asked: list[dict[str, Any]]
) -> None:
    check(build, change, asked, catalog=True)


@LAW
@given(pairs(ATOMS + UNCHECKED), st.lists(REQUESTS, min_size=12, max_size=12))
def test_nor_without_a_catalog_and_with_policies_that_do_not_validate(
    build: Build, change: tuple[dict[str, str], dict[str, str]], asked: list[dict[str, Any]]
) -> None:
    check(build, change, asked, catalog=False)
