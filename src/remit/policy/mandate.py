"""The mandate: what an agent may do now, with which arguments, until when, and how to ask (pure).

What the agent may not see is not in it. Everything in it follows from the view; nothing is
promised: each call is still decided, and a mandate that is a minute old may be out of date.
`mandate.schema.json` describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from remit.access.activation import ActivationKey, ActivationState, Usage
from remit.access.conditions_document import said, window_said
from remit.access.judge import judge, usable
from remit.access.model import Boundary, Rule
from remit.access.opening import Opening
from remit.access.reactivate import reactivate
from remit.access.ttl import habit_of, ttl
from remit.attestation.model import Caller
from remit.catalog.model import Tier, Tool
from remit.kernel.clock import SECOND, Instant, Micros, rfc3339
from remit.kernel.errors import NotFound
from remit.kernel.names import ActionName, DecisionId, PurposeName, ToolName, split_action
from remit.policy import organisation
from remit.policy.applicable import known_to, told
from remit.policy.constraints import plain
from remit.policy.decide import decide
from remit.policy.delegated import acting
from remit.policy.denial import opening_command
from remit.policy.entitlement import asked, facts_of
from remit.policy.limits import Limit, decimal_of, reservation
from remit.policy.methods import target
from remit.policy.model import Call
from remit.policy.narrow import alternatives, narrowed
from remit.policy.schema import groups_of, input_schema
from remit.policy.setting import Moment, run_opened, setting_in
from remit.policy.view import AgentRecord, Grant, ToolRecord, View, usable_grants
from remit.policy.windows import is_open, opens
from remit.storage.model import Reserve

TYPE: Final = "remit-mandate+jwt"
LIFETIME: Final = 300 * SECOND
_ARGUMENTS: Final = 6  # the step of a decision from which on the arguments count
Used = Callable[[Reserve], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Whose mandate, for what, and from where."""

    caller: Caller
    base: str  # this deployment's URL
    server: str | None = None  # only what is on this server
    hypothetical: bool = False  # an operator asks: there is no token behind it
    tainted: bool | None = None  # whether untrusted or private content was read for the purpose; None: not known


def mandate(view: View, issue: Issue, *, now: Instant, used: Used | None = None) -> dict[str, Any]:
    """The claims of a mandate. The agent is registered, its activations are loaded, the view is fresh.

    Args:
        view: The facts.
        issue: Whose mandate.
        now: The time to judge at.
        used: What a counter holds; by default what this node knows of it.
    """
    caller = issue.caller
    record = _record(view, caller)
    known = used or (lambda reserve: view.counters.used(reserve.key, reserve.window))
    trial = _Trial(view, record, caller, now, known, issue.hypothetical, issue.tainted)
    granted = dict(_granted(trial, issue.server))
    boundaries = {grant.boundary.boundary: grant.boundary for grants in granted.values() for grant in grants}
    registered = view.purposes.get(caller.purpose)
    issued = now // SECOND
    return {
        "iss": issue.base,
        "sub": caller.agent,
        **({"acts_for": [link.agent for link in caller.links]} if caller.links else {}),
        "iat": issued,
        "exp": issued + LIFETIME // SECOND,
        "epoch": view.epoch,
        "agent": {"agent": caller.agent, "version": record.agent.version, "ends": rfc3339(record.agent.not_after)},
        "purpose": {
            "purpose": caller.purpose,
            "statement": None if registered is None else registered.purpose.statement,
            "data_classes": [] if registered is None else list(registered.purpose.data_classes),
            "ends": None if registered is None else rfc3339(registered.purpose.not_after),
        },
        **({"instance": caller.instance} if caller.instance else {}),
        "freeze": _freeze(trial),
        "actions": [_action(trial, action, grants) for action, grants in sorted(granted.items())],
        "boundaries": [
            {"boundary": name, "version": each.version, "ends": rfc3339(each.not_after)}
            for name, each in sorted(boundaries.items())
        ],
        **({"emergencies": emergencies} if (emergencies := _emergencies(trial, issue.server)) else {}),
        "windows": [_windows(trial, grant) for grant in _timed(granted)],
        "policies": _policies(trial, granted),
        "ask": {"can": f"{issue.base}/v1/me/can", "request_access": None},
    }


