"""Which servers the known clients have on this host, and which keys of their configuration hold secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from remit.runner.configured import json_text, toml_text
from remit.runner.configured.json_text import Unreadable
from remit.runner.configured.model import Entry, Format, Place, is_ours

Secretish = Callable[[str], bool]

_MOST: Final = 16 << 20  # bytes of one file
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*")  # read from elsewhere: nothing stands here
# What issuers put in front of their secrets, and the parts of a JWT.
_LOOKS: Final = re.compile(
    r"(?:\b(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[a-z]|npm|pypi|hf|AKIA|ASIA|ya29)[-_.A-Za-z0-9]{12,})|eyJ[\w-]{8,}\.eyJ"
)
# A part of a path that is a key by itself: whoever has such a URL has what is behind it. UUIDs are some.
_KEY: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_~=%-]{16,}\Z")
_MASK: Final = "***"
_LONGEST: Final = 120


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
            found += [f"{holder}.{key}" for key, value in inner.items() if _held(str(key), value, secretish)]
    if isinstance(said.get("bearer_token"), str):
        found.append("bearer_token")
    words = _command(said)
    found += [
        f"args.{at}" for at, word in enumerate(words[1:])
        if _hidden(words, at + 1, secretish) or ("://" in word and _of_url(word, secretish))
    ]  # fmt: skip
    return found + [f"url.{key}" for key in _of_url(_url(said), secretish)]


def _of_url(url: str, secretish: Secretish) -> list[str]:
    """Where in a URL a secret stands."""
    parts = _split(url)
    if parts is None:
        return []
    found = [key for key, value in parse_qsl(parts.query) if _held(key, value, secretish)]
    found += ["password"] if parts.password else []
    return found + (["path"] if parts.path != _path(parts.path) else [])


def _path(path: str) -> str:
    """A path without the parts of it that are keys."""
    return "/".join(_MASK if _KEY.match(part) or _LOOKS.search(part) else part for part in path.split("/"))


def _held(key: str, value: object, secretish: Secretish) -> bool:
    if not isinstance(value, str) or not _VARIABLE.sub("", value).replace("Bearer", "").strip():
        return False
    return secretish(key) or _LOOKS.search(value) is not None


def _hidden(words: Sequence[str], at: int, secretish: Secretish) -> bool:
    """Whether a word of a command is, or holds, a secret: by its own look, or by the flag it belongs to."""
    word, before = words[at], words[at - 1].lstrip("-")
    key, equals, value = word.lstrip("-").partition("=")
    if equals and _held(key, value, secretish):
        return True
    if words[at - 1].startswith("-") and not word.startswith("-") and _held(before, word, secretish):
        return True
    key, colon, value = word.partition(":")
    return bool(colon and _held(key.strip(), value, secretish)) or _LOOKS.search(word) is not None


def _split(url: str) -> Any:  # noqa: ANN401 - the standard library's own, or None
    try:
        return urlsplit(url) if url else None
    except ValueError:
        return None


def shown(entry: Entry, secretish: Secretish) -> str:
    """How a server is reached, without anything that may be secret."""
    if not entry.command:
        parts = _split(entry.url)
        host = "" if parts is None else parts.netloc.rpartition("@")[2]
        return "a URL" if parts is None else urlunsplit((parts.scheme, host, _path(parts.path), "", ""))
    words = [
        _MASK if at and (_hidden(entry.command, at, secretish) or len(word) > _LONGEST) else _bare(word)
        for at, word in enumerate(entry.command)
    ]
    return " ".join(words)


def _bare(word: str) -> str:
    """A word without the query, the user and the keys of a URL in it."""
    parts = _split(word) if "://" in word else None
    return (
        word
        if parts is None
        else urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], _path(parts.path), "", ""))
    )


def through(entry: Entry, bases: Sequence[str]) -> bool:
    """Whether it passes through Remit: by its shim, or by a URL of a Remit (`bases`)."""
    if entry.command:
        return is_ours({"command": entry.command[0], "args": list(entry.command[1:])})
    return any(entry.url.startswith((f"{base}/mcp/", f"{base}/servers/")) for base in bases)
