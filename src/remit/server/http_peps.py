"""`/v1/peps`: who may ask for decisions, and report what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, rfc3339
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server import peps
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Transaction, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementPoints:
    """Registers, lists and removes enforcement points."""

    writer: Writer
    records: Records
    keeper: peps.Gatekeeper
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/peps",
                summary="Register an enforcement point; its token is shown once",
                action="addPep",
                handle=self.add,
                body="json",
                fields={"pep": "string"},
                status=201,
            ),
            Door(
                method="GET",
                path="/v1/peps",
                summary="List enforcement points, without their tokens",
                action="listPeps",
                handle=self.list,
            ),
            Door(
                method="DELETE",
                path="/v1/peps/{pep}",
                summary="Remove an enforcement point; its token works no more",
                action="removePep",
                handle=self.remove,
            ),
        ]

    def add(self, ask: Ask) -> dict[str, Any]:
        """Register one."""
        name = ask.body["pep"]

        def apply(tx: Transaction) -> str:
            token = peps.add(tx, name, now=self.clock.now())
            changed = Changed(what="pep", name=name, change="create", before=None, after=None)
            record(tx, self.records, changed, by=actor(ask))
            return token

        return {"pep": name, "token": self.writer.change(apply)}

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every one of them."""
        return {"peps": [_body(known) for known in self.keeper.listing()]}

    def remove(self, ask: Ask) -> dict[str, Any]:
        """End one."""
        name = ask.path["pep"]

        def apply(tx: Transaction) -> None:
            peps.remove(tx, name)
            changed = Changed(what="pep", name=name, change="delete", before=None, after=None)
            record(tx, self.records, changed, by=actor(ask))

        self.writer.change(apply)
        return {"pep": name, "removed": True}


def _body(known: peps.Known) -> dict[str, Any]:
    return {"pep": known.point.name, "instance": known.point.instance, "created": rfc3339(known.created)}
