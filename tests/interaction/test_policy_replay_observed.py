"""What is decided again where not only an agent's enforced call was decided: observed servers, own types, approvals."""

from __future__ import annotations

import asyncio
import zlib
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.interaction.apply_world import DANA
from tests.interaction.kept_world import OnDisk
from tests.interaction.replay_world import ReplayWorld

from remit.audit.states import rows_of
from remit.enforcement import authzen
from remit.enforcement.model import Point
from remit.enforcement.own_types import OwnTypes
from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import DecisionId, new_id
from remit.policy.files import PolicyFiles
from remit.policy.simulate import Range
from remit.server.what_if import Asked

PAY = {"amount": Decimal("100.00"), "currency": "EUR", "to": "x"}
TOO_MUCH = {**PAY, "amount": Decimal("900.00")}
STOP = '@id("stop") forbid(principal, action == Remit::Action::"payments/list_invoices", resource);\n'
SCHEMA = """namespace Docs {
  entity User = { role?: String };
  entity Doc;
  action read appliesTo { principal: User, resource: Doc };
}
"""
READ = '@id("read") permit (principal is Docs::User, action == Docs::Action::"read", resource);\n'
MAP = '[authzen.types]\nuser = "Docs::User"\ndoc = "Docs::Doc"\n'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayWorld:
    return ReplayWorld(tmp_path, monkeypatch)


def decided(world: ReplayWorld) -> list[tuple[str, str | None]]:
    found = [parse(entry.header) for entry in OnDisk(world.database).entries]
    return [(each["decision"], each.get("code")) for each in found if each["kind"] == "decision"]


def test_what_an_observed_server_would_have_denied_comes_out_so_again(world: ReplayWorld) -> None:
    world.tree.transfer["limits"] = {"rate": "30/min", "budget": {"argument": "amount", "max": "250.00", "per": "day"}}
    world.apply()
    assert world.call("payments/transfer", TOO_MUCH) == "constraint_violated"
    world.tree.server["mode"] = "observe"
    world.apply()
    said = [world.call("payments/transfer", each) for each in (TOO_MUCH, PAY, PAY, PAY)]
    world.restart()  # no counter is known in memory: the writer finds that nothing is left
    said.append(world.call("payments/transfer", PAY))
    said.append(world.call("payments/transfer", {**PAY, "amount": parse("1e0")}))
    assert set(said) == {"allow"}
    world.tree.server["mode"] = "enforce"
    world.apply()
    assert world.call("payments/transfer", TOO_MUCH) == "constraint_violated"
    assert decided(world) == [
        ("deny", "constraint_violated"), ("would_deny", "constraint_violated"), ("allow", None), ("allow", None),
        ("would_deny", "budget_exhausted"), ("would_deny", "budget_exhausted"),
        ("would_deny", "invalid_arguments"), ("deny", "constraint_violated"),
    ]  # fmt: skip
    found = world.simulate()
    assert (found["differs"], found["reproduced"]) == ([], 8)


def test_what_would_be_let_through_on_an_observed_server_widens(world: ReplayWorld) -> None:
    world.tree.server["mode"] = "observe"
    world.apply()
    world.call("payments/transfer", TOO_MUCH)
    world.call("payments/list_invoices")
    rule = {"action": "payments/transfer", "when": {"amount": {"max": "1000.00"}}}
    spec = {**world.tree.boundary, "allow": [rule]}
    found = world.simulate(Asked([{"kind": "boundary", "spec": spec, "file": "b.yaml", "line": 1}]))
    assert [(each["was"]["decision"], each["would"]["decision"]) for each in found["flips"]] == [
        ("would_deny", "would_deny"), ("allow", "would_deny"),
    ]  # fmt: skip
    assert found["changes"] == {"narrow": 1, "otherwise": 1}
    stop = world.simulate(Asked([{"kind": "policy", "file": "stop.cedar", "text": STOP}]))
    assert [each["would"] for each in stop["flips"]] == [
        {"decision": "would_deny", "code": "forbidden_by_policy", "policy": "stop"}
    ]
    world.tree.policies["policies/stop.cedar"] = STOP
    world.apply()
    world.call("payments/list_invoices")
    free = world.simulate(Asked([{"kind": "policy", "file": "policies/stop.cedar", "text": "// nothing"}]))
    assert free["changes"] == {"widen": 1}


