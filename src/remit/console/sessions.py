"""One-time links and the sessions that they, or a person's own provider, open: never a default password.

Both are 256 random bits, kept as hashes in this process's memory only. A restart signs everybody out; `remit console`
makes a new link. Neither outlives what its person was let in by: a token that is revoked takes its links and sessions
along, and a person who is nobody here any more is signed out. A session ends eight hours after it began, and half an
hour after its person was last heard of.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from remit.kernel.clock import HOUR, MINUTE, Instant
from remit.kernel.errors import Conflict
from remit.kernel.names import new_id

LINK_LIFETIME: Final = 10 * MINUTE
SESSION_LIFETIME: Final = 8 * HOUR
IDLE_LIFETIME: Final = 30 * MINUTE
LINK: Final = "link"  # how a person signed in; else the name of the provider that said who they are
_COOKIE: Final = "remit_session"
_MOST = 1000  # of each kind; then the oldest goes first, of the person who has most: nobody crowds out others
_MOST_SENT: Final = 200  # forms of a session that are known again; the oldest is forgotten first


def _always() -> bool:
    return True


@dataclass(slots=True, kw_only=True)
class Session:
    """Somebody who is signed in.

    `operator` is the server's own value for them; `csrf` is what their forms carry; `authenticated` when they last
    proved who they are; `subject` who the provider says they are, as one text with its issuer (empty: no provider did).
    `seen` moves with every request; nothing else does, but for what is said once and what was sent.
    """

    id: str  # what people call it by; nobody gets in by it
    operator: Any
    csrf: str
    how: str
    since: Instant
    ends: Instant
    authenticated: Instant
    seen: Instant
    subject: str = ""
    stands: Callable[[], bool] = _always  # whether what let them in still does
    notes: list[str] = field(default_factory=list)  # what was done, until it is shown
    sent: dict[str, None] = field(default_factory=dict)  # forms that were carried out, by digest


class Sessions:
    """Links and sessions. Any thread.

    Args:
        now: The time.
        stands: Whether an operator who was let in by a link is let in still; asked at every request.
        secure: Served over TLS. Then the cookie's name says so, and no page of another scheme can set it.
        provider: What the provider is called where people may sign in; empty where there is none.
    """

    def __init__(
        self, now: Callable[[], Instant], stands: Callable[[Any], bool], *, secure: bool = False, provider: str = ""
    ) -> None:
        self._now = now
        self._stands = stands
        self._links: dict[str, tuple[Any, Instant]] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self.provider = provider
        self.secure = secure
        self.cookie = f"__Secure-{_COOKIE}" if secure else _COOKIE

    def link(self, operator: object) -> str:
        """A new secret for a link that signs `operator` in, once, within ten minutes."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            _make_room(self._links, lambda held: held[0].person)
            self._links[_hash(secret)] = (operator, Instant(self._now() + LINK_LIFETIME))
        return secret

    def whose(self, secret: str) -> Any:  # noqa: ANN401 - the server's own value
        """Whom a link's secret would sign in, without using it up; None if it does not work (any more)."""
        operator, ends = self._links.get(_hash(secret), (None, Instant(0)))
        return operator if self._now() < ends and self._stands(operator) else None

    def redeem(self, secret: str, *, instead: str | None = None) -> str | None:
        """Use a link's secret up; the cookie of the session that it opens, or None if it does not work (any more).

        `instead` is the cookie of the session that this browser had: it ends, so that none is left behind.
        """
        with self._lock:
            operator, ends = self._links.pop(_hash(secret), (None, Instant(0)))
        now = self._now()
        if now >= ends or not self._stands(operator):
            return None
        return self.open(operator, how=LINK, authenticated=now, stands=lambda: self._stands(operator), instead=instead)

    def open(
        self,
        operator: object,
        *,
        how: str,
        authenticated: Instant,
        stands: Callable[[], bool],
        subject: str = "",
        instead: str | None = None,
    ) -> str:
        """The cookie of a new session of `operator`, who has just been let in; that of `instead` ends."""
        cookie, now = secrets.token_urlsafe(32), self._now()
        made = Session(
            id=new_id("ses"), operator=operator, csrf=secrets.token_urlsafe(32), how=how, since=now,
            ends=Instant(now + SESSION_LIFETIME), authenticated=authenticated, seen=now, subject=subject, stands=stands,
        )  # fmt: skip
        with self._lock:
            if instead:
                self._sessions.pop(_hash(instead), None)
            _make_room(self._sessions, lambda held: held.operator.person)
            self._sessions[_hash(cookie)] = made
        return cookie

    def renew(self, named: str, *, operator: object, subject: str, authenticated: Instant) -> str | None:
        """A new cookie for the session of that id, whose person has proved who they are again; the old one is void.

        Its end stays where it was, and so does what its pages carry: they stay open. `operator` is what the person may
        now. None if it has ended, or if it is not that subject's.
        """
        now, cookie = self._now(), secrets.token_urlsafe(32)
        with self._lock:
            key = next((key for key, each in self._sessions.items() if each.id == named), None)
            if key is None or not self._live(self._sessions[key]) or self._sessions[key].subject != subject:
                return None
            had = self._sessions.pop(key)
            made = replace(had, operator=operator, authenticated=authenticated, seen=now)
            self._sessions[_hash(cookie)] = made
        return cookie

    def of(self, cookies: Mapping[str, str], *, seen: bool = True) -> Session | None:
        """The session of a request, by its cookies."""
        return self.find(cookies.get(self.cookie), seen=seen)

    def find(self, cookie: str | None, *, seen: bool = True) -> Session | None:
        """The session of a cookie, if it is still open, and its person still let in.

        `seen`: its person is heard of by this; what runs by itself says False.
        """
        found = self._sessions.get(_hash(cookie)) if cookie else None
        if found is None or not self._live(found):
            return None
        if seen:
            found.seen = self._now()
        return found

    def end(self, cookie: str | None) -> None:
        """Sign out."""
        if cookie:
            with self._lock:
                self._sessions.pop(_hash(cookie), None)

    def listing(self, person: str) -> list[Session]:
        """The open sessions of a person, the newest first."""
        with self._lock:
            found = [each for each in self._sessions.values() if each.operator.person == person and self._live(each)]
        return sorted(found, key=lambda each: each.since, reverse=True)

    def called(self, named: str) -> Session | None:
        """The open session of that id."""
        with self._lock:
            found = next((each for each in self._sessions.values() if each.id == named), None)
        return found if found is not None and self._live(found) else None

    def end_where(self, which: Callable[[Session], bool]) -> list[Session]:
        """End those of which `which` says so; what was ended."""
        with self._lock:
            ended = {key: each for key, each in self._sessions.items() if which(each)}
            for key in ended:
                del self._sessions[key]
        return list(ended.values())

    def _live(self, session: Session) -> bool:
        now = self._now()
        return now < session.ends and now < session.seen + IDLE_LIFETIME and session.stands()


