"""Verdicts on a batch of an estate (pure): the one judge, over the facts that a server would give it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState, Under
from remit.access.become import become
from remit.access.judge import ENGINE, judge, statement
from remit.access.model import Rule
from remit.access.parameters import SHIPPED, Parameters
from remit.access.ttl import ttl
from remit.catalog.model import Tier
from remit.certification.estate.model import Row
from remit.certification.usage.windows import Windows
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.entitlement import Holder, Setting, facts_of

STATES: Final = tuple(ActivationState)
NEVER: Final = 2**62
DIGEST: Final = 32
_AT: Final = {state: at for at, state in enumerate(STATES)}
_LAPSED: Final = _AT[ActivationState.LAPSED]
# What it writes here is ASCII and integers that every reader of JSON reads exactly: the bytes are canonical.
_sorted = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an entitlement is held on: its tier, the rule of its boundary, its agent. Many have the same."""

    tier: Tier
    holder: Holder
    granted: bool = True
    shorter: Micros | None = None  # the boundary's own `ttl`
    cadence: Micros | None = None
    version: str = ""  # of the agent, when it was started

    @cached_property
    def sha256(self) -> str:
        """Over the canonical JSON of all of them."""
        holder = self.holder
        said = {
            "tier": self.tier.value,
            "granted": self.granted,
            "shorter": self.shorter,
            "cadence": self.cadence,
            "version": self.version,
            "agent": {"version": holder.version, "state": holder.state, "owner_active": holder.owner_active},
            "risk": holder.risk,
            "calm": holder.calm,
            "noticed": [[each.signal.value, each.about] for each in holder.noticed],
        }
        return sha256(canonical(said)).hexdigest()

    @cached_property
    def key(self) -> ActivationKey:
        """A key in place of the names, which the judge does not ask for."""
        return ActivationKey(AgentName("agent"), PurposeName("purpose"), ActionName("server/tool"), "server")

    @cached_property
    def rule(self) -> Rule | None:
        """The boundary's rule."""
        return Rule(action=self.key.action, ttl=self.shorter, cadence=self.cadence) if self.granted else None


class Held(NamedTuple):
    """An entitlement's use, and the state that was last recorded of it."""

    row: Row
    state: int  # in STATES
    since: int
    why: str
    under: Under | None = None
    unsure: int = 0


class Found(NamedTuple):
    """Verdicts on a batch, column by column."""

    eids: array[int]
    states: bytes
    reasons: list[str]
    since: array[int]
    due: array[int]  # when each may change by itself
    digests: bytes
    unders: dict[int, Under]  # by entitlement; of the few that go back to something
    unsures: dict[int, int]  # by entitlement; of the few of which nobody can say whether they are used, since when


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a batch is judged by, at one moment."""

    now: Instant
    windows: Windows  # when the record of use was complete
    terms: Sequence[Terms]
    parameters: Parameters = SHIPPED

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """What `facts_of` asks for, for each of the terms."""
        covered = self.windows.measure(0, self.now)
        return tuple(
            Setting(
                tier=each.tier, boundary=None, rule=each.rule, holder=each.holder, covered=covered, now=self.now,
                windows=self.windows,
            )
            for each in self.terms
        )  # fmt: skip

    def setting(self, held: Held) -> Setting:
        """What `facts_of` asks for, for one entitlement."""
        return self.settings[held.row.terms]

    def stands_on(self, row: Row) -> str:
        """The digest of what an entitlement is held on."""
        return self.terms[row.terms].sha256

    def covered(self, at: int) -> int:
        """The coverage clock's reading."""
        return self.windows.measure(0, at)

    def activation(self, held: Held) -> Activation:
        """The activation as a server would have it. What was used after it lapsed has come back with that use."""
        row, terms = held.row, self.terms[held.row.terms]
        back = held.state == _LAPSED and row.last > held.since
        state, since = (ActivationState.ACTIVE, row.last) if back else (STATES[held.state], held.since)
        # Also under something that ends by itself: nothing is dirty when that is over, and it would stay lapsed.
        under = None if held.under is not None and _used_since(held.under, row) else held.under
        return Activation(
            key=terms.key, boundary=BoundaryName("boundary"), boundary_version=1, agent_version=terms.version,
            state=state, since=Instant(since), started=Instant(row.started), by="", serial=1,
            usage=row.usage(self.covered), why="" if back else held.why, under=under,
            unsure=Instant(held.unsure),
        )  # fmt: skip

    def statement(self, held: Held) -> bytes:
        """The canonical JSON of what would be recorded of it."""
        facts = facts_of(self.activation(held), self.setting(held))
        return canonical(statement(facts, self.parameters))

    def judge(self, batch: Sequence[Held]) -> Found:
        """The verdicts on a batch."""
        eids, since, due = array("q"), array("q"), array("q")
        states, reasons, digests = bytearray(), list[str](), bytearray()
        unders, unsures = dict[int, Under](), dict[int, int]()
        for held in batch:
            activation, setting = self.activation(held), self.setting(held)
            facts = facts_of(activation, setting)
            found = judge(facts, self.parameters)
            # Where nothing is written, the reason that was written stands.
            after = become(activation, found, self.now) or activation
            reason = after.why or found.reason
            eids.append(held.row.eid)
            states.append(_AT[after.state])
            reasons.append(reason)
            since.append(after.since)
            if after.under is not None:
                unders[held.row.eid] = after.under
            if after.unsure:
                unsures[held.row.eid] = after.unsure
            due.append(NEVER if found.left is None else self.now + max(1, found.left))
            lasts = ttl(facts.tier, facts.habit, self.parameters)
            standing = self._standing(held.row, after.state, reason, lasts, after.under)
            digests += sha256(standing).digest()
        return Found(eids, bytes(states), reasons, since, due, bytes(digests), unders, unsures)

    def _standing(self, row: Row, state: ActivationState, reason: str, lasts: int, under: Under | None = None) -> bytes:
        """What stands until something changes or its time comes: a verdict without what only the clock moves."""
        said: dict[str, Any] = {
            "days": row.days,
            "eid": row.eid,
            "engine": ENGINE,
            "gaps": row.gaps,
            "last": row.last,
            "parameters": self.parameters.sha256,
            "reason": reason,
            "started": row.started,
            "state": state.value,
            "terms": self.stands_on(row),
            "ttl": lasts,
        }
        if under is not None:
            said["under"] = [under.state.value, under.why]
        return _sorted(said)


def _used_since(under: Under, row: Row) -> bool:
    return under.state is ActivationState.LAPSED and row.last > under.since
