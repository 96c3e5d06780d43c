"""What is looked for of the secrets that calls have just used: made once for the calls of a second.

To write a secret in every encoding takes longer than to look through an ordinary answer for all of them. The vault is
asked anew at each use all the same; what was made is forgotten after a second, whether or not somebody asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from remit.vault.echo import Scanner, Sought, Told, forms

_SECONDS: Final = 1.0
_MOST: Final = 256  # secrets; beyond that, each call makes its own
Later = Callable[[float, Callable[[], None]], object]


class Lately:
    """Scanners for secrets. Belongs to one event loop; where none runs, nothing is kept."""

    def __init__(self, later: Callable[[], Later | None] | None = None) -> None:
        self._later = later or _of_the_loop
        self._made: dict[tuple[bytes, ...], Sought] = {}

    def __len__(self) -> int:
        return len(self._made)

    def looking_for(self, *values: bytes, once: bytes = b"", told: Told | None = None) -> Scanner:
        """What looks through one response for `values`, and for what is of this one call (`once`: a signature)."""
        sought = self._sought(values)
        return Scanner((*sought.needles, *forms(once)) if once else sought, told)

    def _sought(self, values: tuple[bytes, ...]) -> Sought:
        of = tuple(sha256(value).digest() for value in values)  # a secret is no key of anything
        found = self._made.get(of)
        if found is not None:
            return found
        found = Sought(form for value in values for form in forms(value))
        if len(self._made) < _MOST and (later := self._later()) is not None:
            if not self._made:
                later(_SECONDS, self._forget)
            self._made[of] = found
        return found

    def _forget(self) -> None:
        self._made = {}


def _of_the_loop() -> Later | None:
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the one way to ask without an exception
    return None if loop is None else loop.call_later
