"""What everything in one server stands on."""

from __future__ import annotations

from dataclasses import dataclass

from remit.access.activation_seal import ActivationSeal
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.catalog.model import Server
from remit.certification.usage.coverage import CoverageClock
from remit.connectors.systems import Directory
from remit.kernel.clock import Clock
from remit.keys.service import KeyRing
from remit.policy.facts import Facts
from remit.policy.ports import Engine
from remit.policy.service import PolicyService
from remit.requests.binding import Binder
from remit.server.operator_tokens import Doorkeeper
from remit.server.peps import Gatekeeper
from remit.server.settings import Settings
from remit.storage.database import Database
from remit.tokens.revoked import Revoked
from remit.vault.service import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What everything stands on: settings, time, the database, the keys, the recorder and the facts."""

    settings: Settings
    base: str
    clock: Clock
    database: Database
    keys: KeyRing
    states: States
    seal: ActivationSeal
    records: Recorder
    vault: Vault
    keeper: Doorkeeper
    gatekeeper: Gatekeeper
    revoked: Revoked
    facts: Facts
    engine: Engine
    policy: PolicyService
    coverage: CoverageClock
    systems: Directory
    binder: Binder

    def servers(self) -> list[Server]:
        """Every registered server, from the newest view."""
        return [record.server for record in self.facts.view().servers.values()]
