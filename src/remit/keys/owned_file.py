"""A file that only its owner can have read or replaced: what opens a database is in one.

The checks are made on the open file and the open folder, not on their names, so that nothing
can be swapped between the check and the use.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from remit.kernel.errors import KeyfileMissing, KeyfileUnsafe

_Check = Callable[[os.stat_result, Path, str], None]
_REAL_FILE = "put the {what} itself at {path}, a regular file that only its owner can read"


def read_owned(path: Path, *, what: str, most: int, named_by: str = "") -> bytes:
    """The first `most` bytes of the file at `path`.

    Args:
        path: Where it is.
        what: What errors call it, such as "keyfile".
        most: In bytes.
        named_by: Where its path is written, if that is not an option that is called as `what` is.

    Raises:
        KeyfileMissing: There is none.
        KeyfileUnsafe: Others can read it or could have replaced it.
    """
    folder = open_folder(path, what=what, named_by=named_by)
    try:
        return _read(folder, path, what=what, most=most, named_by=named_by)
    finally:
        os.close(folder)


def read_steady(path: Path, *, what: str, most: int, named_by: str = "") -> bytes:
    """The first `most` bytes of a file that is no secret, but decides what is done with one: others must not write it.

    Raises:
        KeyfileMissing: There is none.
        KeyfileUnsafe: Others could have written or replaced it.
    """
    folder = open_folder(path, what=what, named_by=named_by)
    try:
        return _read(folder, path, what=what, most=most, named_by=named_by, check=_check_steady)
    finally:
        os.close(folder)


def see_steady(path: Path, *, what: str) -> Path:
    """The regular file that `path` leads to, which others can neither write nor replace: what is loaded as code.

    Raises:
        KeyfileMissing: There is none.
        KeyfileUnsafe: Others could have written or replaced it.
    """
    found = path.resolve()
    os.close(open_folder(found, what=what, named_by="the key provider's file"))
    try:
        _check_steady(found.stat(), found, what)
    except FileNotFoundError as error:
        raise _missing(path, what, "the key provider's file") from error
    return found


def open_folder(path: Path, *, what: str, named_by: str = "") -> int:
    """A descriptor of the folder that `path` is in.

    Raises:
        KeyfileMissing: There is none.
        KeyfileUnsafe: Others may write to it.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _missing(path, what, named_by) from error
    except OSError as error:
        raise KeyfileUnsafe(f"the {what}'s folder cannot be opened", detail=str(error)) from error
    status = os.fstat(folder)
    # Who may write to the folder may put another file there; root may anyway.
    if status.st_mode & 0o022 or status.st_uid not in {os.geteuid(), 0}:
        os.close(folder)
        raise KeyfileUnsafe(
            f"others may write to the {what}'s folder", detail=str(path.parent), try_=f"chmod go-w {path.parent}"
        )
    return folder


def _read(folder: int, path: Path, *, what: str, most: int, named_by: str, check: _Check | None = None) -> bytes:
    # O_NONBLOCK: a named pipe at that place must not hang the start.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path.name, flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise _missing(path, what, named_by) from error
    except OSError as error:
        problem = "is a symbolic link" if error.errno == errno.ELOOP else "cannot be opened"
        advice = _REAL_FILE.format(what=what, path=path)
        raise KeyfileUnsafe(f"the {what} {problem}", detail=str(error), try_=advice) from error
    try:
        (check or _check_owned)(os.fstat(handle), path, what)
        return os.read(handle, most)
    finally:
        os.close(handle)


def _check_regular(status: os.stat_result, path: Path, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        advice = _REAL_FILE.format(what=what, path=path)
        raise KeyfileUnsafe(f"the {what} is not a regular file", detail=str(path), try_=advice)


def _check_steady(status: os.stat_result, path: Path, what: str) -> None:
    _check_regular(status, path, what)
    if status.st_mode & 0o022 or status.st_uid not in {os.geteuid(), 0}:
        raise KeyfileUnsafe(
            f"others may write to the {what}",
            detail=f"{path}: mode {status.st_mode & 0o7777:04o}, uid {status.st_uid}",
            try_=f"chmod go-w {path}",
        )


def _check_owned(status: os.stat_result, path: Path, what: str) -> None:
    _check_regular(status, path, what)
    if status.st_uid != os.geteuid():
        raise KeyfileUnsafe(
            f"the {what} belongs to another user",
            detail=f"{path}: uid {status.st_uid}",
            try_=f"start it as that user, or chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o177:
        raise KeyfileUnsafe(
            f"the {what} is open to others",
            detail=f"{path}: mode {status.st_mode & 0o7777:04o}",
            try_=f"chmod 0400 {path}",
        )


def _missing(path: Path, what: str, named_by: str) -> KeyfileMissing:
    return KeyfileMissing(
        f"there is no {what} for this database",
        detail=str(path),
        try_=f"put the {what} back, or name it with --{what.replace(' ', '-')}"
        if not named_by
        else f"put the {what} back, or correct its path in {named_by}",
    )
