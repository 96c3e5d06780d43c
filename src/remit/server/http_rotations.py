"""`/v1/rotations`: secrets that are being changed at their providers, or were: how far each is, never a value."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import rfc3339
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import SecretName
from remit.server.door import Ask, Door, actor
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.document import Cause
from remit.vault.leaving import end
from remit.vault.model import Version
from remit.vault.rotation import Rotation
from remit.vault.rotation_sql import SqlRotations, Stored
from remit.vault.rotations import Rotations
from remit.vault.service import Vault

_MOST = 500
_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationDoors:
    """Rotations over HTTP."""

    vault: Vault
    rotations: Rotations
    writer: Writer
    reader: Reader

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST", path="/v1/secrets/{name}/rotate", summary="Change a secret at its provider, now",
                action="rotateSecret", handle=self.rotate, owners=self._of_name, body="json", status=202,
            ),
            Door(
                method="POST", path="/v1/secrets/{name}/versions/{version}/end",
                summary="End a version that a rotation left behind: it is gone at its provider",
                action="rotateSecret", handle=self.end, owners=self._of_name, body="json",
            ),
            Door(
                method="GET", path="/v1/rotations", summary="The newest rotations (?secret=NAME, ?limit=N)",
                action="listSecrets", handle=self.list, owners=self._of_listed, query=("secret", "limit"),
            ),
            Door(
                method="GET", path="/v1/rotations/{id}", summary="One rotation: its step, and what was said last",
                action="listSecrets", handle=self.show, owners=self._of_shown,
            ),
        ]  # fmt: skip

    def rotate(self, ask: Ask) -> dict[str, Any]:
        """Begin one, or name the one that is under way. The steps are taken aside; `show` says how far they are."""
        name = ask.path["name"]
        if self.vault.find(name) is None:
            raise NotFound(f"there is no secret {name}"[:200], try_="remit secret list")

        def apply(tx: Transaction) -> Rotation | None:
            return self.rotations.ask(tx, SecretName(name), Cause.ASKED, actor(ask))

        begun = self.writer.change(apply)
        if begun is None:
            raise Conflict(
                f"nothing says how {name} is changed",
                try_=f"rotate: in secrets/{name}.yaml, or set a new value: remit secret set {name}",
            )
        return shown(Stored(begun, None))

    def end(self, ask: Ask) -> dict[str, Any]:
        """Its value is erased; of a rotation that its provider lets nobody end, nothing is tried any more."""
        name, number = ask.path["name"], ask.path["version"]
        if not (number.isascii() and number.isdigit() and len(number) < _DIGITS):
            raise Malformed("a version is a number from 1 on")

        def apply(tx: Transaction) -> Version:
            return end(self.rotations, tx, SecretName(name), int(number), by=actor(ask))

        ended = self.writer.change(apply)
        return {"secret": name, "version": ended.version, "state": ended.state.value}

    def list(self, ask: Ask) -> dict[str, Any]:
        """Newest first."""
        limit = ask.number("limit", default=50, most=_MOST)
        secret = ask.query.get("secret")
        found = self.reader.read(lambda connection: SqlRotations(connection).listing(secret, most=limit))
        return {"rotations": [shown(each) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One of them."""
        found = self.reader.read(lambda connection: SqlRotations(connection).stored(ask.path["id"]))
        if found is None:
            raise NotFound("there is no such rotation", try_="remit secret rotations")
        return shown(found)

    def _of_name(self, ask: Ask) -> Collection[str]:
        return self._owner(ask.path["name"])

    def _of_listed(self, ask: Ask) -> Collection[str]:
        return self._owner(ask.query.get("secret", ""))

    def _of_shown(self, ask: Ask) -> Collection[str]:
        found = self.reader.read(lambda connection: SqlRotations(connection).find(ask.path["id"]))
        return () if found is None else self._owner(found.secret)

    def _owner(self, name: str) -> Collection[str]:
        found = self.vault.find(name)
        return () if found is None or found.document is None else (found.document.owner,)


def shown(it: Stored) -> dict[str, Any]:
    """A rotation as the API tells of it."""
    rotation, ended = it
    return {
        "rotation": rotation.rotation,
        "secret": rotation.secret,
        "cause": rotation.cause.value,
        "by": rotation.by,
        "step": rotation.step.value,
        "new": rotation.new or None,
        "old": rotation.old or None,
        "started": rfc3339(rotation.started),
        "since": rfc3339(rotation.since),
        "ended": None if ended is None else rfc3339(ended),
        "attempts": rotation.attempts,
        "told": rotation.said,
        "incident": None if rotation.incident is None else rfc3339(rotation.incident),
    }
