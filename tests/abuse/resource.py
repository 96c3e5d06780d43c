"""The gateway's door with the real check of tokens behind it: its answer to a bad one, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.interaction.tokens.token_world import BASE, TOOLS_URL

from remit.audit.recovery import OpenCalls
from remit.audit.service import Recorder
from remit.enforcement.door import Door
from remit.enforcement.mcp import Gateway
from remit.enforcement.model import Limits
from remit.enforcement.pipeline import Pipeline

PATH = TOOLS_URL.removeprefix(BASE)


class Nobody:
    """Behind the door: whoever comes this far was let in."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the door let it through: {name}")


class Resource:
    """`/mcp/payments` of a token world."""

    def __init__(self, world: Any, *, path: str = PATH) -> None:
        self.world, self.path = world, path
        nobody: Any = Nobody()
        pipeline = Pipeline(
            decider=nobody, records=Recorder(world.ring, world.clock, lambda: 1), writer=world.database.writer,
            recovery=OpenCalls(), clock=world.clock,
        )  # fmt: skip
        door = Door(world.base, world.checker, world.clock)
        self.gateway = Gateway(
            door=door, pipeline=pipeline, relay=nobody, tools=nobody, entries=nobody, clock=world.clock,
            limits=Limits(),
        )  # fmt: skip

    def refuses(
        self, token: str = "", *, error: str = "invalid_token", reason: str = "", scheme: str = "DPoP",
        proof: str | None = "", authorization: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """See that a request is answered 401 `error` and leaves exactly one entry, which is returned."""
        before = len(self.world.entries())
        made = self.world.proof(url=self.world.base + self.path, token=token) if proof == "" else proof
        shown = f"{scheme} {token}" if authorization is None else authorization
        headers = {"authorization": shown} | ({} if made is None else {"dpop": made})
        status, said, body = asyncio.run(self._ask(headers))
        assert (status, body["error"]) == (401, error)
        assert f'error="{error}"' in said["www-authenticate"]
        (entry,) = self.world.entries()[before:]
        assert (entry["kind"], entry["door"], entry["server"]) == ("refused", "mcp", self.path.rpartition("/")[2])
        assert entry["error"] == error
        assert entry["reason"]
        assert reason in entry["reason"]
        # Who shows a token need not be whose it is: nobody is named by a token that is refused.
        assert "agent" not in entry
        found: dict[str, Any] = entry
        return found

    async def _ask(self, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("the body is not read before the door is passed")

        fields = {"host": self.world.base.partition("//")[2], "content-type": "application/json", **headers}
        raw = [(name.encode(), value.encode("utf-8")) for name, value in fields.items()]
        scope = {"type": "http", "method": "POST", "path": self.path, "headers": raw, "client": ("127.0.0.1", 1)}
        await self.gateway(scope, receive, send)
        said = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], said, json.loads(body)
