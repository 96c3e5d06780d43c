"""Cedar's schema language read into Cedar's JSON (pure): the engine takes both and gives neither back as data.

Read is what the engine itself printed of a schema that it had accepted, so this reader decides about nothing:
`declared.py` has the engine print what was read here once more, and whatever does not come out the same is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)|(?P<mark>::|.))', re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_PLAIN: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_END: Final = ("end", "")


class SchemaUnread(ValueError):
    """Something in a schema's text is not known to this reader."""


def read(text: str) -> dict[str, Any]:
    """A schema in Cedar's JSON, by namespace.

    Raises:
        SchemaUnread: It holds what this reader does not know.
    """
    return _Reader(_tokens(text)).schema()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise SchemaUnread("unreadable")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _unquoted(literal: str) -> str:
    def plain(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _PLAIN[match[2]]

    try:
        return _ESCAPE.sub(plain, literal[1:-1])
    except (KeyError, ValueError) as error:
        raise SchemaUnread("a string") from error


class _Reader:
    """One pass over the tokens."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._next != _END:
            notes = self._annotations()
            if self._took("namespace"):
                name = self._name()
                self._mark("{")
                own = found.setdefault(name, _empty())
                if notes:
                    own["annotations"] = notes
                while not self._took("}"):
                    self._declaration(own, self._annotations())
            else:
                self._declaration(found.setdefault("", _empty()), notes)
        return found

    def _declaration(self, into: dict[str, Any], notes: dict[str, str]) -> None:
        if self._took("type"):
            name = self._name()
            self._mark("=")
            into.setdefault("commonTypes", {})[name] = self._type() | _noted(notes)
        elif self._took("entity"):
            for name, said in self._entities():
                into["entityTypes"][name] = said | _noted(notes)
        elif self._took("action"):
            for name, said in self._actions():
                into["actions"][name] = said | _noted(notes)
        else:
            raise SchemaUnread(self._next[1])
        self._mark(";")

    def _entities(self) -> list[tuple[str, dict[str, Any]]]:
        names, said = self._several(self._name), dict[str, Any]()
        if self._took("enum"):
            self._mark("[")
            said["enum"] = self._several(self._text)
            self._mark("]")
            return [(name, said) for name in names]
        if self._took("in"):
            said["memberOfTypes"] = self._listed(self._name)
        if self._took("=") or self._next[1] == "{":
            said["shape"] = self._type()
        if self._took("tags"):
            said["tags"] = self._type()
        return [(name, said) for name in names]

    def _actions(self) -> list[tuple[str, dict[str, Any]]]:
        names, said = self._several(self._word), dict[str, Any]()
        if self._took("in"):
            said["memberOf"] = self._listed(self._group)
        if self._took("appliesTo"):
            said["appliesTo"] = self._applies()
        return [(name, said) for name in names]

    def _applies(self) -> dict[str, Any]:
        applies: dict[str, Any] = {"principalTypes": [], "resourceTypes": []}
        self._mark("{")
        while not self._took("}"):
            part = self._name()
            self._mark(":")
            if part == "context":
                applies["context"] = self._type()
            elif part in {"principal", "resource"}:
                applies[part + "Types"] = self._listed(self._name)
            else:
                raise SchemaUnread(part)
            self._took(",")
        return applies

    def _group(self) -> dict[str, str]:
        """A group of actions: `Action::"name"`, `NS::Action::"name"`, or its name alone."""
        if self._next[0] == "text":
            return {"id": self._text()}
        name = self._name()
        if not self._took("::"):
            return {"id": name}
        return {"type": name, "id": self._text()}

    def _type(self) -> dict[str, Any]:
        if self._took("{"):
            return self._record()
        name = self._name()
        if name == "Set" and self._took("<"):
            element = self._type()
            self._mark(">")
            return {"type": "Set", "element": element}
        return {"type": "EntityOrCommon", "name": name}

    def _record(self) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        while not self._took("}"):
            notes = self._annotations()
            name = self._word()
            required = not self._took("?")
            self._mark(":")
            attributes[name] = self._type() | _noted(notes) | ({} if required else {"required": False})
            self._took(",")
        return {"type": "Record", "attributes": attributes}

    def _annotations(self) -> dict[str, str]:
        found = {}
        while self._took("@"):
            name = self._name()
            found[name] = ""
            if self._took("("):
                found[name] = self._text()
                self._mark(")")
        return found

    def _several(self, one: Any) -> list[Any]:  # noqa: ANN401 - any of this reader's methods
        found = [one()]
        while self._took(","):
            found.append(one())
        return found

    def _listed(self, one: Any) -> list[Any]:  # noqa: ANN401 - as above
        if not self._took("["):
            return [one()]
        found = []
        while not self._took("]"):
            found.append(one())
            self._took(",")
        return found

    @property
    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _took(self, mark: str) -> bool:
        kind, value = self._next
        if kind == "text" or value != mark:
            return False
        self._at += 1
        return True

    def _mark(self, mark: str) -> None:
        if not self._took(mark):
            raise SchemaUnread(f"{self._next[1]!r} where {mark!r} is expected")

    def _take(self, kind: str) -> str:
        found, value = self._next
        if found != kind:
            raise SchemaUnread(f"{value!r} where a {kind} is expected")
        self._at += 1
        return value

    def _name(self) -> str:
        return self._take("name")

    def _text(self) -> str:
        return _unquoted(self._take("text"))

    def _word(self) -> str:
        return self._text() if self._next[0] == "text" else self._name()


def _empty() -> dict[str, Any]:
    return {"entityTypes": {}, "actions": {}}


def _noted(notes: dict[str, str]) -> dict[str, Any]:
    return {"annotations": notes} if notes else {}
