"""The arguments that people decide about, sealed under the agent's data key and for one request only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.kernel.canonical import encode, parse
from remit.kernel.errors import NotFound
from remit.keys.seal import seal, unseal
from remit.requests.ports import DataKeys


def closed(keys: DataKeys, *, agent: str, request: str, arguments: Mapping[str, Any]) -> bytes:
    """What is stored. Numbers are kept as they were written."""
    return seal(keys.data_key(f"agent:{agent}"), encode(arguments), aad=("access_requests", request))


def opened(keys: DataKeys, *, agent: str, request: str, sealed: bytes) -> Mapping[str, Any] | None:
    """What was stored; None once it was erased, or its key was.

    Raises:
        IntegrityFailed: The bytes are damaged, or those of another request.
    """
    if not sealed:
        return None
    try:
        key = keys.data_key(f"agent:{agent}")
    except NotFound:
        return None
    found: Mapping[str, Any] = parse(unseal(key, sealed, aad=("access_requests", request)))
    return found
