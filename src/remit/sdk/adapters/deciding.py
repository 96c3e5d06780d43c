"""What the adapters share: which tool is which action, and a decision that no error turns into a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.sdk.decision import Decision, local, unavailable
from remit.sdk.guarded import Authorizes

Actions = Mapping[str, str]  # a framework's name of a tool: the action `server/tool` that it is


async def decided(guard: Authorizes, actions: Actions, tool: str, arguments: Mapping[str, Any]) -> Decision:
    """Remit's answer to one call of a framework's tool; a denial for a tool that is no action, and for any error."""
    if (action := actions.get(tool)) is None:
        return unmapped(tool)
    try:
        return await guard.authorize(action, None, arguments)
    except Exception as error:  # noqa: BLE001 - fail closed: a framework may take an error in a hook for no objection
        return unavailable(action, type(error).__name__)


def decided_sync(guard: Authorizes, actions: Actions, tool: str, arguments: Mapping[str, Any]) -> Decision:
    """The same, for code that is not async."""
    if (action := actions.get(tool)) is None:
        return unmapped(tool)
    try:
        return guard.authorize_sync(action, None, arguments)
    except Exception as error:  # noqa: BLE001 - as above
        return unavailable(action, type(error).__name__)


def unmapped(tool: str) -> Decision:
    """The denial of a tool that is no action of Remit's: deny by default."""
    return local(tool, "not_granted", f"The tool {tool} is no action that Remit decides")
