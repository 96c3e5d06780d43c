"""Lists beside that of tools: fetched whole, and cut down to what this agent's bounds let it reach.

A resource or prompt is listed if a boundary lets the agent read, watch or get it; a template, if some resource of it
may be one of those. Nothing is kept between two lists, and nothing may be kept by the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from remit.access.model import Bound, Rule
from remit.enforcement import denials, own
from remit.enforcement.era import VERSION_HEADER
from remit.enforcement.exchange import Exchange
from remit.enforcement.listing import Listed, ListRefused, envelope, every, request
from remit.enforcement.model import METHOD_NOT_FOUND, Admitted, Message, Outcome
from remit.enforcement.own import OwnResources
from remit.enforcement.ports import Decider
from remit.enforcement.relay import Carried, Relay
from remit.enforcement.server_messages import Finished, ServerMessage, error_code, finish
from remit.enforcement.upstream import UpstreamFailed, handshake_headers, modern_headers, response_to
from remit.kernel.names import method_action
from remit.policy.methods import names

LISTED: Final[Mapping[str, Listed]] = {
    "resources/list": Listed("resources/list", "resources", "uri"),
    "resources/templates/list": Listed("resources/templates/list", "resourceTemplates", "uriTemplate"),
    "prompts/list": Listed("prompts/list", "prompts", "name"),
    "tasks/list": Listed("tasks/list", "tasks", "taskId"),
}
_RESOURCES: Final = ("resources/read", "resources/subscribe")
_REACHED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "resources/list": _RESOURCES,
    "resources/templates/list": _RESOURCES,
    "prompts/list": ("prompts/get",),
}
_REMITS_OWN: Final = "remit:"


class Entries:
    """Answers admitted lists, and says what of a subscription an agent may hear."""

    def __init__(self, relay: Relay, decider: Decider, own: OwnResources) -> None:
        self.own = own
        self._relay = relay
        self._decider = decider

    def granted(self, x: Exchange) -> frozenset[str]:
        """The methods of its server that a boundary grants the agent of `x`."""
        return self._decider.granted(x.caller, x.server)

    async def answer(self, x: Exchange, admitted: Admitted) -> None:
        """Fetch, cut down, answer."""

        async def work() -> Carried:
            found: Sequence[dict[str, Any]] = ()
            if admitted.call.arguments is not None:
                try:
                    found = await self._fetched(x, admitted)
                except ListRefused as refused:
                    if x.method != own.LIST or error_code(refused.answer) != METHOD_NOT_FOUND:
                        answer = ServerMessage(refused.answer.kind, x.id, error=refused.answer.error)
                        return Carried(finish(answer, id=x.id, method=x.method, modern=x.modern))
            shown = [*([own.MANDATE] if x.method == own.LIST else []), *self._shown(x, admitted, found)]
            body = own.complete({LISTED[x.method].member: shown}, modern=x.modern)
            finished = Finished(denials.result(x.id, body), Outcome.OK)
            return Carried(await self._relay.counted(x, admitted, len(finished.body)) or finished)

        await self._relay.deliver(x, admitted, work)

    def heard(self, x: Exchange, admitted: Admitted, sent: Message) -> Message:
        """A `subscriptions/listen` with what is left of its filter: changes of what the agent may list or reach."""
        params = sent.params or {}
        asked = params.get("notifications") or {}
        kinds = (kind for kind, method in _CHANGES.items() if asked.get(kind) is True and _heard(x, method))
        kept: dict[str, Any] = dict.fromkeys(kinds, True)
        reaches = self._reaches(x, admitted, _RESOURCES, "uri")
        uris = [uri for uri in asked.get("resourceSubscriptions") or () if reaches(uri)]
        if uris:
            kept["resourceSubscriptions"] = uris
        x.listening = kept
        return Message(sent.method, sent.id, {**params, "notifications": kept})

    def _shown(self, x: Exchange, admitted: Admitted, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if x.method == "tasks/list":
            return [task for task in found if self._relay.tasks.owns(x.caller.agent, x.server, task["taskId"])]
        listed, server = LISTED[x.method], admitted.server
        own_kind = [entry for entry in found if not str(entry[listed.key]).startswith(_REMITS_OWN)]
        if server is not None and server.observed:
            return own_kind
        reaches = self._reaches(x, admitted, _REACHED_BY.get(x.method, ()), listed.key)
        return [entry for entry in own_kind if reaches(entry[listed.key])]

    def _reaches(self, x: Exchange, admitted: Admitted, methods: Sequence[str], key: str) -> Callable[[str], bool]:
        view = self._decider.view()
        rules: list[Rule] = []
        for method in methods:
            action = method_action(x.server, method)
            rules += self._decider.rules(view, x.caller, action, now=admitted.evaluated_at)
        if key == "uriTemplate":
            return lambda template: any(may_fit(rule, template) for rule in rules)
        return lambda value: any(names(rule, key, value) for rule in rules)

    async def _fetched(self, x: Exchange, admitted: Admitted) -> list[dict[str, Any]]:
        server = admitted.server
        if server is None:
            raise UpstreamFailed(denials.UNREACHABLE, sent=False, detail="no such server any more")

        async def ask(method: str, params: dict[str, Any]) -> ServerMessage:
            if x.modern:
                headers = modern_headers(method, None)
            else:
                headers = handshake_headers(x.headers.get(VERSION_HEADER), x.session.upstream if x.session else None)
            id_, body = request(method, params)
            x.leaves()
            async with await self._relay.upstream.send(server, headers=headers, data=body, call=admitted.call) as reply:
                return await response_to(reply, id_, asked=lambda said: self._relay.asks.refuse(x, admitted, said))

        return await every(
            ask, LISTED[x.method], {"_meta": envelope()} if x.modern else {}, self._relay.upstream.limits
        )


_CHANGES: Final[Mapping[str, str]] = {
    "toolsListChanged": "tools/list",
    "promptsListChanged": "prompts/list",
    "resourcesListChanged": "resources/list",
}


def _heard(x: Exchange, method: str) -> bool:
    """Whether the agent may be told that a list has changed: that of tools it may always see."""
    return method == "tools/list" or method in x.granted


def may_fit(rule: Rule, template: str) -> bool:
    """Whether some URI of a template (RFC 6570) may be inside a rule's bounds: by what stands before its first `{`.

    Its length says nothing: what is put in may be empty.
    """
    start = template.partition("{")[0]
    return all(_may(bound, start) for bound in rule.when if bound.argument == "uri")


def _may(bound: Bound, start: str) -> bool:
    prefix = bound.prefix or ""
    if not (start.startswith(prefix) or prefix.startswith(start)):
        return False
    return bound.in_ is None or any(isinstance(each, str) and each.startswith(start) for each in bound.in_)
