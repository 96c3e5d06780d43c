r"""What changed in a text, word by word, so that a person sees it. Pure.

Hidden and direction-changing characters come written out (`\u202e`); they are marked, so that nobody takes them for
the text's own words.
"""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

_TOKEN: Final = re.compile(r"\s+|\w+|[^\w\s]")
_ESCAPED: Final = re.compile(r"(\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})")
_MOST: Final = 3000  # tokens that are compared one by one: more than that is shown as all new
_LONGEST: Final = 20_000  # characters of one side


class Part(NamedTuple):
    """A piece of one side. `kind`: same, gone (of the old side), come (of the new), or seen: a hidden character."""

    kind: str
    text: str


class Difference(NamedTuple):
    """One place of a definition. A side that is None did not have it."""

    place: str
    old: tuple[Part, ...] | None
    new: tuple[Part, ...] | None


def difference(place: str, old: object, new: object) -> Difference:
    """Both sides, with the words that went and came marked."""
    if old is None or new is None:
        return Difference(place or "the whole tool", _whole("gone", old), _whole("come", new))
    before, after = _text(old), _text(new)
    olds, news = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(olds) > _MOST or len(news) > _MOST:
        return Difference(place, _marked([("gone", before)]), _marked([("come", after)]))
    left, right = [], []
    for tag, a, b, c, d in SequenceMatcher(a=olds, b=news, autojunk=False).get_opcodes():
        same = tag == "equal"
        left.append(("same" if same else "gone", "".join(olds[a:b])))
        right.append(("same" if same else "come", "".join(news[c:d])))
    return Difference(place or "the whole tool", _marked(left), _marked(right))


def _whole(kind: str, value: object) -> tuple[Part, ...] | None:
    return None if value is None else _marked([(kind, _text(value))])


def _marked(pieces: list[tuple[str, str]]) -> tuple[Part, ...]:
    found: list[Part] = []
    for kind, text in pieces:
        found += [Part("seen" if _ESCAPED.fullmatch(piece) else kind, piece) for piece in _ESCAPED.split(text) if piece]
    return tuple(found)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    said = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    return said if len(said) <= _LONGEST else said[:_LONGEST] + f" … {len(said) - _LONGEST} more characters"
