"""A credential that was made for one instance, and ends with its access. Pure.

    making      recorded, and perhaps made at its provider: whoever was killed meanwhile left this behind
    live        calls of that instance use it
    ending      no call gets it any more; it is being taken away
    ended       read again from its provider: it is gone

Its value stands nowhere: it is in the memory of the node that had it made, and goes with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from remit.kernel.clock import MINUTE, SECOND, Instant, Micros
from remit.kernel.names import AgentName, InstanceId, SecretName
from remit.vault.document import Dynamic

INCIDENT: Final = Micros(15 * MINUTE)
"""For so long one may be ending before people must look at it."""
_FIRST: Final = SECOND
_LONGEST: Final = MINUTE
_EARLIER: Final = Micros(30 * SECOND)
_SHARE: Final = 10
_TOLD: Final = 200


class LeaseState(StrEnum):
    """Where it is in its life."""

    MAKING = "making"
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"


OPEN: Final = (LeaseState.MAKING, LeaseState.LIVE)
"""The states in which nobody has begun to take it away."""


class Why(StrEnum):
    """Why one ends."""

    TTL = "ttl"
    NODE = "node"  # the node that had it made is gone, and the value with it
    STOPPED = "stopped"  # a freeze, or its agent, owner, run, purpose or boundary does not stand
    LAPSED = "lapsed"  # its activation is not in force
    CHANGED = "changed"  # the secret's document says something else now
    NOT_MADE = "not_made"  # the provider did not, or not clearly
    LATE = "late"  # it was made after it had ended here
    ASKED = "asked"  # a person did


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One of them.

    Args:
        lease: Its id; a provider may know it by that.
        secret: Of which secret it is.
        agent: Whose it is.
        instance: The one running copy that uses it.
        state: Where it is in its life.
        maker: Who makes and ends it at its provider.
        settings: That one's, as they were when it was made: a document may say something else by the time it ends.
        purpose: Of the call that it was made for.
        action: Likewise.
        node: Whose memory has the value.
        made: When it was begun.
        since: When it came into its state.
        ends: When it ends at the latest.
        handle: What its provider finds it by; no secret.
        why: Why it ends; "" while it does not. `detail`: what else is to be said of that.
        attempts: How often it was tried to take it away.
        said: What the last attempt came to, for people; never a value.
        incident: Since when people know that it could not be taken away.
    """

    lease: str
    secret: SecretName
    agent: AgentName
    instance: InstanceId
    state: LeaseState
    maker: str
    settings: Mapping[str, Any]
    purpose: str
    action: str
    node: str
    made: Instant
    since: Instant
    ends: Instant
    handle: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    detail: str = ""
    attempts: int = 0
    said: str = ""
    incident: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands behind a lease now.

    Args:
        stopped: With which code the call that it was made for would be refused, if that ends what runs; "" if not.
        entitled: Whether the activation it was made under is in force.
        dynamic: What the secret's document says of it; None: no more.
        held: Whether the node that has its value is there, and has it.
    """

    stopped: str = ""
    entitled: bool = True
    dynamic: Dynamic | None = None
    held: bool = True


def ends(it: Lease, standing: Standing, *, now: Instant) -> Why | None:  # noqa: PLR0911 - a list of checks
    """Why it must end now; None if it need not, or does already."""
    if it.state not in OPEN:
        return None
    if not standing.held:
        return Why.NODE
    if standing.stopped:
        return Why.STOPPED
    if not standing.entitled:
        return Why.LAPSED
    if now >= it.ends:
        return Why.TTL
    if not same(it, standing.dynamic):
        return Why.CHANGED
    return None


def same(it: Lease, dynamic: Dynamic | None) -> bool:
    """Whether it would be made so again."""
    return dynamic is not None and dynamic.maker == it.maker and dynamic.settings == it.settings


def fit(it: Lease, *, now: Instant) -> bool:
    """Whether one more call may use it: not shortly before its end, which would come while that runs."""
    before = min(_EARLIER, (it.ends - it.made) // _SHARE)
    return it.state is LeaseState.LIVE and now < it.ends - before


def made(it: Lease, handle: Mapping[str, str], *, until: Instant, now: Instant) -> Lease:
    """`it` once its provider made it, which ends it by itself at `until`.

    Raises:
        ValueError: It is not being made.
    """
    if it.state is not LeaseState.MAKING:
        raise ValueError(f"this lease is {it.state}")
    return replace(it, state=LeaseState.LIVE, since=now, handle=dict(handle), ends=Instant(min(it.ends, until)))


def late(it: Lease, handle: Mapping[str, str], *, now: Instant) -> Lease:
    """`it` once it turns out to be at its provider after it began to end here: it is taken away, whatever was said.

    Raises:
        ValueError: It has not begun to end.
    """
    if it.state in OPEN:
        raise ValueError(f"this lease is {it.state}")
    since = it.since if it.state is LeaseState.ENDING else now
    return replace(it, state=LeaseState.ENDING, since=since, handle=dict(handle), why=Why.LATE.value, attempts=0)


def ending(it: Lease, why: Why, *, now: Instant, detail: str = "") -> Lease:
    """`it` once it must end; as it is if that has begun."""
    if it.state not in OPEN:
        return it
    return replace(it, state=LeaseState.ENDING, since=now, why=why.value, detail=detail[:_TOLD])


def tried(it: Lease, *, gone: bool, said: str, now: Instant) -> Lease:
    """`it` after one attempt to take it away.

    Raises:
        ValueError: It is not ending.
    """
    if it.state is not LeaseState.ENDING:
        raise ValueError(f"this lease is {it.state}")
    if gone:
        return replace(it, state=LeaseState.ENDED, since=now, said="", attempts=it.attempts + 1)
    return replace(it, attempts=it.attempts + 1, said=said[:_TOLD])


def overdue(it: Lease, *, now: Instant) -> bool:
    """Whether people must hear of it: it should be gone for 15 minutes, and they were not told yet."""
    return it.state is LeaseState.ENDING and it.incident is None and now - it.since >= INCIDENT


def due(it: Lease, *, now: Instant) -> Instant:
    """When it is tried next: after a pause that doubles, up to a minute; at the incident's time if that is before."""
    if it.attempts == 0:
        return now
    pause = min(_FIRST << min(it.attempts - 1, 6), _LONGEST)
    late = it.since + INCIDENT
    return Instant(min(now + pause, late) if it.incident is None and late > now else now + pause)