def _record(view: View, caller: Caller) -> AgentRecord:
    """What it has; an agent that is not registered, or acts for one that is not, has nothing to be told of."""
    found = acting(view, caller)
    if found is None:
        raise NotFound("there is no such agent", detail=caller.agent)
    return found


def counted(view: View, issue: Issue, *, now: Instant) -> list[Reserve]:
    """The counters that the mandate tells of, each as a call of nothing would reserve it."""
    trial = _Trial(view, _record(view, issue.caller), issue.caller, now, lambda _: None)
    grants = [grant for _, found in _granted(trial, issue.server) for grant in found]
    return [_counter(limit, now) for grant in grants for limit in grant.limits]


@dataclass(frozen=True, slots=True)
class _Trial:
    view: View
    record: AgentRecord
    caller: Caller
    now: Instant
    used: Used
    hypothetical: bool = False
    tainted: bool | None = None


def _granted(trial: _Trial, server: str | None) -> Iterator[tuple[ActionName, tuple[Grant, ...]]]:
    """The actions that a boundary in force names for the purpose, with their rules; for emergencies, if it is open."""
    reach = trial.record.reach
    for key in dict.fromkeys((*reach.grants, *reach.emergency)):
        grants = usable_grants(trial.view, trial.record, key, now=trial.now)
        live = tuple(grant for grant in grants if trial.now < grant.boundary.not_after)
        if live and _here(trial, *key, server):
            yield key[1], live


def _here(trial: _Trial, purpose: PurposeName, action: ActionName, server: str | None) -> bool:
    """Whether this mandate is about that action for that purpose."""
    registered = trial.view.purposes.get(PurposeName(trial.caller.purpose))
    here = server is None or split_action(action)[0] == server
    return here and registered is not None and purpose == trial.caller.purpose and registered.covers(action)


def _emergencies(trial: _Trial, server: str | None) -> list[dict[str, Any]]:
    """The boundaries for emergencies: what they are for, whether one is open, and how to have one opened."""
    named: dict[str, tuple[Boundary, list[ActionName]]] = {}
    for (purpose, action), grants in trial.record.reach.emergency.items():
        for boundary in (grant.boundary for grant in grants if trial.now < grant.boundary.not_after):
            if _here(trial, purpose, action, server):
                named.setdefault(boundary.boundary, (boundary, []))[1].append(action)
    return [_emergency(trial, boundary, actions) for _, (boundary, actions) in sorted(named.items())]


def _emergency(trial: _Trial, boundary: Boundary, actions: list[ActionName]) -> dict[str, Any]:
    opening = trial.view.opening(boundary, trial.now)
    return {
        "boundary": boundary.boundary,
        "version": boundary.version,
        "ends": rfc3339(boundary.not_after),
        "actions": sorted(actions),
        "opening": opening.opening if opening else None,
        "open_until": rfc3339(opening.ends) if opening else None,
        "ask_owner": opening_command(boundary.agent, boundary.boundary),
    }


def _freeze(trial: _Trial) -> dict[str, Any]:
    """What stops all of this agent's calls; a stop on a server or tool shows at its actions."""
    caller, owner = trial.caller, trial.record.agent.owner
    covering = (
        ("all", "*"), ("owner", owner), ("agent", caller.agent), ("instance", caller.instance),
        ("credential", caller.credential),
        *(each for link in caller.links for each in (("agent", link.agent), ("instance", link.instance))),
    )  # fmt: skip
    on = [kind for kind, name in covering if name and (kind, name) in trial.view.freezes]
    return {"frozen": bool(on), "on": on}


def _action(trial: _Trial, action: ActionName, grants: tuple[Grant, ...]) -> dict[str, Any]:
    server, name, is_tool = split_action(action)
    record = target(trial.view.servers.get(server), action)
    tier = Tier.HIGH if record is None else record.tier
    return {
        "action": action,
        "server": server,
        "tool" if is_tool else "method": name,
        "tier": tier.value,
        **_standing(trial, action, grants, tier),
        "refused": _refused(trial, action),
        **_flow(trial, record),
        **_schemas(record.tool if record is not None else None, grants),
        "granted_by": [_grant(trial, grant, tier) for grant in grants],
    }


