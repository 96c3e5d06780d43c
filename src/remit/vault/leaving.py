"""A version that a rotation left behind is ended by a person, who answers for its being gone at its provider.

Its value stays here until then, because it may work there: answers are looked through for it.
"""

from __future__ import annotations

from typing import Final

from remit.kernel.errors import Conflict
from remit.kernel.names import SecretName
from remit.people.change import Actor, Changed, record
from remit.storage.ports import Transaction
from remit.vault.document import Cause
from remit.vault.model import Version, VersionState
from remit.vault.rotation_sql import SqlRotations
from remit.vault.rotation_wanted import leaves
from remit.vault.rotations import Rotations

_ENDS: Final = {VersionState.DRAINING: VersionState.REVOKED, VersionState.PENDING: VersionState.FAILED}


def end(rotations: Rotations, tx: Transaction, secret: SecretName, version: int, *, by: Actor) -> Version:
    """End a version that calls do not use: its value is erased, and the log says who said so.

    A rotation that has it in hand is left with it, once people were told that its provider refuses.

    Raises:
        NotFound: There is no such version.
        Conflict: Calls use it, it is over already, or a rotation that goes on by itself has it in hand.
    """
    found = rotations.versions.find(tx, secret, version)
    state = _ENDS.get(found.state)
    if state is None:
        used = found.state is VersionState.ACTIVE
        raise Conflict("calls use this version" if used else "this version is over already", detail=secret)
    going = SqlRotations(tx.connection).under_way(secret)
    if going is not None and version in {going.old, going.new}:
        if not leaves(going, Cause.ASKED, exposed=False):
            raise Conflict("a rotation has this version in hand", try_=f"remit secret rotations {secret}")
        rotations.abandon(tx, going, by)
    ended = rotations.versions.end(tx, found, state, now=rotations.clock.now())
    more = {"version": version, "state": state.value}
    record(
        tx,
        rotations.records,
        Changed(what="secret", name=secret, change="end", before=None, after=None, more=more),
        by=by,
    )
    return ended
