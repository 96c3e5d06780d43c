"""What `apply` would change. It reads and writes nothing but the plan, and `diff` runs the very same function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from remit.access.added import check_limit, tiers
from remit.access.admission import boundary_problems, purpose_change, purpose_problems
from remit.access.draft import Draft, History
from remit.access.model import Purpose
from remit.access.propose import Step, after, approve, propose
from remit.agents import lifecycle
from remit.agents.admission import end_problems, owner_problems
from remit.agents.admission import purpose_problems as agent_purpose_problems
from remit.agents.model import Agent, AgentState
from remit.attestation.trust import Trust
from remit.catalog.model import Mode, PinState, Server
from remit.catalog.observe import Observation, observe, retier
from remit.certification.noticing.combination_spec import servers_of
from remit.certification.noticing.combinations import Combination
from remit.kernel.clock import Instant
from remit.kernel.errors import ConfigInvalid, Conflict, RemitError
from remit.kernel.names import AgentName, OwnerName, split_action
from remit.people.document import Problem, SpecInvalid
from remit.people.model import Owner
from remit.people.succession import answers_for
from remit.policy.declared.model import Declaration
from remit.policy.organisation import Organisation
from remit.policy.rules import Rules
from remit.server import plan_notes
from remit.server.documents import KINDS, TEXTS, Document, Findings
from remit.server.first_words import OBSERVE, POLICIES
from remit.server.lowered import incident, lowered
from remit.server.plan_change import PRUNED, Change, Taken
from remit.server.plan_change import changed as _changed
from remit.server.plan_observed import WAITS, Observed, lets_go, note, observed
from remit.server.plan_policies import Saying, Widening, surprises, with_documents
from remit.server.plan_secrets import SecretPlans
from remit.server.voice import Voice
from remit.server.world import World

Listing = list[dict[str, Any]] | RemitError
_MOST_HOSTS = 10


class PolicyChecker(Protocol):
    """Validates the organisation's policies and declarations (bound to the policy room)."""

    def check_policies(
        self,
        files: Mapping[str, str],
        servers: Collection[Server] | None = None,
        declarations: Mapping[str, Declaration] | None = None,
    ) -> Organisation:
        """The policies; ConfigInvalid, with file and line, unless all validate against `servers` and each other."""
        ...

    def widens(self, before: Rules, after: Rules, servers: Collection[Server] | None = None) -> Sequence[str]:
        """Why `after` may let through what `before` does not; empty if it is proved that it does not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Plans against one world.

    Args:
        world: What there is.
        listings: What each server in the documents answered, or why it could not be asked.
        checker: Validates policies.
        person: Who applies.
        voice: What their word counts for.
        now: When.
    """

    world: World
    listings: Mapping[str, Listing]
    checker: PolicyChecker
    person: str
    voice: Voice
    now: Instant
    findings: Findings
    observed: list[Observed] = field(default_factory=list)  # one, once the documents are known, if any
    _secrets: SecretPlans = field(init=False)

    def __post_init__(self) -> None:
        plans = SecretPlans(world=self.world, person=self.person, voice=self.voice, now=self.now)
        object.__setattr__(self, "_secrets", plans)  # it is made of the other fields, which do not change

    def plan(self, documents: Sequence[Document]) -> list[Change]:
        """Every change, in the order of `KINDS`, then what a prune takes, in reverse.

        Raises:
            TreeInvalid, Conflict: See `Findings.finish`.
        """
        planned = []
        for document in documents:
            if document.kind == "owner":
                self.world.put("owner", document.name, self._owner_after(document.value))
        self._observe([each.value for each in documents if each.kind == "server"])
        self._secrets.begin(documents)
        for document in documents:
            try:
                if document.kind not in TEXTS:
                    planned.append(self._one(document))
            except RemitError as error:
                self.findings.add(document, error)
        rules, widening = self._rules([each for each in documents if each.kind in TEXTS])
        planned += rules
        self.findings.finish()
        for kind in reversed(KINDS):
            pruned = [self._pruned(kind, name) for name in self.world.left_out(kind)]
            planned += [self._with(widening, change) for change in pruned] if kind in TEXTS else pruned
        return planned

    def _pruned(self, kind: str, name: str) -> Change:
        if kind == "secret":
            return self._secrets.pruned(name)
        return Change(kind=kind, name=name, change="prune", state=PRUNED[kind])

    def _one(self, document: Document) -> Change:
        if document.kind == "owner":
            return self._owner(document.name)
        plans: dict[str, Callable[..., Change]] = {
            "purpose": self._purpose,
            "secret": self._secrets.one,
            "server": self._server,
            "trust": self._trust,
            "agent": self._agent,
            "boundary": self._boundary,
            "combination": self._combination,
        }
        return plans[document.kind](document.value)

    def _owner_after(self, owner: Owner) -> Owner:
        """A file does not bring back who was deactivated: that is a person's decision."""
        before: Owner | None = self.world.stored("owner", owner.owner)
        return owner if before is None else replace(owner, active=before.active)

    def _owner(self, name: str) -> Change:
        before, owner = self.world.stored("owner", name), self.world.owner(name)
        if owner is None:
            raise ConfigInvalid(f"there is no owner {name}")
        _raise(
            Problem(f"backup.{at}", f"there is no owner {backup}")
            for at, backup in enumerate(owner.backup)
            if self.world.owner(backup) is None
        )
        state = "active" if owner.active else "inactive"
        return Change(kind="owner", name=name, change=_changed(before, owner), state=state, value=owner)

    def _purpose(self, purpose: Purpose) -> Change:
        before: Purpose | None = self.world.stored("purpose", purpose.purpose)
        self.world.put("purpose", purpose.purpose, purpose)
        change = purpose_change(before, purpose)
        _raise(purpose_problems(before, purpose, now=self.now))
        return Change(kind="purpose", name=purpose.purpose, change=change, state=purpose.state.value, value=purpose)

    def _observe(self, servers: Sequence[Server]) -> None:
        """See which servers this apply would no longer enforce, and whether somebody said so before."""
        if found := [each for each in servers if lets_go(self.world.stored("server", each.server), each)]:
            first = self.world.first_word(OBSERVE)
            self.observed.append(
                observed(found, person=self.person, counts=self.voice.counts, first=first, now=self.now)
            )

    def _server(self, said: Server) -> Change:
        _raise(self._secrets.server_problems(said))
        before: Server | None = self.world.stored("server", said.server)
        coming = next((each for each in self.observed if said.server in each.servers), None)
        waits = coming is not None and coming.waits
        if waits:
            said = replace(said, mode=Mode.ENFORCE)
        known = retier(said if before is None else replace(said, tools=before.tools, set_pin=before.set_pin))
        listing = self.listings.get(said.server)
        if isinstance(listing, ConfigInvalid):
            raise listing  # its address is never called: nothing but another file helps
        observed = observe(known, listing) if isinstance(listing, list) else Observation(known, ())
        self.world.put("server", said.server, observed.server)
        elsewhere = self._elsewhere(said)
        lower = lowered(before, observed.server)
        waiting = sum(tool.state is not PinState.APPROVED for tool in observed.server.tools.values())
        if not isinstance(listing, list):
            state, said_of = "unreachable", "not asked" if listing is None else listing.public
        else:
            state, said_of = ("review", f"{waiting} tools wait for review") if waiting else ("pinned", "")
        later = note(self.person, counts=self.voice.counts) if waits else ""
        change = _changed(before, observed.server)
        return Change(
            kind="server",
            name=said.server,
            change="update" if waits and change == "unchanged" else change,  # a word is said, which not everybody may
            state=WAITS if waits else state,
            waits=waits,
            note="; ".join(filter(None, (later, said_of, plan_notes.sent(elsewhere), plan_notes.lower(lower)))),
            value=observed,
            incidents=tuple(each for each in (elsewhere, incident(said.server, lower) if lower else None) if each),
            lowered=lower,
            observed=coming,
        )

    def _elsewhere(self, server: Server) -> Mapping[str, Any] | None:
        """That a secret which goes to other hosts is sent to this one from now on; None if it is not."""
        if server.credential is None:
            return None
        secret = server.credential.secret
        hosts = self.world.secret_hosts().get(secret, set())
        if not hosts or server.secret_host in hosts:
            return None
        what = {"what": "secret_to_another_host", "server": server.server, "secret": secret}
        return what | {"host": server.secret_host, "hosts_before": sorted(hosts)[:_MOST_HOSTS]}

    def _trust(self, value: Trust) -> Change:
        before: Trust | None = self.world.stored("trust", value.trust)
        if other := self.world.trusted_as(value):
            raise Conflict(f"the trust {other} is of that issuer already", try_=f"remit trust show {other}")
        self.world.put("trust", value.trust, value)
        return Change(kind="trust", name=value.trust, change=_changed(before, value), state="trusted", value=value)

    def _agent(self, said: Agent) -> Change:
        before: Agent | None = self.world.stored("agent", said.agent)
        self.world.put("agent", said.agent, said)
        if before is not None and before.state is AgentState.RETIRED:
            lifecycle.move(said.agent, before.state, said.state)
        # A file does not resume what a person suspended.
        suspended = before is not None and before.state is AgentState.SUSPENDED
        agent = replace(said, state=AgentState.SUSPENDED) if suspended else said
        self.world.put("agent", agent.agent, agent)
        problems = owner_problems(agent, self.world.owner(agent.owner))
        problems += agent_purpose_problems(agent, self.world.purpose_is_open)
        if agent != before:
            problems += end_problems(agent, now=self.now)
        _raise(problems)
        change = _changed(before, agent)
        note = plan_notes.untrusted(agent, self.world)
        return Change(kind="agent", name=agent.agent, change=change, state=agent.state.value, value=agent, note=note)

    def _boundary(self, draft: Draft) -> Change:
        agent = self.world.agent(draft.agent)
        problems = list(boundary_problems(draft, agent, self.world.purpose(draft.purpose)))
        for at, clause in enumerate(draft.allow):  # an unchanged boundary too, when a prune takes its server
            server = split_action(clause.pattern)[0]
            if self.world.server(server) is None:
                problems.append(Problem(f"allow.{at}.action", f"there is no server {server}"))
            unknown = [name for name in clause.approval_by if self.world.owner(name) is None]
            problems += [Problem(f"allow.{at}.approval.by", f"there is no owner {name}") for name in unknown]
        _raise(problems)
        history = self.world.history(draft.boundary)
        step = propose(draft, history, self.world.server, now=self.now)
        steps, note = [(step, history)], "; ".join(step.reasons)
        if step.waits and self.voice.approves is not None:
            standing = after(history, step)
            try:
                approved = self._approve(draft, agent, standing)
            except Conflict as error:
                note = error.public
            else:
                steps.append((approved, standing))
        for planned, _ in steps:
            self.world.take(planned.writes)
        last = steps[-1][0]
        change = "update" if step.change == "unchanged" and last is not step else step.change
        return Change(
            kind="boundary",
            name=draft.boundary,
            change=change,
            state=last.now.state.value,
            waits=last.waits,
            note=note if last.waits else "",
            value=Taken(steps=tuple(steps)),
        )

    def _combination(self, value: Combination) -> Change:
        before: Combination | None = self.world.stored("combination", value.combination)
        _raise(
            Problem(f"actions.{at}", f"there is no server {server}")
            for at, server in servers_of(value)
            if self.world.server(server) is None
        )
        change = _changed(before, value)
        return Change(kind="combination", name=value.combination, change=change, state="watched", value=value)

    def _approve(self, draft: Draft, agent: Agent | None, history: History) -> Step:
        owner = None if agent is None else self.world.owner(agent.owner)
        person, approves = self.person, self.voice.approves
        if not answers_for(person, owner, self.world.owner):
            raise Conflict(f"{person} is neither the owner of {draft.agent} nor a backup")
        if approves is None or not approves(self._answering(draft.agent, owner)):
            raise Conflict(
                f"{person} may not approve it with what this same apply makes of {draft.agent} and its owner:"
                f" apply first, then remit boundary approve {draft.boundary}"
            )
        step = approve(history, self.world.server, by=OwnerName(person), now=self.now)
        if agent is not None:
            earlier = self.world.versions(agent.agent)
            check_limit(agent, earlier, step.writes, tiers(self.world.server), now=self.now)
        return step

    def _answering(self, name: AgentName, planned: Owner | None) -> set[str]:
        """Who answered for the agent before this apply: else it would make itself the approver of what it asks for.

        A new agent had nobody. Its owner is who the document says, with the backups they had before.
        """
        before: Agent | None = self.world.stored("agent", name)
        new = {planned.owner} if before is None and planned is not None else set()
        of = before.owner if before is not None else "".join(new)
        owner: Owner | None = self.world.stored("owner", of)
        if owner is None:
            return set(new)
        found = [owner, *(self.world.stored("owner", each) for each in owner.backup)]
        return {each.owner for each in found if each is not None and each.active}

    def _rules(self, documents: Sequence[Document]) -> tuple[list[Change], Widening | None]:
        """The policies and what they are about, which are valid together, and wait together."""
        stored = Rules(self.world.stored_policies(), self.world.stored_declarations())
        kept = Rules(self.world.policies(), self.world.declarations())
        after = with_documents(kept, documents)
        if not self._valid(after):
            return [], None
        read = self.checker.check_policies(after.policies, self.world.servers(), after.declarations)
        notes = surprises(read.policies, self.world.servers())
        reasons = self.checker.widens(stored, after, self.world.servers()) if stored != after else ()
        widening = self._saying.widening(stored.texts, after.texts, reasons) if reasons else None
        if widening is not None and widening.waits:
            # They stay in force meanwhile, over what else this apply makes of the catalog.
            self._valid(stored, " (it stays in force until a second person agrees: apply the policies alone first)")
        rows = [
            Change(
                kind=document.kind, name=document.name, value=document.value, note=notes.get(document.name, ""),
                change=_changed(kept.texts.get((document.kind, document.name)), document.value), state="enforced",
            )
            for document in documents
        ]  # fmt: skip
        return [self._with(widening, row) for row in rows], widening

    def _valid(self, rules: Rules, why: str = "") -> bool:
        try:
            if rules.policies or rules.declarations:
                self.checker.check_policies(rules.policies, self.world.servers(), rules.declarations)
        except ConfigInvalid as error:
            place = Document(kind="policy", name="", value="", file="", line=0)
            self.findings.add(place, ConfigInvalid(error.public + why) if why else error)
            return False
        return True

    @property
    def _saying(self) -> Saying:
        first = self.world.first_word(POLICIES)
        return Saying(person=self.person, counts=self.voice.counts, first=first, now=self.now)

    def _with(self, widening: Widening | None, row: Change) -> Change:
        """A row of a file of rules, which waits if the rules as a whole do."""
        if widening is None or row.change == "unchanged":
            return row
        if not widening.waits:
            return replace(row, widening=widening)
        note = "; ".join(filter(None, (self._saying.note(widening), row.note)))
        return replace(row, state="waiting_for_second_person", waits=True, note=note, widening=widening)


def _raise(problems: Any) -> None:  # noqa: ANN401 - an iterable of problems
    if found := list(problems):
        raise SpecInvalid(found)
