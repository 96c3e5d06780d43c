"""What a server asks of its agent: sampling, elicitation, roots. Each server needs a grant for each of them.

Handshake era: a request on a stream, answered by a POST in the session. Modern era: a result that says
`input_required`, with the questions in it; the agent calls again with its answers and the state. What is granted is
decided and recorded as a call is, with the server's own parameters as the arguments; anything else is answered
"Method not found" to the server, and is a denial to the agent of the call that it came of.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from remit.catalog.methods import ASKED_OF_AGENTS, ELICITATION
from remit.enforcement import denials, era, framing
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Admitted,
    BadMessage,
    EnforcementUnavailable,
    Message,
    Outcome,
    RpcId,
)
from remit.enforcement.parse import AgentReply
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.ports import Upstream
from remit.enforcement.server_messages import Finished, ServerMessage, result_object, unreadable
from remit.enforcement.sessions import Session
from remit.enforcement.states import Opened, StateInvalid, States
from remit.enforcement.streams import ends
from remit.enforcement.upstream import UpstreamFailed, handshake_headers
from remit.kernel import canonical
from remit.kernel.errors import Malformed, RemitError
from remit.kernel.names import DecisionId, method_action, new_id
from remit.logs import logger
from remit.policy.denial import not_granted
from remit.policy.model import Call, Denial

log = logger(__name__)

_MOST: Final = 16  # questions that are open at once, of one call or session
_LONGEST: Final = 128
_HIDDEN: Final = frozenset({"task"})  # a task of the agent's: nothing here follows it


@dataclass(frozen=True, slots=True)
class Open:
    """A question that an agent was let hear, until it answers or the call that it came of is over."""

    asked: Admitted
    id: RpcId  # the server's own
    of: Exchange


class Asks:
    """Decides what servers ask, passes it on, and carries the answers back. Belongs to the event loop."""

    def __init__(self, pipeline: Pipeline, upstream: Upstream, states: States) -> None:
        self._pipeline = pipeline
        self._upstream = upstream
        self._states = states
        self._kept: set[asyncio.Task[None]] = set()

    async def drain(self) -> None:
        """Wait for answers to servers that are still on their way."""
        while self._kept:
            await asyncio.wait(set(self._kept))

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` for which nobody waits."""
        task = asyncio.get_running_loop().create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    # the handshake era ---------------------------------------------------------------------

    async def hear(self, x: Exchange, admitted: Admitted, message: ServerMessage) -> None:
        """A server's request on the stream of `x`: passed on if it is granted, else refused to the server."""
        session = x.session
        if x.modern or session is None or message.method not in ASKED_OF_AGENTS & x.granted:
            self.refuse(x, admitted, message)
            return
        params = _params(message.params)
        if params is None or len(session.asks) >= _MOST:
            self.refuse(x, admitted, message)
            return
        asked = await self._decided(x, message.method, params)
        if asked.answer.denial is not None:
            self._turn_down(x, admitted, message)
            return
        ours = f"remit-ask-{secrets.token_urlsafe(12)}"
        session.asks[ours] = Open(asked, message.id, x)
        request = {"jsonrpc": "2.0", "id": ours, "method": message.method}
        await x.event(canonical.encode(request | ({"params": params} if message.params is not None else {})))

    def refuse(self, x: Exchange, admitted: Admitted, message: ServerMessage) -> None:
        """A server asked what nothing grants: it is told that there is no such method, and the agent nothing."""
        log.info("server request refused", server=x.server, method=message.method[:_LONGEST])
        self._note(x, admitted, message.method)
        self._turn_down(x, admitted, message)

    async def answered(self, x: Exchange, reply: AgentReply, admitted: Admitted) -> bool:
        """Carry an agent's answer to its server; false if nothing was asked by that id.

        Whether the question is still granted is asked again: a freeze, or a boundary that ended, keeps the answer here.
        """
        found: Open | None = x.session.asks.pop(str(reply.id), None) if x.session is not None else None
        if found is None:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="an answer to nothing that was asked")
            return False
        method = found.asked.call.action.partition(":")[2]
        if ends(self._pipeline.again(found.asked.call)):
            body, outcome = denials.error(found.id, METHOD_NOT_FOUND, "Method not found"), Outcome.CUT
        else:
            body = canonical.encode({"jsonrpc": "2.0", "id": found.id, **reply.said})
            outcome = Outcome.ERROR if "error" in reply.said else Outcome.OK
        self._pipeline.outcome(found.asked, outcome, detail=f"the agent answered {method}")
        try:
            await self._post(x, admitted, body)
        except RemitError as error:
            sent = isinstance(error, UpstreamFailed) and error.sent
            self._pipeline.outcome(admitted, Outcome.OUTCOME_UNKNOWN if sent else Outcome.NOT_SENT, detail=error.detail)
        else:
            self._pipeline.outcome(admitted, Outcome.OK)
        return True

    def cancelled(self, x: Exchange, message: ServerMessage) -> bytes | None:
        """A server takes back its own question: what the agent is told; None if it is no question of its."""
        session: Session | None = x.session
        asked = (_params(message.params) or {}).get("requestId")
        ours = next((key for key, each in session.asks.items() if each.id == asked), None) if session else None
        if session is None or ours is None or asked is None:
            return None
        self._pipeline.outcome(session.asks.pop(ours).asked, Outcome.CUT, detail="the server took it back")
        told = {"requestId": ours}
        return canonical.encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": told})

    def over(self, x: Exchange) -> None:
        """The call of `x` is over: what its server asked in it is asked no more."""
        if x.session is None or not x.session.asks:
            return
        for key in [key for key, each in x.session.asks.items() if each.of is x]:
            self._pipeline.outcome(x.session.asks.pop(key).asked, Outcome.NOT_SENT, detail="its call was over")

    # the modern era ------------------------------------------------------------------------

    async def required(self, x: Exchange, admitted: Admitted, finished: Finished) -> Finished:
        """A result that asks for input: passed on, its state sealed, if all that it asks is granted."""
        try:
            result = result_object(finished.result or b"")
        except Malformed as error:
            return unreadable(x.id, error.public)
        requests, state = result.get("inputRequests") or {}, result.get("requestState")
        if not isinstance(requests, dict) or not isinstance(state, (str, type(None))) or len(requests) > _MOST:
            return unreadable(x.id, "its questions cannot be read")
        if not requests and state is None:
            return finished  # it asks nothing, and has nothing to carry on with
        asked: dict[str, str] = {}
        passed: dict[str, Any] = {}
        decided: list[Admitted] = []
        for key, request in requests.items():
            method, params = _question(request)
            if method is None or params is None:
                return self._given_up(decided, unreadable(x.id, "its questions cannot be read"))
            if (refused := await self._one(x, admitted, method, params, decided)) is not None:
                return self._given_up(decided, self._denied(x, admitted, *refused))
            asked[key] = method
            passed[key] = {**request, "params": params} if "params" in request else request
        for each in decided:
            self._pipeline.outcome(each, Outcome.OK, detail="the agent was asked")
        out = {**result, "requestState": self._states.seal(admitted.call, state, asked)}
        if "inputRequests" in result:
            out["inputRequests"] = passed
        return Finished(denials.result(x.id, out), Outcome.OK)

    async def urls(self, x: Exchange, admitted: Admitted, finished: Finished) -> Finished:
        """An error that sends the agent's user to URLs (-32042, 2025-11-25): passed on if each is granted."""
        data = _params(finished.result) or {}
        listed = data.get("elicitations")
        if not isinstance(listed, list) or len(listed) > _MOST:
            return unreadable(x.id, "its questions cannot be read")
        decided: list[Admitted] = []
        for params in listed:
            if not isinstance(params, dict):
                return self._given_up(decided, unreadable(x.id, "its questions cannot be read"))
            url = {**params, "mode": "url"}
            if (refused := await self._one(x, admitted, ELICITATION, url, decided)) is not None:
                return self._given_up(decided, self._denied(x, admitted, *refused))
        for each in decided:
            self._pipeline.outcome(each, Outcome.OK, detail="the agent was asked")
        return Finished(finished.body, Outcome.ERROR, finished.detail)

    async def carried(self, x: Exchange, admitted: Admitted, sent: Message) -> dict[str, Any]:
        """What a call carries on with: its server's own state, and the answers to what was asked.

        Raises:
            BadMessage: -32602, the state is not this agent's of this call; recorded with whose it is.
        """
        params = sent.params or {}
        state, answers = params.get("requestState"), params.get("inputResponses")
        if not x.modern or (state is None and answers is None) or sent.method == "tasks/update":
            return {}
        try:
            opened = self._opened(x, admitted, state)
        except StateInvalid as error:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail=f"requestState: {error.detail}")
            foreign = error.owner not in ("", x.caller.agent)
            said = {"owner": error.owner} if error.owner else {}
            await self._pipeline.refuse(
                x.caller, None, server=x.server, reason="foreign_request_state" if foreign else "bad_request_state",
                method=x.method, decision=admitted.call.id, **said,
            )  # fmt: skip
            data = {"reason": "invalid_request_state"}
            raise BadMessage(INVALID_PARAMS, error.public, id=sent.id, data=data) from error
        given = answers if isinstance(answers, dict) else {}
        out: dict[str, Any] = {"inputResponses": {key: given[key] for key in opened.asked if key in given}}
        return out if opened.state is None else {**out, "requestState": opened.state}

    def _opened(self, x: Exchange, admitted: Admitted, state: object) -> Opened:
        opened = self._states.open(state, admitted.call)
        if not set(opened.asked.values()) <= x.granted:
            raise StateInvalid("what was asked is not granted any more", owner=x.caller.agent)
        return opened

    # both ------------------------------------------------------------------------------------

    async def _one(
        self, x: Exchange, admitted: Admitted, method: str, params: dict[str, Any], decided: list[Admitted]
    ) -> tuple[Call, Denial] | None:
        """The denial of one question; None if it is allowed, and stands in `decided`."""
        if method not in ASKED_OF_AGENTS & x.granted:
            self._note(x, admitted, method)
            call = replace(self._call(x, method, params), id=DecisionId(""))  # nothing was decided by a name of its own
            return call, not_granted(call)
        asked = await self._decided(x, method, params)
        if asked.answer.denial is not None:
            return asked.call, asked.answer.denial
        decided.append(asked)
        return None

    async def _decided(self, x: Exchange, method: str, params: Mapping[str, Any]) -> Admitted:
        return await self._pipeline.admit(self._call(x, method, params))

    def _call(self, x: Exchange, method: str, params: Mapping[str, Any]) -> Call:
        known = method in ASKED_OF_AGENTS
        return Call(
            id=DecisionId(new_id("dec")), caller=x.caller, server=x.server,
            action=method_action(x.server, method[:_LONGEST]),
            arguments=framing.arguments_of(method, params) if known else {},
        )  # fmt: skip

    def _denied(self, x: Exchange, admitted: Admitted, call: Call, denial: Denial) -> Finished:
        """What its agent is told of a call whose server asked too much; of the call, an error came."""
        told = self._pipeline.told_now(msgspec.structs.replace(admitted, call=call), denial)
        body = denials.denied(x.id, x.method, told, modern=x.modern)
        return Finished(body, Outcome.ERROR, f"the server asked for {call.action}")

    def _given_up(self, decided: list[Admitted], finished: Finished) -> Finished:
        for each in decided:
            self._pipeline.outcome(each, Outcome.NOT_SENT, detail="asked together with what was refused")
        return finished

    def _note(self, x: Exchange, admitted: Admitted, method: str) -> None:
        if not x.asked:
            x.asked = True  # one entry for each call: a server must not fill the log
            self.keep(self._record(x, admitted, method[:_LONGEST]))

    async def _record(self, x: Exchange, admitted: Admitted, method: str) -> None:
        said = {"method": method, "decision": admitted.call.id}
        try:
            await self._pipeline.refuse(x.caller, None, server=x.server, reason="server_request", **said)
        except EnforcementUnavailable as error:
            log.warning("a server's request was refused and not recorded", server=x.server, detail=error.detail)

    def _turn_down(self, x: Exchange, admitted: Admitted, message: ServerMessage) -> None:
        if not x.modern:  # the modern era has no such requests, and no way to answer one
            self._answer(x, admitted, denials.error(message.id, METHOD_NOT_FOUND, "Method not found"))

    def _answer(self, x: Exchange, admitted: Admitted, body: bytes) -> None:
        if admitted.server is not None:
            self.keep(self._answer_server(x, admitted, body))

    async def _answer_server(self, x: Exchange, admitted: Admitted, body: bytes) -> None:
        try:
            await self._post(x, admitted, body)
        except RemitError as error:
            log.info("a server did not take its refusal", server=x.server, detail=error.detail)

    async def _post(self, x: Exchange, admitted: Admitted, body: bytes) -> None:
        if admitted.server is None:
            raise UpstreamFailed(denials.UNREACHABLE, sent=False, detail="no such server any more")
        session = x.session.upstream if x.session else None
        headers = handshake_headers(x.headers.get(era.VERSION_HEADER), session)
        async with await self._upstream.send(admitted.server, headers=headers, data=body, call=admitted.call):
            pass


def _params(raw: bytes | None) -> dict[str, Any] | None:
    """A request's parameters without what nothing here follows; None if they are no object."""
    if raw is None:
        return {}
    try:
        found = canonical.parse(raw)
    except Malformed:
        return None
    return {key: value for key, value in found.items() if key not in _HIDDEN} if isinstance(found, dict) else None


def _question(request: object) -> tuple[str | None, dict[str, Any] | None]:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return None, None
    params = request.get("params", {})
    return request["method"], params if isinstance(params, dict) else None
