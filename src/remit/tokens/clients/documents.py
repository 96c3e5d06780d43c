"""Clients' metadata documents, fetched by the guarded way out and kept for a bounded time.

Only a URL that an agent's own document names is ever fetched: a stranger's client_id dials nothing. What went wrong
is not kept (section 4.4 of the draft): a client that was down for a moment is there again at the next request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from remit.agents.bindings.client_metadata import client_url
from remit.kernel.clock import MINUTE, Clock, Instant
from remit.kernel.errors import Malformed
from remit.outbound.fetch import Fetch
from remit.outbound.model import OutboundError
from remit.tokens.clients.document import ClientDocument, ClientInvalid, read_document, read_keys

T = TypeVar("T")
KEPT: Final = 5 * MINUTE
_MOST: Final = 1000  # the oldest goes first


class Documents:
    """Reads clients' documents. Any thread but the event loop's; never within a change."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[str, tuple[ClientDocument, Instant]] = OrderedDict()
        self._keys: OrderedDict[str, tuple[Sequence[Mapping[str, Any]], Instant]] = OrderedDict()
        self._lock = threading.Lock()

    def document(self, url: str) -> ClientDocument:
        """The client whose id is `url`.

        Raises:
            ClientInvalid: There is none: it cannot be reached, may not be called, or says what is not taken.
        """
        try:
            client_url(url)
        except Malformed as error:
            raise ClientInvalid(error.public) from error
        return self._of(self._kept, url, self._read)

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        """The keys that a client signs with; none for one that does not.

        Raises:
            ClientInvalid: As `document`.
        """
        found = self.document(client)
        return found.keys if found.jwks_uri is None else self._of(self._keys, found.jwks_uri, self._read_keys)

    def _of(self, kept: OrderedDict[str, tuple[T, Instant]], url: str, read: Callable[[str], T]) -> T:
        now = self._clock.now()
        with self._lock:
            found = kept.get(url)
        if found is not None and now < found[1]:
            return found[0]
        fresh = read(url)
        with self._lock:
            kept[url] = (fresh, Instant(now + KEPT))
            kept.move_to_end(url)
            while len(kept) > _MOST:
                kept.popitem(last=False)
        return fresh

    def _read(self, url: str) -> ClientDocument:
        body, media_type = self._get(url)
        return read_document(body, url=url, media_type=media_type)

    def _read_keys(self, url: str) -> Sequence[Mapping[str, Any]]:
        return read_keys(self._get(url)[0])

    def _get(self, url: str) -> tuple[bytes, str]:
        try:
            found = self._fetch.get(url)
        except OutboundError as error:
            # One text for all reasons: what can be reached from here is not for the client to learn.
            raise ClientInvalid(
                "the client's metadata could not be read", detail=error.detail or error.public
            ) from error
        return found.body, found.media_type
