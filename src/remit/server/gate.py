"""What serves agents in one server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.catalog.service import CatalogService
from remit.enforcement.mcp import Gateway
from remit.enforcement.metrics import Metrics
from remit.enforcement.points import Points
from remit.freezes.arrivals import Arrivals
from remit.freezes.containment import Acknowledgements
from remit.policy.mandates import Mandates
from remit.server.asking_provider import AskingProvider
from remit.server.connecting import Connecting
from remit.server.consenting import Consenting
from remit.server.http_ready import Health
from remit.server.later import Later
from remit.server.leasing import Leasing
from remit.server.life import Life
from remit.server.policy_watch import PolicyWatch
from remit.server.reach import Reach
from remit.server.trusting import Trusting
from remit.tokens.check import TokenChecker

if TYPE_CHECKING:
    from remit.server.compose_governance import Governance


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What is put together before the server is ready: the gateway, and all that runs beside it."""

    life: Life
    health: Health
    metrics: Metrics
    reach: Reach
    catalog: CatalogService
    checker: TokenChecker
    gateway: Gateway
    mandates: Mandates
    points: Points
    confirmed: Acknowledgements
    arrivals: Arrivals
    governance: Later[Governance]
    trusting: Trusting
    consenting: Consenting
    connecting: Connecting
    watch: PolicyWatch
    leasing: Leasing
    provider: AskingProvider | None  # where people sign in
