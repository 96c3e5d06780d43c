"""Tests of policies, run without a server: the real decision over a view made of a directory's documents.

Whoever a test names and no document does is made up, with a boundary that allows just the action: so
policies that are kept apart from agents can be tested alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.draft import Draft
from remit.access.expand import expand
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    OwnerName,
    PurposeName,
    RunId,
    ToolName,
    split_action,
)
from remit.people.model import Owner
from remit.policy import organisation
from remit.policy.activations import Activations
from remit.policy.case import Case, Suite
from remit.policy.decide import decide
from remit.policy.methods import bounded
from remit.policy.model import Answer, Call, Code, Denial
from remit.policy.organisation import Organisation
from remit.policy.own_case import OwnCase
from remit.policy.ports import Engine, Slice, Verdict
from remit.policy.slices import Slices, policy_names
from remit.policy.view import Counters, PurposeRecord, View, agent_record, server_record
from remit.server import own_trial
from remit.server.documents import Document, Located, TreeInvalid
from remit.server.trial_catalog import servers

_MADE_UP: Final = "made-up"
_LONG: Final = 400 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one test ended."""

    case: Case | OwnCase
    passed: bool
    got: str  # allow, or the denial's code
    policy: str | None  # which policy forbade
    said: str  # the denial's title; what went wrong, where nothing could be decided


class _Listening:
    """The engine, and which policies it named."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.named: set[str] = set()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the engine's own
        return getattr(self._engine, name)

    def ask(self, question: Slice, context: str) -> Verdict:
        """The engine's answer."""
        verdict = self._engine.ask(question, context)
        self.named.update(policy_names(verdict.reasons))
        return verdict


def run(
    documents: Sequence[Document], suites: Sequence[Suite], engine: Engine, *, now: Instant
) -> tuple[list[Result], list[str]]:
    """Run every test; the results, and the ids of the policies that decided none of them.

    Raises:
        ConfigInvalid: A policy cannot be read, or a boundary does not fit the tools; with file and line.
    """
    files = {document.name: document.value for document in documents if document.kind == "policy"}
    policies, listening = organisation.read(files, engine, serial=1), _Listening(engine)
    world, declared = _World(documents, suites), own_trial.declared_in(documents, engine)
    own_trial.check(declared, policies, list(world.servers.values()), engine)
    own = own_trial.OwnTrial(declared, policies, cast("Engine", listening))

    def denial(case: Case | OwnCase) -> Denial | None:
        if isinstance(case, OwnCase):
            return own.answer(case).denial
        answer = world.answer(case, policies, listening, now=case.at or now)
        return answer.denial or answer.would_deny

    results = [_result(case, denial(case)) for suite in suites for case in suite.cases]
    return results, [each.id for each in policies.policies if each.id not in listening.named]


def catalog(documents: Sequence[Document], suites: Sequence[Suite]) -> list[Server]:
    """The servers of the documents, with the tools that the tests say are there."""
    return list(_World(documents, suites).servers.values())


def _result(case: Case | OwnCase, denial: Denial | None) -> Result:
    got = "allow" if denial is None else denial.code.value
    policy = None if denial is None else denial.policy
    right = got != "allow" if case.expect == "deny" else got == case.expect
    named = case.policy is None or case.policy == policy
    said = "" if denial is None else denial.cause if denial.code is Code.ENFORCEMENT_UNAVAILABLE else denial.title
    return Result(case=case, passed=right and named, got=got, policy=policy, said=said or "")


