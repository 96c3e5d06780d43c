"""Every outcome says with which credential its call was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from remit.enforcement.ports import Records
from remit.kernel.clock import Clock
from remit.storage.model import Entry

Made = Callable[[str, str, str, int], None]
"""Told just before a call leaves: its decision, its agent, the secret, and which version of it."""
Ended = Callable[..., Mapping[str, object]]
"""What an outcome's entry says of that (`vault/uses.py`)."""


def untold(_decision: str, _agent: str, _secret: str, _version: int) -> None:
    """Nobody counts."""


class Credited:
    """Implements remit.enforcement.ports.Records over another one."""

    def __init__(self, records: Records, ended: Ended, clock: Clock) -> None:
        self._records = records
        self._ended = ended
        self._clock = clock

    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the recorder's own name
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        """An entry; of an outcome, with its credential."""
        if kind == "outcome":
            fields = {**fields, **self._ended(fields["decision"], fields["outcome"], now=self._clock.now())}
        return self._records.entry(kind, fields, id=id, about=about, payload=payload)
