"""Finding a secret in what a server sends back (pure): as it is, and in the usual encodings.

Every form is looked for twice: in the bytes as they come, and in what JSON's escapes stand
for, however deep one JSON text stands inside another. Best effort: it stops a server that
echoes request headers, not one that wants to smuggle.

In the names of headers, and only there, case does not count: HTTP's do not (RFC 9110 section 5.1), so most servers and
proxies write them in lower case, and Remit does. A secret that came that way is guessed in no time, and often works as
it is. In values and bodies nobody folds case unasked, while every chunk of every answer would have to be folded to
look for it.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode, b64encode
from collections.abc import Callable, Iterable
from urllib.parse import quote

from remit.vault.model import SHORTEST

_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?\Z")  # one that the next chunk may complete
_LONGEST_ESCAPE = 5
_HEAD = 4  # bytes that are looked for first
Told = Callable[[bytes], None]
"""Told once what was found: one of the forms of a value, or what is left of it without its backslashes."""


def forms(value: bytes) -> frozenset[bytes]:
    """The byte strings that give `value` away; none for a value too short to be told from text."""
    if len(value) < SHORTEST:
        return frozenset()
    text = value.decode("utf-8", "replace")
    digits, percent, written = value.hex(), "%" + value.hex("%"), json.dumps(text)[1:-1]
    found = {
        value,
        digits.encode(),
        digits.upper().encode(),
        written.encode(),
        written.replace("/", "\\/").encode(),
        quote(text, safe="").encode(),
        percent.encode(),
        percent.upper().encode(),
    }
    for offset in range(3):
        inner = _inner(b64encode(bytes(offset) + value), 6, offset, len(value))
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    for offset in range(5):
        inner = _inner(b32encode(bytes(offset) + value), 5, offset, len(value))
        found |= {inner, inner.lower()}
    return frozenset(found)


def _inner(encoded: bytes, bits: int, offset: int, length: int) -> bytes:
    """The characters, `bits` each, that depend on a value alone where it stands `offset` bytes into a text."""
    first = -(-offset * 8 // bits)  # rounded up: a character shared with what stands before is left out
    return encoded[first : (offset + length) * 8 // bits]


def _begun(text: bytes, needle: bytes) -> int:
    """The length of the longest end of `text` that `needle` begins with."""
    head = needle[:_HEAD]
    at = text.find(head)
    while at >= 0:
        if needle.startswith(text[at:]):
            return len(text) - at
        at = text.find(head, at + 1)
    return next((size for size in range(min(_HEAD, len(needle)) - 1, 0, -1) if text.endswith(needle[:size])), 0)


def unescaped(text: bytes) -> str:
    """What is left of `text` once JSON's escapes are undone and the backslashes that wrote them are gone.

    Backslashes are dropped altogether, as they are from what is looked for: how many of them stand before
    an escape only says how deep a JSON text stands inside others.
    """
    if b"\\" not in text:
        return text.decode("latin-1")
    while b"\\\\" in text:
        text = text.replace(b"\\\\", b"\\")
    # Python's own \\U is none of JSON's; \\u and four digits mean the same in both.
    return text.replace(b"\\U", b"U").decode("raw_unicode_escape", "replace").replace("\\", "")


class Sought:
    """What is looked for, put together once and then for any number of responses. Do not log it.

    Args:
        needles: The byte strings that give a secret away, as of `forms`.
    """

    __slots__ = ("_folded", "_plain", "keep", "needles")

    def __init__(self, needles: Iterable[bytes]) -> None:
        self.needles = tuple(set(needles))
        self.keep = max(map(len, self.needles), default=1) - 1
        self._plain: tuple[str, ...] = ()
        self._folded: tuple[bytes, ...] = ()

    def folded(self) -> tuple[bytes, ...]:
        """The same in lower case (ASCII alone: a header's name has no other letters); made when a name is looked at."""
        if not self._folded:
            self._folded = tuple({needle.lower() for needle in self.needles})
        return self._folded

    def plain(self) -> tuple[str, ...]:
        """The same as they read once JSON's escapes are undone; made when there is something to undo."""
        if not self._plain:
            self._plain = tuple({needle.decode("latin-1").replace("\\", "") for needle in self.needles})
        return self._plain


class Scanner:
    """Looks through one response, chunk by chunk, also across the borders of chunks."""

    __slots__ = ("_found", "_keep", "_needles", "_open", "_plain", "_plain_tail", "_sought", "_tail", "_told")

    def __init__(self, sought: Sought | Iterable[bytes], told: Told | None = None) -> None:
        self._told = told
        self._sought = sought if isinstance(sought, Sought) else Sought(sought)
        self._needles = self._sought.needles
        self._keep = self._sought.keep
        self._plain: tuple[str, ...] = ()
        self._tail = b""
        self._plain_tail = ""
        self._open = b""  # an escape that a chunk ended in
        self._found = False

    def feed(self, chunk: bytes) -> bool:
        """Whether a secret has been seen, in this chunk or before. The chunk that completes it must not be sent on."""
        if self._found or not self._needles:
            return self._found
        if not self._plain and b"\\" in chunk:
            self._plain = self._sought.plain()
            self._plain_tail = unescaped(self._tail)
        self._found = self._as_it_is(chunk) or (bool(self._plain) and self._as_it_reads(chunk))
        return self._found

    def named(self, names: Iterable[bytes]) -> bool:
        """Whether one of these names of headers gives a secret away, in whatever case, or one has been seen before."""
        if not self._found and self._needles:
            text = b"\n".join(names).lower()
            self._found = any(needle in text for needle in self._sought.folded())
        return self._found

    def held(self) -> int:
        """How many bytes at the end of what was fed may be a secret's beginning, and should wait for the next chunk."""
        return max((_begun(self._tail, needle) for needle in self._needles), default=0)

    def _as_it_is(self, chunk: bytes) -> bool:
        text = self._tail + chunk if self._tail else chunk
        self._tail = text[-self._keep :] if self._keep else b""
        for needle in self._needles:
            if needle in text:
                self._tell(needle)
                return True
        return False

    def _as_it_reads(self, chunk: bytes) -> bool:
        chunk = self._open + chunk
        cut = _ESCAPE.search(chunk, max(0, len(chunk) - _LONGEST_ESCAPE))
        self._open = cut[0] if cut is not None else b""
        text = self._plain_tail + unescaped(chunk[: len(chunk) - len(self._open)])
        self._plain_tail = text[-self._keep :] if self._keep else ""
        for needle in self._plain:
            if needle in text:
                self._tell(needle.encode("latin-1"))
                return True
        return False

    def _tell(self, needle: bytes) -> None:
        if self._told is not None:
            self._told(needle)


def gives_away(needle: bytes, value: bytes) -> bool:
    """Whether `needle`, as a scanner told of it, is one of the forms of `value`."""
    return any(needle in {form, form.replace(b"\\", b"")} for form in forms(value))
