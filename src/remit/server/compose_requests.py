"""The part of the composition root for access requests: plain lines, as in `compose`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.access.activation import ActivationKey
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action
from remit.outbound.model import Endpoint
from remit.people.change import Actor
from remit.people.consent_sql import SqlConsents
from remit.requests.service import RequestService
from remit.requests.telling import Telling
from remit.server.access_requests import AccessRequests
from remit.server.ground import Ground
from remit.server.me import Me
from remit.server.notifying import Mailing, Notifying

if TYPE_CHECKING:
    from remit.certification.hands import Hands


@dataclass(frozen=True, slots=True)
class _Starter:
    """Implements remit.requests.ports.Starter over the hands that start entitlements."""

    hands: Hands

    def start(self, agent: str, purpose: str, action: str, *, by: Actor) -> None:
        server, _, _ = split_action(action)
        key = ActivationKey(AgentName(agent), PurposeName(purpose), ActionName(action), server)
        self.hands.start(key, by=by)


def telling(ground: Ground) -> Telling:
    """What is put into the table of deliveries."""
    settings = ground.settings
    return Telling(
        base=ground.base, clock=ground.clock, webhooks=settings.webhooks, mail=settings.mail_relay is not None
    )


def request_service(ground: Ground, hands: Callable[[], Hands]) -> RequestService:
    """Access requests over what is put together; `hands` are loaded when a person approves."""
    reader = ground.database.reader

    def behind(consent: str) -> str:
        found = reader.read(lambda connection: SqlConsents(connection).find(consent))
        return "" if found is None else found.person

    return RequestService(
        writer=ground.database.writer, reader=reader, records=ground.records, clock=ground.clock,
        decider=ground.policy, binder=ground.binder, data_keys=ground.keys, starter=lambda: _Starter(hands()),
        teller=telling(ground), behind=behind,
    )  # fmt: skip


def access_requests(ground: Ground, requests: RequestService, me: Me) -> AccessRequests:
    """Where agents and enforcement points ask."""
    return AccessRequests(
        me=me, keeper=ground.gatekeeper, requests=requests, policy=ground.policy, facts=ground.facts,
        allowed=_opened(ground), body_limit=ground.settings.body_limit,
    )  # fmt: skip


def notifying(ground: Ground, *, own: frozenset[Endpoint]) -> Notifying:
    """What sends."""
    settings, database = ground.settings, ground.database
    relay = settings.mail_relay
    return Notifying(
        writer=database.writer, reader=database.reader, records=ground.records, clock=ground.clock,
        keys=ground.keys.set_keys, issuer=ground.base, webhooks=settings.webhooks, callbacks=_opened(ground), own=own,
        mailing=None if relay is None else Mailing(host=relay[0], port=relay[1], sender=settings.mail_from),
        leads=lambda: database.peers.leads,
    )  # fmt: skip


def _opened(ground: Ground) -> frozenset[Endpoint]:
    return frozenset(Endpoint(host, port) for host, port in ground.settings.callback_hosts)
