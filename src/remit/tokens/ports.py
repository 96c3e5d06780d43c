"""What the token service asks of the rooms that hold the facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from remit.access.model import Rule
from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName
from remit.storage.model import Entry
from remit.tokens.model import AgentStanding


class Standing(Protocol):
    """Where an agent stands now. In memory and quick: it is asked again on the writer's thread."""

    def agent_standing(self, agent: str, now: Instant) -> AgentStanding | None:
        """The standing of `agent` in any lifecycle state, or None if there is no such agent."""
        ...


class Access(Protocol):
    """What callers have. In memory."""

    def rules(self, caller: Caller) -> Mapping[ActionName, Rule]:
        """The rules of the boundaries in force, for the caller's purpose; acting for another, what was handed on."""
        ...


class EnforcementPoints(Protocol):
    """The registered enforcement points, by their tokens."""

    def point(self, authorization: str | None) -> object:
        """The one that makes a request. Raises Unauthenticated. In memory."""
        ...


class Records(Protocol):
    """Makes entries for the log (bound to audit's recorder)."""

    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the recorder's own name
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        """An entry of `kind` whose public header carries `fields`."""
        ...
