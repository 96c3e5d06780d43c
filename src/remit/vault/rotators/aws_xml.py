"""What AWS's Query interface answers, read from XML that anybody between could have written. Pure.

There is no document type, so there are no entities: neither one that grows without end nor one that names a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from remit.kernel.errors import Malformed

_DEEP: Final = 32
_MOST: Final = 2000  # elements


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its name without a namespace, its text, what stands in it."""

    name: str
    text: str = ""
    inside: tuple[Element, ...] = ()

    def one(self, *path: str) -> Element | None:
        """The first of that name in it, and so on."""
        found: Element | None = self
        for name in path:
            found = None if found is None else next((each for each in found.inside if each.name == name), None)
        return found

    def say(self, *path: str) -> str:
        """The text of the first of that name; empty if there is none."""
        found = self.one(*path)
        return "" if found is None else found.text


@dataclass(slots=True)
class _Open:
    name: str
    text: list[str] = field(default_factory=list)
    inside: list[Element] = field(default_factory=list)


def read(body: bytes) -> Element:
    """The document element.

    Raises:
        Malformed: Not XML in UTF-8, or with a document type, or too deep or long.
    """
    reading = _Reading()
    parser = expat.ParserCreate("UTF-8")  # whatever the document says of itself; but a byte order mark goes first
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler = reading.begin, reading.end
    parser.CharacterDataHandler = reading.text
    try:
        body.decode()
        parser.Parse(body, True)  # noqa: FBT003 - expat's own
    except (expat.ExpatError, UnicodeDecodeError):
        pass
    else:
        if reading.whole is not None:
            return reading.whole
    raise Malformed("not XML")  # out here: the parser's error could quote the answer


class _Reading:
    def __init__(self) -> None:
        self.whole: Element | None = None
        self._open: list[_Open] = []
        self._count = 0

    def begin(self, name: str, _attributes: Any) -> None:  # noqa: ANN401 - expat's
        self._count += 1
        if len(self._open) >= _DEEP or self._count > _MOST:
            raise Malformed("the XML is too deep or too long")
        self._open.append(_Open(name.rpartition(":")[2]))

    def end(self, _name: str) -> None:
        done = self._open.pop()
        element = Element(done.name, "".join(done.text).strip(), tuple(done.inside))
        if self._open:
            self._open[-1].inside.append(element)
        else:
            self.whole = element

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)


def _refuse(*_: Any) -> None:  # noqa: ANN401 - expat's
    raise Malformed("XML with a document type is not read")
