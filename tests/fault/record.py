"""What a server's database and its upstream servers' ledgers hold, read behind its back."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, select

from remit.access.sql import SqlBoundaries
from remit.kernel.canonical import encode, parse
from remit.kernel.names import BoundaryName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.storage import bundle
from remit.storage.schema import bundles, counters, freezes


def text_of(arguments: Mapping[str, Any]) -> str:
    """A call's arguments in one spelling."""
    return json.dumps(arguments, sort_keys=True)


def ledger(path: Path) -> list[dict[str, Any]]:
    """The arguments of each tool that ran, whole lines only."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    found: list[dict[str, Any]] = [json.loads(line)["arguments"] for line in lines if line.endswith("\n")]
    return found


@dataclass
class Record:
    """The log of one database as it grows. `refresh` reads what is new."""

    engine: Engine
    keyfile: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)  # header by id
    outcomes: dict[str, list[str]] = field(default_factory=dict)  # by decision
    _mac: bytes = b""
    _read: int = 0

    def refresh(self) -> None:
        """Read the bundles that were added."""
        query = select(bundles.c.bundle, bundles.c.headers).where(bundles.c.bundle > self._read)
        with self.engine.connect() as connection:
            if not self._mac:
                ring = KeyRing.open(connection, KeyfileProvider.load(self.keyfile))
                self._mac = ring.derive("audit/arguments")
            rows = connection.execute(query.order_by(bundles.c.bundle)).all()
        for number, headers in rows:
            self._read = number
            for raw in bundle.unpack(bundle.decompress(headers)):
                entry = json.loads(raw)
                assert entry["id"] not in self.entries, f"{entry['id']} stands in the log twice"
                self.entries[entry["id"]] = entry
                if entry["kind"] == "outcome":
                    self.outcomes.setdefault(entry["decision"], []).append(entry["outcome"])

    def mac(self, arguments: Mapping[str, Any]) -> str:
        """What a decision's entry says of these arguments."""
        return hmac.digest(self._mac, encode(parse(json.dumps(arguments))), "sha256").hex()

    def forwarded(self) -> dict[str, dict[str, Any]]:
        """The decisions that let a call leave, by id."""
        return {one: entry for one, entry in self.entries.items() if entry.get("forwarded") is True}

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The entries of one kind, in the order they were written."""
        return [entry for entry in self.entries.values() if entry["kind"] == kind]

    def spent(self, prefix: str) -> list[int]:
        """The counters whose key starts with `prefix`, one for each calendar unit."""
        query = select(counters.c.used).where(counters.c.key.startswith(prefix))
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def frozen(self) -> dict[str, bool]:
        """Each freeze that was ever made, and whether it is in force."""
        with self.engine.connect() as connection:
            return {row.id: row.ended is None for row in connection.execute(select(freezes))}

    def budget(self, boundary: str) -> Decimal:
        """The budget of the first rule of the boundary's version in force."""
        with self.engine.connect() as connection:
            active = SqlBoundaries(connection).history(BoundaryName(boundary)).active
        assert active is not None
        budget = active.draft.allow[0].budget
        assert budget is not None
        return budget.max


def record(where: Path | str, keyfile: Path) -> Record:
    """The record in a SQLite file or at a PostgreSQL URL."""
    url = f"sqlite:///file:{where}?mode=ro&uri=true" if isinstance(where, Path) else where
    return Record(create_engine(url), keyfile)
