"""The newest nonce in every answer: a client has the next before it is asked for it (RFC 9449 section 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Send

from remit.kernel.clock import Clock
from remit.tokens.metadata import TOKEN_PATH
from remit.tokens.nonce import Nonces, NonceUse

_RESOURCES: Final = ("/mcp/", "/servers/", "/http/", "/v1/me/", "/access/v1/", "/v1/outcomes")


@dataclass(frozen=True, slots=True)
class NonceHeader:
    """Adds `DPoP-Nonce` to answers of what takes proofs, where nonces are asked for."""

    nonces: Nonces
    clock: Clock

    def answering(self, path: str, send: Send) -> Send:
        """What to answer a request of `path` with, instead of `send`."""
        resource = self.nonces.use is NonceUse.BOTH and path.startswith(_RESOURCES)
        return self._carrying(send) if resource or path == TOKEN_PATH else send

    def _carrying(self, send: Send) -> Send:
        async def carry(message: Message) -> None:
            if message["type"] == "http.response.start":
                value = self.nonces.current(self.clock.now()).encode("ascii")
                message = {**message, "headers": [*message.get("headers", ()), (b"dpop-nonce", value)]}
            await send(message)

        return carry


def header(nonces: Nonces | None, clock: Clock) -> NonceHeader | None:
    """It, if nonces are asked for anywhere."""
    return None if nonces is None or nonces.use is NonceUse.OFF else NonceHeader(nonces, clock)
