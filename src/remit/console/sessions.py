"""One-time links and the sessions they open: never a default password.

Both are 256 random bits, kept as hashes in this process's memory only. A restart signs
everybody out; `remit console` makes a new link. Neither outlives what its person was let in by: a token that is
revoked takes its links and sessions along.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from remit.kernel.clock import HOUR, MINUTE, Instant

LINK_LIFETIME: Final = 10 * MINUTE
SESSION_LIFETIME: Final = 8 * HOUR
_MOST = 1000  # of each kind; the oldest goes first


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `operator` is the server's own value for them; `csrf` is what their forms carry."""

    operator: Any
    csrf: str
    ends: Instant
    notes: list[str] = field(default_factory=list)  # what was done, until it is shown


class Sessions:
    """Links and sessions. Any thread.

    Args:
        now: The time.
        stands: Whether an operator who was signed in is let in still; asked at every request.
    """

    def __init__(self, now: Callable[[], Instant], stands: Callable[[Any], bool]) -> None:
        self._now = now
        self._stands = stands
        self._links: dict[str, tuple[Any, Instant]] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def link(self, operator: object) -> str:
        """A new secret for a link that signs `operator` in, once, within ten minutes."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            _make_room(self._links)
            self._links[_hash(secret)] = (operator, Instant(self._now() + LINK_LIFETIME))
        return secret

    def redeem(self, secret: str) -> str | None:
        """Use a link's secret up; the cookie of the session that it opens, or None if it does not work (any more)."""
        with self._lock:
            operator, ends = self._links.pop(_hash(secret), (None, Instant(0)))
            if self._now() >= ends or not self._stands(operator):
                return None
            cookie = secrets.token_urlsafe(32)
            _make_room(self._sessions)
            ends = Instant(self._now() + SESSION_LIFETIME)
            self._sessions[_hash(cookie)] = Session(operator, secrets.token_urlsafe(32), ends)
            return cookie

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie, if it is still open, and its person still let in."""
        found = self._sessions.get(_hash(cookie)) if cookie else None
        if found is None or self._now() >= found.ends:
            return None
        return found if self._stands(found.operator) else None

    def end(self, cookie: str | None) -> None:
        """Sign out."""
        if cookie:
            with self._lock:
                self._sessions.pop(_hash(cookie), None)


def matches(session: Session, given: str | None) -> bool:
    """Whether a form carries its session's own word: another site's page cannot know it (CSRF)."""
    return given is not None and hmac.compare_digest(session.csrf.encode(), given.encode())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _make_room(held: dict[str, Any]) -> None:
    while len(held) >= _MOST:
        held.pop(next(iter(held)))
