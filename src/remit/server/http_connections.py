"""`/v1/secrets/{name}/connect` and its answer: people lend their own accounts, and take them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.console.connected import ConnectedPage
from remit.console.paths import CONNECTED
from remit.console.sessions import Sessions
from remit.kernel.clock import SECOND
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name
from remit.people.change import Actor
from remit.server import problem
from remit.server.connecting import Connecting, redirect_path
from remit.server.door import Ask, Door, actor
from remit.server.operators import Authority, Operator
from remit.vault.authorization import LIFETIME

_MOST = 8192  # bytes of an answer's query


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Begins and ends over HTTP; the page, where the person is signed in, takes the answer."""

    connecting: Connecting
    sessions: Sessions
    authority: Authority

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST", path="/v1/secrets/{name}/connect",
                summary="Begin to lend one's own account at another system", action="connectSecret",
                handle=self.begin, body="json", fields={},
            ),
            Door(
                method="DELETE", path="/v1/secrets/{name}/connections/{person}",
                summary="Take a lent account back, and end its token where it is from", action="disconnectSecret",
                handle=self.end, owners=lambda ask: frozenset({ask.path["person"]}),
            ),
        ]  # fmt: skip

    def begin(self, ask: Ask) -> dict[str, Any]:
        """Where the person opens their browser."""
        url = self.connecting.begin(ask.path["name"], person=ask.operator.person)
        return {"person": ask.operator.person, "url": url, "valid_seconds": LIFETIME // SECOND}

    def end(self, ask: Ask) -> dict[str, Any]:
        """Delete one. `revoked`: whether its own system confirmed that it is over there too; null: it has no way to."""
        secret, person = ask.path["name"], ask.path["person"]
        return {
            "secret": secret,
            "person": person,
            "revoked": self.connecting.disconnect(secret, person, by=actor(ask)),
        }

    def routes(self) -> list[Route]:
        """The redirect URI, and the page that it leads to."""

        def back(request: Request) -> Response:
            """GET /v1/secrets/{name}/connected: 303 to the page. Nobody is known here, and nothing is done."""
            query = request.scope["query_string"]
            try:
                name = check_name(request.path_params["name"], what="a secret's name")
            except Malformed as error:
                return problem.of(error)
            if len(query) > _MOST:
                return problem.answer("malformed", f"the query is over {_MOST} bytes")
            where = f"{self.connecting.base}{CONNECTED}/{name}?{query.decode('latin-1')}"
            headers = {"Location": where, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
            return Response(status_code=303, headers=headers)

        return [Route(redirect_path("{name}"), back, methods=["GET"]), *self._page().routes()]

    def _page(self) -> ConnectedPage:
        return ConnectedPage(sessions=self.sessions, finish=self._finish)

    def _finish(self, operator: Operator, secret: str, query: str) -> str:
        self.authority.require(operator, "connectSecret")
        return self.connecting.finish(secret, query, by=_actor(operator)).name


def _actor(operator: Operator) -> Actor:
    return actor(Ask(operator=operator, path={}))
