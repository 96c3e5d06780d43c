"""Mandates as the rooms above ask for them: from the newest view, with what the database says is used."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

from remit.attestation.model import Caller
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Malformed, NotFound, StorageUnavailable
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId
from remit.policy import flow
from remit.policy.counts import held
from remit.policy.mandate import Issue, counted, mandate
from remit.policy.marks import marked
from remit.policy.service import PolicyService
from remit.storage.ports import Reader


class Mandates:
    """Issues mandates; blocks, so for a thread.

    Args:
        policy: The decision point.
        clock: Where `now` comes from.
        base: This deployment's URL.
        reader: Where counters are read; without one, what this node knows of them counts.
    """

    def __init__(self, *, policy: PolicyService, clock: Clock, base: str, reader: Reader | None) -> None:
        self._policy = policy
        self._clock = clock
        self._base = base
        self._reader = reader

    def of(self, caller: Caller, *, server: str | None = None) -> dict[str, Any]:
        """The mandate of a verified caller; with `server`, only what is on it.

        Raises:
            NotFound: There is no such agent any more.
            StorageUnavailable: The view may be stale, so nothing can be said.
        """
        return self._issued(Issue(caller=caller, base=self._base, server=server))

    def _issued(self, issue: Issue) -> dict[str, Any]:
        caller = issue.caller
        self._policy.prepare(caller.principal)
        view, now = self._policy.view(), self._clock.now()
        if caller.agent not in view.agents:
            raise NotFound("there is no such agent", detail=caller.agent)
        if not view.fresh(now):
            raise StorageUnavailable("the database was not reached within the staleness bound")
        if self._reader is None:
            return mandate(view, issue, now=now)
        if not issue.hypothetical:
            taint = flow.keys(caller)
            read = self._reader.read(lambda connection: marked(connection, taint))
            issue = replace(issue, tainted=bool(read))
        wanted = [(reserve.key, reserve.window) for reserve in counted(view, issue, now=now)]
        found = self._reader.read(lambda connection: held(connection, wanted)) if wanted else {}
        return mandate(view, issue, now=now, used=lambda reserve: found.get((reserve.key, reserve.window), 0))

    def of_agent(self, agent: str, purpose: str | None) -> dict[str, Any]:
        """The mandate of an agent as an operator asks for it.

        Raises:
            Malformed: It has several purposes, and none is named, or not that one.
            NotFound: No such agent.
            StorageUnavailable: As above.
        """
        record = self._policy.view().agents.get(agent)
        if record is None:
            raise NotFound(f"there is no agent {agent}"[:200])
        purposes = record.agent.purposes
        if (purpose is None and len(purposes) != 1) or (purpose is not None and purpose not in purposes):
            raise Malformed("name a purpose: the agent has " + (", ".join(purposes) or "none"))
        now = self._clock.now()
        asker = Caller(
            agent=AgentName(agent), instance=InstanceId(""), credential="", purpose=PurposeName(purpose or purposes[0]),
            run=RunId(""), token="", expires=Instant(0), bound=False, attested=now,
        )  # fmt: skip
        return self._issued(Issue(caller=asker, base=self._base, hypothetical=True))


def published() -> bytes:
    """The JSON Schema of mandates, as it is published."""
    return (files("remit.policy") / "mandate.schema.json").read_bytes()
