"""`/v1/secrets`: sealed upstream credentials. A value goes in and never comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.people.change import Changed, record
from remit.people.ports import Records
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Transaction, Writer
from remit.vault.connections import Connections
from remit.vault.service import Vault

_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Secrets over HTTP."""

    vault: Vault
    connections: Connections
    writer: Writer
    records: Records
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET",
                path="/v1/secrets",
                summary="List secrets, never their values",
                action="listSecrets",
                handle=self.list,
            ),
            Door(
                method="PUT",
                path="/v1/secrets/{name}",
                summary="Set a secret; the body is its value",
                action="setSecret",
                handle=self.put,
                body="bytes",
            ),
        ]

    def list(self, _ask: Ask) -> dict[str, Any]:
        """The names, versions and times of change; and who lent an account of their own for which."""
        lent: dict[str, list[dict[str, Any]]] = {}
        for each in self.connections.listing():
            said = {"person": each.person, "state": each.state.value, "scope": each.scope}
            lent.setdefault(each.secret, []).append(said | {"connected": rfc3339(each.connected)})
        return {
            "secrets": [
                {
                    "secret": s.secret,
                    "version": s.active,
                    "changed": rfc3339(s.changed),
                    "people": lent.get(s.secret, []),
                }
                for s in self.vault.listing()
            ]
        }

    def put(self, ask: Ask) -> dict[str, Any]:
        """Set or replace. The entry names the secret and its version, and nothing of its value."""
        name, value = ask.path["name"], ask.body
        if not 0 < len(value) <= _MAX:
            raise Malformed(f"a secret has 1 to {_MAX} bytes")

        def apply(tx: Transaction) -> int:
            version = self.vault.put(tx, SecretName(name), Secret(value), now=self.clock.now())
            changed = Changed(
                what="secret", name=name, change="set", before=None, after=None, more={"version": version}
            )
            record(tx, self.records, changed, by=actor(ask))
            return version

        return {"secret": name, "version": self.writer.change(apply)}
