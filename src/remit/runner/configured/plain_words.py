"""What is plainly words, and so no key, whoever issued it (pure).

A key has at least 16 characters of letters and digits in no order, or it is none. A word has letters only, or a number
of one or two digits at its end; its case is regular; and a long one can be pronounced, more or less.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

MASK: Final = "***"
_PIECE: Final = re.compile(r"([\W_]+)")
_REGULAR: Final = re.compile(r"(?:[A-Z]?[a-z]*|[A-Z]{1,5})[0-9]{0,2}\Z")
# GITHUB, MyServer: only where everything around it is words too.
_HUMPS: Final = re.compile(r"(?:[A-Z]{1,12}|[A-Z]?[a-z]{1,12}(?:[A-Z][a-z]{1,12}|[A-Z]{2,4}\Z){0,2})\Z")
_SHORT: Final = 3  # a mix of so few characters (v1, s3, x86) is worth nothing
_CLUSTER: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|[aeiouy]{4}|(.)\1\1", re.IGNORECASE)
_HEX: Final = re.compile(r"[a-f]{8,}\Z", re.IGNORECASE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EASY: Final = 8  # letters: longer words are looked at closer
_LONGEST: Final = 20
_LONGEST_IN_PATH: Final = 15
_LONGEST_PART: Final = 32
_MOST_PIECES: Final = 4
_PART: Final = re.compile(r"[.]?[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*(?:\.(?:json|html?|php|py|js))?\Z")


def word(piece: str, longest: int = _LONGEST) -> bool:
    """Whether letters and digits in a row are plainly a word."""
    if len(piece) <= _SHORT:
        return True
    if len(piece) > longest or not piece.isascii() or _REGULAR.match(piece) is None:
        return False
    letters = piece.rstrip("0123456789")
    if _HEX.match(letters):
        return False
    return len(letters) <= _EASY or (letters == piece and _CLUSTER.search(letters) is None)


def number(piece: str) -> bool:
    """Whether it is a number as ports and years are: no more than five digits."""
    return piece.isascii() and piece.isdigit() and len(piece) <= len("65535")


def masked(text: str) -> str:
    """A word of a command with `***` for each piece of it that is not plainly a word or a short number.

    A key with dashes or slashes in it is several pieces, and by chance some are words. So beside one that is none, what
    is shown are words in small letters only.
    """
    pieces = _PIECE.split(_UUID.sub(MASK, text))
    if all(word(each) or number(each) or _HUMPS.match(each) for each in pieces[::2]):
        return "".join(pieces)
    return "".join(each if at % 2 or (word(each) and not _mixed(each)) else MASK for at, each in enumerate(pieces))


def path(text: str) -> str:
    """The path of a URL with `***` for each part that is not plainly words; beside such a one, in small letters."""
    parts = text.split("/")
    whole = all(map(in_path, parts))
    return "/".join(each if in_path(each) and (whole or not _mixed(each)) else MASK for each in parts)


def _mixed(piece: str) -> bool:
    return any(char.isupper() or char.isdigit() for char in piece)


def plain(text: str) -> str:
    """A name as it is if it is plainly words, else `***`."""
    return text if masked(text) == text and len(text) <= _LONGEST_PART else MASK


def in_path(part: str) -> bool:
    """Whether a part of a path is plainly words: short, with dashes between them, and no digits but two at the end."""
    if not part:
        return True
    pieces = re.split("[-_]", part.lstrip(".").partition(".")[0])
    return (
        len(part) <= _LONGEST_PART
        and len(pieces) <= _MOST_PIECES
        and _PART.match(part) is not None
        and all(word(each, _LONGEST_IN_PATH) for each in pieces)
    )


def in_host(host: str) -> str:
    """A host's name with `***` for each label that is not plainly words; addresses stand as they are."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return ".".join(each if _label(each) else MASK for each in host.split("."))
    return host


def _label(label: str) -> bool:
    return all(word(each) or number(each) for each in re.split("[-_]", label)) and label.isprintable()
