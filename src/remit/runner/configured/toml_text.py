"""Adding and taking out one table of a TOML text, and leaving every other byte as it is (pure)."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from remit.runner.configured.json_text import Unreadable

_QUOTED: Final = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_HEADER: Final = re.compile(
    rf"^[ \t]*\[\[?[ \t]*(?P<path>(?:{_QUOTED}|[^\]\n\"'])+?)[ \t]*\]\]?[ \t]*(?:#[^\n]*)?$", re.MULTILINE
)
_PART: Final = re.compile(rf"{_QUOTED}|[^.\s\"']+")
_LONG: Final = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def read(text: str) -> dict[str, Any]:
    """The text's values.

    Raises:
        Unreadable: It is no TOML.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Unreadable(str(error)) from error


def put(text: str, key: str, name: str, value: Mapping[str, Any]) -> str:
    """`text` with the table `[key.name]`, at its end; one that stands there is taken out first.

    Raises:
        Unreadable: It is no TOML, or the table cannot stand in it so (an inline table holds the others).
    """
    before = take(text, key, name)
    gap = "" if not before.strip() else "\n" if before.endswith("\n") else "\n\n"
    block = "".join(f"{each} = {_written(said)}\n" for each, said in value.items())
    after = f"{before}{gap}[{key}.{_key(name)}]\n{block}"
    wanted = read(before)
    holder = wanted.setdefault(key, {})
    if not isinstance(holder, dict):
        raise Unreadable(f"{key} is no table")
    holder[name] = dict(value)
    return _checked(after, wanted)


def take(text: str, key: str, name: str) -> str:
    """`text` without the table `[key.name]` and those below it; as it is if there is none.

    Raises:
        Unreadable: It is no TOML, or the table stands there in another form.
    """
    wanted = read(text)
    holder = wanted.get(key)
    if not isinstance(holder, dict) or name not in holder:
        return text
    del holder[name]
    headers = list(_HEADER.finditer(_LONG.sub(lambda long: "x" * len(long[0]), text)))  # none within a long text
    for at in reversed(range(len(headers))):
        if _path(headers[at]["path"])[:2] == [key, name]:
            end = headers[at + 1].start() if at + 1 < len(headers) else len(text)
            start = headers[at].start()
            # The empty line before it came with it; what stands between it and the next table stays with that.
            start -= text[:start].endswith("\n\n") and end == len(text)
            text = text[:start] + text[end:]
    if not holder and key not in read(text):
        del wanted[key]
    return _checked(text, wanted)


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    if read(text) != wanted:
        raise Unreadable("its tables stand in a form that is left to people")
    return text


def _path(path: str) -> list[str]:
    try:
        return [json.loads(part) if part[0] == '"' else part.strip("'") for part in _PART.findall(path)]
    except ValueError:  # an escape that only TOML has: none of ours
        return []


def _key(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name)


def _written(value: Any) -> str:  # noqa: ANN401 - a text or a list of them
    # A JSON text, or a list of them, is the same as TOML's.
    return json.dumps(value, ensure_ascii=True)
