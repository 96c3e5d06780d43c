"""What a running copy of an agent may prove instead of a registered key: a trusted issuer's word, a certificate, ...

Each method reads its own conditions. What a token names as its credential is the binding that let it in, so a
binding that is taken from the agent ends the tokens that were had with it. `id_jag` and `jwt_bearer` let nobody in:
they say whose word about somebody else is taken, beside a credential of the agent's own, and that is what the token
names. One that was had with such a word lives out its few minutes, unless the consent it stands on is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from remit.kernel.canonical import canonical


class Binding(NamedTuple):
    """One way to attest: the method, and its conditions as its reader left them (canonical JSON values)."""

    method: str
    said: Mapping[str, Any]

    @property
    def credential(self) -> str:
        """How a token names it: the method and a digest of its conditions."""
        return f"{self.method}:{sha256(canonical(dict(self.said))).hexdigest()[:32]}"


READERS: Final[dict[str, Callable[[object], Mapping[str, Any]]]] = {}
"""From a method's name in `attest` to what reads its conditions (raises as `people/document` readers do)."""
