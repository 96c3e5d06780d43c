"""What is to be told outside is told: webhooks and callbacks, signed, and mails. One node does it."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError
from remit.kernel.names import new_id
from remit.keys.model import SetKeys
from remit.keys.security_event import SecurityEvent, signed
from remit.logs import logger
from remit.outbound.model import Endpoint, OutboundFailed, Patience, endpoint
from remit.outbound.session import Outbound
from remit.people.ports import Records
from remit.requests.callback import check_callback
from remit.requests.deliveries import CALLBACK, MAIL, Delivery, SqlDeliveries
from remit.storage.ports import Reader, Transaction, Writer

_EVERY: Final = 1.0  # seconds
_SECONDS: Final = 10.0  # for one receiver
_AT_ONCE: Final = 20
_PATIENCE: Final = Patience(dial=5, silence=5)
_SIGNATURE: Final = "Remit-Event"
KIND: Final = "urn:remit:event:"
_log = logger("remit.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """A relay that an operator named, and the address that mails come from."""

    host: str
    port: int
    sender: str

    def send(self, delivery: Delivery) -> None:
        """Hand one mail to the relay. Blocks.

        Raises:
            OSError, smtplib.SMTPException: It was not taken.
        """
        message = EmailMessage()
        message["From"], message["To"] = self.sender, delivery.target
        message["Subject"], message["Message-ID"] = delivery.body["subject"], f"<{delivery.delivery}@remit>"
        message.set_content(delivery.body["text"])
        with smtplib.SMTP(self.host, self.port, timeout=_SECONDS) as relay:
            relay.send_message(message)


@dataclass(slots=True, kw_only=True)
class Notifying:
    """Sends deliveries. Its loop belongs to the event loop; the database and the relay are used from threads.

    Args:
        keys: What signs; while there is no key nothing is sent to URLs, and it is tried again.
        webhooks: What an operator wrote: the only private addresses that webhooks may reach.
        callbacks: Hosts and ports that an operator opened for agents' callbacks.
        own: Remit's own listeners.
        leads: Whether this node is the one that tells.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    keys: SetKeys
    issuer: str
    webhooks: tuple[str, ...]
    callbacks: frozenset[Endpoint]
    own: frozenset[Endpoint]
    mailing: Mailing | None
    leads: Callable[[], bool]
    _out: Outbound = field(init=False)
    _back: Outbound = field(init=False)

    def __post_init__(self) -> None:
        """Two ways out: what one may reach is not open to the other."""
        self._out = Outbound(allow=[endpoint(url) for url in self.webhooks], refuse=self.own)
        self._back = Outbound(allow=self.callbacks, refuse=self.own)

    async def run(self) -> None:
        """Send what is due, for ever; close the ways out at the end."""
        try:
            while True:
                try:
                    await self.round()
                except RemitError as error:
                    _log.warning("nothing could be told", error=error.public, detail=error.detail)
                except Exception:  # noqa: BLE001 - the next round tries again
                    _log.exception("nothing could be told")
                await asyncio.sleep(_EVERY)
        finally:
            await self._out.close()
            await self._back.close()

    async def round(self) -> int:
        """One round; how many were taken."""
        if not self.leads():
            return 0
        due = await asyncio.to_thread(self._due)
        if not due:
            return 0
        faults = await asyncio.gather(*(self._send(each) for each in due))
        await asyncio.to_thread(self.writer.change, lambda tx: self._settle(tx, list(zip(due, faults, strict=True))))
        return faults.count("")

    def _due(self) -> list[Delivery]:
        return self.reader.read(lambda connection: SqlDeliveries(connection).due(self.clock.now(), _AT_ONCE))

    async def _send(self, delivery: Delivery) -> str:
        """What went wrong; "" if it was taken."""
        try:
            async with asyncio.timeout(_SECONDS):
                if delivery.way != MAIL:
                    return await self._post(delivery)
                if self.mailing is None:
                    return "there is no relay any more"
                await asyncio.to_thread(self.mailing.send, delivery)
        except Exception as error:  # noqa: BLE001 - one that cannot be sent holds up no other
            return repr(error)[:300]
        return ""

    async def _post(self, delivery: Delivery) -> str:
        key, called = self.keys.active, delivery.way == CALLBACK
        if key is None:
            return "there is no key yet that signs it"
        if called:
            check_callback(delivery.target, self.callbacks)  # what an operator closed meanwhile is closed
        elif delivery.target not in self.webhooks:
            return "it is declared no more"
        body = canonical({**delivery.body, "delivery": delivery.delivery})
        event = SecurityEvent(
            issuer=self.issuer, audience=delivery.target, agent=str(delivery.body.get("agent", "")),
            transaction=delivery.delivery, kind=KIND + str(delivery.body["event"]).replace("_", "-"),
            happened=self.clock.now(), about={"body_sha256": sha256(body).hexdigest()},
        )  # fmt: skip
        token = signed(event, key=key, jti=new_id("set"), now=self.clock.now())
        headers = {
            "Content-Type": "application/json", "User-Agent": "remit", _SIGNATURE: token, "Accept-Encoding": "identity",
        }  # fmt: skip
        way = self._back if called else self._out
        response = await way.request("POST", delivery.target, headers=headers, data=body, patience=_PATIENCE)
        response.close()
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:  # a redirect is not followed
            raise OutboundFailed(f"it answered {response.status}", sent=True)
        return ""

    def _settle(self, tx: Transaction, tried: list[tuple[Delivery, str]]) -> None:
        rows, now = SqlDeliveries(tx.connection), self.clock.now()
        for delivery, fault in tried:
            if not fault:
                rows.done(delivery)
            elif not rows.again(delivery, now=now):
                said = {"what": "undelivered", "delivery": delivery.delivery, "way": delivery.way}
                tx.record(self.records.entry("incident", said))
            if fault:
                _log.warning("not delivered", delivery=delivery.delivery, way=delivery.way, detail=fault)
