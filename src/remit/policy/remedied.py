"""What would have a denied call let through: each way is tried by deciding the call anew with that one thing otherwise.

A way that was tried says what came of it: an allow, or what would refuse the call next. What cannot be tried
without a person (a yes, a signature) is not among them. Pure: nothing is written and no effect is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import islice
from shlex import quote
from typing import Any, Final, Protocol

from remit.access.activation import Activation, ActivationState, Usage
from remit.access.model import Boundary, BoundaryState, Rule
from remit.agents.model import AgentState
from remit.catalog.model import PinState
from remit.kernel.clock import SECOND, Instant, Micros
from remit.kernel.names import BoundaryName
from remit.policy import schema
from remit.policy.activations import Activations
from remit.policy.candidates import calls, compared
from remit.policy.decide import decide
from remit.policy.entitlement import key_of
from remit.policy.guess import ERROR, stopped
from remit.policy.model import Call, Code, Denial, Proposal, Remedy
from remit.policy.normal import tests
from remit.policy.sample import sample
from remit.policy.schema import input_schema
from remit.policy.trial import Trial
from remit.policy.view import View, agent_record, server_record

_PLACES: Final = 32  # bits: more than there are policies
_TRIED: Final = 300  # calls asked about to find arguments that a policy lets through


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One thing that would be otherwise: whose to do, the call and the world as they would be."""

    what: str
    who: str  # agent, owner, operator
    call: Call
    view: View
    now: Instant
    needs: str = ""  # what to type


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A way, and the decision that came of it."""

    way: Way
    proposal: Proposal


class Decided(Protocol):
    """What decides a call anew: `decide`, or what also asks what the call's run has done and read."""

    def __call__(self, call: Call, view: View, *, now: Instant) -> Proposal:
        """A proposal, whose effects are dropped."""
        ...


def tried(call: Call, view: View, denial: Denial, *, now: Instant, decided: Decided = decide) -> list[Tried]:
    """Every way that can be tried, in order; those that are allowed come first."""

    def of(way: Way) -> Tried:
        return Tried(way=way, proposal=decided(way.call, way.view, now=way.now))

    found = [of(way) for way in _ways(call, view, denial, now)]
    # What an agent changes may meet the next refusal, which says what to change as well.
    further = [of(way) for each in found if each.way.who == "agent" for way in _further(each)]
    found += [each for each in further if each.proposal.answer.allowed]
    return sorted(found, key=lambda each: not each.proposal.answer.allowed)


def _further(each: Tried) -> Iterator[Way]:
    way, denial = each.way, each.proposal.answer.denial
    if denial is not None:
        for then in _ways(way.call, way.view, denial, way.now):
            if then.who == "agent":
                yield replace(then, what=f"{way.what}, and then {then.what}")


def _ways(call: Call, view: View, denial: Denial, now: Instant) -> Iterator[Way]:
    ways: Mapping[Code, Callable[[Call, View, Denial, Instant], Iterator[Way]]] = {
        Code.INVALID_ARGUMENTS: _arguments,
        Code.CONSTRAINT_VIOLATED: _arguments,
        Code.APPROVAL_REQUIRED: _arguments,
        Code.BUDGET_EXHAUSTED: _later_or_less,
        Code.RATE_LIMITED: _later_or_less,
        Code.OUTSIDE_WINDOW: _later_or_less,
        Code.FORBIDDEN_BY_POLICY: _past_a_policy,
        Code.REVOKED: _unfrozen,
        Code.AGENT_SUSPENDED: _resumed,
        Code.PURPOSE_MISMATCH: _other_purpose,
        Code.PURPOSE_CLOSED: _other_purpose,
        Code.TOOL_DEFINITION_CHANGED: _approved_tool,
        Code.NOT_GRANTED: _granted,
        Code.NOT_VISIBLE: _granted,
        Code.ACTIVATION_LAPSED: _started,
    }
    of_code = ways.get(denial.code)
    return iter(()) if of_code is None else of_code(call, view, denial, now)


# The agent's to do ----------------------------------------------------------------------------


def _arguments(call: Call, view: View, denial: Denial, now: Instant) -> Iterator[Way]:
    """Each `change_arguments` as it says; all of them at once, since each alone leaves the others."""
    unapproved = any("max_without_approval" in remedy.fields for remedy in denial.remedies)
    for key in ("max", "max_without_approval") if unapproved else ("max",):
        changed, said = dict(call.arguments or {}), []
        for remedy in denial.remedies:
            name = _argument(remedy)
            value = None if name is None else _fitting(name, remedy.fields, key, call, view)
            if name is not None and value is not None:
                changed[name] = value
                said.append(f"{name}={value}")
        if said and changed != call.arguments:
            other = replace(call, arguments=changed)
            yield Way(what=f"with {', '.join(said)}", who="agent", call=other, view=view, now=now)


