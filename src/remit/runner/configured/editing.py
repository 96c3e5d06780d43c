"""Putting an entry into a client's file, and taking out only what was put in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid, Conflict
from remit.runner.configured import json_text, toml_text
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Format, Place, is_ours
from remit.runner.configured.reading import text_of, values

BACKUP: Final = ".remit-backup"
_TYPED: Final = frozenset({"claude-code", "vscode"})  # whose entries say what they are


def entry(client: str, command: str, words: list[str]) -> dict[str, Any]:
    """An entry that starts `remit mcp stdio ...`, as this client writes it."""
    return {**({"type": "stdio"} if client in _TYPED else {}), "command": command, "args": words}


def installed(
    place: Place, name: str, value: Mapping[str, Any], *, replace: bool, text: str | None = None
) -> tuple[str | None, str]:
    """The file's text before (None: there is no file) and after. With `text`, that is what the file would be by now.

    Raises:
        Conflict: Another entry has that name.
        ConfigInvalid: The file cannot be read.
    """
    before, known = _read(place)
    there = known.get(name)
    if there is not None and not replace and not (isinstance(there, dict) and is_ours(there)):
        raise Conflict(
            f"{place.path} has a server {name} of its own", detail="it does not pass through Remit",
            try_="--replace puts Remit before it (the file as it was stays in a backup), --name takes another name",
        )  # fmt: skip
    so_far = (before or "") if text is None else text
    if there == value:
        return before, so_far
    return before, _changed(place, lambda text: _rules(place).put(text, place.key, name, value), so_far)


def uninstalled(place: Place, names: list[str]) -> tuple[str | None, str, list[str]]:
    """The file's text before and after, and the names of the entries that were taken out; without `names`, all of ours.

    Raises:
        Conflict: An entry of `names` is none of ours.
        ConfigInvalid: The file cannot be read.
    """
    before, known = _read(place)
    ours = _ours(known)
    if foreign := [name for name in names if name in known and name not in ours]:
        raise Conflict(f"{foreign[0]} in {place.path} is not of Remit", detail="only its own entries are taken out")
    text, gone = before or "", [name for name in ours if not names or name in names]
    for name in gone:
        text = _changed(place, lambda text, name=name: _rules(place).take(text, place.key, name), text)
    return before, text, gone


def save(place: Place, before: str | None, after: str) -> Path | None:
    """Write a client's file whole, keeping its mode, with what it was in a backup beside it.

    A file that holds entries of ours already has its backup, from before them, which stays.

    Args:
        place: The file.
        before: What it was when it was read; None if there was none.
        after: What it will be.

    Returns:
        The backup, if there was a file.

    Raises:
        ConfigInvalid: It changed meanwhile, or cannot be written.
    """
    path, ours = place.path, _ours(_read(place)[1])
    target = path.resolve()  # of a link, what it leads to
    try:
        if text_of(target) != before:
            raise ConfigInvalid(f"{path} was changed meanwhile", try_="try again")
        target.parent.mkdir(parents=True, exist_ok=True)
        backup = None
        if before is not None:
            backup = target.with_name(target.name + BACKUP)
            if not (ours and backup.exists()):
                shutil.copy2(target, backup)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 0600
        with os.fdopen(descriptor, "wb") as file:
            file.write(after.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            shutil.copymode(target, name)
        Path(name).replace(target)
    except (OSError, Unreadable) as error:
        raise ConfigInvalid(f"{path} cannot be written", detail=str(error)) from error
    return backup


def _read(place: Place) -> tuple[str | None, Mapping[str, Any]]:
    try:
        text = text_of(place.path)
        known = values(place).get(place.key)
    except Unreadable as error:
        raise ConfigInvalid(f"{place.path} cannot be read", detail=str(error)) from error
    return text, known if isinstance(known, dict) else {}


def _ours(known: Mapping[str, Any]) -> list[str]:
    return [name for name, said in known.items() if isinstance(said, dict) and is_ours(said)]


def _rules(place: Place) -> Any:  # noqa: ANN401 - one of two modules with the same functions
    return toml_text if place.format is Format.TOML else json_text


def _changed(place: Place, change: Any, text: str) -> str:  # noqa: ANN401 - a function of a text
    try:
        return str(change(text))
    except Unreadable as error:
        raise ConfigInvalid(
            f"{place.path} cannot be changed", detail=str(error), try_="add the entry by hand: --dry-run shows it"
        ) from error
