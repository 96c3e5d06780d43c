"""From a file with entries of ours back to what it was before them, by what was kept of it (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.runner.configured import json_text, toml_text
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Format, is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A file's text before and after entries of ours went out of it.

    `after` is None if there was no file before them. `exact` says that nobody else changed the file since: it is then
    what it was, byte for byte; else what they changed stays. `lost` names entries that ours had replaced and that
    could not be put back: they stand in a backup.
    """

    before: str | None
    after: str | None
    gone: tuple[str, ...] = ()
    exact: bool = True
    lost: tuple[str, ...] = ()


def ours(known: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of ours among a file's servers, as they stand in it."""
    return {name: said for name, said in known.items() if isinstance(said, dict) and is_ours(said)}


def undone(text: str, kept: Sequence[str], *, key: str, format_: Format, names: Sequence[str] = ()) -> Undone:
    """What `text` is without our entries `names`; without names, without all of ours.

    What an entry replaced is in no file but the backup, and a text that an entry was put into may not be found again
    by taking it out (an empty file, comments, a last comma). So each step goes back to a text that was kept, if ours
    put into that is this one to the byte. Only where somebody else changed the file are our entries cut out of it, and
    what they replaced is put in their place.

    Args:
        text: The file as it is.
        kept: What it was before each change of ours, the newest first; one that cannot be read is passed over.
        key: The member that holds the servers.
        format_: How the file is written; not YAML.
        names: Which entries; those that are none of ours stay.

    Raises:
        Unreadable: `text` cannot be read, or its entries stand in it in a form that is left to people.
    """
    entries = ours(_servers(text, key, format_))
    gone = tuple(name for name in entries if not names or name in names)
    if not gone:
        return Undone(before=text, after=text)
    so_far: str | None = text
    for earlier in [*kept, None]:  # None: there was no file
        if so_far is not None and _led_to(earlier, so_far, key, format_):
            so_far = earlier
    left = {} if so_far is None else ours(_servers(so_far, key, format_))
    rules, lost = _rules(format_), []
    for name in left:
        if name in gone and (theirs := _replaced(kept, name, key, format_)) is not None:
            try:
                so_far = rules.put(so_far, key, name, theirs)
                continue
            except (Unreadable, TypeError):  # in a form that ours never has: it stays in the backup
                lost.append(name)
        so_far = rules.take(so_far, key, name)
    for name, said in entries.items():
        if name not in gone:
            so_far = rules.put(so_far or "", key, name, said)
    return Undone(before=text, after=so_far, gone=gone, exact=not left, lost=tuple(lost))


def _led_to(earlier: str | None, text: str, key: str, format_: Format) -> bool:
    """Whether entries of ours, put into `earlier`, make this text to the byte."""
    wanted = ours(_servers(text, key, format_))
    try:
        there = {} if earlier is None else _servers(earlier, key, format_)
        if not ours(there).keys() < wanted.keys():
            return False
        made = earlier or ""
        for name, said in wanted.items():
            if there.get(name) != said:
                made = _rules(format_).put(made, key, name, said)
    except Unreadable:
        return False
    return made == text


def _replaced(kept: Sequence[str], name: str, key: str, format_: Format) -> Mapping[str, Any] | None:
    """What stood under that name when an entry of ours last came there; None if nothing did."""
    for earlier in kept:
        try:
            there = _servers(earlier, key, format_)
        except Unreadable:
            continue
        if name not in ours(there):
            found = there.get(name)
            return found if isinstance(found, dict) else None
    return None


def _servers(text: str, key: str, format_: Format) -> Mapping[str, Any]:
    found = (toml_text.read(text) if format_ is Format.TOML else json_text.read(text).value).get(key)
    return found if isinstance(found, dict) else {}


def _rules(format_: Format) -> Any:  # noqa: ANN401 - one of two modules with the same functions
    return toml_text if format_ is Format.TOML else json_text
