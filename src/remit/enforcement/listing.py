"""Fetching a server's whole list of tools, page by page, in either era."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.enforcement import era
from remit.enforcement.denials import NO_ANSWER
from remit.enforcement.model import METHOD_NOT_FOUND, Limits
from remit.enforcement.server_messages import ServerMessage, error_code, result_object
from remit.enforcement.upstream import UpstreamFailed
from remit.kernel import canonical
from remit.kernel.errors import Malformed

METHOD: Final = "tools/list"


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: its method, the member of a page that holds it, and the text that each of it has."""

    method: str
    member: str
    key: str


_TOOLS: Final = Listed(METHOD, "tools", "name")
CLIENT: Final = {"name": "remit", "version": "1"}
# A server may have tools for clients that can be asked something only: said so that those are listed, and can be pinned
# and granted. Whatever it then asks of Remit itself is refused. Roots are left out: servers ask for them at once, and
# some take them for their whole configuration.
DECLARED: Final[dict[str, Any]] = {"sampling": {}, "elicitation": {"form": {}, "url": {}}}
Ask = Callable[[str, dict[str, Any]], Awaitable[ServerMessage]]
_counter = itertools.count(1)


class ListRefused(Malformed):
    """The server answered with an error of its own."""

    def __init__(self, answer: ServerMessage) -> None:
        super().__init__("the server did not list what was asked for", detail=repr(answer.error)[:300])
        self.answer = answer


def envelope() -> dict[str, Any]:
    """What a request of the modern era carries; see `DECLARED`."""
    return {
        "io.modelcontextprotocol/protocolVersion": era.MODERN[-1],
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": DECLARED,
    }


def request(method: str, params: Mapping[str, Any]) -> tuple[str, bytes]:
    """A request of Remit's own: its id, which no agent's request can have, and its bytes."""
    id_ = f"remit-{next(_counter)}"
    return id_, canonical.encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


async def all_tools(ask: Ask, params: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    """Every definition the server lists, as it sent them; see `every`."""
    return await every(ask, _TOOLS, params, limits)


async def every(ask: Ask, listed: Listed, params: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    """All that the server lists of a kind, as it sent it.

    Args:
        ask: Sends the list's method with these parameters and returns the response.
        listed: Which list.
        params: What every page's request carries.
        limits: How many pages and entries there may be.

    Raises:
        ListRefused: The server said no.
        UpstreamFailed: It did not answer with lists of definitions, or without an end.
    """
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(limits.pages):
        answer = await ask(listed.method, dict(params) if cursor is None else {**params, "cursor": cursor})
        if answer.error is not None:
            raise ListRefused(answer)
        page, cursor = _page(answer, listed)
        found += page
        if len(found) > limits.tools or cursor in seen:
            break
        if cursor is None:
            return found
        seen.add(cursor)
    raise UpstreamFailed(NO_ANSWER, sent=True, detail="a list without an end", answered=True)


def unknown(refused: ListRefused) -> bool:
    """Whether a server says that it does not know the list's method."""
    return error_code(refused.answer) == METHOD_NOT_FOUND


def toolless(greeting: bytes | None) -> bool:
    """Whether a server's greeting (the result of `initialize` or `server/discover`) declares no tools.

    A server that has some must declare them (MCP, server/tools, "Capabilities"). So one that does not, and knows no
    `tools/list` either, has none: resources or prompts only. One that declares them and lists none is broken.
    """
    try:
        declared = result_object(greeting or b"").get("capabilities")
    except Malformed:
        return False
    return isinstance(declared, dict) and declared.get("tools") is None


def _page(answer: ServerMessage, listed: Listed) -> tuple[list[dict[str, Any]], str | None]:
    try:
        result = result_object(answer.result or b"")
    except Malformed as error:
        raise UpstreamFailed(NO_ANSWER, sent=True, detail=error.public, answered=True) from error
    page, cursor = result.get(listed.member), result.get("nextCursor")
    named = isinstance(page, list) and all(isinstance(e, dict) and isinstance(e.get(listed.key), str) for e in page)
    if not named or not (cursor is None or isinstance(cursor, str)):
        raise UpstreamFailed(NO_ANSWER, sent=True, detail=f"not a list of {listed.member}", answered=True)
    return list(page or ()), cursor or None
