"""Names and texts that show a person one thing and a model another. Pure.

Tool poisoning hides instructions in Unicode tags or zero-width characters, and shadows a
tool with a name that looks the same (threats: tool poisoning). What is found here is held
for a person; nothing is rewritten.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

_TEXT_CONTROLS = frozenset("\t\n\r")
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # drawn as nothing, yet no format characters
_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_UNSEEN = frozenset({"Cf", "Cc", "Co", "Cs", "Zl", "Zp"})
# Letters of other scripts that are drawn as these (the part of UTS 39's table that matters for ASCII names).
_DRAWN_AS = {
    "a": "\u0430\u03b1\u0251\u1d00",
    "b": "\u0184\u0432\u0299",
    "c": "\u0441\u03f2\u1d04",
    "d": "\u0501\u1d05",
    "e": "\u0435\u0454\u1d07\u03b5",
    "g": "\u0261\u0262",
    "h": "\u04bb\u043d\u029c",
    "i": "\u0456\u03b9\u0131\u026a",
    "j": "\u0458\u03f3\u1d0a",
    "k": "\u043a\u03ba\u1d0b",
    "l": "\u04cf\u029f\u2113",
    "m": "\u043c\u1d0d",
    "n": "\u0578\u057c\u03b7\u0274",
    "o": "\u043e\u03bf\u0585\u1d0f",
    "p": "\u0440\u03c1\u1d18",
    "q": "\u051b",
    "r": "\u0433\u0280",
    "s": "\u0455\ua731",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u057d\u03c5\u1d1c",
    "v": "\u0475\u03bd\u1d20",
    "w": "\u051d\u03c9\u1d21",
    "x": "\u0445\u03c7",
    "y": "\u0443\u04af\u03b3\u028f",
    "z": "\u1d22",
    "-": "\u2010\u2011\u2012\u2013\u2212\u02d7",
    "_": "\u02cd",
    ".": "\u2024",
    "/": "\u2044\u2215",
}
_PLAIN = str.maketrans({other: plain for plain, others in _DRAWN_AS.items() for other in others})


def skeleton(name: str) -> str:
    """What is left of a name when only its looks count: two names with one skeleton can be taken for each other."""
    seen = "".join(char for char in name if not _unseen(char) and not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", seen).casefold().translate(_PLAIN)


def _unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN or char in _FILLERS or _selects_variant(char)


def _selects_variant(char: str) -> bool:
    return "\ufe00" <= char <= _EMOJI_STYLE or "\U000e0100" <= char <= "\U000e01ef"


def looks_like_ascii(name: str) -> bool:
    """Whether a name that is not ASCII is drawn like one that is."""
    return not name.isascii() and skeleton(name).isascii()


def hides(text: str) -> bool:
    """Whether `text` holds what a person does not see: tags, zero-width, direction and control characters.

    The joiner and the style selector are let pass where they make an emoji, after a symbol.
    """
    return any(_hidden(char, before) for char, before in zip(text, " " + text, strict=False))


def _hidden(char: str, before: str) -> bool:
    if char.isascii():
        return not char.isprintable() and char not in _TEXT_CONTROLS
    if char in (_JOINER, _EMOJI_STYLE):
        return not (unicodedata.category(before) in {"So", "Sk"} or before == _EMOJI_STYLE)
    return _unseen(char)


def texts(value: object) -> Iterator[str]:
    """Every text in a definition: names of properties too, since a model reads them all."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield str(key)
            yield from texts(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from texts(member)


def visible(value: object) -> object:
    """The same value with every hidden character written as its escape, for a person's eyes."""
    if isinstance(value, str):
        return "".join(
            char.encode("unicode_escape").decode("ascii") if _hidden(char, before) else char
            for char, before in zip(value, " " + value, strict=False)
        )
    if isinstance(value, Mapping):
        return {visible(key): visible(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible(member) for member in value]
    return value
