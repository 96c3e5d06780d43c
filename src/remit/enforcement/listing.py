"""Fetching a server's whole list of tools, page by page, in either era."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from remit.enforcement import era
from remit.enforcement.denials import NO_ANSWER
from remit.enforcement.model import Limits
from remit.enforcement.server_messages import ServerMessage, result_object
from remit.enforcement.upstream import UpstreamFailed
from remit.kernel import canonical
from remit.kernel.errors import Malformed

METHOD: Final = "tools/list"
CLIENT: Final = {"name": "remit", "version": "1"}
Ask = Callable[[str, dict[str, Any]], Awaitable[ServerMessage]]
_counter = itertools.count(1)


class ListRefused(Malformed):
    """The server answered with an error of its own."""

    def __init__(self, answer: ServerMessage) -> None:
        super().__init__("the server did not list its tools", detail=repr(answer.error)[:300])
        self.answer = answer


def envelope() -> dict[str, Any]:
    """What a request of the modern era carries; Remit can do nothing a server could ask for."""
    return {
        "io.modelcontextprotocol/protocolVersion": era.MODERN[-1],
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }


def request(method: str, params: Mapping[str, Any]) -> tuple[str, bytes]:
    """A request of Remit's own: its id, which no agent's request can have, and its bytes."""
    id_ = f"remit-{next(_counter)}"
    return id_, canonical.encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


async def all_tools(ask: Ask, params: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    """Every definition the server lists, as it sent them.

    Args:
        ask: Sends `tools/list` with these parameters and returns the response.
        params: What every page's request carries.
        limits: How many pages and tools there may be.

    Raises:
        ListRefused: The server said no.
        UpstreamFailed: It did not answer with lists of definitions, or without an end.
    """
    tools: list[dict[str, Any]] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(limits.pages):
        answer = await ask(METHOD, dict(params) if cursor is None else {**params, "cursor": cursor})
        if answer.error is not None:
            raise ListRefused(answer)
        page, cursor = _page(answer)
        tools += page
        if len(tools) > limits.tools or cursor in seen:
            break
        if cursor is None:
            return tools
        seen.add(cursor)
    raise UpstreamFailed(NO_ANSWER, sent=True, detail="a list of tools without an end", answered=True)


def _page(answer: ServerMessage) -> tuple[list[dict[str, Any]], str | None]:
    try:
        result = result_object(answer.result or b"")
    except Malformed as error:
        raise UpstreamFailed(NO_ANSWER, sent=True, detail=error.public, answered=True) from error
    tools, cursor = result.get("tools"), result.get("nextCursor")
    named = isinstance(tools, list) and all(isinstance(t, dict) and isinstance(t.get("name"), str) for t in tools)
    if not named or not (cursor is None or isinstance(cursor, str)):
        raise UpstreamFailed(NO_ANSWER, sent=True, detail="not a list of tools", answered=True)
    return list(tools or ()), cursor or None
