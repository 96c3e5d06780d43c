"""Putting an entry into a client's file, and taking out only what was put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.kernel.errors import ConfigInvalid, Conflict
from remit.runner.configured import json_text, saving, toml_text
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Format, Place, is_ours
from remit.runner.configured.reading import text_of, values
from remit.runner.configured.undoing import Undone, ours, undone

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
    try:
        return before, str(_rules(place).put(so_far, place.key, name, value))
    except Unreadable as error:
        raise _unchangeable(place, error, try_="add the entry by hand: --dry-run shows it") from error


def uninstalled(place: Place, names: list[str]) -> Undone:
    """What the file is without the entries of `names`; without `names`, without all of ours.

    Raises:
        Conflict: An entry of `names` is none of ours.
        ConfigInvalid: The file cannot be read, or not be changed.
    """
    before, known = _read(place)
    mine = ours(known)
    if foreign := [name for name in names if name in known and name not in mine]:
        raise Conflict(f"{foreign[0]} in {place.path} is not of Remit", detail="only its own entries are taken out")
    if before is None:
        return Undone(before=None, after=None)
    kept = saving.kept(place)
    try:
        return undone(before, kept, key=place.key, format_=place.format, names=names)
    except Unreadable as error:
        raise _unchangeable(place, error, try_="take the entry out by hand") from error


def _read(place: Place) -> tuple[str | None, Mapping[str, Any]]:
    try:
        text = text_of(place.path)
        known = values(place).get(place.key)
    except Unreadable as error:
        raise ConfigInvalid(f"{place.path} cannot be read", detail=str(error)) from error
    return text, known if isinstance(known, dict) else {}


def _rules(place: Place) -> Any:  # noqa: ANN401 - one of two modules with the same functions
    return toml_text if place.format is Format.TOML else json_text


def _unchangeable(place: Place, error: Unreadable, *, try_: str) -> ConfigInvalid:
    return ConfigInvalid(f"{place.path} cannot be changed", detail=str(error), try_=try_)