def matches(session: Session, given: str | None) -> bool:
    """Whether a form carries its session's own word: another site's page cannot know it (CSRF)."""
    return given is not None and hmac.compare_digest(session.csrf.encode(), given.encode())


def sent_once(session: Session, form: Mapping[str, str], *, where: str) -> str:
    """The digest of a form that is sent for the first time.

    A page gives each of its forms a word of its own (`once`), so that the same thing may be asked again from a page
    that was loaded again, and what a double click or the way back sends twice is done once. A form without is new.

    Raises:
        Conflict: It was carried out before.
    """
    if not form.get("once"):
        return ""
    said = "\n".join([where, *(f"{name}={form[name]}" for name in sorted(form))])
    digest = _hash(said)
    if digest in session.sent:
        raise Conflict("this form was sent before: what it asked for was not done a second time")
    while len(session.sent) >= _MOST_SENT:
        session.sent.pop(next(iter(session.sent)), None)
    session.sent[digest] = None
    return digest


def not_sent(session: Session, digest: str) -> None:
    """What that form asked for was refused: it may be sent again."""
    session.sent.pop(digest, None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _make_room(held: dict[str, Any], whose: Callable[[Any], str]) -> None:
    while len(held) >= _MOST:
        most, _ = Counter(map(whose, held.values())).most_common(1)[0]
        held.pop(next(key for key, each in held.items() if whose(each) == most))