def _standing(trial: _Trial, action: ActionName, grants: tuple[Grant, ...], tier: Tier) -> dict[str, Any]:
    """Where the entitlement stands, until when, and who starts it if it is not in force."""
    ordinary = tuple(each for each in grants if not each.boundary.break_glass)
    found = _entitled(trial, action, ordinary, tier) if ordinary else {"state": "new", "usable": False}
    open_ = [
        min(opening.ends, each.boundary.not_after)
        for each in grants
        if (opening := _opening(trial, each)) is not None
    ]  # fmt: skip
    if found["usable"] or not open_:
        return found
    return {**found, "usable": True, "until": rfc3339(max(open_)), "starts": None}


def _opening(trial: _Trial, grant: Grant) -> Opening | None:
    return trial.view.opening(grant.boundary, trial.now) if grant.boundary.break_glass else None


def _entitled(trial: _Trial, action: ActionName, grants: tuple[Grant, ...], tier: Tier) -> dict[str, Any]:
    view, caller, now = trial.view, trial.caller, trial.now
    key = ActivationKey(caller.principal, caller.purpose, action, split_action(action)[0])
    known = view.activations.find(key)
    grant = next((each for each in grants if known and each.boundary.boundary == known.boundary), grants[0])
    root = view.agents[caller.principal]  # whose access it is; `_record` has found it
    owner = view.owners.get(root.agent.owner)
    holder = msgspec.structs.replace(
        root.holder(owner_active=owner is not None and owner.active), risk=trial.record.risk.value
    )
    at = Moment(now, view.activations.covered(), run_opened(caller, root.agent))
    setting = setting_in(view, key, tier=tier, grant=grant, holder=holder, at=at)
    state: ActivationState | None = None
    if known is not None:
        facts = facts_of(known, setting)
        state = judge(facts).state
        if usable(state, tier):
            ends = min(now + max(0, ttl(tier, facts.habit) - facts.idle_covered), grant.boundary.not_after)
            return {"state": state.value, "usable": True, "until": rfc3339(ends), "starts": None}
    refusal = reactivate(asked(known, state, setting, attested=max(0, now - caller.attested)))
    return {
        "state": "new" if state is None else state.value,
        "usable": False,
        "until": None,
        "starts": "by_itself" if refusal is None else refusal.value,
    }


def _refused(trial: _Trial, action: ActionName) -> str | None:
    """The code by which every call would be refused now, whatever its arguments; else None."""
    server, name, is_tool = split_action(action)
    probe = Call(
        id=DecisionId(""), caller=trial.caller, server=server, action=action,
        tool=ToolName(name) if is_tool else None, arguments={}, hypothetical=trial.hypothetical,
    )  # fmt: skip
    denial = decide(probe, trial.view, now=trial.now).answer.denial
    return denial.code.value if denial is not None and denial.step < _ARGUMENTS else None


def _flow(trial: _Trial, record: ToolRecord | None) -> dict[str, Any]:
    """What the operator said of the tool's data, and whether what was read keeps it from carrying any out."""
    if record is None or (labels := record.labels) is None:
        return {}
    return {"flow": {"returns": list(labels.returns), "carries_out": labels.carries_out, "tainted": trial.tainted}}


def _timed(granted: Mapping[ActionName, tuple[Grant, ...]]) -> Iterator[Grant]:
    for _, grants in sorted(granted.items()):
        yield from (each for each in grants if each.rule.conditions is not None and each.rule.conditions.windows)


def _windows(trial: _Trial, grant: Grant) -> dict[str, Any]:
    windows = () if grant.rule.conditions is None else grant.rule.conditions.windows
    opens_at = opens(windows, trial.now)
    return {
        "boundary": grant.boundary.boundary,
        "action": grant.rule.action,
        "windows": [window_said(each) for each in windows],
        "open": is_open(windows, trial.now),
        "opens": None if opens_at is None else rfc3339(opens_at),
    }


