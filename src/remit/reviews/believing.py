"""Whether a record of use is believed: certification's doubts, as reviews ask and decide about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from remit.access.activation_sql import SqlActivations
from remit.access.doubt import Doubt, DoubtState
from remit.certification.doubting import Doubting
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.together_sql import SqlTogether
from remit.kernel.names import ServerName
from remit.people.change import Actor
from remit.policy.view import View
from remit.storage.ports import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Believing:
    """Implements remit.reviews.ports.Doubts. `doubting` is a function, because what doubts asks reviews too."""

    doubting: Callable[[], Doubting]
    view: Callable[[], View]

    def doubted(self, connection: Connection, server: str, agent: str) -> bool:
        """Whether a server's record is not believed now of this agent."""
        return any(each.server == server and each.holds(agent) for each in SqlDoubts(connection).all())

    def would_lapse(self, connection: Connection, name: str) -> tuple[int, int]:
        """How many may lapse once this record is believed, at most, and how many there are in all."""
        doubted = (each for each in SqlDoubts(connection).all() if each.name == name)
        doubt = next((each for each in doubted if each.state is DoubtState.DOUBTED), None)
        if doubt is None:
            return 0, 0
        rows = SqlActivations(connection)
        beside = SqlTogether(connection).beside_servers([doubt.server])
        return rows.waiting(doubt.server, doubt.agent, beside), rows.count()

    def believe(self, tx: Transaction, name: str, *, trusted: bool, by: Actor) -> None:
        """Trust it, of a few agents first, or go on doubting. What is believed again already stays so.

        Raises:
            NotFound: Nobody doubts it, and nobody did a day ago.
        """
        doubt = next((each for each in SqlDoubts(tx.connection).all() if each.name == name), None)
        if not trusted:
            self.doubting().distrust(tx, name, by=by)
        elif doubt is None or doubt.state is DoubtState.DOUBTED:
            self.doubting().trust(tx, name, agents=self._agents(doubt), by=by)

    def _agents(self, doubt: Doubt | None) -> list[str]:
        """Those whose entitlements it holds."""
        if doubt is None:
            return []
        if doubt.agent:
            return [doubt.agent]
        server = ServerName(doubt.server)
        return sorted(name for name, record in self.view().agents.items() if server in record.reach.servers)
