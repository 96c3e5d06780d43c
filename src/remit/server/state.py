"""At the start: is the state what was recorded? If not, the server does not start."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.access.activation_seal import LABEL, ActivationSeal
from remit.access.activation_sql import SqlActivations
from remit.audit.bodies import Named
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.kernel.clock import Clock
from remit.kernel.errors import IntegrityFailed
from remit.keys.service import KeyRing
from remit.logs import logger
from remit.people.change import Actor, Changed, record
from remit.server.nodes import admins, node_before
from remit.server.operator_tokens import ensure_admin
from remit.server.operators import ADMIN
from remit.server.settings import Settings
from remit.storage.database import Database
from remit.storage.feed import EVERYTHING
from remit.storage.ports import Transaction
from remit.tokens import nonce
from remit.tokens.nonce import Nonces

_STEP: Final = 1000  # objects or entitlements accepted in one change
_log = logger("remit.server")


def entitlement_seal(keys: KeyRing) -> ActivationSeal:
    """What seals entitlements under a key of this deployment's own."""
    return ActivationSeal(keys.derive(LABEL))


def dpop_nonces(keys: KeyRing, settings: Settings) -> Nonces:
    """The nonces of proofs, the same on every node."""
    return Nonces(keys.derive(nonce.LABEL), settings.dpop_nonce)


def open_state(settings: Settings, database: Database, states: States, records: Recorder, seal: ActivationSeal) -> None:
    """Check every object against its sealed record, and keep these records from now on.

    With `settings.accept_state`, what differs is recorded as it is, one entry for each object.

    Raises:
        IntegrityFailed: Something is not as its last entry left it; says what.
    """
    database.writer.complete, database.writer.seal = states.complete, seal.close
    if not database.reader.read(states.sealed):
        database.writer.change(states.begin)
    if settings.accept_state:
        _accept(database, states, records)
        _accept_entitlements(database, records, seal)
    problem = database.reader.read(lambda connection: states.check(connection).problem or _unsealed(connection))
    if problem:
        raise IntegrityFailed(
            "the stored state is not what was recorded",
            detail=problem,
            try_=f"remit audit verify --data {settings.data}, then remit up --accept-state if this is how it should be",
        )
    _backfill(database, states)


def _backfill(database: Database, states: States) -> None:
    """Once after an upgrade: what stands is kept, so that decisions from here on can be made again."""
    named = database.reader.read(states.unkept)
    for at in range(0, len(named), _STEP):
        part = named[at : at + _STEP]
        database.writer.change(lambda tx, part=part: states.backfill(tx, part))  # type: ignore[misc]


def _unsealed(connection: Connection) -> str:
    # A forged seal is found when the entitlement is read; that there is none at all, here.
    found = SqlActivations(connection).unsealed()
    return "" if found is None else f"the entitlement of {found.agent} to {found.action} carries no seal"


def _accept(database: Database, states: States, records: Recorder) -> None:
    """One `accept` entry for each object that is not as the log says; then a new seal over all."""
    strays = sorted(database.reader.read(states.strays).items())
    states.accepting = True
    try:
        for at in range(0, len(strays), _STEP):
            part = strays[at : at + _STEP]
            database.writer.change(lambda tx, part=part: _record(tx, records, part))  # type: ignore[misc]
        database.writer.change(states.reseal)
    finally:
        states.accepting = False
    _log.warning("the state was accepted as it is", objects=len(strays))


def _accept_entitlements(database: Database, records: Recorder, seal: ActivationSeal) -> None:
    """Seal every activation as it is, with one entry for each that was not as it was recorded."""
    at: Sequence[str] = ("", "", "", "")
    while True:
        keys = database.writer.change(lambda tx, at=at: _resealed(tx, records, seal, at))  # type: ignore[misc]
        if not keys:
            return
        at = keys[-1]


def _resealed(tx: Transaction, records: Recorder, seal: ActivationSeal, at: Sequence[str]) -> list[ActivationKey]:
    keys, strays = SqlActivations(tx.connection, seal).reseal(at, _STEP)
    for key, how in strays:
        said = dict(zip(ActivationKey._fields, map(str, key), strict=True))
        tx.record(records.entry("incident", {"what": "entitlement_accepted", **said, "how": how}))
        _log.warning("an entitlement was accepted", **said, how=how)
    return keys


def _record(tx: Transaction, records: Recorder, strays: list[tuple[Named, tuple[str | None, str]]]) -> None:
    for (what, name), (before, _) in strays:
        changed = Changed(what=what, name=name, change="accept", before=None, after=None, more={"state_before": before})
        record(tx, records, changed, by=Actor(by=ADMIN))
    tx.touch(EVERYTHING)  # other nodes read it anew, and from this epoch on it is what decisions are made on


def open_admin(settings: Settings, database: Database, records: Recorder, clock: Clock) -> None:
    """Make sure that there is a working admin token; a new one is a change like any other."""

    def apply(tx: Transaction) -> None:
        def others(token_hash: str) -> Collection[str]:
            return admins(tx, database.node, token_hash, before=node_before(settings.data))

        if ensure_admin(tx, settings.admin_token_file, now=clock.now(), others=others):
            changed = Changed(what="operator_token", name=ADMIN, change="create", before=None, after=None)
            record(tx, records, changed, by=Actor(by=ADMIN))

    database.writer.change(apply)
