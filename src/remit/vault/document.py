"""What an organisation says of a secret: who answers for it, where it may go, how it is changed. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from remit.kernel.clock import MINUTE, SECOND, Micros
from remit.kernel.names import OwnerName, SecretName


class Cause(StrEnum):
    """Why a secret is changed."""

    AGE = "age"
    ASKED = "asked"  # an operator did
    EXPOSURE = "exposure"
    OWNER_CHANGE = "owner_change"
    FREEZE = "freeze"


EVENTS: Final = (Cause.EXPOSURE, Cause.OWNER_CHANGE, Cause.FREEZE)
DRAIN: Final = Micros(MINUTE)
DRAIN_LEAST: Final = Micros(SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One place that a secret may enter.

    `host`: a name or address, with or without a port; empty: any. `place`: `header:NAME`, `query:NAME`, `env:NAME`,
    or a kind of injection (`basic`, `mtls`, `aws_sigv4`, `oauth_client`, `oauth_user`); empty: any. `path`: what the
    request's path begins with, by whole segments; empty: any.
    """

    host: str = ""
    place: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """How a secret is changed. `settings` are the rotator's own, as its file reads them."""

    rotator: str
    settings: Mapping[str, Any]
    every: Micros | None = None  # None: by events alone
    drain: Micros = DRAIN  # for how long calls may end with the version before
    on: tuple[Cause, ...] = EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic:
    """A credential that is made for each instance and ends with its access. `settings`: its maker's own."""

    maker: str  # postgres, openbao
    settings: Mapping[str, Any]
    ttl: Micros  # for how long one lives at most, whatever Remit says


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDocument:
    """What is said of one secret. A secret that nobody wrote one for goes anywhere, and is changed by hand."""

    secret: SecretName
    owner: OwnerName
    allow: tuple[Allowed, ...] = ()  # empty: anywhere
    rotate: Rotate | None = None
    dynamic: Dynamic | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
