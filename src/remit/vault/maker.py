"""What makes a credential for one instance at its provider, and takes it away. One file each in `vault/makers/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from remit.kernel.clock import Instant
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.vault.model import Material
from remit.vault.rotator import Admin


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One credential as its maker sees it.

    Args:
        lease: Its id.
        secret: Of which secret it is.
        settings: The maker's own, as the secret's document had them.
        admin: Opens another secret, for what a maker signs in with. Raises SecretUnavailable.
        begun: When it was ordered.
        ends: When it must end by itself, whatever Remit does.
        handle: What the provider finds it by, as far as that is known.
    """

    lease: str
    secret: SecretName
    settings: Mapping[str, Any]
    admin: Admin
    begun: Instant
    ends: Instant
    handle: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a credential will be found by, recorded before it is made. `key`: what it is made with, for a moment."""

    handle: Mapping[str, str]
    key: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A credential, what it is found by, and when its provider ends it by itself."""

    material: Material
    handle: Mapping[str, str]
    ends: Instant


class Maker(Protocol):
    """Nothing that any of these raises or returns for people carries a value. All give up by themselves within 10 s.

    `end` and `gone` may be asked again and again, also about what was never made.
    """

    async def prepare(self, order: Order) -> Prepared:
        """Say what it will be found by. What this does at the provider opens nothing. Raises Refused, Unclear."""
        ...

    async def make(self, order: Order, prepared: Prepared) -> Made:
        """Make it; what it is found by is durable here. Raises Refused, Unclear."""
        ...

    async def end(self, order: Order) -> None:
        """Take it away, and what is open with it. Raises Refused, Unclear."""
        ...

    async def gone(self, order: Order) -> bool:
        """Whether it is, read anew from the provider. Raises Refused, Unclear."""
        ...
