"""Does a text climb out of where it begins (pure).

A bound `prefix: /srv/public/` is meant as a place, and servers read paths and URIs as such: RFC 3986 section 5.2.4
and every file system take `/srv/public/../private` for `/srv/private`; WHATWG's URL parser (the official TypeScript
SDK's) also takes `%2e%2e`, a backslash, and a `..` with a tab in it for a step up. So a text with such a step has no
one beginning, and is inside no prefix.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_DECODINGS: Final = 4  # more than readers in a row undo; what could still be decoded then is taken for a step
_UNREAD: Final = frozenset({"Cc", "Cf"})  # tabs and line ends, zero-width characters: parsers drop them
_ENDS = re.compile(r"[/\\?#;]")  # `;` begins a parameter for some servers: `/..;/`
_STEP: Final = ".."


def climbs(text: str) -> bool:
    """Whether a reader of paths or URIs may take a part of `text` for a step up."""
    if text.isascii() and text.isprintable() and "%" not in text and _STEP not in text:
        return False
    for _ in range(_DECODINGS):
        decoded = unquote(text, errors="replace")
        if decoded == text:
            break
        text = decoded
    else:
        return True
    # Compatibility forms too: U+2025 and U+FF0E are dots for who normalises.
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) not in _UNREAD)
    return any(part.strip() == _STEP for part in _ENDS.split(text))
