"""Every version of a secret is erased, with the keys that sealed them (crypto-shredding)."""

from __future__ import annotations

from remit.kernel.clock import Instant
from remit.kernel.names import SecretName
from remit.storage.ports import Transaction
from remit.vault.model import HELD, VersionState
from remit.vault.sql import SqlSecrets
from remit.vault.versions import Versions


def forget(versions: Versions, tx: Transaction, name: SecretName, *, now: Instant) -> list[int]:
    """End whatever is held of a secret; returns which versions these were. The caller records it.

    The numbers stay taken: a version that comes later is none of these, and nothing of them opens in its place.
    """
    held = [each for each in SqlSecrets(tx.connection).versions(name) if each.state in HELD]
    for each in held:
        if each.state is VersionState.ACTIVE:
            versions.retire(tx, name, now=now)
        else:
            over = VersionState.FAILED if each.state is VersionState.PENDING else VersionState.REVOKED
            versions.end(tx, each, over, now=now)
    return [each.version for each in held]
