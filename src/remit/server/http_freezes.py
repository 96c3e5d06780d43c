"""`/v1/freezes`: stops. Starting everything again takes two people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from remit.freezes.model import FreezeKind
from remit.freezes.service import FreezeService
from remit.freezes.spec import kind as kind_of
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Clock
from remit.kernel.errors import NotFound
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server import shapes
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor
from remit.server.unfreeze_all import Intent, read, seconded
from remit.storage.ports import Transaction, Writer
from remit.storage.schema import meta

_INTENT = "unfreeze_all_first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezes:
    """Freezes over HTTP."""

    freezes: FreezeService
    accountable: Accountable
    writer: Writer
    records: Records
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(method="GET", path="/v1/freezes", summary="List freezes in force", action="read", handle=self.list),
            Door(
                method="POST",
                path="/v1/freezes",
                summary="Freeze an agent, instance, server or everything",
                action=lambda ask: "freezeAll" if kind_of(ask.body["kind"]) is FreezeKind.ALL else "freeze",
                handle=self.freeze,
                body="json",
                fields={"kind": "string", "name": "string", "reason": "string?"},
                owners=lambda ask: self._owners(kind_of(ask.body["kind"]), ask.body["name"]),
                status=201,
            ),
            Door(
                method="DELETE",
                path="/v1/freezes/{kind}/{name:path}",
                summary="End a freeze; ending that of everything takes two people",
                action=lambda ask: "unfreezeAll" if kind_of(ask.path["kind"]) is FreezeKind.ALL else "unfreeze",
                handle=self.unfreeze,
                owners=lambda ask: self._owners(kind_of(ask.path["kind"]), ask.path["name"]),
            ),
        ]

    def list(self, _ask: Ask) -> dict[str, Any]:
        """What is frozen."""
        return {"freezes": [shapes.freeze(each) for each in self.freezes.listing()]}

    def freeze(self, ask: Ask) -> dict[str, Any]:
        """Freeze. When this answers, this node refuses what the freeze covers."""
        kind, name = kind_of(ask.body["kind"]), ask.body["name"]
        found = self.freezes.freeze(kind, name, ask.body.get("reason") or "", by=actor(ask))
        return {**shapes.freeze(found), "contained": True}

    def unfreeze(self, ask: Ask) -> dict[str, Any]:
        """End a freeze, or say the first of two words."""
        kind, name = kind_of(ask.path["kind"]), ask.path["name"]
        if kind is FreezeKind.ALL and (first := self._first_word(ask)) is not None:
            return {"kind": kind.value, "name": name, "waits": True, "first": first}
        if self.freezes.unfreeze(kind, name, by=actor(ask)) is None:
            raise NotFound(f"{kind.value} {name} is not frozen"[:200], try_="remit freeze")
        return {"kind": kind.value, "name": name, "waits": False}

    def _first_word(self, ask: Ask) -> str | None:
        """Note the first person's word and return their name; None if this is the second person."""
        in_force = [each for each in self.freezes.listing() if each.kind is FreezeKind.ALL]
        if not in_force:
            raise NotFound("everything is not frozen")
        freeze, person = in_force[0], ask.operator.person

        def apply(tx: Transaction) -> str | None:
            now = self.clock.now()
            row = tx.connection.execute(select(meta.c.value).where(meta.c.key == _INTENT)).scalar_one_or_none()
            first = read(parse(row)) if row else None
            tx.connection.execute(delete(meta).where(meta.c.key == _INTENT))
            if seconded(first, person=person, freeze=freeze.id, now=now):
                return None
            # The same person asking again moves nothing but the time.
            intent = Intent(person=person, freeze=freeze.id, at=now)
            value = canonical(intent.body()).decode("utf-8")
            tx.connection.execute(insert(meta).values(key=_INTENT, value=value))
            changed = Changed(what="freeze", name=freeze.id, change="unfreeze_asked", before=None, after=None)
            record(tx, self.records, changed, by=actor(ask))
            return person

        return self.writer.change(apply)

    def _owners(self, kind: FreezeKind, name: str) -> Collection[str]:
        return self.accountable.for_agent(name) if kind is FreezeKind.AGENT else ()
