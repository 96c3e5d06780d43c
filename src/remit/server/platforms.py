"""What is usual of the platforms that agents run on, told to those who declare trusts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from remit.agents.bindings.preset import NAMES, preset
from remit.attestation.trust import Trust, Usual, declared


@cache
def usual() -> Mapping[str, Usual]:
    """The defaults of trusts, by preset."""
    found = {name: preset(name).trust for name in NAMES}
    return {
        name: Usual(
            issuer=each.issuer, algorithms=each.algorithms, max_age=each.max_age,
            refused_audiences=each.refused_audiences,
        )
        for name, each in found.items()
    }  # fmt: skip


def trust(spec: object) -> Trust:
    """The trust that a document describes.

    Raises:
        SpecInvalid: The document has problems.
    """
    return declared(spec, usual=usual())
