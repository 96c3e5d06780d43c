"""Which servers the known clients have on this host, and which keys of their configuration hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from remit.runner.configured import json_text, showing, toml_text
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Entry, Format, Place, is_ours
from remit.runner.configured.showing import Secretish

_ROOTED: Final = re.compile(r"/|~[/\\]|[A-Za-z]:[/\\]|\\\\")
_MOST: Final = 16 << 20  # bytes of one file


def entries(place: Place, secretish: Secretish) -> list[Entry]:
    """The servers in one file; none if there is no file.

    Raises:
        Unreadable: It cannot be read as what it should be.
    """
    found = values(place)
    if place.each is not None:
        holders = found.get(place.each)
        found_in = [each.get(place.key) for each in _objects(holders)] if isinstance(holders, dict) else []
    else:
        found_in = [found.get(place.key)]
    return [
        _entry(place, str(name), said, secretish)
        for holder in found_in
        if isinstance(holder, dict)
        for name, said in holder.items()
        if isinstance(said, dict) and (_command(said) or _url(said))
    ]


def values(place: Place) -> Mapping[str, Any]:
    """What a file says; nothing if there is none.

    Raises:
        Unreadable: It cannot be read as what it should be.
    """
    text = text_of(place.path)
    if text is None:
        return {}
    if place.format is Format.TOML:
        return toml_text.read(text)
    if place.format is Format.YAML:
        return _yaml(text)
    found = json_text.read(text).value
    return found if isinstance(found, dict) else {}


def text_of(path: Path) -> str | None:
    """The text of a file; None if there is none.

    Raises:
        Unreadable: It is none, or too large.
    """
    try:
        if path.stat().st_size > _MOST:
            raise Unreadable("it is too large")
        # Line ends stay as they are.
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error


def _yaml(text: str) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - for one client's file only

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unreadable("it is no YAML") from error
    return found if isinstance(found, dict) else {}


def _objects(holders: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (each for each in holders.values() if isinstance(each, dict))


def _entry(place: Place, name: str, said: Mapping[str, Any], secretish: Secretish) -> Entry:
    enabled = said.get("enabled", True) is not False and said.get("disabled") is not True
    said = said["config"] if isinstance(said.get("config"), dict) else said  # as Goose nests it
    return Entry(
        place=place, name=name, command=_command(said), url=_url(said), secrets=tuple(_secrets(said, secretish)),
        enabled=enabled,
    )  # fmt: skip


def _command(said: Mapping[str, Any]) -> tuple[str, ...]:
    inner = said["config"] if isinstance(said.get("config"), dict) else said
    program, words = inner.get("command", inner.get("cmd")), inner.get("args")
    if not isinstance(program, str):
        return ()
    return (program, *(str(word) for word in words)) if isinstance(words, list) else (program,)


def _url(said: Mapping[str, Any]) -> str:
    inner = said["config"] if isinstance(said.get("config"), dict) else said
    found = next((inner[key] for key in ("url", "httpUrl", "serverUrl", "uri") if isinstance(inner.get(key), str)), "")
    return str(found)


def _secrets(said: Mapping[str, Any], secretish: Secretish) -> list[str]:
    """The keys under which a secret most likely stands in clear."""
    found = []
    for holder in ("env", "envs", "headers", "http_headers"):
        inner = said.get(holder)
        if isinstance(inner, dict):
            found += [f"{holder}.{key}" for key, value in inner.items() if showing.held(str(key), value, secretish)]
    if isinstance(said.get("bearer_token"), str):
        found.append("bearer_token")
    found += [f"args.{at}" for at in showing.in_words(_command(said), secretish)]
    return found + [f"url.{key}" for key in showing.in_url(_url(said), secretish)]


def shown(entry: Entry, secretish: Secretish) -> str:
    """How a server is reached, without anything that may be secret."""
    return showing.shown(entry.command, entry.url, secretish)


def through(entry: Entry, bases: Sequence[str]) -> bool:
    """Whether it passes through Remit: by its shim, or by a URL of a Remit (`bases`)."""
    if entry.command:
        # What a project's own file names by a relative path came with the project: a program of any kind, called remit.
        if re.search(r"[/\\]", entry.command[0]) and not _ROOTED.match(entry.command[0]):
            return False
        return is_ours({"command": entry.command[0], "args": list(entry.command[1:])})
    return any(entry.url.startswith((f"{base}/mcp/", f"{base}/servers/")) for base in bases)
