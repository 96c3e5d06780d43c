"""`/v1/whoami`: who asks, and who a token speaks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import Clock
from remit.kernel.errors import NotFound
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door
from remit.server.whoami import Whoami
from remit.tokens.check import TokenChecker

_ID: Final = "tok_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoamiDoors:
    """Who somebody is, over HTTP."""

    whoami: Whoami
    checker: TokenChecker
    accountable: Accountable
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/whoami", summary="Whose token this request came with, and its roles",
                action="read", handle=self.operator,
            ),
            Door(
                method="POST", path="/v1/whoami",
                summary="Who an agent's token speaks for: by the token while it lives, by its id (jti) ever after",
                action="readDecisions", handle=self.token, body="json", fields={"token": "string"},
                owners=self._owners,
            ),
        ]  # fmt: skip

    def operator(self, ask: Ask) -> dict[str, Any]:
        """The person."""
        asks = ask.operator
        behind = {} if asks.behind is None else {"behind": asks.behind}
        return {"person": asks.person, "roles": sorted(asks.roles), **behind}

    def token(self, ask: Ask) -> dict[str, Any]:
        """One token of an agent."""
        return self.whoami.of(self._id(ask.body["token"]))

    def _owners(self, ask: Ask) -> Collection[str]:
        return self.accountable.for_agent(self.whoami.agent_of(self._id(ask.body["token"])))

    def _id(self, said: str) -> str:
        if said.startswith(_ID):
            return said
        found = self.checker.read(said, now=self.clock.now())
        if found is None:
            raise NotFound(
                "that is no token of this Remit which still lives", try_="remit whoami tok_..., the id in its jti"
            )
        return found.caller.token
