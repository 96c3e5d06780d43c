"""`/v1/keys`: signing keys and their rotation. What people change takes two of them; what time changes, none."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Instant, rfc3339
from remit.keys import rotation
from remit.keys.rotating import Turn, algorithm_of, check_begin, check_retire, check_use, of_use
from remit.keys.rotation import ROTATING, TOKEN, KeyState
from remit.keys.service import KeyRing
from remit.server.door import Ask, Door, actor
from remit.server.key_changes import KeyChanges, shown
from remit.server.seconding import Seconding
from remit.storage.ports import Transaction

Carry = Callable[[Transaction, Instant], list[Turn]]
"""Makes the change in its transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDoors:
    """Signing keys over HTTP."""

    ring: KeyRing
    changes: KeyChanges

    def doors(self) -> builtins.list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET",
                path="/v1/keys",
                summary="List signing keys, public parts alone, and when each moves on",
                action="read",
                handle=self.list,
            ),
            Door(
                method="POST",
                path="/v1/keys/{use}/rotate",
                summary="Rotate the key of a use: token, set; takes two people. emergency: what it signed dies now",
                action="manageKeys",
                handle=self.rotate,
                body="json",
                fields={"algorithm": "string?", "emergency": "boolean?"},
            ),
            Door(
                method="DELETE",
                path="/v1/keys/{kid}",
                summary="Retire a key that does not sign; takes two people. What it signed dies at once",
                action="manageKeys",
                handle=self.retire,
            ),
        ]

    def list(self, _ask: Ask) -> dict[str, Any]:
        """Every signing key, newest first."""
        keys = sorted(self.ring.records, key=lambda key: (key.created, key.kid), reverse=True)
        schedule = self.changes.families[TOKEN].schedule
        every = {"every": schedule.every, "publish": schedule.publish, "linger": schedule.linger}
        return {
            "keys": [shown(key) | {"moves": self._moves(key)} for key in keys],
            "schedule": {name: value // 1_000_000 for name, value in every.items()},
        }

    def rotate(self, ask: Ask) -> dict[str, Any]:
        """Begin a rotation, or say the first of two words."""
        use, urgent = ask.path["use"], bool(ask.body.get("emergency"))
        check_use(use)
        wanted = ask.body.get("algorithm")
        algorithm = None if wanted is None else algorithm_of(wanted, use)
        keys, rotating = of_use(self.ring.records, use), self.changes.families[use]
        if not urgent:
            check_begin(keys)  # also for the first person: nobody is to second what cannot be done
        carry, signing = rotating.emergency if urgent else rotating.begin, rotation.active(keys)
        # A word is about the key that signs now: after a rotation it means nothing any more.
        about = (
            f"rotate {signing.kid if signing else use} {algorithm or 'same'} {'emergency' if urgent else 'scheduled'}"
        )
        jwk = rotating.prepared()  # on this request's thread, for the first word too: nobody else waits for it
        return self._by_two(ask, about, lambda tx, now: carry(tx, algorithm=algorithm, now=now, jwk=jwk))

    def retire(self, ask: Ask) -> dict[str, Any]:
        """Retire a key, or say the first of two words."""
        kid = ask.path["kid"]
        use = next((key.use for key in self.ring.records if key.kid == kid and key.use in ROTATING), TOKEN)
        check_retire(of_use(self.ring.records, use), kid)
        return self._by_two(ask, f"retire {kid}", lambda tx, now: self.changes.families[use].retire(tx, kid, now=now))

    def _by_two(self, ask: Ask, about: str, carry: Carry) -> dict[str, Any]:
        changes = self.changes

        def recorded(tx: Transaction, now: Instant, more: Mapping[str, str]) -> list[dict[str, Any]]:
            turns = carry(tx, now)
            changes.recorded(tx, turns, by=actor(ask), more=dict(more))
            return [shown(turn.after) for turn in turns]

        seconding = Seconding(writer=changes.writer, records=changes.records, clock=changes.clock)
        return seconding.by_two(ask, about, recorded)

    def _moves(self, key: rotation.KeyRecord) -> str | None:
        """When time moves it on, as far as it does; a key of a use that does not rotate stays."""
        schedule = self.changes.families[TOKEN].schedule
        stays = {
            KeyState.PENDING: schedule.publish,
            KeyState.ACTIVE: schedule.every,
            KeyState.VERIFY_ONLY: schedule.linger,
        }
        return rfc3339(key.since + stays[key.state]) if key.use in ROTATING and key.state in stays else None
