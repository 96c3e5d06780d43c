"""`/v1/activations`, `/v1/verdicts`, `/v1/notices`: what is in force, why, and what owners are told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from remit.agents.service import AgentService
from remit.audit.log import Log, Recorded
from remit.audit.states import rows_of
from remit.certification.hands import Hands
from remit.certification.posture.privilege import Standing, standing, standings, summary
from remit.certification.replaying.kept import Kept
from remit.certification.replaying.rederive import rederive
from remit.certification.replaying.replays import Summary, lines
from remit.certification.service import CertificationService
from remit.certification.usage.coverage import CoverageClock
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.people.notices import SqlNotices
from remit.policy.service import PolicyService
from remit.policy.view import View
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Reader, Writer

_MOST = 1000
_PART = 10_000  # entries of the log that one answer is about
_FIELDS = {"agent": "string", "action": "string", "purpose": "string?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Entitlements over HTTP."""

    view: Callable[[], View]
    policy: PolicyService
    hands: Hands
    service: CertificationService
    agents: AgentService
    log: Log
    coverage: CoverageClock
    clock: Clock
    accountable: Accountable
    writer: Writer
    reader: Reader

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/activations", summary="Every entitlement of an agent (?agent=NAME), or of all",
                action="read", handle=self.list, query=("agent",),
            ),
            Door(
                method="POST", path="/v1/activations/start", summary="Start an entitlement by its owner's hand",
                action="startActivation", handle=self.start, body="json", fields=_FIELDS, owners=self._owners,
            ),
            Door(
                method="POST", path="/v1/activations/suspend", summary="Suspend an entitlement until it is started",
                action="suspendActivation", handle=self.suspend, body="json", fields=_FIELDS, owners=self._owners,
            ),
            Door(
                method="POST", path="/v1/agents/{name}/risk", summary="Say how risky an agent is now, in millionths",
                action="setRisk", handle=self.risk, body="json", fields={"risk": "integer"},
                owners=lambda ask: self.accountable.for_agent(ask.path["name"]),
            ),
            Door(
                method="POST", path="/v1/certification/sweep", summary="Judge every entitlement now",
                action="sweep", handle=self.sweep, body="json",
            ),
            Door(
                method="GET", path="/v1/verdicts", summary="The newest verdicts (?agent=NAME)",
                action="read", handle=self.verdicts, query=("agent", "limit"),
            ),
            Door(
                method="GET", path="/v1/verdicts/{id}", summary="One verdict, derived again from what it was made from",
                action="read", handle=self.verdict,
            ),
            Door(
                method="GET", path="/v1/certification/replay",
                summary="Derive the verdicts of up to 10,000 entries again (?from=INDEX)",
                action="read", handle=self.replays, query=("from",),
            ),
            Door(
                method="GET", path="/v1/notices", summary="What owners are told, newest first (?owner=NAME)",
                action="read", handle=self.notices, query=("owner", "unseen", "limit"),
            ),
            Door(
                method="POST", path="/v1/notices/seen", summary="Mark an owner's notices as seen",
                action="seeNotices", handle=self.seen, body="json", fields={"owner": "string"},
                owners=lambda ask: self.accountable.for_owner(ask.body["owner"]),
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Every entitlement that a boundary in force names, and where it stands now."""
        wanted, view = ask.query.get("agent"), self.view()
        if wanted is not None and wanted not in view.agents:
            raise NotFound(f"there is no agent {wanted}"[:200])
        found: list[Standing] = []
        for name, record in sorted(view.agents.items()):
            if wanted in (None, name):
                self.policy.prepare(name)
                found += standings(view, record, covered=self.coverage.covered(), now=self.clock.now())
        return {"activations": [_shape(each) for each in found], "privilege": summary(found)}

    def start(self, ask: Ask) -> dict[str, Any]:
        """Start, as the owner who asks."""
        return self._by_hand(ask, self.hands.start)

    def suspend(self, ask: Ask) -> dict[str, Any]:
        """Suspend."""
        return self._by_hand(ask, self.hands.suspend)

    def _by_hand(self, ask: Ask, act: Callable[..., object]) -> dict[str, Any]:
        body = ask.body
        key = self.hands.key(body["agent"], body["action"], body.get("purpose"))
        self.policy.prepare(key.agent)
        act(key, by=actor(ask))
        return _shape(standing(self.view(), key, covered=self.coverage.covered(), now=self.clock.now()))

    def risk(self, ask: Ask) -> dict[str, Any]:
        """Set the risk; the next decision reads it."""
        name = ask.path["name"]
        risk = self.agents.set_risk(name, ask.body["risk"], by=actor(ask))
        return {"agent": name, "risk": risk}

    def sweep(self, _ask: Ask) -> dict[str, Any]:
        """A full sweep."""
        seen, changed = self.service.sweep()
        return {"seen": seen, "changed": changed}

    def verdicts(self, ask: Ask) -> dict[str, Any]:
        """Newest first."""
        limit = ask.number("limit", default=20, most=_MOST)
        found = self.log.recent(limit, kind="verdict", agent=ask.query.get("agent"))
        return {"verdicts": [{"index": each.index, **each.header} for each in found]}

    def verdict(self, ask: Ask) -> dict[str, Any]:
        """The verdict and its replay."""
        found = self._verdict(ask.path["id"])
        try:
            again = self.reader.read(lambda connection: rederive(found.header, Kept(rows_of(connection))))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise IntegrityFailed("this verdict cannot be derived again", detail=repr(error)) from error
        return {
            "verdict": found.header,
            "index": found.index,
            "replay": again.outcome,
            "cause": again.cause,
            "detail": again.detail,
            "recorded": again.recorded.decode("utf-8"),
            "derived": again.derived.decode("utf-8"),
        }

    def replays(self, ask: Ask) -> dict[str, Any]:
        """A part of the log; `next` is where to go on, or null at its end."""
        start = ask.number("from", default=0, most=2**53)
        found, stretches = Summary(), self.log.stretches(start, _PART)

        def derive(connection: Connection) -> None:
            for line in lines(stretches, Kept(rows_of(connection))):
                if line is not None:
                    found.take(line)

        self.reader.read(derive)
        read = sum(each.count for each in stretches)
        return {**found.body(), "from": start, "read": read, "next": start + read if read == _PART else None}

    def _verdict(self, id: str) -> Recorded:  # noqa: A002 - what it is
        found = self.log.find(id)
        if found.header["kind"] != "verdict":
            raise NotFound("there is no such verdict", try_="remit certify list")
        return found

    def notices(self, ask: Ask) -> dict[str, Any]:
        """What the owners of agents are told."""
        owner, view = ask.query.get("owner"), self.view()
        mine = None if owner is None else [name for name, each in view.agents.items() if each.agent.owner == owner]
        limit, unseen = ask.number("limit", default=20, most=_MOST), ask.query.get("unseen") == "true"
        found = self.reader.read(lambda connection: SqlNotices(connection).newest(mine, most=limit, unseen=unseen))
        rows = [
            {"notice": each.notice, "agent": each.agent, "seen": each.seen and rfc3339(each.seen), **each.said}
            for each in found
        ]
        return {"notices": rows}

    def seen(self, ask: Ask) -> dict[str, Any]:
        """Mark them as seen."""
        owner, now = ask.body["owner"], self.clock.now()
        mine = [name for name, each in self.view().agents.items() if each.agent.owner == owner]
        return {"seen": self.writer.change(lambda tx: SqlNotices(tx.connection).see(mine, now=now))}

    def _owners(self, ask: Ask) -> Collection[str]:
        return self.accountable.for_agent(ask.body["agent"])


def _shape(each: Standing) -> dict[str, Any]:
    known, key = each.activation, each.key
    usage = known.usage if known else None
    return {
        "activation": known.id if known else None,
        "agent": key.agent,
        "purpose": key.purpose,
        "action": key.action,
        "boundary": each.boundary,
        "tier": each.tier.value,
        "state": each.state,
        "reason": each.reason,
        "reach": each.reach.value,
        "started": rfc3339(known.started) if known else None,
        "started_by": (known.by or "remit") if known else None,
        "last_use": rfc3339(usage.last) if usage and usage.days else None,
        "days_of_use": usage.days if usage else 0,
        "lapses_in_seconds": None if each.left is None else each.left // 1_000_000,
    }