def own(world: ReplayWorld, ident: str) -> dict[str, Any]:
    doors = OwnTypes(answers=world.pipeline().answers, judges=world.policy, docs="/errors")
    asked = {"type": "user", "id": ident}, {"name": "read"}, {"type": "doc", "id": "plan"}
    question = authzen.question(dict(zip(("subject", "action", "resource"), asked, strict=True)))
    point = Point("door", "i-door")
    return dict(asyncio.run(doors.evaluate(DecisionId(new_id("dec")), question, point)))


def test_questions_about_the_organisations_own_types_are_counted_apart(world: ReplayWorld) -> None:
    """They are no agent's calls: a replay that passed over them silently would claim more than it saw."""
    world.tree.declared = {
        ("schema", "policies/docs.cedarschema"): SCHEMA,
        ("entities", "entities/people.json"): '[{"uid": {"type": "Docs::User", "id": "ann"}}]',
        ("authzen", "remit.toml"): MAP,
    }
    world.tree.policies["policies/docs.cedar"] = READ
    world.apply()
    assert own(world, "ann")["decision"] is True
    world.call("payments/list_invoices")
    found = world.simulate()
    assert (found["decisions"], found["reproduced"], found["differs"]) == (2, 1, [])
    assert found["not_replayable"] == {"own_types": 1}
    assert world.simulate(within=Range(agent="invoice-bot"))["decisions"] == 1


def test_of_what_is_declared_nothing_is_kept_for_replays(world: ReplayWorld) -> None:
    """There are people in it, no agent's call is decided on it, and what is kept for replays is never erased."""
    people = '[{"uid": {"type": "Docs::User", "id": "ann"}}]'
    world.tree.declared = {
        ("schema", "policies/docs.cedarschema"): SCHEMA,
        ("entities", "entities/people.json"): people,
    }
    world.apply()
    world.call("payments/list_invoices")
    kept = world.database.reader.read(lambda connection: list(rows_of(connection)("SELECT body FROM bodies", ())))
    assert kept
    assert not [body for (body,) in kept if b"Docs" in zlib.decompress(body)]
    assert world.simulate()["reproduced"] == 1


def test_policies_about_own_types_are_validated_against_what_is_declared(world: ReplayWorld) -> None:
    world.tree.declared = {("schema", "policies/docs.cedarschema"): SCHEMA}
    world.apply()
    world.call("payments/list_invoices")
    policy = {"kind": "policy", "file": "policies/docs.cedar", "text": READ}
    assert world.simulate(Asked([policy]))["flips"] == []
    with pytest.raises(ConfigInvalid, match="policies/docs"):
        world.simulate(Asked([policy], prune=True))
    schema = {"kind": "schema", "file": "policies/docs.cedarschema", "text": SCHEMA}
    assert world.simulate(Asked([schema, policy], prune=True))["changes"] == {"narrow": 1}


def test_policies_that_came_and_went_as_a_set_are_followed(world: ReplayWorld) -> None:
    files = PolicyFiles(reader=world.database.reader, records=world.recorder)
    said = [world.call("payments/list_invoices")]
    sets: list[dict[str, str]] = [{"policies/stop.cedar": STOP}, {}, {"policies/stop.cedar": STOP}]
    for each in sets:
        world.database.writer.change(partial(files.become, files=each, by=DANA))
        said.append(world.call("payments/list_invoices"))
    assert said == ["allow", "forbidden_by_policy", "allow", "forbidden_by_policy"]
    found = world.simulate()
    assert (found["differs"], found["reproduced"]) == ([], 4)
