"""Who is told which agents can do something: an owner of their own, and of no other not even the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from remit.access.model import Boundary, BoundaryState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.clock import Instant, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.people.model import Owner
from remit.policy.shape import EMPTY
from remit.policy.trial import Trial
from remit.policy.view import AgentRecord, agent_record
from remit.policy.who import Access, Standing
from remit.server.door import Ask
from remit.server.http_who import Who
from remit.server.operators import Authority, Operator, Role

FAR = Instant(2**61)
ACTION = "payments/transfer"


def record(name: str, owner: str, *actions: str) -> AgentRecord:
    agent = Agent(
        agent=AgentName(name), owner=OwnerName(owner), version="1", purposes=(PurposeName("p"),), max_instances=1,
        sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(1), keys=(), state=AgentState.ACTIVE,
    )  # fmt: skip
    rules = {ActionName(action): Rule(action=ActionName(action)) for action in actions}
    boundary = Boundary(
        boundary=BoundaryName("b"), version=1, agent=agent.agent, purpose=PurposeName("p"), rules=rules, not_after=FAR,
        state=BoundaryState.ACTIVE, approved_by=None, approved_at=None,
    )  # fmt: skip
    return agent_record(agent, (boundary,) if actions else ())


@dataclass
class View:
    agents: Mapping[str, AgentRecord]
    owners: Mapping[OwnerName, Owner]


class Policy:
    """Says that everything is direct."""

    def __init__(self) -> None:
        people = [("dana", ("lee",), True), ("mo", (), True), ("gone", ("dana",), False)]
        owners = {
            OwnerName(name): Owner(
                owner=OwnerName(name), name=name, email="", backup=tuple(map(OwnerName, backup)), active=active
            )
            for name, backup, active in people
        }
        owners[OwnerName("lee")] = Owner(owner=OwnerName("lee"), name="lee", email="")
        agents = [
            record("a", "dana", ACTION),
            record("b", "mo", ACTION),
            record("c", "gone", ACTION),
            record("d", "mo"),
        ]
        self.seen = View({each.agent.agent: each for each in agents}, owners)

    def view(self) -> View:
        return self.seen

    def standing(self, agent: str, purpose: str, action: str, _arguments: Any = None) -> Standing:
        trial = Trial(
            agent=agent, owner="", version="", purpose=purpose, classes=(), action=action, groups=(), shape=EMPTY,
            now=Instant(0),
        )  # fmt: skip
        return Standing(
            call=trial.call(), access=Access.DIRECT, tier="high", boundary="b", version=1, code=None, because=""
        )


def asked(person: str, role: Role, **body: Any) -> dict[str, Any]:
    operator = Operator(person=person, roles=frozenset({role}))
    door = Who(policy=Policy(), authority=Authority.shipped())  # type: ignore[arg-type]  # as much of one as it needs
    return door.who(Ask(operator=operator, path={}, body={"action": ACTION, **body}))


def names(found: dict[str, Any]) -> list[str]:
    return [row["agent"] for row in found["rows"]]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR, Role.SECURITY, Role.OPERATOR])
def test_who_sees_all_agents_sees_all(role: Role) -> None:
    found = asked("ann", role)
    assert (names(found), found["without_boundary"], found["agents"]) == (["a", "b", "c"], 1, 4)


@pytest.mark.parametrize(
    ("person", "agents"), [("dana", ["a", "c"]), ("lee", ["a"]), ("mo", ["b"]), ("gone", []), ("nobody", [])]
)
def test_an_owner_sees_whom_they_answer_for(person: str, agents: list[str]) -> None:
    """Attack: an owner learns other people's agents, or pages through their names."""
    found = asked(person, Role.OWNER)
    assert names(found) == agents
    assert found["agents"] == len(agents) + (person == "mo")
    assert asked(person, Role.OWNER, limit=1)["more"] in {None, *agents}


def test_pages_follow_one_another() -> None:
    found, after = [], ""
    while True:
        page = asked("ann", Role.VIEWER, limit=1, after=after)
        found += names(page)
        if page["more"] is None:
            break
        after = page["more"]
    assert found == ["a", "b", "c"]


@pytest.mark.parametrize("body", [{"action": "payments:ping"}, {"limit": 1001}, {"limit": -1}])
def test_what_is_no_question(body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        asked("ann", Role.VIEWER, **body)
