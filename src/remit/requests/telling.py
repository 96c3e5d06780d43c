"""What is told outside, kept as a delivery within the change that it is about. No argument is ever told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, rfc3339
from remit.kernel.names import OwnerName
from remit.people.sql import SqlOwners
from remit.requests.binding import PATH
from remit.requests.deliveries import CALLBACK, MAIL, WEBHOOK, SqlDeliveries
from remit.requests.model import AccessRequest
from remit.storage.ports import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Implements remit.requests.ports.Teller, and the pager of emergencies.

    Args:
        base: This deployment's URL.
        clock: When something becomes due.
        webhooks: URLs that an operator wrote: each is told of everything.
        mail: Whether there is a relay: then who is asked gets a mail.
    """

    base: str
    clock: Clock
    webhooks: tuple[str, ...] = ()
    mail: bool = False

    def asked(self, tx: Transaction, request: AccessRequest, people: tuple[str, ...]) -> None:
        """These people are asked."""
        self._post(tx, "approval_asked", {**_said(request), "people": list(people)})
        if self.mail:
            owners = SqlOwners(tx.connection)
            found = (owners.find(OwnerName(name)) for name in people)
            for address in dict.fromkeys(owner.email for owner in found if owner is not None and owner.email):
                self._add(tx, MAIL, address, _letter(request, self.base))

    def ended(self, tx: Transaction, request: AccessRequest) -> None:
        """It is not pending any more."""
        self._post(tx, f"approval_{request.state}", _said(request))
        if request.callback:
            # Only that it ended: what came of it is read with the asker's own token.
            task = {
                "id": request.request, "status": request.state.value,
                "status_endpoint": f"{self.base}{PATH}/{request.request}",
            }  # fmt: skip
            state = {"state": request.callback_state} if request.callback_state else {}
            self._add(tx, CALLBACK, request.callback, {"event": "task_completed", "task": task, **state})

    def page(self, tx: Transaction, what: str, said: Mapping[str, Any]) -> None:
        """An emergency was opened, or nobody looked at one in time."""
        self._post(tx, what, said)

    def _post(self, tx: Transaction, event: str, said: Mapping[str, Any]) -> None:
        at = rfc3339(self.clock.now())
        for url in self.webhooks:
            self._add(tx, WEBHOOK, url, {"event": event, "at": at, **said})

    def _add(self, tx: Transaction, way: str, target: str, body: dict[str, Any]) -> None:
        SqlDeliveries(tx.connection).add(way, target, body, due=self.clock.now())


def _said(request: AccessRequest) -> dict[str, Any]:
    return {
        "request": request.request, "state": request.state.value, "agent": request.agent, "purpose": request.purpose,
        "action": request.action, "code": request.code, "asker": request.asker,
        "open_until": rfc3339(request.open_until),
    }  # fmt: skip


def _letter(request: AccessRequest, base: str) -> dict[str, Any]:
    lines = [
        f"{request.agent} asks to use {request.action} once, for {request.purpose}.",
        f"Asked by {request.asker}; it waits until {rfc3339(request.open_until)}.",
        "",
        f"Look at it:   remit approval show {request.request}",
        f"Say yes:      remit approval approve {request.request}",
        f"Say no:       remit approval deny {request.request}",
        "",
        f"Remit at {base}. What the agent would send is shown to you there, and not in mails.",
    ]
    return {"subject": f"Approval: {request.agent} asks for {request.action}", "text": "\n".join(lines)}
