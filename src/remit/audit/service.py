"""The recorder: makes entries, with ids, times, epochs and sealed payloads. It writes nothing itself."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.audit.entry import KINDS, SALT, entry
from remit.audit.ports import Keys
from remit.audit.stored import place
from remit.kernel.clock import Clock
from remit.kernel.names import new_id
from remit.keys.drawn import drawn
from remit.keys.seal import seal
from remit.storage.model import Entry

# What belongs to the server process that recorded it, where several share a database: who settles its open calls?
_OF_A_NODE: Final = frozenset({"decision", "heartbeat", "start", "stop"})


class Recorder:
    """Makes entries for the writer. Any thread."""

    def __init__(
        self, keys: Keys, clock: Clock, epoch: Callable[[], int], node: Callable[[], str | None] = lambda: None
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._epoch = epoch
        self._node = node
        self._mac = hmac.new(keys.derive("audit/arguments"), digestmod="sha256")  # copied: its key is set up once

    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the header's own word
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        """One entry of `kind`, as of now.

        Args:
            kind: One of `remit.audit.entry.KINDS`.
            fields: What happened, for the public header: JSON values, no secrets, no arguments.
            id: The id, if it has one already (a decision's); else a new one.
            about: Owner of the data key (`agent:NAME`, `operators`) that seals the payload.
            payload: What only holders of that key may read.

        Raises:
            NotFound: There is no such data key, so nothing may be recorded in the clear instead.
            ValueError, Malformed: As `remit.audit.entry.entry`.
        """
        if kind in _OF_A_NODE and (node := self._node()) is not None:
            fields = {**fields, "node": node}
        entry_id = id or new_id(KINDS.get(kind, "ent"))
        now, epoch = self._clock.now(), self._epoch()
        if payload is None:
            return entry(kind, fields, id=entry_id, now=now, epoch=epoch)
        if about is None:
            raise ValueError("a payload needs to be about somebody")
        key = self._keys.data_key(about)
        return entry(
            kind,
            fields,
            id=entry_id,
            now=now,
            epoch=epoch,
            payload=payload,
            payload_key=about,
            seal=lambda plaintext, entry_id: seal(key, plaintext, aad=place(entry_id)),
            salt=drawn(SALT),
        )

    def mac(self, value: bytes) -> str:
        """HMAC-SHA256 of `value` in hex: equal arguments show as equal, and amounts cannot be guessed from it."""
        mac = self._mac.copy()
        mac.update(value)
        return mac.hexdigest()
