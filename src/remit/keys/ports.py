"""What the key ring needs: something outside the database that seals its root key."""

from __future__ import annotations

from typing import Protocol


class Provider(Protocol):
    """Holds a key the database does not have: a keyfile, a passphrase, a PKCS#11 token, a transit service.

    Asked when a database is opened or wrapped anew, when a root key is made, and for its health; else a server that
    runs needs it no more. May block for seconds: never called on the event loop. Any of these may raise RemitError
    where it cannot be had: KeyfileMissing, KeyfileUnsafe, KeyfileWrong and ConfigInvalid until somebody changes
    something, KeysUnavailable while it does not answer.
    """

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext`, tied to `aad`. Its first byte says what kind of provider made it (`formats`)."""
        ...

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: Another key made it, or it is damaged.
        """
        ...

    def health(self) -> str:
        """What it is and where, without a secret, once it has shown that it can be used."""
        ...