def _schemas(tool: Tool | None, grants: tuple[Grant, ...]) -> dict[str, Any]:
    if tool is None:
        return {"input_schema": {"not": {}}}
    schema, rules = input_schema(tool), [grant.rule for grant in grants]
    others = alternatives(schema, rules)
    return {"input_schema": narrowed(schema, rules), **({"alternatives": list(others)} if others else {})}


def _grant(trial: _Trial, grant: Grant, tier: Tier) -> dict[str, Any]:
    rule, opening = grant.rule, _opening(trial, grant)
    return {
        "boundary": grant.boundary.boundary,
        "version": grant.boundary.version,
        **({"break_glass": opening.opening} if opening else {}),
        "limits": [_limit(trial, limit) for limit in grant.limits],
        **_conditions(rule),
        "approval": [{"argument": name, "above": plain(above)} for name, above in rule.approval_above],
        "approval_each_call": tier is Tier.CRITICAL and not rule.limited,
        "ttl_seconds": _ttl(trial, grant, tier),
    }


def _conditions(rule: Rule) -> dict[str, Any]:
    """What else the rule asks, as its document says it; windows and the volume stand elsewhere."""
    conditions = rule.conditions
    if conditions is None:
        return {}
    depth = {} if conditions.max_depth is None else {"max_depth": conditions.max_depth}
    sequence = said(conditions).get("sequence")
    return {**depth, **({"sequence": sequence} if sequence else {})}


def _ttl(trial: _Trial, grant: Grant, tier: Tier) -> int:
    if (opening := _opening(trial, grant)) is not None:
        return (opening.ends - trial.now) // SECOND
    action, caller = grant.rule.action, trial.caller
    known = trial.view.activations.find(
        ActivationKey(caller.principal, caller.purpose, action, split_action(action)[0])
    )
    usage = known.usage if known is not None else Usage(trial.now, Micros(0))
    cycles = known.cycles if known is not None else ()
    return ttl(tier, habit_of(usage, cycles, cadence=grant.rule.cadence, shorter=grant.rule.ttl)) // SECOND


def _counter(limit: Limit, now: Instant) -> Reserve:
    return reservation(limit, {} if limit.argument is None else {limit.argument: 0}, now=now)


def _limit(trial: _Trial, limit: Limit) -> dict[str, Any]:
    """A rate in calls, a volume in bytes, a budget in the argument's own unit. `left` is null where it is not known."""
    reserve = _counter(limit, trial.now)
    used = trial.used(reserve)
    left = None if used is None else max(0, limit.most - used)
    shared = {"per": limit.per, "resets": rfc3339(reserve.expires)}
    if limit.argument is None:
        return {"kind": "volume" if limit.volume else "rate", **shared, "max": limit.most, "left": left}
    amounts = {"max": plain(decimal_of(limit.most)), "left": None if left is None else plain(decimal_of(left))}
    return {"kind": "budget", "argument": limit.argument, **shared, **amounts}


def _policies(trial: _Trial, granted: Mapping[ActionName, tuple[Grant, ...]]) -> list[dict[str, Any]]:
    """The organisation's policies whose scope can meet one of the actions."""
    agent, record = trial.record.agent, trial.record
    seen = known_to(
        agent.agent, owner=agent.owner, purposes=agent.purposes, actions=record.reach.actions,
        servers=record.reach.servers.keys(),
    )  # fmt: skip
    found = []
    for policy in trial.view.organisation.policies:
        met = [action for action in granted if _scope(trial, action).meets(policy.cedar)]
        if met:
            found.append(told(policy, met, agent=agent.agent, seen=seen))
    return found


def _scope(trial: _Trial, action: ActionName) -> organisation.Scope:
    server = split_action(action)[0]
    record = target(trial.view.servers.get(server), action)
    tier = Tier.HIGH if record is None else record.tier
    agent = trial.record.agent
    return organisation.scope(
        agent=agent.agent, owner=agent.owner, server=server, action=action, groups=groups_of(server, tier)
    )
