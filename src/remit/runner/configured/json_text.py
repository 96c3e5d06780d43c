"""Changing one member of a JSON text and leaving every other byte as it is (pure); comments and spare commas pass."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_ATOM: Final = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_DEEPEST: Final = 100


class Unreadable(ValueError):
    """A text that is no JSON, or not of the shape that is expected."""


@dataclass(slots=True)
class Member:
    """One member of an object, from its key to the end of its value."""

    key: str
    start: int
    value: Node

    @property
    def end(self) -> int:
        """Where its value ends."""
        return self.value.end


@dataclass(slots=True)
class Node:
    """One value and where it stands."""

    start: int
    end: int = 0
    value: Any = None
    members: list[Member] | None = None  # of an object

    def find(self, key: str) -> Member | None:
        """The member of that name; readers take the last one."""
        return next((each for each in reversed(self.members or ()) if each.key == key), None)


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    depth: int = field(default=0)

    def space(self) -> str:
        """Skip what is no token; the next character."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at
        return self.text[self.at : self.at + 1]

    def value(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable("too deep")
        node, first = Node(self.at), self.text[self.at : self.at + 1]
        if first == "{":
            self._object(node)
        elif first == "[":
            self._list(node)
        else:
            node.value = json.loads(self._token(_STRING if first == '"' else _ATOM))
        node.end = self.at
        self.depth -= 1
        return node

    def _object(self, node: Node) -> None:
        self.at += 1
        node.members = []
        while self.space() != "}":
            start = self.at
            key = json.loads(self._token(_STRING))
            if self.space() != ":":
                raise Unreadable(f"a colon is expected at character {self.at}")
            self.at += 1
            self.space()
            node.members.append(Member(key, start, self.value()))
            self._comma("}")
        self.at += 1
        node.value = {each.key: each.value.value for each in node.members}

    def _list(self, node: Node) -> None:
        self.at += 1
        node.value = []
        while self.space() != "]":
            node.value.append(self.value().value)
            self._comma("]")
        self.at += 1

    def _comma(self, end: str) -> None:
        if self.space() == ",":
            self.at += 1
        elif self.text[self.at : self.at + 1] != end:
            raise Unreadable(f"a comma is expected at character {self.at}")

    def _token(self, kind: re.Pattern[str]) -> str:
        found = kind.match(self.text, self.at)
        if found is None:
            raise Unreadable(f"this is no JSON at character {self.at}")
        self.at = found.end()
        return found[0]


def read(text: str) -> Node:
    """The object that a text is; an empty text is an empty one, of no place.

    Raises:
        Unreadable: It is none.
    """
    reader = _Reader(text, 1 if text.startswith("\ufeff") else 0)  # a byte order mark
    if not reader.space():
        return Node(0, 0, {}, None)
    try:
        node = reader.value()
    except ValueError as error:  # of a number or an escape
        raise Unreadable(str(error)) from error
    if reader.space() or node.members is None:
        raise Unreadable("this is not one JSON object")
    return node


def put(text: str, key: str, name: str, value: Mapping[str, Any]) -> str:
    """`text` with `value` as member `name` of its member `key`, either made if it is missing.

    Raises:
        Unreadable: The text, or its member, is no object.
    """
    root = read(text)
    if root.members is None:
        return json.dumps({key: {name: value}}, indent=2, ensure_ascii=False) + "\n"
    holder = root.find(key)
    if holder is None:
        return _add(text, root, key, {name: value})
    if holder.value.members is None:
        raise Unreadable(f"{key} is no object")
    found = holder.value.find(name)
    if found is None:
        return _add(text, holder.value, name, value)
    return text[: found.value.start] + _written(text, found.start, value) + text[found.end :]


def take(text: str, key: str, name: str) -> str:
    """`text` without member `name` of its member `key`; as it is if there is none.

    Raises:
        Unreadable: The text is no object.
    """
    holder = read(text).find(key)
    members = holder.value.members if holder is not None else None
    found = holder.value.find(name) if holder is not None else None
    if not members or found is None or holder is None:
        return text
    at = members.index(found)
    if at > 0:
        return text[: members[at - 1].end] + text[found.end :]
    if len(members) > 1:
        return text[: found.start] + text[members[1].start :]
    rest = text[found.end : holder.value.end - 1].lstrip().removeprefix(",")
    return text[: holder.value.start + 1] + ("" if not rest.strip() else rest) + text[holder.value.end - 1 :]


def _add(text: str, holder: Node, name: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    members = holder.members or []
    if members:
        last = members[-1]
        lead = _lead(text, last.start)
        said = f"{json.dumps(name, ensure_ascii=False)}: {_written(text, last.start, value)}"
        return text[: last.end] + "," + (lead or " ") + said + text[last.end :]
    outer = _indent(text, holder.start)
    inner = outer + _unit(text)
    said = f"{json.dumps(name, ensure_ascii=False)}: {_dumped(value, inner, _unit(text))}"
    return text[: holder.start + 1] + f"\n{inner}{said}\n{outer}" + text[holder.start + 1 :].lstrip()


def _written(text: str, start: int, value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as it is written beside what begins at `start`: on lines of its own if that does."""
    if not _lead(text, start):
        return json.dumps(value, ensure_ascii=False)
    return _dumped(value, _indent(text, start), _unit(text))


def _dumped(value: Any, indent: str, unit: str) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", "\n" + indent)


def _lead(text: str, start: int) -> str:
    """The line break and indentation before `start`; empty if something else stands there."""
    found = re.search(r"\r?\n[ \t]*\Z", text[:start])
    return found[0] if found is not None else ""


def _indent(text: str, start: int) -> str:
    line = text[text.rfind("\n", 0, start) + 1 : start]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """One step of indentation, as the text's first indented line has it."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found is not None else "  "
