"""Writing a client's file whole, and keeping each text that it had before a change of ours in a backup of its own."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

from remit.kernel.errors import ConfigInvalid
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Place
from remit.runner.configured.reading import text_of

_BACKUP: Final = ".remit-backup"  # the next ones end in .1, .2 and so on


def save(place: Place, before: str | None, after: str | None) -> Path | None:
    """Write a file whole, keeping its mode, once what it was is in a new backup beside it.

    No backup is ever written over: each is the only place where what a change replaced still stands.

    Args:
        place: The file.
        before: What it was when it was read; None if there was none.
        after: What it will be; None takes the file away.

    Returns:
        The backup, if there was a file.

    Raises:
        ConfigInvalid: It changed meanwhile, or cannot be written.
    """
    target = place.path.resolve()  # of a link, what it leads to
    try:
        if text_of(target) != before:
            raise ConfigInvalid(f"{place.path} was changed meanwhile", try_="try again")
        target.parent.mkdir(parents=True, exist_ok=True)
        backup = None if before is None else _keep(target, before)
        if after is None:
            target.unlink(missing_ok=True)
        else:
            _write(target, after, like=None if before is None else target)
    except (OSError, Unreadable) as error:
        raise ConfigInvalid(f"{place.path} cannot be written", detail=str(error)) from error
    return backup


def backups(place: Place) -> list[Path]:
    """The backups of a file, the newest first."""
    return [path for _, path in _numbered(place.path.resolve())]


def pattern(place: Place) -> str:
    """What a shell finds the backups of a file by."""
    return f"{place.path.resolve()}{_BACKUP}*"


def kept(place: Place) -> list[str]:
    """What the backups of a file hold, the newest first; one that cannot be read is passed over."""
    found = []
    for each in backups(place):
        try:
            text = text_of(each)
        except Unreadable:
            continue
        found += [] if text is None else [text]
    return found


def _numbered(target: Path) -> list[tuple[int, Path]]:
    named = re.compile(re.escape(target.name + _BACKUP) + r"(?:\.([1-9][0-9]{0,8}))?")
    try:
        found = [(match, each) for each in target.parent.iterdir() if (match := named.fullmatch(each.name))]
    except OSError:
        return []
    return sorted(((int(match[1] or 0), each) for match, each in found), reverse=True)


def _keep(target: Path, text: str) -> Path:
    there = _numbered(target)
    number = there[0][0] + 1 if there else 0
    path = target.with_name(f"{target.name}{_BACKUP}" + (f".{number}" if number else ""))
    # EXCL: what stands there meanwhile, a link too, is not written over.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        _through(file, text)
    shutil.copystat(target, path)
    return path


def _write(target: Path, text: str, *, like: Path | None) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        _through(file, text)
    if like is not None:
        shutil.copymode(like, name)
    Path(name).replace(target)


def _through(file: BinaryIO, text: str) -> None:
    file.write(text.encode("utf-8"))
    file.flush()
    os.fsync(file.fileno())
