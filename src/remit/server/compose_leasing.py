"""Puts together what lends credentials of one instance each: the makers, what holds them, what takes them away."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from remit.enforcement.streams import ends, with_tokens
from remit.freezes.model import FreezeKind
from remit.kernel.names import new_id
from remit.outbound.model import Endpoint
from remit.outbound.session import Outbound
from remit.policy.model import Answer, Call, Code, Proposal
from remit.server.compose_identity import revoked_in
from remit.server.compose_requests import telling
from remit.server.compose_rotators import admins, resolving
from remit.server.ground import Ground
from remit.server.leasing import Leasing
from remit.server.revoking import Revoking
from remit.server.to_providers import ToProviders
from remit.storage.database import Database
from remit.vault.lease import Lease, Standing
from remit.vault.lease_sql import SqlLeases
from remit.vault.leases import Leases
from remit.vault.makers.openbao import OpenBaoLease
from remit.vault.makers.postgres import PostgresLogin
from remit.vault.service import Vault


def lease_changes(ground: Ground) -> Leases:
    """Their changes of state: for what ends one."""
    return Leases(records=ground.records, clock=ground.clock, pager=telling(ground))


def leases(ground: Ground, outbound: Outbound) -> Revoking:
    """What lends and ends them, which follows the feed from here on. `outbound` knows Remit's own listeners."""
    database, vault, changes = ground.database, ground.vault, lease_changes(ground)
    alone = new_id("nod")  # a database that one process has to itself knows no nodes

    def node() -> str:
        return database.node or alone

    def alive(connection: Connection) -> Collection[str]:
        return {alone} if database.node is None else SqlLeases(connection).alive()

    send = way_out(vault, database, outbound.refuse)
    leasing = Leasing(
        leases=changes, makers={"openbao": OpenBaoLease(send), "postgres": PostgresLogin(resolving(outbound.refuse))},
        admin=admins(vault, _frozen(ground)), dynamic=vault.dynamic, allows=vault.allows, standing=_Stands(ground),
        writer=database.writer, clock=ground.clock, node=node,
    )  # fmt: skip
    made = Revoking(
        leasing=leasing, leases=changes, writer=database.writer, reader=database.reader, clock=ground.clock,
        node=node, alive=alive, close=send.close,
    )  # fmt: skip
    leasing.woken = made.wake
    vault.made = leasing.values
    database.feed.subscribe(made.follow, lambda _connection: made.wake())
    return made


def way_out(vault: Vault, database: Database, own: Collection[Endpoint]) -> ToProviders:
    """To the providers that documents name, and to those where something was made before: it is ended there."""
    send = ToProviders(
        lambda: (each.document for each in vault.listing() if each.document is not None), own=own,
        begun=lambda connection: SqlLeases(connection).settings(),
    )  # fmt: skip
    database.reader.read(send.look)
    database.feed.subscribe(send.follow, send.look)
    return send


def _frozen(ground: Ground) -> Callable[[str], bool]:
    return lambda secret: (FreezeKind.CREDENTIAL, secret) in ground.facts.view().freezes


class _Stands:
    """What stands behind a lease, by this node's view: the call that it was made for is asked about again."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._again = with_tokens(revoked_in(ground), self._decided)

    def __call__(self, it: Lease, call: Call) -> Standing:
        found = self._again(call)
        answer = found if isinstance(found, Answer) else found.answer
        denial = answer.denial
        # One that lapsed may be given back by the next call; until then nothing is lent under it.
        lapsed = denial is not None and denial.code is Code.ACTIVATION_LAPSED
        started = isinstance(found, Proposal) and bool(found.starts)
        return Standing(
            stopped=denial.code.value if denial is not None and ends(answer) else "",
            entitled=not (lapsed or started), dynamic=self._ground.vault.dynamic(it.secret),
        )  # fmt: skip

    def _decided(self, call: Call) -> Proposal:
        return self._ground.policy.decide(call, self._ground.policy.view(), now=self._ground.clock.now())