class _World:
    """What the documents say there is."""

    def __init__(self, documents: Sequence[Document], suites: Sequence[Suite]) -> None:
        by_kind: dict[str, list[Any]] = {}
        for document in documents:
            by_kind.setdefault(document.kind, []).append(document.value)
        self.owners: dict[str, Owner] = {each.owner: each for each in by_kind.get("owner", ())}
        self.purposes: dict[str, Purpose] = {each.purpose: each for each in by_kind.get("purpose", ())}
        self.agents: dict[str, Agent] = {each.agent: each for each in by_kind.get("agent", ())}
        self.drafts = [each for each in documents if each.kind == "boundary"]
        self.servers = servers(by_kind.get("server", []), by_kind.get("boundary", []), suites)

    def answer(self, case: Case, policies: Organisation, engine: Any, *, now: Instant) -> Answer:  # noqa: ANN401 - an engine
        """The decision on one test's call."""
        agent, purpose = self._agent(case, now), self._purpose(case, now)
        boundaries = tuple(self._boundaries(agent, purpose, case, now))
        record = agent_record(agent, boundaries)
        activations = Activations(lambda: Micros(0))
        activations.load(agent.agent, lambda: [_started(key, agent, now) for key in _keys(agent, boundaries)])
        owner = self.owners.get(agent.owner) or Owner(owner=agent.owner, name=agent.owner, email="")
        view = View(
            epoch=0,
            contact=lambda: now,
            agents={agent.agent: record},
            owners={owner.owner: owner},
            purposes={purpose.purpose: PurposeRecord(purpose)},
            servers={server.server: server_record(server) for server in self.servers.values()},
            freezes={},
            organisation=policies,
            counters=Counters(),
            slices=Slices(engine),
            activations=activations,
        )
        return decide(_call(case, agent, purpose, now), view, now=now).answer

    def _agent(self, case: Case, now: Instant) -> Agent:
        known = self.agents.get(case.agent)
        if known is not None:
            return known if case.owner is None else replace(known, owner=OwnerName(case.owner))
        return Agent(
            agent=AgentName(case.agent), owner=OwnerName(case.owner or _MADE_UP), version="1",
            purposes=(PurposeName(case.purpose or _MADE_UP),), max_instances=1,
            sender_constraint=SenderConstraint.NONE, not_after=Instant(now + _LONG), max_run=Micros(HOUR), keys=(),
            state=AgentState.ACTIVE,
        )  # fmt: skip

    def _purpose(self, case: Case, now: Instant) -> Purpose:
        known = self.agents.get(case.agent)
        name = case.purpose or (known.purposes[0] if known is not None else _MADE_UP)
        return self.purposes.get(name) or Purpose(
            purpose=PurposeName(name), statement="", actions=("*",), data_classes=(),
            not_after=Instant(now + _LONG), state=PurposeState.ACTIVE,
        )  # fmt: skip

    def _boundaries(self, agent: Agent, purpose: Purpose, case: Case, now: Instant) -> Iterable[Boundary]:
        if agent.agent in self.agents:
            for document in self.drafts:
                draft: Draft = document.value
                if draft.agent == agent.agent:
                    expansion = expand(draft, self.servers.get)
                    if expansion.problems:
                        where = document.file, document.line
                        raise TreeInvalid([Located(*where, each.field, each.message) for each in expansion.problems])
                    yield _boundary(draft.boundary, agent, draft.purpose, expansion.rules, draft.not_after, now)
        elif "/" in case.action:
            action = ActionName(case.action)
            rules = {action: Rule(action=action, first_use="auto")}
            yield _boundary(_MADE_UP, agent, purpose.purpose, rules, Instant(now + _LONG), now)


def _boundary(
    name: str, agent: Agent, purpose: str, rules: Mapping[ActionName, Rule], not_after: Instant, now: Instant
) -> Boundary:
    return Boundary(
        boundary=BoundaryName(name), version=1, agent=agent.agent, purpose=PurposeName(purpose), rules=rules,
        not_after=not_after, state=BoundaryState.ACTIVE, approved_by=agent.owner, approved_at=now,
    )  # fmt: skip


def _keys(agent: Agent, boundaries: Sequence[Boundary]) -> list[tuple[ActivationKey, Boundary]]:
    return [
        (ActivationKey(agent.agent, boundary.purpose, action, split_action(action)[0]), boundary)
        for boundary in boundaries
        for action in boundary.rules
    ]


def _started(of: tuple[ActivationKey, Boundary], agent: Agent, now: Instant) -> Activation:
    """In force and in use: what policies say is asked, and not whether an entitlement lapsed."""
    key, boundary = of
    return Activation(
        key=key, boundary=boundary.boundary, boundary_version=boundary.version, agent_version=agent.version,
        state=ActivationState.ACTIVE, since=now, started=now, by="", serial=1, usage=Usage(now, Micros(0)),
    )  # fmt: skip


def _call(case: Case, agent: Agent, purpose: Purpose, now: Instant) -> Call:
    server, name, is_tool = split_action(case.action)
    caller = Caller(
        agent=agent.agent, instance=InstanceId(case.instance), credential="", purpose=purpose.purpose,
        run=RunId(case.run), token="", expires=Instant(now + HOUR), bound=True, attested=now,
    )  # fmt: skip
    return Call(
        id=DecisionId(""), caller=caller, server=server, action=ActionName(case.action),
        tool=ToolName(name) if is_tool else None,
        arguments=case.arguments if bounded(name, is_tool=is_tool) else None, hypothetical=True,
    )  # fmt: skip
