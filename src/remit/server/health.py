"""Is this process well: the words of `remit doctor`. Rules over what was measured; they measure nothing themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from remit.access.model import Purpose, PurposeState
from remit.agents.bindings.client_secret import METHOD
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.agents.signals import Signal, own
from remit.certification.usage.sources import Told
from remit.kernel.clock import DAY, SECOND, Instant, rfc3339
from remit.kernel.names import BoundaryName

_NODE_LATE = 5.0  # seconds: then it decides nothing any more
_SOON = 30 * DAY
_CONTACT_LATE = 5.0  # seconds: the staleness bound, beyond which every call is refused
_LITTLE_DISK = 256 << 20
_NO_DISK = 32 << 20
_SHOWN = 5


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check, in words."""

    check: str
    status: Status
    detail: str
    try_: str = ""

    def body(self) -> dict[str, Any]:
        """As JSON."""
        said = {"check": self.check, "status": self.status.value, "detail": self.detail}
        return {**said, "try": self.try_} if self.try_ else said


def ok(check: str, detail: str) -> Check:
    """All is well."""
    return Check(check=check, status=Status.OK, detail=detail)


def warn(check: str, detail: str, try_: str = "") -> Check:
    """It works, and someone should look."""
    return Check(check=check, status=Status.WARN, detail=detail, try_=try_)


def fail(check: str, detail: str, try_: str = "") -> Check:
    """It does not work, or will not at the next start."""
    return Check(check=check, status=Status.FAIL, detail=detail, try_=try_)


def clock(*, now: Instant, last_signed: Instant | None) -> Check:
    """A clock that went back makes live tokens of expired ones."""
    if last_signed is not None and now + SECOND < last_signed:
        return fail("clock", f"it says {rfc3339(now)}, before the last checkpoint {rfc3339(last_signed)}", "run ntpd")
    return ok("clock", rfc3339(now))


def database(*, dialect: str, healthy: bool, contact_age: float, disk_free: int | None) -> Check:
    """Does the database take work, and has it room."""
    if not healthy or contact_age > _CONTACT_LATE:
        return fail(
            "database", f"{dialect}: no answer for {contact_age:.1f} s; every call is refused", "look at its log"
        )
    if disk_free is not None and disk_free < _NO_DISK:
        return fail("database", f"{dialect}: {disk_free >> 20} MiB of disk left", "make room")
    if disk_free is not None and disk_free < _LITTLE_DISK:
        return warn("database", f"{dialect}: {disk_free >> 20} MiB of disk left", "make room")
    return ok("database", f"{dialect}: answers, last {contact_age:.1f} s ago")


def nodes(node: str, *, leads: bool, others: Mapping[str, float]) -> Check:
    """Do the other nodes on this database look at what changes. `others`: for how many seconds each has not."""
    who = f"{node}, which {'leads' if leads else 'does not lead'}; others: {', '.join(sorted(others)) or 'none'}"
    late = {name: int(blind) for name, blind in others.items() if blind > _NODE_LATE}
    if late:
        said = ", ".join(f"{name} for {blind} s" for name, blind in sorted(late.items()))
        return warn("nodes", f"{who}; not heard of: {said}", "look at that server, or wait until it is given up")
    return ok("nodes", who)


def log(*, size: int | None, signed: Instant | None, failure: str | None, now: Instant) -> Check:
    """Is what happened under a signed checkpoint. An idle log signs nothing, so age alone is no fault."""
    if failure is not None:
        return fail("log", f"no checkpoints are signed: {failure}", "remit audit verify")
    if size is None or signed is None:
        return ok("log", "no checkpoint yet")
    return ok("log", f"checkpoint over {size} entries, signed {(now - signed) // SECOND} s ago")


def state(*, objects: int, problem: str) -> Check:
    """Is everything in the database as its newest entry left it."""
    if problem:
        return fail("state", f"{problem}; the next start will refuse", "remit audit verify")
    return ok("state", f"{objects} objects are as their newest entries left them")