def _argument(remedy: Remedy) -> str | None:
    """The argument that a remedy says to change; None if it says another thing, or one inside an argument."""
    name = str(remedy.fields.get("path", "")).removeprefix("/")
    inside = "/" in name or not name or remedy.kind != "change_arguments"
    return None if inside else name.replace("~1", "/").replace("~0", "~")


def _fitting(name: str, said: Mapping[str, Any], key: str, call: Call, view: View) -> Any:  # noqa: ANN401 - any JSON value
    limit = said.get(key, said.get("max", said.get("min")))
    if limit is not None:
        try:
            return Decimal(str(limit))
        except InvalidOperation:
            return None
    if isinstance(said.get("in"), list) and said["in"]:
        now = (call.arguments or {}).get(name)
        return [said["in"][0]] if isinstance(now, list) else said["in"][0]
    beginning = said.get("prefix", said.get("no_step_up"))
    if isinstance(beginning, str):
        return beginning
    length = said.get("max_length")
    value = (call.arguments or {}).get(name)
    if isinstance(length, int) and isinstance(value, str):
        return value[:length]
    return _sampled(call, view).get(name)


def _sampled(call: Call, view: View) -> Mapping[str, Any]:
    server = view.servers.get(call.server)
    tool = None if server is None or call.tool is None else server.tools.get(call.tool)
    return {} if tool is None else sample(input_schema(tool.tool))


def _later_or_less(call: Call, view: View, denial: Denial, now: Instant) -> Iterator[Way]:
    yield from _arguments(call, view, denial, now)
    if denial.retry_after is not None:
        later = Instant(now + denial.retry_after * SECOND)
        world = replace(view, contact=lambda: later)
        yield Way(what=f"in {denial.retry_after} seconds", who="agent", call=call, view=world, now=later)


def _past_a_policy(call: Call, view: View, denial: Denial, now: Instant) -> Iterator[Way]:
    """Other arguments, another purpose, or the policy gone."""
    found = enumerate(view.organisation.policies)
    place, policy = next((each for each in found if each[1].id == denial.policy), (0, None))
    if policy is None:
        return
    if (other := _let_through(call, view, tests(policy.cedar), now)) is not None:
        yield other
    yield from _other_purpose(call, view, denial, now)
    kept = tuple(each for each in view.organisation.policies if each is not policy)
    # Slices are kept under the serial: it is of these policies without this one, and of no others.
    serial = -1 - (view.organisation.serial << _PLACES) - place
    without = replace(view.organisation, policies=kept, serial=serial)
    yield Way(
        what=f"were the policy {policy.id} not in force", who="operator", call=call,
        view=replace(view, organisation=without), now=now, needs=f"a change of {policy.file}:{policy.line}",
    )  # fmt: skip


def _let_through(call: Call, view: View, policy: tuple[Any, ...], now: Instant) -> Way | None:
    """The call with as few other arguments as a policy needs to let it through."""
    base = _trial(call, view, now)
    if base is None:
        return None
    about = {at: values for at, values in compared(policy).items() if at[:2] == ("context", "input")}
    passing = [
        (_changes(call, each), number, each)
        for number, each in enumerate(calls(base, about))
        if stopped(policy, each.request()) not in {True, ERROR}
    ]
    for changed, _, each in islice(sorted(passing, key=lambda one: one[:2]), _TRIED):
        if changed and decide(replace(call, arguments=each.arguments), view, now=now).answer.allowed:
            said = [f"{n}={v}" for n, v in each.arguments.items() if (call.arguments or {}).get(n) != v]
            said += [f"no {n}" for n in call.arguments or {} if n not in each.arguments]
            what = f"with {', '.join(said)}"
            return Way(what=what, who="agent", call=replace(call, arguments=each.arguments), view=view, now=now)
    return None


def _changes(call: Call, trial: Trial) -> int:
    old, new = call.arguments or {}, trial.arguments
    return sum(old.get(name) != new.get(name) for name in old.keys() | new.keys())


def _trial(call: Call, view: View, now: Instant) -> Trial | None:
    agent, server = view.agents.get(call.caller.agent), view.servers.get(call.server)
    purpose = view.purposes.get(call.caller.purpose)
    tool = None if server is None or call.tool is None else server.tools.get(call.tool)
    if agent is None or purpose is None or tool is None:
        return None
    return Trial(
        agent=agent.agent.agent, owner=agent.agent.owner, version=agent.agent.version, purpose=call.caller.purpose,
        classes=tuple(purpose.purpose.data_classes), action=call.action,
        groups=tuple(schema.groups_of(call.server, tool.tier)), shape=tool.shape, now=now,
        arguments=dict(call.arguments or {}), run=call.caller.run, instance=call.caller.instance,
    )  # fmt: skip


