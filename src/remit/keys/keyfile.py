"""The keyfile: 32 random bytes outside the database, without which the database does not open.

It is refused unless only its owner can have read or replaced it. The checks are made on
the open file and the open folder, not on their names, so that nothing can be swapped
between the check and the use.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import re
import secrets
import stat
from pathlib import Path

from remit.kernel.errors import Conflict, IntegrityFailed, KeyfileMissing, KeyfileUnsafe, KeyfileWrong
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal_bytes
from remit.keys.secret import Secret

_HEX = re.compile(rb"[0-9a-fA-F]{64}\Z")
_MAX_TEXT = 256
_REAL_FILE = "put the keyfile itself at {path}, a regular file that only its owner can read"


class KeyfileProvider:
    """Wraps the root key under the keyfile's key."""

    def __init__(self, key: Secret) -> None:
        self._key = key

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
        folder = _open_folder(path)
        try:
            _write(folder, path, key.hex().encode() + b"\n")
        finally:
            os.close(folder)
        return cls(Secret(key))

    @classmethod
    def load(cls, path: Path) -> KeyfileProvider:
        """Read the keyfile at `path`.

        Raises:
            KeyfileMissing: There is none.
            KeyfileUnsafe: Others can read it or could have replaced it.
            KeyfileWrong: It does not hold 32 bytes.
        """
        folder = _open_folder(path)
        try:
            return cls(Secret(_decode(_read(folder, path))))
        finally:
            os.close(folder)

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
            raise KeyfileWrong(
                "the keyfile does not open this database", try_="start with the keyfile made with this database"
            ) from error


def _open_folder(path: Path) -> int:
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        raise KeyfileUnsafe("the keyfile's folder cannot be opened", detail=str(error)) from error
    status = os.fstat(folder)
    # Who may write to the folder may put another keyfile there; root may anyway.
    if status.st_mode & 0o022 or status.st_uid not in {os.geteuid(), 0}:
        os.close(folder)
        raise KeyfileUnsafe(
            "others may write to the keyfile's folder", detail=str(path.parent), try_=f"chmod go-w {path.parent}"
        )
    return folder


def _read(folder: int, path: Path) -> bytes:
    # O_NONBLOCK: a named pipe at that place must not hang the start.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path.name, flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        problem = "is a symbolic link" if error.errno == errno.ELOOP else "cannot be opened"
        raise KeyfileUnsafe(f"the keyfile {problem}", detail=str(error), try_=_REAL_FILE.format(path=path)) from error
    try:
        _check(os.fstat(handle), path)
        return os.read(handle, _MAX_TEXT)
    finally:
        os.close(handle)


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyfileUnsafe("the keyfile is not a regular file", detail=str(path), try_=_REAL_FILE.format(path=path))
    if status.st_uid != os.geteuid():
        raise KeyfileUnsafe(
            "the keyfile belongs to another user",
            detail=f"{path}: uid {status.st_uid}",
            try_=f"run remit as that user, or chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o177:
        raise KeyfileUnsafe(
            "the keyfile is open to others",
            detail=f"{path}: mode {status.st_mode & 0o7777:04o}",
            try_=f"chmod 0400 {path}",
        )


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


def _missing(path: Path) -> KeyfileMissing:
    return KeyfileMissing(
        "there is no keyfile for this database",
        detail=str(path),
        try_="put the keyfile back, or name it with --keyfile",
    )
