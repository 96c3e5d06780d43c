"""`requestState` of the modern era, sealed: whose call it is of, which one, and what its server asked.

MCP 2026-07-28 has a server hand the state of an unfinished call to the client, which sends it back with its answers.
What comes back may be anything. So an agent gets a seal of Remit's around the server's own state (which it cannot
read), bound to the agent, the action and the hash of the arguments; a later call carries on with it if it is that
agent's and that very call. Nothing is kept here: it holds on every node, and after a restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel import canonical
from remit.kernel.clock import SECOND, Clock
from remit.kernel.errors import IntegrityFailed, Malformed
from remit.keys import base64url
from remit.keys.seal import seal, unseal
from remit.policy.model import Call

_PREFIX: Final = "remit1."
_PLACE: Final = ("mcp", "request-state", 1)
_SECONDS: Final = 3600


class StateInvalid(Malformed):
    """What was sent as a state does not carry on this call. `owner`: the agent it was given to, if that is known."""

    def __init__(self, why: str, *, owner: str = "") -> None:
        super().__init__("Invalid or expired requestState", detail=why)
        self.owner = owner


@dataclass(frozen=True, slots=True)
class Opened:
    """A state as its server gave it (None: it gave none), and by which key it asked what."""

    state: str | None
    asked: Mapping[str, str]


class States:
    """Seals states and opens them.

    Args:
        key: 32 bytes, the same on every node.
        clock: For their age.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def seal(self, call: Call, state: str | None, asked: Mapping[str, str]) -> str:
        """The state that the agent gets for the unfinished `call`, whose server asked these methods by these keys."""
        ends = self._clock.now() + _SECONDS * SECOND
        said = {"agent": call.caller.agent, "call": _bound(call), "state": state, "asked": dict(asked), "ends": ends}
        sealed = seal(self._key, canonical.encode(said), aad=_PLACE)
        return _PREFIX + base64url.encode(sealed)

    def open(self, text: object, call: Call) -> Opened:
        """What `seal` made for this very call.

        Raises:
            StateInvalid: It was changed, is too old, or is another agent's or another call's.
        """
        said = self._read(text)
        if said["agent"] != call.caller.agent:
            raise StateInvalid("another agent's", owner=str(said["agent"]))
        if said["call"] != _bound(call):
            raise StateInvalid("another call's", owner=str(said["agent"]))
        if said["ends"] <= self._clock.now():
            raise StateInvalid("too old", owner=str(said["agent"]))
        return Opened(said["state"], said["asked"])

    def _read(self, text: object) -> dict[str, Any]:
        if not isinstance(text, str) or not text.startswith(_PREFIX):
            raise StateInvalid("none of Remit's")
        coded = text.removeprefix(_PREFIX)
        try:
            said: dict[str, Any] = canonical.parse(unseal(self._key, base64url.decode(coded), aad=_PLACE))
        except (ValueError, IntegrityFailed) as error:
            raise StateInvalid("changed") from error
        return said


def _bound(call: Call) -> str:
    said = [call.server, call.action, call.arguments if call.arguments is not None else {}]
    return hashlib.sha256(canonical.encode(said)).hexdigest()
