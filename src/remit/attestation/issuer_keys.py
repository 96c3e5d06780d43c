"""The keys of each issuer, in memory; read again when a token names one that is not known, at most once in 30 seconds.

Anybody can send tokens with made-up key ids (PyJWT CVE-2026-48524). So an unknown id costs its issuer one request in
30 seconds however many there are, a request that fails takes nothing away, and only few threads wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from remit.attestation.ports import Load, Loaded
from remit.attestation.trust import SPIFFE, Trust
from remit.kernel.clock import HOUR, MINUTE, SECOND, Clock, Instant
from remit.kernel.errors import Conflict, RemitError
from remit.keys.foreign import KeySet, key_set
from remit.logs import logger

COOLDOWN: Final = 30 * SECOND
REFRESH: Final = 15 * MINUTE  # keys that an issuer took out are not believed for longer, while it can be reached
_BUNDLE_REFRESH: Final = 5 * MINUTE  # SPIFFE Trust Domain and Bundle, section 4.1.2
_WAITING: Final = 8  # threads, of an issuer's; whoever comes after them is refused at once and asks again
_WAIT_SECONDS: Final = 12.0  # discovery and keys, each with its own limit
_NONE: Final = KeySet()
_log = logger("remit.attestation")


class State(NamedTuple):
    """What is known of an issuer's keys."""

    keys: int
    fetched: Instant | None
    failure: str | None  # of the last attempt


@dataclass(slots=True)
class _Issuer:
    trust: Trust
    keys: KeySet = _NONE
    sequence: int | None = None
    fetched: Instant | None = None
    tried: Instant | None = None
    refresh: int = REFRESH
    failure: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # held while its keys are read
    waiting: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_WAITING))


class IssuerKeys:
    """Hands out key sets. Its methods may block: for threads that serve requests, and for `refresh`'s own."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._issuers: dict[str, _Issuer] = {}
        self._lock = threading.Lock()

    def for_kid(self, trust: Trust, kid: object) -> KeySet:
        """The trust's keys, read again if `kid` is none of them and that is not too soon."""
        issuer = self._issuer(trust)
        if trust.jwks is not None or not isinstance(kid, str) or issuer.keys.knows(kid):
            return issuer.keys
        # Being read just now: the key may be among what comes.
        if not (self._may_try(issuer) or issuer.lock.locked()):
            return issuer.keys
        if not issuer.waiting.acquire(blocking=False):
            return issuer.keys
        try:
            if issuer.lock.acquire(timeout=_WAIT_SECONDS):
                try:
                    # Another thread may have read them while this one waited.
                    if not issuer.keys.knows(kid) and self._may_try(issuer):
                        self._read(issuer)
                finally:
                    issuer.lock.release()
        finally:
            issuer.waiting.release()
        return issuer.keys

    def refresh(self, trusts: Iterable[Trust]) -> None:
        """Read again what is due, and forget issuers that are not trusted any more."""
        known = {trust.trust: trust for trust in trusts}
        with self._lock:
            self._issuers = {name: each for name, each in self._issuers.items() if known.get(name) == each.trust}
        for trust in known.values():
            issuer = self._issuer(trust)
            due = issuer.fetched is None or self._clock.now() >= issuer.fetched + issuer.refresh
            if trust.jwks is None and due and self._may_try(issuer) and issuer.lock.acquire(blocking=False):
                try:
                    self._read(issuer)
                finally:
                    issuer.lock.release()

    def state(self, trust: Trust) -> State:
        """What is known of its keys now; nothing is fetched."""
        issuer = self._issuer(trust)
        return State(len(issuer.keys.keys), issuer.fetched, issuer.failure)

    def _issuer(self, trust: Trust) -> _Issuer:
        with self._lock:
            found = self._issuers.get(trust.trust)
            if found is None or found.trust != trust:
                # Declared anew: nothing that was read for another declaration is kept.
                given = trust.jwks is not None
                keys = key_set(trust.jwks, use=_use(trust)) if trust.jwks is not None else _NONE
                found = self._issuers[trust.trust] = _Issuer(trust, keys, fetched=self._clock.now() if given else None)
            return found

    def _may_try(self, issuer: _Issuer) -> bool:
        return issuer.tried is None or self._clock.now() >= issuer.tried + COOLDOWN

    def _read(self, issuer: _Issuer) -> None:
        # The attempt counts from its begin, whatever becomes of it.
        issuer.tried = self._clock.now()
        try:
            self._take(issuer, self._load(issuer.trust))
        except RemitError as error:
            told, issuer.failure = issuer.failure, error.public
            if told == issuer.failure:
                return  # an issuer that is gone for a day is not told every 30 seconds
            _log.warning("an issuer's keys could not be read", trust=issuer.trust.trust, error=error.public,
                         detail=error.detail)  # fmt: skip

    def _take(self, issuer: _Issuer, loaded: Loaded) -> None:
        """The new set takes the whole place of the old: a key that is gone was withdrawn."""
        if issuer.sequence is not None and loaded.sequence is not None and loaded.sequence < issuer.sequence:
            raise Conflict("the bundle is older than the one that is known")
        usual = _BUNDLE_REFRESH if issuer.trust.preset == SPIFFE else REFRESH
        issuer.refresh = usual if loaded.refresh is None else min(max(loaded.refresh, COOLDOWN), HOUR)
        issuer.keys, issuer.sequence, issuer.fetched = loaded.keys, loaded.sequence, issuer.tried
        issuer.failure = None


def _use(trust: Trust) -> str:
    return "jwt-svid" if trust.preset == SPIFFE else "sig"
