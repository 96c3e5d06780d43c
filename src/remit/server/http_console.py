"""The console on this server: `/v1/console/links` makes the link that signs an operator in; the pages do the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from remit.certification.usage.coverage import CoverageClock
from remit.console import http
from remit.console.paths import PATH
from remit.console.sessions import LINK_LIFETIME, Sessions
from remit.kernel.clock import SECOND, Clock
from remit.policy.service import PolicyService
from remit.policy.view import View
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door
from remit.server.http_freezes import Freezes
from remit.server.operators import Authority, Operator
from remit.storage.ports import Reader

_REASON = "from the console"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleDoors:
    """The console's link, and its pages over the same doors that the API has."""

    base: str
    dev: bool
    sessions: Sessions
    view: Callable[[], View]
    policy: PolicyService
    coverage: CoverageClock
    reader: Reader
    clock: Clock
    accountable: Accountable
    authority: Authority
    freezes: Freezes

    def doors(self) -> list[Door]:
        """The door of the API."""
        return [
            Door(
                method="POST", path="/v1/console/links", summary="Make a link that signs this operator in, once",
                action="read", handle=self.link, body="json", fields={}, status=201,
            )
        ]  # fmt: skip

    def link(self, ask: Ask) -> dict[str, Any]:
        """A link for the operator who asks."""
        secret = self.sessions.link(ask.operator)
        return {"url": f"{self.base}{PATH}?login={secret}", "valid_seconds": LINK_LIFETIME // SECOND}

    def routes(self) -> list[Route]:
        """The pages."""
        console = http.Console(
            sessions=self.sessions, view=self.view, prepare=self.policy.prepare, covered=self.coverage.covered,
            reader=self.reader, clock=self.clock, authorize=self._authorize, freeze=self._freeze,
            unfreeze=self._unfreeze, dev=self.dev, secure=self.base.startswith("https:"),
        )  # fmt: skip
        return console.routes()

    def _authorize(self, operator: Operator, action: str, agent: str) -> None:
        self.authority.require(operator, action, owners=self.accountable.for_agent(agent) if agent else ())

    def _freeze(self, agent: str, operator: Operator) -> None:
        body = {"kind": "agent", "name": agent, "reason": _REASON}
        self.freezes.freeze(Ask(operator=operator, path={}, body=body))

    def _unfreeze(self, agent: str, operator: Operator) -> None:
        self.freezes.unfreeze(Ask(operator=operator, path={"kind": "agent", "name": agent}))
