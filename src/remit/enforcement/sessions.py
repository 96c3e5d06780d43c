"""Sessions of the handshake era: Remit's own ids, each bound to the agent and key that opened it.

A server's session id works for whoever holds it. So the agent never gets it: it gets an id
of Remit's, which is nothing in anybody else's hands.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from remit.attestation.model import Caller
from remit.enforcement.model import Limits, Outcome, RpcId
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import SessionUnknown

_SETTLED: Final = frozenset({Outcome.OK, Outcome.ERROR, Outcome.NOT_SENT})
_MOST_OWED: Final = 1000


@dataclass(slots=True, kw_only=True)
class Session:
    """One open session."""

    id: str
    agent: str
    instance: str
    server: str
    upstream: str  # the server's own id, never shown
    version: str
    opened: Instant
    used: Instant
    owed: set[RpcId] = field(default_factory=set)
    asks: dict[str, Any] = field(default_factory=dict)  # what its server was let ask, by the id that the agent got
    subscribed: set[str] = field(default_factory=set)  # the resources whose changes the agent asked to be told of

    def claim(self, request: RpcId) -> bool:
        """Take an id for a request; false while its server owes the answer to an earlier one with it.

        A session whose server owes `_MOST_OWED` answers takes no other id either, so that it cannot grow
        without end: what was cut never comes back, and then only a new session does.

        A server matches answers by id: a second call with the id of one that still runs there would get
        the first one's answer, and that would be recorded as what became of it.
        """
        if request in self.owed or len(self.owed) >= _MOST_OWED:
            return False
        self.owed.add(request)
        return True

    def settle(self, request: RpcId, outcome: Outcome) -> None:
        """Give an id back, if the call with it certainly no longer runs at the server."""
        if outcome in _SETTLED:
            self.owed.discard(request)


class Sessions:
    """All open sessions of this process, least recently used first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, caller: Caller, server: str, *, upstream: str, version: str, now: Instant) -> Session:
        """Bind a server's new session to its caller. Over the cap, the caller's (else anybody's) oldest one ends."""
        if self._held.get(caller.agent, 0) >= self._limits.sessions_per_agent:
            self.end(next(s for s in self._open.values() if s.agent == caller.agent))
        elif len(self._open) >= self._limits.sessions:
            self.end(next(iter(self._open.values())))
        session = Session(
            id=secrets.token_urlsafe(24),
            agent=caller.agent,
            instance=caller.instance,
            server=server,
            upstream=upstream,
            version=version,
            opened=now,
            used=now,
        )
        self._open[session.id] = session
        self._held[caller.agent] = self._held.get(caller.agent, 0) + 1
        return session

    def use(self, id: str, caller: Caller, server: str, *, now: Instant) -> Session:  # noqa: A002 - the protocol's own name
        """The session `id`, if it is this caller's on this server.

        Raises:
            SessionUnknown: It is not; the detail says whose it is, for the log.
        """
        session = self._open.get(id)
        if session is None:
            raise SessionUnknown("no such session")
        if (session.agent, session.instance, session.server) != (caller.agent, caller.instance, server):
            raise SessionUnknown("no such session", detail=session.agent)
        idle, age = now - session.used, now - session.opened
        if idle > self._limits.session_idle * SECOND or age > self._limits.session_life * SECOND:
            self.end(session)
            raise SessionUnknown("no such session")
        session.used = now
        self._open.move_to_end(id)
        return session

    def end(self, session: Session) -> bool:
        """Forget a session; false if it was forgotten before."""
        if self._open.pop(session.id, None) is None:
            return False
        left = self._held[session.agent] - 1
        if left:
            self._held[session.agent] = left
        else:
            del self._held[session.agent]
        return True
