"""Remit as a resource server knows it: its metadata and its keys, never old ones (RFC 8414, RFC 7517)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import httpx2

from remit.sdk import jws, strict_json
from remit.sdk.grant import base_url
from remit.sdk.jws import PublicKey

METADATA: Final = "/.well-known/oauth-authorization-server"
_OLD: Final = 300.0  # seconds after which keys are read again: one that was withdrawn verifies nothing for longer
_PATIENCE: Final = 5.0  # seconds between two looks for a key that was not there
_SECONDS: Final = 10.0
_MOST: Final = 256 << 10  # bytes
_OK: Final = 200


class IssuerUnavailable(Exception):
    """Remit's keys cannot be had, so nothing can be verified: 503."""


@dataclass(slots=True)
class Issuer:
    """The keys of one Remit. For one event loop.

    Args:
        url: Remit's URL, which is its issuer identifier; None means `REMIT_URL`.
        clock: Monotonic seconds.
    """

    url: str
    clock: Callable[[], float] = time.monotonic
    _keys: Mapping[str, PublicKey] = field(default_factory=dict)
    _read_at: float | None = None
    _tried_at: float | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self.url = base_url(self.url)

    async def keys(self, kid: str) -> Callable[[str], PublicKey | None]:
        """What finds Remit's keys by their ids; read anew if they are old, or `kid` is not among them.

        Raises:
            IssuerUnavailable: There are none, or only old ones.
        """
        if self._old() or (kid not in self._keys and self._may_look()):
            async with self._lock:
                if self._old() or (kid not in self._keys and self._may_look()):
                    await self._renew()
        if self._old():
            raise IssuerUnavailable("Remit's keys cannot be read")
        return self._keys.get

    def _old(self) -> bool:
        return self._read_at is None or self.clock() - self._read_at >= _OLD

    def _may_look(self) -> bool:
        """Tokens with made-up ids must not turn into a request each."""
        return self._tried_at is None or self.clock() - self._tried_at >= _PATIENCE

    async def _renew(self) -> None:
        """Read them. What fails leaves the keys as they were, until they are old."""
        if not self._may_look():
            return
        self._tried_at = self.clock()
        try:
            async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                metadata = await _fetched(client, self.url + METADATA)
                # RFC 8414 section 3.3: byte for byte, or another's keys would pass for Remit's.
                if metadata.get("issuer") != self.url:
                    return
                found = await _fetched(client, str(metadata.get("jwks_uri")))
        except (httpx2.HTTPError, httpx2.InvalidURL, strict_json.NotJson, ValueError):
            return
        self._keys = dict(_usable(found))
        self._read_at = self.clock()


async def _fetched(client: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url)
    if answer.status_code != _OK or len(answer.content) > _MOST:
        raise strict_json.NotJson("no such document")
    return strict_json.an_object(answer.content)


def _usable(jwks: Mapping[str, Any]) -> list[tuple[str, PublicKey]]:
    """Those keys that verify tokens; one that is not understood is none."""
    members, found = jwks.get("keys"), list[tuple[str, PublicKey]]()
    for jwk in members if isinstance(members, list) else ():
        try:
            key = jws.public_key(jwk)
        except jws.JwsInvalid:
            continue
        if key.kid is not None:
            found.append((key.kid, key))
    return found