def _other_purpose(call: Call, view: View, _denial: Denial, now: Instant) -> Iterator[Way]:
    record = view.agents.get(call.caller.agent)
    for purpose in () if record is None else record.agent.purposes:
        if purpose != call.caller.purpose and record is not None and (purpose, call.action) in record.reach.grants:
            caller = replace(call.caller, purpose=purpose)
            what = f"with a token for the purpose {purpose}"
            yield Way(what=what, who="agent", call=replace(call, caller=caller), view=view, now=now)


# People's to do -------------------------------------------------------------------------------


def _unfrozen(call: Call, view: View, denial: Denial, now: Instant) -> Iterator[Way]:
    freeze = next((each for each in view.freezes.values() if each.id == denial.cause), None)
    if freeze is not None:
        kept = {target: each for target, each in view.freezes.items() if each is not freeze}
        what = f"once the freeze of {freeze.kind.value} {freeze.name} is ended"
        yield Way(
            what=what, who="operator", call=call, view=replace(view, freezes=kept), now=now,
            needs=f"remit unfreeze {freeze.kind.value}" + ("" if freeze.name == "*" else f" {quote(freeze.name)}"),
        )  # fmt: skip


def _resumed(call: Call, view: View, _denial: Denial, now: Instant) -> Iterator[Way]:
    record = view.agents.get(call.caller.agent)
    owner = None if record is None else view.owners.get(record.agent.owner)
    if record is None or now >= record.agent.not_after:
        return
    active = agent_record(replace(record.agent, state=AgentState.ACTIVE), record.boundaries, record.risk)
    owners = view.owners if owner is None else {**view.owners, owner.owner: replace(owner, active=True)}
    world = replace(view, agents={**view.agents, record.agent.agent: active}, owners=owners)
    what = "once the agent and its owner are active"
    needs = f"remit agent resume {record.agent.agent}" if record.agent.state is AgentState.SUSPENDED else ""
    yield Way(what=what, who="owner", call=call, view=world, now=now, needs=needs)


def _approved_tool(call: Call, view: View, _denial: Denial, now: Instant) -> Iterator[Way]:
    server = view.servers.get(call.server)
    tool = None if server is None or call.tool is None else server.tools.get(call.tool)
    if server is None or tool is None or tool.tool.state is PinState.GONE:
        return
    seen = tool.tool.seen or tool.tool.definition
    approved = replace(tool.tool, state=PinState.APPROVED, definition=seen, seen=None)
    world = server_record(replace(server.server, tools={**server.server.tools, tool.tool.name: approved}))
    yield Way(
        what="once a person approves the tool as it is now", who="operator", call=call,
        view=replace(view, servers={**view.servers, call.server: world}), now=now,
        needs=f"remit server review {call.server} --approve",
    )  # fmt: skip


def _granted(call: Call, view: View, _denial: Denial, now: Instant) -> Iterator[Way]:
    """As if the owner had approved a boundary for it, without bounds, and started it."""
    record = view.agents.get(call.caller.agent)
    if record is None or call.tool is None:
        return
    rule = Rule(action=call.action, first_use="auto")
    far = record.agent.not_after
    boundary = Boundary(
        boundary=BoundaryName("any-boundary"), version=1, agent=record.agent.agent, purpose=call.caller.purpose,
        rules={rule.action: rule}, not_after=far, state=BoundaryState.ACTIVE, approved_by=record.agent.owner,
        approved_at=now,
    )  # fmt: skip
    wider = agent_record(record.agent, (*record.boundaries, boundary), record.risk)
    world = replace(view, agents={**view.agents, record.agent.agent: wider})
    what = f"once a boundary for {call.caller.purpose} names {call.action}"
    yield Way(what=what, who="owner", call=call, view=world, now=now, needs="boundaries/*.yaml, and remit apply DIR")


def _started(call: Call, view: View, _denial: Denial, now: Instant) -> Iterator[Way]:
    """As if its owner had started it now."""
    agent = call.caller.principal
    record, known = view.agents.get(agent), view.activations
    if record is None or (call.caller.purpose, call.action) not in record.reach.grants:
        return
    boundary, key = record.reach.grants[call.caller.purpose, call.action][0].boundary, key_of(call)
    begun = Activation(
        key=key, boundary=boundary.boundary, boundary_version=boundary.version, agent_version=record.agent.version,
        state=ActivationState.ACTIVE, since=now, started=now, by=record.agent.owner, serial=1,
        usage=Usage(now, Micros(known.covered())),
    )  # fmt: skip
    with_it = Activations(known.covered)
    with_it.load(agent, lambda: [*(each for each in known.of(agent) if each.key != key), begun])
    yield Way(
        what="once its owner starts it", who="owner", call=call, view=replace(view, activations=with_it), now=now,
        needs=f"remit activation start {agent} {quote(call.action)} --purpose {call.caller.purpose}",
    )  # fmt: skip
