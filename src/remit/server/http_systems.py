"""`/v1/systems`: other systems that hold rights of agents, and are told when those end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.connectors import systems
from remit.connectors.system import System, declared
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Transaction, Writer

_FIELDS = {"system": "string", "url": "string", "servers": "array", "secret": "string?", "lapses": "boolean?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDoors:
    """Declares, lists and removes them."""

    writer: Writer
    records: Records
    directory: systems.Directory

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST", path="/v1/systems", summary="Declare a system that is told of withdrawals",
                action="manageSystems", handle=self.add, body="json", fields=_FIELDS, status=201,
            ),
            Door(
                method="GET", path="/v1/systems", summary="List the systems that are told of withdrawals",
                action="read", handle=self.list,
            ),
            Door(
                method="DELETE", path="/v1/systems/{system}", summary="Tell a system of nothing any more",
                action="manageSystems", handle=self.remove,
            ),
        ]  # fmt: skip

    def add(self, ask: Ask) -> dict[str, Any]:
        """Declare one."""
        said = ask.body
        system = declared(
            said["system"], url=said["url"], servers=said["servers"], secret=said.get("secret"),
            lapses=said.get("lapses") or False,
        )  # fmt: skip

        def apply(tx: Transaction) -> None:
            systems.add(tx, system)
            # Where rights are withdrawn, and with which secret, is said in clear.
            more = {"url": system.url, "secret": system.secret}
            changed = Changed(
                what="system", name=system.system, change="create", before=None, after=system.body, more=more
            )
            record(tx, self.records, changed, by=actor(ask))

        self.writer.change(apply)
        return _shape(system)

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every one of them."""
        return {"systems": [_shape(each) for each in self.directory.listing()]}

    def remove(self, ask: Ask) -> dict[str, Any]:
        """Take one out."""
        name = ask.path["system"]

        def apply(tx: Transaction) -> None:
            before = systems.remove(tx, name)
            changed = Changed(what="system", name=name, change="delete", before=before, after=None)
            record(tx, self.records, changed, by=actor(ask))

        self.writer.change(apply)
        return {"system": name, "removed": True}


def _shape(each: System) -> dict[str, Any]:
    return {
        "system": each.system,
        "url": each.url,
        "servers": list(each.servers),
        "secret": each.secret,
        "lapses": each.lapses,
    }