def server(
    name: str,
    *,
    failed_since: Instant | None,
    error: str,
    waiting: int,
    tools: int,
    now: Instant,
    observed: bool = False,
) -> Check:
    """Was the server's list of tools imported, does anything of it wait for a person, and is it enforced."""
    if failed_since is not None:
        since = (now - failed_since) // SECOND
        return warn(
            f"server {name}", f"its tools could not be listed since {since} s: {error}", f"remit server show {name}"
        )
    if waiting:
        return warn(f"server {name}", f"{waiting} of {tools} tools wait for review", f"remit server review {name}")
    if observed:
        return warn(
            f"server {name}", "it is only observed: what boundaries and policies refuse is let through",
            f"remit audit tail, then mode: enforce in servers/{name}.yaml",
        )  # fmt: skip
    return ok(f"server {name}", f"{tools} tools, as approved")


def usage(sources: Iterable[Told]) -> list[Check]:
    """Does every source of usage still tell what it is registered for."""
    known = list(sources)
    found = [_silent(each) for each in known if not each.hearing.heard]
    return found or ([ok("usage", f"every source is heard ({len(known)})")] if known else [])


def _silent(each: Told) -> Check:
    name, servers, until = each.source.source, _some(each.source.servers), each.hearing.told
    since = "it never said that its record is complete" if until is None else f"its record ends at {rfc3339(until)}"
    return warn(
        f"usage {name}",
        f"silent: {since}; idle clocks of {servers} stand still, and what is critical there stops a day later",
        f"remit usage import FILE --source {name} --covers FROM..UNTIL; if it is gone: remit usage unregister {name}",
    )


def soon(now: Instant) -> Instant:
    """Until when an end is worth a word."""
    return Instant(now + _SOON)


def posture(
    agents: Iterable[Agent], boundaries: Mapping[BoundaryName, Instant], purposes: Iterable[Purpose], *, now: Instant
) -> list[Check]:
    """What works and should not stay so. `boundaries`: those in force that end before `soon`, with when."""
    live = [agent for agent in agents if agent.state is AgentState.ACTIVE]
    ends = {f"agent {agent.agent}": agent.not_after for agent in live}
    ends |= {f"boundary {name}": end for name, end in boundaries.items()}
    ends |= {f"purpose {each.purpose}": each.not_after for each in purposes if each.state is PurposeState.ACTIVE}
    unbound = sorted(agent.agent for agent in live if agent.sender_constraint is SenderConstraint.NONE)
    secret = sorted(agent.agent for agent in live if any(each.method == METHOD for each in agent.bindings))
    found = [_unbound(unbound)] if unbound else []
    found += [_secret(secret)] if secret else []
    found += _ending(ends, now=now)
    return found or [ok("posture", "every agent proves its key; nothing ends within 30 days")]


def _unbound(agents: Sequence[str]) -> Check:
    detail = f"{_some(agents)}: whoever copies a token can use it until it ends"
    return warn("sender_constraint none", detail, "sender_constraint: dpop in agents/*.yaml")


def _secret(agents: Sequence[str]) -> Check:
    detail = f"{_some(agents)}: whoever reads a request, or a file where the secret is kept, is the agent from then on"
    return warn("client_secret", detail, "private_key_jwt in agents/*.yaml: remit agent keygen NAME --out FILE")


def cloned(known: Iterable[tuple[str, Risk]]) -> list[Check]:
    """Running copies whose key was seen at two places at once; of each agent by itself, for a person has to look."""
    found = []
    for agent, risk in known:
        instances = [each.about for each in risk.noticed if each.signal is Signal.INSTANCE_CONFLICT]
        for about in sorted(instances):
            instance = about.removeprefix(own("")).removeprefix(": ")
            detail = f"{agent}: the key of instance {instance} is used from two places at once"
            over = f"remit agent signal {agent} {Signal.INSTANCE_CONFLICT} --about '{about}' --over"
            found.append(
                warn("instance_conflict", detail, f"remit freeze instance {instance}; when it is over: {over}")
            )
    return found


def _ending(ends: Mapping[str, Instant], *, now: Instant) -> list[Check]:
    ended = sorted(name for name, end in ends.items() if end <= now)
    near = sorted(name for name, end in ends.items() if now < end <= soon(now))
    found = []
    if ended:
        found.append(warn("ended", f"{_some(ended)}: every call is refused", "a later not_after, and remit apply"))
    if near:
        found.append(warn("ending", f"{_some(near)} within 30 days", "a later not_after, and remit apply"))
    return found


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
