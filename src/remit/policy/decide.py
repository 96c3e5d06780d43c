"""How a call is decided: numbered steps, first failure wins, a deny is a value."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from remit.catalog.model import Kind, PinState, Server, Tier
from remit.kernel.clock import Instant
from remit.policy import denial as refuse
from remit.policy.approved import Found, approved
from remit.policy.arguments import inexact, told
from remit.policy.arguments import violations as schema_violations
from remit.policy.circumstances import Read
from remit.policy.conditions import Met, facts, meet
from remit.policy.constraints import above_approval
from remit.policy.constraints import violations as bound_violations
from remit.policy.delegated import acting
from remit.policy.entitlement import Start, entitled, key_of
from remit.policy.limits import exhausted, reservation
from remit.policy.methods import addressed, target, unlisted_host
from remit.policy.model import Answer, Approvers, Call, Code, Denial, Proposal, Violation
from remit.policy.observe import in_observe, leaving, relaxed
from remit.policy.ports import Ruling, Slice, Verdict
from remit.policy.schema import MANDATE_URI, METHODS, PASSING
from remit.policy.setting import Moment, run_opened, setting_in
from remit.policy.shape import EMPTY, Unreadable, read
from remit.policy.slices import Subject, context, policy_names
from remit.policy.standing import standing_denial
from remit.policy.unapproved import unapproved
from remit.policy.view import AgentRecord, Grant, PurposeRecord, ServerRecord, View
from remit.storage.model import Effect, Mark, Reserve


def decide(call: Call, view: View, *, now: Instant) -> Proposal:
    """Propose an answer to one call, and the effects that must commit with it.

    Nothing is written here. The committed answer is the decision: if an effect finds its
    row changed, the writer turns the proposal into that denial (`limits.denial_for`).
    The caller's proof is consumed whatever the answer is.
    """
    return leaving(relaxed(_decided(call, view, now=now), call, view), call, view, now=now)


def _decided(call: Call, view: View, *, now: Instant) -> Proposal:  # noqa: PLR0911 - one for each step
    trial = _Trial(call, view, now, Read(now))
    # (1) A view that may be stale decides nothing: a freeze could be missing from it.
    if not view.fresh(now):
        return trial.deny(refuse.unavailable(step=1, cause="the database was not reached within the staleness bound"))
    # (2) The caller is authenticated; what it may not see ends here, exactly like what does not exist.
    agent = acting(view, call.caller)
    server = view.servers.get(call.server)
    if agent is None or server is None or not (_sees(agent, call, server.server) or in_observe(call, server.server)):
        return trial.deny(refuse.not_visible())
    # (3) A freeze anywhere on the path wins over everything that was ever approved.
    if (freeze := view.freeze_on(call, agent.agent)) is not None:
        return trial.deny(refuse.revoked(freeze=freeze.id))
    # (4) Agent, owner and purpose are active, and so are the token's credential and run; the purpose covers the action.
    purpose = view.purposes.get(call.caller.purpose)
    standing = standing_denial(call, view, agent, purpose, now)
    if standing is not None or purpose is None:
        return trial.deny(standing or refuse.purpose_closed(call.caller.purpose))
    if not call.entitled:
        return _method(trial, agent, purpose, server)
    # (5) The tool is known, and is as it was approved; a method always is.
    tool = target(server, call.action)
    if tool is None or tool.tool.state is not PinState.APPROVED:
        return trial.deny(refuse.tool_definition_changed(cause=tool.tool.state.value if tool else "not listed"))
    # (6) The arguments fit the pinned schema, and every number is exact.
    subject = Subject(agent, purpose, server, tool, call.action)
    values = _readable(call, subject)
    if isinstance(values, Denial):
        ungranted = call.tool is None and call.action not in agent.reach.actions
        return trial.deny(refuse.not_granted(call) if ungranted else values)
    # (7)-(11) The organisation's policies and the agent's boundaries.
    return _within(trial, subject, context(call, values, now=now))


class _Trial(msgspec.Struct):
    """One call under way: what was found so far, for the payload of its entry."""

    call: Call
    view: View
    now: Instant
    read: Read
    facts: dict[str, Any] = msgspec.field(default_factory=dict)

    def deny(self, denial: Denial) -> Proposal:
        proof = self.call.proof
        effects = () if proof is None else (proof,)
        return Proposal(answer=Answer(denial=denial), effects=effects, facts=self.facts, read=self.read)

    def allow(
        self,
        answer: Answer,
        reserved: tuple[Effect, ...] = (),
        start: Start | None = None,
        after: tuple[Mark, ...] = (),
    ) -> Proposal:
        effects: tuple[Effect, ...] = reserved if self.call.proof is None else (self.call.proof, *reserved)
        if start is None:
            return Proposal(answer=answer, effects=effects, facts=self.facts, after=after, read=self.read)
        return Proposal(
            after=after,
            answer=answer,
            effects=(*effects, *start.effects),
            facts=self.facts,
            starts=(start.activation,),
            verdicts=(start.verdict,),
            read=self.read,
        )


def _sees(agent: AgentRecord, call: Call, server: Server) -> bool:
    """Whether a boundary names it. An HTTP server has no methods of MCP, whoever asks for one."""
    if call.tool is not None:
        return call.action in agent.reach.actions
    return server.kind is not Kind.HTTP and call.server in agent.reach.servers and addressed(agent, call)


def _readable(call: Call, subject: Subject) -> dict[str, Any] | Denial:
    """The arguments as policies read them, or the denial of step 6."""
    arguments = call.arguments if call.arguments is not None else {}
    if subject.tool is None:
        return refuse.unavailable(step=6, cause="no tool")
    try:
        validator = subject.tool.validator()
    except ValueError as error:
        return refuse.invalid_arguments((), cause=f"the pinned schema cannot be used: {error}")
    if found := schema_violations(arguments, validator):
        return refuse.invalid_arguments(found)
    try:
        return read(subject.shape, arguments)
    except Unreadable as error:
        if error.constraint == "exact":
            return refuse.invalid_arguments((inexact(error.path, error.value),))
        return refuse.invalid_arguments(
            (Violation(path=error.path, constraint=error.constraint, actual=told(error.value)),)
        )


def _method(trial: _Trial, agent: AgentRecord, purpose: PurposeRecord, server: ServerRecord) -> Proposal:
    """A method that no boundary grants by name: what passes needs any boundary on the server that has not ended."""
    call, view, now = trial.call, trial.view, trial.now
    method = call.action.partition(":")[2]
    # (7) The organisation's policies speak about every method that is known.
    if method in METHODS:
        subject = Subject(agent, purpose, server, None, call.action)
        about = context(call, read(EMPTY, {}), now=now)
        if (denial := _behind_forbidden(trial, subject, about)) is not None:
            return trial.deny(denial)
        verdict, _ = view.slices.ask(subject, view.organisation, None, about)
        if (denial := _ruled_out(verdict, view)) is not None:
            return trial.deny(denial)
    # (8) Methods have no rules of their own: they pass as a whole, or not at all.
    live = [b for b in agent.reach.servers.get(call.server, ()) if now < b.not_after]
    passes = method in PASSING or (method == "resources/read" and call.resource == MANDATE_URI)
    if not passes or not live:
        return trial.deny(refuse.not_granted(call))
    for boundary in sorted(live, key=lambda each: each.break_glass):  # as they stand, those for emergencies last
        opening = view.opening(boundary, now) if boundary.break_glass else None
        if opening is not None or not boundary.break_glass:
            said = opening.opening if opening else None
            answer = Answer(boundary=boundary.boundary, boundary_version=boundary.version, opening=said)
            return trial.allow(answer)
    return trial.deny(refuse.not_open(call, boundary=live[0].boundary))


def _within(trial: _Trial, subject: Subject, about: str) -> Proposal:
    """Steps 7-11: the organisation's policies, then each boundary in byte order of their names.

    Those for emergencies come after all ordinary ones: what these let through is charged to none of them.
    """
    call, view = trial.call, trial.view
    if (denial := _behind_forbidden(trial, subject, about)) is not None:
        return trial.deny(denial)
    key, reach = (call.caller.purpose, call.action), subject.agent.reach
    furthest: Denial | None = None
    tried: Grant | None = None
    ruled = False
    for grant in reach.grants.get(key, ()) + reach.emergency.get(key, ()):
        if grant.boundary.break_glass and furthest is not None and furthest.code is Code.ENFORCEMENT_UNAVAILABLE:
            break  # nobody knows whether it takes an emergency
        denial = _bounds(grant, call, trial.now)
        if denial is None:
            # (7) with (8): the structure has passed, and Cedar must agree.
            verdict, asked = view.slices.ask(subject, view.organisation, grant, about)
            ruled = True
            if (denial := _ruled_out(verdict, view)) is not None:
                return trial.deny(denial)
            if not _permitted(verdict, asked):
                trial.facts["incident"] = _incident(grant, "the structure allows and Cedar does not")
                return trial.deny(refuse.unavailable(step=8, cause="structure and Cedar disagree"))
            # (9) to (11) The entitlement, its limits, a person's approval.
            proposal = _charge(trial, grant, subject, policy_names(verdict.reasons))
            if isinstance(proposal, Proposal):
                return proposal
            denial = proposal
        # A call that runs because of an emergency ends with it, and not with what never let it through.
        counts = grant.boundary.break_glass or call.under is None
        if counts and _further(denial, furthest):
            furthest, tried = denial, grant
    if not ruled and (denial := _organisation(trial, subject, tried, about)) is not None:
        return trial.deny(denial)
    return trial.deny(furthest or refuse.not_granted(call))


def _behind_forbidden(trial: _Trial, subject: Subject, about: str) -> Denial | None:
    """(7) for everybody for whom the caller acts: what is forbidden to one is not done for it by another."""
    for link in trial.call.caller.links:
        record = trial.view.agents.get(link.agent)
        if record is None:
            return refuse.agent_suspended(f"it acts for {link.agent}, which is not registered")
        verdict, _ = trial.view.slices.ask(replace(subject, agent=record), trial.view.organisation, None, about)
        if (denial := _ruled_out(verdict, trial.view)) is not None:
            return denial
    return None


def _further(denial: Denial, furthest: Denial | None) -> bool:
    """Whether this is the denial to tell of two. The first name wins a tie.

    That an emergency would be needed is told only where no ordinary boundary names the action: an agent
    that asked for too much should ask for less.
    """
    return furthest is None or (denial.step > furthest.step and denial.cause != refuse.NOT_OPEN)


def _bounds(grant: Grant, call: Call, now: Instant) -> Denial | None:
    """(8) The boundary has not ended, and the arguments are inside its bounds."""
    if now >= grant.boundary.not_after:
        return refuse.not_granted(call, cause=f"boundary {grant.boundary.boundary} has ended")
    found = bound_violations(grant.rule, call.arguments or {}) or unlisted_host(grant.rule, call)
    return refuse.constraint_violated(found, call, grant.rule) if found else None


def _charge(trial: _Trial, grant: Grant, subject: Subject, policies: tuple[str, ...]) -> Proposal | Denial:
    """(9), (10) and (11) for a boundary that covers the call."""
    call, now, boundary = trial.call, trial.now, grant.boundary
    # (9) The entitlement is in force at this moment, or starts with this call. Of a boundary for emergencies, a person
    # holds it open: then no activation is looked at, started or used.
    opening = trial.view.opening(boundary, now) if boundary.break_glass else None
    if boundary.break_glass and opening is None:
        return refuse.not_open(call, boundary=boundary.boundary)
    start = None if opening is not None else _entitled(trial, grant, subject)
    if isinstance(start, Denial):
        return start
    limited = _limits(trial, grant, subject)
    if isinstance(limited, Denial):
        return limited
    met, let_out = limited
    # (11) A person must approve what goes over the boundary's threshold.
    found = _approval(trial, grant, subject)
    if isinstance(found, Denial):
        return found
    found = found or let_out  # of one call both are the same, and it is used once
    answer = Answer(
        boundary=boundary.boundary,
        boundary_version=boundary.version,
        policies=policies,
        opening=opening.opening if opening else None,
        approval=found.approval if found else None,
        approved_until=found.until if found else None,
    )
    effects = met.effects if found is None or found.effect is None else (*met.effects, found.effect)
    return trial.allow(answer, effects, start, met.after)


def _limits(trial: _Trial, grant: Grant, subject: Subject) -> tuple[Met, Found | None] | Denial:
    """(10) Limits are reserved by the writer; what is known to be spent is refused here already.

    With what is met, the approval that it took.
    """
    call, now, tool = trial.call, trial.now, subject.tool
    found: tuple[Effect, ...] = tuple([reservation(limit, call.arguments or {}, now=now) for limit in grant.limits])
    met, approval = Met(), None
    if tool is not None and (grant.conditional or tool.labels is not None):
        # Windows, depth, volume, sequence, flow.
        asked = meet(grant, tool, call, trial.view.mac, now=now)
        trial.facts |= facts(grant, call)
        if isinstance(asked, Denial) and asked.code is Code.FLOW_BLOCKED:
            # A person's yes to exactly this call lets data be carried out.
            approvers = Approvers(by=grant.rule.approval_by, quorum=grant.rule.approval_quorum)
            approval = approved(call, trial.view, now=now, approvers=approvers)
            if not approval.passes:
                return unapproved(asked, approval.state, approvers)
            asked = meet(grant, tool, call, trial.view.mac, now=now, approved=True)
        if isinstance(asked, Denial):
            return asked
        met = asked
    found = (*found, *met.effects)
    for effect in found:
        if isinstance(effect, Reserve):
            used = trial.read.used[effect.key] = trial.view.counters.used(effect.key, effect.window)
            if (used or 0) + effect.needed > effect.limit:
                return exhausted(effect, call, now=now, used=used or 0)
    return Met(found, met.after), approval


def _approval(trial: _Trial, grant: Grant, subject: Subject) -> Found | Denial | None:
    """(11) The approval that the call stands on; None where the boundary asks for none."""
    call, rule, arguments = trial.call, grant.rule, trial.call.arguments or {}
    over = above_approval(rule, arguments)
    if over is None and (subject.tier is not Tier.CRITICAL or rule.limited):
        return None
    approvers = Approvers(by=rule.approval_by, quorum=rule.approval_quorum)
    found = approved(call, trial.view, now=trial.now, approvers=approvers)
    if found.passes:
        return found
    if over is None:
        return unapproved(refuse.approval_required(call), found.state, approvers)
    name, threshold = over
    denial = refuse.approval_required(call, argument=name, threshold=threshold, asked=arguments.get(name))
    return unapproved(denial, found.state, approvers)


def _entitled(trial: _Trial, grant: Grant, subject: Subject) -> Start | Denial | None:
    call, view, now = trial.call, trial.view, trial.now
    known, key = view.activations, key_of(call)
    # Whose access is used: acting for another, that one's.
    root = view.agents.get(key.agent)
    if root is None or not known.knows(key.agent):
        return refuse.unavailable(step=9, cause="the agent's activations are not loaded")
    holder, risk = root.holder(owner_active=True), subject.agent.risk.value  # step 4 has seen to the owners
    holder = holder if holder.risk == risk else replace(holder, risk=risk)
    at = Moment(now, known.covered(), run_opened(call.caller, root.agent))
    setting = setting_in(view, key, tier=subject.tier, grant=grant, holder=holder, at=at)
    activation = known.find(key)
    trial.read.activation, trial.read.setting = activation, setting
    start = entitled(call, activation, setting)
    if isinstance(start, Start):
        # (9) Starting again is counted: a stolen identity must not wake up everything at once.
        for effect in start.effects:
            if isinstance(effect, Reserve):
                used = trial.read.used[effect.key] = view.counters.used(effect.key, effect.window)
                if (used or 0) >= effect.limit:
                    return exhausted(effect, call, now=now, used=effect.limit)
    return start


def _organisation(trial: _Trial, subject: Subject, tried: Grant | None, about: str) -> Denial | None:
    """(7) where no boundary's structure passed: does a policy forbid it anyway? First failure wins."""
    verdict, asked = trial.view.slices.ask(subject, trial.view.organisation, tried, about)
    if (denial := _ruled_out(verdict, trial.view)) is not None:
        return denial
    if tried is not None and asked is not None and asked.exact and _permitted(verdict, asked):
        trial.facts["incident"] = _incident(tried, "Cedar allows and the structure does not")
    return None


def _ruled_out(verdict: Verdict, view: View) -> Denial | None:
    """(7) What ends a decision: an engine that did not decide, any error, or a forbid that applies.

    Cedar skips a `forbid` whose condition fails, so an error may hide one.
    """
    if verdict.errors or verdict.ruling not in (Ruling.ALLOW, Ruling.DENY):
        return refuse.unavailable(step=7, cause="; ".join(verdict.errors) or "the engine did not decide")
    if verdict.ruling is Ruling.DENY and verdict.reasons:
        policy = (policy_names(verdict.reasons) or verdict.reasons)[0]
        return refuse.forbidden(policy=policy, title=view.organisation.titles.get(policy))
    return None


def _permitted(verdict: Verdict, asked: Slice | None) -> bool:
    """Whether Cedar allows by the boundary's own permit: no permit of the organisation can stand in for it."""
    return (
        verdict.ruling is Ruling.ALLOW
        and asked is not None
        and asked.permit is not None
        and asked.permit in verdict.reasons
    )


def _incident(grant: Grant, what: str) -> dict[str, Any]:
    return {
        "kind": "structure_and_cedar_disagree",
        "boundary": grant.boundary.boundary,
        "version": grant.boundary.version,
        "action": grant.rule.action,
        "what": what,
    }
