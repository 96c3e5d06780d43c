"""`tools/list`: fetched whole, compared with the pins, and cut down to what this agent may see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from remit.catalog.model import Server
from remit.enforcement import denials, lists
from remit.enforcement.era import VERSION_HEADER
from remit.enforcement.exchange import Exchange
from remit.enforcement.listing import METHOD, ListRefused, all_tools, envelope, request
from remit.enforcement.model import Admitted, Outcome
from remit.enforcement.ports import Catalog, Decider
from remit.enforcement.relay import Carried, Relay
from remit.enforcement.server_messages import Finished, ServerMessage, finish
from remit.enforcement.upstream import UpstreamFailed, handshake_headers, modern_headers, response_to
from remit.kernel.names import ActionName


class ToolList:
    """Answers an admitted `tools/list`. What the server says is compared, never passed on."""

    def __init__(self, relay: Relay, decider: Decider, catalog: Catalog) -> None:
        self._relay = relay
        self._decider = decider
        self._catalog = catalog

    async def answer(self, x: Exchange, admitted: Admitted) -> Finished:
        """Fetch, compare, cut down, answer."""

        async def work() -> Carried:
            try:
                return Carried(await self._listed(x, admitted))
            except ListRefused as refused:
                answer = ServerMessage(refused.answer.kind, x.id, error=refused.answer.error)
                return Carried(finish(answer, id=x.id, method=METHOD, modern=x.modern))

        return await self._relay.deliver(x, admitted, work)

    async def _listed(self, x: Exchange, admitted: Admitted) -> Finished:
        server = admitted.server
        if server is None:
            raise UpstreamFailed(denials.UNREACHABLE, sent=False, detail="no such server any more")

        async def ask(method: str, params: dict[str, Any]) -> ServerMessage:
            return await self._ask(x, admitted, server, method, params)

        params = {"_meta": envelope()} if x.modern else {}
        definitions = await all_tools(ask, params, self._relay.upstream.limits)
        # In a session of the handshake era a server was told what this agent can do, and may list accordingly.
        whole = x.modern
        if lists.differs(server, definitions, whole=whole):
            # Before anything is shown: what changed is hidden from this very answer on.
            await asyncio.to_thread(self._catalog.observe, server.server, definitions, whole=whole)
        view = self._decider.view()
        now = view.server(server.server)
        if now is None:
            return Finished(denials.result(x.id, lists.answer([], modern=x.modern)), Outcome.OK)
        now = lists.listed(now, definitions)

        def narrow(action: ActionName, schema: Mapping[str, Any]) -> Mapping[str, Any]:
            return self._decider.narrowed(view, x.caller, action, schema, now=admitted.evaluated_at)

        def tell(action: ActionName) -> Mapping[str, Any]:
            return self._decider.conditions(view, x.caller, action, now=admitted.evaluated_at)

        if now.observed:
            return Finished(denials.result(x.id, lists.answer(lists.whole(now), modern=x.modern)), Outcome.OK)
        shown = lists.shown(now, self._decider.shown(view, x.caller), narrow, tell)
        return Finished(denials.result(x.id, lists.answer(shown, modern=x.modern)), Outcome.OK)

    async def _ask(
        self, x: Exchange, admitted: Admitted, server: Server, method: str, params: dict[str, Any]
    ) -> ServerMessage:
        if x.modern:
            headers = modern_headers(method, None)
        else:
            headers = handshake_headers(x.headers.get(VERSION_HEADER), x.session.upstream if x.session else None)
        id_, body = request(method, params)
        x.leaves()
        async with await self._relay.upstream.send(server, headers=headers, data=body, call=admitted.call) as reply:
            return await response_to(reply, id_, asked=lambda message: self._relay.asks.refuse(x, admitted, message))
