"""The decision point as it is used: dry runs, what is shown, what is recorded, and policy files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection

from remit.catalog.labels import Labels
from remit.kernel.canonical import canonical
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import ConfigInvalid, Malformed, NotFound
from remit.kernel.names import new_id
from remit.people.change import Actor
from remit.policy import flow
from remit.policy.facts import Facts
from remit.policy.files import PolicyFiles
from remit.policy.model import Code
from remit.policy.organisations import Organisations
from remit.policy.service import PolicyService
from remit.policy.visible import seen
from remit.storage.database import Database
from remit.storage.model import Effect, Entry, Reserve, Unmarked

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build


class Fixed(Facts):
    """Facts that stand still."""

    def __init__(self, view: Any, engine: Any = None) -> None:
        self._view = view
        self.organisations = Organisations(engine)


def service(build: Build, view: Any) -> PolicyService:
    clock = FixedClock(build.NOON)
    return PolicyService(
        facts=Fixed(view, build.engine),
        engine=build.engine,
        clock=clock,
        mac=lambda value: f"mac:{len(value)}",
        docs="/errors",
    )


def test_can_answers_like_the_call_and_reserves_nothing(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(rate=build.rate(1))))
    policy = service(build, view)
    for _ in range(3):
        answer = policy.can("invoice-bot", "pay-invoices", "payments/transfer", {"amount": 5, "currency": "EUR"})
        assert (answer["decision"], answer["boundary"], answer["denial"]) == (True, "invoice-bot-payments", None)
    denied = policy.can("invoice-bot", "pay-invoices", "payments/transfer", {"amount": 900, "currency": "EUR"})
    assert denied["decision"] is False
    assert denied["denial"]["code"] == "constraint_violated"
    assert denied["denial"]["decision_id"] is None
    assert policy.can("invoice-bot", "pay-invoices", "payments:ping")["decision"] is True


def test_can_tells_an_agent_no_more_than_a_call_would(build: Build) -> None:
    policy = service(build, build.view())
    told = []
    for action in ("payments/delete_all", "payments/nothing", "crm/x"):
        with pytest.raises(NotFound) as caught:
            policy.can("invoice-bot", None, action, caller=build.caller())
        told.append(caught.value.public.partition(":")[0])
    assert set(told) == {"Unknown tool"}
    denial = policy.can("invoice-bot", "pay-invoices", "payments/delete_all")["denial"]
    assert denial["code"] == Code.NOT_VISIBLE


def test_can_asks_for_a_purpose_where_there_are_several(build: Build) -> None:
    with pytest.raises(Malformed, match="pay-invoices, report"):
        service(build, build.view()).can("invoice-bot", None, "payments/transfer", {})
    one = build.view(agent=build.agent(purposes=("pay-invoices",)))
    assert service(build, one).can("invoice-bot", None, "payments/list_invoices")["decision"]
    with pytest.raises(NotFound):
        service(build, one).can("nobody", None, "payments/transfer")
    with pytest.raises(Malformed):
        service(build, one).can("invoice-bot", None, "transfer")


def test_the_cause_is_for_operators_only(build: Build) -> None:
    policy = service(build, build.view(freezes=[build.freeze()]))
    theirs = policy.can("invoice-bot", "pay-invoices", "payments/transfer", {})
    own = policy.can("invoice-bot", None, "payments/transfer", {}, caller=build.caller())
    assert theirs["cause"] == "frz_1"
    assert "frz_1" not in str(own)


def test_what_is_shown_is_named_by_a_boundary_of_the_purpose_and_part_of_it(build: Build) -> None:
    wide = build.boundary(
        build.transfer_rule(), build.rule("payments/delete_all"), build.rule("payments/list_invoices")
    )
    view = build.view(wide)
    policy = service(build, view)
    assert policy.shown(view, build.caller()) == {"payments/transfer", "payments/list_invoices"}
    assert policy.shown(view, build.caller(purpose="report")) == frozenset()
    assert seen(view, view.agents.get("invoice-bot")) == {
        "payments/transfer",
        "payments/list_invoices",
        "payments/delete_all",
    }
    assert seen(view, view.agents.get("nobody")) == frozenset()


def test_the_header_of_an_entry_holds_no_argument_value(build: Build) -> None:
    view = build.view()
    policy = service(build, view)
    secret = "IBAN-SECRET-1234"
    for arguments in (
        {"amount": Decimal("123.45"), "currency": "EUR", "to": secret},
        {"amount": 9999, "currency": secret},
    ):
        call = build.call(arguments)
        proposal = build.ask(call, view)
        fields, payload = policy.recorded(call, proposal, view)
        public = canonical(fields).decode()
        assert secret not in public
        assert "123.45" not in public
        assert "9999" not in public
        assert secret in payload["arguments"]
        assert canonical(payload)
        assert fields["arguments"].startswith("mac:")
        assert fields["decision"] == ("allow" if proposal.answer.allowed else "deny")
        assert fields["forwarded"] is proposal.answer.allowed


def test_a_recorded_allow_names_its_boundary_and_the_policies_in_force(build: Build) -> None:
    view = build.view(policies='@id("p") permit (principal, action, resource);')
    proposal = build.transfer(view)
    fields, payload = service(build, view).recorded(build.call(), proposal, view)
    assert (fields["boundary"], fields["boundary_version"]) == ("invoice-bot-payments", 3)
    assert fields["policies"] == view.organisation.digest
    assert payload["named"] == ["p"]
    assert payload["engine"].startswith("cedarpy ")


def test_a_recorded_denial_says_code_step_and_policy(build: Build) -> None:
    view = build.view(policies='@id("f") forbid (principal, action, resource);')
    fields, payload = service(build, view).recorded(build.call(), build.transfer(view), view)
    assert (fields["code"], fields["step"], fields["policy"]) == ("forbidden_by_policy", 7, "f")
    assert payload["denial"]["title"]
    hidden = build.call(tool="x" * 10_000)
    fields, _ = service(build, view).recorded(hidden, build.ask(hidden, view), view)
    assert len(fields["action"]) < 400


def test_what_the_writer_refused_says_what_is_left(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(budget=build.budget("1000.00"))))
    policy, call = service(build, view), build.call({"amount": 400, "currency": "EUR"})
    proposal = build.ask(call, view)
    (reserve,) = (e for e in proposal.effects if isinstance(e, Reserve))
    policy.used([reserve], [8_000_000])
    spent = policy.spent(reserve, call, proposal, now=Instant(build.NOON))
    denial = spent.answer.denial
    assert (denial is not None, spent.spent) == (True, (reserve.key, 8_000_000, 10_000_000))
    assert denial is not None
    told = policy.told(denial, call, epoch=3, evaluated_at=Instant(build.NOON))
    change = next(each for each in told["remedies"] if each["kind"] == "change_arguments")
    assert (told["code"], told["status"], change["max"]) == ("budget_exhausted", 429, "200.00")
    assert told["docs"] == "/errors/budget_exhausted"


def test_policies_are_checked_against_the_catalog(build: Build) -> None:
    policy = service(build, build.view())
    good = {"a.cedar": 'forbid (principal, action in Remit::Action::"server:payments", resource);'}
    assert len(policy.check_policies(good).policies) == 1
    with pytest.raises(ConfigInvalid, match=r"^a\.cedar:1: "):
        policy.check_policies(good, servers=[])


class Records:
    """Makes entries that can be looked at."""

    def entry(self, kind: str, fields: Any, **_more: Any) -> Entry:
        return Entry(new_id("evt"), canonical({"kind": kind, **fields}))


def test_policy_files_come_and_go_with_an_entry_and_a_topic(database: Database) -> None:
    files = PolicyFiles(reader=database.reader, records=Records())
    told: list[tuple[str, ...]] = []

    def heard(_epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        told.append(topics)

    database.feed.subscribe(heard)
    by = Actor(by="sam")
    for text in ("forbid (principal, action, resource);", "forbid (principal, action, resource);", "// none"):
        database.writer.change(lambda tx, text=text: files.put(tx, "a.cedar", text, by=by))  # type: ignore[misc]
        assert files.all() == {"a.cedar": text}
    database.writer.change(lambda tx: files.remove(tx, "a.cedar", by=by))
    database.writer.change(lambda tx: files.remove(tx, "a.cedar", by=by))
    assert files.all() == {}
    assert told == [("policies",)] * 3


def test_what_is_searched_for_knows_what_was_read_as_the_call_does(build: Build) -> None:
    """Else a search names what every call is refused."""
    labelled = dataclasses.replace(build.server(), labels=(("transfer", Labels(carries_out=True)),))
    view = build.view(build.boundary(build.transfer_rule()), servers=[labelled])
    policy, read = service(build, view), set[str]()

    def unmet(effects: Iterable[Effect]) -> frozenset[str]:
        return frozenset(each.key for each in effects if isinstance(each, Unmarked) and each.key in read)

    policy._facts.unmet = unmet  # type: ignore[method-assign] # what the database says
    call = build.call({"amount": 5, "currency": "EUR"})
    assert policy.answer_now(call).allowed
    read.update(flow.keys(call.caller))
    denial = policy.answer_now(call).denial
    assert denial is not None
    assert denial.code is Code.FLOW_BLOCKED
