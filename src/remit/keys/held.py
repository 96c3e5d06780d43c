"""Where a key is held that no database and no file has: values, light enough for the command line to load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Which key of which token, and how one gets there."""

    module: Path  # the vendor's library
    token: str  # its label
    key: str  # its label on the token
    pin_file: Path
    make: bool = False  # whether wrapping makes the key where the token has none of that label


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """Who has this role's secret id gets a token for one use of the key."""

    role_id: str
    secret_id_file: Path
    mount: str = "approle"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitKey:
    """Which key, at which server, and who asks for it."""

    address: str  # https, or http to this machine
    key: str
    who: Path | AppRole  # the file of a token, or a role
    mount: str = "transit"
    ca_file: Path | None = None  # PEM: whose certificates alone are believed
    namespace: str | None = None
    make: bool = False  # whether wrapping makes the key where there is none
