"""Which notifications of a server pass to an agent: of its own calls, and of what it may and asked to hear."""

from __future__ import annotations

from typing import Any, Final

from remit.catalog.methods import ELICITATION
from remit.enforcement import tasks
from remit.enforcement.exchange import Exchange
from remit.enforcement.server_messages import ServerMessage
from remit.kernel import canonical
from remit.kernel.errors import Malformed

_ALWAYS: Final = frozenset({"notifications/message", "notifications/tools/list_changed"})
_GRANTED: Final = {
    "notifications/prompts/list_changed": "prompts/list",
    "notifications/resources/list_changed": "resources/list",
    "notifications/elicitation/complete": ELICITATION,
}
_LISTENED: Final = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
_UPDATED: Final = "notifications/resources/updated"
_PROGRESS: Final = "notifications/progress"
_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
# In the modern era everything else is told over `subscriptions/listen` alone.
_OF_A_CALL: Final = frozenset({"notifications/message", _PROGRESS, tasks.NOTICE})


def passes(x: Exchange, message: ServerMessage, owned: tasks.Tasks) -> bool:
    """Whether a notification on the stream of `x` is for its agent.

    Args:
        x: The exchange that the stream answers.
        message: The notification.
        owned: Whose tasks are whose.
    """
    method = message.method
    if method == tasks.NOTICE:
        return owned.owns(x.caller.agent, x.server, _params(message).get("taskId"))
    if x.listening is not None:
        return _listened(x.listening, message)
    if method == _PROGRESS:
        return _mine(x, message)
    if x.modern:
        return method in _OF_A_CALL
    if method == _UPDATED:
        return x.session is not None and _params(message).get("uri") in x.session.subscribed
    return method in _ALWAYS or (method in _GRANTED and _GRANTED[method] in x.granted)


def _listened(filter_: dict[str, Any], message: ServerMessage) -> bool:
    """What a subscription asked for and was granted (MCP 2026-07-28, subscriptions)."""
    if message.method == _ACKNOWLEDGED:
        return True
    if message.method == _UPDATED:
        return _params(message).get("uri") in filter_.get("resourceSubscriptions", ())
    return message.method in _LISTENED and _LISTENED[message.method] in filter_


def _mine(x: Exchange, message: ServerMessage) -> bool:
    """Whether progress is that of the very call whose stream it comes on; a session's own stream is for all of its."""
    if x.message is None:
        return True
    meta = (x.message.params or {}).get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    return token is not None and _params(message).get("progressToken") == token


def _params(message: ServerMessage) -> dict[str, Any]:
    try:
        found = canonical.parse(message.params or b"{}")
    except Malformed:
        return {}
    return found if isinstance(found, dict) else {}
