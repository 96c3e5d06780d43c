"""The console on this server: `/v1/console/links` makes the link that signs an operator in; the pages do the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from remit.console import http
from remit.console.desk import Desk
from remit.console.evidence import EvidenceFiles
from remit.console.live import Tail
from remit.console.pages.every import PAGES
from remit.console.paths import PATH
from remit.console.sessions import LINK_LIFETIME, Sessions
from remit.console.signing import Signing
from remit.console.signing_http import SignInPages
from remit.console.site import Site
from remit.kernel.clock import SECOND, Clock
from remit.kernel.errors import RemitError
from remit.policy.view import View
from remit.server import problem
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door
from remit.server.operators import Authority, Operator
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleDoors:
    """The console's link, and its pages over the same doors that the API has."""

    base: str
    dev: bool
    sessions: Sessions
    view: Callable[[], View]
    reader: Reader
    clock: Clock
    accountable: Accountable
    authority: Authority
    signing: Signing | None = None

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

    def routes(self, desk: Desk, noted: Callable[[str, RemitError, str], None]) -> list[Route]:
        """The pages, which ask `desk`; `noted` records who was not let in."""
        signing = self.signing
        console = http.Console(
            sessions=self.sessions, tail=Tail(self.reader), authorize=self._authorize, secure=self.sessions.secure,
            provider_ends=str if signing is None else signing.ends_at,
        )  # fmt: skip
        ways = [] if signing is None else SignInPages(
            signing=signing, sessions=self.sessions, status=problem.status_of, noted=noted
        ).routes()  # fmt: skip
        site = Site(
            pages=PAGES, sessions=self.sessions, desk=desk, view=self.view, clock=self.clock,
            status=problem.status_of, sign_in=console.sign_in, dev=self.dev, secure=console.secure,
        )  # fmt: skip
        files = EvidenceFiles(sessions=self.sessions, desk=desk, status=problem.status_of)
        return [*console.routes(), *ways, *files.routes(), *site.routes()]

    def _authorize(self, operator: Operator, action: str, agent: str) -> None:
        self.authority.require(operator, action, owners=self.accountable.for_agent(agent) if agent else ())
