"""What a policy can never do is found, however it is written: Cedar itself says nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.model import Tier
from remit.kernel.errors import ConfigInvalid
from remit.policy import futile, organisation
from remit.policy.lint import Known, Severity, lint
from remit.policy.schema import for_catalog

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

NAMES = ("amount", "to", "count", "nope", "never")
EXACT = 'action == Remit::Action::"payments/transfer"'
TYPO = f"""@id("large")
@title("No large transfers")
forbid (principal, {EXACT}, resource)
when {{ context.input has amuont && context.input.amuont.greaterThan(decimal("1.00")) }};"""


def parsed(build: Build, text: str) -> Any:
    return build.engine.read(text)["staticPolicies"]["policy0"]


def unheard(build: Build, scope: str, condition: str) -> futile.Unheard | None:
    text = f"forbid (principal, {scope}, resource) when {{ {condition} }};"
    return futile.unheard(parsed(build, text), for_catalog([build.server()]))


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
def test_what_no_action_has_is_named_and_nothing_else(build: Build, asked: list[str]) -> None:
    found = unheard(build, EXACT, " && ".join(f"context.input has {name}" for name in asked))
    wrong = tuple(dict.fromkeys(name for name in asked if name in {"nope", "never"}))
    assert (found.names if found else ()) == wrong


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("context.input has payee && context.input.payee has iban", ()),
        ("context.input has payee.bic", ("payee.bic",)),
        ("context.input has payee && context.input.payee has bic", ("payee.bic",)),
        ("context.input has payer && context.input.payer has iban", ("payer",)),
        ("context.input has amount.value", ("amount.value",)),  # a number has nothing
        ("context.input has anything", ("anything",)),  # the tool has it, and no policy can read it
        ("!(context.input has amuont)", ("amuont",)),
        ("if context has input then context.input has amuont else false", ("amuont",)),
        ('["x"].contains("y") || [context.input has amuont].contains(true)', ("amuont",)),
        ('principal.name == "context.input.amuont"', ()),
    ],
)
def test_wherever_it_stands(build: Build, condition: str, names: tuple[str, ...]) -> None:
    found = unheard(build, EXACT, condition)
    assert (found.names if found else ()) == names


@pytest.mark.parametrize(
    ("scope", "exact"),
    [
        (EXACT, True),
        ('action in [Remit::Action::"payments/transfer", Remit::Action::"payments/list_invoices"]', True),
        ('action in Remit::Action::"server:payments"', False),
        ('action in [Remit::Action::"payments/transfer", Remit::Action::"tier:low"]', False),
        ("action", False),
    ],
)
def test_a_scope_that_others_may_join_is_not_exact(build: Build, scope: str, *, exact: bool) -> None:
    found = unheard(build, scope, "context.input has amuont")
    assert found == futile.Unheard(("amuont",), exact)
    assert unheard(build, scope, "context.input has amount") is None  # one of them has it


def test_a_group_is_judged_by_its_own_actions(build: Build) -> None:
    assert unheard(build, 'action in Remit::Action::"tier:critical"', "context.input has amount") is None
    low = unheard(build, 'action in Remit::Action::"tier:low"', "context.input has amount")
    assert low == futile.Unheard(("amount",), exact=False)


@pytest.mark.parametrize(
    "scope",
    ['action == Remit::Action::"ghost/tool"', 'action in Remit::Action::"server:ghost"', 'action == Docs::Action::"x"',
     f'action in Remit::Action::"tier:{Tier.HIGH.value}"'],
)  # fmt: skip
def test_of_what_is_not_known_nothing_is_said(build: Build, scope: str) -> None:
    assert unheard(build, scope, "context.input has amuont") is None


def test_without_agents_calls_in_the_schema_nothing_is_said(build: Build) -> None:
    text = f"forbid (principal, {EXACT}, resource) when {{ context.input has amuont }};"
    assert futile.unheard(parsed(build, text), {"Docs": {"entityTypes": {}, "actions": {}}}) is None


def test_a_typo_behind_has_is_refused_and_an_error_of_lint(build: Build) -> None:
    """Cedar takes it for false: the forbid would be in force, and forbid nothing."""
    text = "// one line\n\n" + TYPO
    assert not build.engine.faults(TYPO, build.engine.schema(for_catalog([build.server()])))
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:3: .*no action of its scope has the argument amuont"):
        organisation.check(
            organisation.read({"a.cedar": text}, build.engine), for_catalog([build.server()]), build.engine
        )
    (finding,) = lint({"a.cedar": text}, build.engine, Known(servers=(build.server(),)))
    assert (finding.rule, finding.severity, finding.line) == ("no_such_argument", Severity.ERROR, 3)
    right = TYPO.replace("amuont", "amount")
    organisation.check(organisation.read({"a.cedar": right}, build.engine), for_catalog([build.server()]), build.engine)
    assert lint({"a.cedar": right}, build.engine, Known(servers=(build.server(),))) == []


def test_of_a_wider_scope_lint_warns_and_it_is_taken(build: Build) -> None:
    text = TYPO.replace(EXACT, 'action in Remit::Action::"tier:critical"')
    organisation.check(organisation.read({"a.cedar": text}, build.engine), for_catalog([build.server()]), build.engine)
    found = lint({"a.cedar": text}, build.engine, Known(servers=(build.server(),)))
    assert [(each.rule, each.severity) for each in found] == [("no_such_argument", Severity.WARNING)]
    assert lint({"a.cedar": text}, build.engine, Known()) == []


TYPOS = [
    "principal.verison", "principal.owner.nmae", "context.inptu", "context.purpose.classes", "resource.url",
    "principal.name.first", "context.now.year",
]  # fmt: skip
THERE = [
    "principal.version", "principal.owner.name", "context.input", "context.purpose.data_classes", "resource.name",
    "context.run", "context.instance", "context.now", "context.input.amount", "context.input.payee.iban",
]  # fmt: skip


def has(path: str) -> str:
    before, _, name = path.rpartition(".")
    return f"{before} has {name}"


@given(st.lists(st.sampled_from(TYPOS + THERE), min_size=1, max_size=4), st.sampled_from(["&&", "||"]))
def test_what_no_call_has_is_named_and_nothing_else(build: Build, asked: list[str], word: str) -> None:
    found = unheard(build, EXACT, f" {word} ".join(map(has, asked)))
    wrong = tuple(dict.fromkeys(path for path in asked if path in TYPOS))
    assert (found.others if found else ()) == wrong
    assert found is None or (found.exact and not found.names)


@pytest.mark.parametrize(
    ("scope", "exact"),
    [
        (EXACT, True),
        ('action in Remit::Action::"server:payments"', True),  # whatever joins it, an agent calls
        ('action in Remit::Action::"tier:low"', True),
        ("action", False),  # it may be about types of the organisation's own
    ],
)
def test_who_calls_is_known_of_each_action_of_a_group(build: Build, scope: str, *, exact: bool) -> None:
    found = unheard(build, scope, "principal has verison && !(principal has version)")
    assert found == futile.Unheard((), exact, ("principal.verison",))


def test_a_typo_about_the_caller_is_refused_and_an_error_of_lint(build: Build) -> None:
    scope = 'action in Remit::Action::"tier:critical"'
    text = f'@id("old") @title("No") forbid (principal, {scope}, resource) '
    text += 'when { principal has verison && principal.verison == "1" };'
    catalog, known = for_catalog([build.server()]), Known(servers=(build.server(),))
    assert not build.engine.faults(text, build.engine.schema(catalog))
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:1: .*no call of an agent has principal\.verison"):
        organisation.check(organisation.read({"a.cedar": text}, build.engine), catalog, build.engine)
    (finding,) = lint({"a.cedar": text}, build.engine, known)
    assert (finding.rule, finding.severity) == ("no_such_attribute", Severity.ERROR)
    wide = text.replace(scope, "action")
    organisation.check(organisation.read({"a.cedar": wide}, build.engine), catalog, build.engine)
    found = [(each.rule, each.severity) for each in lint({"a.cedar": wide}, build.engine, known)]
    assert ("no_such_attribute", Severity.WARNING) in found
    assert lint({"a.cedar": text.replace("verison", "version")}, build.engine, known) == []


CONSTANT = st.recursive(
    st.booleans().map(lambda it: (str(it).lower(), it)),
    lambda inner: st.one_of(
        st.tuples(inner, inner, inner).map(
            lambda it: (f"if {it[0][0]} then {it[1][0]} else {it[2][0]}", it[1][1] if it[0][1] else it[2][1])
        ),
        inner.map(lambda it: (f"!({it[0]})", not it[1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) && ({two[1][0]})", two[0][1] and two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) || ({two[1][0]})", two[0][1] or two[1][1])),
    ),
    max_leaves=5,
)


@given(CONSTANT, st.sampled_from(["when", "unless"]))
def test_what_is_written_out_never_holds_or_always(build: Build, written: tuple[str, bool], kind: str) -> None:
    text, value = written
    cedar = parsed(build, f"forbid (principal, {EXACT}, resource) {kind} {{ {text} }};")
    assert futile.never_holds(cedar) is (value is (kind == "unless"))


@given(CONSTANT)
def test_what_depends_on_the_call_may_hold(build: Build, written: tuple[str, bool]) -> None:
    text, value = written
    cedar = parsed(build, f'forbid (principal, {EXACT}, resource) when {{ context.run == "x" && ({text}) }};')
    assert futile.never_holds(cedar) is (value is False)


@pytest.mark.parametrize("condition", ["when { false }", "unless { true }", 'when { context.run == "x" && false }'])
def test_a_condition_that_never_holds_is_refused(build: Build, condition: str) -> None:
    read = organisation.read({"a.cedar": f"forbid (principal, {EXACT}, resource) {condition};"}, build.engine)
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:1: .*its condition never holds"):
        organisation.check(read, for_catalog([build.server()]), build.engine)
