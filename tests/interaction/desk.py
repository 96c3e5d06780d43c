"""The doors of the registry, with people at them who hold tokens of one role each."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.apply_world import Rig

from remit.console.sessions import Sessions
from remit.freezes.containment import Containment
from remit.freezes.service import FreezeService
from remit.kernel.clock import DAY, HOUR, Instant
from remit.server.accountable import Accountable
from remit.server.door import Porch
from remit.server.http_apply import Applying
from remit.server.http_freezes import Freezes
from remit.server.http_operators import OperatorTokens
from remit.server.http_registry import Registry
from remit.server.http_words import Words
from remit.server.operator_tokens import Doorkeeper, issue, token_hash
from remit.server.operators import ADMIN, Authority, Role
from remit.server.stops import Stops
from remit.storage.ports import Transaction
from remit.storage.schema import operators


class NoSecrets:
    """A vault without anything in it."""

    def names(self, _connection: Any) -> list[str]:
        return []


class Desk:
    """The doors over a rig. Its people's tokens are a day old, unless a test says otherwise."""

    def __init__(self, rig: Rig, *, dev: bool = False) -> None:
        self.rig = rig
        writer, records, clock = rig.writer, rig.records, rig.clock
        self.keeper = Doorkeeper(clock=clock, dev=dev)
        writer.feed.subscribe(self.keeper.follow)
        accountable, authority = Accountable(writer), Authority.shipped()
        freezes = FreezeService(writer=writer, reader=writer, records=records, clock=clock, secrets=NoSecrets())
        stops = Stops(freezes, lambda _id: (), lambda _id: Containment(confirmed=(), expired=(), pending=()))
        doors = [
            *Registry(
                people=rig.people, agents=rig.agents, access=rig.access, accountable=accountable, authority=authority
            ).doors(),
            *Freezes(
                freezes=freezes, stops=stops, accountable=accountable, authority=authority, writer=writer,
                reader=writer, records=records, clock=clock,
            ).doors(),
            *OperatorTokens(
                writer=writer, records=records, keeper=self.keeper, clock=clock,
                sessions=Sessions(clock.now, self.keeper.stands),
            ).doors(),
            *Words(writer=writer, reader=writer, records=records, authority=authority, clock=clock).doors(),
            *Applying(
                applier=rig.applier, access=rig.access, accountable=accountable, authority=authority, clock=clock
            ).doors(),
        ]  # fmt: skip
        porch = Porch(keeper=self.keeper, authority=authority, body_limit=1 << 20, dev=dev)
        self.app = Starlette(routes=[porch.route(door) for door in doors])
        self.admin = "admin-token"
        row = {
            "token_hash": token_hash(self.admin),
            "person": ADMIN,
            "role": Role.ADMIN,
            "created": 0,
            "expires": 2**62,
        }

        def make_admin(tx: Transaction) -> None:
            tx.connection.execute(operators.insert().values(row))
            tx.touch("operators")

        writer.change(make_admin)

    def token(self, person: str, role: str, *, age: int = DAY) -> str:
        """A personal token that was made `age` microseconds ago."""
        now = self.rig.clock.now()
        made, expires = Instant(now - age), Instant(now + 2 * DAY)
        return self.rig.writer.change(lambda tx: issue(tx, person=person, role=role, expires=expires, now=made))

    def ask(
        self, token: str, method: str, path: str, body: object = None, *, act_as: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and body of one answer."""
        headers = {"authorization": f"Bearer {token}"} | ({"remit-act-as": act_as} if act_as else {})
        answer = TestClient(self.app, headers=headers).request(method, path, json=body)
        found: dict[str, Any] = answer.json()
        return answer.status_code, found

    def apply(self, token: str, documents: list[dict[str, Any]], *, act_as: str | None = None, **more: bool) -> Any:
        """Apply as whoever holds `token`."""
        return self.ask(token, "POST", "/v1/apply", {"documents": documents, **more}, act_as=act_as)

    def later(self, micros: int = HOUR) -> None:
        """Let time pass."""
        self.rig.clock.at += micros
