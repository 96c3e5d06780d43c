"""What recorded decisions would have been under other policies, boundaries or entitlements.

Each call is decided twice on the state as it was: as it stood, which must give what was recorded, and as it would have
stood. What a different answer would have led to later is not played on: every call is judged by itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from remit.access.activation import Activation, ActivationState, activation_id
from remit.access.model import Boundary
from remit.access.zones import version
from remit.audit.opened import Opened
from remit.kernel.canonical import canonical
from remit.kernel.clock import parse_date_end, rfc3339
from remit.kernel.errors import ConfigInvalid, IntegrityFailed, Malformed
from remit.policy.circumstances import Circumstances, kept, read_back
from remit.policy.entitlement import key_of
from remit.policy.history import Past
from remit.policy.model import Answer, Proposal
from remit.policy.organisation import Organisation, read
from remit.policy.ports import Engine
from remit.policy.record import ENGINE, engine
from remit.policy.replay import Again, again, differs
from remit.policy.touched import Touched
from remit.policy.view import AgentRecord, View, agent_record

WIDEN, NARROW, OTHERWISE = "widen", "narrow", "otherwise"
# Why a decision is not made again. `unasked`: the question was about nothing that exists here, and no policy was asked.
# `own_types`: it was about the organisation's own types, and is no agent's call.
ERASED, BEFORE, UNASKED, OWN_TYPES = "erased", "before_history", "unasked", "own_types"
_UNREADABLE: Final = (KeyError, ValueError, TypeError, AttributeError, Malformed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What would stand instead, at every epoch: in the place of what has the same name, and beside all else.

    Args:
        engine: Reads policies.
        policies: Policy files, by name.
        boundaries: By name, the version that would be in force.
        prune: Whether nothing else would stand: no other policy, no other boundary.
        lapsed: Entitlements that would have lapsed, by agent and action.
    """

    engine: Engine
    policies: Mapping[str, str] = field(default_factory=dict)
    boundaries: Mapping[str, Boundary] = field(default_factory=dict)
    prune: bool = False
    lapsed: frozenset[tuple[str, str]] = frozenset()
    _records: dict[tuple[str, int], AgentRecord] = field(default_factory=dict)
    _organisations: dict[int, Organisation] = field(default_factory=dict)

    def on(self, view: View, files: Mapping[str, str]) -> View:
        """The facts as they would have been where they were `view`, with these policy files."""
        changed = {name: self._agent(record) for name, record in view.agents.items() if self._touches(record)}
        agents = {**view.agents, **changed} if changed else view.agents
        return replace(view, organisation=self._organisation(view, files), agents=agents)

    def held(self, activation: Activation | None) -> Activation | None:
        """The entitlement as it would have been; None: as it was."""
        if activation is None or (activation.key.agent, activation.key.action) not in self.lapsed:
            return None
        return replace(activation, state=ActivationState.LAPSED, why="idle")

    def files(self, standing: Mapping[str, str]) -> dict[str, str]:
        """The policy files that there would be in the place of `standing`."""
        return dict(self.policies) if self.prune else {**standing, **self.policies}

    def _organisation(self, view: View, files: Mapping[str, str]) -> Organisation:
        serial = view.organisation.serial
        if serial not in self._organisations:
            would = self.files(files)
            # Numbers below nothing: no organisation of the past has the same, and slices are kept by it.
            same = would == dict(files)
            made = view.organisation if same else self._read(would, serial=-1 - len(self._organisations))
            self._organisations[serial] = made
        return self._organisations[serial]

    def _read(self, would: Mapping[str, str], *, serial: int) -> Organisation:
        try:
            return read(would, self.engine, serial=serial)
        except ConfigInvalid as error:
            raise ConfigInvalid(
                f"beside what stood at the time of some decision: {error.public}",
                try_="--prune, if nothing else would stand; or --since, for the decisions after that",
            ) from error

    def _touches(self, record: AgentRecord) -> bool:
        if self.prune and record.boundaries:
            return True
        return any(each.agent == record.agent.agent for each in self.boundaries.values()) or any(
            each.boundary in self.boundaries for each in record.boundaries
        )

    def _agent(self, record: AgentRecord) -> AgentRecord:
        known = self._records.get((record.agent.agent, record.serial))
        if known is None:
            stay = [each for each in record.boundaries if not self.prune and each.boundary not in self.boundaries]
            known = agent_record(record.agent, (*stay, *self.boundaries.values()), record.risk)
            self._records[record.agent.agent, record.serial] = known
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which decisions are looked at: RFC 3339 times as headers have them, [since, until); one agent, or all."""

    since: str = ""
    until: str = "~"
    agent: str | None = None

    def takes(self, header: Mapping[str, Any]) -> bool:
        """Whether a decision is in it."""
        return self.since <= header["time"] < self.until and self.agent in {None, header["agent"]}


@dataclass(slots=True)
class Part:
    """What some decisions came to; parts add up, in the order of the log."""

    decisions: int = 0
    reproduced: int = 0
    uncounted: int = 0
    not_replayable: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)  # others than this one
    other_until: str = ""  # the newest time of a decision that another engine made
    differs: list[dict[str, Any]] = field(default_factory=list)
    flips: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Part) -> None:
        """Take what the decisions after these came to."""
        self.decisions += other.decisions
        self.reproduced += other.reproduced
        self.uncounted += other.uncounted
        self.not_replayable.update(other.not_replayable)
        self.engines.update(other.engines)
        self.other_until = max(self.other_until, other.other_until)
        self.differs += other.differs
        self.flips += other.flips

    def body(self) -> dict[str, Any]:
        """As it travels."""
        return {
            "decisions": self.decisions, "reproduced": self.reproduced, "uncounted": self.uncounted,
            "not_replayable": dict(sorted(self.not_replayable.items())), "engines": dict(sorted(self.engines.items())),
            "other_until": self.other_until, "differs": self.differs, "flips": self.flips,
        }  # fmt: skip


def part_from(body: Mapping[str, Any]) -> Part:
    """What `Part.body` made."""
    counts = {name: Counter(body[name]) for name in ("not_replayable", "engines")}
    return Part(**{name: body[name] for name in body if name in Part.__slots__} | counts)


@dataclass(slots=True)
class Simulation:
    """Goes through decisions. One thread; views are shared by the decisions of an epoch."""

    past: Past
    within: Range
    candidate: Candidate | None = None
    _touched: Touched | None = None

    def take(self, part: Part, entry: Opened) -> None:
        """Count one decision in."""
        header, payload = entry.header, entry.payload
        if not self.within.takes(header):
            return
        part.decisions += 1
        why = _not_replayable(payload)
        if why or not isinstance(payload, dict):
            part.not_replayable[why] += 1
            return
        if payload["engine"] != engine({"zones": version()} if "zones" in payload["facts"] else {}):
            part.engines[payload["engine"]] += 1
            part.other_until = max(part.other_until, header["time"])
            return
        try:
            self._again(part, entry.at, header, payload)
        except _UNREADABLE as error:
            part.differs.append(_line(entry.at, header) | {"how": f"it cannot be read: {error!r}"[:200]})

    def _again(self, part: Part, at: int, header: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        recorded = read_back(header, payload)
        view = self.past.view(recorded.epoch)
        found = again(recorded, view)
        how = differs(header, payload, found, recorded, view)
        if how:
            part.differs.append(_line(at, header) | {"how": how})
            return
        part.reproduced += 1
        if self.candidate is None:
            return
        held, touched = self.candidate.held(recorded.activation), self._beside(view, self.candidate)
        if held is None and not touched(recorded.call):
            return
        would = again(recorded, touched.would, other=True, held=held)
        part.uncounted += would.uncounted
        if (flip := _flip(found, would, recorded)) is not None:
            part.flips.append(_line(at, header) | flip)

    def _beside(self, view: View, candidate: Candidate) -> Touched:
        if self._touched is None or self._touched.was is not view:
            self._touched = Touched(view, candidate.on(view, self.past.files(view)))
        return self._touched


def _not_replayable(payload: Mapping[str, Any] | str | None) -> str:
    if payload is None:
        return UNASKED
    if isinstance(payload, str):
        return ERASED
    if "sent" in payload:
        return OWN_TYPES
    return "" if kept(payload) else BEFORE


def _line(at: int, header: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": at, **{name: header[name] for name in ("id", "time", "agent", "purpose", "action")}}


def _flip(was: Again, would: Again, recorded: Circumstances) -> dict[str, Any] | None:
    """How the answers differ, and what starts with them; None if they do not."""
    before, after = _said(was.answer), _said(would.answer)
    starts = [_starts(was.proposal), _starts(would.proposal)]
    if before == after and starts[0] == starts[1]:
        return None
    change = OTHERWISE
    if _let_through(was.answer) is not _let_through(would.answer):
        change = WIDEN if _let_through(would.answer) else NARROW
    said: dict[str, Any] = {"change": change, "was": before, "would": after}
    if recorded.call.tool is not None:
        said["activation"] = activation_id(key_of(recorded.call))
    if starts[0] != starts[1]:
        said["starts"] = {"was": starts[0], "would": starts[1]}
    return said


def _let_through(answer: Answer) -> bool:
    """Whether the rules do: on a server that is only observed, what goes on all the same is none of their doing."""
    return answer.denial is None and answer.would_deny is None


def _said(answer: Answer) -> dict[str, Any]:
    denial = answer.denial or answer.would_deny
    if denial is None:
        return {"decision": "allow", "boundary": answer.boundary}
    said = "deny" if answer.would_deny is None else "would_deny"
    return {"decision": said, "code": denial.code.value, **({"policy": denial.policy} if denial.policy else {})}


def _starts(proposal: Proposal) -> bool:
    return bool(proposal.starts)


# the report ----------------------------------------------------------------------------------


def report(whole: Part, *, base: str, within: Range, candidate: str | None) -> dict[str, Any]:
    """All of it, with the digest over all of it: the same input gives the same, however the work was divided.

    Args:
        whole: What the decisions came to.
        base: The digest of what is in force now.
        within: Which decisions were looked at.
        candidate: The digest of what would be; None: nothing else.

    Raises:
        IntegrityFailed: Some decisions were made by another engine. What this one would say of them proves nothing.
    """
    if whole.engines:
        others = ", ".join(f"{many} by {engine}" for engine, many in sorted(whole.engines.items()))
        raise IntegrityFailed(
            "decisions were made by another version of the engine, and are not replayed by this one",
            detail=f"{others}; this is {ENGINE}",
            try_=f"the ones after that: --since {_after(whole.other_until)}",
        )
    said = {
        "base": base, "candidate": candidate, "since": within.since or None, "engine": ENGINE,
        "until": None if within.until == "~" else within.until, "agent": within.agent, **whole.body(),
        "agents": _tally(whole.flips, "agent"), "activations": _tally(whole.flips, "activation"),
        "changes": dict(sorted(Counter(flip["change"] for flip in whole.flips).items())),
    }  # fmt: skip
    return {**said, "digest": hashlib.sha256(canonical(said)).hexdigest()}


def _after(time: str) -> str:
    """The microsecond after a time as headers have it."""
    return rfc3339(parse_date_end(time) + 1)


def _tally(flips: Iterable[Mapping[str, Any]], by: str) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for flip in flips:
        if by in flip:
            found.setdefault(flip[by], Counter())[flip["change"]] += 1
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}


def base_digest(policies: str, boundaries: Sequence[tuple[str, str]]) -> str:
    """The digest of the policies and boundaries in force: a plan that was made on another one is stale."""
    return hashlib.sha256(canonical([policies, [list(each) for each in sorted(boundaries)]])).hexdigest()
