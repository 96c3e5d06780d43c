"""The policy decision point as the rooms above use it: decide, explain, try out, and validate policies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.access.activation import Activation, ActivationKey
from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.kernel.clock import SECOND, Clock, Instant
from remit.kernel.errors import ConfigInvalid, Malformed, NotFound
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ToolName,
    split_action,
)
from remit.policy import organisation
from remit.policy.circumstances import APPROVAL
from remit.policy.conditions_told import META, told
from remit.policy.decide import decide
from remit.policy.delegated import acting
from remit.policy.denial import approval_lost, body, revoked
from remit.policy.entitlement import key_of
from remit.policy.facts import Facts
from remit.policy.limits import exhausted
from remit.policy.model import Answer, Call, Code, Denial, Proposal
from remit.policy.narrow import narrowed
from remit.policy.ports import Engine
from remit.policy.record import decision_fields
from remit.policy.schema import for_catalog
from remit.policy.view import AgentRecord, View, usable_grants
from remit.policy.widen import widenings
from remit.storage.model import ConsumeApproval, Release, Reserve

# Where a person, a server or Remit itself stopped something, or a person is waited for: a denial that says nothing of
# what the agent tries, or what it may do a little later. Else a freeze of everything would speak against every agent.
_STOPPED: Final = frozenset(
    {
        Code.REVOKED, Code.AGENT_SUSPENDED, Code.PURPOSE_CLOSED, Code.TOOL_DEFINITION_CHANGED,
        Code.APPROVAL_REQUIRED, Code.APPROVAL_DENIED, Code.ENFORCEMENT_UNAVAILABLE, Code.REPLAYED_PROOF,
        Code.RATE_LIMITED, Code.BUDGET_EXHAUSTED, Code.OUTSIDE_WINDOW, Code.SEQUENCE_REQUIRED,
    }
)  # fmt: skip


Asking = Callable[[Call, Denial, Instant], Mapping[str, Any] | None]
_LATELY: Final = 10 * SECOND  # shorter than any time without use that ends an entitlement


class PolicyService:
    """The decision point over the newest view of the facts. All of it quick and in memory.

    Args:
        facts: The facts.
        engine: The Cedar engine, for validating policies.
        clock: Where `now` comes from, for dry runs.
        mac: The recorder's keyed hash, for the arguments of a decision.
        docs: Where the pages about codes are.
        asking: How the agent asks a person about a call that was denied; None where no person could help.
    """

    def __init__(
        self, *, facts: Facts, engine: Engine, clock: Clock, mac: Callable[[bytes], str], docs: str,
        asking: Asking = lambda _call, _denial, _now: None,
    ) -> None:  # fmt: skip
        self._facts = facts
        self._engine = engine
        self._clock = clock
        self._mac = mac
        self._docs = docs
        self._asking = asking

    def view(self) -> View:
        """The newest view."""
        return self._facts.view()

    def purposes(self, agent: str) -> tuple[PurposeName, ...] | None:
        """The purposes of an agent, or None if there is no such agent."""
        record = self._facts.view().agents.get(agent)
        return None if record is None else record.agent.purposes

    def ready(self, call: Call) -> bool:
        """Whether the agent's activations are in memory; only a tool's call needs them.

        What was not used here lately may be in use at another node: it is read again before it counts as idle.
        """
        if call.tool is None:
            return True
        agent, known = call.caller.principal, self._facts.view().activations
        if not known.knows(agent):
            return False
        found = known.find(key_of(call))
        lately = found is None or self._clock.now() - found.usage.last < _LATELY
        return lately or not self._facts.behind(agent)

    def prepare(self, agent: str, *, again: bool = False) -> None:
        """Load an agent's activations; with `again`, load them anew. Reads the database."""
        self._facts.prepare(agent, again=again)

    def started(self, activation: Activation) -> None:
        """An entitlement was started."""
        self._facts.view().activations.put(activation)

    def justified(self, call: Call, at: Instant) -> None:
        """A call came to something: its entitlement is in use. What was done in an emergency keeps nothing in force."""
        if call.under is not None:
            return
        self._facts.view().activations.used(key_of(call), at, call.caller.run)

    def refused(self, call: Call, denial: Denial, at: Instant) -> None:
        """A call was denied: it is counted, if it is about what the agent tries, and keeps nothing in force."""
        if denial.code not in _STOPPED and self._named(call):
            self._facts.view().activations.denied(_tried(call), at)

    def failed(self, call: Call, at: Instant) -> None:
        """A call that was let through came to an error: it is counted, and keeps nothing in force."""
        if call.under is None and self._named(call):
            self._facts.view().activations.failed(_tried(call), at)

    def _named(self, call: Call) -> bool:
        """Whether a boundary of the agent names what was called. Names that it makes up must not fill the memory."""
        record = acting(self._facts.view(), call.caller)
        if record is None or call.tool is None:
            return False
        return call.action in record.reach.actions and call.caller.purpose in record.agent.purposes

    def decide(self, call: Call, view: View, *, now: Instant) -> Proposal:
        """Propose an answer, and the effects that must commit with it."""
        return decide(call, view, now=now)

    def frozen(self, call: Call) -> Answer | None:
        """The denial of a call that a freeze covers, else None: step 3 by itself, for calls that already run."""
        view = self._facts.view()
        record = view.agents.get(call.caller.agent)
        freeze = None if record is None else view.freeze_on(call, record.agent)
        return None if freeze is None else Answer(denial=revoked(freeze=freeze.id))

    def spent(self, effect: Reserve | ConsumeApproval, call: Call, proposal: Proposal, *, now: Instant) -> Proposal:
        """The proposal of a call whose reservation, or approval, found nothing left at the writer: its denial."""
        if isinstance(effect, ConsumeApproval):
            return Proposal(answer=Answer(denial=approval_lost(call)), read=proposal.read, spent=(APPROVAL, None, 0))
        used = self._facts.view().counters.used(effect.key, effect.window)
        denial = exhausted(effect, call, now=now, used=used)
        return Proposal(answer=Answer(denial=denial), read=proposal.read, spent=(effect.key, used, effect.limit))

    def consumed(self, effect: ConsumeApproval) -> None:
        """An approval was used, and that is committed."""
        self._facts.consumed(effect)

    def recorded(self, call: Call, proposal: Proposal, view: View) -> tuple[dict[str, Any], dict[str, Any]]:
        """What an entry says of a decision: public fields, and what is sealed."""
        return decision_fields(call, proposal, view=view, mac=self._mac)

    def told(self, denial: Denial, call: Call, *, epoch: int, evaluated_at: Instant) -> dict[str, Any]:
        """A denial as the agent gets it."""
        return body(
            denial, call=call, decision_id=call.id or None, epoch=epoch, evaluated_at=evaluated_at, docs=self._docs,
            access_request=self._asking(call, denial, evaluated_at),
        )  # fmt: skip

    def shown(self, view: View, caller: Caller) -> frozenset[ActionName]:
        """The actions that the caller may see listed under its purpose: none that is for emergencies and not open."""
        record, now = acting(view, caller), self._clock.now()
        return frozenset(
            action
            for action in seen(view, record, caller.purpose)
            if record is not None and usable_grants(view, record, (caller.purpose, action), now=now)
        )

    def narrowed(
        self, view: View, caller: Caller, action: ActionName, schema: Mapping[str, Any], *, now: Instant
    ) -> Mapping[str, Any]:
        """A tool's pinned input schema, as far as the caller's boundaries in force let arguments through."""
        record = acting(view, caller)
        granted = () if record is None else usable_grants(view, record, (caller.purpose, action), now=now)
        return narrowed(schema, [grant.rule for grant in granted if now < grant.boundary.not_after])

    def conditions(self, view: View, caller: Caller, action: ActionName, *, now: Instant) -> Mapping[str, Any]:
        """What a tool's schema cannot say of the caller's boundaries in force, by its name in `_meta`."""
        record = acting(view, caller)
        granted = () if record is None else usable_grants(view, record, (caller.purpose, action), now=now)
        server, name, _ = split_action(action)
        tool = known.tools.get(ToolName(name)) if (known := view.servers.get(server)) is not None else None
        live = [grant for grant in granted if now < grant.boundary.not_after]
        found = told(live, None if tool is None else tool.labels)
        return {META: found} if found else {}

    def used(self, reserved: Sequence[Reserve], values: Sequence[int]) -> None:
        """Counters' new values, after a commit."""
        self._facts.note(reserved, values)

    def released(self, releases: Iterable[Release]) -> None:
        """Reservations were given back."""
        self._facts.released(releases)

    def can(
        self,
        agent: str,
        purpose: str | None,
        action: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """What the answer to a call would be: the same decision, with its effects dropped.

        Args:
            agent: Whose call.
            purpose: For what; may be left out if the agent has one.
            action: `server/tool` or `server:method`.
            arguments: The call's arguments, numbers as int or Decimal.
            caller: The agent's own verified caller when it asks for itself. It is then told no
                more than a call would tell it.

        Raises:
            Malformed: No well-formed action, or no purpose where there are several.
            NotFound: No such agent; or, asked by the agent itself, not visible to it.
        """
        view, now = self._facts.view(), self._clock.now()
        call = _trial_call(view, agent, purpose, action, arguments, caller=caller, now=now)
        answer = self.tried(call, view, now=now)
        denial = answer.denial
        if denial is not None and denial.code is Code.NOT_VISIBLE and caller is not None:
            raise NotFound(f"Unknown tool: {split_action(action)[1]}"[:200])
        answered: dict[str, Any] = {
            "decision": answer.allowed,
            "agent": call.caller.agent,
            "purpose": call.caller.purpose,
            "action": action,
            "boundary": answer.boundary,
            "boundary_version": answer.boundary_version,
            "policies": list(answer.policies),
            **({"break_glass": answer.opening} if answer.opening else {}),
            **({"approval": answer.approval} if answer.approval else {}),
            "epoch": view.epoch,
            "denial": None if denial is None else self.told(denial, call, epoch=view.epoch, evaluated_at=now),
        }
        if denial is not None and caller is None:
            answered["denial"] |= {"step": denial.step, "cause": denial.cause}
        return answered

    def tried(self, call: Call, view: View, *, now: Instant) -> Answer:
        """What the answer to `call` would be on `view`, with nothing recorded. Reads the database: worker threads."""
        if not self.ready(call):
            self.prepare(call.caller.principal)
        proposal = decide(call, view, now=now)
        while unmet := self._facts.unmet(proposal.effects) - call.otherwise:
            call = replace(call, otherwise=call.otherwise | unmet)
            proposal = decide(call, view, now=now)
        return proposal.answer

    def check_policies(
        self, files: Mapping[str, str], servers: Collection[Server] | None = None
    ) -> organisation.Organisation:
        """Read and strictly validate policy files against the catalog (or against `servers`).

        Raises:
            ConfigInvalid: One cannot be read or does not validate; names file and line.
        """
        read = organisation.read(files, self._engine)
        known = [record.server for record in self._facts.view().servers.values()] if servers is None else servers
        organisation.check(read, for_catalog(known), self._engine)
        return read

    def widens(self, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
        """Why the policy files `after` let through what `before` do not; empty if they do not.

        Raises:
            ConfigInvalid: `after` cannot be read.
        """
        following = organisation.read(after, self._engine)
        try:
            standing = organisation.read(before, self._engine)
        except ConfigInvalid:
            return ["the policies in force cannot be read, and so nothing is allowed now"]
        return widenings(standing, following)


def _tried(call: Call) -> ActivationKey:
    """What was tried, by whom: an agent that acts for another speaks against itself."""
    return key_of(call)._replace(agent=call.caller.agent)


def seen(view: View, record: AgentRecord | None, purpose: str | None = None) -> frozenset[ActionName]:
    """The actions that an agent may see: named by one of its boundaries, and with a purpose, of that purpose."""
    if record is None:
        return frozenset()
    if purpose is None:
        return record.reach.actions
    registered = view.purposes.get(PurposeName(purpose))
    if registered is None:
        return frozenset()
    named = (*record.reach.grants, *record.reach.emergency)
    return frozenset(action for name, action in named if name == purpose and registered.covers(action))


def _trial_call(
    view: View,
    agent: str,
    purpose: str | None,
    action: str,
    arguments: Mapping[str, Any] | None,
    *,
    caller: Caller | None,
    now: Instant,
) -> Call:
    record = view.agents.get(agent)
    if record is None:
        raise NotFound("no such agent", detail=agent)
    purposes = record.agent.purposes
    if purpose is None and caller is None and len(purposes) != 1:
        raise Malformed("name a purpose: the agent has " + (", ".join(purposes) or "none"))
    server, name, is_tool = split_action(action)
    return Call(
        id=DecisionId(""),
        caller=caller
        or Caller(
            agent=AgentName(agent),
            instance=InstanceId(""),
            credential="",
            purpose=PurposeName(purpose or purposes[0]),
            run=RunId(""),
            token="",
            expires=Instant(0),
            bound=False,
            attested=now,
        ),
        server=server,
        action=ActionName(action),
        tool=ToolName(name) if is_tool else None,
        arguments=(arguments or {}) if is_tool else None,
        hypothetical=caller is None,
    )
