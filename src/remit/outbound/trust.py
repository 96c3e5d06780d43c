"""Whose certificates an outgoing connection believes."""

from __future__ import annotations

import ssl
from functools import lru_cache


@lru_cache(maxsize=256)
def only(ca: str) -> ssl.SSLContext:
    """What connections are made with that believe the authorities in `ca` (PEM), and none of this machine's.

    Raises:
        ValueError: It is no certificate's PEM.
    """
    try:
        return ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise ValueError("the authority's certificate does not load") from error
