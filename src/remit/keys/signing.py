"""Signing keys as they are stored: sealed under the root key, tied to their row."""

from __future__ import annotations

from collections.abc import Iterable

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.keys.jwk import SigningKey, generate, private_key
from remit.keys.model import TokenKeys
from remit.keys.rotation import LOG, TOKEN, KeyRecord, KeyState
from remit.keys.seal import seal, unseal
from remit.keys.sql import WrappedKey

Opened = tuple[KeyRecord, SigningKey]


def new_signing_key(wrapping: bytes, *, use: str, algorithm: str, state: KeyState, now: Instant) -> WrappedKey:
    """A new key, to be stored.

    Raises:
        JoseInvalid: No such algorithm.
    """
    jwk = generate(algorithm)
    while jwk["kid"].startswith("-"):  # a kid is typed on command lines, where that is an option
        jwk = generate(algorithm)
    public = canonical({name: value for name, value in jwk.items() if name != "d"}).decode("utf-8")
    sealed = seal(wrapping, canonical(jwk), aad=_place(jwk["kid"], use, algorithm, public))
    record = KeyRecord(kid=jwk["kid"], use=use, algorithm=algorithm, state=state, created=now, since=now)
    return WrappedKey(record, public, sealed)


class SigningKeys:
    """Opens stored keys, each once: a key that was opened stays open for as long as its row stays the same."""

    def __init__(self, wrapping: bytes) -> None:
        self._wrapping = wrapping
        self._opened: dict[bytes, SigningKey] = {}

    def open(self, rows: Iterable[WrappedKey]) -> list[Opened]:
        """The keys that are not retired.

        Raises:
            IntegrityFailed: One is damaged, or stands in another row than its own.
        """
        found, opened = [], {}
        for row in rows:
            if row.record.state is KeyState.RETIRED:
                continue
            place = _place(row.record.kid, row.record.use, row.record.algorithm, row.public)
            known = canonical(list(place)) + row.wrapped
            key = self._opened.get(known) or private_key(parse(unseal(self._wrapping, row.wrapped, aad=place)))
            opened[known] = key
            found.append((row.record, key))
        self._opened = opened  # what is retired is forgotten
        return found


def log_signer(opened: Iterable[Opened]) -> SigningKey:
    """The key that signs the log.

    Raises:
        IntegrityFailed: There is none.
    """
    return _active(opened, LOG)


def token_keys(opened: Iterable[Opened], records: Iterable[KeyRecord]) -> TokenKeys:
    """The keys of tokens, of those that were opened; and of `records`, the ones that are distrusted.

    Raises:
        IntegrityFailed: None of them signs.
    """
    own = [(record, key) for record, key in opened if record.use == TOKEN]
    return TokenKeys(
        active=_active(own, TOKEN),
        verifying={record.kid: key.public for record, key in own},
        distrusted=[record.kid for record in records if record.use == TOKEN and record.distrusted],
    )


def _place(kid: str, use: str, algorithm: str, public: str) -> tuple[str | int, ...]:
    return ("signing_keys", kid, 1, use, algorithm, public)


def _active(opened: Iterable[Opened], use: str) -> SigningKey:
    for record, key in opened:
        if record.use == use and record.state is KeyState.ACTIVE:
            return key
    raise IntegrityFailed(f"the database has no {use} key")
