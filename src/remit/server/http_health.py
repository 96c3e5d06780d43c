"""`/v1/doctor`: is this process well."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from remit.access.service import AccessService
from remit.agents.risk import SqlRisks
from remit.agents.service import AgentService
from remit.audit.checkpoint import parse
from remit.audit.states import States
from remit.catalog.model import PinState
from remit.catalog.service import CatalogService
from remit.certification.usage.sources import Sources
from remit.kernel.canonical import encode
from remit.kernel.clock import SECOND, Clock, Instant, Micros
from remit.kernel.errors import RemitError
from remit.keys.hardening import standing
from remit.keys.service import KeyRing, stored_roots
from remit.server import health, key_health, secret_health
from remit.server.door import Ask, Door
from remit.server.health import Check
from remit.server.refresh import Refresher
from remit.server.remembered import Remembered
from remit.server.settings import Settings
from remit.storage.database import Database
from remit.storage.schema import checkpoints
from remit.vault.lease_sql import SqlLeases
from remit.vault.rotation_sql import SqlRotations
from remit.vault.service import Vault

_LOOKED_AT = 500  # rotations and leases, the newest
_OLDEST = 3600  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Measures, and lets `health` say what it means."""

    settings: Settings
    database: Database
    keys: KeyRing
    clock: Clock
    agents: AgentService
    access: AccessService
    catalog: CatalogService
    refresher: Refresher
    log_failure: Callable[[], RemitError | None]
    states: States
    sources: Sources
    vault: Vault
    remembered: Remembered[list[Check]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "remembered", Remembered(self._examined, self.clock, behind=lambda: self._examined(gently=True))
        )

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [Door(method="GET", path="/v1/doctor", summary="Is it well (?within=SECONDS: an older answer will do)",
                     action="doctor", handle=self.examine, query=("within",))]  # fmt: skip

    def examine(self, ask: Ask) -> Response:
        """Every check, worst first. `?within=SECONDS`: an answer that is about so old will do."""
        within = ask.number("within", default=0, most=_OLDEST)
        checks = self.remembered.within(Micros(within * SECOND)) if within else self.remembered.now()
        if checks is None:
            checks = [health.warn("doctor", "it is looked at for the first time since the start", "remit doctor")]
        body: dict[str, Any] = {"checks": [check.body() for check in checks]}
        return Response(encode(body), media_type="application/json")

    def _examined(self, *, gently: bool = False) -> list[Check]:
        now = self.clock.now()
        checks = [*self._process(now), *self._keys(), self._state(gently=gently), *self._servers(now), *self._secrets()]
        checks += health.usage(self.sources.listing())
        checks += health.cloned(self.database.reader.read(lambda connection: SqlRisks(connection).all()))
        checks += health.posture(
            self.agents.agents(), self.access.ends(health.soon(now)), self.access.purposes(), now=now
        )
        order = [health.Status.FAIL, health.Status.WARN, health.Status.OK]
        checks.sort(key=lambda check: order.index(check.status))
        return checks

    def _process(self, now: Instant) -> list[Check]:
        newest = self.database.reader.read(
            lambda connection: connection.execute(
                select(checkpoints.c.note, checkpoints.c.signed).order_by(checkpoints.c.size.desc()).limit(1)
            ).one_or_none()
        )
        signed = None if newest is None else Instant(newest.signed)
        found = [
            health.clock(now=now, last_signed=signed),
            health.database(
                dialect=self.database.dialect,
                healthy=self.database.healthy,
                contact_age=max(0.0, time.monotonic() - self.database.last_contact),
                disk_free=shutil.disk_usage(self.settings.data).free if self.database.dialect == "sqlite" else None,
            ),
            health.log(
                size=None if newest is None else parse(newest.note).size,
                signed=signed,
                failure=getattr(self.log_failure(), "public", None),
                now=now,
            ),
        ]
        if self.database.node is not None:
            peers, since = self.database.peers, time.monotonic()
            others = {each.node.node: each.blind(since) for each in peers.others()}
            found.append(health.nodes(self.database.node, leads=peers.leads, others=others))
        if self.settings.dev:
            found.append(health.warn("dev", "the admin token may act as anyone", "start without --dev"))
        if (
            self.settings.tls_certificate is None
            and not self.settings.loopback
            and not (self.settings.public_url or "").startswith("https://")
        ):
            detail = f"listens on {self.settings.host} without TLS: tokens can be read on the way"
            found.append(health.warn("listener", detail, "put a TLS proxy before it, and start with --url https://..."))
        return found

    def _keys(self) -> list[Check]:
        opens = key_health.provider(self.settings, self.keys, lambda: self.database.reader.read(stored_roots))
        return [opens, key_health.memory(standing()), *key_health.environment(os.environ)]

    def _state(self, *, gently: bool) -> Check:
        found = self.database.reader.read(lambda connection: self.states.check(connection, gently=gently))
        return health.state(objects=found.objects, problem=found.problem)

    def _secrets(self) -> list[Check]:
        rotations, leases = self.database.reader.read(
            lambda connection: (
                SqlRotations(connection).listing(most=_LOOKED_AT),
                SqlLeases(connection).listing(every=False, most=_LOOKED_AT),
            )
        )
        known = self.vault.listing()
        needed = secret_health.needed(known, self.catalog.servers())
        return [*needed, *secret_health.not_gone(rotations, leases), *secret_health.left_behind(known, rotations)]

    def _servers(self, now: Instant) -> list[Check]:
        found = []
        for server in self.catalog.servers():
            failure = self.refresher.failures.get(server.server)
            tools = list(server.tools.values())
            found.append(
                health.server(
                    server.server,
                    failed_since=failure.since if failure else None,
                    error=failure.error if failure else "",
                    waiting=sum(tool.state is not PinState.APPROVED for tool in tools),
                    tools=len(tools),
                    now=now,
                    observed=server.observed,
                )
            )
        return found
