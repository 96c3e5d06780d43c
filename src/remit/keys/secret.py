"""A value that does not show itself: not in logs, tracebacks, JSON, pickles or messages.

This is the first net against leaks, not the last: who calls `reveal` holds the value.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import NoReturn, SupportsIndex

_SHOWN = "<secret>"


class Secret:
    """Bytes or text that only `reveal` and `text` give away.

    `str`, `repr` and every format show `<secret>`; JSON and pickle are refused; `==` takes
    the same time wherever two values differ, and a secret has no hash, so it is no dict key.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        if isinstance(value, str):
            # A lone surrogate would raise an error that carries the whole text.
            self._value = value.encode("utf-8", "surrogatepass")
        elif isinstance(value, bytes):
            self._value = value
        else:
            raise TypeError("a secret is bytes or text")

    def reveal(self) -> bytes:
        """The value. Keep it out of variables that live long."""
        return self._value

    def text(self) -> str:
        """The value as text.

        Raises:
            ValueError: It is not UTF-8.
        """
        with suppress(UnicodeDecodeError):
            return self._value.decode("utf-8")
        # Raised out here: a UnicodeDecodeError holds all the bytes, also as another error's `__context__`.
        raise ValueError("the secret is not UTF-8 text")

    def __repr__(self) -> str:
        return _SHOWN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment] # a hash would be a way to compare in variable time

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")
