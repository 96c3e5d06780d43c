"""A call that another version of a boundary lets through: looked for at the edges of its bounds, shown once decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Final

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Bound, Boundary, BoundaryState, Rule
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import split_action
from remit.policy import schema
from remit.policy.activations import Activations
from remit.policy.candidates import Place, calls
from remit.policy.decide import decide
from remit.policy.limits import limits_of, reservation
from remit.policy.normal import Term
from remit.policy.organisation import Organisation
from remit.policy.sample import sample
from remit.policy.schema import input_schema
from remit.policy.shape import Kind, Shape
from remit.policy.slices import Slices
from remit.policy.stage import stage
from remit.policy.trial import Trial
from remit.policy.view import Counters, Grant, ServerRecord, View, agent_record
from remit.policy.widen_search import Shown

_TRIED: Final = 600  # calls tried for one action
_ACTIONS: Final = 24  # actions of one boundary that are looked at
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """A boundary as it is (None: it is new), and as it is to be."""

    before: Boundary | None
    after: Boundary


def lets_through(
    versions: Versions, servers: Mapping[str, ServerRecord], organisation: Organisation, slices: Slices, *, now: Instant
) -> Shown | None:
    """A call that the boundary as it is to be lets through and the one in force does not; its agent has no other.

    `organisation` holds for both sides.
    """
    before, after = versions.before, replace(versions.after, state=BoundaryState.ACTIVE)
    old = {} if before is None else before.rules
    changed = [rule for action, rule in after.rules.items() if rule != old.get(action)]
    for rule in (changed or list(after.rules.values()))[:_ACTIONS]:
        base = _base(after, rule, servers, now)
        if base is None:
            continue
        world = stage(base, servers[base.server], organisation, slices)
        for started, used, given in _settings(before, rule, base):
            sides = [_with(world, each, started=started, used=used, base=base) for each in (before, after)]
            for trial in islice(calls(base, _edges(before, after, rule, base.shape)), _TRIED):
                first, second = (decide(trial.call(), side, now=trial.now).answer for side in sides)
                if not first.allowed and second.allowed:
                    return Shown(trial, first, second, real=False, given=given)
    return None


def _base(boundary: Boundary, rule: Rule, servers: Mapping[str, ServerRecord], now: Instant) -> Trial | None:
    name, tool, _ = split_action(rule.action)
    server = servers.get(name)
    record = None if server is None else next((each for said, each in server.tools.items() if said == tool), None)
    if record is None:
        return None
    return Trial(
        agent=boundary.agent, owner="any-owner", version="1.0", purpose=boundary.purpose, classes=(),
        action=rule.action, groups=tuple(schema.groups_of(name, record.tier)), shape=record.shape, now=now,
        arguments=sample(input_schema(record.tool), rule),
    )  # fmt: skip


def _settings(before: Boundary | None, rule: Rule, base: Trial) -> Iterator[tuple[bool, Counters, str]]:
    """In what the calls are tried: started or not, nothing used yet or all that the version in force allows."""
    old = None if before is None else before.rules.get(rule.action)
    yield True, Counters(), ""
    yield False, Counters(), "it was never used before"
    if before is not None and old is not None:
        for limit in limits_of(before, old):
            counters = Counters()
            arguments = dict(base.arguments)
            if limit.argument is not None and not isinstance(arguments.get(limit.argument), (int, Decimal)):
                continue
            counters.note(reservation(limit, arguments, now=base.now), limit.most)
            what = "the rate" if limit.argument is None else "the budget"
            yield True, counters, f"{what} in force is used up"


def _with(world: View, boundary: Boundary | None, *, started: bool, used: Counters, base: Trial) -> View:
    agent = world.agents[base.agent].agent
    record = agent_record(agent, () if boundary is None else (boundary,))
    known = Activations(lambda: Micros(0))
    known.load(
        agent.agent, lambda: [_started(each[0], base) for each in record.reach.grants.values()] if started else []
    )
    return replace(world, agents={agent.agent: record}, counters=used, activations=known)


def _started(grant: Grant, base: Trial) -> Activation:
    boundary = grant.boundary
    key = ActivationKey(boundary.agent, boundary.purpose, grant.rule.action, split_action(grant.rule.action)[0])
    return Activation(
        key=key, boundary=boundary.boundary, boundary_version=boundary.version, agent_version=base.version,
        state=ActivationState.ACTIVE, since=base.now, started=base.now, by="", serial=1,
        usage=Usage(base.now, Micros(0)),
    )  # fmt: skip


def _edges(before: Boundary | None, after: Boundary, rule: Rule, shape: Shape) -> dict[Place, list[Term]]:
    """What the bounds of both versions compare arguments with, and their ends."""
    found: dict[Place, list[Term]] = {}
    old = None if before is None else before.rules.get(rule.action)
    for each in (rule,) if old is None else (old, rule):
        for bound in each.when:
            found.setdefault(("context", "input", bound.argument), []).extend(_literals(bound, shape))
        for name, threshold in each.approval_above:
            found.setdefault(("context", "input", name), []).extend(_number(threshold, name, shape))
    if before is not None and after.not_after != before.not_after:
        found["context", "now"] = [("lit", "datetime", before.not_after // 1000)]
    return found


def _literals(bound: Bound, shape: Shape) -> Iterator[Term]:
    for limit in (bound.max, bound.min):
        if limit is not None:
            yield from _number(limit, bound.argument, shape)
    for option in bound.in_ or ():
        if isinstance(option, Decimal):
            yield from _number(option, bound.argument, shape)
        else:
            yield ("lit", "bool" if isinstance(option, bool) else "string", option)
    if bound.prefix is not None:
        yield ("lit", "string", bound.prefix)
        yield ("lit", "string", bound.prefix + "x")
    if bound.max_length is not None and bound.max_length < _LONGEST:
        yield ("lit", "string", "x" * bound.max_length)
        yield ("lit", "string", "x" * (bound.max_length + 1))


def _number(limit: Decimal, argument: str, shape: Shape) -> Iterator[Term]:
    member = shape.members.get(argument)
    if member is not None and member.shape.kind in {Kind.LONG, Kind.LONGS}:
        yield ("lit", "long", int(limit))
    else:
        yield ("lit", "decimal", int(limit * 10_000))
