"""`/v1/secrets`: sealed upstream credentials. A value goes in and never comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection as Database

from remit.audit.log import Log
from remit.catalog.model import Server
from remit.connectors.system import System
from remit.kernel.canonical import parse
from remit.kernel.clock import Clock
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server import secret_shapes
from remit.server.door import Ask, Door, actor
from remit.server.secret_shapes import Standing
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.connection import Connection
from remit.vault.connections import Connections
from remit.vault.forgetting import forget
from remit.vault.model import RESERVED
from remit.vault.service import Known, Vault
from remit.vault.settings import admin
from remit.vault.sql import SqlSecrets
from remit.vault.standing_sql import SqlStanding

_MAX: Final = 64 * 1024
_MOST_ATTRIBUTES: Final = 20
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_ENTRIES, _MOST_ENTRIES = 100, 1000
_TOLD: Final = ("version", "versions", "rotation")  # of an entry, what of it is about the secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Secrets over HTTP. `servers` and `systems`: what is registered, whose calls may carry one."""

    vault: Vault
    connections: Connections
    servers: Callable[[], Sequence[Server]]
    systems: Callable[[], Sequence[System]]
    log: Log
    writer: Writer
    reader: Reader
    records: Records
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        one = "/v1/secrets/{name}"
        return [
            Door(
                method="GET", path="/v1/secrets", summary="List secrets, never their values", action="listSecrets",
                handle=self.list,
            ),
            Door(
                method="GET", path=one, summary="A secret with its versions, its document and who uses it",
                action="listSecrets", handle=self.show, owners=self._owners,
            ),
            Door(
                method="GET", path=f"{one}/history", summary="What was done to a secret, newest first",
                action="listSecrets", handle=self.history, owners=self._owners, query=("limit",),
            ),
            Door(
                method="PUT", path=one, summary="Set a secret; the body is its value", action="setSecret",
                handle=self.put, body="bytes", query=("attributes",),
            ),
            Door(
                method="DELETE", path=one, summary="Erase every version of a secret, with the keys that sealed them",
                action="removeSecret", handle=self.remove, query=("force",),
            ),
        ]  # fmt: skip

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every secret that has a value or a document, and who lent an account of their own for which."""
        beside = self._beside(None)
        every = [each for each in self.vault.listing() if each.held or each.document is not None]
        return {"secrets": [secret_shapes.brief(each, beside) for each in every]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One secret."""
        it = self._known(ask.path["name"])
        versions = self.reader.read(lambda connection: SqlSecrets(connection).versions(it.secret))
        return secret_shapes.whole(it, versions, self._beside(it.secret))

    def history(self, ask: Ask) -> dict[str, Any]:
        """Its entries, as far back as they are looked for."""
        name = self._known(ask.path["name"]).secret
        limit = ask.number("limit", default=_ENTRIES, most=_MOST_ENTRIES)
        found = self.log.recent(limit, kind="change", what="secret", name=name)
        return {"secret": name, "entries": [_entry(each.header) for each in found]}

    def put(self, ask: Ask) -> dict[str, Any]:
        """Set or replace. The entry names the secret and its version, and nothing of its value."""
        name, value, attributes = ask.path["name"], ask.body, _attributes(ask.query.get("attributes"))
        if not 0 < len(value) <= _MAX:
            raise Malformed(f"a secret has 1 to {_MAX} bytes")
        known = self.vault.find(name)
        if known is not None and known.document is not None and known.document.dynamic is not None:
            raise Conflict(f"{name} is made for each instance: it has no value of its own to set")

        def apply(tx: Transaction) -> int:
            now = self.clock.now()
            version = self.vault.put(tx, SecretName(name), Secret(value), now=now, attributes=attributes)
            SqlSecrets(tx.connection).first_set(name, actor(ask).person)
            changed = Changed(
                what="secret", name=name, change="set", before=None, after=None, more={"version": version}
            )
            record(tx, self.records, changed, by=actor(ask))
            return version

        return {"secret": name, "version": self.writer.change(apply)}

    def remove(self, ask: Ask) -> dict[str, Any]:
        """Erase it. Its document stays, and says what a value that is set later may be used for."""
        it, force = self._known(ask.path["name"]), ask.query.get("force")
        if force not in {None, "true", "false"}:
            raise Malformed("force is true or false")
        if force != "true" and (users := self._users(it.secret)):
            raise Conflict(
                f"{it.secret} is used by {', '.join(users)[:200]}",
                try_="take it out of their documents first; with --force their calls are refused from now on",
            )

        def apply(tx: Transaction) -> Sequence[int]:
            erased = forget(self.vault.versions, tx, it.secret, now=self.clock.now())
            if erased:
                changed = Changed(
                    what="secret", name=it.secret, change="remove", before=None, after=None, more={"versions": erased}
                )
                record(tx, self.records, changed, by=actor(ask))
            return erased

        return {"secret": it.secret, "erased": self.writer.change(apply)}

    def _users(self, name: str) -> Sequence[str]:
        """What could not do its work any more without it."""
        servers = [f"the server {each.server}" for each in secret_shapes.using(name, self.servers())]
        systems = [f"the system {each.system}" for each in self.systems() if each.secret == name]
        documents = [each.document for each in self.vault.listing() if each.document is not None]
        ways = [(each.secret, way) for each in documents for way in (each.rotate, each.dynamic) if way is not None]
        others = [f"the secret {secret}, to sign in for it" for secret, way in ways if admin(way.settings) == name]
        return [*servers, *systems, *others]

    def _known(self, name: str) -> Known:
        found = self.vault.find(name)
        if found is None:
            raise NotFound(f"there is no secret {name}"[:200], try_="remit secret list")
        return found

    def _owners(self, ask: Ask) -> frozenset[str]:
        known = self.vault.find(ask.path["name"])
        return frozenset() if known is None or known.document is None else frozenset({known.document.owner})

    def _beside(self, name: str | None) -> Standing:
        people: dict[str, list[Connection]] = {}
        for each in self.connections.listing():
            people.setdefault(each.secret, []).append(each)

        def read(database: Database) -> Standing:
            rows = SqlStanding(database, name)
            return Standing(
                setters=rows.setters(), used=rows.last_used(), under_way=rows.under_way(), people=people,
                servers=self.servers(),
            )  # fmt: skip

        return self.reader.read(read)


def _attributes(text: str | None) -> dict[str, str]:
    """`attributes` of the query: a JSON object of texts, which are no secrets."""
    if text is None:
        return {}
    said = parse(text)
    if not isinstance(said, dict) or len(said) > _MOST_ATTRIBUTES:
        raise Malformed(f"attributes: a JSON object of at most {_MOST_ATTRIBUTES} texts")
    if RESERVED in said:  # it marks what stands in for a value: the old one would be taken for one that never was
        raise Malformed(f"no attribute is called {RESERVED}: that is Remit's own")
    for name, value in said.items():
        if not (_ATTRIBUTE.match(name) and isinstance(value, str)):
            raise Malformed("an attribute is a name such as user or access_key_id, and a text", detail=name[:80])
    return said


def _entry(header: dict[str, Any]) -> dict[str, Any]:
    said = {"time": header["time"], "entry": header["id"], "change": header["change"], "by": header["by"]}
    more = {key: header[key] for key in _TOLD if key in header}
    return said | ({"as": header["as"]} if "as" in header else {}) | more
