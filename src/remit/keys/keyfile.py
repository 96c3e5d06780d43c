"""The keyfile: 32 random bytes outside the database, without which the database does not open.

It is refused unless only its owner can have read or replaced it (`owned_file`).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from pathlib import Path

from remit.kernel.errors import Conflict, IntegrityFailed, KeyfileWrong
from remit.keys.formats import KEYFILE_FORMAT, advice
from remit.keys.owned_file import open_folder, read_owned
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal_bytes
from remit.keys.secret import Secret

_HEX = re.compile(rb"[0-9a-fA-F]{64}\Z")
_MAX_TEXT = 256
_WHAT = "keyfile"


class KeyfileProvider:
    """Wraps the root key under the keyfile's key."""

    def __init__(self, key: Secret, *, where: str = "a keyfile") -> None:
        self._key = key
        self._where = where

    @classmethod
    def create(cls, path: Path) -> KeyfileProvider:
        """Make a new keyfile (0400) at `path`, and its folder (0700) if there is none.

        It appears whole or not at all, and never replaces one.

        Raises:
            Conflict: There is something at `path`.
            KeyfileUnsafe: Others may write to its folder.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = os.urandom(KEY_BYTES)
        folder = open_folder(path, what=_WHAT)
        try:
            _write(folder, path, key.hex().encode() + b"\n")
        finally:
            os.close(folder)
        return cls(Secret(key), where=str(path))

    @classmethod
    def load(cls, path: Path) -> KeyfileProvider:
        """Read the keyfile at `path`.

        Raises:
            KeyfileMissing: There is none.
            KeyfileUnsafe: Others can read it or could have replaced it.
            KeyfileWrong: It does not hold 32 bytes.
        """
        return cls(Secret(_decode(read_owned(path, what=_WHAT, most=_MAX_TEXT))), where=str(path))

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext` under the keyfile's key."""
        return seal_bytes(self._key.reveal(), plaintext, aad)

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: This keyfile did not make it.
        """
        try:
            return unseal_bytes(self._key.reveal(), wrapped, aad)
        except IntegrityFailed as error:
            mine = "start with the keyfile made with this database"
            raise KeyfileWrong(
                "the keyfile does not open this database", try_=advice(wrapped, mine=KEYFILE_FORMAT, otherwise=mine)
            ) from error

    def health(self) -> str:
        """Where it was read."""
        return self._where


def _decode(text: bytes) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text.decode()) if _HEX.match(text) else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyfileWrong("the keyfile does not hold 32 bytes in hex or base64")
    return key


def _write(folder: int, path: Path, text: bytes) -> None:
    draft = f".{path.name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(draft, flags, 0o400, dir_fd=folder)
    try:
        try:
            os.fchmod(handle, 0o400)  # whatever the umask
            os.write(handle, text)
            os.fsync(handle)
        finally:
            os.close(handle)
        # A link is made whole or not at all, and unlike a rename it never replaces a file.
        os.link(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError as error:
        raise Conflict("there is a keyfile already", detail=str(path)) from error
    finally:
        os.unlink(draft, dir_fd=folder)
    os.fsync(folder)
