"""Which root key seals a key, and the place that its seal is tied to. Pure.

A root key has a generation, counted from 1. What a later one than the first seals has the generation in its additional
data: bytes of one generation open in no row that says another. The first came before generations were counted, so its
places have none; no other place looks like them, for each of the others is longer or begins otherwise.
"""

from __future__ import annotations

from typing import Final

from remit.keys.seal import bind

FIRST: Final = 1
Place = tuple[str | int, ...]


def root_place(deployment: str, generation: int) -> bytes:
    """The additional data of a root key, under what stands outside of the database."""
    if generation == FIRST:
        return bind("meta", "root_key", 1, deployment)
    return bind("roots", generation, 1, deployment)


def data_key_place(owner: str, version: int, generation: int) -> Place:
    """The place of a data key under its root key."""
    return ("data_keys", owner, version, *_said(generation))


def signing_key_place(kid: str, use: str, algorithm: str, public: str, generation: int) -> Place:
    """The place of a signing key's private half under its root key."""
    return ("signing_keys", kid, 1, use, algorithm, public, *_said(generation))


def stored(generation: int) -> int | None:
    """As a row says it: rows of the first generation say nothing."""
    return None if generation == FIRST else generation


def read(generation: int | None) -> int:
    """What a row says."""
    return FIRST if generation is None else generation


def _said(generation: int) -> tuple[int, ...]:
    return () if generation == FIRST else (generation,)
