"""The policy decision point as the rooms above use it: decide, explain, try out, and validate policies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.access.activation import Activation, ActivationKey
from remit.access.model import Rule
from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.kernel.clock import SECOND, Clock, Instant
from remit.kernel.errors import NotFound
from remit.kernel.names import ActionName, PurposeName, ServerName, split_action
from remit.policy import comparing, organisation, spent
from remit.policy.conditions_told import META, told
from remit.policy.decide import decide
from remit.policy.declared.judge import Asked, Judge, Judgement
from remit.policy.declared.model import Declaration
from remit.policy.delegated import acting
from remit.policy.denial import body, revoked
from remit.policy.entitlement import key_of
from remit.policy.facts import Facts
from remit.policy.foreseen import Foreseen, Question
from remit.policy.methods import target
from remit.policy.model import Answer, Call, Code, Denial, Proposal
from remit.policy.narrow import narrowed
from remit.policy.observe import relaxed
from remit.policy.observing import Observing
from remit.policy.ports import Engine
from remit.policy.record import decision_fields
from remit.policy.remedied import Tried, tried
from remit.policy.rules import Rules
from remit.policy.trial_call import trial_call
from remit.policy.view import View
from remit.policy.visible import granted, live, shown
from remit.policy.who import Standing, likely, standing
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
        self._judge = Judge(engine)
        self._foreseen = Foreseen(self._compared)
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
        """Whether the agent's activations are in memory; only what is entitled needs them.

        What was not used here lately may be in use at another node: it is read again before it counts as idle.
        """
        if not call.entitled:
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

    def observing(self) -> Observing:
        """What compares decisions with those by another policy set."""
        return Observing(self._facts.organisations, self._engine)

    def _named(self, call: Call) -> bool:
        """Whether a boundary of the agent names what was called. Names that it makes up must not fill the memory."""
        record = acting(self._facts.view(), call.caller)
        if record is None or not call.entitled:
            return False
        return call.action in record.reach.actions and call.caller.purpose in record.agent.purposes

    def decide(self, call: Call, view: View, *, now: Instant) -> Proposal:
        """Propose an answer, and the effects that must commit with it."""
        return decide(call, view, now=now)

    def relaxed(self, proposal: Proposal, call: Call, view: View) -> Proposal:
        """A proposal that came of the commit, as it stands on a server that is only observed."""
        return relaxed(proposal, call, view)

    def frozen(self, call: Call) -> Answer | None:
        """The denial of a call that a freeze covers, else None: step 3 by itself, for calls that already run."""
        view = self._facts.view()
        record = view.agents.get(call.caller.agent)
        freeze = None if record is None else view.freeze_on(call, record.agent)
        return None if freeze is None else Answer(denial=revoked(freeze=freeze.id))

    def spent(self, effect: Reserve | ConsumeApproval, call: Call, proposal: Proposal, *, now: Instant) -> Proposal:
        """The proposal of a call whose reservation, or approval, found nothing left at the writer: its denial."""
        return spent.denied(effect, call, proposal, self._facts.view().counters, now=now)

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
        return shown(view, caller, now=self._clock.now())

    def narrowed(
        self, view: View, caller: Caller, action: ActionName, schema: Mapping[str, Any], *, now: Instant
    ) -> Mapping[str, Any]:
        """A tool's pinned input schema, as far as the caller's boundaries in force let arguments through."""
        return narrowed(schema, self.rules(view, caller, action, now=now))

    def rules(self, view: View, caller: Caller, action: ActionName, *, now: Instant) -> list[Rule]:
        """The rules of the caller's boundaries in force for an action."""
        return [grant.rule for grant in live(view, caller, action, now=now)]

    def granted(self, caller: Caller, server: ServerName) -> frozenset[str]:
        """The methods of a server that the caller's boundaries grant under its purpose; all but what takes data out of
        the agent, where the server is only observed.
        """
        return granted(self._facts.view(), caller, server, now=self._clock.now())

    def conditions(self, view: View, caller: Caller, action: ActionName, *, now: Instant) -> Mapping[str, Any]:
        """What a tool's schema cannot say of the caller's boundaries in force, by its name in `_meta`."""
        tool = target(view.servers.get(split_action(action)[0]), action)
        found = told(live(view, caller, action, now=now), None if tool is None else tool.labels)
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
        call = trial_call(view, agent, purpose, action, arguments, caller=caller, now=now)
        answer = self.tried(call, view, now=now)
        denial = answer.denial
        if denial is not None and denial.code is Code.NOT_VISIBLE and caller is not None:
            raise NotFound(f"Unknown tool: {split_action(action)[1]}"[:200])
        would = answer.would_deny
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
        if would is not None:
            answered["would_deny"] = self.told(would, call, epoch=view.epoch, evaluated_at=now)
        if denial is not None and caller is None:
            # Beside the denial, which is the same at every door.
            answered |= {"step": denial.step, "cause": denial.cause}
        return answered

    def tried(self, call: Call, view: View, *, now: Instant) -> Answer:
        """What the answer to `call` would be on `view`, with nothing recorded. Reads the database: worker threads."""
        if not self.ready(call):
            self.prepare(call.caller.principal)
        return self._settled(call, view, now=now).answer

    def _settled(self, call: Call, view: View, *, now: Instant) -> Proposal:
        """What is proposed of `call` once it is known what its run has done and read: the writer says so of a call."""
        proposal = decide(call, view, now=now)
        while unmet := self._facts.unmet(proposal.effects) - call.otherwise:
            call = replace(call, otherwise=call.otherwise | unmet)
            proposal = decide(call, view, now=now)
        return proposal

    def judge(self, asked: Asked, view: View, *, instance: str) -> Judgement:
        """What the organisation's policies say about a question of its own types. No boundary is asked.

        A freeze on everything, or on the enforcement point that asks (`instance`), wins here as everywhere.
        """
        freeze = view.freeze_of(instance)
        if freeze is not None:
            return Judgement(denial=revoked(freeze=freeze.id))
        return self._judge.judge(asked, view.declared, view.organisation)

    def judged_by(self, view: View) -> dict[str, str]:
        """The digests of the rules in force."""
        return {"policies": view.organisation.digest, "declarations": view.declared.digest}

    def fault(self, view: View) -> str | None:
        """Why nothing can be said about the organisation's own types; None if something can."""
        return view.declared.fault or view.organisation.fault

    def declared_ids(self, view: View, kind: str) -> Sequence[str]:
        """The ids of entities of a type that is named as AuthZEN names it, in order."""
        return view.declared.ids(kind)

    def declared_actions(self, view: View, subject: str, resource: str) -> Sequence[str]:
        """The names of the actions that apply to these types, in order."""
        types = view.declared.types
        pair = (types.get(subject), types.get(resource))
        return sorted(name for principal, name, of in view.declared.actions if (principal, of) == pair)

    def agents_naming(self, action: str) -> Sequence[str]:
        """The agents whose boundaries name an action, in order."""
        return sorted(name for name, record in self._facts.view().agents.items() if action in record.reach.actions)

    def answer_now(self, call: Call) -> Answer:
        """The answer that a call would get now, its effects dropped. May read the database."""
        return self.tried(call, self._facts.view(), now=self._clock.now())

    def named(self, agent: str) -> frozenset[ActionName]:
        """The actions that an agent's boundaries name; none if there is no such agent."""
        record = self._facts.view().agents.get(agent)
        return frozenset() if record is None else record.reach.actions

    def standing(
        self, agent: str, purpose: PurposeName, action: str, arguments: Mapping[str, Any] | None = None
    ) -> Standing:
        """Where an agent stands with an action of a purpose now: the same decision as of a call, effects dropped.

        Args:
            agent: Whose.
            purpose: For what.
            action: `server/tool`.
            arguments: Of the call; without, some that its boundary and the tool would take.

        Raises:
            NotFound: No such agent.
        """
        view, now = self._facts.view(), self._clock.now()
        said = arguments if arguments is not None else likely(view, agent, purpose, action)
        call = trial_call(view, agent, purpose, action, said, caller=None, now=now)
        if not self.ready(call):
            self.prepare(agent)
        return standing(call, view, self._settled(call, view, now=now))

    def anew(self, call: Call) -> tuple[Proposal, list[Tried], View]:
        """A recorded call decided anew, effects dropped; if it is denied, what would have it let through."""
        view, now = self._facts.view(), self._clock.now()
        if call.caller.agent in view.agents and not self.ready(call):
            self.prepare(call.caller.agent)
        proposal = self._settled(call, view, now=now)
        denial = proposal.answer.denial
        ways = [] if denial is None else tried(call, view, denial, now=now, decided=self._settled)
        return proposal, ways, view

    def check_policies(
        self,
        files: Mapping[str, str],
        servers: Collection[Server] | None = None,
        declarations: Mapping[str, Declaration] | None = None,
    ) -> organisation.Organisation:
        """Read and strictly validate policy files against the catalog (or `servers`) and what is declared.

        A policy that can never do anything is refused, unless it is in force as it stands.

        Raises:
            ConfigInvalid: One cannot be read or does not validate; names file and line.
        """
        view = self._facts.view()
        known = [record.server for record in view.servers.values()] if servers is None else servers
        declared = view.declared if declarations is None else self._facts.declarations.check(declarations)
        standing = frozenset(policy.text for policy in view.organisation.policies)
        return self._facts.organisations.check(files, known, declared.schema, standing=standing)

    def widens(self, before: Rules, after: Rules, servers: Collection[Server] | None = None) -> list[str]:
        """Why the rules `after` may let through what `before` do not; empty if it is proved that they do not.

        `after` was found to be valid against `servers` (those registered, if not given; see `check_policies`).

        Raises:
            ConfigInvalid: `after` cannot be read.
        """
        return self._foreseen.reasons((before, after, self._servers(servers)))

    def foresee(self, before: Rules, after: Rules) -> None:
        """Have `widens` of these worked out beside all else; whoever asks for it then waits for that at most."""
        self._foreseen.ahead((before, after, self._servers(None)))

    def _servers(self, servers: Collection[Server] | None) -> tuple[Server, ...]:
        return tuple(each.server for each in self._facts.view().servers.values()) if servers is None else tuple(servers)

    def _compared(self, question: Question) -> list[str]:
        before, after, servers = question
        return comparing.widens(
            before, after, self._engine, servers,
            read=self._facts.organisations.read, declared=self._facts.declarations.check(after.declarations).schema,
        )  # fmt: skip


def _tried(call: Call) -> ActivationKey:
    """What was tried, by whom: an agent that acts for another speaks against itself."""
    return key_of(call)._replace(agent=call.caller.agent)
