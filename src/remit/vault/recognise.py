"""Finding a known secret in what an agent sends: it has it from somewhere, and that should not be.

No value is kept for that. Of each form of each value (`vault/echo.py`) the longest run of letters and digits is
remembered as a keyed digest, by a key that this process drew; runs in a request are looked up by theirs, and only where
one is known is the secret opened and looked for whole. So it costs the same with one secret as with a thousand.

A value in which no run has sixteen characters is not found. Attack: an agent that knew nothing sends thousands of
guesses in a request, and the one that is refused is right, and stops the secret as well.
"""

from __future__ import annotations

import re
import secrets as randomness
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_to_bytes

from remit.vault.echo import Scanner, forms
from remit.vault.model import SecretUnavailable, Version

MOST: Final = 64 * 1024  # bytes that are looked through, from the beginning
LEAST: Final = 16  # characters of a run that nobody guesses
_RUN: Final = re.compile(rb"[A-Za-z0-9_-]{%d,}" % LEAST)
_DIGEST: Final = 16
Of = tuple[str, int, bytes | None]
"""A secret, its version and its bytes as they are sealed."""
Open = Callable[[Version], bytes]


class Recognise:
    """Looks through requests. `renew` replaces what is looked for whole; reading needs no lock."""

    def __init__(self) -> None:
        self._key = randomness.token_bytes(32)
        self._of: Mapping[Of, frozenset[tuple[int, bytes]]] = {}
        self._known: Mapping[bytes, tuple[Version, ...]] = {}
        self._lengths: frozenset[int] = frozenset()

    def renew(self, held: Iterable[Version], open_: Open) -> None:
        """These are the versions that there are now. Only new ones are opened; one that does not open is left out."""
        of: dict[Of, frozenset[tuple[int, bytes]]] = {}
        known: dict[bytes, tuple[Version, ...]] = {}
        for each in held:
            at = (each.secret, each.version, each.sealed)
            of[at] = found = self._of[at] if at in self._of else self._marks(each, open_)
            for _, digest in found:
                known[digest] = (*known.get(digest, ()), each)
        self._of, self._known = of, known
        self._lengths = frozenset(length for marks in of.values() for length, _ in marks)

    def find(self, text: bytes, open_: Open) -> list[tuple[Version, bytes]]:
        """The versions whose value is in `text`, each with the form in which it is; of its first 64 KiB."""
        if not self._lengths:
            return []
        text = text[:MOST]
        if (
            b"%" in text
        ):  # a query or a form: in Base64 `+` and `/` are escaped, and a run would begin with their digits
            text = text + b"\n" + unquote_to_bytes(text)
        hits: dict[Of, Version] = {}
        for run in _RUN.findall(text):
            if len(run) in self._lengths:
                hits |= {
                    (each.secret, each.version, each.sealed): each for each in self._known.get(self._digest(run), ())
                }
        found: list[tuple[Version, bytes]] = []
        for each in hits.values():
            seen: list[bytes] = []
            try:
                looked = forms(open_(each))
            except SecretUnavailable:  # it was erased a moment ago
                continue
            if Scanner(looked, seen.append).feed(text):
                found.append((each, seen[0]))
        return found

    def _marks(self, it: Version, open_: Open) -> frozenset[tuple[int, bytes]]:
        try:
            value = open_(it)
        except SecretUnavailable:
            return frozenset()
        if _RUN.search(value) is None:
            return frozenset()
        whole = {b64encode(value), urlsafe_b64encode(value)}  # alone, with the bits that others would share
        longest = (max(_RUN.findall(form), key=len, default=b"") for form in forms(value) | whole)
        return frozenset((len(run), self._digest(run)) for run in longest if run)

    def _digest(self, run: bytes) -> bytes:
        return blake2b(run, key=self._key, digest_size=_DIGEST).digest()
