"""Signing keys as they are stored: sealed under the root key, tied to their row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.keys.generations import Place, signing_key_place
from remit.keys.jwk import SigningKey, generate, private_key
from remit.keys.model import SetKeys, TokenKeys
from remit.keys.rotation import LOG, SET, TOKEN, KeyRecord, KeyState
from remit.keys.seal import seal, unseal
from remit.keys.set_key import SetKey, generate_set_key, public_half, set_key
from remit.keys.sql import WrappedKey

Opened = tuple[KeyRecord, SigningKey | SetKey]
Wrapping = Callable[[int], bytes]
"""What a root key of a generation seals with."""


def prepared(use: str) -> dict[str, str] | None:
    """A new private JWK for a use whose keys take long to make; None for one whose keys are made as they are stored.

    Takes up to half a second: for a thread that nobody waits for, before the change that stores it.
    """
    if use != SET:
        return None
    jwk = generate_set_key()
    while _is_option(jwk["kid"]):
        jwk = generate_set_key()
    return jwk


def new_signing_key(
    wrapping: bytes,
    *,
    generation: int,
    use: str,
    algorithm: str,
    state: KeyState,
    now: Instant,
    jwk: Mapping[str, Any] | None = None,
) -> WrappedKey:
    """A new key, to be stored.

    Args:
        wrapping: What seals it.
        generation: Of the root key that this is of.
        use: What it signs.
        algorithm: What it is for.
        state: The state it comes in.
        now: When it is made.
        jwk: The key itself, where it was made beforehand (`prepared`). No RSA key is made here.

    Raises:
        JoseInvalid: No such algorithm.
    """
    if jwk is None:
        jwk = generate(algorithm)
        while _is_option(jwk["kid"]):
            jwk = generate(algorithm)
    shown = public_half(jwk) if use == SET else {name: value for name, value in jwk.items() if name != "d"}
    public = canonical(shown).decode("utf-8")
    sealed = seal(wrapping, canonical(dict(jwk)), aad=signing_key_place(jwk["kid"], use, algorithm, public, generation))
    record = KeyRecord(kid=jwk["kid"], use=use, algorithm=algorithm, state=state, created=now, since=now)
    return WrappedKey(record, public, sealed, generation)


class SigningKeys:
    """Opens stored keys, each once: a key that was opened stays open for as long as its row stays the same."""

    def __init__(self) -> None:
        self._opened: dict[bytes, SigningKey | SetKey] = {}

    def open(self, rows: Iterable[WrappedKey], wrapping: Wrapping) -> list[Opened]:
        """The keys that are not retired.

        Args:
            rows: The keys as they are stored.
            wrapping: What seals those of a generation; asked only for what was not opened before.

        Raises:
            IntegrityFailed: One is damaged, or stands in another row than its own.
        """
        found: list[Opened] = []
        opened: dict[bytes, SigningKey | SetKey] = {}
        for row in rows:
            if row.record.state is KeyState.RETIRED:
                continue
            place = place_of(row)
            known = canonical(list(place)) + row.wrapped
            key = self._opened.get(known) or _read(
                row.record.use, unseal(wrapping(row.generation), row.wrapped, aad=place)
            )
            opened[known] = key
            found.append((row.record, key))
        self._opened = opened  # what is retired is forgotten
        return found


def log_signer(opened: Iterable[Opened]) -> SigningKey:
    """The key that signs the log.

    Raises:
        IntegrityFailed: There is none.
    """
    return _active([(record, key) for record, key in opened if isinstance(key, SigningKey)], LOG)


def token_keys(opened: Iterable[Opened], records: Iterable[KeyRecord]) -> TokenKeys:
    """The keys of tokens, of those that were opened; and of `records`, the ones that are distrusted.

    Raises:
        IntegrityFailed: None of them signs.
    """
    # By type as well: no RSA key ever stands among those that check access tokens.
    own = [(record, key) for record, key in opened if record.use == TOKEN and isinstance(key, SigningKey)]
    return TokenKeys(
        active=_active(own, TOKEN),
        verifying={record.kid: key.public for record, key in own},
        distrusted=[record.kid for record in records if record.use == TOKEN and record.distrusted],
    )


def set_keys(opened: Iterable[Opened]) -> SetKeys:
    """The keys of security event tokens, of those that were opened. There may be none yet."""
    own = [(record, key) for record, key in opened if record.use == SET and isinstance(key, SetKey)]
    signing = [key for record, key in own if record.state is KeyState.ACTIVE]
    return SetKeys(active=signing[0] if signing else None, published=[key.jwk for _, key in own])


def _read(use: str, sealed: bytes) -> SigningKey | SetKey:
    return set_key(parse(sealed)) if use == SET else private_key(parse(sealed))


def _is_option(kid: str) -> bool:
    """A kid is typed on command lines, where this is an option."""
    return kid.startswith("-")


def place_of(row: WrappedKey, generation: int | None = None) -> Place:
    """The place of a stored key under its root key, or under one of another generation."""
    record = row.record
    at = row.generation if generation is None else generation
    return signing_key_place(record.kid, record.use, record.algorithm, row.public, at)


def _active(opened: Iterable[tuple[KeyRecord, SigningKey]], use: str) -> SigningKey:
    for record, key in opened:
        if record.use == use and record.state is KeyState.ACTIVE:
            return key
    raise IntegrityFailed(f"the database has no {use} key")
