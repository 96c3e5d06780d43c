"""Which boundaries of an agent are made narrower, and which are drafted for the first time, from what it used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from remit.access.model import Boundary
from remit.catalog.model import Tier
from remit.certification.rightsizing.generalise import Dial
from remit.certification.rightsizing.proposal import Observed, Proposal, Target
from remit.certification.rightsizing.rightsize import cut_at, rightsize
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, BoundaryName, PurposeName, split_action, tool_action
from remit.policy.methods import target
from remit.policy.schema import input_schema
from remit.policy.view import AgentRecord, ToolRecord, View
from remit.server.used import Used

_FIRST = 90 * DAY  # how long a first boundary runs at the longest
_NAME = 63


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    dial: Dial
    hold_out: int  # per cent
    purpose: PurposeName | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A proposal and what it is compared with. `left_out`: used, but nothing that a boundary could name, and why."""

    proposal: Proposal
    boundary: Boundary | None
    cut: Instant | None
    left_out: Mapping[str, str] = field(default_factory=dict)


def with_purposes(
    imported: Sequence[Observed], record: AgentRecord, asked: PurposeName | None
) -> tuple[list[Observed], int]:
    """Imported use with its purpose, and how many have none: whoever has one purpose can only have meant that."""
    mine = record.agent.purposes
    meant = asked or (mine[0] if len(mine) == 1 else PurposeName(""))
    known = [call if call.purpose else replace(call, purpose=meant) for call in imported]
    return [call for call in known if call.purpose], sum(not call.purpose for call in known)


def narrower(
    view: View,
    record: AgentRecord,
    logged: Used,
    imported: Sequence[Observed],
    wish: Wish,
    now: Instant,
    reviewed: Callable[[BoundaryName], Micros | None] = lambda _name: None,
) -> Iterator[Sized]:
    """For each boundary in force: what it let through, and what was used elsewhere of what it names.

    `reviewed` says how often one is looked at, where its document says so.
    """
    for boundary in record.boundaries:
        # What is for emergencies is not made narrower because there was none.
        if not boundary.break_glass and boundary.not_after > now and wish.purpose in (None, boundary.purpose):
            calls = [
                *(call for call in logged.by_boundary.get(boundary.boundary, ()) if call.purpose == boundary.purpose),
                *(call for call in imported if call.purpose == boundary.purpose and call.action in boundary.rules),
            ]
            target = Target(
                boundary=boundary.boundary, agent=boundary.agent, purpose=boundary.purpose, ends=boundary.not_after,
                review_every=reviewed(boundary.boundary),
            )  # fmt: skip
            yield _sized(view, calls, target, boundary, wish)


def first(view: View, record: AgentRecord, imported: Sequence[Observed], wish: Wish, now: Instant) -> Iterator[Sized]:
    """For each purpose of the agent without a boundary: a draft from imported use, of actions that can be granted."""
    bounded = {boundary.purpose for boundary in record.boundaries if not boundary.break_glass}
    for purpose in record.agent.purposes:
        registered, calls = view.purposes.get(purpose), [call for call in imported if call.purpose == purpose]
        if purpose in bounded or registered is None or not calls or wish.purpose not in (None, purpose):
            continue
        left_out = {
            call.action: "is not part of the purpose" if _tool(view, call.action) else "is no approved tool here"
            for call in calls
            if not (registered.covers(call.action) and _tool(view, call.action))
        }
        ends = min(record.agent.not_after, registered.purpose.not_after, now - now % DAY + _FIRST)
        target = Target(
            boundary=_name(record.agent.agent, purpose), agent=record.agent.agent, purpose=purpose, ends=Instant(ends)
        )
        rest = [call for call in calls if call.action not in left_out]
        yield replace(_sized(view, rest, target, None, wish), left_out=dict(sorted(left_out.items())))


def _name(agent: str, purpose: str) -> BoundaryName:
    return BoundaryName(f"{agent}-{purpose}"[:_NAME].rstrip("-"))


def _tool(view: View, action: str) -> ToolRecord | None:
    """The approved tool of that name, or the method."""
    try:
        server, _, _ = split_action(action)
    except Malformed:  # an import may name what it likes
        return None
    tool = target(view.servers.get(server), action)
    return tool if tool is not None and tool.tool.pin else None


def _sized(view: View, calls: Sequence[Observed], target: Target, boundary: Boundary | None, wish: Wish) -> Sized:
    def tier(action: ActionName) -> Tier:
        return tool.tier if (tool := _tool(view, action)) is not None else Tier.HIGH

    def schema(action: ActionName) -> Mapping[str, Any] | None:
        return input_schema(tool.tool) if (tool := _tool(view, action)) is not None else None

    cut = cut_at(calls, hold_out=wish.hold_out)
    known = _known(view, target.purpose) if boundary is None else ()
    found = rightsize(
        calls, target=target, boundary=boundary, dial=wish.dial, cut=cut, tier=tier, schema=schema, known=known
    )
    return Sized(proposal=found, boundary=boundary, cut=cut)


def _known(view: View, purpose: PurposeName) -> Collection[ActionName]:
    """Every approved tool that the purpose covers."""
    registered = view.purposes[purpose]
    actions = (
        tool_action(server, name)
        for server, each in view.servers.items()
        for name, tool in each.tools.items()
        if tool.tool.pin
    )
    return [action for action in actions if registered.covers(action)]
