"""Access requests in the database. Some time after their end the log alone has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.approved import Standing
from remit.policy.model import Approvers
from remit.requests.answer import standing
from remit.requests.model import KEPT_FOR, NEVER, AccessRequest, RequestState
from remit.storage.request_schema import access_requests, approval_uses

_PLAIN = (
    "principal", "purpose", "action", "code", "asked", "open_until", "on_behalf", "why", "decided", "decided_by",
    "note", "most", "callback", "callback_state", "idem_body",
)  # fmt: skip

_BY_NOBODY = (RequestState.CANCELLED.value, RequestState.FAILED.value)


class SqlRequests:
    """Access requests, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, request: str) -> AccessRequest | None:
        """One request, or None."""
        found = self._all(select(access_requests).where(access_requests.c.request == request))
        return found[0] if found else None

    def sealed(self, request: str) -> bytes:
        """The sealed arguments of one."""
        query = select(access_requests.c.sealed).where(access_requests.c.request == request)
        return bytes(self._connection.execute(query).scalar_one())

    def used_by(self, request: str) -> str:
        """The decision that used its approval; "" if none did."""
        query = select(approval_uses.c.decision).where(approval_uses.c.request == request)
        return self._connection.execute(query).scalar_one_or_none() or ""

    def uses(self, requests: Iterable[str]) -> dict[str, str]:
        """By request, the decision that used its approval."""
        query = select(approval_uses).where(approval_uses.c.request.in_(sorted(requests)))
        return {row.request: row.decision for row in self._connection.execute(query)}

    def asked_with(self, asker: str, idem: str) -> AccessRequest | None:
        """What the asker asked with this key of their own."""
        query = select(access_requests).where(access_requests.c.asker == asker, access_requests.c.idem == idem)
        found = self._all(query.order_by(access_requests.c.request.desc()).limit(1))
        return found[0] if found else None

    def pending(self, binding: str, asker: str) -> list[AccessRequest]:
        """The requests of an asker about this very call that people have not answered."""
        of = access_requests.c
        query = select(access_requests).where(
            of.binding == binding, of.asker == asker, of.state == RequestState.PENDING.value
        )
        return self._all(query.order_by(of.request))

    def waiting(self, agent: str, now: Instant) -> int:
        """How many of an agent's are pending, or ended within a day without anybody's word."""
        of = access_requests.c
        ended = and_(of.state.in_(_BY_NOBODY), of.gone > now + KEPT_FOR - DAY)
        query = select(func.count()).where(of.agent == agent, or_(of.state == RequestState.PENDING.value, ended))
        return int(self._connection.execute(query).scalar_one())

    def newest(self, *, state: str | None, agent: str | None, most: int) -> list[AccessRequest]:
        """The newest, newest first."""
        query = select(access_requests).order_by(access_requests.c.request.desc()).limit(most)
        if state is not None:
            query = query.where(access_requests.c.state == state)
        return self._all(query if agent is None else query.where(access_requests.c.agent == agent))

    def due(self, now: Instant, most: int) -> list[AccessRequest]:
        """Those to which something is to happen by now."""
        query = select(access_requests).where(access_requests.c.due <= now)
        return self._all(query.order_by(access_requests.c.due).limit(most))

    def over(self, now: Instant, most: int) -> list[AccessRequest]:
        """Those to be deleted by now."""
        query = select(access_requests).where(access_requests.c.gone <= now)
        return self._all(query.order_by(access_requests.c.gone).limit(most))

    def remove(self, request: str) -> None:
        """Delete one, with its arguments and its use."""
        self._connection.execute(delete(access_requests).where(access_requests.c.request == request))
        self._connection.execute(delete(approval_uses).where(approval_uses.c.request == request))

    def of(self, agent: str) -> list[AccessRequest]:
        """Every request of an agent that is kept, the oldest first."""
        mine = access_requests.c.agent == agent
        return self._all(select(access_requests).where(mine).order_by(access_requests.c.request))

    def erase(self, request: AccessRequest) -> None:
        """Replace one; its arguments are gone."""
        self.put(request)
        of_it = access_requests.c.request == request.request
        self._connection.execute(update(access_requests).where(of_it).values(sealed=b""))

    def standing(self) -> list[Standing]:
        """Those that still say something about a call."""
        found = self._all(select(access_requests).where(access_requests.c.due < NEVER))
        used = self.uses(each.request for each in found)
        return [standing(each, used.get(each.request, "")) for each in found]

    def add(self, request: AccessRequest, sealed: bytes) -> None:
        """Insert one, with its sealed arguments."""
        values = {**_columns(request), "request": request.request, "sealed": sealed}
        self._connection.execute(insert(access_requests).values(values))

    def put(self, request: AccessRequest) -> None:
        """Replace one."""
        of_it = access_requests.c.request == request.request
        self._connection.execute(update(access_requests).where(of_it).values(_columns(request)))

    def _all(self, query: Any) -> list[AccessRequest]:  # noqa: ANN401 - a query of the table
        return [_request(row) for row in self._connection.execute(query)]


def text(request: AccessRequest) -> str:
    """What is stored beside the columns."""
    said = {name: getattr(request, name) for name in _PLAIN}
    return canonical(
        {
            **said,
            "most": None if request.most == NEVER else request.most,
            "yes": list(request.yes),
            "by": list(request.approvers.by),
            "quorum": request.approvers.quorum,
        }
    ).decode("utf-8")


def _columns(request: AccessRequest) -> dict[str, Any]:
    return {
        "agent": request.agent, "state": request.state.value, "binding": request.binding, "asker": request.asker,
        "idem": request.idem, "approval": request.approval, "until": request.until, "due": request.due,
        "gone": request.gone, "body": text(request),
    }  # fmt: skip


def _request(row: Any) -> AccessRequest:  # noqa: ANN401 - a row of the table
    said = msgspec.json.decode(row.body)
    approvers = Approvers(by=tuple(said.pop("by")), quorum=said.pop("quorum"))
    parts = {
        **said, "yes": tuple(said["yes"]), "principal": AgentName(said["principal"]),
        "purpose": PurposeName(said["purpose"]), "action": ActionName(said["action"]),
        "most": NEVER if said["most"] is None else said["most"],
    }  # fmt: skip
    return AccessRequest(
        request=row.request, agent=AgentName(row.agent), binding=row.binding, asker=row.asker,
        approvers=approvers, state=RequestState(row.state), approval=row.approval, until=row.until, due=row.due,
        gone=row.gone, idem=row.idem, **parts,
    )  # fmt: skip
