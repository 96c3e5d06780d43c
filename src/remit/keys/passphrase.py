"""The passphrase: what a person, or a secret store, hands over at the start instead of a keyfile.

The wrapping key is Argon2id over it (RFC 9106). Salt and parameters stand before what is wrapped, so that
later versions can ask for more and older databases still open:

    0x02, passes, lanes, memory (4 bytes, KiB, big-endian), salt (16 bytes), sealed value
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from remit.kernel.errors import IntegrityFailed, KeyfileUnsafe, KeyfileWrong
from remit.keys.formats import PASSPHRASE_FORMAT, advice
from remit.keys.owned_file import read_owned
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal_bytes
from remit.keys.secret import Secret

# RFC 9106 section 4, the second recommended option (64 MiB): the first takes 2 GiB, which not every server has.
PASSES: Final = 3
LANES: Final = 4
MEMORY: Final = 1 << 16
# What is stored may be another's: no header makes a start take more than the first recommended option.
_MOST_MEMORY: Final = 1 << 21
_MOST_PASSES: Final = 16
_SALT: Final = 16
_HEADER: Final = 1 + 2 + 4 + _SALT
_MAX_TEXT: Final = 1024
SHORTEST: Final = 15  # NIST SP 800-63B-4 section 3.1.1.2: a password that stands alone
_WHAT: Final = "passphrase file"


class PassphraseProvider:
    """Wraps the root key under a key made of the passphrase."""

    def __init__(self, passphrase: Secret, *, where: str = "a passphrase") -> None:
        self._passphrase = passphrase
        self._where = where

    @classmethod
    def load(cls, path: Path) -> PassphraseProvider:
        """Read the passphrase in the file at `path`; one line end after it is none of it.

        Raises:
            KeyfileMissing: There is none.
            KeyfileUnsafe: Others can read it or could have replaced it.
            KeyfileWrong: It is empty, or over 1024 bytes.
        """
        return cls(_passphrase(read_owned(path, what=_WHAT, most=_MAX_TEXT + 1)), where=str(path))

    @classmethod
    def read(cls, descriptor: int) -> PassphraseProvider:
        """Read it from an open descriptor, such as standard input, to the end.

        Raises:
            KeyfileWrong: It is empty, or over 1024 bytes.
        """
        text = b""
        try:
            while len(text) <= _MAX_TEXT and (part := os.read(descriptor, _MAX_TEXT + 1)):
                text += part
        except OSError as error:
            raise KeyfileWrong("the passphrase cannot be read", detail=f"descriptor {descriptor}: {error}") from error
        return cls(_passphrase(text))

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext` under the passphrase, with a salt of its own.

        Raises:
            KeyfileUnsafe: It is so short that who has the database can try them all.
        """
        if len(self._passphrase.reveal()) < SHORTEST:
            raise KeyfileUnsafe(
                f"the passphrase is shorter than {SHORTEST} characters",
                try_="a file made with: openssl rand -base64 24",
            )
        header = PASSPHRASE_FORMAT + bytes((PASSES, LANES)) + MEMORY.to_bytes(4, "big") + os.urandom(_SALT)
        return header + seal_bytes(self._key(header), plaintext, header + aad)

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: Another passphrase made it, or it is damaged.
        """
        if wrapped[:1] != PASSPHRASE_FORMAT or len(wrapped) <= _HEADER:
            raise KeyfileWrong(
                "this database is not opened by a passphrase",
                try_=advice(wrapped, mine=PASSPHRASE_FORMAT, otherwise="start with what it was wrapped with last"),
            )
        header = wrapped[:_HEADER]
        try:
            return unseal_bytes(self._key(header), wrapped[_HEADER:], header + aad)
        except IntegrityFailed as error:
            raise KeyfileWrong(
                "the passphrase does not open this database",
                try_="start with the passphrase that it was wrapped with last",
            ) from error

    def health(self) -> str:
        """Where it was read."""
        return self._where

    def _key(self, header: bytes) -> bytes:
        passes, lanes, memory = header[1], header[2], int.from_bytes(header[3:7], "big")
        if not (1 <= passes <= _MOST_PASSES and lanes >= 1 and 8 * lanes <= memory <= _MOST_MEMORY):
            raise KeyfileWrong("what the passphrase wrapped is damaged", detail="Argon2id parameters out of range")
        made = Argon2id(salt=header[7:], length=KEY_BYTES, iterations=passes, lanes=lanes, memory_cost=memory)
        return made.derive(self._passphrase.reveal())


def _passphrase(text: bytes) -> Secret:
    """What was read, without the line end that editors and `echo` leave."""
    if len(text) > _MAX_TEXT:
        raise KeyfileWrong(f"the passphrase is over {_MAX_TEXT} bytes")
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    if not text:
        raise KeyfileWrong("the passphrase is empty", try_="write it into the file, or hand it over on the descriptor")
    return Secret(text)
