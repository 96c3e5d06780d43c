"""Whether what an engine says can be true: each rule is a sentence, and each break of it names an entitlement or a seq.

An engine cannot pass by silence: a call that was not refused needs an entitlement in force, or a change at that very
moment that put it in force; what a person did stands in the history; and the sums of each day follow the changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from benchmarks.history.days import DAY, HOUR, next_working
from benchmarks.history.reading import BY, GONE, REFUSALS, STATES, Grant, Key, Output, Transition, Use, World, usable
from benchmarks.history.sums import wrong_sums


def broken(world: World, output: Output) -> Iterator[str]:
    """Every rule that the output breaks, as a sentence."""
    yield from _refusals(world, output)
    yield from _changes(world, output)
    for use in world.uses:
        yield from _use(world, output, use)
    yield from wrong_sums(world, output)


def _refusals(world: World, output: Output) -> Iterator[str]:
    """(1) A refusal is of a `use` line of the history, once, with its members and a known reason."""
    uses = {use.seq: use for use in world.uses}
    yield from (f"seq {seq} is refused twice" for seq in output.refused_twice)
    for seq, row in output.refused.items():
        use = uses.get(seq)
        if use is None:
            yield f"seq {seq} is refused and is no use"
        elif (use.key, use.at) != (row["key"], row["at"]):
            yield f"seq {seq} is refused with another entitlement or time"
        elif row["refusal"] not in REFUSALS:
            yield f"seq {seq} is refused for an unknown reason"


def _changes(world: World, output: Output) -> Iterator[str]:
    for key, changes in output.changes.items():
        grant = world.grants.get(key)
        if grant is None:
            yield f"{_name(key)} changes and was never granted"
            continue
        state = output.before(key, 0)
        for change in changes:
            yield from _change(world, output, grant, state, change)
            state = change.after


def _change(world: World, output: Output, grant: Grant, state: str, change: Transition) -> Iterator[str]:
    """(2) Changes follow each other. (3) Nothing lapses before its time. (4) Only the right hand puts it in force."""
    name = f"{_name(change.key)} at {change.at}"
    if change.before != state:
        yield f"{name} leaves {change.before} and was {state}"
    if change.after not in STATES or change.by not in BY:
        yield f"{name} goes to {change.after} by {change.by}, which is unknown"
    if not grant.granted <= change.at <= world.end:
        yield f"{name} changes when it is not granted, or after the end"
    idle = change.at - _renewed(output, grant, change.at)
    if change.after == "lapsed" and idle < _shortest(output, grant, change.at):
        yield f"{name} lapses too early"
    if change.by == "engine" and change.after in ("revoked", "suspended") and not _cause(world, grant, change):
        yield f"{name} is {change.after} for no cause in the history"
    into = usable(change.after, grant.tier) and not usable(change.before, grant.tier)
    if into and change.by == "use" and not _by_use(output, grant, change):
        yield f"{name} is put in force by a use, which cannot be"
    if change.by == "person" and not _by_person(world, output, grant, change):
        yield f"{name} is changed by a person who is not in the history"


def _cause(world: World, grant: Grant, change: Transition) -> bool:
    """The engine revokes what has ended, and suspends after a signal or for a version; neither is for want of use."""
    if change.after == "revoked":
        return change.at >= grant.ends
    agent = grant.key[0]
    return world.upgraded(agent) or any(on and when <= change.at for _, when, on in world.signals[agent])


def _renewed(output: Output, grant: Grant, at: int) -> int:
    """When it was last granted, used or put in force before a moment."""
    used = [use.at for use in grant.uses[: bisect_right(grant.uses, at, key=lambda use: use.at)]]
    allowed = next((each.at for each in reversed(grant.uses[: len(used)]) if each.seq not in output.refused), 0)
    changes = output.changes.get(grant.key, [])
    put = [each.at for each in changes if each.at < at and each.before in GONE and usable(each.after, grant.tier)]
    return max(grant.granted, allowed, *put, 0)


def _shortest(output: Output, grant: Grant, at: int) -> int:
    """The shortest idle time there is: 24 h for critical, else 14 days; half after a reactivation; less a day."""
    days: int = min(1 if grant.tier == "critical" else 14, grant.more.get("ttl_days", 14))
    again = any(each.by == "use" and each.at < at for each in output.changes[grant.key])
    whole = days * DAY // 2 if again else days * DAY
    return whole if grant.tier == "critical" else max(0, whole - DAY)


def _by_use(output: Output, grant: Grant, change: Transition) -> bool:
    """A use stands at that moment and was not refused; a critical one only where limits allow its first."""
    here = [use for use in grant.uses if use.at == change.at and use.seq not in output.refused]
    if grant.tier != "critical":
        return bool(here) and change.before != "revoked"
    earlier = any(use.at < change.at and use.seq not in output.refused for use in grant.uses)
    return bool(here) and bool(grant.more.get("limited")) and not earlier


def _by_person(world: World, output: Output, grant: Grant, change: Transition) -> bool:
    """A person approves at the grant, a working day after a refusal, and when a signal is over; and ends what ended."""
    if not usable(change.after, grant.tier):
        return change.at >= grant.ends
    agent = grant.key[0]
    asked = any(use.seq in output.refused and next_working(use.at) <= change.at for use in grant.uses)
    over = any(not on and when <= change.at for _, when, on in world.signals[agent])
    return change.at == grant.granted or asked or over


def _use(world: World, output: Output, use: Use) -> Iterator[str]:
    """(5) What is allowed is granted, in force, under no critical signal. (6) What is refused was not in force."""
    refused = output.refused.get(use.seq)
    grant = world.grants.get(use.key)
    live = grant is not None and grant.granted <= use.at < grant.ends
    if grant is None or not live:
        if refused is None:
            yield f"seq {use.seq} is allowed outside an entitlement"
        return
    if refused is None:
        if not usable(_when_used(output, use), grant.tier):
            yield f"seq {use.seq} is allowed and {_name(use.key)} was {output.before(use.key, use.at)}"
        if world.on(use.key[0], use.at, "critical"):
            yield f"seq {use.seq} is allowed under a critical signal"
    elif not _refusable(world, output, grant, use, refused["refusal"]):
        why = refused["refusal"]
        yield f"seq {use.seq} is refused ({why}) and {_name(use.key)} was in force, or that is not why"


def _when_used(output: Output, use: Use) -> str:
    here = output.during(use.key, use.at)
    return here[-1].after if here else output.before(use.key, use.at)


def _refusable(world: World, output: Output, grant: Grant, use: Use, why: str) -> bool:
    """Whether a refusal of what is granted fits what the engine says of it."""
    state = output.before(use.key, use.at)
    states = {state, *(each.after for each in output.during(use.key, use.at))}
    if why == "not_granted":
        return "revoked" in states
    if why == "suspended":
        return "suspended" in states
    if why == "quota" and not _hour_before(output, use):
        return False
    if why == "risk" and not world.signals[use.key[0]]:
        return False
    first = not any(each.at < use.at and each.seq not in output.refused for each in grant.uses)
    asks = grant.tier == "critical" or (grant.tier == "high" and first and grant.more.get("first_use") != "auto")
    return asks or not all(usable(each, grant.tier) for each in states)


def _hour_before(output: Output, use: Use) -> bool:
    """Whether anything of this agent was put in force by a use in the hour before."""
    return any(
        change.by == "use" and use.at - HOUR <= change.at <= use.at
        for key, changes in output.changes.items()
        if key[0] == use.key[0]
        for change in changes
    )


def _name(key: Key) -> str:
    return " ".join(key)
