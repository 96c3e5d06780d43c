"""From an agent's message to the question that is decided: which action, with which arguments.

What a boundary may bound of a method are its parameters by the names of `catalog/methods.py`; what goes upstream
holds these and nothing beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from remit.catalog.methods import METHODS
from remit.enforcement import era, own, parse
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import INVALID_PARAMS, BadMessage, Message
from remit.kernel.names import ActionName, DecisionId, ToolName, method_action, new_id, tool_action, well_formed_tool
from remit.policy.model import Call
from remit.policy.schema import MANDATE_URI

CALL: Final = "tools/call"
_TASK: Final = frozenset({"task"})
LISTS: Final = frozenset({"tools/list", "resources/list", "resources/templates/list", "prompts/list", "tasks/list"})


def call_of(x: Exchange, sent: Message) -> Call | None:
    """The question to decide; None for a tool whose name no boundary can hold.

    Raises:
        BadMessage: -32602, the parameters are not what the protocol says.
    """
    if sent.method == CALL:
        name, given = parse.call_params(sent, beside=_beside(x, sent))
        if not well_formed_tool(name):
            return None
        arguments = given if given is not None else {}
        return question(x, tool_action(x.server, name), tool=ToolName(name), arguments=arguments)
    era.check_shape(sent, x.version)
    if sent.method in LISTS:
        _one_page(sent)
    return question(x, method_action(x.server, sent.method), arguments=_arguments(x, sent))


def question(
    x: Exchange, action: ActionName, *, tool: ToolName | None = None, arguments: dict[str, Any] | None = None
) -> Call:
    """What is asked, under a new decision's id."""
    return Call(
        id=DecisionId(new_id("dec")),
        caller=x.caller,
        server=x.server,
        action=action,
        tool=tool,
        arguments=arguments,
        proof=x.proof,
        resource=x.named if x.method == own.READ else None,
    )


def _beside(x: Exchange, sent: Message) -> frozenset[str]:
    """What may stand in a call beside the tool's name and arguments."""
    if x.modern:
        return parse.INPUTS
    # To have it done as a task (2025-11-25) is of use to an agent that may ask for what came of it.
    return _TASK if "task" in (sent.params or {}) and "tasks/result" in x.granted else frozenset()


def _one_page(sent: Message) -> None:
    """Every list is answered whole, so there is no cursor to give."""
    if (sent.params or {}).get("cursor") is not None:
        raise BadMessage(INVALID_PARAMS, "Invalid cursor", id=sent.id)


def _arguments(x: Exchange, sent: Message) -> dict[str, Any] | None:
    """What a method is decided by; None if it passes, or does not, whatever stands in it."""
    if sent.notification or sent.method not in METHODS or x.named == MANDATE_URI:
        return None
    if sent.method == own.LIST and own.LIST not in x.granted:
        return None  # Remit's own resource is listed to everybody
    return arguments_of(sent.method, sent.params or {})


def arguments_of(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a method as its boundary bounds them; the shape of `params` has been checked."""
    match method:
        case "completion/complete":
            return _completion(params)
        case "subscriptions/listen":
            uris = (params.get("notifications") or {}).get("resourceSubscriptions")
            return {"uri": list(uris)} if uris else {}
        case "sampling/createMessage":
            return _only(params, "maxTokens", "includeContext")
        case "elicitation/create":
            return _elicitation(params)
        case _:
            known = METHODS[method].definition["inputSchema"]["properties"]
            return _only(params, *known)


def _only(params: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: params[name] for name in names if params.get(name) is not None}


def _completion(params: Mapping[str, Any]) -> dict[str, Any]:
    ref, argument = params.get("ref") or {}, params.get("argument") or {}
    prompt = ref.get("type") == "ref/prompt"
    about = {"name": ref.get("name")} if prompt else {"uri": ref.get("uri")}
    given = (params.get("context") or {}).get("arguments")
    more = {} if not given else {"arguments": dict(given)}
    return {**about, "argument": argument.get("name"), "value": argument.get("value"), **more}


def _elicitation(params: Mapping[str, Any]) -> dict[str, Any]:
    mode = params.get("mode", "form")
    if mode != "url":
        return {"mode": mode}
    url = params.get("url")
    return {"mode": "url", "url": url, "url_host": host_of(url)}


def host_of(url: object) -> str:
    """The host of an https URL, in lower case; empty for whatever a browser might read as another one.

    A boundary lists hosts: `https://good.example@evil.example/` or a backslash must not pass for the first.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or set(url) & set(" \\@"):
        return ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    return host.lower() if parts.scheme == "https" and host else ""
