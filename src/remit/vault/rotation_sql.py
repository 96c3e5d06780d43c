"""The table `rotations`: what was begun, how far it is, how it ended."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, Micros
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import SecretName
from remit.storage.credential_schema import rotations, secret_uses
from remit.vault.document import Cause
from remit.vault.rotation import ENDED, Rotation, Step


class Stored(NamedTuple):
    """A rotation, and when it ended; None while it goes on."""

    rotation: Rotation
    ended: Instant | None


class SqlRotations:
    """The rotations on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, rotation: str) -> Rotation | None:
        """One of them."""
        found = self.stored(rotation)
        return None if found is None else found.rotation

    def stored(self, rotation: str) -> Stored | None:
        """One of them, and when it ended."""
        found = self._connection.execute(select(rotations).where(rotations.c.rotation == rotation)).mappings().first()
        return None if found is None else _stored(found)

    def under_way(self, secret: str) -> Rotation | None:
        """The one of a secret that goes on."""
        found = self._connection.execute(select(rotations).where(rotations.c.open == secret)).mappings().first()
        return None if found is None else _stored(found).rotation

    def going(self) -> list[Rotation]:
        """Those that go on."""
        found = self._connection.execute(select(rotations).where(rotations.c.open.is_not(None))).mappings()
        return [_stored(row).rotation for row in found]

    def listing(self, secret: str | None = None, *, most: int) -> list[Stored]:
        """The newest, newest first; of one secret, or of all."""
        query = select(rotations).order_by(rotations.c.started.desc(), rotations.c.rotation.desc()).limit(most)
        if secret is not None:
            query = query.where(rotations.c.secret == secret)
        return [_stored(row) for row in self._connection.execute(query).mappings()]

    def add(self, it: Rotation) -> None:
        """Insert. At most one of a secret is open: the database says so as well."""
        self._connection.execute(insert(rotations).values(rotation=it.rotation, open=it.secret, **_values(it)))

    def write(self, it: Rotation, *, ended: Instant | None) -> None:
        """Replace its row."""
        row = rotations.c.rotation == it.rotation
        values = _values(it) | {"ended": ended, "open": it.secret if ended is None else None}
        self._connection.execute(update(rotations).where(row).values(**values))

    def users(self, secret: str, *, most: int) -> list[str]:
        """Agents that used a secret, as far as that is written down."""
        query = select(secret_uses.c.agent).where(secret_uses.c.secret == secret).distinct()
        return list(self._connection.execute(query.order_by(secret_uses.c.agent).limit(most)).scalars())


def body(it: Rotation) -> str:
    """A rotation in its one form; never a value."""
    said: dict[str, Any] = {
        "cause": it.cause.value, "by": it.by, "new": it.new, "old": it.old, "step": it.step.value, "since": it.since,
        "drained": it.drained, "proposed": it.proposed, "attempts": it.attempts, "said": it.said,
    }  # fmt: skip
    if it.asked:
        said["asked"] = list(it.asked)
    if it.rotator:
        said |= {"rotator": it.rotator, "settings": dict(it.settings)}
    return canonical(said if it.incident is None else said | {"incident": it.incident}).decode()


def _values(it: Rotation) -> dict[str, Any]:
    return {"secret": it.secret, "body": body(it), "started": it.started}


def _stored(row: RowMapping) -> Stored:
    said = msgspec.json.decode(row["body"])
    try:
        step = Step(said["step"])
    except ValueError as error:
        raise IntegrityFailed("a rotation is at no step that there is", detail=row["rotation"]) from error
    incident, ended = said.get("incident"), row["ended"]
    if (step in ENDED) is not (ended is not None):
        raise IntegrityFailed("a rotation is over and goes on", detail=row["rotation"])
    it = Rotation(
        rotation=row["rotation"], secret=SecretName(row["secret"]), cause=Cause(said["cause"]), by=said["by"],
        new=said["new"], old=said["old"], step=step, started=Instant(row["started"]), since=Instant(said["since"]),
        drained=Micros(said["drained"]), proposed=said["proposed"], attempts=said["attempts"], said=said["said"],
        incident=None if incident is None else Instant(incident),
        rotator=said.get("rotator", ""), settings=said.get("settings", {}),
        asked=tuple(map(Instant, said.get("asked", ()))),
    )  # fmt: skip
    return Stored(it, None if ended is None else Instant(ended))
