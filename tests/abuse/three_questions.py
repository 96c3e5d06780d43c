"""What every attack on a call is asked: what it was told, what the server saw of it, what the log says."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from typing import Any

_DENIAL = "dev.remit/denial"


def told(answer: Any) -> tuple[int, str]:
    """The status and the code of an answer, of whichever door: a denial's code, an error's code, or `ok`."""
    status = answer.status if hasattr(answer, "status") else answer.status_code
    octets = answer.body if hasattr(answer, "body") else answer.content
    text = octets.decode("utf-8").strip()
    if "data: " in text:  # a stream: its last message is the answer
        text = text.rpartition("data: ")[2]
    if not text.startswith("{"):
        return status, ""
    body = json.loads(text)
    error = body.get("error")
    if isinstance(error, dict):
        return status, str((error.get("data") or {}).get("code", error["code"]))
    result = body.get("result")
    if isinstance(result, dict):
        denial = result.get("_meta", {}).get(_DENIAL)
        return status, "ok" if denial is None else str(denial["code"])
    return status, str(error or body.get("code", "ok"))


class Watch:
    """Asks the three questions of what is done in a world.

    Args:
        world: The gateway's world (`gateway_world`, `http_world`, `proxy_world`).
        seen: The lists in which servers write down what they get.
    """

    def __init__(self, world: Any, *seen: Sequence[Any]) -> None:
        self._world = world
        self.seen = (world.seen, *seen)

    async def refused(
        self, asking: Awaitable[Any], status: int, code: str, /, *, what: object = "", **entry: Any
    ) -> Any:
        """See that something is told `status` and `code`, that no server sees anything of it, and that it leaves
        exactly one entry, with these members. `what`: said where it is not so. Returns the answer.
        """
        await self._settled()  # what came of earlier calls is no part of this
        entries, seen = len(self._world.writer.entries), self._count()
        answer = await asking
        await self._settled()
        assert told(answer) == (status, code), what
        assert self._count() == seen, ("a server saw something of it", what)
        found = self._since(entries)
        assert len(found) == 1, (what, found)
        assert {name: found[0].get(name) for name in entry} == entry, (what, found)
        return answer

    async def passes(self, asking: Awaitable[Any], *, outcome: str = "ok") -> Any:
        """See that something passes: the server sees it once; one decision, and one outcome of it. Returns the answer.

        Without it whatever is refused beside it could be refused for any reason.
        """
        await self._settled()
        entries, seen = len(self._world.writer.entries), self._count()
        answer = await asking
        await self._settled()
        assert told(answer) == (200, "ok")
        assert self._count() == seen + 1
        found = [each for each in self._since(entries) if each["kind"] in {"decision", "outcome"}]
        assert [each.get("decision") for each in found[:1]] == ["allow"], found
        assert [each.get("outcome") for each in found[1:]] == [outcome], found
        return answer

    def _count(self) -> int:
        return sum(map(len, self.seen))

    def _since(self, entries: int) -> list[dict[str, Any]]:
        return [json.loads(each.header) for each in self._world.writer.entries[entries:]]

    async def _settled(self) -> None:
        await self._world.relay.drain()
        await self._world.pipeline.drain()
