"""Whether a text climbs out of where it begins, as Remit reads it: its own rule again, for checks without it (pure).

Paths and URIs are read by many: RFC 3986 section 5.2.4 and every file system take `/srv/public/../private` for
`/srv/private`, and some also take `%2e%2e`, `..;`, a backslash or a dot of another script for such a step.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from jsonschema_rs import KeywordValidator

# More than readers in a row undo, and one that changes nothing; what could still be decoded then is taken for a step.
_DECODINGS: Final = 5
_UNREAD: Final = frozenset({"Cc", "Cf"})  # tabs and line ends, zero-width characters: parsers drop them
# `;` begins a parameter for some servers (`/..;/`), `:` a stream of NTFS (`..::$INDEX_ALLOCATION`); and what Windows
# takes for a slash where a text goes from Unicode to a code page: the yen and won signs, fraction and division slashes.
_ENDS = re.compile("[/\\\\?#;:\u00a5\u20a9\u2044\u2215\u2216\u29f5\u29f8\u29f9]")
_NUL: Final = "\x00"
_STEP: Final = ".."
# ASCII in more octets than it needs, which RFC 3629 section 3 forbids and old servers read: `%c0%ae` is a dot,
# `%c0%af` a slash; some look at the last six bits alone, so that `%c0%2e` is a dot too. And `%u002e`, as IIS reads it.
_LONGER: Final = re.compile(
    r"%c([01])%([0-9a-f]{2})|(?:%e0|%f0%80|%f8%80%80|%fc%80%80%80)%8([01])%([0-9a-f]{2})", re.IGNORECASE
)
_WIDE: Final = re.compile(r"%u([0-9a-f]{4})", re.IGNORECASE)


class NoStepUp:
    """The keyword `x-remit-no-step-up` of a mandate's schemas: true where a text may hold no step up."""

    def __init__(self, _parent: dict[str, Any], value: object, _path: list[str | int]) -> None:
        """Made by the validator, once for each place where the keyword stands."""
        self._asked = value is True

    def validate(self, instance: object) -> None:
        """Raise ValueError for a text with a step up."""
        if self._asked and isinstance(instance, str) and climbs(instance):
            raise ValueError(f"{instance!r} has a step up (..), so it is inside no prefix")


KEYWORDS: Final[dict[str, type[KeywordValidator]]] = {"x-remit-no-step-up": NoStepUp}


def climbs(text: str) -> bool:
    """Whether a reader of paths or URIs may take a part of `text` for a step up."""
    if text.isascii() and text.isprintable() and "%" not in text and _STEP not in text:
        return False
    for _ in range(_DECODINGS):
        before, ended, _ = text.partition(_NUL)
        if ended and climbs(before):  # where a text ends for who reads it as C does: `..%00.txt`
            return True
        read = _read(text)
        if read == text:
            break
        text = read
    else:
        return True
    return any(part.strip() == _STEP for part in _ENDS.split(text))


def _read(text: str) -> str:
    """What one reader makes of it. It drops what it does not read first: `%2` and `e` with a tab between are a dot.

    Compatibility forms too: U+2025 and U+FF0E are dots for who normalises, and U+FF05 is a percent sign.
    """
    seen = "".join(char for char in text if unicodedata.category(char) not in _UNREAD)
    seen = _LONGER.sub(_shorter, unicodedata.normalize("NFKC", seen))
    return unquote(_WIDE.sub(lambda said: chr(int(said[1], 16)), seen), errors="replace")


def _shorter(said: re.Match[str]) -> str:
    high, low = next((said[at], said[at + 1]) for at in (1, 3) if said[at] is not None)
    return f"%{int(high) << 6 | int(low, 16) & 0x3F:02x}"
