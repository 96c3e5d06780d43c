"""`/v1/freezes`: stops. Starting everything again takes two people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.freezes.model import Freeze, FreezeKind
from remit.freezes.service import FreezeService
from remit.freezes.spec import kind as kind_of
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor
from remit.server.first_words import UNFREEZE_ALL, FirstWords, require_word
from remit.server.operators import ADMIN, Authority
from remit.server.stops import Stops
from remit.server.two_people import Word, seconded
from remit.storage.ports import Reader, Transaction, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezes:
    """Freezes over HTTP."""

    freezes: FreezeService
    stops: Stops
    accountable: Accountable
    authority: Authority
    writer: Writer
    reader: Reader
    records: Records
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(method="GET", path="/v1/freezes", summary="List freezes in force", action="read", handle=self.list),
            Door(
                method="GET",
                path="/v1/freezes/{id}",
                summary="A freeze in force: who has confirmed it, and which calls it cut",
                action="read",
                handle=self.show,
            ),
            Door(
                method="POST",
                path="/v1/freezes",
                summary="Freeze an agent, instance, owner, server, tool, credential or everything",
                action=lambda ask: "freezeAll" if kind_of(ask.body["kind"]) is FreezeKind.ALL else "freeze",
                handle=self.freeze,
                body="json",
                fields={"kind": "string", "name": "string", "reason": "string?"},
                owners=lambda ask: self._owners(kind_of(ask.body["kind"]), ask.body["name"]),
                status=201,
                stops=True,
            ),
            Door(
                method="DELETE",
                path="/v1/freezes/{kind}/{name:path}",
                summary="End a freeze; ending that of everything takes two people",
                action=lambda ask: "unfreezeAll" if kind_of(ask.path["kind"]) is FreezeKind.ALL else "unfreeze",
                handle=self.unfreeze,
                owners=lambda ask: self._owners(kind_of(ask.path["kind"]), ask.path["name"]),
                stops=True,
            ),
        ]

    def list(self, _ask: Ask) -> dict[str, Any]:
        """What is frozen."""
        return {"freezes": [self.stops.brief(each) for each in self.freezes.listing()]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One freeze in force."""
        called = ask.path["id"]
        for each in self.freezes.listing():
            if each.id == called:
                return {**self.stops.told(each), "first_word": self._said(each)}
        raise NotFound("no such freeze is in force", try_="remit freeze")

    def _said(self, freeze: Freeze) -> dict[str, str] | None:
        """Who was the first of two to say that this freeze of everything may end, and when; None if nobody was."""
        if freeze.kind is not FreezeKind.ALL:
            return None
        word = self.reader.read(lambda connection: FirstWords(connection).find(UNFREEZE_ALL))
        # Nobody is a second person to "": so this asks whether the word stands.
        if word is None or not seconded(word, person="", about=freeze.id, now=self.clock.now()):
            return None
        return {"person": word.person, "at": rfc3339(word.at)}

    def freeze(self, ask: Ask) -> dict[str, Any]:
        """Freeze. When this answers, this node refuses what the freeze covers, and every call it covers was cut."""
        kind, name = kind_of(ask.body["kind"]), ask.body["name"]
        # Who may end what others set takes over what an owner set: else their stop would be the owner's to lift.
        owners = self._owners(kind, name) if self.authority.allows(ask.operator, "unfreezeOthers") else ()
        found = self.freezes.freeze(kind, name, ask.body.get("reason") or "", by=actor(ask), over=owners)
        self.stops.carry_out(found, by=actor(ask))
        return self.stops.told(found)

    def unfreeze(self, ask: Ask) -> dict[str, Any]:
        """End a freeze, or say the first of two words."""
        kind, name = kind_of(ask.path["kind"]), ask.path["name"]
        if kind is FreezeKind.ALL and (first := self._first_word(ask)) is not None:
            return {"kind": kind.value, "name": name, "waits": True, "first": first}
        owners = self._owners(kind, name)

        def may_end(freeze: Freeze) -> None:
            # An owner may take back their own stop, and not the one that security or an operator set.
            if kind is not FreezeKind.ALL and freeze.by not in set(owners) - {ADMIN}:
                self.authority.require(ask.operator, "unfreezeOthers", owners=owners)

        if self.freezes.unfreeze(kind, name, by=actor(ask), may_end=may_end) is None:
            raise NotFound(f"{kind.value} {name} is not frozen"[:200], try_="remit freeze")
        return {"kind": kind.value, "name": name, "waits": False}

    def _first_word(self, ask: Ask) -> str | None:
        """Note the first person's word and return their name; None if this is the second person."""
        in_force = [each for each in self.freezes.listing() if each.kind is FreezeKind.ALL]
        if not in_force:
            raise NotFound("everything is not frozen")
        freeze, person = in_force[0], ask.operator.person

        def apply(tx: Transaction) -> str | None:
            now, words = self.clock.now(), FirstWords(tx.connection)
            require_word(ask.operator, now=now, began=freeze.since)
            if seconded(words.find(UNFREEZE_ALL), person=person, about=freeze.id, now=now):
                words.forget(UNFREEZE_ALL)
                return None
            # The same person asking again moves nothing but the time.
            words.put(UNFREEZE_ALL, Word(person=person, about=freeze.id, at=now))
            changed = Changed(what="freeze", name=freeze.id, change="unfreeze_asked", before=None, after=None)
            record(tx, self.records, changed, by=actor(ask))
            return person

        return self.writer.change(apply)

    def _owners(self, kind: FreezeKind, name: str) -> Collection[str]:
        """Who may stop this without a role that stops anything: an agent's people, and an owner's."""
        match kind:
            case FreezeKind.AGENT:
                return self.accountable.for_agent(name)
            case FreezeKind.OWNER:
                return self.accountable.for_owner(name)
            case _:
                return ()
