"""`/v1/leases`: credentials that were made for one instance each: who has what, until when, how it ends; no value."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import rfc3339
from remit.kernel.errors import Conflict, NotFound
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.lease import Lease, LeaseState, Why
from remit.vault.lease_sql import SqlLeases
from remit.vault.leases import Leases
from remit.vault.service import Vault

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseDoors:
    """Leases over HTTP."""

    vault: Vault
    leases: Leases
    writer: Writer
    reader: Reader

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/leases", summary="What is lent to one instance each (?secret, ?all, ?limit)",
                action="listSecrets", handle=self.list, query=("secret", "all", "limit"),
            ),
            Door(
                method="GET", path="/v1/leases/{id}", summary="One lease: its state, and what its provider said last",
                action="listSecrets", handle=self.show,
            ),
            Door(
                method="POST", path="/v1/leases/{id}/end", summary="Take a lent credential away, now",
                action="rotateSecret", handle=self.end, owners=self._owners, body="json", status=202,
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """The newest first; with `all=true` those that are over too."""
        limit, every = ask.number("limit", default=100, most=_MOST), ask.query.get("all") == "true"
        secret = ask.query.get("secret")
        found = self.reader.read(lambda connection: SqlLeases(connection).listing(secret, every=every, most=limit))
        return {"leases": [shown(each) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One of them."""
        return shown(self._found(ask))

    def end(self, ask: Ask) -> dict[str, Any]:
        """No call gets it from here on; it is revoked at its provider aside, and `show` says how far that is."""
        before = self._found(ask)

        def apply(tx: Transaction) -> Lease | None:
            return self.leases.end(tx, before.lease, Why.ASKED, by=actor(ask))

        ended = self.writer.change(apply)
        if ended is None:
            raise Conflict(f"{before.lease} is {before.state.value} already", try_="remit secret leases --all")
        return shown(ended)

    def _found(self, ask: Ask) -> Lease:
        found = self.reader.read(lambda connection: SqlLeases(connection).find(ask.path["id"]))
        if found is None:
            raise NotFound("there is no such lease", try_="remit secret leases --all")
        return found

    def _owners(self, ask: Ask) -> Collection[str]:
        found = self.reader.read(lambda connection: SqlLeases(connection).find(ask.path["id"]))
        known = None if found is None else self.vault.find(found.secret)
        return () if known is None or known.document is None else (known.document.owner,)


def shown(it: Lease) -> dict[str, Any]:
    """A lease as the API tells of it."""
    return {
        "lease": it.lease,
        "secret": it.secret,
        "agent": it.agent,
        "instance": it.instance,
        "purpose": it.purpose,
        "action": it.action,
        "maker": it.maker,
        "user": it.handle.get("user"),
        "state": it.state.value,
        "made": rfc3339(it.made),
        "since": rfc3339(it.since),
        "until": rfc3339(it.ends),
        "ended": rfc3339(it.since) if it.state is LeaseState.ENDED else None,
        "why": it.why or None,
        "attempts": it.attempts,
        "told": it.said or it.detail,
        "incident": None if it.incident is None else rfc3339(it.incident),
    }
